"""Limits, priorities and policies: what a process may have of the machine."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from children import give_up_rights, in_child
from conditions import needs_root

import pysyscall
from pysyscall import (
    PRIO_PGRP,
    PRIO_PROCESS,
    PRIO_USER,
    SCHED_BATCH,
    SCHED_FIFO,
    SCHED_IDLE,
    SCHED_OTHER,
    SCHED_RESET_ON_FORK,
    SCHED_RR,
    Rlimit,
    SchedAttr,
    SchedParam,
    Timespec,
)

# Limits and priorities


@pytest.mark.parametrize("limit", [Rlimit(90, 100), (90, 100), Rlimit(rlim_max=100)])
def test_setrlimit(limit: Any) -> None:
    def change() -> object:
        assert pysyscall.setrlimit(pysyscall.RLIMIT_NOFILE, limit) is None
        return resource.getrlimit(resource.RLIMIT_NOFILE)

    assert in_child(change) == tuple(limit)


def test_setrlimit_unlimited() -> None:
    unlimited = 2**64 - 1

    def change() -> object:
        hard = pysyscall.getrlimit(pysyscall.RLIMIT_CPU).rlim_max
        pysyscall.setrlimit(pysyscall.RLIMIT_CPU, (hard, hard))
        told = resource.getrlimit(resource.RLIMIT_CPU)
        return tuple(unlimited if n == -1 else n for n in told) == (hard, hard)

    assert in_child(change) is True


@pytest.mark.parametrize("nice", [1, 19, pytest.param(-20, marks=needs_root), 100])
@pytest.mark.parametrize("which", [PRIO_PROCESS, PRIO_PGRP])
def test_setpriority(nice: int, which: int) -> None:
    def change() -> object:
        os.setpgid(0, 0)
        assert pysyscall.setpriority(which, 0, nice) is None
        who = os.getpid()
        return os.getpriority(which, 0), pysyscall.getpriority(which, 0), who == os.getpgrp()

    clamped = min(nice, 19)
    assert in_child(change) == (clamped, clamped, True)


@pytest.mark.parametrize("which", [PRIO_PROCESS, PRIO_PGRP, PRIO_USER])
def test_getpriority_tells_what_os_tells(which: int) -> None:
    assert pysyscall.getpriority(which, 0) == os.getpriority(which, 0)


def test_a_higher_priority_needs_rights() -> None:
    def change() -> None:
        give_up_rights()
        resource.setrlimit(resource.RLIMIT_NICE, (0, 0))
        pysyscall.setpriority(PRIO_PROCESS, 0, -1)

    with pytest.raises(PermissionError):
        in_child(change)


BEST_EFFORT, IDLE = (getattr(pysyscall, f"IOPRIO_CLASS_{name}") << 13 for name in ("BE", "IDLE"))


@pytest.mark.parametrize("priority", [BEST_EFFORT | 5, BEST_EFFORT, IDLE])
@pytest.mark.parametrize("who", [pysyscall.IOPRIO_WHO_PROCESS, pysyscall.IOPRIO_WHO_PGRP])
def test_ioprio_set(sleeper: int, priority: int, who: int) -> None:
    os.setpgid(sleeper, sleeper)
    before = pysyscall.ioprio_get(pysyscall.IOPRIO_WHO_PROCESS, 0)
    assert pysyscall.ioprio_set(who, sleeper, priority) is None
    assert pysyscall.ioprio_get(who, sleeper) == priority
    assert pysyscall.ioprio_get(pysyscall.IOPRIO_WHO_PROCESS, 0) == before


# Scheduling


@pytest.mark.parametrize("policy", [SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_IDLE])
def test_priorities_of_a_policy(policy: int) -> None:
    low, high = os.sched_get_priority_min(policy), os.sched_get_priority_max(policy)
    assert pysyscall.sched_get_priority_min(policy) == low
    assert pysyscall.sched_get_priority_max(policy) == high


POLICIES = [
    (SCHED_BATCH, 0),
    (SCHED_IDLE, 0),
    (SCHED_BATCH | SCHED_RESET_ON_FORK, 0),
    pytest.param(SCHED_RR, 5, marks=needs_root),
    pytest.param(SCHED_FIFO | SCHED_RESET_ON_FORK, 1, marks=needs_root),
]


@pytest.mark.parametrize(("policy", "priority"), POLICIES)
@pytest.mark.parametrize("kind", [SchedParam, lambda priority: (priority,)])
def test_sched_setscheduler(
    sleeper: int, policy: int, priority: int, kind: Callable[[int], Any]
) -> None:
    assert pysyscall.sched_setscheduler(sleeper, policy, kind(priority)) is None
    assert os.sched_getscheduler(sleeper) == pysyscall.sched_getscheduler(sleeper) == policy
    assert os.sched_getparam(sleeper).sched_priority == priority
    told = pysyscall.sched_getparam(sleeper)
    assert type(told) is SchedParam
    assert tuple(told) == (priority,)


@needs_root
def test_sched_setparam(sleeper: int) -> None:
    os.sched_setscheduler(sleeper, SCHED_RR, os.sched_param(3))
    assert pysyscall.sched_setparam(sleeper, SchedParam(7)) is None
    assert os.sched_getparam(sleeper).sched_priority == 7


@pytest.mark.parametrize("policy", [SCHED_OTHER, pytest.param(SCHED_RR, marks=needs_root)])
def test_sched_rr_get_interval(sleeper: int, policy: int) -> None:
    os.sched_setscheduler(sleeper, policy, os.sched_param(policy == SCHED_RR))
    told = pysyscall.sched_rr_get_interval(sleeper)
    assert type(told) is Timespec
    expected = os.sched_rr_get_interval(sleeper)
    assert told.tv_sec + told.tv_nsec / 1e9 == pytest.approx(expected)


@pytest.mark.parametrize(
    "attr",
    [
        SchedAttr(SCHED_BATCH, sched_nice=5),
        SchedAttr(SCHED_IDLE, pysyscall.SCHED_FLAG_RESET_ON_FORK),
        pytest.param(SchedAttr(SCHED_RR, sched_priority=4), marks=needs_root),
    ],
)
def test_sched_setattr(sleeper: int, attr: SchedAttr) -> None:
    assert pysyscall.sched_setattr(sleeper, attr) is None
    policy = attr.sched_policy | (SCHED_RESET_ON_FORK if attr.sched_flags else 0)
    assert os.sched_getscheduler(sleeper) == policy
    assert os.sched_getparam(sleeper).sched_priority == attr.sched_priority
    assert os.getpriority(os.PRIO_PROCESS, sleeper) == attr.sched_nice
    told = pysyscall.sched_getattr(sleeper)
    assert type(told) is SchedAttr
    for name in ("sched_policy", "sched_flags", "sched_nice", "sched_priority"):
        assert getattr(told, name) == getattr(attr, name)
    assert told.size >= 48


@needs_root
def test_sched_setattr_with_a_deadline(sleeper: int) -> None:
    millisecond = 1_000_000
    attr = SchedAttr(
        pysyscall.SCHED_DEADLINE,
        sched_runtime=millisecond,
        sched_deadline=10 * millisecond,
        sched_period=100 * millisecond,
    )
    try:
        pysyscall.sched_setattr(sleeper, attr)
    except PermissionError:
        pytest.skip("no deadlines here")
    told = pysyscall.sched_getattr(sleeper)
    for name in ("sched_policy", "sched_runtime", "sched_deadline", "sched_period"):
        assert getattr(told, name) == getattr(attr, name)


def test_getcpu() -> None:
    def pinned(cpu: int) -> object:
        os.sched_setaffinity(0, [cpu])
        return pysyscall.getcpu()

    for cpu in os.sched_getaffinity(0):
        told, node = in_child(lambda cpu=cpu: pinned(cpu))
        assert told == cpu
        nodes = [path.name for path in Path(f"/sys/devices/system/cpu/cpu{cpu}").glob("node*")]
        assert f"node{node}" in (nodes or ["node0"])
