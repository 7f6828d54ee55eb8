"""Files for figures and pictures: whether they can be written is found out before the long run."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

import pysyscall
from pysyscall.bench.errors import BenchError

ROOM = 256 * 1024
"""Bytes that are reserved on the disk: more than any of these files needs."""


class Output:
    """A file that is opened and given room at once, and keeps its old content until `write`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK
        self.new = False
        try:
            try:
                self.fd = os.open(path, flags)
            except FileNotFoundError:
                self.fd = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
                self.new = True
        except OSError as error:
            raise BenchError(f"can't write {path}: {error.strerror}") from None
        try:
            self._reserve()
        except OSError as error:
            self.discard()
            raise BenchError(f"can't write {path}: {error.strerror}") from None

    def _reserve(self) -> None:
        if not stat.S_ISREG(os.fstat(self.fd).st_mode):
            os.write(self.fd, b"")  # a device that is full says so to this too
            return
        try:
            pysyscall.fallocate(self.fd, pysyscall.FALLOC_FL_KEEP_SIZE, 0, ROOM)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS):
                raise

    def write(self, content: bytes) -> None:
        """Replace the content, and close."""
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(self.fd, rest) :]
            if stat.S_ISREG(os.fstat(self.fd).st_mode):
                os.ftruncate(self.fd, len(content))
        except OSError as error:
            raise BenchError(f"can't write {self.path}: {error.strerror}") from None
        finally:
            self._close()

    def discard(self) -> None:
        """Close, and leave all as it was; nothing to do after `write`."""
        if self.fd < 0:
            return
        if self.new:
            with contextlib.suppress(OSError):
                self.path.unlink()
        elif stat.S_ISREG((old := os.fstat(self.fd)).st_mode):
            with contextlib.suppress(OSError):
                os.ftruncate(self.fd, old.st_size)  # gives the reserved room back
        self._close()

    def _close(self) -> None:
        os.close(self.fd)
        self.fd = -1
