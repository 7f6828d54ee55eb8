"""Extended attributes, whose values the kernel finds through a struct."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

from samples import Case, File, Index, distinct
from tracee import Parts, Pointer

from register_cases.registry import case, cases_of

WHERE = (
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
"""The first four arguments, and their registers."""


@cases_of("setxattrat")
def setxattrat() -> Iterator[Case]:
    for args, where in WHERE:
        for value in (distinct(9, 1), bytearray(distinct(300, 2)), memoryview(b"abc")[1:], b""):
            for flags in (0, 2**32 - 1):
                tail = struct.pack("II", len(value), flags)
                found = Parts((Pointer(bytes(value)), tail))
                yield case(*args, value, flags, to=(*where, found, 16))
        yield case(*args, b"x", to=(*where, Parts((Pointer(b"x"), struct.pack("II", 1, 0))), 16))


@cases_of("getxattrat")
def getxattrat() -> Iterator[Case]:
    room = Parts((Pointer(size=4096), struct.pack("II", 4096, 0)))
    for args, where in WHERE:
        yield case(*args, to=(*where, room, 16))
