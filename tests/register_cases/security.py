"""Capabilities, whose sets are halves of words, and the attributes of security modules."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from samples import Case, Index
from tracee import Pointer

from pysyscall import CAP_CHOWN, CAP_FOWNER, CAP_MAC_OVERRIDE
from register_cases.registry import case, cases_of

VERSION_3 = 0x20080522


def header(pid: int) -> Pointer:
    return Pointer(struct.pack("Ii", VERSION_3, pid), size=8, align=4)


@cases_of("capget")
def capget() -> Iterator[Case]:
    room = Pointer(size=24, align=4)
    yield case(to=(header(0), room))
    yield case(77, to=(header(77), room))
    yield case(pid=Index(2**31 - 1), to=(header(2**31 - 1), room))
    yield case(-(2**31), to=(header(-(2**31)), room))


@cases_of("capset")
def capset() -> Iterator[Case]:
    for given, words in (
        (((), set(), []), (0, 0, 0, 0, 0, 0)),
        (({CAP_CHOWN, 63}, range(64), [31, 32]), (1, 2**32 - 1, 2**31, 2**31, 2**32 - 1, 1)),
        ((iter([CAP_FOWNER]), {CAP_MAC_OVERRIDE}, {0}), (8, 0, 1, 0, 1, 0)),
    ):
        data = Pointer(struct.pack("6I", *words), align=4)
        yield case(*given, to=(header(0), data))
    data = Pointer(struct.pack("6I", 2, 4, 8, 0, 0, 0), align=4)
    yield case(effective={1}, permitted={2}, inheritable={3}, to=(header(0), data))


@cases_of("lsm_get_self_attr")
def lsm_get_self_attr() -> Iterator[Case]:
    size = Pointer(struct.pack("I", 4096), size=4)
    yield case(100, to=(100, Pointer(size=4096, align=8), size))
    first = Pointer(struct.pack("QQQQ", 104, 0, 0, 0), size=4096, align=8)
    yield case(Index(2**32 - 1), lsm=104, to=(2**32 - 1, first, size, 1))


@cases_of("lsm_set_self_attr")
def lsm_set_self_attr() -> Iterator[Case]:
    for value in (b"label", b"", b"12345678", bytearray(100)):
        padded = bytes(value) + bytes(-len(value) % 8)
        head = struct.pack("QQQQ", 104, 0, 32 + len(padded), len(value))
        yield case(103, 104, value, to=(103, Pointer(head + padded, align=8), 32 + len(padded)))


@cases_of("lsm_list_modules")
def lsm_list_modules() -> Iterator[Case]:
    yield case(to=(Pointer(size=4096, align=8), Pointer(struct.pack("I", 4096), size=4)))
