"""Any system call by name or number, with errors raised: for calls without a typed function."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pysyscall import raw

if TYPE_CHECKING:
    from pysyscall.raw import Argument


def syscall(call: int | str, /, *args: Argument) -> int:
    """`syscall(call, *args)`: make any system call by name or number; an error raises OSError.

    Args:
        call: a name (`"getpid"`), a number or a Sysno.
        args: as for `pysyscall.raw.syscall`.

    Returns:
        What the kernel returned, which is no error.

    Raises:
        OSError: the kernel's errno.
        LookupError: there is no call of that name.
        TypeError, OverflowError: as for `pysyscall.raw.syscall`.

    Source: the man page syscall(2).
    """
    if isinstance(call, str):
        from pysyscall.table import lookup

        call = lookup(call).number
    result = raw.syscall(call, *args)
    if -4095 <= result < 0:
        raise OSError(-result, os.strerror(-result))
    return result
