"""The kernel's side of a few calls, as strace prints it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pysyscall

STRACE = shutil.which("strace")
pytestmark = pytest.mark.skipif(STRACE is None, reason="strace is not installed")


def strace(tmp_path: Path, name: str, code: str, *args: object) -> tuple[str, list[str]]:
    """What the code printed, and the lines of strace on one call, without its padding."""
    assert STRACE is not None
    log = tmp_path / "log"
    command = [STRACE, "-qq", "-o", str(log), "-e", f"trace={name}", "-e", "signal=none"]
    # Without -B the interpreter writes too: what it has compiled.
    program = [sys.executable, "-B", "-c", code, *map(str, args)]
    package = Path(pysyscall.__file__).parent.parent
    result = subprocess.run(
        command + program,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(package)},
    )
    refused = re.match(r"\S*strace: .*Operation not permitted", result.stderr)
    if result.returncode and refused:
        pytest.skip(f"no right to trace a child: {result.stderr.splitlines()[0]}")
    assert result.returncode == 0, result.stderr
    lines = log.read_text().splitlines()
    return result.stdout, [re.sub(r"\)\s+= ", ") = ", line) for line in lines]


def test_write(tmp_path: Path) -> None:
    code = r'from pysyscall import write; write(1, b"hello\n")'
    printed, lines = strace(tmp_path, "write", code)
    assert printed == "hello\n"
    assert lines == [r'write(1, "hello\n", 6) = 6']


def test_openat(tmp_path: Path) -> None:
    code = """if True:
        import sys
        from pysyscall import O_CLOEXEC, O_CREAT, O_RDWR, openat
        print(openat(None, sys.argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0o640))
        openat(None, sys.argv[1], O_CLOEXEC)
    """
    path = tmp_path / "new"
    printed, lines = strace(tmp_path, "openat", code, path)
    fd = int(printed)
    assert [line for line in lines if str(path) in line] == [
        f'openat(AT_FDCWD, "{path}", O_RDWR|O_CREAT|O_CLOEXEC, 0640) = {fd}',
        f'openat(AT_FDCWD, "{path}", O_RDONLY|O_CLOEXEC) = {fd + 1}',
    ]


def test_statx(tmp_path: Path) -> None:
    code = """if True:
        import sys
        from pysyscall import AT_SYMLINK_NOFOLLOW, STATX_SIZE, STATX_TYPE, statx
        print(statx(None, sys.argv[1], AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_SIZE).stx_size)
    """
    path = tmp_path / "file"
    path.write_bytes(bytes(1234))
    printed, lines = strace(tmp_path, "statx", code, path)
    assert printed == "1234\n"
    (line,) = (line for line in lines if str(path) in line)
    # strace may name the flag that is 0.
    assert line.replace("AT_STATX_SYNC_AS_STAT|", "").startswith(
        f'statx(AT_FDCWD, "{path}", AT_SYMLINK_NOFOLLOW, STATX_TYPE|STATX_SIZE, {{stx_mask='
    )
    assert "stx_size=1234" in line
    assert line.endswith("}) = 0")
