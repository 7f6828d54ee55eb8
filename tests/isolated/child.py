"""Runs Python in a child process that sees the same pysyscall as this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pysyscall

ISOLATED = Path(__file__).parent
SANITIZED = "libasan" in os.environ.get("LD_PRELOAD", "")
"""Whether AddressSanitizer is at work, which needs all the address space."""


def python(*arguments: str | Path, timeout: float = 120) -> str:
    """What `python ARGUMENT ...` prints; AssertionError with its errors where it fails."""
    path = os.pathsep.join((str(Path(pysyscall.__file__).parents[1]), str(ISOLATED)))
    result = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert result.returncode == 0, f"exit status {result.returncode}\n{result.stderr}"
    return result.stdout
