"""Numbers that C makes with macros: requests of ioctl, and what FUTEX_WAKE_OP does."""

from __future__ import annotations

import builtins
from typing import Any

# What a request's upper 2 bits say of the memory behind its pointer; then come 14 bits of its size,
# 8 of a letter, 8 of a number.
_WRITE, _READ = 1, 2


def _request(
    name: str, direction: int, type: int | str | bytes, nr: int, size: int | builtins.type[Any]
) -> int:
    letter = type if isinstance(type, int) else ord(type)
    length = size if isinstance(size, int) else _size_of(name, size)
    for what, value, bits in (("type", letter, 8), ("nr", nr, 8), ("size", length, 14)):
        if not 0 <= value < 2**bits:
            raise OverflowError(
                f"{name}() argument '{what}' must be in [0, {2**bits - 1}], not {value}"
            )
    return direction << 30 | length << 16 | letter << 8 | nr


def _size_of(name: str, struct: builtins.type[Any]) -> int:
    from pysyscall import _fast
    from pysyscall._generated.names import STRUCTS

    known = getattr(struct, "__name__", "") in STRUCTS
    if not known or getattr(_fast, struct.__name__) is not struct:
        raise TypeError(f"{name}() argument 'size' must be an int or a struct type, not {struct!r}")
    return len(struct().to_bytes())


def IO(type: int | str | bytes, nr: int) -> int:
    """`IO(type, nr)`: the number of a request that has no memory to read or write.

    Args:
        type: whose request it is, a character or its code.
        nr: which of the requests.

    Returns:
        An int, for `ioctl`.

    Raises:
        OverflowError: a part does not fit into its bits.

    Source: the kernel's macro _IO.
    """
    return _request("IO", 0, type, nr, 0)


def IOR(type: int | str | bytes, nr: int, size: int | builtins.type[Any]) -> int:
    """`IOR(type, nr, size)`: the number of a request through which the kernel writes.

    Args:
        type: whose request it is, a character or its code.
        nr: which of the requests.
        size: of the memory, in bytes; or the struct that is there, such as `Winsize`.

    Returns:
        An int, for `ioctl`.

    Raises:
        OverflowError: a part does not fit into its bits.
        TypeError: `size` is neither an int nor a struct of pysyscall.

    Source: the kernel's macro _IOR.
    """
    return _request("IOR", _READ, type, nr, size)


def IOW(type: int | str | bytes, nr: int, size: int | builtins.type[Any]) -> int:
    """`IOW(type, nr, size)`: the number of a request through which the kernel reads.

    Args:
        type: whose request it is, a character or its code.
        nr: which of the requests.
        size: of the memory, in bytes; or the struct that is there, such as `Winsize`.

    Returns:
        An int, for `ioctl`.

    Raises:
        OverflowError: a part does not fit into its bits.
        TypeError: `size` is neither an int nor a struct of pysyscall.

    Source: the kernel's macro _IOW.
    """
    return _request("IOW", _WRITE, type, nr, size)


def IOWR(type: int | str | bytes, nr: int, size: int | builtins.type[Any]) -> int:
    """`IOWR(type, nr, size)`: the number of a request through which the kernel reads and writes.

    Args:
        type: whose request it is, a character or its code.
        nr: which of the requests.
        size: of the memory, in bytes; or the struct that is there, such as `Winsize`.

    Returns:
        An int, for `ioctl`.

    Raises:
        OverflowError: a part does not fit into its bits.
        TypeError: `size` is neither an int nor a struct of pysyscall.

    Source: the kernel's macro _IOWR.
    """
    return _request("IOWR", _READ | _WRITE, type, nr, size)


def futex_op(op: int, oparg: int, cmp: int, cmparg: int) -> int:
    """`futex_op(op, oparg, cmp, cmparg)`: `val3` of `futex` with FUTEX_WAKE_OP.

    Args:
        op: what to do to the second word: a `FutexWakeOp`, with FUTEX_OP_OPARG_SHIFT where 2 to the
            power of `oparg` is meant.
        oparg: with which number, in [-2048, 2047].
        cmp: how to compare what the word was: a `FutexWakeCmp`.
        cmparg: with which number, in [-2048, 2047].

    Returns:
        An int.

    Raises:
        OverflowError: a part does not fit into its bits.

    Source: the kernel's macro FUTEX_OP.
    """
    for name, value, low, high in (
        ("op", op, 0, 15),
        ("oparg", oparg, -2048, 2047),
        ("cmp", cmp, 0, 15),
        ("cmparg", cmparg, -2048, 2047),
    ):
        if not low <= value <= high:
            raise OverflowError(
                f"futex_op() argument '{name}' must be in [{low}, {high}], not {value}"
            )
    return op << 28 | cmp << 24 | (oparg & 0xFFF) << 12 | cmparg & 0xFFF
