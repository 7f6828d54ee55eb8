"""Memory for calls to work on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import pysyscall
from pysyscall import IPC_RMID, MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE, Mapping, Sysno
from pysyscall.raw import syscall

PAGE = 4096
ANONYMOUS = MAP_PRIVATE | MAP_ANONYMOUS
BOTH = PROT_READ | PROT_WRITE
CLOSED = "is a closed Mapping"
BUSY = "has exported buffers or is used by another thread"


def new(size: int = 4 * PAGE, prot: int = BOTH) -> Mapping:
    return pysyscall.mmap(None, size, prot, ANONYMOUS)


def segment(size: int = 2 * PAGE + 1) -> Mapping:
    """Attached; the segment is removed as soon as nobody has it."""
    number = pysyscall.shmget(pysyscall.IPC_PRIVATE, size, 0o600)
    try:
        return pysyscall.shmat(number)
    finally:
        syscall(Sysno.shmctl, number, IPC_RMID, 0)


def file_of_x(path: Path) -> int:
    """Two pages full of x."""
    path.write_bytes(b"x" * 2 * PAGE)
    return os.open(path, os.O_RDWR)


def mapped(address: int) -> str:
    """The permissions of what is mapped at an address; empty where nothing is."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        start, end = (int(part, 16) for part in line.split()[0].split("-"))
        if start <= address < end:
            return line.split()[1]
    return ""


def refused(
    error: type[Exception] | tuple[type[Exception], ...],
    message: str,
    call: Callable[[], object],
) -> None:
    """`message` is searched for; empty stands for any."""
    with pytest.raises(error, match=message or None):
        call()
