"""What batches, prepared calls and the helpers for bulk cost beside what they replace.

A job is done in several ways, which run in turns. One call at a time stays on one CPU; whole files
and lists of them may use all that are allowed, as native threads share the work.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pysyscall
from pysyscall.batch import Batch, read_files, stat_many, write_all
from pysyscall.bench import floor
from pysyscall.bench.errors import BenchError
from pysyscall.bench.measure import Limits, Times, in_turns, quartiles
from pysyscall.bench.shapes import SHAPES, Shape, registers
from pysyscall.bench.statements import Loop, Space, loop, value

OS = "os"
PATHLIB = "pathlib"
NATIVE = "C loop"
PLAIN = "a call"
PREPARED = "a prepared call"
BATCH = "a batch"
DECODED = "a batch, and its results"
INPUTS = "a batch over inputs"
CALLS = ("getppid", "write", "read", "fstat", "stat")
"""Names of shapes."""
FILES = 10_000
CHUNKS = 1000
CHUNK = bytes(100)


@dataclass(frozen=True, slots=True)
class Job:
    """What is done: `amount` units at a time, in ways that are compared to the yardsticks."""

    name: str
    unit: str
    yardsticks: tuple[str, ...]
    ways: Callable[[Space], AbstractContextManager[dict[str, Loop]]]
    amount: int = 1

    @property
    def alone(self) -> bool:
        """Whether it is one call at a time, for one CPU."""
        return self.amount == 1


@dataclass(frozen=True, slots=True)
class Result:
    """Nanoseconds a unit by each way."""

    job: Job
    times: dict[str, Times]

    def ratio(self, way: str, yardstick: str) -> tuple[float, float, float]:
        """Quartiles of how many times as fast the way is."""
        return quartiles(self.times[yardstick], self.times[way])

    @property
    def trouble(self) -> str:
        return next((one.trouble for one in self.times.values() if one.trouble), "")


def jobs() -> list[Job]:
    """All of them."""
    chosen = [shape for shape in SHAPES if shape.name in CALLS]
    return [
        *(
            Job(f"{shape.name}: {shape.shape}", "a call", (NATIVE, OS), partial(_calls, shape))
            for shape in chosen
        ),
        Job(f"read {FILES} small files", "a file", (OS, PATHLIB), _reading, FILES),
        Job(f"stat {FILES} files", "a file", (OS, PATHLIB), _looking, FILES),
        Job(f"write {CHUNKS} chunks", "a chunk", (OS,), _writing, CHUNKS),
    ]


def measure(job: Job, space: Space, limits: Limits) -> Result:
    """All ways in turns; the long ones in fewer rounds."""
    if not job.alone:
        limits = replace(limits, rounds=max(1, limits.rounds // 5))
    with job.ways(space) as ways:
        measured = in_turns(list(ways.values()), limits)
    return Result(
        job,
        {
            way: Times(tuple(taken / job.amount for taken in times.rounds))
            for way, times in zip(ways, measured, strict=True)
        },
    )


def _timed(work: Callable[[], object]) -> Loop:
    """`work` again and again."""

    def run(count: int) -> int:
        start = time.perf_counter_ns()
        for _ in range(count):
            work()
        return time.perf_counter_ns() - start

    return run


@contextmanager
def _calls(shape: Shape, space: Space) -> Iterator[dict[str, Loop]]:
    """One call, as often as a loop tells."""
    name, _, rest = shape.ours.partition("(")
    given = name if rest == ")" else f"{name}, {rest[:-1]}"
    with registers(shape, space) as words:
        yield {
            NATIVE: floor.native(shape.info.number, words),
            BATCH: _batch(shape, space, Batch.run),
            DECODED: _batch(shape, space, lambda b: (b.run(), b.results)),
            PREPARED: loop("bound()", {"bound": value(f"ps.prepare({given})", space)}),
            PLAIN: loop(shape.ours, space),
            OS: loop(shape.theirs, space),
        }


def _batch(shape: Shape, space: Space, use: Callable[[Batch], object]) -> Loop:
    """A batch that holds as many calls as are to be made, and runs again each time."""
    recorded: dict[int, Batch] = {}

    def run(count: int) -> int:
        if count not in recorded:
            recorded.clear()
            recorded[count] = b = Batch()
            loop(shape.ours.replace("ps.", "b.", 1), {**space, "b": b})(count)
            b.run()
        b = recorded[count]
        start = time.perf_counter_ns()
        use(b)
        return time.perf_counter_ns() - start

    return run


@contextmanager
def _files(space: Space) -> Iterator[list[str]]:
    """Paths of small files."""
    try:
        with TemporaryDirectory(dir=space["folder"]) as folder:
            paths = [f"{folder}/file{k}" for k in range(FILES)]
            for k, path in enumerate(paths):
                Path(path).write_bytes(bytes(200 + k % 2000))
            yield paths
    except OSError as error:
        raise BenchError(f"can't make {FILES} small files: {error}") from None


def _thread_counts() -> list[int]:
    """One, and as many as the helpers take by themselves."""
    return sorted({1, min(4, len(os.sched_getaffinity(0)))})


def _in_threads(function: Any, paths: list[str]) -> dict[str, Loop]:
    return {
        f"{function.__name__}, {count} thread{'s' * (count > 1)}": _timed(
            partial(function, paths, threads=count)
        )
        for count in _thread_counts()
    }


@contextmanager
def _reading(space: Space) -> Iterator[dict[str, Loop]]:
    b = Batch()
    fd = b.openat(None, b.input(), os.O_RDONLY | os.O_CLOEXEC)
    b.fstat(fd)
    b.read(fd, 4096)
    b.close(fd)

    def by_os() -> list[bytes]:
        found = []
        for path in paths:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            found.append(os.read(fd, os.fstat(fd).st_size))
            os.close(fd)
        return found

    with _files(space) as paths:
        yield {
            OS: _timed(by_os),
            PATHLIB: _timed(lambda: [Path(path).read_bytes() for path in paths]),
            INPUTS: _timed(lambda: b.run(paths)),
            **_in_threads(read_files, paths),
        }


@contextmanager
def _looking(space: Space) -> Iterator[dict[str, Loop]]:
    b = Batch()
    b.stat(b.input())
    with _files(space) as paths:
        yield {
            OS: _timed(lambda: list(map(os.stat, paths))),
            PATHLIB: _timed(lambda: [Path(path).stat() for path in paths]),
            INPUTS: _timed(lambda: b.run(paths)),
            **_in_threads(stat_many, paths),
        }


@contextmanager
def _writing(space: Space) -> Iterator[dict[str, Loop]]:
    """To a file in memory, from its beginning each time."""
    file = space["memory_file"]
    chunks = [CHUNK] * CHUNKS
    b = Batch()
    b.lseek(file, 0, os.SEEK_SET)
    for chunk in chunks:
        b.write(file, chunk)

    def by_os() -> None:
        os.lseek(file, 0, os.SEEK_SET)
        for chunk in chunks:
            os.write(file, chunk)

    def by_one_call() -> None:
        os.lseek(file, 0, os.SEEK_SET)
        write_all(file, chunks)

    size = os.fstat(file).st_size
    try:
        yield {OS: _timed(by_os), BATCH: _timed(b.run), "write_all": _timed(by_one_call)}
    finally:
        with suppress(OSError):
            pysyscall.ftruncate(file, size)
