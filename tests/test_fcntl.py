"""fcntl against the real kernel, command by command; what it does is looked at through os."""

from __future__ import annotations

import fcntl as library
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from children import in_child
from conditions import needs_root

import pysyscall
from pysyscall import Flock, FOwnerEx, fcntl, flags

Keep: TypeAlias = Callable[[int], int]


@pytest.fixture
def file(tmp_path: Path, keep: Keep) -> int:
    return keep(os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT))


@pytest.fixture
def group() -> Iterator[int]:
    """A child that is a group of its own."""
    pid = os.fork()
    if pid == 0:
        while True:
            signal.pause()
    os.setpgid(pid, pid)
    yield pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_duplicates(pipe: tuple[int, int], keep: Keep) -> None:
    for command, inheritable in ((flags.F_DUPFD, True), (flags.F_DUPFD_CLOEXEC, False)):
        copy = keep(fcntl(pipe[0], command, 700))
        assert copy >= 700
        assert os.path.sameopenfile(copy, pipe[0])
        assert os.get_inheritable(copy) is inheritable
        assert fcntl(copy, flags.F_DUPFD_QUERY, pipe[0]) == 1
    assert fcntl(pipe[0], flags.F_DUPFD_QUERY, pipe[1]) == 0


def test_flags_of_a_descriptor(pipe: tuple[int, int]) -> None:
    assert fcntl(pipe[0], flags.F_GETFD) is flags.FD_CLOEXEC
    assert fcntl(pipe[0], flags.F_SETFD, 0) is None
    assert os.get_inheritable(pipe[0])
    assert fcntl(pipe[0], flags.F_GETFD) == 0
    fcntl(pipe[0], flags.F_SETFD, flags.FD_CLOEXEC)
    assert not os.get_inheritable(pipe[0])


def test_status_flags(pipe: tuple[int, int]) -> None:
    fcntl(pipe[1], flags.F_SETFL, flags.O_NONBLOCK | flags.O_APPEND)
    assert not os.get_blocking(pipe[1])
    assert fcntl(pipe[1], flags.F_GETFL) == flags.O_WRONLY | flags.O_NONBLOCK | flags.O_APPEND


def test_a_file_that_was_just_created(tmp_path: Path, keep: Keep) -> None:
    new = keep(os.open(tmp_path / "new", os.O_RDWR | os.O_CREAT))
    old = keep(os.open(tmp_path / "new", os.O_RDWR | os.O_CREAT))
    assert [fcntl(fd, flags.F_CREATED_QUERY) for fd in (new, old)] == [1, 0]


def test_locks_of_processes(file: int) -> None:
    lock = Flock(l_type=flags.F_WRLCK, l_start=5, l_len=10)
    assert fcntl(file, flags.F_GETLK, lock).l_type == flags.F_UNLCK
    assert fcntl(file, flags.F_SETLK, lock) is None

    def other() -> tuple[int, int, int, int]:
        with pytest.raises((BlockingIOError, PermissionError)):
            fcntl(file, flags.F_SETLK, (flags.F_WRLCK, 0, 14, 1))
        found = fcntl(file, flags.F_GETLK, lock)
        return found.l_type, found.l_start, found.l_len, found.l_pid

    assert in_child(other) == (flags.F_WRLCK, 5, 10, os.getpid())
    fcntl(file, flags.F_SETLKW, lock.replace(l_type=flags.F_UNLCK))
    assert in_child(lambda: fcntl(file, flags.F_GETLK, lock).l_type) == flags.F_UNLCK


def test_locks_of_open_files(tmp_path: Path, file: int, keep: Keep) -> None:
    other = keep(os.open(tmp_path / "file", os.O_RDWR))
    lock = Flock(l_type=flags.F_WRLCK)
    fcntl(file, flags.F_OFD_SETLK, lock)
    assert fcntl(other, flags.F_OFD_GETLK, lock).l_pid == -1
    with pytest.raises(BlockingIOError):
        fcntl(other, flags.F_OFD_SETLK, lock)
    waiting = threading.Thread(target=fcntl, args=(other, flags.F_OFD_SETLKW, lock))
    waiting.start()
    time.sleep(0.05)
    assert waiting.is_alive()
    fcntl(file, flags.F_OFD_SETLK, lock.replace(l_type=flags.F_UNLCK))
    waiting.join()
    assert fcntl(file, flags.F_OFD_GETLK, lock).l_type == flags.F_WRLCK


def test_owners(pipe: tuple[int, int], group: int) -> None:
    assert fcntl(pipe[0], flags.F_GETOWN) == 0
    fcntl(pipe[0], flags.F_SETOWN, os.getpid())
    assert fcntl(pipe[0], flags.F_GETOWN) == os.getpid()
    owner = fcntl(pipe[0], flags.F_GETOWN_EX)
    assert (owner.type, owner.pid) == (flags.F_OWNER_PID, os.getpid())
    fcntl(pipe[0], flags.F_SETOWN_EX, FOwnerEx(flags.F_OWNER_TID, threading.get_native_id()))
    assert library.fcntl(pipe[0], flags.F_GETOWN) == threading.get_native_id()
    assert fcntl(pipe[0], flags.F_GETOWNER_UIDS) == (os.getuid(), os.geteuid())
    fcntl(pipe[0], flags.F_SETOWN, -group)
    assert fcntl(pipe[0], flags.F_GETOWN) == -group
    assert fcntl(pipe[0], flags.F_GETOWN_EX).type == flags.F_OWNER_PGRP


@needs_root
def test_a_group_whose_number_looks_like_an_error(pipe: tuple[int, int]) -> None:
    """In a PID namespace of its own the group is 1, and -1 is EPERM to all who look at the sign."""

    def first() -> tuple[int, int, str]:
        os.setpgid(0, 0)
        fcntl(pipe[0], flags.F_SETOWN, -os.getpid())
        raw = pysyscall.raw.syscall(pysyscall.Sysno.fcntl, pipe[0], flags.F_GETOWN, 0)
        with pytest.raises(OSError, match="Bad file descriptor") as error:
            fcntl(999, flags.F_GETOWN)
        return fcntl(pipe[0], flags.F_GETOWN), raw, str(error.value)

    def within() -> object:
        pysyscall.unshare(flags.CLONE_NEWPID)
        return in_child(first)

    assert in_child(within) == (-1, -1, "[Errno 9] Bad file descriptor")


def test_signals(pipe: tuple[int, int]) -> None:
    assert fcntl(pipe[0], flags.F_GETSIG) == 0
    fcntl(pipe[0], flags.F_SETSIG, flags.SIGUSR2)
    assert fcntl(pipe[0], flags.F_GETSIG) is flags.SIGUSR2

    def told() -> int:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        fcntl(pipe[0], flags.F_SETOWN, os.getpid())
        fcntl(pipe[0], flags.F_SETFL, flags.O_ASYNC | flags.O_NONBLOCK)
        os.write(pipe[1], b"x")
        found = signal.sigtimedwait({signal.SIGUSR2}, 10)
        return found.si_signo if found else 0

    assert in_child(told) == signal.SIGUSR2


def test_leases(file: int) -> None:
    assert fcntl(file, flags.F_GETLEASE) is flags.F_UNLCK
    fcntl(file, flags.F_SETLEASE, flags.F_WRLCK)
    assert fcntl(file, flags.F_GETLEASE) is flags.F_WRLCK
    fcntl(file, flags.F_SETLEASE, flags.F_UNLCK)


def test_delegations_are_newer_than_some_kernels(file: int) -> None:
    try:
        told = fcntl(file, flags.F_GETDELEG, pysyscall.Delegation())
    except OSError as error:
        assert error.errno == 22
    else:
        assert told.d_type == flags.F_UNLCK


def test_a_directory_that_changes(tmp_path: Path, keep: Keep) -> None:
    fd = keep(os.open(tmp_path, os.O_RDONLY))

    def told() -> bool:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGIO})
        fcntl(fd, flags.F_NOTIFY, flags.DN_CREATE)
        (tmp_path / "new").touch()
        return signal.sigtimedwait({signal.SIGIO}, 10) is not None

    assert in_child(told)


def test_sizes_of_pipes(pipe: tuple[int, int]) -> None:
    before = fcntl(pipe[0], flags.F_GETPIPE_SZ)
    assert fcntl(pipe[1], flags.F_SETPIPE_SZ, before // 2 + 1) == before
    assert fcntl(pipe[1], flags.F_SETPIPE_SZ, before // 2) == before // 2
    assert fcntl(pipe[0], flags.F_GETPIPE_SZ) == before // 2


def test_seals(keep: Keep) -> None:
    fd = keep(os.memfd_create("sealed", os.MFD_ALLOW_SEALING))
    assert fcntl(fd, flags.F_GET_SEALS) == 0
    fcntl(fd, flags.F_ADD_SEALS, flags.F_SEAL_SHRINK | flags.F_SEAL_WRITE)
    assert fcntl(fd, flags.F_GET_SEALS) == flags.F_SEAL_SHRINK | flags.F_SEAL_WRITE
    with pytest.raises(PermissionError):
        os.write(fd, b"x")


def test_hints(file: int) -> None:
    assert fcntl(file, flags.F_GET_RW_HINT) == flags.RWH_WRITE_LIFE_NOT_SET
    fcntl(file, flags.F_SET_RW_HINT, flags.RWH_WRITE_LIFE_LONG)
    assert fcntl(file, flags.F_GET_RW_HINT) == flags.RWH_WRITE_LIFE_LONG


def test_a_handler_runs_while_a_lock_is_waited_for(tmp_path: Path, file: int, keep: Keep) -> None:
    other = keep(os.open(tmp_path / "file", os.O_RDWR))
    fcntl(file, flags.F_OFD_SETLK, Flock(l_type=flags.F_WRLCK))
    ran: list[int] = []

    def give_way(number: int, frame: object) -> None:
        ran.append(number)
        fcntl(file, flags.F_OFD_SETLK, Flock(l_type=flags.F_UNLCK))

    before = signal.signal(signal.SIGALRM, give_way)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        fcntl(other, flags.F_OFD_SETLKW, Flock(l_type=flags.F_WRLCK))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert ran == [signal.SIGALRM]
