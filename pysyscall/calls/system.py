"""Calls on the machine as a whole that need more than the engine does."""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from typing import TYPE_CHECKING, SupportsIndex

from pysyscall._fast import KexecSegment
from pysyscall.calls._arguments import address_of
from pysyscall.calls._kernel import enter

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_WORD = 2**64


def kexec_load(
    entry: SupportsIndex,
    segments: Iterable[tuple[ReadableBuffer, SupportsIndex, SupportsIndex]],
    flags: SupportsIndex = 0,
) -> None:
    """`kexec_load(entry, segments, flags)`: load the kernel that a reboot or a crash starts.

    Args:
        entry: the physical address at which it starts.
        segments: its parts, 16 at most: tuples of a bytes-like object, the physical address that it
            goes to, and the room there in bytes. None at all unload what is loaded.
        flags: `KexecFlag` or an int.

    Returns:
        None.

    Raises:
        OSError: EADDRNOTAVAIL, EBUSY, EINVAL, ENOMEM, EPERM.
        TypeError, OverflowError: an argument of the wrong type or too large.

    Danger:
        What is loaded takes over the machine.

    Source: the man page kexec_load(2).
    """
    address, bits = _word("'entry'", entry), _word("'flags'", flags)
    buffers, array = [], bytearray()
    try:
        parts = list(segments)
    except TypeError:
        raise TypeError(
            f"kexec_load() argument 'segments' must be an iterable, not {type(segments).__name__}"
        ) from None
    for k, part in enumerate(parts):
        where = f"'segments' item {k}"
        if not isinstance(part, tuple) or len(part) != 3:
            raise TypeError(
                f"kexec_load() argument {where} must be a tuple (bytes-like object, physical "
                f"address, room), not {type(part).__name__}"
            )
        try:
            # Holds the buffer until the call is over.
            buffer = memoryview(part[0])
            at = address_of(buffer)
        except (TypeError, BufferError) as error:
            raise type(error)(f"kexec_load() argument {where}: {error}") from None
        buffers.append(buffer)
        place, room = _word(where, part[1]), _word(where, part[2])
        array += KexecSegment(at, buffer.nbytes, place, room).to_bytes()
    enter("kexec_load", address, len(parts), array, bits)


def _word(where: str, value: SupportsIndex) -> int:
    try:
        number = index(value)
    except TypeError:
        raise TypeError(
            f"kexec_load() argument {where} must be an int, not {type(value).__name__}"
        ) from None
    if not 0 <= number < _WORD:
        raise OverflowError(
            f"kexec_load() argument {where} must be in [0, 2**64 - 1], not {number}"
        )
    return number
