"""Read `structs/*.toml`: the memory layout of the structs behind pointers.

A field is written `type[items] Enum`: the enumeration tells how the value is shown. Offsets follow
from the order by the C ABI's rules. Fields that begin with `__` are padding: kept, never shown.
`buffer length` is the address of a buffer that the object holds, whose size goes to field `length`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tables.enums import Enum
from tables.rows import TableError

FOLDER = Path(__file__).with_name("structs")

# Type word to (C field type, size of one, alignment, Python type).
_TYPES = {
    **{f"u{8 * n}": (f"FIELD_U{8 * n}", n, n, "int") for n in (1, 2, 4, 8)},
    **{f"s{8 * n}": (f"FIELD_S{8 * n}", n, n, "int") for n in (1, 2, 4, 8)},
    "be16": ("FIELD_BE16", 2, 2, "int"),
    "be32": ("FIELD_BE32", 4, 4, "int"),
    "fd": ("FIELD_FD", 4, 4, "int"),
    "buffer": ("FIELD_BUFFER", 8, 8, "int"),
    "ipv4": ("FIELD_IPV4", 4, 4, "str"),
    "ipv6": ("FIELD_IPV6", 16, 4, "str"),
}
# The same for types whose bracket is their size in bytes.
_SIZED = {
    "text": ("FIELD_TEXT", "str"),
    "bytes": ("FIELD_BYTES", "bytes"),
    "tail": ("FIELD_TAIL", "bytes"),
    "sun_path": ("FIELD_SUN_PATH", "str | bytes"),
}
# What a field can be shown as beside an enumeration's members. An address is a pointer in C.
_SHOWN = ("uid", "gid", "pid", "dev", "address", "sigset")
_FIELD = re.compile(r"(\w+)(?:\[(\d+)\])?(?: (\w+))?")
_COMPUTED = re.compile(r"(seconds|nanoseconds) of (\w+) \+ (\w+) / 1e([69])")
_KEYS = frozenset(
    {"doc", "c", "c_names", "headers", "newer", "size", "packed", "minimum", "grows"}
    | {"sizes_itself", "sizes_tail", "record", "read_as"}
    | {"family", "arguments", "sequence", "fields", "computed"}
)


@dataclass(frozen=True, slots=True)
class Field:
    """A stored field, at its offset."""

    name: str
    type: str
    """As the file has it: `u32`, `text`, a struct's name."""
    engine: str
    """`enum field_type` of csrc/structs.h."""
    offset: int
    size: int
    """Of one item, in bytes."""
    items: int
    enum: str
    python: str
    c_name: str
    """The C member, for the compiled check; empty where there is none."""
    length: str = ""
    """Of a buffer: the field that gets its size."""

    @property
    def holds(self) -> bool:
        """Whether it takes the buffer that it points at, and keeps it alive."""
        return self.engine == "FIELD_ADDRESS" and self.items == 1

    @property
    def hidden(self) -> bool:
        return self.name.startswith("__")


@dataclass(frozen=True, slots=True)
class Computed:
    """A value made from two stored fields: seconds and their fraction."""

    name: str
    unit: str
    whole: str
    fraction: str
    per_second: int

    @property
    def python(self) -> str:
        return "float" if self.unit == "seconds" else "int"


@dataclass(frozen=True, slots=True)
class Struct:
    name: str
    area: str
    doc: str
    c: str
    headers: tuple[str, ...]
    size: int
    minimum: int
    packed: bool
    grows: bool
    """Later kernels have it longer, and earlier ones shorter: down to `minimum` bytes."""
    size_field: str
    """The field that tells its size, or that of what follows `size_from`; empty where none does."""
    size_from: int
    record: str
    """Of a record, one of many side by side: the field that tells its length."""
    read_as: str
    """The struct that Python gets in place of this one."""
    family: int | None
    """Of a socket address; 0 for any; None for what is no socket address."""
    align: int
    fields: tuple[Field, ...]
    computed: tuple[Computed, ...]
    arguments: tuple[str, ...]
    """The fields in the order in which the constructor takes them."""
    sequence: tuple[str, ...]
    newer: frozenset[str]

    def field(self, name: str) -> Field:
        return next(field for field in self.fields if field.name == name)


def load(enums: dict[str, Enum], folder: Path = FOLDER) -> dict[str, Struct]:
    """Every struct in the folder, by name; TableError for what is not as it must be."""
    structs: dict[str, Struct] = {}
    members = {member.name: member.value for enum in enums.values() for member in enum.members}
    for path in sorted(folder.glob("*.toml")):
        try:
            tables = tomllib.loads(path.read_text())
        except tomllib.TOMLDecodeError as error:
            raise TableError(f"{path.name}: {error}") from None
        for name, body in tables.items():
            try:
                if name in structs or name in enums:
                    raise TableError("the name is taken")
                structs[name] = _struct(name, path.stem, body, structs, enums, members)
            except (TableError, KeyError) as error:
                text = f"lacks {error}" if isinstance(error, KeyError) else str(error)
                raise TableError(f"{path.name}: struct {name}: {text}") from None
    return structs


def _struct(
    name: str,
    area: str,
    body: dict[str, Any],
    structs: dict[str, Struct],
    enums: dict[str, Enum],
    members: dict[str, int],
) -> Struct:
    if unknown := body.keys() - _KEYS:
        raise TableError(f"unknown key '{min(unknown)}'")
    packed = body.get("packed", False)
    c_names = body.get("c_names", {})
    fields = tuple(_fields(body["fields"], c_names, packed, structs, enums))
    align = 1 if packed else max(_alignment(field, structs) for field in fields)
    end = fields[-1].offset + fields[-1].size * fields[-1].items
    size = -(-end // align) * align
    if size != body["size"]:
        raise TableError(f"its fields take {size} bytes, but its size is given as {body['size']}")
    shown = [field.name for field in fields if not field.hidden]
    arguments = tuple(body.get("arguments", ()))
    computed = tuple(_computed(body.get("computed", {}), shown))
    known = {*shown, *(value.name for value in computed)}
    # "all": the struct itself is newer than Debian 12's headers.
    newer = shown if body.get("newer") == "all" else body.get("newer", ())
    named = {"arguments": arguments, "sequence": body.get("sequence", ()), "newer": newer}
    for key, names in named.items():
        for wanted in names:
            if wanted not in known:
                raise TableError(f"{key}: there is no field '{wanted}'")
    size_field, record = (
        body.get("sizes_itself", body.get("sizes_tail", "")),
        body.get("record", ""),
    )
    for name_of_field, widths in ((size_field, {"u32"}), (record, {"u16", "u32", "u64"})):
        if name_of_field and {f.type for f in fields if f.name == name_of_field}.isdisjoint(widths):
            raise TableError(
                f"'{name_of_field}' must be a field of type {', '.join(sorted(widths))}"
            )
    if record and fields[-1].type != "text":
        raise TableError("the last field of a record must be a text")
    family = body.get("family")
    if isinstance(family, str):
        if family not in members:
            raise TableError(f"family: there is no constant '{family}'")
        family = members[family]
    return Struct(
        name=name,
        area=area,
        doc=body["doc"],
        c=body["c"],
        headers=tuple(body["headers"]),
        size=size,
        minimum=body.get("minimum", size),
        packed=packed,
        grows=body.get("grows", False),
        size_field=size_field,
        size_from=fields[-1].offset if "sizes_tail" in body else 0,
        record=record,
        read_as=body.get("read_as", name),
        family=family,
        align=align,
        fields=fields,
        computed=computed,
        arguments=arguments + tuple(field for field in shown if field not in arguments),
        sequence=tuple(body.get("sequence", ())),
        newer=frozenset(newer),
    )


def _alignment(field: Field, structs: dict[str, Struct]) -> int:
    if field.type in structs:
        return structs[field.type].align
    return _TYPES[field.type][2] if field.type in _TYPES else 1


def _fields(
    body: dict[str, str],
    c_names: dict[str, str],
    packed: bool,
    structs: dict[str, Struct],
    enums: dict[str, Enum],
) -> Iterator[Field]:
    offset = 0
    for name, text in body.items():
        match = _FIELD.fullmatch(text)
        if match is None:
            raise TableError(f"field {name}: '{text}' is not `type[items] Enum`")
        word, count, enum = match[1], int(match[2] or 0), match[3] or ""
        length = ""
        if word == "buffer":
            length, enum = enum, "address"
            if length not in body:
                raise TableError(f"field {name}: there is no field '{length}' for its length")
        if enum and enum not in enums and enum not in _SHOWN:
            raise TableError(f"field {name}: there is no enumeration '{enum}'")
        if word in structs:
            nested = structs[word]
            engine, size, align, python = "FIELD_STRUCT", nested.size, nested.align, word
        elif word in _SIZED:
            (engine, python), size, align, count = _SIZED[word], count, 1, 1
            if size == 0:
                raise TableError(f"field {name}: '{word}' needs its size in brackets")
        elif word in _TYPES:
            engine, size, align, python = _TYPES[word]
            if enum == "address" and word == "u64":
                engine = "FIELD_ADDRESS"
        else:
            raise TableError(f"field {name}: '{word}' is no type and no struct above this one")
        if not packed:
            offset = -(-offset // align) * align
        items = count or 1
        if items > 1:
            python = f"tuple[{python}, ...]"
        c_name = c_names.get(name, name)
        yield Field(name, word, engine, offset, size, items, enum, python, c_name, length)
        offset += size * items


def _computed(body: dict[str, str], fields: list[str]) -> Iterator[Computed]:
    for name, text in body.items():
        match = _COMPUTED.fullmatch(text)
        if match is None:
            raise TableError(
                f"computed {name}: '{text}' is not `seconds of whole + fraction / 1e9`"
            )
        for part in (match[2], match[3]):
            if part not in fields:
                raise TableError(f"computed {name}: there is no field '{part}'")
        yield Computed(name, match[1], match[2], match[3], 10 ** int(match[4]))
