"""wait4 and waitid: what is told of children that end, stop and go on."""

from __future__ import annotations

import os
import signal
import time

import pytest
from children import child, in_child

import pysyscall
from pysyscall import Rusage, SiginfoChild


def test_wait4_tells_the_end_and_what_was_used() -> None:
    def work() -> int:
        until = time.process_time() + 0.03
        while time.process_time() < until:
            pass
        return 7

    pid = child(work)
    told, status, usage = pysyscall.wait4(pid)
    assert (told, os.waitstatus_to_exitcode(status)) == (pid, 7)
    assert type(usage) is Rusage
    assert 0.02 < usage.ru_utime + usage.ru_stime < 10
    assert usage.ru_maxrss > 1000
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
        told, usage = pysyscall.waitid(kind, which[by], flags)
        assert type(told) is SiginfoChild
        assert type(usage) is Rusage
        assert before[0] == told
        with pytest.raises(ChildProcessError):
            pysyscall.waitid(pysyscall.P_PID, pid, flags)
        ids = told.si_pid == pid, told.si_uid == os.getuid()
        return ids, told.si_signo, told.si_code, told.si_status

    ended = ((True, True), signal.SIGCHLD, os.CLD_EXITED, 9)
    assert in_child(family) == ended


def test_waitid_tells_what_os_tells(sleeper: int) -> None:
    def told(flags: int) -> object:
        info, _ = pysyscall.waitid(pysyscall.P_PID, sleeper, flags | pysyscall.WNOWAIT)
        theirs = os.waitid(os.P_PID, sleeper, flags | os.WNOWAIT)
        assert theirs is not None
        for name in ("si_pid", "si_uid", "si_signo", "si_status", "si_code"):
            assert getattr(info, name) == getattr(theirs, name)
        os.waitid(os.P_PID, sleeper, flags)
        return info.si_code, info.si_status

    nothing, _ = pysyscall.waitid(pysyscall.P_PID, sleeper, pysyscall.WEXITED | pysyscall.WNOHANG)
    assert (nothing.si_pid, nothing.si_signo) == (0, 0)
    os.kill(sleeper, signal.SIGSTOP)
    assert told(os.WSTOPPED) == (os.CLD_STOPPED, signal.SIGSTOP)
    os.kill(sleeper, signal.SIGCONT)
    assert told(os.WCONTINUED) == (os.CLD_CONTINUED, signal.SIGCONT)
    os.kill(sleeper, signal.SIGKILL)
    assert told(os.WEXITED) == (os.CLD_KILLED, signal.SIGKILL)
