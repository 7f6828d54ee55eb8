"""Calls on processes: identity, limits, scheduling, signals and the end, mostly in a child."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from children import NO_PROCESS, in_child
from conditions import ROOT, needs_root

import pysyscall
from pysyscall import Rlimit, Rusage, Tms

# Identity


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        *((name, ()) for name in ("getpid", "getppid", "getuid", "geteuid", "getgid", "getegid")),
        *((name, ()) for name in ("getresuid", "getresgid", "getgroups")),
        *((name, (0,)) for name in ("getpgid", "getsid")),
        *((name, (os.getpid(),)) for name in ("getpgid", "getsid")),
        ("sched_getaffinity", (0,)),
        ("sched_yield", ()),
    ],
)
def test_tells_what_os_tells(name: str, arguments: tuple[int, ...]) -> None:
    ours, theirs = getattr(pysyscall, name)(*arguments), getattr(os, name)(*arguments)
    assert ours == theirs
    assert type(ours) is type(theirs)


def test_gettid() -> None:
    told: list[int] = []
    thread = threading.Thread(target=lambda: told.append(pysyscall.gettid()))
    thread.start()
    thread.join()
    assert told == [thread.native_id]
    assert pysyscall.gettid() == threading.get_native_id()


@needs_root
def test_ids_that_differ() -> None:
    def ids() -> object:
        os.setresgid(11, 12, 13)
        os.setresuid(1, 2, 3)
        return (
            (pysyscall.getresuid(), pysyscall.getuid(), pysyscall.geteuid()),
            (pysyscall.getresgid(), pysyscall.getgid(), pysyscall.getegid()),
        )

    assert in_child(ids) == (((1, 2, 3), 1, 2), ((11, 12, 13), 11, 12))


@needs_root
@pytest.mark.parametrize("count", [0, 1, 1024, 1025, 65536])
def test_getgroups_tells_all_groups(count: int) -> None:
    def groups() -> list[int]:
        os.setgroups(range(100, 100 + count))
        return pysyscall.getgroups()

    assert in_child(groups) == list(range(100, 100 + count))


def test_setsid_returns_the_session() -> None:
    def session() -> object:
        return pysyscall.setsid(), os.getpid(), pysyscall.getsid(0), pysyscall.getpgid(0)

    assert len(set(in_child(session))) == 1


def test_a_session_leader_starts_no_session() -> None:
    with pytest.raises(PermissionError):
        in_child(lambda: (pysyscall.setsid(), pysyscall.setsid()))


# Signals


def test_kill(sleeper: int) -> None:
    assert pysyscall.kill(sleeper, 0) is None
    assert pysyscall.kill(sleeper, pysyscall.SIGTERM) is None
    _, status = os.waitpid(sleeper, 0)
    assert os.WTERMSIG(status) == signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        pysyscall.kill(sleeper, 0)


@pytest.mark.parametrize(
    "send",
    [
        lambda: pysyscall.kill(os.getpid(), pysyscall.SIGUSR1),
        lambda: pysyscall.tgkill(os.getpid(), threading.get_native_id(), signal.SIGUSR1),
    ],
    ids=["kill", "tgkill"],
)
def test_a_signal_reaches_the_handler(send: Callable[[], None]) -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    try:
        assert send() is None
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == [signal.SIGUSR1]


def test_tgkill_reaches_the_thread_that_is_named() -> None:
    """A thread that blocks the signal keeps it pending; the others don't see it."""
    pending: list[set[int]] = []
    ready, sent = threading.Event(), threading.Event()

    def wait() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        ready.set()
        sent.wait()
        pending.append(set(signal.sigpending()))

    seen: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    try:
        thread = threading.Thread(target=wait)
        thread.start()
        ready.wait()
        pysyscall.tgkill(os.getpid(), thread.native_id or 0, pysyscall.SIGUSR1)
        sent.set()
        thread.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert pending == [{signal.SIGUSR1}]
    assert seen == []


def test_signals_to_others_need_permission() -> None:
    parent = os.getpid()

    def send() -> None:
        if ROOT:
            os.setresuid(65534, 65534, 65534)
            pysyscall.kill(parent, 0)
        else:
            pysyscall.kill(1, 0)

    with pytest.raises(PermissionError):
        in_child(send)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: pysyscall.kill(NO_PROCESS, 0), ProcessLookupError),
        (lambda: pysyscall.tgkill(os.getpid(), NO_PROCESS, 0), ProcessLookupError),
        (lambda: pysyscall.getpgid(NO_PROCESS), ProcessLookupError),
        (lambda: pysyscall.getsid(NO_PROCESS), ProcessLookupError),
        (lambda: pysyscall.sched_getaffinity(NO_PROCESS), ProcessLookupError),
        (lambda: pysyscall.sched_setaffinity(NO_PROCESS, [0]), ProcessLookupError),
        (lambda: pysyscall.prlimit64(NO_PROCESS, 0), ProcessLookupError),
        (lambda: pysyscall.kill(os.getpid(), 65), OSError),
        (lambda: pysyscall.tgkill(0, 1, 0), OSError),
        (lambda: pysyscall.getrlimit(99), OSError),
        (lambda: pysyscall.getrusage(99), OSError),
        (lambda: pysyscall.sched_setaffinity(0, []), OSError),
    ],
)
def test_refusals(call: Callable[[], object], error: type[OSError]) -> None:
    with pytest.raises(OSError) as caught:
        call()
    assert type(caught.value) is error
    assert (caught.value.filename, caught.value.filename2) == (None, None)


# Resources


@pytest.mark.parametrize("who", ["SELF", "THREAD", "CHILDREN"])
def test_getrusage_tells_what_resource_tells(who: str) -> None:
    number = getattr(resource, f"RUSAGE_{who}")
    assert getattr(pysyscall, f"RUSAGE_{who}") == number
    before = resource.getrusage(number)
    told = pysyscall.getrusage(number)
    after = resource.getrusage(number)
    assert type(told) is Rusage
    fields = [name for name in dir(before) if name.startswith("ru_")]
    assert len(fields) == len(told) == 16
    for name in fields:
        low, ours, high = (getattr(usage, name) for usage in (before, told, after))
        assert type(ours) is type(low), name
        # resource may round a time to the next float.
        assert low - 1e-9 <= ours <= high + 1e-9, name
    for low, ours, high in zip(before, told, after, strict=True):
        assert low - 1e-9 <= ours <= high + 1e-9
    assert told.ru_utime == told.ru_utime_sec + told.ru_utime_usec / 1e6


LIMITS = sorted(name for name in dir(resource) if name.startswith("RLIMIT_"))


@pytest.mark.parametrize("name", LIMITS)
def test_limits_are_those_that_resource_tells(name: str) -> None:
    number = getattr(resource, name)
    unlimited = 2**64 - 1
    wanted = tuple(unlimited if n == -1 else n for n in resource.getrlimit(number))
    told = pysyscall.getrlimit(number)
    assert type(told) is Rlimit
    assert tuple(told) == wanted
    assert pysyscall.prlimit64(0, number) == told
    assert pysyscall.prlimit64(os.getpid(), number, None) == told


@pytest.mark.parametrize("limit", [Rlimit(90, 100), (90, 100)], ids=["Rlimit", "tuple"])
def test_prlimit64_sets_a_limit_and_returns_the_one_before(limit: Any) -> None:
    def change() -> object:
        number = pysyscall.RLIMIT_NOFILE
        return pysyscall.prlimit(0, number, limit), resource.getrlimit(number)

    before, after = in_child(change)
    assert before == pysyscall.getrlimit(pysyscall.RLIMIT_NOFILE)
    assert after == (90, 100)


def test_prlimit64_reaches_another_process(sleeper: int) -> None:
    before = pysyscall.prlimit64(sleeper, pysyscall.RLIMIT_CORE)
    changed = Rlimit(0, before.rlim_max)
    assert pysyscall.prlimit64(sleeper, pysyscall.RLIMIT_CORE, changed) == before
    assert resource.prlimit(sleeper, resource.RLIMIT_CORE)[0] == 0


def test_prlimit_is_an_alias() -> None:
    assert pysyscall.prlimit is pysyscall.prlimit64


def test_times_tells_ticks() -> None:
    before = os.times()
    ticks, told = pysyscall.times()
    after = os.times()
    assert type(told) is Tms
    assert os.sysconf("SC_CLK_TCK") == 100
    ours = (*told, ticks)
    for low, tick, high in zip(before, ours, after, strict=True):
        assert low <= tick / 100 <= high


# Scheduling


def test_affinity_of_all_processes() -> None:
    assert pysyscall.sched_getaffinity(1) == os.sched_getaffinity(1)


@pytest.mark.parametrize("kind", [list, set, tuple, iter, dict.fromkeys])
def test_sched_setaffinity(kind: Callable[[list[int]], Any]) -> None:
    cpu = max(os.sched_getaffinity(0))

    def change() -> object:
        assert pysyscall.sched_setaffinity(0, kind([cpu])) is None
        return os.sched_getaffinity(0), pysyscall.sched_getaffinity(0)

    assert in_child(change) == ({cpu}, {cpu})


def test_sched_setaffinity_takes_cpus_that_are_not_there() -> None:
    """Those that are there are used; if none is, that is an error."""
    cpus = os.sched_getaffinity(0)

    def change() -> object:
        pysyscall.sched_setaffinity(0, cpus | {8191})
        return os.sched_getaffinity(0)

    assert in_child(change) == cpus
    with pytest.raises(OSError, match="Invalid argument"):
        pysyscall.sched_setaffinity(0, [8191])


# The end


@pytest.mark.parametrize(("status", "seen"), [(0, 0), (3, 3), (255, 255), (256 + 7, 7), (-1, 255)])
def test_exit_group(status: int, seen: int) -> None:
    pid = os.fork()
    if pid == 0:
        pysyscall.exit_group(status)
        os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == seen


def test_exit_group_ends_all_threads_at_once_and_flushes_nothing() -> None:
    script = """if True:
        import atexit, threading
        import pysyscall
        atexit.register(print, "at exit")
        threading.Thread(target=threading.Event().wait).start()
        file = open(1, "w", closefd=False)
        file.write("not flushed")
        pysyscall.exit_group(5)
    """
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(Path(pysyscall.__file__).parents[1])},
        capture_output=True,
        timeout=10,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (5, b"", b"")


def test_a_child_tells_its_own_ids() -> None:
    ids = in_child(lambda: (pysyscall.getpid(), pysyscall.getppid(), pysyscall.gettid()))
    assert ids == (ids[0], os.getpid(), ids[0])
    assert ids[0] != os.getpid()
