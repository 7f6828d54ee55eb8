"""Mappings and pages.

A Mapping that a call gets is one of this process: the child that makes the call has it too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import product
from typing import Any

from mappings import ANONYMOUS, PAGE, new, segment
from samples import Case
from tracee import Expectation, Pointer

from pysyscall import (
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_SHARED,
    MPOL_MF_MOVE,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    PROT_READ,
    SHM_RDONLY,
    SHM_REMAP,
    Mapping,
)
from register_cases.registry import case, cases_of


def places(m: Mapping) -> list[tuple[Any, int]]:
    """What may stand for an address, and the address."""
    return [
        (None, 0),
        (0, 0),
        (5 * PAGE, 5 * PAGE),
        (2**64 - 1, 2**64 - 1),
        (m, m.address),
        ((m, PAGE), m.address + PAGE),
    ]


@cases_of("mmap")
def mmap() -> Iterator[Case]:
    for (place, address), (fd, offset) in product(
        places(m := new(3 * PAGE)), [(-1, 0), (7, PAGE), (2**31 - 1, -1), (3, 2**63 - 1)]
    ):
        for flags in (ANONYMOUS, MAP_SHARED, MAP_FIXED_NOREPLACE, 2**64 - 1 & ~MAP_FIXED & ~0x100):
            rest = 2**64 - 1, 2**64 - 1, flags, fd, offset
            yield case(place, *rest, to=(address, *rest))
    yield case(None, 0, PROT_READ, ANONYMOUS, to=(0, 0, PROT_READ, ANONYMOUS, -1, 0))
    for length in (len(m), len(m) - 1, 2 * PAGE + 1):
        rest = length, PROT_READ, ANONYMOUS | MAP_FIXED
        yield case(m, *rest, to=(m.address, *rest, -1, 0))


@cases_of("munmap")
def munmap() -> Iterator[Case]:
    for m in (new(), new(PAGE + 5), segment()):
        yield case(m, to=(m.address, len(m)))


@cases_of("mremap")
def mremap() -> Iterator[Case]:
    m, other = new(), new(2 * PAGE)
    old = m.address, len(m)
    for size, flags in product((0, 1, 2**64 - 1), (0, MREMAP_MAYMOVE, MREMAP_DONTUNMAP)):
        yield case(m, size, flags, to=(*old, size, flags))
        for place, address in places(other):
            yield case(m, size, flags, place, to=(*old, size, flags, address))
    yield case(m, 5, to=(*old, 5))
    both = MREMAP_FIXED | MREMAP_MAYMOVE
    yield case(m, PAGE + 10, both, other, to=(*old, PAGE + 10, both, other.address))


@cases_of("shmat")
def shmat() -> Iterator[Case]:
    for place, address in places(new()):
        for flags in (0, SHM_RDONLY, 2**31 - 1 & ~SHM_REMAP, -(2**31)):
            yield case(5, place, flags, to=(5, address, flags))
    yield case(-1, to=(-1,))


@cases_of("shmdt")
def shmdt() -> Iterator[Case]:
    m = segment()
    yield case(m, to=(m.address,))


@cases_of("mincore")
def mincore() -> Iterator[Case]:
    m = new()
    for address, length in ((0, 0), (PAGE, 2 * PAGE), (2**64 - PAGE, 2**20 + 1)):
        yield case(address, length, to=(address, length, Pointer(size=-(-length // PAGE))))
    room = Pointer(size=1)
    yield case(m, 1, to=(m.address, 1, room))
    yield case((m, 2 * PAGE), PAGE, to=(m.address + 2 * PAGE, PAGE, room))


@cases_of("migrate_pages")
def migrate_pages() -> Iterator[Case]:
    def pointer(number: int, size: int) -> Pointer:
        return Pointer((1 << number).to_bytes(size, "little"), align=8)

    yield case(0, {3}, {0}, to=(0, 65, pointer(3, 8), pointer(0, 8)))
    yield case(-1, [3], (200,), to=(-1, 257, pointer(3, 32), pointer(200, 32)))
    yield case(7, iter([1023]), {63}, to=(7, 1025, pointer(1023, 128), pointer(63, 128)))
    yield case(7, {64}, (), to=(7, 129, pointer(64, 16), 0))
    yield case(7, (), (), to=(7,))


@cases_of("move_pages")
def move_pages() -> Iterator[Case]:
    for pages, nodes in (
        ([PAGE, 2**64 - 1], [0, -1]),
        (range(3000), range(3000)),
        ((PAGE,), None),
        (iter([PAGE]), iter([2**31 - 1])),
    ):
        addresses, wanted = list(pages), None if nodes is None else list(nodes)
        count = len(addresses)
        content = Pointer(struct.pack(f"{count}Q", *addresses), align=8)
        target: Expectation | int = 0
        if wanted is not None:
            target = Pointer(struct.pack(f"{count}i", *wanted), align=4)
        room = Pointer(size=4 * count, align=4)
        # An iterator is used up by the call.
        for flags in (0, -(2**31), 2**31 - 1):
            yield case(9, addresses, wanted, flags, to=(9, count, content, target, room, flags))
    page = Pointer(struct.pack("Q", 8))
    yield case(0, [8], to=(0, 1, page, 0, Pointer(size=4), MPOL_MF_MOVE))
