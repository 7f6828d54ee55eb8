"""Sample arguments for any typed call, and the registers that they must become.

All of it follows from the kinds of the call's row; `register_cases` has the calls for which it
doesn't.
"""

from __future__ import annotations

import os
import reprlib
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import chain
from operator import or_
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tracee import (
    AtLeast,
    Bits,
    Expectation,
    Header,
    Headers,
    Packed,
    Pointer,
    Pointers,
    Program,
    Segments,
    Strings,
    Vector,
    Word,
)

import pysyscall
from pysyscall._raw import ffi
from tables import kinds, structs
from tables.calls import Call, Table, Value

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PATH_MAX = 4096
SOCKADDR_STORAGE = 128
SIGSET = 8
NODES = 1024
CELLS = {"s32": "i", "u32": "I", "s64": "q", "u64": "Q"}
MESSAGE = pysyscall.Msgbuf
"""Loaded here, so that no call has to load it on its way."""
OMITTED = object()
"""Stands for an argument that Python does not give."""


@dataclass(frozen=True)
class Sample:
    """One value of an argument, and what then stands in the registers."""

    given: Any
    register: Expectation
    length: int | Expectation = 0
    """For the register that carries this argument's length, where there is one."""


@dataclass(frozen=True)
class Case:
    """One call of a function, and the six registers that it must arrive with."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    expected: tuple[Expectation, ...] = ()

    def __str__(self) -> str:
        named = (f"{name}={reprlib.repr(value)}" for name, value in self.kwargs.items())
        return f"({', '.join(chain(map(reprlib.repr, self.args), named))})"


class File:
    """An object with fileno(), as descriptors may be."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def fileno(self) -> int:
        return self.fd


class Index:
    """An object with __index__(), as all integers may be."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __index__(self) -> int:
        return self.number


def distinct(size: int, seed: int) -> bytes:
    """Bytes none of which is 0, other ones for each seed."""
    return bytes((37 * seed + i) % 251 + 1 for i in range(size))


def filled(layout: structs.Struct, seed: int) -> bytes:
    """A struct full of distinct bytes, with an end to each text."""
    content = bytearray(distinct(layout.size, seed))
    if layout.size_field:
        at = layout.field(layout.size_field).offset
        content[at : at + 4] = (layout.size - layout.size_from).to_bytes(4, "little")
    for part in layout.fields:
        if part.type == "text":
            content[part.offset + part.size - 1] = 0
    return bytes(content)


def without_padding(layout: structs.Struct, content: bytes) -> bytes:
    """What is left of a struct that is made anew from its fields."""
    result = bytearray(layout.size)
    for part in layout.fields:
        if not part.hidden:
            place = slice(part.offset, part.offset + part.size * part.items)
            result[place] = content[place]
    return bytes(result)


def bitmask(numbers: Iterable[int]) -> bytes:
    """Whole words of 64 bits, of which those numbers are set."""
    mask = sum(1 << number for number in numbers)
    return mask.to_bytes(8 * ((mask.bit_length() - 1) // 64 + 1), "little")


def address_of(buffer: ReadableBuffer) -> int:
    return int(ffi.cast("uintptr_t", ffi.from_buffer(buffer)))


def control(level: int, type: int, data: Any, content: bytes) -> tuple[Any, bytes]:
    """A control message, and the bytes that it becomes."""
    head = struct.pack("Qii", 16 + len(content), level, type)
    return pysyscall.ControlMessage(level, type, data), head + content + bytes(-len(content) % 8)


CONTROL = (
    control(1, 1, [3, File(4), 5], struct.pack("3i", 3, 4, 5)),
    control(1, 1, (), b""),
    control(1, 1, b"bytes", b"bytes"),
    control(1, 2, pysyscall.Ucred(7, 8, 9), struct.pack("iII", 7, 8, 9)),
    control(1, 2, (7, 8, 2**32 - 1), struct.pack("iII", 7, 8, 2**32 - 1)),
    control(1, 4, File(6), struct.pack("i", 6)),
    control(1, 61, 2**64 - 1, struct.pack("Q", 2**64 - 1)),
    control(1, 37, Index(2**32 - 1), b"\xff" * 4),
    control(0, 1, 255, b"\xff"),
    control(0, 2, -(2**31), struct.pack("i", -(2**31))),
    control(17, 103, 65535, b"\xff\xff"),
    control(0, 8, (3, "127.0.0.1", "0.0.0.0"), struct.pack("i4B4x", 3, 127, 0, 0, 1)),
    control(0, 11, (pysyscall.SockExtendedErr(5), None), struct.pack("I12x", 5)),
    control(-1, 2**31 - 1, bytearray(b"unknown"), b"unknown"),
    control(1000, 5, pysyscall.Linger(1, 2), struct.pack("ii", 1, 2)),
)


class Sampler:
    """Makes samples and cases from the rows of the table."""

    def __init__(self, table: Table) -> None:
        self.structs = table.structs
        self.siginfo = table.siginfo
        self.sockaddrs = [s for s in table.structs.values() if s.family is not None]

    def samples(self, value: Value) -> list[Sample]:
        """Samples for one argument; none where its register follows from another argument."""
        kind, rule = value.kind, value.rule
        found: Iterable[Sample]
        if value.choice is not None:
            return [Sample(value.choice[1], Word(value.choice[1]))]
        match kind.word, kind.direction:
            case "unused", _:
                return [Sample(given, Word(0)) for given in (0, None, False)]
            case "by", _:
                return list(self._anything(value))
            case "text", "out":
                return [Sample(OMITTED, Pointer(size=int(kind.count)))]
            case "fprog", "in":
                found = self._programs(value)
            case "iovec", direction if kind.count == "1":
                found = self._regsets(value, direction)
            case (("len" | "size of" | "tail of"), _):
                return []
            case (("const" | "null"), _):
                return [Sample(OMITTED, Word(value.fallback))]
            case "remaining", _:
                return [Sample(OMITTED, Pointer(size=16, align=8))]
            case (("path" | "string" | "name"), ""):
                found = self._strings(value)
            case "path", "out":
                room = Pointer(size=1, times=value.length)
                return [Sample(OMITTED, room, AtLeast(PATH_MAX))]
            case "bytes", "in":
                found = self._buffers_in(value)
            case "bytes", "out":
                found = self._buffers_out(value)
            case "option", "in":
                found = chain(self._buffers_in(value), self._options_in(value))
            case "option", "out":
                room = Pointer(size=4, align=4)
                found = [Sample(None, room, 4), *self._buffers_out(value)]
            case "iovec", direction:
                found = self._vectors(value, direction)
            case "room", "":
                found = [Sample(size, Word(0), size) for size in (24, 0, 1000, 60)]
            case "msghdr", "in":
                found = self._sent()
            case "msghdr", "out":
                found = self._received()
            case "mmsghdr", direction:
                found = self._several(
                    list(self._received() if direction == "out" else self._sent())
                )
            case "timespec", ("in" | "inout"):
                found = self._timespecs(value)
            case "timeval", "inout":
                found = self._timevals(value)
            case "fdset", "inout":
                found = self._fdsets(value)
            case "sigset_argpack", "in":
                found = map(self._packed, ({1, 15}, [64], ()))
            case "msgbuf", direction:
                found = self._messages(value, direction)
            case "pointers", "in":
                found = self._pointers(value)
            case "sigset", "in":
                found = map(self._sigset, ({1, 15}, [64], range(1, 65), (), iter((2, 2, 33))))
            case "sigset", "out":
                return [Sample(OMITTED, Pointer(size=SIGSET, align=8))]
            case "data", "out" if value.length < 0:
                return [Sample(OMITTED, Pointer(size=int(kind.count)))]
            case "siginfo", "in":
                found = self._siginfos(value)
            case "siginfo", "out":
                return [Sample(OMITTED, Pointer(size=128, align=8))]
            case "Sigaction", "in":
                found = self._actions()
            case (("data" | "names"), "out"):
                room = Pointer(size=1, times=value.length)
                return [Sample(OMITTED, room, AtLeast(1))]
            case "argv", "":
                found = self._argvs(value)
            case "envp", "":
                found = self._envps(value)
            case "cpuset", "in":
                found = map(self._cpuset, ({1, 3}, [0], range(60, 70), {2, 200}))
            case "cpuset", "out":
                room = Pointer(size=1, times=value.length, align=8)
                return [Sample(OMITTED, room, AtLeast(8))]
            case "nodemask", "in":
                found = map(self._nodemask, ({0}, [1, 3], range(60, 70), iter([1023]), ()))
            case "nodemask", "out":
                return [Sample(OMITTED, Pointer(size=NODES // 8, align=8), NODES + 1)]
            case "break", "":
                ends = (2**63 - 1, 2**64 - 1, Index(2**63), 0)
                found = (Sample(end, Word(int(end.__index__()))) for end in ends)
            case "sockaddr", "in":
                found = self._addresses(value)
            case "sockaddr", "out":
                room = Pointer(size=SOCKADDR_STORAGE, align=8)
                return [Sample(OMITTED, room, SOCKADDR_STORAGE)]
            case "records", "out":
                room = Pointer(size=1, times=value.length, align=8)
                found = [Sample(n, room, n) for n in (24, 0, 280, 70_000)]
            case "KexecSegment", "in":
                found = self._segments()
            case "ifconf", "out":
                return [Sample(OMITTED, Pointer(size=16, align=8))]
            case _ if value.struct is not None and value.follower is not None:
                found = self._followed(value, value.struct, value.follower)
            case _ if value.struct is not None and not rule.cell:
                found = self._structs(value, value.struct)
            case _, "out" if rule.cell:
                return [self._cells_out(value)]
            case _, "in" if rule.cell and value.length >= 0:
                found = self._items_in(value)
            case _, ("in" | "inout") if rule.cell:
                found = self._cells_in(value)
            case word, "" if word in kinds.WORDS or value.enum is not None:
                found = self._integers(value)
            case _:
                raise NotImplementedError(f"no samples for '{kind}' of argument '{value.name}'")
        found = list(found)
        if kind.optional and rule.annotation:
            found.append(Sample(False if kind.asked else None, Word(0)))
        return found

    def _integers(self, value: Value) -> Iterator[Sample]:
        low, high = value.range
        numbers = [0x11 + value.index, (0x1234_5678_9ABC_DE00 + value.index) & high, low, high]
        if low < 0:
            numbers.append(-1)
        for number in numbers:
            yield Sample(number, Word(number))
        yield Sample(Index(numbers[0]), Word(numbers[0]))
        if value.rule.none is not None:
            yield Sample(None, Word(value.rule.none))
        if value.rule.engine == "KIND_FD":
            yield Sample(File(0x51 + value.index), Word(0x51 + value.index))
        if value.enum is not None:
            members = list(getattr(pysyscall, value.enum.name))
            fitting = [member for member in members if low <= member <= high]
            for member in (fitting[0], fitting[-1]):
                yield Sample(member, Word(member.value))
            if value.enum.kind == "flag":
                both = fitting[0] | fitting[-1]
                yield Sample(both, Word(both.value))

    def _strings(self, value: Value) -> Iterator[Sample]:
        names = [
            os.fsdecode(f"/é/{value.name}".encode()),
            f"/{value.name}/é".encode("latin-1"),
            value.name,
            value.name.encode(),
            "",
        ]
        if value.kind.word == "path":
            names.append(Path(f"/path/{value.name}"))
        for name in names:
            content = os.fsencode(name) + b"\0"
            # Only what a `string` with a length is includes the NUL.
            yield Sample(name, Pointer(content), len(content) - (value.kind.word == "name"))

    def _buffers_in(self, value: Value) -> Iterator[Sample]:
        for size in (40, 3, 0, 9000):
            content = distinct(size, value.index)
            yield Sample(content, Pointer(content), size)
        content = distinct(50, value.index)
        yield Sample(bytearray(content), Pointer(content), len(content))
        yield Sample(memoryview(content)[7:29], Pointer(content[7:29]), 22)

    def _buffers_out(self, value: Value) -> Iterator[Sample]:
        for size in (100 + value.index, 0, 1, 70_000):
            yield Sample(size, Pointer(size=size), size)
        own = bytearray(60)
        for buffer in (own, memoryview(own)[5:25]):
            pointer = Pointer(size=len(buffer), address=address_of(buffer))
            yield Sample(buffer, pointer, len(buffer))

    def _options_in(self, value: Value) -> Iterator[Sample]:
        for number in (0x1234_5600 + value.index, -2, -(2**31), 2**31 - 1):
            yield Sample(number, Pointer(struct.pack("i", number)), 4)

    def _vectors(self, value: Value, direction: str) -> Iterator[Sample]:
        for sizes in ((5, 70), (3,), (), (4, 0, 6), range(1, 30)):
            if direction == "in":
                parts: list[Any] = [distinct(size, k) for k, size in enumerate(sizes)]
                parts[1:2] = map(bytearray, parts[1:2])
                pointers = [Pointer(bytes(part)) for part in parts]
            else:
                parts = [bytearray(size) for size in sizes]
                pointers = [Pointer(size=len(part), address=address_of(part)) for part in parts]
            items = tuple(zip(pointers, sizes, strict=True))
            yield Sample(parts, Vector(items), len(items))

    def _sent(self) -> Iterator[Sample]:
        """Messages to send, with and without addresses and control messages."""
        none = Pointer()
        plain = Header(Vector(()), none, 0, none, 0)
        for data in (b"a message", bytearray(7), b""):
            yield Sample(data, replace(plain, data=Vector(((Pointer(bytes(data)), len(data)),))))
        for sizes in ((5, 70), range(1, 30), ()):
            parts = [distinct(size, k) for k, size in enumerate(sizes)]
            pieces = tuple((Pointer(part), len(part)) for part in parts)
            yield Sample(parts, replace(plain, data=Vector(pieces)))
            yield Sample(pysyscall.Message(tuple(parts)), replace(plain, data=Vector(pieces)))
        content = distinct(16, 3)
        address = pysyscall.SockaddrIn.from_bytes(content)
        named = replace(plain, name=Pointer(content), name_length=len(content), flags=0x80)
        message = pysyscall.Message([], flags=0x80, address=address)
        yield Sample(message, named)
        for control, expected in (
            *(([message], expected) for message, expected in CONTROL),
            (tuple(message for message, _ in CONTROL), b"".join(bytes for _, bytes in CONTROL)),
        ):
            head = replace(named, control=Pointer(expected), control_length=len(expected))
            yield Sample(message._replace(control=control), head)

    def _received(self) -> Iterator[Sample]:
        name, none = Pointer(size=SOCKADDR_STORAGE), Pointer()
        empty = Header(Vector(()), name, SOCKADDR_STORAGE, none, 0)
        for size in (100, 0, 70_000, Index(5)):
            number = size.number if isinstance(size, Index) else size
            yield Sample(size, replace(empty, data=Vector(((Pointer(size=number), number),))))
        own = bytearray(60)
        for buffers in ([own], [memoryview(own)[5:25], bytearray(3)], [bytearray(2)] * 30, []):
            items = ((Pointer(size=len(b), address=address_of(b)), len(b)) for b in buffers)
            header = replace(empty, data=Vector(tuple(items)))
            yield Sample(buffers, header)
            if len(buffers) == 1:
                yield Sample(buffers[0], header)

    def _several(self, single: list[Sample]) -> Iterator[Sample]:
        for chosen in (single, single[1:3], tuple(single[-1:]), [], single * 20):
            headers = tuple(sample.register for sample in chosen)
            given = type(chosen)(sample.given for sample in chosen)
            yield Sample(given, Headers(headers), len(chosen))  # type: ignore[arg-type]

    def _segments(self) -> Iterator[Sample]:
        for sizes in ((5, 4096), (3,), ()):
            parts: list[Any] = [distinct(size, k) for k, size in enumerate(sizes)]
            parts[1:] = map(bytearray, parts[1:])
            given = [(part, 2**63 + k, Index(k)) for k, part in enumerate(parts)]
            items = ((Pointer(bytes(p)), len(p), 2**63 + k, k) for k, p in enumerate(parts))
            yield Sample(given, Segments(tuple(items)), len(parts))

    def _timespecs(self, value: Value) -> Iterator[Sample]:
        for given, seconds, nanoseconds in (
            (7 + value.index, 7 + value.index, 0),
            (2.5, 2, 500_000_000),
            (pysyscall.Timespec(3, 4), 3, 4),
            (-0.25, -1, 750_000_000),
            (2**62, 2**62, 0),
        ):
            room = 16 if value.kind.direction == "inout" else 0
            content = struct.pack("qq", seconds, nanoseconds)
            yield Sample(given, Pointer(content, room, align=8))

    def _timevals(self, value: Value) -> Iterator[Sample]:
        for given, seconds, microseconds in (
            (7 + value.index, 7 + value.index, 0),
            (2.5, 2, 500_000),
            (1e-9, 0, 1),
            (pysyscall.Timeval(3, 4), 3, 4),
        ):
            content = struct.pack("qq", seconds, microseconds)
            yield Sample(given, Pointer(content, 16, align=8))

    def _fdsets(self, value: Value) -> Iterator[Sample]:
        for fds in ((value.index, 70), (), (0, 1023), (1024,), (5, 63, 64, 50_000)):
            bits = Bits(frozenset(fds), value.length)
            yield Sample(set(fds), bits, max(fds, default=-1) + 1)
        given = (fd for fd in (File(9), Index(3), 3))
        yield Sample(given, Bits(frozenset({3, 9}), value.length), 10)

    def _packed(self, signals: Iterable[int]) -> Sample:
        mask = sum(1 << number - 1 for number in signals)
        return Sample(signals, Packed(mask.to_bytes(SIGSET, "little")))

    def _messages(self, value: Value, direction: str) -> Iterator[Sample]:
        if direction == "in":
            for kind, text in ((1, b"text"), (2**63 - 1, bytearray(9000)), (-1, b"")):
                content = struct.pack("q", kind) + text
                yield Sample((kind, text), Pointer(content, align=8), len(text))
        else:
            for size in (100 + value.index, 0, 4088, 4089, 70_000):
                yield Sample(size, Pointer(size=size + 8, align=8), size)

    def _pointers(self, value: Value) -> Iterator[Sample]:
        assert value.struct is not None
        cls = getattr(pysyscall, value.struct.name)
        objects = [cls.from_bytes(filled(value.struct, value.index + k)) for k in range(30)]
        for given in (objects[:2], tuple(objects), []):
            items = tuple(Pointer(bytes(o), address=address_of(o)) for o in given)
            yield Sample(given, Pointers(items), len(given))

    def _sigset(self, signals: Iterable[int]) -> Sample:
        held = list(signals)
        mask = sum(1 << number - 1 for number in set(held))
        # An iterator is used up by the call, but every call is made in a child of its own.
        given = iter(held) if isinstance(signals, Iterator) else signals
        return Sample(given, Pointer(mask.to_bytes(SIGSET, "little"), align=8))

    def _siginfos(self, value: Value) -> Iterator[Sample]:
        for name in ("Siginfo", *self.siginfo.structs):
            content = filled(self.structs[name], value.index)
            yield Sample(getattr(pysyscall, name).from_bytes(content), Pointer(content, align=8))

    def _actions(self) -> Iterator[Sample]:
        """Those that need no queue: its handler's address is nobody's business."""
        for given, words in (
            (pysyscall.SIG_IGN, (1, 0, 0, 0)),
            (0, (0, 0, 0, 0)),
            (pysyscall.SignalAction(1, 0x1234_5678, {1, 64}), (1, 0x1234_5678, 0, 1 << 63 | 1)),
            (pysyscall.SignalAction(pysyscall.SIG_DFL, 2**64 - 1, [2], 8), (0, 2**64 - 1, 8, 2)),
        ):
            yield Sample(given, Pointer(struct.pack("QQQQ", *words), align=8))

    def _argvs(self, value: Value) -> Iterator[Sample]:
        for given in (
            [value.name, b"/\xff", "é", Path("/a/b")],
            (value.name,),
            [],
            ["", b""],
            [f"argument {k}" for k in range(300)],
        ):
            yield Sample(given, Strings(tuple(map(os.fsencode, given))))

    def _envps(self, value: Value) -> Iterator[Sample]:
        for given in (
            {"A": value.name, "É": "é=1", "EMPTY": ""},
            {b"A": b"\xff"},
            {},
            MappingProxyType({f"NAME{k}": str(k) for k in range(300)}),
        ):
            pairs = [os.fsencode(name) + b"=" + os.fsencode(text) for name, text in given.items()]
            yield Sample(given, Strings(tuple(pairs)))

    def _cpuset(self, cpus: Iterable[int]) -> Sample:
        mask = sum(1 << cpu for cpu in cpus)
        size = 8 * (max(cpus) // 64 + 1)
        return Sample(cpus, Pointer(mask.to_bytes(size, "little"), align=8), size)

    def _nodemask(self, nodes: Iterable[int]) -> Sample:
        held = list(nodes)
        if not held:
            return Sample(nodes, Word(0), 0)
        content = bitmask(held)
        given = iter(held) if isinstance(nodes, Iterator) else nodes
        return Sample(given, Pointer(content, align=8), 8 * len(content) + 1)

    def _addresses(self, value: Value) -> Iterator[Sample]:
        for layout in self.sockaddrs:
            for size in {layout.size, layout.minimum, (layout.size + layout.minimum) // 2}:
                content = distinct(size, value.index)
                address = getattr(pysyscall, layout.name).from_bytes(content)
                yield Sample(address, Pointer(content), size)

    def _followed(
        self, value: Value, layout: structs.Struct, item: structs.Struct
    ) -> Iterator[Sample]:
        """A struct with an array behind it, as long as one of its fields says."""
        assert value.kind.follower is not None
        field = layout.field(value.kind.follower.count.rpartition(" of ")[2])
        for count in (0, 3, 500):
            content = bytearray(filled(layout, value.index + count))
            content[field.offset : field.offset + field.size] = count.to_bytes(field.size, "little")
            head = getattr(pysyscall, layout.name).from_bytes(content)
            room = layout.size + count * item.size
            if value.kind.follower.direction == "out":
                yield Sample(head, Pointer(bytes(content), size=room, align=8))
            else:
                items = [filled(item, k) for k in range(count)]
                given = map(getattr(pysyscall, item.name).from_bytes, items)
                whole = bytes(content) + b"".join(items)
                # The count follows from the sequence.
                yield Sample(
                    (head.replace(**{field.name: 7}), list(given)),
                    Pointer(whole, size=room, align=8),
                )

    def _structs(self, value: Value, layout: structs.Struct) -> Iterator[Sample]:
        cls = getattr(pysyscall, layout.name)
        contents = [filled(layout, value.index + k) for k in range(4)]
        objects = [cls.from_bytes(content) for content in contents]
        tuples = [tuple(getattr(o, name) for name in cls.__match_args__) for o in objects]
        from_tuples = [without_padding(layout, content) for content in contents]
        match value.kind.direction, bool(value.kind.count):
            case "out", False:
                given = True if value.kind.asked else OMITTED
                yield Sample(given, Pointer(size=layout.size, align=8), layout.size)
            case "out", True if value.length < 0:
                # As many as a struct before it says: at least room for one.
                items = int(value.kind.count) if value.kind.count.isdigit() else 1
                yield Sample(OMITTED, Pointer(size=layout.size * items, align=8))
            case "out", True:
                room = Pointer(size=layout.size, times=value.length, align=8)
                for count in (1, 3, 4000):
                    yield Sample(count, room, count)
            case "in", False:
                for given, content in ((objects[0], contents[0]), (tuples[0], from_tuples[0])):
                    yield Sample(given, Pointer(content, align=8), layout.size)
            case "inout", False:
                for given, content in ((objects[0], contents[0]), (tuples[0], from_tuples[0])):
                    room = Pointer(content, size=layout.size, align=8)
                    yield Sample(given, room, layout.size)
            case "in", True if value.kind.count.isdigit():
                items = int(value.kind.count)
                for given, content in (
                    (objects[:items], contents[:items]),
                    (tuple(tuples[:items]), from_tuples[:items]),
                    ([*tuples[1:items], objects[0]], [*from_tuples[1:items], contents[0]]),
                ):
                    yield Sample(given, Pointer(b"".join(content), align=8))
            case direction, True:
                size = layout.size if direction == "inout" else 0
                for given, content in (
                    (objects[:2], contents[:2]),
                    ([objects[0], *tuples[1:]], [contents[0], *from_tuples[1:]]),
                    ([], []),
                ):
                    array = Pointer(b"".join(content), size, value.length, align=8)
                    yield Sample(given, array, len(given))
            case _:
                raise NotImplementedError(
                    f"no samples for '{value.kind}' of argument '{value.name}'"
                )

    def _cells_in(self, value: Value) -> Iterator[Sample]:
        code = CELLS[value.rule.cell]
        low, high = kinds.S64 if code == "q" else value.range
        items = int(value.kind.count or 1)
        size = struct.calcsize(code) * items if value.kind.direction == "inout" else 0
        for number in ((0x1234_5678_9ABC_DE00 + value.index) & high, 0, low, high):
            numbers = [number, *range(items - 1)]
            content = struct.pack(f"{items}{code}", *numbers)
            given = numbers if items > 1 else number
            yield Sample(given, Pointer(content, size, align=struct.calcsize(code)))

    def _programs(self, value: Value) -> Iterator[Sample]:
        for count in (0, 1, 300):
            content = distinct(8 * count, value.index)
            filters = [
                pysyscall.SockFilter.from_bytes(content[k : k + 8]) for k in range(0, 8 * count, 8)
            ]
            yield Sample(filters, Program(count, Pointer(content)))
            yield Sample(bytearray(content), Program(count, Pointer(content)))

    def _regsets(self, value: Value, direction: str) -> Iterator[Sample]:
        samples = self._buffers_in(value) if direction == "in" else self._buffers_out(value)
        for sample in samples:
            assert isinstance(sample.register, Pointer)
            assert isinstance(sample.length, int)
            yield Sample(sample.given, Vector(((sample.register, sample.length),)))

    def _anything(self, value: Value) -> Iterator[Sample]:
        """What a command takes of which the table knows nothing."""
        own = bytearray(20 if not value.rule.copied else 4096)
        for number in (0, 1, -1, 2**63 - 1, -(2**63), 2**64 - 1):
            yield Sample(number, Word(number))
        yield Sample(Index(77), Word(77))
        yield Sample(None, Word(0))
        yield Sample(own, Pointer(size=len(own), address=address_of(own)), len(own))
        if value.rule.copied:
            # With room behind it, in which the kernel may write more than it should.
            yield Sample(bytearray(b"abc"), Pointer(b"abc" + bytes(4093), size=4096), 3)
        for content in (b"", distinct(30, value.index), distinct(5000, value.index)):
            # A copy, which the kernel may change.
            yield Sample(content, Pointer(content, size=len(content)), len(content))

    def _items_in(self, value: Value) -> Iterator[Sample]:
        code = CELLS[value.rule.cell]
        low, high = value.range
        for given in ([5 + value.index, 6], (low, high), [], [Index(7)], range(3000)):
            content = struct.pack(f"{len(given)}{code}", *given)
            yield Sample(given, Pointer(content, align=struct.calcsize(code)), len(given))

    def _cells_out(self, value: Value) -> Sample:
        size = struct.calcsize(CELLS[value.rule.cell])
        if value.length >= 0:
            return Sample(OMITTED, Pointer(size=size, times=value.length, align=size), AtLeast(1))
        return Sample(OMITTED, Pointer(size=size * int(value.kind.count or 1), align=size))

    def cases(self, call: Call) -> Iterator[Case]:
        """Ways to make a call: every sample, by position and by name, and what can be left out."""
        everything = {value.index: value for value in (*call.values, *call.options)}
        samples = {i: self.samples(value) for i, value in everything.items()}
        given = {value.index: samples[value.index] for value in call.parameters}
        rounds = max((len(found) for found in given.values()), default=1)
        # Neighbours of the same kind take different samples in the same round.
        chosen = [
            {i: found[(k + i) % len(found)] for i, found in given.items()} for k in range(rounds)
        ]
        for choice in chosen:
            yield self._case(call, choice, samples)
        if not given:
            return
        yield self._case(call, chosen[0], samples, positional=0)
        needed = {i: s for i, s in chosen[0].items() if not everything[i].default}
        defaulted = {i: s for i, s in chosen[0].items() if everything[i].default}
        if defaulted:
            yield self._case(call, needed, samples)
        if len(defaulted) > 1:
            for i, sample in defaulted.items():
                yield self._case(call, needed | {i: sample}, samples, positional=len(needed))
        for value in call.parameters:
            if value.condition is not None:
                flags = call.signature.index(value.condition.argument)
                for bits in decisive(masks_of(value)):
                    choice = needed | {flags: Sample(bits, Word(bits))}
                    yield self._case(call, choice, samples)

    def _case(
        self,
        call: Call,
        choice: Mapping[int, Sample],
        samples: Mapping[int, list[Sample]],
        positional: int = 6,
    ) -> Case:
        """The case of one choice, of which the first `positional` are not given by name."""
        made: dict[int, Sample] = {}
        for value in call.values:
            if value.parameter:
                made[value.index] = choice.get(value.index) or self._left_out(
                    call, value, choice, samples[value.index]
                )
            elif samples[value.index]:
                made[value.index] = samples[value.index][0]
        registers: dict[int, Expectation] = {i: sample.register for i, sample in made.items()}
        lengths: dict[int, int | Expectation] = {}
        for i, sample in made.items():
            if (carrier := call.values[i].length) >= 0:
                other = lengths.get(carrier, 0)
                both = isinstance(other, int) and isinstance(sample.length, int)
                lengths[carrier] = max(other, sample.length) if both else sample.length
        for carrier, length in lengths.items():
            registers[carrier] = length_register(call.values[carrier], length)
        for option in call.options:
            room = choice[option.index].given if option.index in choice else option.fallback
            message = next(
                i for i, register in registers.items() if hasattr(register, "with_control")
            )
            if room:
                for value in call.values:
                    if value.added:
                        registers[value.index] = Word(
                            made[value.index].register.value | value.added
                        )
                registers[message] = registers[message].with_control(room)  # type: ignore[attr-defined]
        # Registers that the call does not use are zero.
        unused = dict.fromkeys(range(len(call.values), 6), Word(0))
        expected = tuple(expectation for _, expectation in sorted((registers | unused).items()))
        if len(expected) != 6:
            raise NotImplementedError(f"{call.name}: not all of its registers have a sample")
        values = [v for v in call.parameters if v.index in choice]
        positional = min(positional, len([v for v in values if v not in call.options]))
        args = tuple(choice[v.index].given for v in values[:positional])
        kwargs = {v.parameter: choice[v.index].given for v in values[positional:]}
        return Case(args, kwargs, expected)

    def _left_out(
        self, call: Call, value: Value, choice: Mapping[int, Sample], samples: list[Sample]
    ) -> Sample:
        """What stands for an argument that is left out."""
        if value.kind.word == "records":
            room = Pointer(size=1, times=value.length, align=8)
            return Sample(OMITTED, room, value.fallback)
        if value.default == "None":
            return next(sample for sample in samples if sample.given is None)
        holds = True
        if value.condition is not None:
            flags = choice[call.signature.index(value.condition.argument)].given
            holds = any(flags & mask == mask for mask in masks_of(value))
        return Sample(OMITTED, Word(value.fallback if holds else 0))


def masks_of(value: Value) -> list[int]:
    """What a conditional default depends on: all bits of one of these."""
    assert value.condition is not None
    return [getattr(pysyscall, name).value for name in value.condition.bits]


def length_register(carrier: Value, length: int | Expectation) -> Expectation:
    """What the register holds that carries a length, or points at it."""
    if not isinstance(length, int):
        return length
    if carrier.rule.pointer:
        return Pointer(struct.pack("i", length), size=4, align=4)
    return Word(length)


def bits_of(mask: int) -> list[int]:
    return [1 << k for k in range(mask.bit_length()) if mask >> k & 1]


def decisive(masks: Iterable[int]) -> set[int]:
    """Flags with and without all bits of a mask, alone and among all others."""
    others = kinds.S32[1] & ~reduce(or_, masks)
    flags = {0, others}
    for mask in masks:
        flags |= {mask, mask | others}
        flags |= {mask & ~bit | rest for bit in bits_of(mask) for rest in (0, others)}
    return flags
