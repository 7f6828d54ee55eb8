# The project's commands. `make hello` and `make test` work in a fresh clone; PYTHON names the interpreter.

PYTHON ?= python3
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
VENV := .venv/$(VERSION)
BIN := $(VENV)/bin
C_CODE := csrc/*.c csrc/*.h pysyscall/bench/*.c benchmarks/*.c
C_SOURCES := $(wildcard csrc/*.c csrc/*.h csrc/*.py csrc/generated/*)

.DELETE_ON_ERROR:
.PHONY: hello test check pytest docs bench instructions speed sanitize format generate clean help

help:  ## list these commands
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 16

hello: $(VENV)/built  ## build in a virtual environment and write hello
	@$(BIN)/python -c 'from pysyscall import write; write(1, b"hello\n")'

test: check docs pytest  ## build, and run all that CI runs

check: $(VENV)/dev  ## types, style, and whether generated code is up to date
	$(BIN)/python -m tables generate --check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror $(C_CODE)
	$(BIN)/mypy
	$(BIN)/mypy --strict tests/typing
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/python -m mypy.stubtest pysyscall --allowlist tests/typing/stubtest_allowlist.txt --ignore-unused-allowlist

pytest: $(VENV)/dev  ## the tests
	$(BIN)/python -m pytest

docs: $(VENV)/dev  ## build the documentation into docs/_build/html
	$(BIN)/python -m sphinx -q -W -n --keep-going -b html docs docs/_build/html

bench: $(VENV)/dev  ## os's calls beside ours, in one run
	$(BIN)/python -m pysyscall bench pairs

instructions: $(VENV)/dev  ## count the instructions of the same calls; needs valgrind
	$(BIN)/python benchmarks/instructions.py

speed: $(VENV)/dev  ## measure all that docs/speed.md tells, and write it there; needs valgrind
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[bench]'
	$(BIN)/python benchmarks/page.py

sanitize: $(VENV)/dev  ## the C code under ASan and UBSan
	$(BIN)/python tests/isolated/sanitize.py

generate: $(VENV)/dev  ## make all generated code anew from tables/
	$(BIN)/python -m tables generate

format: $(VENV)/dev  ## bring all code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(C_CODE)

clean:  ## remove all that was built
	rm -rf .venv build dist docs/_build *.egg-info pysyscall/*.so pysyscall/_raw.c

# A virtual environment needs ensurepip, and the build needs Python.h; Debian packages both apart.
$(VENV)/created:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("pysyscall needs Python 3.11 or newer, not %d.%d; name one: make PYTHON=..." % sys.version_info[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) can't make virtual environments; install them: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' || \
	  { echo "$(PYTHON) lacks its C headers; install them: apt-get install python3-dev" >&2; exit 1; }
	@command -v gcc >/dev/null || { echo "there is no C compiler; install one: apt-get install gcc" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/built: $(VENV)/created $(C_SOURCES) setup.py pyproject.toml
	$(BIN)/python -m pip install -q --disable-pip-version-check -e .
	@touch $@

$(VENV)/dev: $(VENV)/created $(C_SOURCES) setup.py pyproject.toml
	PYSYSCALL_DEV=1 $(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/built
