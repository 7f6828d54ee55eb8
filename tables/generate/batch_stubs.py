"""The stub of `pysyscall.batch`: every fast call again, as a method that records it."""

from __future__ import annotations

import re

from tables.calls import Call, Table
from tables.generate import stubs

_HEAD = '''\
# mypy: disable-error-code="overload-overlap, overload-cannot-match"
# pyright: reportOverlappingOverload=false
"""Many calls in one loop in C: batches, prepared calls, and helpers for bulk."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Mapping as _Mapping
from contextlib import AbstractContextManager
from types import GenericAlias
from typing import Any, Generic, Literal, NoReturn, ParamSpec, Self, SupportsIndex, TypeAlias
from typing import TypeVar, final, overload

from _typeshed import BytesPath, FileDescriptorLike, ReadableBuffer, StrOrBytesPath, StrPath
from _typeshed import WriteableBuffer

from pysyscall._fast import *
from pysyscall._fast import _Siginfo, _SocketAddress, _StructT
from pysyscall.flags import *
from pysyscall.messages import Message

# A Mapping is looked after while a call is made, and only then.
_Address: TypeAlias = SupportsIndex

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)
_P = ParamSpec("_P")

__all__ = [
    "Batch", "Input", "NotRun", "Result", "prepare", "read_files", "stat_many", "write_all"
]

class NotRun(RuntimeError): ...

@final
class Result(Generic[_T_co]):
    @property
    def value(self) -> _T_co | OSError: ...
    def result(self, /) -> _T_co: ...
    def __getitem__(self: Result[tuple[Any, ...]], item: int, /) -> Result[int]: ...
    @classmethod
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...

@final
class Input: ...

def prepare(
    call: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
) -> Callable[[], _T]: ...
def read_files(
    paths: Iterable[StrOrBytesPath], *, threads: int | None = None
) -> list[bytes | OSError]: ...
def stat_many(
    paths: Iterable[StrOrBytesPath],
    mask: StatxMask | int = 2047,
    *,
    dirfd: FileDescriptorLike | None = None,
    flags: AtFlag | int = 0,
    threads: int | None = None,
) -> list[Statx | OSError]: ...
def write_all(fd: FileDescriptorLike, chunks: Iterable[ReadableBuffer]) -> int: ...

class Batch:
    def __new__(cls, *, on_error: Literal["stop", "skip", "continue"] = "stop") -> Self: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None: ...
    def __len__(self, /) -> int: ...
    def group(self) -> AbstractContextManager[None]: ...
    # As `Any` it can be an argument of every kind.
    def input(self, /) -> Any: ...
    @overload
    def run(self, inputs: None = None, /) -> None: ...
    @overload
    def run(self, inputs: Iterable[Any], /) -> list[tuple[Any, ...]]: ...
    def each(self, inputs: Iterable[Any], /) -> Iterator[tuple[Any, ...]]: ...
    @property
    def results(self) -> list[Any]: ...
'''

_PLAIN = frozenset({"KIND_INT", "KIND_FD"})
"""Arguments that are nothing but an integer in a register can be a result."""


def batch(table: Table) -> str:
    """`batch.pyi`."""
    calls = [call for call in table.calls.values() if call.binding == "fast"]
    lines = [_HEAD.rstrip("\n")]
    for call in calls:
        lines += [
            f"    {_method(call, line)}" for line in stubs.declaration(call, table).splitlines()
        ]
    lines += [f"    {alias} = {call.name}" for call in calls for alias in call.aliases]
    return "\n".join(lines) + "\n"


def _method(call: Call, line: str) -> str:
    """A function's line of a stub as a method's."""
    found = re.fullmatch(r"def (\w+)\((.*)\) -> (.*): \.\.\.", line)
    if found is None:
        return line
    name, parameters, result = found.groups()
    plain = {value.parameter for value in call.parameters if value.rule.engine in _PLAIN}
    given = ["self", *(_parameter(text, plain) for text in _split(parameters))]
    return f"def {name}({', '.join(given)}) -> Result[{result}]: ..."


def _parameter(text: str, plain: set[str]) -> str:
    name, _, rest = text.partition(": ")
    annotation, equals, default = rest.partition(" = ")
    # A literal is what chooses a command, which must be known when the call is recorded.
    if name in plain and not annotation.startswith("Literal["):
        annotation += " | Result[int]"
    return f"{name}: {annotation}{equals}{default}" if rest else text


def _split(parameters: str) -> list[str]:
    """At the commas outside of brackets."""
    parts, depth = [""], 0
    for letter in parameters:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]
