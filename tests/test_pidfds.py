"""Descriptors of processes, and the calls that take one."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from children import child
from this_process import alone

import pysyscall
from pysyscall import SiginfoQueue


def pidfd_info(fd: int) -> dict[str, str]:
    lines = Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines()
    return {name: rest.strip() for name, _, rest in (line.partition(":") for line in lines)}


@pytest.mark.parametrize("flags", [0, pysyscall.PIDFD_NONBLOCK])
def test_pidfd_open(keep: Callable[[int], int], sleeper: int, flags: int) -> None:
    fd = keep(pysyscall.pidfd_open(sleeper, flags))
    assert pidfd_info(fd)["Pid"] == str(sleeper)
    assert not os.get_inheritable(fd)
    assert os.get_blocking(fd) == (not flags)
    if flags:
        with pytest.raises(BlockingIOError):
            pysyscall.waitid(pysyscall.P_PIDFD, fd, pysyscall.WEXITED)
    assert select.select([fd], [], [], 0)[0] == []
    os.kill(sleeper, signal.SIGKILL)
    assert select.select([fd], [], [], 10)[0] == [fd]


def test_pidfd_getfd(keep: Callable[[int], int], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("content")
    here, there = os.pipe()

    def hold() -> None:
        fd = os.open(path, os.O_RDONLY)
        os.write(there, bytes([fd]))
        time.sleep(60)

    pid = child(hold)
    try:
        (theirs,) = os.read(here, 1)
        pidfd = keep(os.pidfd_open(pid))
        fd = keep(pysyscall.pidfd_getfd(pidfd, theirs))
        assert os.path.samestat(os.fstat(fd), path.stat())
        assert os.read(fd, 100) == b"content"
        assert not os.get_inheritable(fd)
        with pytest.raises(OSError, match="Bad file descriptor"):
            pysyscall.pidfd_getfd(pidfd, 2**20)
        with pytest.raises(OSError, match="Invalid argument"):
            pysyscall.pidfd_getfd(pidfd, theirs, 1)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(here)
        os.close(there)


def test_pidfd_send_signal(keep: Callable[[int], int], sleeper: int) -> None:
    pidfd = keep(os.pidfd_open(sleeper))
    assert pysyscall.pidfd_send_signal(pidfd, 0) is None
    assert pysyscall.pidfd_send_signal(pidfd, pysyscall.SIGTERM) is None
    assert os.WTERMSIG(os.waitpid(sleeper, 0)[1]) == signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        pysyscall.pidfd_send_signal(pidfd, 0)


def test_pidfd_send_signal_with_info(keep: Callable[[int], int]) -> None:
    number = signal.SIGUSR1
    pidfd = keep(os.pidfd_open(os.getpid()))
    sent = SiginfoQueue(pysyscall.SI_QUEUE, 99, 1234, 5678, si_signo=number)
    info = pysyscall.Siginfo.from_bytes(sent.to_bytes())
    alone()
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        pysyscall.pidfd_send_signal(pidfd, number, info)
        told = signal.sigtimedwait([number], 5)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    assert told is not None
    assert (told.si_signo, told.si_code) == (number, pysyscall.SI_QUEUE)
    assert (told.si_pid, told.si_uid) == (1234, 5678)


def test_process_mrelease(keep: Callable[[int], int], sleeper: int) -> None:
    """Only what a process that is being killed still holds can be taken from it."""
    pidfd = keep(os.pidfd_open(sleeper))
    with pytest.raises(OSError) as caught:
        pysyscall.process_mrelease(pidfd)
    assert caught.value.errno == errno.EINVAL
    os.kill(sleeper, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):  # where the end was faster
        assert pysyscall.process_mrelease(pidfd) is None
    os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
    with pytest.raises(ProcessLookupError):
        pysyscall.process_mrelease(pidfd)
