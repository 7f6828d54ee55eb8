"""Hypothesis over the conversions: no argument of any typed call crashes the interpreter.

The calls are made in a child behind a filter, so that none of them reaches the kernel; see
`isolated/worker.py`, and `isolated/fuzz.py N` for long runs.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isolated.fuzz import CALLS, ERRNOS, Died, Recipe, Worker, plausible, repeat, shape

from pysyscall.table import SyscallInfo


class Workers:
    """A worker for each errno, started when it is needed and again after it died."""

    def __init__(self) -> None:
        self.running = {ERRNOS[0]: Worker(ERRNOS[0])}
        self.names = self.running[ERRNOS[0]].names

    def call(self, answer: int, name: str, args: list[Recipe], kwargs: dict[str, Recipe]) -> str:
        if answer not in self.running:
            self.running[answer] = Worker(answer)
        try:
            return self.running[answer].call(name, args, kwargs)
        except Died:
            del self.running[answer]
            raise

    def close(self) -> None:
        for worker in self.running.values():
            worker.close()


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    try:
        workers = Workers()
    except Died as error:
        pytest.skip(f"no worker: {error}")
    yield workers
    workers.close()


INTEGERS = st.one_of(
    st.sampled_from(
        [sign * 2**n + d for n in (31, 32, 63, 64) for sign in (1, -1) for d in (-1, 0)]
    ),
    st.integers(-(2**70), 2**70),
)


def recipes(names: list[str], kind: str) -> st.SearchStrategy[Recipe]:
    """What to give for an argument of this kind: half of it gets through the conversion."""
    hostile = st.one_of(st.sampled_from(names), INTEGERS)
    single = st.one_of(st.sampled_from(plausible(kind)), hostile)
    container = st.tuples(st.sampled_from(["list", "tuple", "iterator"])).flatmap(
        lambda kind: st.lists(single, max_size=4).map(lambda items: [*kind, *items])
    )
    return st.one_of(st.sampled_from(plausible(kind)), st.one_of(hostile, container))


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_no_argument_crashes(call: SyscallInfo, workers: Workers) -> None:
    attack(call, workers, shape(call), 60)


@pytest.mark.parametrize("call", [call for call in CALLS if call.commands], ids=lambda c: c.name)
def test_no_command_crashes(call: SyscallInfo, workers: Workers) -> None:
    for command in call.commands:
        attack(call, workers, shape(call, command), 6)


def attack(call: SyscallInfo, workers: Workers, kinds: dict[str, str | int], times: int) -> None:
    parameters = {
        name: st.just(kind) if isinstance(kind, int) else recipes(workers.names, kind)
        for name, kind in kinds.items()
    }

    @settings(max_examples=times if parameters else 1, deadline=None)
    @given(
        answer=st.sampled_from(ERRNOS),
        named=st.booleans(),
        values=st.tuples(*parameters.values()),
    )
    def one(answer: int, named: bool, values: tuple[Recipe, ...]) -> None:
        if named:
            workers.call(answer, call.name, [], dict(zip(parameters, values, strict=True)))
        else:
            workers.call(answer, call.name, list(values), {})

    one()


@pytest.mark.usefixtures("workers")
def test_nothing_grows() -> None:
    """Random calls, the same again and again; `isolated/fuzz.py` with more finds smaller leaks."""
    fresh = [Worker(answer) for answer in ERRNOS]
    try:
        repeat(10_000, 1, fresh)
    finally:
        for worker in fresh:
            worker.close()
