"""Fixtures that several areas share."""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import alarms
import pytest
from children import child
from mappings import new
from network import LOOPBACK
from this_process import alone
from worlds import World, new_world

import pysyscall
from pysyscall import AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM, Mapping, SockaddrIn


@pytest.fixture
def keep() -> Iterator[Callable[[int], int]]:
    """Takes descriptors, and closes them when the test ends."""
    kept: list[int] = []

    def take(fd: int) -> int:
        kept.append(fd)
        return fd

    yield take
    for fd in kept:
        os.close(fd)


@pytest.fixture
def pipe(keep: Callable[[int], int]) -> tuple[int, int]:
    reader, writer = os.pipe()
    return keep(reader), keep(writer)


@pytest.fixture
def nonblocking_pipe(pipe: tuple[int, int]) -> tuple[int, int]:
    """Reading what is not there fails."""
    os.set_blocking(pipe[0], False)
    return pipe


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with new_world(tmp_path / "world") as world:
        yield world


@pytest.fixture
def sleeper() -> Iterator[int]:
    """A child that waits for a signal to end it."""
    pid = child(lambda: time.sleep(60))
    yield pid
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.fixture
def handled() -> Iterator[list[int]]:
    """The signals whose handlers have run, SIGUSR1's and SIGALRM's."""
    with alarms.handled(signal.SIGUSR1, signal.SIGALRM) as seen:
        yield seen


@pytest.fixture
def held_back(handled: list[int]) -> Iterator[list[int]]:
    """The same; SIGUSR1 is blocked, and can be sent to wait."""
    alone()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    yield handled
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.fixture(params=[SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET])
def pair(request: Any, keep: Callable[[int], int]) -> tuple[int, int]:
    one, other = pysyscall.socketpair(AF_UNIX, request.param)
    return keep(one), keep(other)


@pytest.fixture
def datagrams(keep: Callable[[int], int]) -> tuple[int, int]:
    one, other = pysyscall.socketpair(AF_UNIX, SOCK_DGRAM)
    return keep(one), keep(other)


@pytest.fixture
def udp(keep: Callable[[int], int]) -> tuple[int, int, SockaddrIn]:
    """Two sockets, and the address of the second."""
    fds = [keep(pysyscall.socket(AF_INET, SOCK_DGRAM)) for _ in "ab"]
    for fd in fds:
        pysyscall.bind(fd, SockaddrIn(LOOPBACK))
    address = pysyscall.getsockname(fds[1])
    assert isinstance(address, SockaddrIn)
    return fds[0], fds[1], address


@pytest.fixture
def m() -> Iterator[Mapping]:
    """A Mapping of four pages; what buffers of it remain is let go when the test ends."""
    with new() as made:
        yield made
        gc.collect()
