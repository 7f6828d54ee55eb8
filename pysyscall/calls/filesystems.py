"""Calls on mounts: what there is to know of one, and which ones there are."""

from __future__ import annotations

import errno
import os
from array import array
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from pysyscall._fast import MntIdReq, Statmount
from pysyscall.calls._arguments import descriptor, integer
from pysyscall.calls._kernel import enter
from pysyscall.flags import LSMT_ROOT, StatmountFlag, StatmountMask

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

    from pysyscall.flags import ListmountFlag

_ALL = int(reduce(or_, StatmountMask))
_FIXED = len(bytes(Statmount()))
_MOST_TEXT = 2**30
_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class MountInfo:
    """What `statmount` tells of a mount: None for what was not asked for or is not there."""

    mask: int
    """Which fields are filled in (`StatmountMask`)."""
    sb_dev_major: int | None = None
    sb_dev_minor: int | None = None
    """The device number of the file system, with `sb_dev_major`."""
    sb_magic: int | None = None
    """What kind of file system it is (`FsMagic`)."""
    sb_flags: int | None = None
    """Those of MS_RDONLY, MS_SYNCHRONOUS, MS_DIRSYNC and MS_LAZYTIME (`MountFlag`)."""
    mnt_id: int | None = None
    """An id that is never used again."""
    mnt_parent_id: int | None = None
    mnt_id_old: int | None = None
    """The id in `/proc/self/mountinfo`."""
    mnt_parent_id_old: int | None = None
    mnt_attr: int | None = None
    """`MountAttrFlag`."""
    mnt_propagation: int | None = None
    """MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE (`MountFlag`)."""
    mnt_peer_group: int | None = None
    mnt_master: int | None = None
    propagate_from: int | None = None
    mnt_root: str | None = None
    """What of the file system is mounted, as a path from its root."""
    mnt_point: str | None = None
    """Where it is mounted, as a path from this process's root."""
    fs_type: str | None = None
    mnt_ns_id: int | None = None
    mnt_opts: str | None = None
    """The file system's options as one text with commas, in which some characters are escaped."""
    fs_subtype: str | None = None
    sb_source: str | None = None
    """A device's path, or what the file system takes in place of one."""
    opt_array: tuple[str, ...] | None = None
    """The file system's options one by one."""
    opt_sec_array: tuple[str, ...] | None = None
    """Those of the security modules."""
    supported_mask: int | None = None
    """What this kernel can fill in (`StatmountMask`)."""
    mnt_uidmap: tuple[tuple[int, int, int], ...] | None = None
    """Ranges of an id-mapped mount, each (first id on the file system, first id here, how many)."""
    mnt_gidmap: tuple[tuple[int, int, int], ...] | None = None


_NUMBERS = {
    StatmountMask.STATMOUNT_SB_BASIC: ("sb_dev_major", "sb_dev_minor", "sb_magic", "sb_flags"),
    StatmountMask.STATMOUNT_MNT_BASIC: (
        *("mnt_id", "mnt_parent_id", "mnt_id_old", "mnt_parent_id_old", "mnt_attr"),
        *("mnt_propagation", "mnt_peer_group", "mnt_master"),
    ),
    StatmountMask.STATMOUNT_PROPAGATE_FROM: ("propagate_from",),
    StatmountMask.STATMOUNT_MNT_NS_ID: ("mnt_ns_id",),
    StatmountMask.STATMOUNT_SUPPORTED_MASK: ("supported_mask",),
}
_TEXTS = {
    StatmountMask.STATMOUNT_MNT_ROOT: "mnt_root",
    StatmountMask.STATMOUNT_MNT_POINT: "mnt_point",
    StatmountMask.STATMOUNT_FS_TYPE: "fs_type",
    StatmountMask.STATMOUNT_MNT_OPTS: "mnt_opts",
    StatmountMask.STATMOUNT_FS_SUBTYPE: "fs_subtype",
    StatmountMask.STATMOUNT_SB_SOURCE: "sb_source",
}
_ARRAYS = {
    StatmountMask.STATMOUNT_OPT_ARRAY: ("opt_array", "opt_num"),
    StatmountMask.STATMOUNT_OPT_SEC_ARRAY: ("opt_sec_array", "opt_sec_num"),
    StatmountMask.STATMOUNT_MNT_UIDMAP: ("mnt_uidmap", "mnt_uidmap_num"),
    StatmountMask.STATMOUNT_MNT_GIDMAP: ("mnt_gidmap", "mnt_gidmap_num"),
}


def statmount(
    mnt_id: int = 0,
    mask: StatmountMask | int = _ALL,
    *,
    mnt_ns_id: int = 0,
    mnt_fd: FileDescriptorLike | None = None,
) -> MountInfo:
    """`statmount(mnt_id=0, mask=..., *, mnt_ns_id=0, mnt_fd=None)`: get what there is to know of a
    mount.

    Args:
        mnt_id: the mount, as `listmount` and statx with STATX_MNT_ID_UNIQUE tell it; 0 with
            `mnt_fd`.
        mask: what to tell (`StatmountMask` or an int); all that there is where it is left out.
        mnt_ns_id: the mount namespace that it is in; 0 is the caller's.
        mnt_fd: a file on the mount in place of its id (an int or an object with fileno(), or
            None). Kernels that do not know this yet answer EINVAL.

    Returns:
        A `MountInfo`: None in fields that were not asked for, or that the kernel does not know.

    Raises:
        OSError: E2BIG, EBADF, EFAULT, EINVAL, ENOENT, ENOMEM, EOVERFLOW, EPERM.

    Source: the man page statmount(2).
    """
    by_fd = mnt_fd is not None
    request = MntIdReq(
        mnt_id=integer("statmount", "mnt_id", mnt_id, "u64"),
        param=integer("statmount", "mask", mask, "u64"),
        mnt_ns_id=integer("statmount", "mnt_ns_id", mnt_ns_id, "u64"),
        mnt_ns_fd=_place("statmount", mnt_fd),
    )
    flags = int(StatmountFlag.STATMOUNT_BY_FD) if by_fd else 0
    size = _FIXED + 1024
    while True:
        room = bytearray(size)
        try:
            enter("statmount", request, room, size, flags)
        except OSError as error:
            if error.errno != errno.EOVERFLOW or size > _MOST_TEXT:
                raise
            size *= 2
        else:
            return _decoded(room)


def _place(call: str, fd: FileDescriptorLike | None) -> int:
    """A descriptor as the unsigned field that holds it."""
    number = descriptor(call, "mnt_fd", fd, none=0)
    if number < 0:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return number


def _decoded(room: bytearray) -> MountInfo:
    fixed, text = Statmount.from_bytes(room[:_FIXED]), bytes(room[_FIXED:])
    found: dict[str, object] = {}
    for bit, names in _NUMBERS.items():
        if fixed.mask & bit:
            found |= {name: getattr(fixed, name) for name in names}
    for bit, name in _TEXTS.items():
        if fixed.mask & bit:
            (found[name],) = _texts(text, getattr(fixed, name), 1)
    for bit, (name, count) in _ARRAYS.items():
        if fixed.mask & bit:
            items = _texts(text, getattr(fixed, name), getattr(fixed, count))
            ids = name in ("mnt_uidmap", "mnt_gidmap")
            found[name] = tuple(tuple(map(int, item.split())) for item in items) if ids else items
    return MountInfo(fixed.mask, **found)  # type: ignore[arg-type]


def _texts(text: bytes, start: int, count: int) -> tuple[str, ...]:
    """So many texts, one behind the other from an offset on, that each end in NUL."""
    return tuple(map(os.fsdecode, text[start:].split(b"\0", count)[:count]))


def listmount(
    mnt_id: int = LSMT_ROOT,
    last_mnt_id: int = 0,
    *,
    mnt_ns_id: int = 0,
    flags: ListmountFlag | int = 0,
) -> list[int]:
    """`listmount(mnt_id=LSMT_ROOT, last_mnt_id=0, *, mnt_ns_id=0, flags=0)`: list the mounts below
    a mount.

    Args:
        mnt_id: the mount below which they are; LSMT_ROOT for all below the process's root.
        last_mnt_id: a mount after which to begin; 0 begins with the first.
        mnt_ns_id: the mount namespace that they are in; 0 is the caller's.
        flags: LISTMOUNT_REVERSE lists the latest first (`ListmountFlag` or an int).

    Returns:
        Their ids, a list of ints. They are never used again, and they are not those in
        `/proc/self/mountinfo`: statx tells them with STATX_MNT_ID_UNIQUE.

    Raises:
        OSError: E2BIG, EFAULT, EINVAL, ENOENT, ENOMEM, EOVERFLOW, EPERM.

    Many are listed by several calls, each from the last id on: what is mounted or unmounted
    meanwhile may be listed or not.

    Source: the man page listmount(2).
    """
    where = integer("listmount", "mnt_id", mnt_id, "u64")
    last = integer("listmount", "last_mnt_id", last_mnt_id, "u64")
    namespace = integer("listmount", "mnt_ns_id", mnt_ns_id, "u64")
    options = integer("listmount", "flags", flags, "u32")
    found: list[int] = []
    while True:
        ids = array("Q", bytes(8 * _AT_ONCE))
        request = MntIdReq(mnt_id=where, param=last, mnt_ns_id=namespace)
        count = enter("listmount", request, ids, _AT_ONCE, options)
        found += ids[:count]
        if count < _AT_ONCE:
            return found
        last = found[-1]
