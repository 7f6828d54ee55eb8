"""Calls whose arguments depend on one another, with what then stands in the registers.

Those that take a Mapping get one of this process: the child that makes the call has it too.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, TypeAlias

from tracee import Expectation, Pointer, Word

import pysyscall
from pysyscall import (
    IPC_RMID,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_PRIVATE,
    MAP_SHARED,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    PROT_READ,
    PROT_WRITE,
    SHM_RDONLY,
    SHM_REMAP,
    Mapping,
    Sysno,
)
from pysyscall.raw import syscall

PAGE = 4096
Registers: TypeAlias = tuple[Expectation, ...]
Made: TypeAlias = Iterator[tuple[tuple[Any, ...], Registers]]


def words(*numbers: int) -> Registers:
    return tuple(map(Word, numbers))


def mapping(size: int = 3 * PAGE) -> Mapping:
    return pysyscall.mmap(None, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)


def segment(size: int = 2 * PAGE + 1) -> Mapping:
    """Attached; the segment is removed as soon as nobody has it."""
    number = pysyscall.shmget(pysyscall.IPC_PRIVATE, size, 0o600)
    try:
        return pysyscall.shmat(number)
    finally:
        syscall(Sysno.shmctl, number, IPC_RMID, 0)


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


def _mmap() -> Made:
    private = MAP_PRIVATE | MAP_ANONYMOUS
    for (place, address), (fd, offset) in product(
        places(m := mapping()), [(-1, 0), (7, PAGE), (2**31 - 1, -1), (3, 2**63 - 1)]
    ):
        for flags in (private, MAP_SHARED, MAP_FIXED_NOREPLACE, 2**64 - 1 & ~MAP_FIXED & ~0x100):
            args = (place, 2**64 - 1, 2**64 - 1, flags, fd, offset)
            yield args, words(address, *args[1:])
    yield (None, 0, PROT_READ, private), words(0, 0, PROT_READ, private, -1, 0)
    for length in (len(m), len(m) - 1, 2 * PAGE + 1):
        args = (m, length, PROT_READ, private | MAP_FIXED)
        yield args, words(m.address, *args[1:], -1, 0)


def _munmap() -> Made:
    for m in (mapping(), mapping(PAGE + 5), segment()):
        yield (m,), words(m.address, len(m))


def _mremap() -> Made:
    m, other = mapping(), mapping(2 * PAGE)
    for size, flags in product((0, 1, 2**64 - 1), (0, MREMAP_MAYMOVE, MREMAP_DONTUNMAP)):
        yield (m, size, flags), words(m.address, len(m), size, flags)
        for place, address in places(other):
            args = (m, size, flags, place)
            yield args, words(m.address, len(m), size, flags, address)
    yield (m, 5), words(m.address, len(m), 5)
    both = MREMAP_FIXED | MREMAP_MAYMOVE
    args = (m, PAGE + 10, both, other)
    yield args, words(m.address, len(m), PAGE + 10, both, other.address)


def _shmat() -> Made:
    for place, address in places(mapping()):
        for flags in (0, SHM_RDONLY, 2**31 - 1 & ~SHM_REMAP, -(2**31)):
            yield (5, place, flags), words(5, address, flags)
    yield (-1,), words(-1)


def _shmdt() -> Made:
    m = segment()
    yield (m,), words(m.address)


def _mincore() -> Made:
    m = mapping()
    room = Pointer(size=1)
    for address, length in ((0, 0), (PAGE, 2 * PAGE), (2**64 - PAGE, 2**20 + 1)):
        pages = Pointer(size=-(-length // PAGE))
        yield (address, length), (Word(address), Word(length), pages)
    yield (m, 1), (Word(m.address), Word(1), room)
    yield ((m, 2 * PAGE), PAGE), (Word(m.address + 2 * PAGE), Word(PAGE), room)


def _migrate_pages() -> Made:
    def pointer(number: int, size: int) -> Pointer:
        return Pointer((1 << number).to_bytes(size, "little"), align=8)

    yield (0, {3}, {0}), (Word(0), Word(65), pointer(3, 8), pointer(0, 8))
    yield (-1, [3], (200,)), (Word(-1), Word(257), pointer(3, 32), pointer(200, 32))
    yield (7, iter([1023]), {63}), (Word(7), Word(1025), pointer(1023, 128), pointer(63, 128))
    yield (7, {64}, ()), (Word(7), Word(129), pointer(64, 16), Word(0))
    yield (7, (), ()), words(7)


def _move_pages() -> Made:
    for pages, nodes in (
        ([PAGE, 2**64 - 1], [0, -1]),
        (range(3000), range(3000)),
        ((PAGE,), None),
        (iter([PAGE]), iter([2**31 - 1])),
    ):
        addresses, wanted = list(pages), None if nodes is None else list(nodes)
        count = len(addresses)
        content = Pointer(struct.pack(f"{count}Q", *addresses), align=8)
        target: Expectation = Word(0)
        if wanted is not None:
            target = Pointer(struct.pack(f"{count}i", *wanted), align=4)
        room = Pointer(size=4 * count, align=4)
        # An iterator is used up by the call.
        for flags in (0, -(2**31), 2**31 - 1):
            args = (9, addresses, wanted, flags)
            yield args, (Word(9), Word(count), content, target, room, Word(flags))
    yield (
        (0, [8]),
        (
            *words(0, 1),
            Pointer(struct.pack("Q", 8)),
            Word(0),
            Pointer(size=4),
            Word(pysyscall.MPOL_MF_MOVE),
        ),
    )


CASES: dict[str, Callable[[], Made]] = {
    "mmap": _mmap,
    "munmap": _munmap,
    "mremap": _mremap,
    "shmat": _shmat,
    "shmdt": _shmdt,
    "mincore": _mincore,
    "migrate_pages": _migrate_pages,
    "move_pages": _move_pages,
}
