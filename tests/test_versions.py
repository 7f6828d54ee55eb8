"""Structs that kernels extend: longer ones of later kernels, shorter ones of earlier kernels."""

from __future__ import annotations

import errno
import os
import struct
from typing import Any

import pytest
from tracee import Pointer, Word, compare, stopped

import pysyscall
from pysyscall import FileHandle, MntIdReq, OpenHow, PerfEventAttr, SchedAttr, Sysno
from tables import calls

TABLE = calls.load()
GROWING = [s for s in TABLE.structs.values() if s.grows]
SIZED = [s for s in TABLE.structs.values() if s.size_field]


@pytest.mark.parametrize("layout", GROWING, ids=lambda s: s.name)
def test_a_longer_struct_is_read_without_what_is_new(layout: Any) -> None:
    kind = getattr(pysyscall, layout.name)
    known = bytearray(bytes(kind()))
    for extra in (1, 8, 5000):
        value = kind.from_bytes(bytes(known) + b"\xff" * extra)
        assert bytes(value) == known
        assert value == kind()


@pytest.mark.parametrize("layout", GROWING, ids=lambda s: s.name)
def test_a_shorter_struct_is_read_down_to_the_first_version(layout: Any) -> None:
    kind = getattr(pysyscall, layout.name)
    short = kind.from_bytes(bytes(layout.minimum))
    assert len(bytes(short)) == layout.minimum
    whole = kind.from_bytes(bytes(layout.size))
    assert short == whole
    assert hash(short) == hash(whole)
    with pytest.raises(ValueError, match=f"needs {layout.minimum} bytes or more"):
        kind.from_bytes(bytes(layout.minimum - 1))


@pytest.mark.parametrize("layout", SIZED, ids=lambda s: s.name)
def test_a_size_is_filled_in(layout: Any) -> None:
    kind = getattr(pysyscall, layout.name)
    value = kind()
    assert getattr(value, layout.size_field) == len(bytes(value)) - layout.size_from
    other = 48 if layout.size_from == 0 else 3
    assert getattr(kind(**{layout.size_field: other}), layout.size_field) == other
    assert getattr(kind(**{layout.size_field: 0}), layout.size_field) == len(bytes(value)) - (
        layout.size_from
    )


def test_a_size_within_is_cut_down_with_the_struct() -> None:
    later = SchedAttr(sched_nice=3, size=64).to_bytes() + bytes(8)
    assert SchedAttr.from_bytes(later) == SchedAttr(sched_nice=3)
    earlier = SchedAttr.from_bytes(struct.pack("IIQiIQQQ", 48, 0, 0, 3, 0, 0, 0, 0))
    assert (earlier.size, len(bytes(earlier)), earlier.sched_util_max) == (48, 48, 0)
    grown = earlier.replace(sched_util_max=5)
    assert (grown.size, len(bytes(grown)), grown.sched_util_max) == (56, 56, 5)
    assert earlier.replace(sched_nice=4).size == 48


def test_a_handle_tells_the_length_of_what_it_holds() -> None:
    handle = FileHandle(1, b"12345678")
    assert (handle.handle_bytes, len(bytes(handle))) == (8, 16)
    assert handle.replace(f_handle=b"1234").handle_bytes == 4
    assert handle.replace(handle_type=2) == FileHandle(2, b"12345678", 8)
    assert FileHandle(1, b"\0") != FileHandle(1, b"")
    assert FileHandle(1, b"1", 7).handle_bytes == 7


def registers(*expected: Any) -> list[Any]:
    words = [Word(each) if isinstance(each, int) else each for each in expected]
    return words + [Word(0)] * (6 - len(words))


def complaints(number: int, expected: list[Any], function: Any, *args: Any) -> list[str]:
    with stopped(function, *args) as stop:
        return compare(number, expected, stop)


@pytest.mark.parametrize("size", [24, 32])
def test_a_struct_goes_in_with_its_own_size(size: int) -> None:
    """Of `mnt_id_req` the size stands inside, of `open_how` beside it."""
    attr = SchedAttr.from_bytes(bytes(48 if size == 24 else 56))
    content = struct.pack("I", len(bytes(attr))) + bytes(len(bytes(attr)) - 4)
    try:
        assert (
            complaints(
                Sysno.sched_setattr,
                registers(0, Pointer(content), 0),
                pysyscall.sched_setattr,
                0,
                attr,
            )
            == []
        )
        how = registers(-100, Pointer(b"f\0"), Pointer(bytes(24)), 24)
        assert complaints(Sysno.openat2, how, pysyscall.openat2, None, "f", OpenHow()) == []
    except PermissionError as error:
        pytest.skip(f"no right to trace a child: {error}")


def test_a_size_beyond_the_struct_is_refused() -> None:
    with pytest.raises(
        ValueError,
        match=r"sched_setattr\(\) argument 'attr' says that it has 57 bytes, but it has 56",
    ):
        pysyscall.sched_setattr(0, SchedAttr(size=57))
    with pytest.raises(ValueError, match=r"open_by_handle_at\(\) argument 'handle' says"):
        pysyscall.open_by_handle_at(None, FileHandle(1, b"1234", 128), os.O_RDONLY)


def test_a_struct_that_the_kernel_refuses_stays_as_it_is() -> None:
    """With E2BIG the kernel writes the size that it knows where it read the struct."""
    for attr, call in (
        (SchedAttr(size=7), lambda a: pysyscall.sched_setattr(0, a)),
        (PerfEventAttr(size=7), lambda a: pysyscall.perf_event_open(a, 0, -1)),
    ):
        before = bytes(attr)
        with pytest.raises(OSError) as caught:
            call(attr)
        assert caught.value.errno == errno.E2BIG
        assert bytes(attr) == before


def test_what_is_told_has_the_size_that_the_kernel_knows() -> None:
    told = pysyscall.sched_getattr(0)
    assert told.size == len(bytes(told)) in range(48, 57)


def test_a_request_of_the_first_version() -> None:
    short = MntIdReq.from_bytes(MntIdReq(pysyscall.LSMT_ROOT, size=24).to_bytes()[:24])
    assert (short.size, short.mnt_ns_id, len(bytes(short))) == (24, 0, 24)
    assert short.replace(mnt_ns_id=1).size == 32


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((pysyscall.SockaddrLl, bytes(12)), (pysyscall.SockaddrLl, bytes(20))),
        ((pysyscall.SockaddrUn, b"\1\0/a"), (pysyscall.SockaddrUn, b"\1\0/a\0")),
        ((pysyscall.SockaddrUn, b"\1\0/a\0"), (pysyscall.SockaddrUn, b"\1\0/a\0rest")),
        (
            (pysyscall.Ustat, bytes(24) + b"a\0b\0\0\0" + b"\0\0"),
            (pysyscall.Ustat, bytes(24) + b"a\0c\0\0\0\0\0"),
        ),
    ],
)
def test_structs_are_equal_where_they_show_the_same(one: Any, other: Any) -> None:
    first, second = (kind.from_bytes(data) for kind, data in (one, other))
    assert repr(first) == repr(second)
    assert first == second
    assert hash(first) == hash(second)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"\1\0\0a", b"\1\0\0a\0"),
        (b"\1\0/a", b"\1\0\0a"),
        (b"\1\0", b"\1\0\0"),
        (b"\1\0", b"\1\0a"),
    ],
)
def test_addresses_that_differ(one: bytes, other: bytes) -> None:
    first, second = map(pysyscall.SockaddrUn.from_bytes, (one, other))
    assert repr(first) != repr(second)
    assert first != second
