"""How the wrapped calls of the area `processes` are made, and what arrives in the registers."""

from __future__ import annotations

from collections.abc import Iterator

from samples import Case, Index
from tracee import Expectation, Pointer, Word

from pysyscall import (
    CLONE_INTO_CGROUP,
    CLONE_NEWUTS,
    LDT_READ,
    LDT_WRITE,
    SIGCHLD,
    CloneArgs,
    UserDesc,
)
from tables.calls import Call

PIDFD = Pointer(size=4, align=4)


def six(*expected: Expectation | int) -> tuple[Expectation, ...]:
    words = [Word(e) if isinstance(e, int) else e for e in expected]
    return (*words, *[Word(0)] * (6 - len(words)))


def fork() -> Iterator[Case]:
    yield Case((), {}, six())


def clone() -> Iterator[Case]:
    yield Case((), {}, six(SIGCHLD, 0, PIDFD))
    yield Case((0,), {}, six(0, 0, PIDFD))
    yield Case((CLONE_NEWUTS | SIGCHLD,), {}, six(0x4000011, 0, PIDFD))
    yield Case((), {"flags": Index(0x1000)}, six(0x1000, 0, PIDFD))
    yield Case((0x80000000,), {}, six(0x80000000, 0, PIDFD))


def clone3() -> Iterator[Case]:
    for args in (CloneArgs(), CloneArgs(flags=CLONE_INTO_CGROUP, exit_signal=10, cgroup=7)):
        expected = six(Pointer(bytes(args), align=8), 88)
        yield Case((args,), {}, expected)
        yield Case((), {"cl_args": tuple(getattr(args, n) for n in args.__match_args__)}, expected)
        yield Case((args,), {"set_tid": []}, expected)


def exit() -> Iterator[Case]:
    for status in (0, 3, -1, 2**31 - 1, Index(5)):
        word = int(status.number if isinstance(status, Index) else status)
        yield Case((status,), {"forced": True}, six(word))


def modify_ldt() -> Iterator[Case]:
    yield Case((LDT_READ,), {}, six(0, Pointer(size=65536), 65536))
    yield Case((2, 100), {}, six(2, Pointer(size=100), 100))
    yield Case((-5, Index(8)), {}, six(-5, Pointer(size=8), 8))
    entry = UserDesc(1, 2, 3, 4)
    expected = six(17, Pointer(bytes(entry)), 16)
    yield Case((LDT_WRITE, entry), {}, expected)
    yield Case((), {"func": Index(17), "ptr": (1, 2, 3, 4)}, expected)


def cases(call: Call) -> Iterator[Case]:
    made: Iterator[Case] = globals()[call.name]()
    return made
