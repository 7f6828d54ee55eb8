"""Questions for mounts: the arguments stand in a struct."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from samples import Case, File, Index
from tracee import AtLeast, Pointer

from register_cases.registry import case, cases_of

LSMT_ROOT = 2**64 - 1
STATMOUNT_ALL = 0x7FFF


def request(mnt_id: int, param: int, mnt_ns_id: int = 0, fd: int = 0) -> Pointer:
    return Pointer(struct.pack("IIQQQ", 32, fd, mnt_id, param, mnt_ns_id), align=8)


@cases_of("statmount")
def statmount() -> Iterator[Case]:
    room = Pointer(size=1, times=2, align=8), AtLeast(512)
    yield case(5, to=(request(5, STATMOUNT_ALL), *room))
    yield case(Index(2**64 - 1), 0x22, mnt_ns_id=7, to=(request(2**64 - 1, 0x22, 7), *room))
    yield case(mask=3, mnt_fd=File(4), to=(request(0, 3, 0, 4), *room, 1))


@cases_of("listmount")
def listmount() -> Iterator[Case]:
    room = Pointer(size=8, times=2, align=8), AtLeast(1)
    yield case(to=(request(LSMT_ROOT, 0), *room))
    yield case(5, 6, mnt_ns_id=7, flags=1, to=(request(5, 6, 7), *room, 1))
