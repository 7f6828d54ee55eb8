"""Calls on extended attributes whose value goes through a struct."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pysyscall._fast import XattrArgs
from pysyscall.calls._arguments import buffer, descriptor, integer, text
from pysyscall.calls._kernel import enter
from pysyscall.flags import AT_FDCWD

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike, ReadableBuffer, StrOrBytesPath

    from pysyscall.flags import AtFlag, XattrFlag

_ROOMS = (4096, 65536)
"""Room for a value: nearly any, and the largest that there can be."""


def setxattrat(
    dirfd: FileDescriptorLike | None,
    path: StrOrBytesPath,
    at_flags: AtFlag | int,
    name: str | bytes,
    value: ReadableBuffer,
    flags: XattrFlag | int = 0,
) -> None:
    """`setxattrat(dirfd, path, at_flags, name, value, flags=0)`: set an extended attribute of a
    file relative to a directory.

    Args:
        dirfd: where a relative path starts (a directory's descriptor, or None for the current
            directory).
        path: a path (a str, bytes or os.PathLike); empty, with AT_EMPTY_PATH, for `dirfd` itself.
        at_flags: AT_SYMLINK_NOFOLLOW for a symbolic link itself, AT_EMPTY_PATH (`AtFlag` or an
            int).
        name: its name with its namespace: `user.comment` (a str or bytes).
        value: its value (a bytes-like object).
        flags: XATTR_CREATE or XATTR_REPLACE (`XattrFlag` or an int).

    Returns:
        None.

    Raises:
        OSError: E2BIG, EACCES, EBADF, EDQUOT, EEXIST, EFAULT, EINVAL, ELOOP, ENAMETOOLONG,
            ENODATA, ENOENT, ENOMEM, ENOSPC, ENOTDIR, ENOTSUP, EPERM, ERANGE.

    Source: the man page setxattr(2).
    """
    where = _where("setxattrat", dirfd, path, at_flags, name)
    view = buffer("setxattrat", "value", value)
    options = integer("setxattrat", "flags", flags, "u32")
    args = XattrArgs(view, min(view.nbytes, 2**32 - 1), options)
    enter("setxattrat", *where, args, len(bytes(args)), path=path)


def getxattrat(
    dirfd: FileDescriptorLike | None,
    path: StrOrBytesPath,
    at_flags: AtFlag | int,
    name: str | bytes,
) -> bytes:
    """`getxattrat(dirfd, path, at_flags, name)`: get an extended attribute of a file relative to a
    directory.

    Args:
        dirfd: where a relative path starts (a directory's descriptor, or None for the current
            directory).
        path: a path (a str, bytes or os.PathLike); empty, with AT_EMPTY_PATH, for `dirfd` itself.
        at_flags: AT_SYMLINK_NOFOLLOW for a symbolic link itself, AT_EMPTY_PATH (`AtFlag` or an
            int).
        name: its name with its namespace: `user.comment` (a str or bytes).

    Returns:
        Its value, bytes.

    Raises:
        OSError: E2BIG, EACCES, EBADF, EFAULT, EINVAL, ELOOP, ENAMETOOLONG, ENODATA, ENOENT,
            ENOMEM, ENOTDIR, ENOTSUP, ERANGE.

    Source: the man page getxattr(2).
    """
    where = _where("getxattrat", dirfd, path, at_flags, name)
    for size in _ROOMS:
        room = bytearray(size)
        args = XattrArgs(room, size)
        try:
            used = enter("getxattrat", *where, args, len(bytes(args)), path=path)
        except OSError as error:
            if error.errno != errno.ERANGE or size == _ROOMS[-1]:
                raise
        else:
            return bytes(room[:used])
    raise AssertionError


def _where(
    call: str,
    dirfd: FileDescriptorLike | None,
    path: StrOrBytesPath,
    at_flags: int,
    name: str | bytes,
) -> tuple[int, bytes, int, bytes]:
    return (
        descriptor(call, "dirfd", dirfd, none=AT_FDCWD),
        text(call, "path", path),
        integer(call, "at_flags", at_flags, "u32"),
        text(call, "name", name, "a str or bytes"),
    )
