"""Capabilities of this and of other threads; what gives them up does it in a child."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from children import NO_PROCESS, in_child
from conditions import needs_root

import pysyscall
from pysyscall import (
    CAP_CHOWN,
    CAP_KILL,
    CAP_NET_RAW,
    CAP_SYS_TIME,
    Capability,
    CapabilitySets,
    capget,
    capset,
)


def told_by_proc(pid: int | str = "thread-self") -> CapabilitySets:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    masks = {line[:6]: int(line[8:], 16) for line in lines if line.startswith("Cap")}
    return CapabilitySets(
        *(
            {bit for bit in range(64) if masks[name] >> bit & 1}
            for name in ("CapEff", "CapPrm", "CapInh")
        )
    )


def test_capget() -> None:
    found = capget()
    assert found == told_by_proc()
    assert type(found) is CapabilitySets
    assert capget(0) == capget(pid=os.getpid()) == found
    assert all(type(member) is Capability for member in found.permitted)


def test_capget_of_another_process() -> None:
    assert capget(1) == told_by_proc(1)
    with pytest.raises(ProcessLookupError):
        capget(NO_PROCESS)
    with pytest.raises(OSError, match="Invalid argument"):
        capget(-1)


@needs_root
def test_capset() -> None:
    def work() -> list[CapabilitySets]:
        told = []
        for sets in (
            ({CAP_CHOWN, CAP_KILL}, [CAP_CHOWN, CAP_KILL, 25], iter([CAP_KILL])),
            (range(0), (CAP_SYS_TIME, 0), {int(CAP_KILL)}),
        ):
            capset(*sets)
            assert capget() == told_by_proc()
            told.append(capget())
        with pytest.raises(PermissionError):
            capset((), {CAP_NET_RAW}, ())
        capset(*capget())
        capset((), (), ())
        return told

    assert in_child(work) == [
        ({CAP_CHOWN, CAP_KILL}, {CAP_CHOWN, CAP_KILL, CAP_SYS_TIME}, {CAP_KILL}),
        (set(), {CAP_SYS_TIME, CAP_CHOWN}, {CAP_KILL}),
    ]


@needs_root
def test_capset_acts_on_one_thread() -> None:
    def work() -> object:
        before = capget()
        told: list[CapabilitySets] = []

        def give_up() -> None:
            capset((), (), ())
            told.append(capget())

        thread = threading.Thread(target=give_up)
        thread.start()
        thread.join()
        return told == [(set(), set(), set())], capget() == before

    assert in_child(work) == (True, True)


def test_a_capability_that_has_no_name() -> None:
    """The kernel drops those that it does not know."""

    def work() -> object:
        present = capget()
        capset(present.effective, present.permitted | {63}, present.inheritable)
        return capget() == present

    assert in_child(work)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: capget("x"), TypeError, "capget() argument 'pid' must be an int, not str"),  # type: ignore[arg-type]
        (lambda: capget(2**31), OverflowError, "capget() argument 'pid' must be in [-2147483648"),
        (lambda: capset(1, (), ()), TypeError, "capset() argument 'effective' must be an iter"),  # type: ignore[arg-type]
        (lambda: capset((), "", ()), TypeError, "capset() argument 'permitted' must be an iter"),  # type: ignore[arg-type]
        (lambda: capset((), (), None), TypeError, "capset() argument 'inheritable' must be an"),  # type: ignore[arg-type]
        (lambda: capset((), (), ["x"]), TypeError, "capset() argument 'inheritable' must hold int"),  # type: ignore[list-item]
        (lambda: capset([-1], (), ()), ValueError, "capset() argument 'effective' must hold num"),
        (lambda: capset([64], (), ()), ValueError, "must hold numbers in [0, 63]"),
    ],
)
def test_refusals(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)


def test_sets_unpack() -> None:
    effective, permitted, inheritable = capget()
    assert pysyscall.CapabilitySets(effective, permitted, inheritable) == capget()
