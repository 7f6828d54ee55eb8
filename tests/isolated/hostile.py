"""Objects made to break the conversion of arguments, each known by a name or a recipe.

A recipe is plain JSON, so that a failure can be repeated: an int is itself, a str names an entry
of `MAKERS`, and a list is a container by its first item: `["list", 1, "bytearray"]`, or the fields
of a struct: `["fields", "Timespec"]`.
"""

from __future__ import annotations

import array
import enum
import io
import itertools
import mmap
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import pysyscall
from pysyscall._generated.names import STRUCTS

Recipe: TypeAlias = "int | str | list[Recipe]"


class Hostile(Exception):
    """Raised by objects that refuse to be converted."""


class World:
    """The objects of one call: some of them change the others while they are converted."""

    def __init__(self) -> None:
        self.victims: list[Any] = []

    def victim(self, value: Any) -> Any:
        self.victims.append(value)
        return value

    def empty(self) -> None:
        """Shrinks and releases what the call was given, then uses the memory again."""
        for victim in self.victims:
            for change in ("clear", "release", "close"):
                with suppress(Exception):
                    getattr(victim, change)()
        [bytearray(size) for size in (8, 16, 32, 64, 144, 512, 4096)]

    def grow(self) -> None:
        """The same, and makes it larger than it was."""
        self.empty()
        for victim in self.victims:
            with suppress(Exception):
                victim.extend([7] * 5000)

    def make(self, recipe: Recipe) -> Any:
        if isinstance(recipe, int):
            return recipe
        if isinstance(recipe, str):
            return MAKERS[recipe](self)
        kind, *items = recipe
        made = [self.make(item) for item in items]
        if kind == "tuple":
            return tuple(made)
        if kind == "fields":
            return tuple(getattr(made[0], name) for name in made[0].__match_args__)
        return iter(made) if kind == "iterator" else self.victim(made)


def _returns(method: str, value: Any, harm: str = "") -> Callable[[World], Any]:
    """An object whose `method` returns `value`, after it did the world some harm."""

    def make(world: World) -> Any:
        def act(self: object, *_: object) -> Any:
            if harm:
                getattr(world, harm)()
            return value

        return type("Returns", (), {method: act})()

    return make


def _raises(method: str, error: type[BaseException] = Hostile) -> Callable[[World], Any]:
    def make(_: World) -> Any:
        def act(self: object, *_: object) -> Any:
            raise error(method)

        return type("Raises", (), {method: act})()

    return make


class IntLike(int):
    """An int subclass whose every conversion is wrong."""

    def __index__(self) -> int:
        return 1 << 70

    __int__ = __index__

    def __eq__(self, other: object) -> bool:
        raise Hostile("__eq__")

    def __hash__(self) -> int:
        raise Hostile("__hash__")


class Text(str):
    def __str__(self) -> str:
        raise Hostile("__str__")

    def __fspath__(self) -> str:
        raise Hostile("__fspath__")


class Data(bytes):
    def __len__(self) -> int:
        return 1 << 40

    def __bytes__(self) -> bytes:
        raise Hostile("__bytes__")


class Meta(type):
    def __getattr__(cls, name: str) -> Any:
        raise AttributeError(name)


class Typed(metaclass=Meta):
    """Its type answers every question for an attribute with code of its own."""


class Liar(list[Any]):
    """A list that lies about its length, and whose items are not those it yields."""

    def __len__(self) -> int:
        return 1 << 40

    def __iter__(self) -> Iterator[Any]:
        return iter([bytearray(2), 1, None])


class Items:
    """The old sequence protocol, with an end or with an error."""

    def __init__(self, items: list[Any], error: type[Exception] = IndexError) -> None:
        self.items, self.error = items, error

    def __len__(self) -> int:
        return len(self.items) + 3

    def __getitem__(self, index: int) -> Any:
        if index >= len(self.items):
            raise self.error(index)
        return self.items[index]


class Environment(Items):
    """A mapping whose items() returns anything."""

    def __init__(self, items: Any) -> None:
        self.result = items

    def keys(self) -> Any:
        raise Hostile("keys")

    def items(self) -> Any:
        return self.result


class Colour(enum.IntFlag):
    RED = 1


def _failing_generator() -> Iterator[Any]:
    yield bytearray(4)
    raise Hostile("generator")


def _itself(_: World) -> Any:
    items: list[Any] = []
    items.append(items)
    return items


def _released(_: World) -> Any:
    view = memoryview(bytearray(8))
    view.release()
    return view


MAPPINGS = [
    pysyscall.mmap(None, 8192, 3, pysyscall.MAP_PRIVATE | pysyscall.MAP_ANONYMOUS)
    for _ in range(500)
]


def _mapping(_: World) -> Any:
    """One that a call before has closed, if all of them are; none can be made behind a filter."""
    return MAPPINGS.pop() if len(MAPPINGS) > 1 else MAPPINGS[0]


def _closed(_: World) -> Any:
    file = io.BytesIO()
    file.close()
    return file


def _saboteurs(world: World) -> Any:
    """Poll entries that destroy the list they stand in."""
    fd = MAKERS["fileno empties"](world)
    return world.victim([(fd, 1), (fd, 1), (0, 1)])


def _string_saboteurs(world: World) -> Any:
    """The same for the strings of a new program."""
    return world.victim(["a", MAKERS["__fspath__ empties"](world), b"b" * 50, "c"])


def _number_saboteurs(world: World) -> Any:
    return world.victim([1, MAKERS["__index__ empties"](world), 2, 3])


def _message_saboteurs(world: World) -> Any:
    """Control messages that destroy the lists they stand in, and the data."""
    fds = world.victim([0, MAKERS["fileno empties"](world), 1])
    control = world.victim([(1, 1, fds), (1, 2, b"x"), (0, MAKERS["__index__ empties"](world), 3)])
    return pysyscall.Message(world.victim([world.victim(bytearray(9)), b"x"]), control)


VALUES: dict[str, Any] = {
    "None": None,
    "True": True,
    "False": False,
    "Ellipsis": ...,
    "NotImplemented": NotImplemented,
    "object": object(),
    "type": int,
    "function": print,
    "module": io,
    "huge": 10**5000,
    "-huge": -(10**5000),
    "int subclass": IntLike(3),
    "enum": Colour.RED,
    "0.0": 0.0,
    "0.5": 0.5,
    "-1.5": -1.5,
    "1e308": 1e308,
    "nan": float("nan"),
    "inf": float("inf"),
    "-inf": float("-inf"),
    "complex": 1j,
    "Decimal": Decimal("0.5"),
    "Fraction": Fraction(1, 3),
    "empty str": "",
    "str": "a",
    "path": "/nonexistent/path",
    "NUL": "a\0b",
    "long str": "x" * 5000,
    "Latin": "\xe9",
    "emoji": "\U0001f40d",
    "escape": "\udcff",
    "surrogate": "\ud800",
    "str subclass": Text("a"),
    "empty bytes": b"",
    "bytes": b"abcdefgh",
    "NUL bytes": b"a\0b",
    "long bytes": b"x" * 5000,
    "bytes subclass": Data(b"abc"),
    "Path": Path("/nonexistent"),
    "no path": Typed(),
    "range": range(5),
    "long range": range(5000),
    "set": {0, 1},
    "dict": {0: 1},
    "empty tuple": (),
    "2000 buffers": [b""] * 2000,
    "iovec": [bytearray(3), bytearray(5)],
    "readable iovec": [b"abc", memoryview(b"de")],
    "polls": [(0, 1), (1, 4, 0)],
    "2000 polls": [(-1, 1)] * 2000,
    "negative CPUs": [-1, 2**40],
    "signals": [1, 9, 64],
    "wrong signals": {0, 65, -1, 2**70},
    "ids": (0, 2**32 - 1),
    "20000 ids": [7] * 20_000,
    "strings": ["a", b"b", Path("c"), "\xe9"],
    "2000 strings": ["x"] * 2000,
    "wrong strings": ["a\0", 1],
    "environment": {"A": "b", "C": ""},
    "bytes environment": MappingProxyType({b"A": b"\xff"}),
    "wrong environment": {"": "b", "a=b": "c", 1: 2},
    **{name: getattr(pysyscall, name)() for name in STRUCTS},
    "struct type": pysyscall.Ucred,
    "Message": pysyscall.Message(
        [b"ab", b"c"],
        [pysyscall.ControlMessage(1, 1, [0, 1]), (1, 2, (1, 2, 3)), (0, 2, 5), (9, 9, b"x")],
        0,
        pysyscall.SockaddrUn("a"),
    ),
    "SockaddrUn with path": pysyscall.SockaddrUn("a"),
    "Iocb with a buffer": pysyscall.Iocb(aio_buf=bytearray(9)),
    "Timespec too long": pysyscall.Timespec(2**63 - 1, 2**63 - 1),
    "Timespec negative": pysyscall.Timespec(-(2**63), -(2**63)),
}

MAKERS: dict[str, Callable[[World], Any]] = {
    **{name: lambda world, value=value: value for name, value in VALUES.items()},
    "bytearray": lambda world: world.victim(bytearray(16)),
    "empty bytearray": lambda world: world.victim(bytearray()),
    "long bytearray": lambda world: world.victim(bytearray(100_000)),
    "array": lambda world: world.victim(array.array("I", [1, 2, 3])),
    "empty array": lambda world: world.victim(array.array("d")),
    "mmap": lambda world: world.victim(mmap.mmap(-1, 4096)),
    "Mapping": lambda world: world.victim(_mapping(world)),
    "part of a Mapping": lambda world: (world.victim(_mapping(world)), 4096),
    "memoryview": lambda world: world.victim(memoryview(bytearray(64))),
    "read-only view": lambda world: memoryview(b"abc"),
    "strided": lambda world: memoryview(bytearray(8))[::2],
    "reversed": lambda world: memoryview(bytearray(8))[::-1],
    "two-dimensional": lambda world: memoryview(bytearray(8)).cast("B", (2, 4)),
    "released": _released,
    "closed file": _closed,
    "list itself": _itself,
    "lying list": lambda world: world.victim(Liar([1, 2])),
    "sequence": lambda world: Items([bytearray(2), b"x"]),
    "bad sequence": lambda world: Items([1], Hostile),
    "generator": lambda world: (bytearray(n) for n in range(3)),
    "bad generator": lambda world: _failing_generator(),
    "iterator": lambda world: itertools.repeat((0, 1), 3),
    "poll saboteurs": _saboteurs,
    "string saboteurs": _string_saboteurs,
    "number saboteurs": _number_saboteurs,
    "message saboteurs": _message_saboteurs,
    **{
        f"environment of {number}": lambda world, items=items: Environment(items)
        for number, items in enumerate(([("A", "b")], [("A", 1)], [("A",)], [1], (("A", b"b"),), 5))
    },
    "mapping saboteurs": lambda world: world.victim({"A": MAKERS["__fspath__ empties"](world)}),
}
_VARIANTS: dict[str, tuple[Any, ...]] = {
    "fileno": (0, -1, 1 << 40, 10**5000, True, None, "1", 1.5, IntLike(1)),
    "__index__": (3, 1 << 63, 1 << 70, "1", None, IntLike(1)),
    "__fspath__": ("a", b"a", "a\0", "\ud800", 1, None, Text("a")),
    "__iter__": (iter(()), iter([b"x", 5]), 5, None),
    "__len__": (1, -1, 1 << 70),
    "__buffer__": (memoryview(b"abc"), memoryview(bytearray(9)), b"abc", None),
}
LASTING = [
    value
    for value in chain(VALUES.values(), *_VARIANTS.values())
    if value is not None and not (isinstance(value, int) and -5 <= value <= 256)
]
"""What calls get again and again, but for what all the world refers to: None and small numbers."""

for _method, _results in _VARIANTS.items():
    MAKERS[f"{_method} raises"] = _raises(_method)
    MAKERS[f"{_method} raises TypeError"] = _raises(_method, TypeError)
    MAKERS[f"{_method} empties"] = _returns(_method, _results[0], "empty")
    MAKERS[f"{_method} grows"] = _returns(_method, _results[0], "grow")
    for _number, _result in enumerate(_results):
        MAKERS[f"{_method} returns {_number}"] = _returns(_method, _result)
