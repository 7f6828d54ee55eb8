"""Options of sockets that are structs."""

from __future__ import annotations

import errno
import os
import socket as sockets
from collections.abc import Callable
from typing import Any

import pytest
from network import LOOPBACK

import pysyscall
from pysyscall import AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_STREAM


def test_the_peer_of_a_pair(keep: Callable[[int], int]) -> None:
    fd, _ = map(keep, pysyscall.socketpair(AF_UNIX, SOCK_STREAM))
    peer = pysyscall.getsockopt(fd, pysyscall.SOL_SOCKET, pysyscall.SO_PEERCRED, pysyscall.Ucred)
    assert peer == pysyscall.Ucred(os.getpid(), os.geteuid(), os.getegid())
    assert type(peer) is pysyscall.Ucred


def test_an_option_set_as_a_struct(keep: Callable[[int], int]) -> None:
    fd = keep(pysyscall.socket(AF_INET, SOCK_STREAM))
    option = (pysyscall.SOL_SOCKET, pysyscall.SO_LINGER)
    value = pysyscall.Linger(1, 30)
    pysyscall.setsockopt(fd, *option, value)
    assert pysyscall.getsockopt(fd, *option, pysyscall.Linger) == value
    with sockets.socket(fileno=os.dup(fd)) as twin:
        assert twin.getsockopt(*option, 8) == value.to_bytes()
    interface = pysyscall.IpMreqn("224.0.0.251", LOOPBACK, 0)
    udp = keep(pysyscall.socket(AF_INET, SOCK_DGRAM))
    pysyscall.setsockopt(udp, pysyscall.SOL_IP, pysyscall.IP_ADD_MEMBERSHIP, interface)
    with pytest.raises(OSError) as caught:
        pysyscall.setsockopt(udp, pysyscall.SOL_IP, pysyscall.IP_ADD_MEMBERSHIP, interface)
    assert caught.value.errno == errno.EADDRINUSE


def test_a_struct_that_grows_with_the_kernel(keep: Callable[[int], int]) -> None:
    """It is as long as the kernel's; fields beyond that are 0."""
    fd = keep(pysyscall.socket(AF_INET, SOCK_STREAM))
    option = (pysyscall.SOL_TCP, pysyscall.TCP_INFO)
    told = pysyscall.getsockopt(fd, *option, pysyscall.TcpInfo)
    assert told.tcpi_state == 7  # TCP_CLOSE
    length = pysyscall.getsockopt(fd, *option, bytearray(1000))
    assert len(told.to_bytes()) == min(length, len(pysyscall.TcpInfo().to_bytes()))


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        (pysyscall.Ucred, "is a Ucred of 12 bytes, but the option has 4"),
        (int, "must be None (a C int), an int (how many bytes), a struct's type or a writable "),
        (pysyscall.Ucred(), "must be writable, not a read-only pysyscall.Ucred"),
    ],
)
def test_no_such_struct(keep: Callable[[int], int], wanted: Any, complaint: str) -> None:
    fd = keep(pysyscall.socket(AF_INET, SOCK_STREAM))
    with pytest.raises(TypeError) as caught:
        pysyscall.getsockopt(fd, pysyscall.SOL_SOCKET, pysyscall.SO_TYPE, wanted)
    assert str(caught.value).startswith(f"getsockopt() argument 'optval' {complaint}")
