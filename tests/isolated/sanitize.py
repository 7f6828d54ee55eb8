"""Builds `_fast` with AddressSanitizer and UndefinedBehaviorSanitizer, and attacks it.

`sanitize.py [PYTEST ARGUMENT ...]`: without arguments the tests of hostile input, structs,
interrupts, signals and the run time, then the scripts that look for leaks. The build goes to a
temporary folder; nothing in the tree changes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SANITIZERS = "address,undefined"
TESTS = (
    *("test_bad_buffers.py", "test_bad_input.py", "test_batch.py", "test_bulk.py"),
    *("test_control_messages.py", "test_directories.py", "test_hostile.py", "test_interrupts.py"),
    *("test_mapping.py", "test_mapping_in_threads.py", "test_messages.py", "test_one_thread.py"),
    *("test_runtime.py", "test_select.py"),
    *("test_several_messages.py", "test_shared_memory.py", "test_signal_actions.py"),
    *("test_struct_bytes.py", "test_structs.py"),
)
# Under LeakSanitizer: what memory is lost when all has ended.
SCRIPTS = (("leaks.py", "10"), ("no_memory.py",))
# Memory that others lose: cffi at its import, CPython's os.fstat where memory runs out.
LOST = ("_cffi_backend", "os_fstat")


def build(folder: Path) -> Path:
    """A copy of the package whose `_fast` is sanitized; returns the folder that holds it."""
    library = folder / "lib"
    # Undefined behaviour ends the process, as bad accesses do, so that no test passes over it.
    flags = {"PYSYSCALL_SANITIZE": SANITIZERS, "CFLAGS": "-fno-sanitize-recover=all"}
    subprocess.run(
        [
            *(sys.executable, "setup.py", "-q", "build_ext", "--force"),
            *("--build-lib", library, "--build-temp", folder / "temp"),
        ],
        cwd=ROOT,
        env={**os.environ, **flags},
        check=True,
    )
    ignored = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(ROOT / "pysyscall", library / "pysyscall", ignore=ignored, dirs_exist_ok=True)
    return library


def runtime_library(name: str) -> str:
    """Where the compiler keeps a sanitizer's run-time library."""
    found = subprocess.run(
        ["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not Path(found).is_absolute():
        sys.exit(f"gcc has no {name}; install its sanitizers")
    return found


def run(library: Path, report: Path, arguments: list[str | Path], *, leaks: bool) -> bool:
    """Runs Python with the sanitized package; whether all went well."""
    options = f"halt_on_error=1:abort_on_error=1:log_path={report}"
    suppressions = library / "suppressions"
    suppressions.write_text("".join(f"leak:{name}\n" for name in LOST))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(library), str(ROOT))),
        # CPython's own allocator would hide most errors from the sanitizer.
        "PYTHONMALLOC": "malloc",
        "LD_PRELOAD": " ".join(map(runtime_library, ("libasan.so", "libubsan.so"))),
        # Whose a leak is shows the whole stack, which takes longer to unwind.
        "ASAN_OPTIONS": f"{options}:detect_leaks={leaks:d}:fast_unwind_on_malloc={not leaks:d}"
        ":allocator_may_return_null=1",
        "LSAN_OPTIONS": f"suppressions={suppressions}:print_suppressions=0",
        "UBSAN_OPTIONS": f"{options}:print_stacktrace=1",
    }
    # The current directory comes first in the path, so it must not be the tree.
    ended = subprocess.run([sys.executable, *arguments], cwd=library, env=environment)
    return ended.returncode == 0


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        library, report = build(folder), folder / "report"
        tests = sys.argv[1:] or [str(ROOT / "tests" / test) for test in TESTS]
        pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", ROOT / "pyproject.toml"]
        good = run(library, report, [*pytest, "--rootdir", ROOT, *tests], leaks=False)
        for script, *arguments in () if sys.argv[1:] else SCRIPTS:
            path = Path(__file__).with_name(script)
            good = run(library, report, [path, *arguments], leaks=True) and good
        texts = [found.read_text() for found in sorted(folder.glob("report.*"))]
        # Warnings are of sizes that tests ask for on purpose, and don't get.
        reports = [text for text in texts if "ERROR: " in text or "runtime error: " in text]
        print(*reports, sep="\n")
        return 0 if good and not reports else 1


if __name__ == "__main__":
    sys.exit(main())
