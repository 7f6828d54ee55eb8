"""The bare system call: what goes in reaches the kernel as it is, what the kernel says comes back.

Nothing is decoded, nothing is retried and nothing is refused: a wrong pointer or a wrong number
can harm this process. The typed calls in `pysyscall` are the safe way. Audit hooks see
`pysyscall.call` with the number and the arguments.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeAlias

from pysyscall._raw import ffi, lib

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    # Any stands for cffi's pointers, which have no static type.
    Argument: TypeAlias = int | ReadableBuffer | Any | None

_CData = ffi.CData
_syscall6 = lib.syscall6


def _word(position: int, value: object, held: list[object]) -> int:
    """The register for one argument; what must stay alive during the call goes to `held`."""
    if value is None:
        return 0
    if isinstance(value, int):
        number = int(value)
        if not -(2**63) <= number < 2**64:
            raise OverflowError(f"syscall() argument {position} does not fit in 64 bits")
        return number if number < 2**63 else number - 2**64
    if isinstance(value, _CData):
        address = ffi.cast("intptr_t", value)
    else:
        try:
            buffer = ffi.from_buffer(value)
        except TypeError:
            raise TypeError(
                f"syscall() argument {position} must be an int, None, a bytes-like object "
                f"or a cffi pointer, not {type(value).__name__}"
            ) from None
        except BufferError as error:
            raise BufferError(f"syscall() argument {position}: {error}") from None
        held.append(buffer)
        address = ffi.cast("intptr_t", buffer)
    return int(address)


def syscall(nr: int, *args: Argument) -> int:
    """`syscall(nr, *args)`: make any system call and return what the kernel returned.

    Args:
        nr: the call's number (an int in [0, 2**32 - 1]), such as `Sysno.write`.
        args: at most six of int (64 bits), None (0), a bytes-like object or a cffi pointer (its
            address). Registers without an argument are 0.

    Returns:
        The result register; on error an errno as a negative number (-4095 to -1).

    Raises:
        TypeError: more than six arguments, or one of another type.
        OverflowError: a number that does not fit.

    Source: the man page syscall(2).
    """
    if len(args) > 6:
        raise TypeError(f"syscall() takes at most 6 arguments after the number ({len(args)} given)")
    if not isinstance(nr, int):
        raise TypeError(f"syscall() argument 'nr' must be an int, not {type(nr).__name__}")
    if not 0 <= nr < 2**32:
        raise OverflowError(f"syscall() argument 'nr' must be in [0, 2**32 - 1], not {nr}")
    sys.audit("pysyscall.call", nr, args)
    held: list[object] = []
    words = [_word(position, value, held) for position, value in enumerate(args, 1)]
    words += [0] * (6 - len(words))
    result: int = _syscall6(nr, *words)
    return result
