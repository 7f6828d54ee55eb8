"""The structs: their layout against C headers, and how their objects behave in Python.

`CPATH=/path/to/usr/include pytest tests/test_structs.py` checks against another kernel's headers.
"""

from __future__ import annotations

import copy
import enum
import pickle
import shutil
import struct as packing
import subprocess
import sys
from collections.abc import Callable
from ctypes import string_at
from pathlib import Path
from typing import Any

import pytest
from samples import address_of

import pysyscall
from pysyscall import (
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    AF_UNIX,
    PollFd,
    Rlimit,
    Sockaddr,
    SockaddrIn,
    SockaddrIn6,
    SockaddrNl,
    SockaddrUn,
    Stat,
    Statx,
    StatxTimestamp,
    Sysinfo,
    Timespec,
    Timeval,
    Utsname,
)
from tables import enums, structs
from tables.structs import Field, Struct

STRUCTS = structs.load(enums.load())
FIELDS = [(struct, field) for struct in STRUCTS.values() for field in struct.fields]

COMPILER = shutil.which("gcc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no gcc to ask for the layouts")
each_struct = pytest.mark.parametrize("struct", STRUCTS.values(), ids=STRUCTS)


# The layout, against the C headers

# The header says unsigned, but the kernel stores times before 1970 as negative numbers; it says
# signed, but the highest bit is a flag.
OTHER_SIGN = {"st_atime_sec", "st_mtime_sec", "st_ctime_sec", "ss_flags"}


def c_checks(struct: Struct) -> list[str]:
    """C expressions that hold if the struct and its fields lie in memory as the table says."""
    # One that grows is shorter in older headers, and so is one with a tail of no fixed length.
    varies = struct.grows or struct.minimum < struct.size
    checks = [f"sizeof({struct.c}) {'<=' if varies else '=='} {struct.size}"]
    if "union" in struct.c:
        # A member of a union is all that there is of it.
        checks = []
    for field in struct.fields:
        # Newer kernels make fields out of padding.
        padding_moves = field.hidden and struct.newer
        if field.name in struct.newer or padding_moves or not field.c_name:
            continue
        member = f"((({struct.c} *)0)->{field.c_name})"
        checks.append(f"offsetof({struct.c}, {field.c_name}) == {field.offset}")
        checks.append(f"sizeof{member} == {field.size * field.items}")
        if field.type[0] in "su" and field.type[1:].isdigit():
            item = member + ("[0]" if field.items > 1 else "")
            signed = (field.type[0] == "s") != (field.name in OTHER_SIGN)
            checks.append(f"((__typeof__({item}))-1 < 0) == {signed:d}")
    return checks


def compile_errors(folder: Path, lines: list[str]) -> str:
    source = folder / "layout.c"
    source.write_text("\n".join(["#define _GNU_SOURCE", *lines]) + "\n")
    compiled = subprocess.run(
        [str(COMPILER), "-fsyntax-only", source], capture_output=True, text=True
    )
    return compiled.stderr if compiled.returncode else ""


@needs_compiler
@each_struct
def test_the_layout_is_that_of_the_headers(
    struct: Struct, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    checks = c_checks(struct)
    record_property("checks", len(checks))
    lines = [f"#include <{header}>" for header in ("stddef.h", *struct.headers)]
    shown = {field.name for field in struct.fields if not field.hidden}
    if shown == struct.newer and compile_errors(tmp_path, [*lines, f"{struct.c} known;"]):
        pytest.skip("newer than these headers")
    lines += [f'_Static_assert({check}, "{check}");' for check in checks]
    assert compile_errors(tmp_path, lines) == ""


# Unions, bit fields and tails, which no C member stands for.
NAMELESS = {"sa_data", "si_fields", "name", "handle_bytes", "handle_type", "handle", "ops"}
NAMELESS |= {"f_handle", "label", "regs", "tcpi_wscales", "tcpi_fastopen", "tcpi_accecn", "bits"}


def test_nearly_all_fields_are_checked() -> None:
    shown = [(struct, field) for struct, field in FIELDS if not field.hidden]
    unchecked = {
        field.name
        for struct, field in shown
        if not any(f", {field.c_name})" in check for check in c_checks(struct))
    }
    assert unchecked == NAMELESS.union(*(struct.newer for struct in STRUCTS.values()))
    assert len(unchecked) < len(shown) / 5


# Values for every field


def sample(field: Field, at: int) -> Any:
    """A value that the field can have; another for each `at`."""
    match field.type:
        case "ipv4":
            value: Any = f"10.0.0.{at}"
        case "ipv6":
            value = f"2001:db8::{at:x}"
        case "text":
            value = f"text {at}"[-(field.size - 1) :]
        case "bytes" | "tail":
            value = bytes([at]) * field.size
        case "sun_path":
            value = f"/run/{at}"
        case nested if nested in STRUCTS:
            several = tuple(
                type_of(STRUCTS[nested])(**samples(STRUCTS[nested], at + i % 50))
                for i in range(field.items)
            )
            return several if field.items > 1 else several[0]
        case _:
            value = at
    return value if field.items == 1 else tuple(value + i for i in range(field.items))


def samples(struct: Struct, start: int = 1) -> dict[str, Any]:
    """A value for each field, in the constructor's order."""
    return {name: sample(struct.field(name), at) for at, name in enumerate(struct.arguments, start)}


def type_of(struct: Struct) -> Any:
    return getattr(pysyscall, struct.name)


def made(struct: Struct, start: int = 1) -> Any:
    return type_of(struct)(**samples(struct, start))


# How the objects behave


def test_every_struct_of_the_table_is_there() -> None:
    for name in STRUCTS:
        made = getattr(pysyscall._fast, name)
        assert isinstance(made, type)
        assert made is getattr(pysyscall, name) is getattr(pysyscall._fast, name)
        assert made.__name__ == name
    assert len(STRUCTS) >= 300


@each_struct
def test_fields_are_given_by_name_or_in_order_and_read_back(struct: Struct) -> None:
    values = samples(struct)
    by_name, in_order = type_of(struct)(**values), type_of(struct)(*values.values())
    assert by_name == in_order
    assert type_of(struct).__match_args__ == struct.arguments == tuple(values)
    for name, value in values.items():
        assert getattr(by_name, name) == value
        assert type(getattr(by_name, name)) is type(value)
    assert type_of(struct).__module__ == "pysyscall"
    assert type_of(struct).__doc__.startswith(struct.doc)


@each_struct
def test_fields_left_out_are_zero(struct: Struct) -> None:
    varies = any(field.type in ("tail", "sun_path") for field in struct.fields)
    told = struct.family is not None or struct.size_field
    size = struct.minimum if told and varies else struct.size
    content = bytearray(size)
    if struct.family is not None:
        content[:2] = struct.family.to_bytes(2, "little")
    if struct.size_field:
        at = struct.field(struct.size_field).offset
        content[at : at + 4] = (size - struct.size_from).to_bytes(4, "little")
    assert type_of(struct)().to_bytes() == content


@each_struct
def test_fields_lie_where_the_table_says(struct: Struct) -> None:
    value = made(struct)
    data = value.to_bytes()
    for field in struct.fields:
        at = data[field.offset : field.offset + field.size * field.items]
        if field.hidden:
            assert not any(at), field.name
        elif field.type[1:].isdigit() or field.type in ("be16", "be32", "fd"):
            order = "big" if field.type.startswith("be") else "little"
            parts = [at[i : i + field.size] for i in range(0, len(at), field.size)]
            read = tuple(int.from_bytes(part, order) for part in parts)
            assert (read if field.items > 1 else read[0]) == getattr(value, field.name)
        elif field.type in STRUCTS:
            parts = getattr(value, field.name)
            parts = parts if field.items > 1 else (parts,)
            assert at == b"".join(part.to_bytes() for part in parts)
        elif field.type in ("text", "sun_path"):
            assert at.rstrip(b"\0").decode() == getattr(value, field.name)


@each_struct
def test_wrong_fields_are_refused(struct: Struct) -> None:
    make, values = type_of(struct), samples(struct)
    with pytest.raises(TypeError, match=rf"{struct.name}\(\) has no field 'nothing'"):
        make(nothing=1)
    first = next(iter(values))
    with pytest.raises(TypeError, match=rf"{struct.name}\(\) got field '{first}' twice"):
        make(values[first], **{first: values[first]})
    with pytest.raises(TypeError, match=rf"at most {len(values)} fields \({len(values) + 1} given"):
        make(*values.values(), 1)


INTEGERS = [
    pytest.param(struct, field, id=f"{struct.name}.{field.name}")
    for struct, field in FIELDS
    if not field.hidden and (field.type[-1].isdigit() or field.type == "fd")
    if field.type not in ("ipv4", "ipv6", *STRUCTS)
]


class Index:
    """What only `__index__` makes a number."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __index__(self) -> int:
        return self.number


@pytest.mark.parametrize(("struct", "field"), INTEGERS)
def test_integers_have_the_range_of_their_width(struct: Struct, field: Field) -> None:
    bits = 8 * field.size
    signed = field.type[0] == "s" or field.type == "fd"
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)

    def make(value: object) -> Any:
        values = value if field.items == 1 else (value,) * field.items
        return getattr(type_of(struct)(**{field.name: values}), field.name)

    def plain(value: int) -> object:
        return value if field.items == 1 else (value,) * field.items

    # Of a size that the struct itself tells, 0 leaves it to the constructor.
    for value in (low or int(field.name == struct.size_field), high, high // 2):
        assert make(value) == make(Index(value)) == plain(value)
    assert make(True) == plain(1)
    assert make(enum.IntEnum("Colour", {"RED": 3}).RED) == plain(3)
    for value in (low - 1, high + 1, -(2**80), 2**80):
        with pytest.raises(OverflowError, match=rf"{struct.name}\(\) field '{field.name}' must"):
            make(value)
    for wrong in (1.0, [1]) if field.holds else ("1", 1.0, None, b"1"):
        with pytest.raises(TypeError):
            make(wrong)


ADDRESSES = [(struct, field) for struct, field in FIELDS if field.holds and not field.hidden]


@pytest.mark.parametrize(("struct", "field"), ADDRESSES)
def test_addresses_hold_what_they_point_at(struct: Struct, field: Field) -> None:
    buffer = bytearray(b"buffer")
    made = type_of(struct)(**{field.name: buffer})
    assert getattr(made, field.name) == address_of(buffer)
    for holder in (made, made.replace(), made.replace(**{field.name: 5})):
        with pytest.raises(BufferError):
            buffer.append(1)
        del holder
    del made
    buffer.append(1)
    text = type_of(struct)(**{field.name: "text"})
    assert string_at(getattr(text, field.name)) == b"text"
    assert getattr(type_of(struct)(**{field.name: None}), field.name) == 0


def test_addresses_of_parts_are_held_too() -> None:
    """A struct keeps what a struct within it holds."""
    buffer = bytearray(b"area")
    part = pysyscall.UffdioRange(start=buffer, len=len(buffer))
    whole = pysyscall.UffdioRegister(range=part)
    del part
    with pytest.raises(BufferError):
        buffer.clear()
    assert whole.range.start == address_of(buffer)
    del whole
    buffer.clear()


def test_addresses_of_buffers_with_gaps() -> None:
    wrong = memoryview(b"abcdef")[::2]
    with pytest.raises(
        BufferError, match=r"BpfObj\(\) field 'pathname' must be one contiguous block"
    ):
        pysyscall.BpfObj(pathname=wrong)


@pytest.mark.parametrize(
    ("make", "name", "wrong"),
    [
        (Rlimit, "rlim_max", "1"),
        (Statx, "stx_mtime", 5),
        (Sysinfo, "loads", 5),
        (Sysinfo, "loads", "123"),
        (Utsname, "machine", None),
        (PollFd, "fd", "1"),
        (PollFd, "fd", None),
        (SockaddrIn, "sin_addr", 5),
        (SockaddrUn, "sun_path", 5),
        (SockaddrUn, "sun_path", None),
        (Sockaddr, "sa_data", "x"),
    ],
)
def test_a_value_of_a_wrong_type_is_refused_with_its_field_s_name(
    make: Any, name: str, wrong: object
) -> None:
    with pytest.raises(TypeError, match=rf"{make.__name__}\(\) field '{name}' "):
        make(**{name: wrong})


@each_struct
def test_round_trips(struct: Struct) -> None:
    value = made(struct)
    data = value.to_bytes()
    assert type(data) is bytes
    assert len(data) == struct.size if struct.minimum == struct.size else len(data)
    copies = [
        type(value).from_bytes(data),
        type(value).from_bytes(bytearray(data)),
        type(value).from_bytes(memoryview(value)),
        type(value).from_bytes(value),
        copy.copy(value),
        copy.deepcopy(value),
        *(pickle.loads(pickle.dumps(value, n)) for n in range(pickle.HIGHEST_PROTOCOL + 1)),
    ]
    assert all(each == value and type(each) is type(value) for each in copies)
    assert {each.to_bytes() for each in copies} == {data}
    assert bytes(memoryview(value)) == data


@each_struct
def test_the_kernel_s_bytes_are_kept_down_to_the_padding(struct: Struct) -> None:
    data = bytes(range(1, 256))[: struct.size] + b"\xff" * max(0, struct.size - 255)
    value = type_of(struct).from_bytes(data)
    assert value.to_bytes() == data
    assert pickle.loads(pickle.dumps(value)).to_bytes() == data
    assert value.replace().to_bytes() == data


@each_struct
def test_equality_and_hash(struct: Struct) -> None:
    values = samples(struct)
    value, same = made(struct), made(struct)
    assert value == same
    assert (value != same) is False
    assert hash(value) == hash(same)
    assert {value: 1}[same] == 1
    others = samples(struct, start=50)
    for name in values:
        other = type_of(struct)(**values | {name: others[name]})
        assert value != other, name
        assert hash(value) != hash(other), name
    assert value != tuple(values.values())
    assert value != value.to_bytes()
    assert value != None  # noqa: E711
    with pytest.raises(TypeError, match="not supported between instances"):
        value < same  # noqa: B015


@each_struct
def test_the_repr_evaluates_back(struct: Struct) -> None:
    value = made(struct)
    assert repr(value).startswith(f"{struct.name}({struct.arguments[0]}=")
    names = {name: type_of(each) for name, each in STRUCTS.items()}
    assert eval(repr(value), names) == value
    assert eval(repr(type_of(struct)()), names) == type_of(struct)()


@each_struct
def test_replace_changes_a_copy(struct: Struct) -> None:
    value, others = made(struct), samples(struct, start=50)
    before = value.to_bytes()
    ways = [value.replace, value.__replace__]
    if sys.version_info >= (3, 13):
        ways.append(lambda **fields: copy.replace(value, **fields))
    for way in ways:
        for name, other in others.items():
            changed = way(**{name: other})
            assert type(changed) is type(value)
            for each in samples(struct):
                wanted = other if each == name else getattr(value, each)
                assert getattr(changed, each) == wanted
        assert way(**others) == made(struct, 50)
        assert way() == value
        with pytest.raises(TypeError, match="has no field 'nothing'"):
            way(nothing=1)
    with pytest.raises(TypeError, match="takes fields by name only"):
        value.replace(1)
    assert value.to_bytes() == before


@each_struct
def test_pattern_matching(struct: Struct) -> None:
    make, values = type_of(struct), samples(struct)
    match made(struct):
        case make(first):
            assert first == next(iter(values.values()))
        case _:
            pytest.fail("the type does not match its own object")


def test_pattern_matching_as_users_write_it() -> None:
    match pysyscall.getrlimit(pysyscall.RLIMIT_NOFILE):
        case Rlimit(soft, rlim_max=hard):
            assert 0 < soft <= hard
        case _:
            pytest.fail("not an Rlimit")
    match SockaddrIn("10.0.0.1", 80):
        case SockaddrIn6(_):
            pytest.fail("not an IPv6 address")
        case SockaddrIn("10.0.0.1", port):
            assert port == 80
        case _:
            pytest.fail("not an IPv4 address")


@each_struct
def test_objects_never_change(struct: Struct) -> None:
    value = made(struct)
    for name in [*struct.arguments, *(computed.name for computed in struct.computed)]:
        with pytest.raises(AttributeError):
            setattr(value, name, 1)
        with pytest.raises(AttributeError):
            delattr(value, name)
    with pytest.raises(AttributeError):
        value.something = 1
    with pytest.raises(TypeError):
        type_of(struct).something = 1
    with memoryview(value) as view:
        assert view.readonly
        assert view.nbytes == len(value.to_bytes())
    with pytest.raises(TypeError):
        type("Subclass", (type_of(struct),), {})


@each_struct
def test_wrong_sizes_are_refused(struct: Struct) -> None:
    short, long = {struct.minimum - 1, 0}, {struct.size + 1, 2 * struct.size + 1}
    wanted = {struct.minimum, struct.size}
    text = " to ".join(map(str, sorted(wanted))) + " bytes"
    if struct.grows:
        text, long = f"{struct.minimum} bytes or more", set()
    for size in short | long:
        with pytest.raises(ValueError, match=rf"from_bytes\(\) needs {text}, not {size}"):
            type_of(struct).from_bytes(bytes(size))
    for size in wanted:
        assert type_of(struct).from_bytes(bytes(size)).to_bytes() == bytes(size)
    for wrong in ("x" * struct.size, None, struct.size):
        with pytest.raises(TypeError):
            type_of(struct).from_bytes(wrong)


@each_struct
def test_the_sequence_form(struct: Struct) -> None:
    value = made(struct)
    if not struct.sequence:
        with pytest.raises(TypeError):
            len(value)
        with pytest.raises(TypeError):
            iter(value)
        with pytest.raises(TypeError):
            value[0]
        return
    wanted = tuple(getattr(value, name) for name in struct.sequence)
    count = len(wanted)
    assert tuple(value) == wanted
    assert len(value) == count
    (*unpacked,) = value
    assert unpacked == list(wanted)
    assert [value[i] for i in range(-count, count)] == [*wanted, *wanted]
    for index in (count, -count - 1):
        with pytest.raises(IndexError, match=f"{struct.name} index out of range"):
            value[index]
    assert list(reversed(value)) == list(reversed(wanted))
    assert wanted[0] in value


# Values made from two fields


@pytest.mark.parametrize("make", [Timespec, Timeval, StatxTimestamp])
@pytest.mark.parametrize("seconds", [0, 1, -1, 2**33, 2**63 - 1, -(2**63)])
@pytest.mark.parametrize("fraction", [0, 1, 999_999])
def test_seconds_and_nanoseconds(make: Any, seconds: int, fraction: int) -> None:
    value = make(seconds, fraction)
    unit = 1000 if make is Timeval else 1
    assert value.ns == seconds * 10**9 + fraction * unit
    assert value.seconds == pytest.approx(value.ns / 1e9, rel=1e-15)
    assert (type(value.ns), type(value.seconds)) == (int, float)


def test_times_before_1970() -> None:
    told = Stat(st_mtime_sec=-2, st_mtime_nsec=500_000_000)
    assert (told.st_mtime, told.st_mtime_ns) == (-1.5, -1_500_000_000)
    assert told.st_atime_ns == 0


def test_structs_inside_structs() -> None:
    told = Statx(stx_mtime=StatxTimestamp(5, 6), stx_btime=(7, 8))
    assert (told.stx_mtime.ns, told.stx_btime.tv_nsec) == (5_000_000_006, 8)
    assert type(told.stx_btime) is StatxTimestamp
    for wrong in (5, Timespec(5, 6), [5, 6]):
        with pytest.raises(TypeError, match=r"Statx\(\) field 'stx_mtime' must be a StatxTimesta"):
            Statx(stx_mtime=wrong)


@pytest.mark.parametrize("loads", [(1, 2), (1, 2, 3, 4), ()])
def test_arrays_have_a_length(loads: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"'loads' needs 3 items, not {len(loads)}"):
        Sysinfo(loads=loads)
    assert Sysinfo(loads=iter([1, 2, 3])).loads == (1, 2, 3)


def test_text_has_room_for_its_nul() -> None:
    assert Utsname(sysname="x" * 64).sysname == "x" * 64
    assert Utsname(sysname=b"n\xff").sysname == "n\udcff"
    with pytest.raises(ValueError, match=r"'sysname' has room for 64 bytes, not 65"):
        Utsname(sysname="x" * 65)
    with pytest.raises(ValueError, match=r"'sysname' must not contain a NUL byte"):
        Utsname(sysname="a\0b")
    with pytest.raises(TypeError, match=r"'sysname' cannot be a int"):
        Utsname(sysname=1)
    assert Utsname.from_bytes(b"x" * 390).sysname == "x" * 65


# Socket addresses


@pytest.mark.parametrize(
    ("address", "data"),
    [
        (
            SockaddrIn("127.0.0.1", 80),
            packing.pack("=H", AF_INET) + b"\0\x50\x7f\0\0\1" + bytes(8),
        ),
        (
            SockaddrIn6("::1", 443, 0x12345, 7),
            packing.pack("=H", AF_INET6)
            + b"\1\xbb\0\1\x23\x45"
            + bytes(15)
            + b"\1"
            + packing.pack("=I", 7),
        ),
        (SockaddrNl(5, 6), packing.pack("=HHII", AF_NETLINK, 0, 5, 6)),
        (SockaddrUn("/a"), packing.pack("=H", AF_UNIX) + b"/a\0"),
        (SockaddrUn(Path("/a")), packing.pack("=H", AF_UNIX) + b"/a\0"),
        (SockaddrUn("\udcff"), packing.pack("=H", AF_UNIX) + b"\xff\0"),
        (SockaddrUn("x" * 107), packing.pack("=H", AF_UNIX) + b"x" * 107 + b"\0"),
        (SockaddrUn(b"x" * 108), packing.pack("=H", AF_UNIX) + b"x" * 108),
        (SockaddrUn(b"\0a\0b"), packing.pack("=H", AF_UNIX) + b"\0a\0b"),
        (SockaddrUn(b"\0" + b"x" * 107), packing.pack("=H", AF_UNIX) + b"\0" + b"x" * 107),
        (SockaddrUn("\0a"), packing.pack("=H", AF_UNIX) + b"\0a"),
        (SockaddrUn(""), packing.pack("=H", AF_UNIX)),
        (SockaddrUn(), packing.pack("=H", AF_UNIX)),
        (Sockaddr(29, b"can"), packing.pack("=H", 29) + b"can"),
        (Sockaddr(29), packing.pack("=H", 29)),
        (Sockaddr(29, bytes(126)), packing.pack("=H", 29) + bytes(126)),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_an_address_is_what_the_kernel_reads(address: Any, data: bytes) -> None:
    assert address.to_bytes() == data
    assert type(address).from_bytes(data) == address
    assert eval(repr(address), vars(pysyscall)) == address


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("/a", "/a"),
        (b"/a\xff", "/a\udcff"),
        (Path("/a"), "/a"),
        (b"\0a\0", b"\0a\0"),
        ("\0a", b"\0a"),
        ("", ""),
        (b"", ""),
        ("x" * 108, "x" * 108),
    ],
)
def test_a_unix_path_reads_as_str_and_an_abstract_name_as_bytes(given: Any, read: object) -> None:
    value = SockaddrUn(given).sun_path
    assert value == read
    assert type(value) is type(read)


def test_replacing_a_unix_path_leaves_nothing_of_the_one_before() -> None:
    long = SockaddrUn("/a/long/path")
    assert long.replace(sun_path="/b") == SockaddrUn("/b")
    assert long.replace(sun_path="") == SockaddrUn()
    assert Sockaddr(29, b"long").replace(sa_data=b"") == Sockaddr(29)


@pytest.mark.parametrize(
    ("make", "wrong", "error", "text"),
    [
        (SockaddrIn, "::1", ValueError, "must be an IPv4 address such as '127.0.0.1'"),
        (SockaddrIn, "1.2.3", ValueError, "must be an IPv4 address"),
        (SockaddrIn, "1.2.3.4\0", ValueError, "must be an IPv4 address"),
        (SockaddrIn, "localhost", ValueError, "must be an IPv4 address"),
        (SockaddrIn, "", ValueError, "must be an IPv4 address"),
        (SockaddrIn, 0x7F000001, TypeError, "must be an IPv4 address"),
        (SockaddrIn, b"1.2.3.4", TypeError, "must be an IPv4 address"),
        (SockaddrIn6, "127.0.0.1", ValueError, "must be an IPv6 address such as '::1'"),
        (SockaddrIn6, "::1%lo", ValueError, "must be an IPv6 address"),
        (SockaddrUn, "x" * 109, ValueError, "has room for 108 bytes, not 109"),
        (SockaddrUn, b"\0" * 109, ValueError, "has room for 108 bytes, not 109"),
        (SockaddrUn, "a\0b", ValueError, "must not contain a NUL byte"),
    ],
)
def test_what_is_no_address(make: Any, wrong: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make(wrong)


@pytest.mark.parametrize(("data", "error"), [(bytes(127), ValueError), ("x", TypeError)])
def test_the_bytes_of_an_address_of_any_family(data: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Sockaddr(29, data)


def test_constructors_fill_in_the_family() -> None:
    families = {
        SockaddrIn().sin_family: AF_INET,
        SockaddrIn6().sin6_family: AF_INET6,
        SockaddrUn().sun_family: AF_UNIX,
        SockaddrNl().nl_family: AF_NETLINK,
        Sockaddr().sa_family: pysyscall.AF_UNSPEC,
    }
    assert all(told == wanted for told, wanted in families.items())
    assert len(families) == 5
