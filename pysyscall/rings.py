"""Buffers that an io_uring instance may read and write until they are unregistered."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from pysyscall.flags import IORING_REGISTER_USE_REGISTERED_RING

_held: dict[int, list[memoryview]] = {}
"""By instance, which has one set of buffers at most."""


def hold(fd: int, opcode: int, buffers: list[memoryview]) -> None:
    """Keep buffers alive that were just registered. Called by the C engine."""
    instance = _instance(fd, opcode)
    _forget_closed(instance)
    _held[instance] = buffers


def release(fd: int, opcode: int) -> None:
    """The instance has given its buffers back. Called by the C engine."""
    if _held:
        _held.pop(_instance(fd, opcode), None)


def _instance(fd: int, opcode: int) -> int:
    """The inode. A ring without a descriptor is known by its index, and never found closed."""
    if opcode & IORING_REGISTER_USE_REGISTERED_RING:
        return -1 - fd
    return os.fstat(fd).st_ino


def _forget_closed(but: int) -> None:
    """A ring to which neither a descriptor nor a mapping of this process leads has been closed."""
    others = [instance for instance in _held if instance >= 0 and instance != but]
    if not others:
        return
    left = set()
    for path in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            left.add(os.fstat(int(path.name)).st_ino)
    for line in Path("/proc/self/maps").read_bytes().splitlines():
        left.add(int(line.split(None, 5)[4]))
    for instance in others:
        if instance not in left:
            _held.pop(instance, None)
