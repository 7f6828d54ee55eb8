"""Signals that come while a test runs."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager


class Interrupted(Exception):
    pass


def interrupt(_: object) -> None:
    raise Interrupted


@contextmanager
def alarm(
    seconds: float, handler: Callable[[int], object], interval: float = 0
) -> Iterator[list[int]]:
    """Runs `handler` on each SIGALRM, with the number of the signal: 1, 2, …"""
    seen: list[int] = []

    def handle(number: int, frame: object) -> None:
        seen.append(len(seen) + 1)
        handler(len(seen))

    before = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, interval)
        yield seen
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def alarms(interval: float, handler: Callable[[int], object]) -> AbstractContextManager[list[int]]:
    """The same again and again."""
    return alarm(interval, handler, interval)


@contextmanager
def handled(*numbers: int) -> Iterator[list[int]]:
    """Those of these signals whose handlers have run."""
    seen: list[int] = []
    before = [(n, signal.signal(n, lambda number, _: seen.append(number))) for n in numbers]
    try:
        yield seen
    finally:
        for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            signal.setitimer(timer, 0)
        for number, handler in before:
            signal.signal(number, handler)
