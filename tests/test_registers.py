"""Every typed call at kernel entry: its number, all six registers and what they point at."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from register_cases import CASES
from samples import Case, Sampler, address_of
from this_process import children, descriptors
from tracee import (
    Expectation,
    NotMade,
    Packed,
    Pointer,
    Pointers,
    Strings,
    Vector,
    Word,
    answered,
    compare,
    stopped,
)

import pysyscall
from pysyscall import Sysno, raw
from pysyscall._raw import ffi
from pysyscall.table import REGISTERS
from tables import calls, families
from tables.calls import Call, Value

TABLE = calls.load()
TYPED = [call for call in TABLE.calls.values() if call.typed and not call.commands]
FAMILIES = [call for call in TABLE.calls.values() if call.typed and call.commands]
SAMPLER = Sampler(TABLE)


@pytest.fixture(scope="module", autouse=True)
def may_trace() -> None:
    try:
        with stopped(raw.syscall, Sysno.getpid):
            pass
    except PermissionError as error:
        pytest.skip(f"no right to trace a child: {error}")


def six(*expected: Expectation | int) -> list[Expectation]:
    """Expectations for all registers: those not given hold 0."""
    words = [Word(e) if isinstance(e, int) else e for e in expected]
    return words + [Word(0)] * (6 - len(words))


def complaints_of(
    expected: list[Expectation], number: int, function: Callable[..., object], *args: Any
) -> list[str]:
    with stopped(function, *args) as stop:
        return compare(number, expected, stop)


def with_choice(call: Call, chooser: Value, name: str, number: int) -> Call:
    """A family's call for one value of the argument that chooses."""
    values = [
        replace(value, choice=(name, number)) if value.index == chooser.index else value
        for value in call.values
    ]
    return replace(call, values=tuple(values))


def commands() -> Iterator[Any]:
    """Every command of every family, and one that the table does not know."""
    for family in FAMILIES:
        chooser = families.selector(family)
        known = {command.choice[1] for command in family.commands if command.choice}
        flags = sum(command.choice[1] for command in family.commands if command.bits)
        for command, variant in families.variants(family):
            if variant_is_tested_by_hand(variant) or command.refuse:
                continue
            call = variant
            if command.bits and command.choice:
                call = with_choice(variant, chooser, *command.choice)
            elif command.choice is None:
                call = with_choice(variant, chooser, "else", 0)
            yield pytest.param(call, id=f"{family.name} {command.when}")
        if all(command.choice for command in family.commands):
            unknown = next(n for n in range(0x00ABCDE0 & ~flags, 2**30) if n not in known)
            yield pytest.param(
                with_choice(families.general(family), chooser, "unknown", unknown & ~flags),
                id=f"{family.name} unknown",
            )


def variant_is_tested_by_hand(variant: Call) -> bool:
    """Where the kernel is asked first how many there are, a struct says how long bytes are, or two
    arguments make one struct."""
    return any(
        value.kind.word in ("semvals", "waiting")
        or (value.kind.word == "bytes" and value.counted_in[0] >= 0)
        for value in variant.values
    )


def packed(call: Call, case: Case) -> Case:
    """The case with the argument that shares a register with the command."""
    if call.packed is None:
        return case
    place, name, low = call.packed.of, call.packed.parameter, 0x5A
    chooser = call.values[place]
    assert chooser.choice is not None
    expected = list(case.expected)
    expected[place] = Word(chooser.choice[1] << call.shift | low)
    if chooser.parameter in case.kwargs:
        return replace(case, kwargs={**case.kwargs, name: low}, expected=tuple(expected))
    args = (*case.args[: place + 1], low, *case.args[place + 1 :])
    return replace(case, args=args, expected=tuple(expected))


@pytest.mark.parametrize(
    "call", [*(pytest.param(call, id=call.name) for call in TYPED), *commands()]
)
def test_call(call: Call) -> None:
    function = getattr(pysyscall, call.name)
    wrong = []
    cases = CASES[call.name]() if call.name in CASES else SAMPLER.cases(call)
    for case in map(partial(packed, call), cases):
        try:
            with stopped(function, *case.args, **case.kwargs) as stop:
                complaints = compare(call.kernel.number, case.expected, stop)
        except NotMade as error:
            complaints = [str(error)]
        wrong += [f"{call.name}{case}: {complaint}" for complaint in complaints]
    assert not wrong, "\n".join(wrong)


def test_the_cases_by_hand_are_of_typed_calls() -> None:
    assert CASES.keys() <= {call.name for call in TYPED}


@pytest.mark.parametrize(
    ("result", "name", "args", "expected"),
    [
        # The kernel gives 20 less the nice value, so that no result looks like an error.
        (40, "getpriority", (0, 0), "-20"),
        (20, "getpriority", (0, 0), "0"),
        (1, "getpriority", (0, 0), "19"),
        (2**32 - 1, "getuid", (), str(2**32 - 1)),
        (2**63 - 1, "lseek", (1, 0, 0), str(2**63 - 1)),
        (-4096, "lseek", (1, 0, 0), "-4096"),
        (-2, "lseek", (1, 0, 0), "FileNotFoundError: [Errno 2] "),
        (-4095, "lseek", (1, 0, 0), "OSError: [Errno 4095] "),
        (7, "close", (1,), "None"),
        (0, "rt_sigpending", (), "set()"),
        (0, "pipe2", (0,), "(0, 0)"),
        (3, "getxattr", ("f", "user.a"), "b'"),
        (0, "getxattr", ("f", "user.a"), "b''"),
        (0, "listxattr", ("f",), "[]"),
        (0, "epoll_wait", (3, 5), "[]"),
        (2, "select", ([3], (), [70], 5), "([3], [], [70], Timeval(tv_sec=5, tv_usec=0))"),
        (1, "select", ([3], (), [70], 5), "OSError: [Errno 9] "),
        (0, "select", (), "([], [], [], None)"),
        (1, "pselect6", ([], [1024]), "([], [1024], [], None)"),
        (-115, "io_cancel", (1, pysyscall.Iocb()), "None"),
        (-115, "io_destroy", (1,), "BlockingIOError: [Errno 115] "),
        (1, "io_submit", (1, [pysyscall.Iocb()] * 2), "1"),
        (0, "listns", ((),), "[]"),
        (2, "listns", ((),), "["),
        (0, "getdents64", (3,), "[]"),
        (0, "getdents", (3,), "[]"),
        (0, "sched_rr_get_interval", (0,), "Timespec(tv_sec=0, tv_nsec=0)"),
        (5, "adjtimex", (pysyscall.Timex(freq=9),), f"({pysyscall.ClockState(5)!r}, Timex("),
        (0, "execve", ("/f", [], {}), "None"),
        (0, "exit_group", (0,), "None"),
    ],
)
def test_result(result: int, name: str, args: tuple[object, ...], expected: str) -> None:
    assert answered(result, getattr(pysyscall, name), *args).startswith(expected)


OWN = bytearray(8)
REQUEST = pysyscall.Iocb(1, 4, OWN)
REQUEST_AT = Pointer(
    struct.pack("QIiHhIQQ24x", 0, 0, 0, 1, 0, 4, address_of(OWN), 8), address=address_of(REQUEST)
)


BY_HAND = [
    ("write", (1, b"hello\n"), 1, six(1, Pointer(b"hello\n"), 6)),
    ("read", (3, OWN), 0, six(3, Pointer(size=8, address=address_of(OWN)), 8)),
    ("openat", (None, b"/\xff", 0o100), 257, six(-100, Pointer(b"/\xff\0"), 0o100, 0o777)),
    ("openat", (3, "f", 0), 257, six(3, Pointer(b"f\0"), 0)),
    ("openat", (3, "f", 0o10000000), 257, six(3, Pointer(b"f\0"), 0o10000000)),
    ("openat", (3, "f", 0o20200000), 257, six(3, Pointer(b"f\0"), 0o20200000, 0o777)),
    ("statx", (None, "f"), 332, six(-100, Pointer(b"f\0"), 0, 0x7FF, Pointer(size=256))),
    ("lseek", (3, -1, 2), 8, six(3, -1, 2)),
    ("kill", (-5, 9), 62, six(-5, 9)),
    ("poll", ([(3, 4)],), 7, six(Pointer(b"\3\0\0\0\4\0\0\0"), 1, -1)),
    (
        "epoll_ctl",
        (3, 1, 4, (5, 6)),
        233,
        six(3, 1, 4, Pointer(struct.pack("<IQ", 5, 6))),
    ),
    (
        "accept4",
        (3, 0o4000),
        288,
        six(3, Pointer(size=128), Pointer(struct.pack("i", 128), size=4), 0o4000),
    ),
    (
        "writev",
        (1, [b"ab", b"c"]),
        20,
        six(1, Vector(((Pointer(b"ab"), 2), (Pointer(b"c"), 1))), 2),
    ),
    (
        "connect",
        (3, pysyscall.SockaddrIn("127.0.0.1", 0x1234)),
        42,
        six(3, Pointer(b"\2\0\x12\x34\x7f\0\0\1" + bytes(8)), 16),
    ),
    (
        "rt_sigprocmask",
        (2, [1, 64]),
        14,
        six(2, Pointer(b"\1\0\0\0\0\0\0\x80"), Pointer(size=8), 8),
    ),
    ("rt_sigprocmask", (0,), 14, six(0, 0, Pointer(size=8), 8)),
    ("setgroups", ([1, 2**32 - 1],), 116, six(2, Pointer(b"\1\0\0\0\xff\xff\xff\xff"))),
    (
        "execve",
        ("/a", ["b", b"\xff"], {"A": "b=c"}),
        59,
        six(Pointer(b"/a\0"), Strings((b"b", b"\xff")), Strings((b"A=b=c",))),
    ),
    (
        "utimensat",
        (None, "f", [(1, 2), (3, 4)]),
        280,
        six(-100, Pointer(b"f\0"), Pointer(struct.pack("4q", 1, 2, 3, 4))),
    ),
    ("utimensat", (3,), 280, six(3)),
    ("landlock_create_ruleset", (None, 1), 444, six(0, 0, 1)),
    (
        "select",
        ([3], None, {64}, 1.5),
        23,
        six(
            65,
            Pointer(b"\x08" + bytes(15), size=16),
            0,
            Pointer(bytes(8) + b"\1" + bytes(7), size=16),
            Pointer(struct.pack("qq", 1, 500_000), size=16),
        ),
    ),
    (
        "pselect6",
        ((), None, None, 0, [2]),
        270,
        six(0, Pointer(), 0, 0, Pointer(bytes(16), size=16), Packed(b"\2" + bytes(7))),
    ),
    ("msgsnd", (7, (5, b"ab")), 69, six(7, Pointer(b"\5" + bytes(7) + b"ab"), 2, 0)),
    ("msgrcv", (7, 100, -3), 70, six(7, Pointer(size=108), 100, -3, 0)),
    ("io_submit", (2**64 - 1, [REQUEST]), 209, six(-1, 1, Pointers((REQUEST_AT,)))),
    ("io_cancel", (9, REQUEST), 210, six(9, REQUEST_AT, 0)),
    ("mseal", (2**64 - 4096, 4096), 462, six(-4096, 4096)),
    (
        "adjtimex",
        (pysyscall.Timex(modes=1, offset=-5),),
        159,
        six(Pointer(struct.pack("I4xq192x", 1, -5), size=208)),
    ),
]


@pytest.mark.parametrize(
    ("name", "args", "number", "expected"), BY_HAND, ids=[row[0] for row in BY_HAND]
)
def test_by_hand(
    name: str, args: tuple[object, ...], number: int, expected: list[Expectation]
) -> None:
    """A few calls written down in full, so that the samples can't err along with the table."""
    assert complaints_of(expected, number, getattr(pysyscall, name), *args) == []


def test_every_register_is_compared() -> None:
    arguments = (1, 2, 3, 4, 5, 6)
    assert complaints_of(six(*arguments), Sysno.getpid, raw.syscall, Sysno.getpid, *arguments) == []
    for k, register in enumerate(REGISTERS):
        changed = six(*arguments)
        changed[k] = Word(7)
        complaints = complaints_of(changed, Sysno.getpid, raw.syscall, Sysno.getpid, *arguments)
        assert complaints == [f"{register} is {k + 1:#x}, not 0x7"]


def test_unused_registers_must_be_zero() -> None:
    complaints = complaints_of(six(), Sysno.getpid, raw.syscall, Sysno.getpid, *range(1, 7))
    assert [complaint.split()[0] for complaint in complaints] == list(REGISTERS)


def test_the_number_is_compared() -> None:
    complaints = complaints_of(six(), Sysno.getppid, pysyscall.getpid)
    assert complaints == ["rax is 39, not 110"]


def test_the_upper_half_is_compared() -> None:
    complaints = complaints_of(six(-1), 0, raw.syscall, 0, 2**32 - 1)
    assert complaints == ["rdi is 0xffffffff, not 0xffffffffffffffff"]


CODE = int(ffi.cast("uintptr_t", ffi.addressof(raw.lib, "syscall0")))
STRINGS = bytearray(struct.pack("QQQ", address_of(OWN), 1, 0))
IOVEC = bytearray(struct.pack("QQ", address_of(OWN), 4))


@pytest.mark.parametrize(
    ("word", "expected", "complaint"),
    [
        (OWN, Pointer(bytes(7) + b"\1"), "points at"),
        (0, Pointer(), "is a null pointer"),
        (8, Pointer(b"\0"), "points at b''"),
        (2**64 - 8, Pointer(b"\0"), "points at b''"),
        (CODE, Pointer(size=1), "can't be written"),
        (address_of(OWN) + 1, Pointer(align=8), "not aligned"),
        (OWN, Pointer(address=address_of(OWN) + 8), "not the buffer's own address"),
        (OWN, Pointer(size=2**47), "can't be written"),
        (IOVEC, Vector(((Pointer(bytes(4)), 5),)), "iov[0].iov_len is 4, not 5"),
        (IOVEC, Vector(((Pointer(b"abcd"), 4),)), "iov[0].iov_base points at"),
        (CODE | 1, Vector(((Pointer(), 1),)), "no array of 1 iovecs"),
        (STRINGS, Strings((b"",)), "ends with 0x1, not with a null pointer"),
        (STRINGS, Strings((b"a",)), "[0] points at"),
        (STRINGS, Strings((b"", b"")), "[1] points at"),
        (8, Strings(()), "no array of 0 strings"),
    ],
)
def test_memory_is_compared(word: Any, expected: Expectation, complaint: str) -> None:
    (found,) = complaints_of(six(expected), Sysno.getpid, raw.syscall, Sysno.getpid, word)
    assert found.startswith("rdi ")
    assert complaint in found


def test_rooms_must_not_overlap() -> None:
    pair = six(Pointer(size=4), Pointer(size=4))
    first = address_of(OWN)
    for distance, wrong in ((0, 1), (3, 1), (4, 0)):
        complaints = complaints_of(pair, 0, raw.syscall, 0, first, first + distance)
        assert len(complaints) == wrong


@pytest.mark.parametrize("name", ["openat", "sendto", "clock_nanosleep", "getresuid", "readv"])
def test_a_change_of_one_register_is_noticed(name: str) -> None:
    call = TABLE.calls[name]
    case = next(SAMPLER.cases(call))
    with stopped(getattr(pysyscall, name), *case.args, **case.kwargs) as stop:
        assert compare(call.kernel.number, case.expected, stop) == []
        for k, register in enumerate(REGISTERS):
            words = list(stop.registers)
            words[k] ^= 2**63 | 1
            changed = replace(stop, registers=tuple(words))
            (complaint,) = compare(call.kernel.number, case.expected, changed)
            assert complaint.startswith(f"{register} ")


def test_the_kernel_does_not_run_the_call(tmp_path: Path) -> None:
    kept, new = tmp_path / "kept", tmp_path / "new"
    kept.write_text("")
    with stopped(pysyscall.unlink, kept) as stop:
        assert stop.number == Sysno.unlink
    with stopped(pysyscall.mkdir, new):
        pass
    assert list(tmp_path.iterdir()) == [kept]


def test_a_call_that_is_not_made_is_told() -> None:
    with pytest.raises(NotMade, match="OverflowError: close"), stopped(pysyscall.close, 2**32 + 1):
        pass
    with pytest.raises(NotMade, match="without entering the kernel"), stopped(len, ""):
        pass
    with pytest.raises(NotMade, match="SIGSEGV"), stopped(ffi.string, ffi.cast("char *", 8)):
        pass


def test_housekeeping_is_told_from_the_call() -> None:
    """mmap by the interpreter runs, and the call comes after it; mmap by pysyscall is the call."""
    with stopped(lambda: (bytearray(2**24), pysyscall.getuid())) as stop:
        assert stop.number == Sysno.getuid
    with stopped(raw.syscall, Sysno.mmap, 0, 4096) as stop:
        assert stop.number == Sysno.mmap


def test_nothing_is_left() -> None:
    before = descriptors(), children()
    with stopped(pysyscall.getpid):
        pass
    with pytest.raises(NotMade), stopped(len, ""):
        pass
    with pytest.raises(ZeroDivisionError), stopped(pysyscall.getpid) as stop:
        stop.number / 0
    assert (descriptors(), children()) == before
