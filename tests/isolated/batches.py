"""Uses of batches, prepared calls and the helpers for bulk that can be repeated; see `working`."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from working import Case, Number, lowest_free

import pysyscall
from pysyscall.batch import Batch, prepare, read_files, stat_many, write_all

SMALL, LARGE, MISSING = "batch-small", "batch-large", "batch-missing"


def one_batch() -> None:
    with Batch(on_error="continue") as b:
        fd = b.openat(None, Path(SMALL), os.O_RDONLY)
        data = b.read(fd, 100), b.fstat(fd), b.pread(fd, bytearray(10), Number(0))
        b.openat(None, MISSING, os.O_RDONLY)
        b.poll([(0, 1)], 0)
        b.ppoll([(0, 1)], 0, [10])
        folder = b.openat(None, ".", os.O_RDONLY)
        b.getdents64(folder), b.getdents64(folder, 300), b.close(folder)
        ends = b.pipe2(os.O_CLOEXEC)
        b.write(ends[1], memoryview(bytearray(10)))
        b.readv(ends[0], [bytearray(3), bytearray(3)])
        for opened in (fd, ends[0], ends[1]):
            b.close(opened)
    try:
        assert [type(result) for result in b.results[:2]] == [int, bytes]
        assert len(data[0].result()) == 10
    finally:
        assert b.run() is None


def not_run() -> None:
    b = Batch()
    b.read(b.openat(None, SMALL, os.O_RDONLY), 10**6)
    b.write(1, bytearray(10))
    b.readlink(SMALL + "x" * 1000)
    b.getgroups()
    b.getdents64(0)
    b.msgsnd(0, (1, b"text"))


def over_inputs() -> None:
    b = Batch(on_error="continue")
    path, size = b.input(), b.input()
    fd = b.openat(None, path, os.O_RDONLY)
    b.read(fd, size)
    b.fstat(fd)
    b.close(fd)
    found = b.run([(SMALL, 10), (MISSING, 1), (Path(LARGE), 50_000)] * 5)
    assert len(found) == 15
    next(b.each((SMALL, size) for size in range(10**4)))
    with suppress(TypeError, OverflowError, ValueError):
        b.run([(SMALL, 10), (SMALL, object())])
    with suppress(TypeError):
        b.run([SMALL])


def refused() -> None:
    b, other = Batch(), Batch()
    fd = b.dup(0)
    for record in (
        lambda: other.close(fd),
        lambda: b.write(fd, fd),
        lambda: b.close(b.getcwd()),
        lambda: b.write(1, object()),
        lambda: b.writev(1, [bytearray(3), object()]),
        lambda: b.openat(None, "a\0", 0),
        lambda: b.fcntl(fd, fd),
    ):
        with suppress(TypeError, ValueError):
            record()


class Holder(bytearray):
    """A buffer that knows the batch in which it is."""

    batch: Any = None


def in_a_cycle() -> None:
    held = Holder(10)
    held.batch = Batch()
    held.batch.write(1, held)
    held = Holder(10)
    held.batch = prepare(pysyscall.write, 1, held)


def prepared() -> None:
    for call in (
        prepare(pysyscall.fstat, 0),
        prepare(pysyscall.getcwd),
        prepare(pysyscall.pread, os.open(SMALL, os.O_RDONLY), 5, 0),
        prepare(pysyscall.poll, [(0, 1)], 0),
        prepare(pysyscall.write, -1, bytearray(4)),
        prepare(pysyscall.getdents64, os.open(".", os.O_RDONLY)),
        prepare(pysyscall.access, SMALL, 0),
        prepare(pysyscall.umask, 0o022),
        prepare(pysyscall.openat, None, MISSING, 0),
    ):
        for _ in range(3):
            with suppress(OSError):
                call()


def closes(function: Any, lowest: int) -> Any:
    """Whatever the function opens is closed when it ends."""
    highest = lowest + 10

    def act() -> None:
        try:
            function()
        finally:
            os.closerange(lowest, highest)

    return act


def files() -> None:
    found = read_files([SMALL, MISSING, b"/", Path(LARGE), "/proc/self/stat"] * 40, threads=2)
    assert len(found[3]) == 50_000
    assert len(stat_many(Path(name) for name in (SMALL, MISSING, LARGE))) == 3
    for bad in ([SMALL, object()], ["a\0"], [SMALL, "\ud800"]):
        for function in (read_files, stat_many):
            with suppress(TypeError, ValueError):
                function(bad)


def writes() -> None:
    reader, writer = os.pipe()
    try:
        assert write_all(writer, (bytes(k) for k in range(100))) == 4950
        os.set_blocking(writer, False)
        for bad in ([bytes(10**6)], [b"x", 1], [memoryview(bytes(4))[::2]]):
            with suppress(OSError, TypeError, BufferError):
                write_all(writer, bad)
    finally:
        os.close(reader)
        os.close(writer)


def from_two_threads() -> None:
    b = Batch()
    for _ in range(300):
        b.getppid()
    run = prepare(pysyscall.getppid)

    def act() -> None:
        run()
        with suppress(RuntimeError):
            b.run()

    threads = [threading.Thread(target=act) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def batches(*, in_threads: bool = True) -> Iterator[Case]:
    """All of them; the current directory gets their files."""
    Path(SMALL).write_bytes(bytes(10))
    Path(LARGE).write_bytes(bytes(50_000))
    uses = [one_batch, not_run, over_inputs, refused, in_a_cycle, prepared, files, writes]
    for use in (*uses, from_two_threads) if in_threads else uses:
        yield Case(f"batches: {use.__name__}", closes(use, lowest_free()))
