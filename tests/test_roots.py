"""Where paths start: handles instead of paths, and another root."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from children import in_child
from conditions import ROOT, lacks, needs, needs_root
from worlds import CONTENT, Action, World, handle_of

import pysyscall
from pysyscall import FileHandle

# Handles


@needs_root
@pytest.mark.parametrize("flags", [pysyscall.O_RDONLY, pysyscall.O_RDWR | pysyscall.O_CLOEXEC])
def test_open_by_handle_at_opens_a_file_that_was_renamed(
    world: World, keep: Callable[[int], int], flags: int
) -> None:
    handle = handle_of(world.at / "file")
    (world.at / "file").rename(world.at / "full" / "new")
    fd = keep(pysyscall.open_by_handle_at(world.dirfd, handle, flags))
    assert os.fstat(fd).st_ino == os.fstat(world.fd).st_ino
    assert pysyscall.read(fd, 100) == CONTENT
    cloexec = fcntl.FD_CLOEXEC if flags & os.O_CLOEXEC else 0
    assert fcntl.fcntl(fd, fcntl.F_GETFD) == cloexec


@needs_root
def test_open_by_handle_at_fails(world: World) -> None:
    handle = handle_of(world.at / "other")
    for mount, given, number in (
        (-1, handle, errno.EBADF),
        (world.dirfd, FileHandle(), errno.EINVAL),
        (world.dirfd, handle.replace(f_handle=b"\xff" * 8), errno.ESTALE),
    ):
        with pytest.raises(OSError) as caught:
            pysyscall.open_by_handle_at(mount, given, pysyscall.O_RDONLY)
        assert caught.value.errno == number


# Roots


@needs_root
@pytest.mark.parametrize(
    "call",
    [
        lambda w: pysyscall.chroot(w.at),
        lambda w: pysyscall.chroot(os.fsencode(w.at)),
        pytest.param(lambda w: pysyscall.fchroot(w.dirfd), marks=needs("fchroot")),
    ],
    ids=["chroot", "chroot bytes", "fchroot"],
)
def test_chroot_changes_where_paths_start(world: World, call: Action) -> None:
    def change() -> tuple[object, list[str], bytes]:
        result = call(world)
        return result, sorted(os.listdir("/")), Path("/file").read_bytes()  # noqa: PTH208

    names = sorted(path.name for path in world.at.iterdir())
    assert in_child(change) == (None, names, CONTENT)


@pytest.mark.skipif(not ROOT, reason="only root may give up the right")
def test_chroot_needs_a_right(world: World) -> None:
    def change() -> None:
        os.setuid(12345)
        pysyscall.chroot("/")

    with pytest.raises(PermissionError) as caught:
        in_child(change)
    assert (caught.value.errno, caught.value.filename) == (errno.EPERM, "/")


@pytest.mark.parametrize(("fd", "flags", "number"), [(-1, 0, "EBADF"), (0, 1, "EINVAL")])
def test_fchroot_fails(fd: int, flags: int, number: str) -> None:
    """In a child: were it to succeed, only that would have another root."""
    with pytest.raises(OSError) as caught:
        in_child(lambda: pysyscall.fchroot(fd, flags))
    assert caught.value.errno == (errno.ENOSYS if lacks("fchroot") else getattr(errno, number))


def test_a_path_is_no_descriptor(world: World) -> None:
    calls: list[Callable[[Any], object]] = [pysyscall.chroot, pysyscall.utime, pysyscall.utimes]
    for call in calls:
        with pytest.raises(TypeError, match="argument 'path' must be"):
            call(world.fd)
