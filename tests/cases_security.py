"""How the wrapped calls of the area `security` are made, and what arrives in the registers."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from samples import Case, Index
from tracee import Pointer, Word

from pysyscall import CAP_CHOWN, CAP_FOWNER, CAP_MAC_OVERRIDE
from tables.calls import Call

VERSION_3 = 0x20080522
REST = (Word(0),) * 4


def header(pid: int) -> Pointer:
    return Pointer(struct.pack("Ii", VERSION_3, pid), size=8, align=4)


def capget() -> Iterator[Case]:
    room = Pointer(size=24, align=4)
    yield Case((), {}, (header(0), room, *REST))
    yield Case((77,), {}, (header(77), room, *REST))
    yield Case((), {"pid": Index(2**31 - 1)}, (header(2**31 - 1), room, *REST))
    yield Case((-(2**31),), {}, (header(-(2**31)), room, *REST))


def capset() -> Iterator[Case]:
    for given, words in (
        (((), set(), []), (0, 0, 0, 0, 0, 0)),
        (({CAP_CHOWN, 63}, range(64), [31, 32]), (1, 2**32 - 1, 2**31, 2**31, 2**32 - 1, 1)),
        ((iter([CAP_FOWNER]), {CAP_MAC_OVERRIDE}, {0}), (8, 0, 1, 0, 1, 0)),
    ):
        data = Pointer(struct.pack("6I", *words), align=4)
        yield Case(given, {}, (header(0), data, *REST))
    names = ("effective", "permitted", "inheritable")
    data = Pointer(struct.pack("6I", 2, 4, 8, 0, 0, 0), align=4)
    yield Case((), dict(zip(names, ({1}, {2}, {3}), strict=True)), (header(0), data, *REST))


def cases(call: Call) -> Iterator[Case]:
    made: Iterator[Case] = globals()[call.name]()
    return made
