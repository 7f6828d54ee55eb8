"""Addresses of families beside IP and Unix.

Packets go over loopback only. Families that the kernel here lacks are skipped.
"""

from __future__ import annotations

import errno
import os
import socket as sockets
from collections.abc import Callable
from typing import Any

import pytest
from conditions import skip_where
from network import made

import pysyscall
from pysyscall import (
    AF_INET,
    AF_NETLINK,
    AF_PACKET,
    AF_VSOCK,
    AF_XDP,
    SOCK_DGRAM,
    SOCK_RAW,
    SOCK_STREAM,
    SockaddrLl,
    SockaddrNl,
    SockaddrVm,
    SockaddrXdp,
)

EXPERIMENTAL = 0x88B5
"""An Ethernet protocol that is nobody's."""


# Addresses of all families

FAMILIES = sorted(
    name
    for name in dir(pysyscall)
    if name.startswith("Sockaddr") and name not in ("Sockaddr", "SockaddrIn")
)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(
    "call",
    [
        pysyscall.bind,
        pysyscall.connect,
        lambda fd, address: pysyscall.sendto(fd, b"x", 0, address),
    ],
    ids=["bind", "connect", "sendto"],
)
def test_the_kernel_sees_family_and_length(
    keep: Callable[[int], int], call: Callable[[int, Any], object], name: str
) -> None:
    """An IPv4 socket wants 16 bytes at least, and then its own family."""
    address = getattr(pysyscall, name)()
    fd = keep(pysyscall.socket(AF_INET, SOCK_DGRAM))
    with pytest.raises(OSError) as caught:
        call(fd, address)
    short = len(address.to_bytes()) < 16
    assert caught.value.errno == (errno.EINVAL if short else errno.EAFNOSUPPORT)


# AF_PACKET


@pytest.fixture
def lo() -> int:
    return sockets.if_nametoindex("lo")


def test_a_packet_sockets_address(keep: Callable[[int], int], lo: int) -> None:
    fd = keep(made(AF_PACKET, SOCK_DGRAM))
    # Without an interface the kernel has no hardware address to tell, and leaves it out.
    assert pysyscall.getsockname(fd).to_bytes() == SockaddrLl().to_bytes()[:12]
    pysyscall.bind(fd, SockaddrLl(lo, EXPERIMENTAL))
    match pysyscall.getsockname(fd):
        case SockaddrLl(index, protocol, address, length, kind):
            assert (index, protocol) == (lo, EXPERIMENTAL)
            assert kind == pysyscall.ARPHRD_LOOPBACK
            assert address[:length] == bytes(length) == bytes(6)
        case other:
            pytest.fail(f"not a SockaddrLl: {other}")
    with sockets.socket(fileno=os.dup(fd)) as twin:
        assert twin.getsockname() == (
            *("lo", EXPERIMENTAL, 0),
            *(pysyscall.ARPHRD_LOOPBACK, bytes(6)),
        )


@pytest.mark.parametrize("kind", [SOCK_DGRAM, SOCK_RAW])
def test_packets_over_loopback(keep: Callable[[int], int], lo: int, kind: int) -> None:
    """A packet comes back with the sender's address; a raw socket has the header itself."""
    here, there = keep(made(AF_PACKET, kind)), keep(made(AF_PACKET, kind))
    address = SockaddrLl(lo, EXPERIMENTAL, bytes(8), 6)
    pysyscall.bind(there, address)
    header = bytes(12) + EXPERIMENTAL.to_bytes(2, "big") if kind == SOCK_RAW else b""
    packet = header + b"pysyscall " + os.urandom(8)
    assert pysyscall.sendto(here, packet, 0, address) == len(packet)
    received, sender = pysyscall.recvfrom(there, 2000)
    assert received[: len(packet)] == packet
    assert type(sender) is SockaddrLl
    assert (sender.sll_ifindex, sender.sll_protocol) == (lo, EXPERIMENTAL)
    assert (sender.sll_hatype, sender.sll_halen) == (pysyscall.ARPHRD_LOOPBACK, 6)
    assert sender.sll_pkttype in (pysyscall.PACKET_HOST, pysyscall.PACKET_OUTGOING)


def test_an_interface_that_there_is_not(keep: Callable[[int], int]) -> None:
    fd = keep(made(AF_PACKET, SOCK_DGRAM))
    with pytest.raises(OSError) as caught:
        pysyscall.bind(fd, SockaddrLl(2**31 - 1))
    assert caught.value.errno == errno.ENODEV


# AF_NETLINK


def test_netlink_between_programs(keep: Callable[[int], int]) -> None:
    here, there = (keep(made(AF_NETLINK, SOCK_RAW, pysyscall.NETLINK_USERSOCK)) for _ in "ab")
    pysyscall.bind(there, SockaddrNl(0, 0))
    pysyscall.bind(here, SockaddrNl())
    ports = [pysyscall.getsockname(fd) for fd in (here, there)]
    assert ports[0] != ports[1]
    pysyscall.connect(here, ports[1])
    assert pysyscall.getpeername(here) == ports[1]
    assert pysyscall.sendto(here, b"a message") == 9
    assert pysyscall.recvfrom(there, 99) == (b"a message", ports[0])


def test_netlink_groups(keep: Callable[[int], int]) -> None:
    fd = keep(made(AF_NETLINK, SOCK_RAW, pysyscall.NETLINK_ROUTE))
    pysyscall.bind(fd, SockaddrNl(nl_groups=5))
    address = pysyscall.getsockname(fd)
    assert type(address) is SockaddrNl
    assert address.nl_groups == 5
    assert address.nl_pid > 0


# AF_VSOCK


def test_a_vsock_gets_a_port(keep: Callable[[int], int]) -> None:
    anything = SockaddrVm(pysyscall.VMADDR_CID_ANY, pysyscall.VMADDR_PORT_ANY)
    fd = keep(made(AF_VSOCK, SOCK_STREAM))
    assert pysyscall.getsockname(fd) == anything
    pysyscall.bind(fd, anything)
    address = pysyscall.getsockname(fd)
    match address:
        case SockaddrVm(cid, port):
            assert cid == pysyscall.VMADDR_CID_ANY
            assert 1024 <= port < pysyscall.VMADDR_PORT_ANY
        case other:
            pytest.fail(f"not a SockaddrVm: {other}")
    with sockets.socket(fileno=os.dup(fd)) as twin:
        assert twin.getsockname() == tuple(address)
    other_fd = keep(made(AF_VSOCK, SOCK_STREAM))
    with pytest.raises(OSError) as caught:
        pysyscall.bind(other_fd, address)
    assert caught.value.errno == errno.EADDRINUSE


def test_a_vsock_connection_within_the_machine(keep: Callable[[int], int]) -> None:
    server = keep(made(AF_VSOCK, SOCK_STREAM))
    with skip_where(lacking="no loopback"):
        pysyscall.bind(server, SockaddrVm(pysyscall.VMADDR_CID_LOCAL, pysyscall.VMADDR_PORT_ANY))
    address = pysyscall.getsockname(server)
    pysyscall.listen(server, 1)
    client = keep(made(AF_VSOCK, SOCK_STREAM))
    pysyscall.connect(client, address)
    assert pysyscall.getpeername(client) == address
    fd, peer = pysyscall.accept(server)
    keep(fd)
    assert peer == pysyscall.getsockname(client)
    assert type(peer) is SockaddrVm


# Other families, which few kernels have


def test_an_xdp_socket_asks_for_the_interface(keep: Callable[[int], int], lo: int) -> None:
    """Without rings it can't be bound; that the interface exists is looked at before."""
    fd = keep(made(AF_XDP, SOCK_RAW))
    for index, number in ((2**31 - 1, errno.ENODEV), (lo, errno.EINVAL)):
        with pytest.raises(OSError) as caught:
            pysyscall.bind(fd, SockaddrXdp(index, 0))
        assert caught.value.errno == number
    with pytest.raises(OSError) as caught:
        pysyscall.getsockname(fd)
    assert caught.value.errno == errno.EOPNOTSUPP


def test_a_can_socket_of_all_interfaces(keep: Callable[[int], int]) -> None:
    fd = keep(made(pysyscall.AF_CAN, SOCK_RAW, pysyscall.CAN_RAW))
    pysyscall.bind(fd, pysyscall.SockaddrCan(0))
    address = pysyscall.getsockname(fd)
    assert type(address) is pysyscall.SockaddrCan
    assert address.can_ifindex == 0


@pytest.mark.parametrize("name", ["none at all", "sha256"])
def test_an_algorithm(keep: Callable[[int], int], name: str) -> None:
    fd = keep(made(pysyscall.AF_ALG, pysyscall.SOCK_SEQPACKET))
    address = pysyscall.SockaddrAlg("hash", name)
    if name == "sha256":
        assert pysyscall.bind(fd, address) is None
    else:
        with pytest.raises(FileNotFoundError):
            pysyscall.bind(fd, address)


@pytest.mark.parametrize(
    ("domain", "kind", "expected"),
    [
        (pysyscall.AF_TIPC, SOCK_DGRAM, pysyscall.SockaddrTipc),
        (pysyscall.AF_QIPCRTR, SOCK_DGRAM, pysyscall.SockaddrQrtr),
        (pysyscall.AF_PHONET, SOCK_DGRAM, pysyscall.SockaddrPn),
    ],
)
def test_a_new_sockets_address(
    keep: Callable[[int], int], domain: int, kind: int, expected: type
) -> None:
    assert type(pysyscall.getsockname(keep(made(domain, kind)))) is expected
