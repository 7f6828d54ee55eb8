"""Sample arguments for typed calls in Python, and the registers that they must become."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from samples import Case, File, Index, distinct
from tracee import AtLeast, Expectation, Parts, Pointer, Word

from tables.calls import Call

LSMT_ROOT = 2**64 - 1
STATMOUNT_ALL = 0x7FFF


def case(*args: object, to: tuple[Expectation | int, ...], **kwargs: object) -> Case:
    words = [Word(each) if isinstance(each, int) else each for each in to]
    return Case(args, kwargs, (*words, *[Word(0)] * (6 - len(words))))


def _xattrs(name: str) -> Iterator[Case]:
    given: tuple[tuple[tuple[object, ...], tuple[Expectation | int, ...]], ...] = (
        ((None, "f", 0, "user.a"), (-100, Pointer(b"f\0"), 0, Pointer(b"user.a\0"))),
        (
            (File(7), b"/\xff", 2**32 - 1, b"user.\xff"),
            (7, Pointer(b"/\xff\0"), 2**32 - 1, Pointer(b"user.\xff\0")),
        ),
        (
            (Index(-100), Path("/\xe9"), Index(0x100), "user.\xe9"),
            (-100, Pointer(os.fsencode("/\xe9\0")), 0x100, Pointer(os.fsencode("user.\xe9\0"))),
        ),
    )
    for args, where in given:
        if name == "getxattrat":
            room = Pointer(size=4096)
            yield case(*args, to=(*where, Parts((room, struct.pack("II", 4096, 0))), 16))
            continue
        for value in (distinct(9, 1), bytearray(distinct(300, 2)), memoryview(b"abc")[1:], b""):
            for flags in (0, 2**32 - 1):
                tail = struct.pack("II", len(value), flags)
                found = Parts((Pointer(bytes(value)), tail))
                yield case(*args, value, flags, to=(*where, found, 16))
        yield case(*args, b"x", to=(*where, Parts((Pointer(b"x"), struct.pack("II", 1, 0))), 16))


def _request(mnt_id: int, param: int, mnt_ns_id: int = 0, fd: int = 0) -> Pointer:
    return Pointer(struct.pack("IIQQQ", 32, fd, mnt_id, param, mnt_ns_id), align=8)


def _statmount(_: str) -> Iterator[Case]:
    room = Pointer(size=1, times=2, align=8)
    for args, kwargs, request, flags in (
        ((5,), {}, _request(5, STATMOUNT_ALL), 0),
        ((Index(2**64 - 1), 0x22), {"mnt_ns_id": 7}, _request(2**64 - 1, 0x22, 7), 0),
        ((), {"mask": 3, "mnt_fd": File(4)}, _request(0, 3, 0, 4), 1),
    ):
        yield case(*args, to=(request, room, AtLeast(512), flags), **kwargs)


def _listmount(_: str) -> Iterator[Case]:
    room = Pointer(size=8, times=2, align=8)
    for args, kwargs, request, flags in (
        ((), {}, _request(LSMT_ROOT, 0), 0),
        ((5, 6), {"mnt_ns_id": 7, "flags": 1}, _request(5, 6, 7), 1),
    ):
        yield case(*args, to=(request, room, AtLeast(1), flags), **kwargs)


def _lsm_get_self_attr(_: str) -> Iterator[Case]:
    size = Pointer(struct.pack("I", 4096), size=4)
    yield case(100, to=(100, Pointer(size=4096, align=8), size))
    first = Pointer(struct.pack("QQQQ", 104, 0, 0, 0), size=4096, align=8)
    yield case(Index(2**32 - 1), lsm=104, to=(2**32 - 1, first, size, 1))


def _lsm_set_self_attr(_: str) -> Iterator[Case]:
    for value in (b"label", b"", b"12345678", bytearray(100)):
        padded = bytes(value) + bytes(-len(value) % 8)
        head = struct.pack("QQQQ", 104, 0, 32 + len(padded), len(value))
        yield case(103, 104, value, to=(103, Pointer(head + padded, align=8), 32 + len(padded)))


def _lsm_list_modules(_: str) -> Iterator[Case]:
    yield case(to=(Pointer(size=4096, align=8), Pointer(struct.pack("I", 4096), size=4)))


MAKERS: Mapping[str, Callable[[str], Iterator[Case]]] = {
    "setxattrat": _xattrs,
    "getxattrat": _xattrs,
    "statmount": _statmount,
    "listmount": _listmount,
    "lsm_get_self_attr": _lsm_get_self_attr,
    "lsm_set_self_attr": _lsm_set_self_attr,
    "lsm_list_modules": _lsm_list_modules,
}


def cases_of_wrapped(call: Call) -> Iterator[Case]:
    """Ways to make a call; KeyError where there are none for it."""
    return MAKERS[call.name](call.name)
