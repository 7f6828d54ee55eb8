"""Calls on memory: files that live in memory only."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import pysyscall


@pytest.mark.parametrize("name", ["name", b"name", "", "ünïcode", b"\xff", "x" * 249])
def test_memfd_create_makes_a_file_of_that_name(
    keep: Callable[[int], int], name: str | bytes
) -> None:
    fd = keep(pysyscall.memfd_create(name))
    link = Path(f"/proc/self/fd/{fd}").readlink()
    assert str(link) == f"/memfd:{os.fsdecode(name)} (deleted)"
    pysyscall.write(fd, b"content")
    assert pysyscall.pread(fd, 100, 0) == b"content"
    assert pysyscall.fstat(fd).st_nlink == 0


@pytest.mark.parametrize(
    ("flags", "cloexec"),
    [(0, False), (pysyscall.MFD_CLOEXEC, True), (pysyscall.MFD_ALLOW_SEALING, False)],
)
def test_flags_are_those_asked_for(keep: Callable[[int], int], flags: int, cloexec: bool) -> None:
    fd = keep(pysyscall.memfd_create("name", flags))
    assert bool(fcntl.fcntl(fd, fcntl.F_GETFD)) == cloexec
    sealed = fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SEAL
    assert bool(sealed) == (not flags & pysyscall.MFD_ALLOW_SEALING)
    assert fcntl.fcntl(keep(os.memfd_create("name")), fcntl.F_GETFD), "where os differs"


def test_a_sealed_file(keep: Callable[[int], int]) -> None:
    fd = keep(pysyscall.memfd_create("name", pysyscall.MFD_ALLOW_SEALING))
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW)
    with pytest.raises(PermissionError):
        pysyscall.write(fd, b"x")
    with pytest.raises(PermissionError):
        pysyscall.ftruncate(fd, 1)


@pytest.mark.parametrize(("name", "flags"), [("x" * 250, 0), ("name", 1 << 20)])
def test_refusals(name: str, flags: int) -> None:
    with pytest.raises(OSError) as caught:
        pysyscall.memfd_create(name, flags)
    assert caught.value.errno == errno.EINVAL
    assert caught.value.filename is None, "the name is no file's name"
