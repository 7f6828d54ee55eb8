"""The package as a whole: where it refuses to run, what importing it loads, what `*` takes."""

import builtins
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import pysyscall

ROOT = Path(__file__).parents[1]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=60,
    )


PRETEND = {
    "another system": "import sys; sys.platform = 'darwin'",
    "another processor": (
        "import os, platform; os.uname = lambda: "
        "os.uname_result(('Linux', 'x', 'x', 'x', 'aarch64')); "
        "platform.machine = lambda: 'aarch64'"
    ),
}


@pytest.mark.parametrize("pretence", PRETEND.values(), ids=PRETEND)
def test_import_elsewhere_stops_with_one_sentence(pretence: str) -> None:
    ended = run("-c", f"{pretence}\nimport pysyscall")
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("ImportError: pysyscall supports Linux on x86-64 only, not ")


@pytest.mark.parametrize("pretence", PRETEND.values(), ids=PRETEND)
def test_build_elsewhere_stops_with_one_sentence(pretence: str) -> None:
    setup = "import sys; sys.argv = ['setup.py', '--version']; exec(open('setup.py').read())"
    ended = run("-c", f"import setuptools\n{pretence}\n{setup}")
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("pysyscall supports Linux on x86-64 only, not ")


def test_star_import_shadows_no_builtin() -> None:
    space: dict[str, object] = {}
    exec("from pysyscall import *", space)
    taken = {name for name in space if not name.startswith("__")}
    assert {"write", "fstat", "Stat", "Sysno", "lookup", "syscall"} <= taken
    assert not taken & set(dir(builtins))
    assert "open" not in taken and callable(pysyscall.open)


def test_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert pysyscall.__version__ == project["version"]


def test_import_loads_nothing_heavy() -> None:
    """What would make the start slow: cffi, enum classes, the rows of the table."""
    ended = run(
        "-X",
        "importtime",
        "-c",
        "import sys; before = set(sys.modules); import pysyscall\n"
        "print(*sorted(set(sys.modules) - before))",
    )
    assert ended.returncode == 0, ended.stderr
    assert set(ended.stdout.split()) == {"pysyscall", "pysyscall._fast"}


def test_hello() -> None:
    ended = run("-c", 'from pysyscall import write; write(1, b"hello\\n")')
    assert (ended.stdout, ended.stderr, ended.returncode) == ("hello\n", "", 0)
