"""New processes and how one ends, and the segments of the LDT."""

from __future__ import annotations

from collections.abc import Iterator

from samples import Case, Index
from tracee import Pointer

from pysyscall import (
    CLONE_INTO_CGROUP,
    CLONE_NEWUTS,
    LDT_READ,
    LDT_WRITE,
    SIGCHLD,
    CloneArgs,
    UserDesc,
)
from register_cases.registry import case, cases_of

PIDFD = Pointer(size=4, align=4)


@cases_of("fork")
def fork() -> Iterator[Case]:
    yield case()


@cases_of("clone")
def clone() -> Iterator[Case]:
    yield case(to=(SIGCHLD, 0, PIDFD))
    yield case(0, to=(0, 0, PIDFD))
    yield case(CLONE_NEWUTS | SIGCHLD, to=(0x4000011, 0, PIDFD))
    yield case(flags=Index(0x1000), to=(0x1000, 0, PIDFD))
    yield case(0x80000000, to=(0x80000000, 0, PIDFD))


@cases_of("clone3")
def clone3() -> Iterator[Case]:
    for args in (CloneArgs(), CloneArgs(flags=CLONE_INTO_CGROUP, exit_signal=10, cgroup=7)):
        to = Pointer(bytes(args), align=8), 88
        yield case(args, to=to)
        yield case(cl_args=tuple(getattr(args, name) for name in args.__match_args__), to=to)
        yield case(args, set_tid=[], to=to)


@cases_of("exit")
def exit() -> Iterator[Case]:
    for status in (0, 3, -1, 2**31 - 1):
        yield case(status, forced=True, to=(status,))
    yield case(Index(5), forced=True, to=(5,))


@cases_of("modify_ldt")
def modify_ldt() -> Iterator[Case]:
    yield case(LDT_READ, to=(0, Pointer(size=65536), 65536))
    yield case(2, 100, to=(2, Pointer(size=100), 100))
    yield case(-5, Index(8), to=(-5, Pointer(size=8), 8))
    entry = UserDesc(1, 2, 3, 4)
    to = 17, Pointer(bytes(entry)), 16
    yield case(LDT_WRITE, entry, to=to)
    yield case(func=Index(17), ptr=(1, 2, 3, 4), to=to)
