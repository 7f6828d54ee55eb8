"""Attributes of files, and locks on whole files."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
from conditions import needs, skip_where
from worlds import World

import pysyscall
from pysyscall import FileAttr

FS_IOC_GETFLAGS = 0x80086601


# Attributes


@needs("file_getattr")
@pytest.mark.parametrize("how", ["path", "descriptor"])
def test_file_attributes_are_those_of_chattr(world: World, how: str) -> None:
    where: dict[str, Any] = (
        {"dirfd": world.dirfd, "path": "file"}
        if how == "path"
        else {"dirfd": world.fd, "path": "", "at_flags": pysyscall.AT_EMPTY_PATH}
    )
    with skip_where(errno.EOPNOTSUPP, lacking="the file system has no attributes"):
        before = pysyscall.file_getattr(**where)
    assert type(before) is FileAttr
    assert not before.fa_xflags & pysyscall.FS_XFLAG_NODUMP
    wanted = before.replace(fa_xflags=before.fa_xflags | pysyscall.FS_XFLAG_NODUMP)
    assert pysyscall.file_setattr(ufattr=wanted, **where) is None
    assert pysyscall.file_getattr(**where) == wanted
    flags = int.from_bytes(fcntl.ioctl(world.fd, FS_IOC_GETFLAGS, bytes(8))[:4], "little")
    assert flags & pysyscall.FS_NODUMP_FL
    pysyscall.file_setattr(ufattr=before, **where)
    assert pysyscall.file_getattr(**where) == before


@needs("file_getattr")
@pytest.mark.parametrize("call", ["file_getattr", "file_setattr"])
def test_file_attributes_fail_with_errno_and_name(world: World, call: str) -> None:
    function = getattr(pysyscall, call)
    given = () if call == "file_getattr" else (FileAttr(),)
    for path, flags, number in (("none", 0, errno.ENOENT), ("file", 1, errno.EINVAL)):
        with pytest.raises(OSError) as caught:
            function(world.dirfd, path, *given, flags)
        assert (caught.value.errno, caught.value.filename) == (number, path)


# Locks


def test_flock_keeps_others_out(world: World, keep: Callable[[int], int]) -> None:
    second, third = (keep(os.open(world.at / "file", os.O_RDONLY)) for _ in range(2))
    now = pysyscall.LOCK_NB
    assert pysyscall.flock(world.fd, pysyscall.LOCK_SH) is None
    pysyscall.flock(second, pysyscall.LOCK_SH | now)
    with pytest.raises(BlockingIOError):
        fcntl.flock(third, fcntl.LOCK_EX | fcntl.LOCK_NB)
    for fd in (world.fd, second):
        pysyscall.flock(fd, pysyscall.LOCK_UN)
    fcntl.flock(third, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with pytest.raises(BlockingIOError) as caught:
        pysyscall.flock(world.fd, pysyscall.LOCK_SH | now)
    assert (caught.value.errno, caught.value.filename) == (errno.EAGAIN, None)


def test_flock_waits_while_other_threads_run(world: World, keep: Callable[[int], int]) -> None:
    holder = keep(os.open(world.at / "file", os.O_RDONLY))
    fcntl.flock(holder, fcntl.LOCK_EX)
    freed = threading.Event()

    def free() -> None:
        freed.set()
        fcntl.flock(holder, fcntl.LOCK_UN)

    timer = threading.Timer(0.05, free)
    timer.start()
    pysyscall.flock(world.fd, pysyscall.LOCK_EX)
    timer.join()
    assert freed.is_set()
    with pytest.raises(BlockingIOError):
        fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
