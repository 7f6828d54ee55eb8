"""How a typed call in Python enters the kernel: audited, repeated after a signal, errors raised."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

from pysyscall._fast import _enter
from pysyscall._generated.wrapped import CALLS

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, StrOrBytesPath


def enter(name: str, *args: int | ReadableBuffer | None, path: StrOrBytesPath | None = None) -> int:
    """Make the call `name` with its registers in order, and return what is no error.

    A register is an int, 0 for None, or the address of a buffer.
    An interrupted call is repeated where its row says `retry`; else InterruptedError is raised.
    Python's handlers have run by then. `path` is the file that an error is about.
    """
    number, since, eintr = CALLS[name]
    sys.audit("pysyscall.call", name, args)
    while True:
        result = _enter(number, *args)
        if not -4095 <= result < 0:
            return result
        if result == -errno.EINTR and eintr == "retry":
            continue
        if result == -errno.EINTR and eintr == "done":
            return 0
        raise error_of(name, -result, since, path)


def error_of(name: str, number: int, since: str, path: StrOrBytesPath | None = None) -> OSError:
    """The OSError for an errno of the call `name`."""
    text = os.strerror(number)
    if number == errno.ENOSYS:
        text = f"{text}: {name}() is in Linux since {since}, or a filter forbids it"
    return OSError(number, text) if path is None else OSError(number, text, path)
