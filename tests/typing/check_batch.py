"""What a checker must know of batches, prepared calls and helpers for bulk. Nothing here runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_type

import pysyscall
from pysyscall import Batch, Stat, Statx, prepare, read_files, stat_many, write_all
from pysyscall.batch import Result


def batches(path: Path, buffer: bytearray) -> None:
    with Batch(on_error="continue") as b:
        fd = b.openat(None, path, pysyscall.O_RDONLY)
        assert_type(fd, Result[int])
        assert_type(b.fstat(fd), Result[Stat])
        assert_type(b.read(fd, 10), Result[bytes])
        assert_type(b.read(fd, buffer), Result[int])
        assert_type(b.pread(fd, 10, b.lseek(fd, 0, 0)), Result[bytes])
        ends = b.pipe2(pysyscall.O_CLOEXEC)
        assert_type(ends, Result[tuple[int, int]])
        assert_type(b.write(ends[1], b"x"), Result[int])
        assert_type(b.fcntl(fd, pysyscall.F_GETFD), Result[pysyscall.FdFlag])
        ended = b.waitid(pysyscall.P_PIDFD, fd, pysyscall.WEXITED)
        assert_type(ended, Result[pysyscall.SiginfoChild])
        both = b.waitid(pysyscall.P_PIDFD, fd, pysyscall.WEXITED, rusage=True)
        assert_type(both, Result[tuple[pysyscall.SiginfoChild, pysyscall.Rusage]])
        with b.group():
            b.close(fd)
        b.write(fd, fd)  # type: ignore[arg-type]
        b.close(ends)  # type: ignore[arg-type]
        b.close(b.getcwd())  # type: ignore[arg-type]
    assert_type(fd.value, int | OSError)
    assert_type(fd.result(), int)
    assert_type(b.results, list[Any])
    Batch(on_error="go")  # type: ignore[arg-type]


def inputs(paths: list[str]) -> None:
    b = Batch()
    b.close(b.open(b.input(), pysyscall.O_RDONLY))
    assert_type(b.run(paths), list[tuple[Any, ...]])
    for found in b.each(paths):
        assert_type(found, tuple[Any, ...])


def prepared() -> None:
    assert_type(prepare(pysyscall.getpid), Callable[[], int])
    assert_type(prepare(pysyscall.fstat, 0)(), Stat)
    assert_type(prepare(pysyscall.write, 1, b"x")(), int)
    assert_type(prepare(pysyscall.waitid, 0, 0, 4)(), pysyscall.SiginfoChild)
    prepare(pysyscall.write, 1, "x")  # type: ignore[arg-type]
    prepare(pysyscall.write, 1)  # type: ignore[call-arg]


def bulk(paths: list[Path]) -> None:
    assert_type(read_files(paths, threads=2), list[bytes | OSError])
    assert_type(stat_many(paths, pysyscall.STATX_SIZE, dirfd=3), list[Statx | OSError])
    assert_type(write_all(1, [b"a", bytearray(b"b")]), int)
