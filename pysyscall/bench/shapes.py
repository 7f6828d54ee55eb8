"""The calls whose layers can be measured: one of each shape, with the registers they come to."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pysyscall
from pysyscall import table
from pysyscall._raw import ffi
from pysyscall.bench.statements import Space, value


@dataclass(frozen=True, slots=True)
class Shape:
    """A call by the standard library and by us; `words` are its six registers, filled by `Memory`.

    `narrow` is the same call's name among those of 32-bit programs, empty where they have none of
    this form.
    """

    name: str
    shape: str
    theirs: str
    ours: str
    words: str
    narrow: str = ""

    @property
    def info(self) -> table.SyscallInfo:
        return table.lookup(self.name)


SHAPES = [
    Shape("getppid", "no argument", "os.getppid()", "ps.getppid()", "()", "getppid"),
    Shape("umask", "an int", "os.umask(0o022)", "ps.umask(0o022)", "(0o022,)", "umask"),
    Shape(
        "lseek",
        "three ints",
        "os.lseek(file, 0, os.SEEK_SET)",
        "ps.lseek(file, 0, os.SEEK_SET)",
        "(file, 0, 0)",
        "lseek",
    ),
    Shape(
        "write",
        "bytes in",
        "os.write(null, b'x')",
        "ps.write(null, b'x')",
        "(null, put(b'x'), 1)",
        "write",
    ),
    Shape(
        "read",
        "bytes out",
        "os.read(zero, 64)",
        "ps.read(zero, 64)",
        "(zero, room(64), 64)",
        "read",
    ),
    Shape(
        "access",
        "a path",
        "os.access(path, os.R_OK)",
        "ps.access(path, os.R_OK)",
        "(text(path), os.R_OK)",
        "access",
    ),
    Shape(
        "readlink",
        "a path, text out",
        "os.readlink(link)",
        "ps.readlink(link)",
        "(text(link), room(4096), 4096)",
        "readlink",
    ),
    Shape(
        "uname",
        "a struct out",
        "os.uname()",
        "ps.uname()",
        "(room(390),)",
        "uname",
    ),
    Shape("fstat", "a struct out", "os.fstat(file)", "ps.fstat(file)", "(file, room(144))"),
    Shape(
        "stat", "a path, a struct out", "os.stat(path)", "ps.stat(path)", "(text(path), room(144))"
    ),
    Shape(
        "prlimit64",
        "a struct in, a struct out",
        "resource.prlimit(0, resource.RLIMIT_NOFILE, nofile)",
        "ps.prlimit64(0, resource.RLIMIT_NOFILE, nofile)",
        "(0, resource.RLIMIT_NOFILE, put(words(*nofile)), room(16))",
        "prlimit64",
    ),
    Shape(
        "statfs",
        "a path, a struct out",
        "os.statvfs(path)",
        "ps.statfs(path)",
        "(text(path), room(120))",
    ),
    Shape("times", "a number and a struct out", "os.times()", "ps.times()", "(room(32),)"),
    Shape(
        "getrusage",
        "a struct out",
        "resource.getrusage(resource.RUSAGE_SELF)",
        "ps.getrusage(resource.RUSAGE_SELF)",
        "(resource.RUSAGE_SELF, room(144))",
    ),
    Shape(
        "sched_rr_get_interval",
        "a struct out",
        "os.sched_rr_get_interval(0)",
        "ps.sched_rr_get_interval(0)",
        "(0, room(16))",
    ),
    Shape(
        "waitid",
        "a struct out",
        "os.waitid(os.P_PID, ended, os.WEXITED | os.WNOWAIT)",
        "ps.waitid(os.P_PID, ended, os.WEXITED | os.WNOWAIT)",
        "(os.P_PID, ended, room(128), os.WEXITED | os.WNOWAIT)",
    ),
    Shape(
        "getitimer",
        "a struct out",
        "signal.getitimer(signal.ITIMER_REAL)",
        "ps.getitimer(signal.ITIMER_REAL)",
        "(signal.ITIMER_REAL, room(32))",
    ),
    Shape(
        "setitimer",
        "a struct in, a struct out",
        "signal.setitimer(signal.ITIMER_VIRTUAL, 0)",
        "ps.setitimer(signal.ITIMER_VIRTUAL, never)",
        "(signal.ITIMER_VIRTUAL, room(32), room(32))",
    ),
    Shape(
        "getsockname",
        "an address out",
        "left.getsockname()",
        "ps.getsockname(left_fd)",
        "(left_fd, room(128), put(words(128)))",
    ),
    Shape(
        "wait4",
        "an int and a struct out",
        "os.wait4(child, os.WNOHANG)",
        "ps.wait4(child, os.WNOHANG)",
        "(child, room(4), os.WNOHANG, room(144))",
        "wait4",
    ),
    Shape(
        "getresuid",
        "three ints out",
        "os.getresuid()",
        "ps.getresuid()",
        "(room(4), room(4), room(4))",
        "getresuid32",
    ),
    Shape(
        "sched_getaffinity",
        "a set out",
        "os.sched_getaffinity(0)",
        "ps.sched_getaffinity(0)",
        "(0, 1024, room(1024))",
        "sched_getaffinity",
    ),
    Shape(
        "readv",
        "a list of buffers out",
        "os.readv(zero, buffers)",
        "ps.readv(zero, buffers)",
        "(zero, put(words(room(64), 64, room(64), 64)), 2)",
    ),
    Shape(
        "writev",
        "a list of buffers in",
        "os.writev(null, buffers)",
        "ps.writev(null, buffers)",
        "(null, put(words(room(64), 64, room(64), 64)), 2)",
    ),
    Shape(
        "epoll_wait",
        "a list of structs out",
        "epoll.poll(0, 8)",
        "ps.epoll_wait(epfd, 8, 0)",
        "(epfd, room(96), 8, 0)",
        "epoll_wait",
    ),
    Shape(
        "clock_gettime",
        "a struct out, through the vDSO",
        "time.clock_gettime(time.CLOCK_MONOTONIC)",
        "ps.clock_gettime(time.CLOCK_MONOTONIC)",
        "(time.CLOCK_MONOTONIC, room(16))",
        "clock_gettime",
    ),
]


class Memory:
    """Memory below 4 GiB, so that its addresses fit the 32-bit door too."""

    def __init__(self) -> None:
        self.mapping = mmap.mmap(
            -1, 65536, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | int(pysyscall.MAP_32BIT)
        )
        self.start = int(ffi.cast("uintptr_t", ffi.from_buffer(self.mapping)))
        self.used = 0

    def room(self, size: int) -> int:
        """The address of so many bytes."""
        place, self.used = self.used, self.used + (size + 15) // 16 * 16
        return self.start + place

    def put(self, content: bytes) -> int:
        address = self.room(len(content))
        self.mapping[address - self.start : address - self.start + len(content)] = content
        return address

    def text(self, path: str) -> int:
        return self.put(os.fsencode(path) + b"\0")


def _words(*numbers: int) -> bytes:
    return struct.pack(f"{len(numbers)}Q", *numbers)


@contextmanager
def registers(shape: Shape, space: Space) -> Iterator[tuple[int, ...]]:
    """The call's arguments as the kernel gets them; what they point at lives until the end."""
    memory = Memory()
    helpers: dict[str, Any] = {
        "room": memory.room,
        "put": memory.put,
        "text": memory.text,
        "words": _words,
    }
    given: tuple[int, ...] = value(shape.words, {**space, **helpers})
    try:
        yield given
    finally:
        memory.mapping.close()
