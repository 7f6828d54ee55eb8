"""Measuring statements in turns: A B A B in one process, many short rounds, the least counts.

The machine's noise only ever adds, so a statement's time is the least of its rounds; two statements
are compared by the ratios of neighbouring rounds, whose quartiles tell how sure that is.
"""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pysyscall.bench.errors import BenchError
from pysyscall.bench.statements import Loop

ROUND = 200_000
"""Nanoseconds that a round takes, about: short beside the kernel's time slices."""
ROUNDS = 200
MOST_CALLS = 2000
FEWEST_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to measure one thing: so many rounds, or until the seconds are over."""

    rounds: int = ROUNDS
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Times:
    """Nanoseconds a call, one number a round."""

    rounds: tuple[float, ...]

    @property
    def least(self) -> float:
        return min(self.rounds)

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def trouble(self) -> str:
        """Why the figures should not be trusted, or nothing."""
        if bimodal(self.rounds):
            return "bimodal"
        return "noisy" if self.median > 1.5 * self.least else ""


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection until the end."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@contextmanager
def quiet(cpu: int | None = None) -> Iterator[int]:
    """One CPU, and no garbage collection, until the end; tells which CPU."""
    before = os.sched_getaffinity(0)
    chosen = max(before) if cpu is None else cpu
    try:
        os.sched_setaffinity(0, {chosen})
    except OSError as error:
        raise BenchError(f"can't stay on CPU {chosen}: {error.strerror}") from None
    try:
        with uncollected():
            yield chosen
    finally:
        os.sched_setaffinity(0, before)


def calls_a_round(run: Loop) -> int:
    """How many calls make a round, after warming up."""
    count = 1
    while (taken := run(count)) < ROUND // 2 and count < MOST_CALLS:
        count = min(MOST_CALLS, count * max(2, ROUND // (taken + 1) // 2))
    return count


def in_turns(runs: Sequence[Loop], limits: Limits) -> list[Times]:
    """Run the loops one after the other, again and again."""
    counts = [calls_a_round(run) for run in runs]
    rounds: list[list[float]] = [[] for _ in runs]
    end = None if limits.seconds is None else time.monotonic() + limits.seconds
    for done in range(limits.rounds):
        if end is not None and done >= FEWEST_ROUNDS and time.monotonic() > end:
            break
        for run, count, times in zip(runs, counts, rounds, strict=True):
            times.append(run(count) / count)
    return [Times(tuple(times)) for times in rounds]


def quartiles(a: Times, b: Times) -> tuple[float, float, float]:
    """Of the ratios a / b of neighbouring rounds: lower quartile, median, upper quartile."""
    ratios = [x / y for x, y in zip(a.rounds, b.rounds, strict=True)]
    if len(ratios) == 1:
        return ratios[0], ratios[0], ratios[0]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return low, middle, high


def bimodal(values: Sequence[float]) -> bool:
    """Whether the values fall into two heaps, each with a fifth of them or more.

    Cut in two where that explains most of their variance. Evenly spread values come to three
    quarters of it, one bell-shaped heap to less.
    """
    ordered = sorted(values)
    count = len(ordered)
    spread = statistics.pvariance(ordered) if count > 1 else 0
    if count < 20 or spread == 0:
        return False
    mean = statistics.fmean(ordered)
    before, best, apart = 0.0, 0.0, 0.0
    for i, value in enumerate(ordered[:-1], 1):
        before += value
        if not count / 5 <= i <= count * 4 / 5:
            continue
        left, right = before / i, (mean * count - before) / (count - i)
        between = i * (count - i) / count**2 * (right - left) ** 2
        if between > best:
            best, apart = between, right / left
    return best / spread > 0.85 and apart > 1.1
