"""Read `flags/*.toml`: the names that arguments, results and struct fields are made of.

A name's value is written once, in the enumeration that defines it. Another enumeration that takes
the same name lists it under `shares`. The file's name is the area.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tables.rows import TableError

FOLDER = Path(__file__).with_name("flags")

_KEYS = frozenset({"kind", "doc", "headers", "masks", "shares", "members"})
_REQUIRED = ("kind", "doc", "headers")
_ENUM_NAME = re.compile(r"[A-Z][A-Za-z0-9]*")
# Two leading underscores would be mangled in a class body; the kernel uses them for parts of names.
_MEMBER_NAME = re.compile(r"[A-Z][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Member:
    """A name and its value."""

    name: str
    value: int


@dataclass(frozen=True, slots=True)
class Enum:
    """One enumeration. Of members with the same value the first is the one to show.

    `members` are the enumeration's own and then the shared ones, which `shares` names; `headers`
    are C headers that define them. A mask in `masks` covers a field of several bits, whose value
    is one member and not a sum of members (O_RDWR inside O_ACCMODE).
    """

    name: str
    kind: Literal["flag", "enum"]
    doc: str
    area: str
    headers: tuple[str, ...]
    members: tuple[Member, ...]
    masks: tuple[int, ...] = ()
    shares: tuple[str, ...] = ()


def load(folder: Path = FOLDER) -> dict[str, Enum]:
    """Every enumeration in the folder, by name; TableError for what is not as it must be."""
    enums: dict[str, Enum] = {}
    places: dict[str, str] = {}
    defined: dict[str, Member] = {}
    wanted_masks: dict[str, tuple[str | int, ...]] = {}
    for path in sorted(folder.glob("*.toml")):
        for name, body in _tables(path):
            where = f"{path.name}: {name}"
            if name in enums:
                raise TableError(f"{where}: already an enumeration in {enums[name].area}.toml")
            enums[name], wanted_masks[name] = _enum(where, name, path.stem, body)
            for member in enums[name].members:
                if member.name in places:
                    raise TableError(
                        f"{where}.{member.name}: already defined in {places[member.name]}; "
                        f"name it in `shares` instead"
                    )
                places[member.name] = where
                defined[member.name] = member
    if not enums:
        raise TableError(f"{folder}: no enumerations here")
    for name, enum in enums.items():
        where = f"{enum.area}.toml: {name}"
        members = enum.members + _shared(where, enum, defined)
        masks = _masks(where, members, wanted_masks[name])
        enums[name] = replace(enum, members=members, masks=masks)
    return enums


def _tables(path: Path) -> list[tuple[str, dict[str, object]]]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise TableError(f"{path.name}: {error}") from error
    for name, body in data.items():
        if not isinstance(body, dict):
            raise TableError(f"{path.name}: {name}: outside of any enumeration")
    return list(data.items())


def _enum(
    where: str, name: str, area: str, body: dict[str, object]
) -> tuple[Enum, tuple[str | int, ...]]:
    """An enumeration with its own members only, and its masks as they are written."""
    if not _ENUM_NAME.fullmatch(name):
        raise TableError(f"{where}: not a class name like OpenFlag")
    if unknown := sorted(body.keys() - _KEYS):
        raise TableError(f"{where}: unknown key {unknown[0]!r}; known: {', '.join(sorted(_KEYS))}")
    if missing := [key for key in _REQUIRED if key not in body]:
        raise TableError(f"{where}: no {missing[0]!r}")
    kind, doc = body["kind"], body["doc"]
    if kind not in ("flag", "enum"):
        raise TableError(f"{where}: kind is {kind!r}; it is 'flag' or 'enum'")
    if not isinstance(doc, str) or not doc.strip() or "\n" in doc:
        raise TableError(f"{where}: doc is {doc!r}; it is one line of text")
    headers = _strings(where, body, "headers")
    if not headers:
        raise TableError(f"{where}: headers is empty; name the header that defines the members")
    masks = body.get("masks", [])
    if not isinstance(masks, list) or not all(type(mask) in (str, int) for mask in masks):
        raise TableError(f"{where}: masks is {masks!r}; it is a list of member names and numbers")
    if masks and kind != "flag":
        raise TableError(f"{where}: masks are for flags; the kind is {kind!r}")
    members = body.get("members", {})
    shares = _strings(where, body, "shares")
    if not isinstance(members, dict) or not (members or shares):
        raise TableError(f"{where}: members is {members!r}; it is a table of names and values")
    own = tuple(_member(where, kind, *item) for item in members.items())
    return Enum(name, kind, doc, area, headers, own, shares=shares), tuple(masks)


def _member(where: str, kind: str, name: str, value: object) -> Member:
    if not _MEMBER_NAME.fullmatch(name):
        raise TableError(f"{where}.{name}: not a constant's name like O_RDONLY")
    if type(value) is not int:
        raise TableError(f"{where}.{name}: value {value!r} is not an integer")
    if not -(2**63) <= value < 2**64:
        raise TableError(f"{where}.{name}: value {value} does not fit into 64 bits")
    if kind == "flag" and value < 0:
        raise TableError(f"{where}.{name}: value {value} is negative; a flag is a set of bits")
    return Member(name, value)


def _strings(where: str, body: dict[str, object], key: str) -> tuple[str, ...]:
    value = body.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TableError(f"{where}: {key} is {value!r}; it is a list of strings")
    if repeated := [item for item in value if value.count(item) > 1]:
        raise TableError(f"{where}: {repeated[0]} is in {key} twice")
    return tuple(value)


def _shared(where: str, enum: Enum, defined: dict[str, Member]) -> tuple[Member, ...]:
    own = {member.name for member in enum.members}
    for name in enum.shares:
        if name in own:
            raise TableError(f"{where}.{name}: defined here and in `shares`")
        if name not in defined:
            raise TableError(f"{where}.{name}: in `shares`, but no enumeration defines it")
        if enum.kind == "flag" and defined[name].value < 0:
            raise TableError(f"{where}.{name}: the value it shares is negative; a flag is not")
    return tuple(defined[name] for name in enum.shares)


def _masks(
    where: str, members: tuple[Member, ...], wanted: tuple[str | int, ...]
) -> tuple[int, ...]:
    values = {member.name: member.value for member in members}
    masks: list[int] = []
    for mask in wanted:
        if isinstance(mask, str) and mask not in values:
            raise TableError(f"{where}: the mask {mask} is not a member")
        value = values[mask] if isinstance(mask, str) else mask
        if not 0 < value < 2**64:
            raise TableError(f"{where}: the mask {mask} is not a set of bits")
        if any(value & other for other in masks):
            raise TableError(f"{where}: the mask {mask} overlaps another one")
        masks.append(value)
    return tuple(masks)
