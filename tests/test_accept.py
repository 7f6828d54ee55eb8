"""accept: what it returns, and how a wait for a client ends."""

from __future__ import annotations

import errno
import hashlib
import os
import socket as sockets
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alarms import alarms
from network import LOOPBACK, made
from tracee import Reply, Stop, replied

import pysyscall
from pysyscall import AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_STREAM, SockaddrIn, SockaddrUn, Sysno


def test_accept(keep: Callable[[int], int]) -> None:
    with sockets.create_server((LOOPBACK, 0)) as server, sockets.socket() as client:
        client.connect(server.getsockname())
        fd, peer = pysyscall.accept(server)
        keep(fd)
        assert peer == SockaddrIn(*client.getsockname())
        assert os.get_inheritable(fd)
        assert os.get_blocking(fd)
        client.send(b"hello")
        assert pysyscall.recvfrom(fd, 10)[0] == b"hello"


@pytest.mark.parametrize("named", [True, False])
def test_accept_of_a_unix_socket(keep: Callable[[int], int], tmp_path: Path, named: bool) -> None:
    address = SockaddrUn(b"\0pysyscall " + os.urandom(8))
    client_address = SockaddrUn(b"\0pysyscall " + os.urandom(8)) if named else SockaddrUn()
    server, client = (keep(pysyscall.socket(AF_UNIX, SOCK_STREAM)) for _ in "ab")
    pysyscall.bind(server, address)
    pysyscall.listen(server, 1)
    if named:
        pysyscall.bind(client, client_address)
    pysyscall.connect(client, address)
    fd, peer = pysyscall.accept(server)
    keep(fd)
    assert peer == client_address


def test_accept_goes_on_after_signals(keep: Callable[[int], int]) -> None:
    """Only the third signal's handler lets it end."""
    with sockets.create_server((LOOPBACK, 0)) as server, sockets.socket() as client:

        def connect(count: int) -> None:
            if count == 3:
                client.connect(server.getsockname())

        with alarms(0.01, connect) as seen:
            fd, peer = pysyscall.accept(server)
        keep(fd)
        assert peer == SockaddrIn(*client.getsockname())
        assert len(seen) >= 3


def test_an_exception_in_the_handler_ends_accept() -> None:
    with (
        sockets.create_server((LOOPBACK, 0)) as server,
        alarms(0.01, lambda _: 1 / 0),
        pytest.raises(ZeroDivisionError),
    ):
        pysyscall.accept(server)


@pytest.mark.parametrize(
    ("make", "number"),
    [
        (lambda: pysyscall.socket(AF_INET, SOCK_STREAM), errno.EINVAL),
        (lambda: pysyscall.socket(AF_INET, SOCK_DGRAM), errno.EOPNOTSUPP),
        (lambda: os.open(os.devnull, os.O_RDONLY), errno.ENOTSOCK),
    ],
)
def test_accept_refuses(keep: Callable[[int], int], make: Callable[[], int], number: int) -> None:
    with pytest.raises(OSError) as caught:
        pysyscall.accept(keep(make()))
    assert caught.value.errno == number


def test_accept_of_no_descriptor() -> None:
    with pytest.raises(OSError) as caught:
        pysyscall.accept(-1)
    assert caught.value.errno == errno.EBADF


def test_accept_does_not_wait_where_told_so(keep: Callable[[int], int]) -> None:
    fd = keep(pysyscall.socket(AF_UNIX, SOCK_STREAM | pysyscall.SOCK_NONBLOCK))
    pysyscall.bind(fd, SockaddrUn())
    pysyscall.listen(fd, 1)
    with pytest.raises(BlockingIOError):
        pysyscall.accept(fd)


@pytest.mark.parametrize("name", ["accept", "accept4"])
def test_accept_where_there_are_no_addresses(name: str) -> None:
    """AF_ALG takes a connection only from those who don't ask for an address."""
    call = getattr(pysyscall, name)

    def algorithm(stop: Stop) -> Iterator[tuple[int, bytes]]:
        assert stop.registers[:3] == (5, pysyscall.SOL_SOCKET, pysyscall.SO_DOMAIN)
        yield stop.registers[3], struct.pack("i", pysyscall.AF_ALG)

    replies = [Reply(-errno.ECONNABORTED), Reply(0, algorithm), Reply(7)]
    (first, second, third), result = replied(replies, call, 5)
    assert [first.number, second.number] == [Sysno[name], Sysno.getsockopt]
    assert first.registers[1] != 0
    assert (third.number, *third.registers) == (Sysno[name], 5, 0, 0, 0, 0, 0)
    assert result == "(7, None)"
    # The error is an error where it means a connection, or for ever.
    _, result = replied([Reply(-errno.ECONNABORTED), Reply(0)], call, 5)
    assert result.startswith("ConnectionAbortedError: ")
    replies[2] = Reply(-errno.ECONNABORTED)
    assert replied(replies, call, 5)[1].startswith("ConnectionAbortedError: ")


def test_accept_of_an_algorithm(keep: Callable[[int], int]) -> None:
    fd = keep(made(pysyscall.AF_ALG, pysyscall.SOCK_SEQPACKET))
    pysyscall.bind(fd, pysyscall.SockaddrAlg("hash", "sha256"))
    operation, address = pysyscall.accept4(fd, pysyscall.SOCK_CLOEXEC)
    assert address is None
    pysyscall.sendto(keep(operation), b"data")
    assert pysyscall.read(operation, 100) == hashlib.sha256(b"data").digest()
