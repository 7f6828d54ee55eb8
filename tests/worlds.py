"""A folder with files for calls to act on, and all that they can change there."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conditions import ROOT, skip_where

import pysyscall
from pysyscall import FileHandle

CONTENT = b"0123456789"
# root may give files away; others can only keep them.
OWNER = (12345, 54321) if ROOT else (os.getuid(), os.getgid())


@dataclass
class World:
    """A folder with a file of each kind, and descriptors for some of them."""

    at: Path
    fd: int
    out: int
    dirfd: int

    def state(self) -> dict[str, object]:
        """All that a call can have changed."""
        entries: dict[str, object] = {}
        for path in sorted(self.at.rglob("*")):
            told = path.lstat()
            if path.is_symlink():
                content: object = str(path.readlink())
            else:
                content = path.read_bytes() if path.is_file() else None
            mode, links, owner = told.st_mode, told.st_nlink, (told.st_uid, told.st_gid)
            entries[str(path.relative_to(self.at))] = (mode, links, owner, content)
        offsets = [os.lseek(fd, 0, os.SEEK_CUR) for fd in (self.fd, self.out)]
        return {"entries": entries, "offsets": offsets}


Action = Callable[[World], object]


@contextmanager
def new_world(at: Path) -> Iterator[World]:
    at.mkdir()
    (at / "file").write_bytes(CONTENT)
    (at / "other").write_bytes(b"")
    (at / "empty").mkdir()
    (at / "full").mkdir()
    (at / "full" / "inside").write_bytes(b"x")
    (at / "link").symlink_to("file")
    (at / "lost").symlink_to("nowhere")
    fds = [os.open(at / name, os.O_RDWR) for name in ("file", "other")]
    fds.append(os.open(at, os.O_RDONLY | os.O_DIRECTORY))
    try:
        yield World(at, *fds)
    finally:
        for fd in fds:
            os.close(fd)


def filled(call: Callable[[int, Any], Any], fd: int, *sizes: int) -> tuple[Any, list[bytes]]:
    buffers = [bytearray(size) for size in sizes]
    return call(fd, buffers), [bytes(buffer) for buffer in buffers]


def handle_of(path: Path) -> FileHandle:
    with skip_where(errno.EOPNOTSUPP, lacking="the file system has no handles"):
        return pysyscall.name_to_handle_at(None, path)[0]
