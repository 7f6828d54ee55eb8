"""wait4 and waitid: what is told of children that end, stop and go on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from children import NO_PROCESS, child, in_child

import pysyscall
from pysyscall import Batch, Rusage, SiginfoChild, prepare


def work() -> int:
    until = time.process_time() + 0.03
    while time.process_time() < until:
        pass
    return 7


def has_worked(usage: Rusage) -> bool:
    assert type(usage) is Rusage
    return 0.02 < usage.ru_utime + usage.ru_stime < 10 and usage.ru_maxrss > 1000


def test_wait4_tells_the_end_and_what_was_used() -> None:
    pid = child(work)
    told, status, usage = pysyscall.wait4(pid)
    assert (told, os.waitstatus_to_exitcode(status)) == (pid, 7)
    assert has_worked(usage)
    with pytest.raises(ChildProcessError):
        pysyscall.wait4(pid)


def test_wait4_tells_a_signal_a_stop_and_a_continuation(sleeper: int) -> None:
    assert pysyscall.wait4(sleeper, pysyscall.WNOHANG)[:2] == (0, 0)
    os.kill(sleeper, signal.SIGSTOP)
    pid, status, _ = pysyscall.wait4(sleeper, pysyscall.WUNTRACED)
    assert (pid, os.WIFSTOPPED(status), os.WSTOPSIG(status)) == (sleeper, True, signal.SIGSTOP)
    os.kill(sleeper, signal.SIGCONT)
    pid, status, _ = pysyscall.wait4(sleeper, pysyscall.WCONTINUED)
    assert (pid, os.WIFCONTINUED(status)) == (sleeper, True)
    os.kill(sleeper, signal.SIGTERM)
    pid, status, _ = pysyscall.wait4(sleeper)
    assert (pid, os.WTERMSIG(status)) == (sleeper, signal.SIGTERM)


def test_wait4_waits_for_any_child_of_a_group() -> None:
    def family() -> object:
        os.setpgid(0, 0)
        pids = {child(lambda: 3), child(lambda: 3)}
        told = {pysyscall.wait4(which)[0] for which in (-1, 0)}
        return told == pids

    assert in_child(family) is True


@pytest.mark.parametrize("by", ["P_PID", "P_PIDFD", "P_PGID", "P_ALL"])
def test_waitid(by: str) -> None:
    def family() -> object:
        pid = child(lambda: 9)
        which = {"P_PID": pid, "P_PIDFD": os.pidfd_open(pid), "P_PGID": os.getpgrp(), "P_ALL": 0}
        kind = getattr(pysyscall, by)
        flags = pysyscall.WEXITED
        before = pysyscall.waitid(kind, which[by], flags | pysyscall.WNOWAIT)
        told = pysyscall.waitid(kind, which[by], flags)
        assert type(told) is SiginfoChild
        assert before == told
        with pytest.raises(ChildProcessError):
            pysyscall.waitid(pysyscall.P_PID, pid, flags)
        ids = told.si_pid == pid, told.si_uid == os.getuid()
        return ids, told.si_signo, told.si_code, told.si_status

    ended = ((True, True), signal.SIGCHLD, os.CLD_EXITED, 9)
    assert in_child(family) == ended


def test_waitid_tells_what_os_tells(sleeper: int) -> None:
    def told(flags: int) -> object:
        info = pysyscall.waitid(pysyscall.P_PID, sleeper, flags | pysyscall.WNOWAIT)
        theirs = os.waitid(os.P_PID, sleeper, flags | os.WNOWAIT)
        assert theirs is not None
        for name in ("si_pid", "si_uid", "si_signo", "si_status", "si_code"):
            assert getattr(info, name) == getattr(theirs, name)
        os.waitid(os.P_PID, sleeper, flags)
        return info.si_code, info.si_status

    nothing = pysyscall.waitid(pysyscall.P_PID, sleeper, pysyscall.WEXITED | pysyscall.WNOHANG)
    assert (nothing.si_pid, nothing.si_signo) == (0, 0)
    os.kill(sleeper, signal.SIGSTOP)
    assert told(os.WSTOPPED) == (os.CLD_STOPPED, signal.SIGSTOP)
    os.kill(sleeper, signal.SIGCONT)
    assert told(os.WCONTINUED) == (os.CLD_CONTINUED, signal.SIGCONT)
    os.kill(sleeper, signal.SIGKILL)
    assert told(os.WEXITED) == (os.CLD_KILLED, signal.SIGKILL)


@pytest.fixture
def worked() -> Iterator[int]:
    """A child that has worked, has ended, and can be waited for."""
    pid = child(work)
    yield pid
    os.waitpid(pid, 0)


ENDED = pysyscall.WEXITED | pysyscall.WNOWAIT


def test_waitid_tells_what_was_used_where_it_is_asked(worked: int) -> None:
    alone = pysyscall.waitid(pysyscall.P_PID, worked, ENDED)
    assert (alone.si_pid, alone.si_status) == (worked, 7)
    assert pysyscall.waitid(pysyscall.P_PID, worked, ENDED, False) == alone
    assert pysyscall.waitid(idtype=1, id=worked, rusage=False, options=ENDED) == alone
    both = pysyscall.waitid(pysyscall.P_PID, worked, ENDED, True)
    assert type(both) is tuple
    info, usage = both
    assert info == alone
    assert has_worked(usage)
    assert pysyscall.waitid(id=worked, rusage=True, idtype=1, options=ENDED) == both


def test_waitid_has_nothing_to_tell(sleeper: int) -> None:
    where = pysyscall.P_PID, sleeper, pysyscall.WEXITED | pysyscall.WNOHANG
    assert pysyscall.waitid(*where) == SiginfoChild(si_signo=0)
    # What the call before has filled is not seen again.
    pysyscall.getrusage(pysyscall.RUSAGE_SELF)
    assert pysyscall.waitid(*where, rusage=True) == (SiginfoChild(si_signo=0), Rusage())


def test_waitid_fails_in_both_forms() -> None:
    for asked in (False, True):
        with pytest.raises(ChildProcessError):
            pysyscall.waitid(pysyscall.P_PID, NO_PROCESS, pysyscall.WEXITED, asked)


@pytest.mark.parametrize("bad", [0, 1, None, "True", 1.0, object(), bool])
def test_whether_to_ask_is_a_bool_beforehand_too(bad: Any) -> None:
    shown = type(bad).__name__.removesuffix("Type")
    message = f"^waitid\\(\\) argument 'rusage' must be a bool, not {shown}$"
    where = pysyscall.P_PID, NO_PROCESS, pysyscall.WEXITED
    with pytest.raises(TypeError, match=message):
        Batch().waitid(*where, bad)
    with pytest.raises(TypeError, match=message):
        prepare(pysyscall.waitid, *where, bad)


def test_waitid_in_batches(worked: int) -> None:
    where = pysyscall.P_PID, worked, ENDED
    info, usage = both = pysyscall.waitid(*where, rusage=True)
    with Batch() as b:
        made = b.waitid(*where), b.waitid(*where, False), b.waitid(*where, rusage=True)
    for _ in range(2):
        assert [one.result() for one in made] == [info, info, both]
        assert b.results == [info, info, both]
        b.run()
    b = Batch()
    b.waitid(*where, b.input())
    assert b.run([True, False, True]) == [(both,), (info,), (both,)]
    with pytest.raises(TypeError, match="'rusage' must be a bool, not int"):
        b.run([True, 1])
    b = Batch()
    with pytest.raises(TypeError, match="'rusage' can't be the result of an earlier call"):
        b.waitid(*where, b.getpid())  # type: ignore[call-overload]
    assert has_worked(usage)


def test_waitid_prepared(worked: int) -> None:
    where = pysyscall.P_PID, worked, ENDED
    alone, asked = prepare(pysyscall.waitid, *where), prepare(pysyscall.waitid, *where, True)
    both = pysyscall.waitid(*where, rusage=True)
    kept = [(alone(), asked()) for _ in range(3)]
    assert kept == [(both[0], both)] * 3
    assert prepare(pysyscall.waitid, *where, rusage=False)() == both[0]
    first, second = asked(), asked()
    assert first[1] is not second[1]
