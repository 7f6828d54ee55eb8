"""Whether calls let other threads run: 1, 2 and 4 of them, and one beside others that wait."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pysyscall.bench.errors import BenchError
from pysyscall.bench.statements import Loop, Space, loop

COUNTS = (1, 2, 4)
BLOCK = 65536
SLICE = 0.1
"""Seconds that one thread works, about."""


@dataclass(frozen=True, slots=True)
class Job:
    """What each thread does again and again, on descriptors of its own."""

    name: str
    unit: str
    amount: float
    theirs: str
    ours: str


JOBS = [
    Job(
        "read 64 KiB of /dev/zero",
        "MB/s",
        BLOCK / 1e6,
        "os.read(source, 65536)",
        "ps.read(source, 65536)",
    ),
    Job(
        "write 64 KiB to a file in memory",
        "MB/s",
        BLOCK / 1e6,
        "os.pwrite(sink, block, 0)",
        "ps.pwrite64(sink, block, 0)",
    ),
    Job("read 1 byte of /dev/zero", "1000/s", 1e-3, "os.read(source, 1)", "ps.read(source, 1)"),
    Job(
        "write 1 byte to /dev/null", "1000/s", 1e-3, "os.write(null, b'x')", "ps.write(null, b'x')"
    ),
    Job("sleep 1 ms", "1/s", 1, "time.sleep(0.001)", "ps.nanosleep(0.001)"),
]


@dataclass(frozen=True, slots=True)
class Throughput:
    """The best of the rounds, a number for each count of threads."""

    job: Job
    theirs: dict[int, float]
    ours: dict[int, float]


@dataclass(frozen=True, slots=True)
class Beside:
    """How much of its lone speed a thread keeps that computes while `threads` others wait."""

    threads: int
    theirs: float
    ours: float


def _together(runs: list[Loop], count: int) -> float:
    """Seconds until all threads have made `count` calls each."""
    ready = threading.Barrier(len(runs))
    started: list[float] = []
    ended: list[float] = []

    def work(run: Loop) -> None:
        ready.wait()
        started.append(time.perf_counter())
        run(count)
        ended.append(time.perf_counter())

    threads = [threading.Thread(target=work, args=(run,), daemon=True) for run in runs]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
        return max(ended) - min(started)
    finally:
        # After Ctrl-C too: the descriptors are closed next.
        for thread in threads:
            thread.join()


def throughput(space: Space, rounds: int, step: Callable[[str], None]) -> Iterator[Throughput]:
    """Each job by 1, 2 and 4 threads, os and ours in turns."""
    most = max(COUNTS)
    opened: list[int] = []
    try:
        try:
            for _ in range(most):
                opened.append(os.open("/dev/zero", os.O_RDONLY))
                opened.append(os.memfd_create("bench"))
                opened.append(os.open("/dev/null", os.O_WRONLY))
        except OSError as error:
            raise BenchError(f"can't open the threads' files: {error}") from None
        spaces = [
            {**space, "source": source, "sink": sink, "null": null, "block": bytes(BLOCK)}
            for source, sink, null in zip(*[iter(opened)] * 3, strict=True)
        ]
        for job in JOBS:
            step(job.name)
            yield _job(job, spaces, rounds)
    finally:
        for fd in opened:
            os.close(fd)


def _job(job: Job, spaces: list[dict[str, object]], rounds: int) -> Throughput:
    sides = {side: [loop(side, space) for space in spaces] for side in (job.theirs, job.ours)}
    count = 1
    while (taken := sides[job.theirs][0](count)) < SLICE * 1e9 / 4:
        count = max(count * 2, int(count * SLICE * 1e9 / 2 / (taken + 1)))
    count = max(1, int(count * SLICE * 1e9 / taken))
    best: dict[str, dict[int, float]] = {side: dict.fromkeys(COUNTS, 0.0) for side in sides}
    for _ in range(rounds):
        for threads in COUNTS:
            for side, runs in sides.items():
                done = threads * count * job.amount / _together(runs[:threads], count)
                best[side][threads] = max(best[side][threads], done)
    return Throughput(job, best[job.theirs], best[job.ours])


def _counted(seconds: float) -> int:
    """How far this thread counts in that time."""
    number, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        number += 1
    return number


def beside_waiting(space: Space, rounds: int) -> list[Beside]:
    """Count while others wait in `read` on pipes that nobody writes to."""
    waits = ("os.read(pipe, 1)", "ps.read(pipe, 1)")
    alone = 0
    best = {(threads, wait): 0 for threads in COUNTS for wait in waits}
    for _ in range(rounds):
        for threads, wait in best:
            alone = max(alone, _counted(SLICE))
            counted = _counted_beside(wait, space, threads)
            best[threads, wait] = max(best[threads, wait], counted)
    return [Beside(threads, *(best[threads, wait] / alone for wait in waits)) for threads in COUNTS]


def _counted_beside(statement: str, space: Space, count: int) -> int:
    pipes = [os.pipe() for _ in range(count)]
    try:
        runs = [loop(statement, {**space, "pipe": reader}) for reader, _ in pipes]
        waiting = [threading.Thread(target=run, args=(1,), daemon=True) for run in runs]
        for thread in waiting:
            thread.start()
        try:
            return _counted(SLICE)
        finally:
            for _, writer in pipes:
                os.write(writer, b"x")
            for thread in waiting:
                thread.join()
    finally:
        for pair in pipes:
            for fd in pair:
                os.close(fd)
