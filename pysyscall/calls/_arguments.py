"""What typed calls in Python take: one argument to what goes into its register, or an error.

Each function names the call and the argument in what it raises.
"""

from __future__ import annotations

import os
from operator import index
from typing import TYPE_CHECKING

from pysyscall._fast import _address_of as address_of

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike, ReadableBuffer, StrOrBytesPath

_RANGES = {
    "int": (-(2**31), 2**31 - 1),
    "u32": (0, 2**32 - 1),
    "u64": (0, 2**64 - 1),
}


def refusal(call: str, name: str, expected: str, value: object) -> TypeError:
    """The error for a value of another type than the argument takes."""
    kind = "None" if value is None else type(value).__name__
    return TypeError(f"{call}() argument '{name}' must be {expected}, not {kind}")


def integer(call: str, name: str, value: object, kind: str) -> int:
    """An int of the C type `kind`: `int`, `u32` or `u64`."""
    if not hasattr(type(value), "__index__"):
        raise refusal(call, name, "an int", value)
    number = index(value)  # type: ignore[arg-type]
    low, high = _RANGES[kind]
    if not low <= number <= high:
        told = number if -(2**64) < number < 2**64 else "an int too large"
        raise OverflowError(f"{call}() argument '{name}' must be in [{low}, {high}], not {told}")
    return number


def descriptor(
    call: str, name: str, value: FileDescriptorLike | None, none: int | None = None
) -> int:
    """An int or what fileno() tells; `none` is what None stands for, where it may be given."""
    if value is None and none is not None:
        return none
    if hasattr(type(value), "__index__"):
        return integer(call, name, value, "int")
    fileno = getattr(value, "fileno", None)
    if fileno is None:
        or_none = " or None" if none is not None else ""
        raise refusal(call, name, f"an int or an object with fileno(){or_none}", value)
    number = fileno()
    if not isinstance(number, int):
        kind = type(number).__name__
        raise TypeError(
            f"{call}() argument '{name}' must have a fileno() that returns an int, not {kind}"
        )
    return integer(call, name, number, "int")


def text(
    call: str, name: str, value: StrOrBytesPath, expected: str = "a str, bytes or os.PathLike"
) -> bytes:
    """A path or another name in the file-system encoding."""
    if not isinstance(value, str | bytes) and not hasattr(type(value), "__fspath__"):
        raise refusal(call, name, expected, value)
    encoded = os.fsencode(value)
    if b"\0" in encoded:
        raise ValueError(f"{call}() argument '{name}' must not contain a NUL byte")
    return encoded


def buffer(call: str, name: str, value: ReadableBuffer) -> memoryview:
    """The bytes of an object, which stays locked as long as the result lives."""
    try:
        view = memoryview(value)
    except TypeError:
        raise refusal(call, name, "a bytes-like object", value) from None
    if not view.c_contiguous:
        raise BufferError(f"{call}() argument '{name}' must be one contiguous block of memory")
    return view.cast("B") if view.nbytes else memoryview(b"")


__all__ = ["address_of", "buffer", "descriptor", "integer", "refusal", "text"]
