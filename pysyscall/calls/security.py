"""Attributes that the Linux security modules keep of the caller."""

from __future__ import annotations

import errno
import struct
from array import array
from typing import TYPE_CHECKING, NamedTuple

from pysyscall._fast import LsmCtx
from pysyscall.calls._arguments import buffer, integer
from pysyscall.calls._kernel import enter
from pysyscall.flags import LsmFlag

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from pysyscall.flags import LsmAttr, LsmId

_HEAD = len(bytes(LsmCtx()))
_ROOM = 4096


class LsmContext(NamedTuple):
    """An attribute that a security module keeps: `ctx` is its value."""

    id: int
    """The module (`LsmId`)."""
    flags: int
    ctx: bytes


def lsm_get_self_attr(attr: LsmAttr | int, *, lsm: LsmId | int | None = None) -> list[LsmContext]:
    """`lsm_get_self_attr(attr, *, lsm=None)`: get an attribute of the caller from the security
    modules.

    Args:
        attr: which one (`LsmAttr` or an int).
        lsm: the module to ask (`LsmId` or an int); None asks all.

    Returns:
        A list of `LsmContext`, one from each module that has the attribute.

    Raises:
        OSError: EFAULT, EINVAL, ENOMEM, EOPNOTSUPP (no module has it).

    Source: the kernel's documentation of LSM system calls.
    """
    which = integer("lsm_get_self_attr", "attr", attr, "u32")
    flags, first = 0, b""
    if lsm is not None:
        flags = int(LsmFlag.LSM_FLAG_SINGLE)
        first = bytes(LsmCtx(id=integer("lsm_get_self_attr", "lsm", lsm, "u64")))
    room, count = _filled("lsm_get_self_attr", first, flags, which)
    found, at = [], 0
    for _ in range(count):
        head = LsmCtx.from_bytes(room[at : at + _HEAD])
        start = at + _HEAD
        found.append(LsmContext(head.id, head.flags, bytes(room[start : start + head.ctx_len])))
        at += head.len
    return found


def lsm_set_self_attr(attr: LsmAttr | int, lsm: LsmId | int, value: ReadableBuffer) -> None:
    """`lsm_set_self_attr(attr, lsm, value)`: set an attribute of the caller that a security module
    keeps.

    Args:
        attr: which one (`LsmAttr` or an int).
        lsm: the module that keeps it (`LsmId` or an int).
        value: what the module takes, such as a label (a bytes-like object).

    Returns:
        None.

    Raises:
        OSError: E2BIG, EACCES, EFAULT, EINVAL, ENOMEM, EOPNOTSUPP, EPERM.

    It acts on the calling thread alone.

    Source: the kernel's documentation of LSM system calls.
    """
    which = integer("lsm_set_self_attr", "attr", attr, "u32")
    module = integer("lsm_set_self_attr", "lsm", lsm, "u64")
    content = bytes(buffer("lsm_set_self_attr", "value", value))
    padding = bytes(-len(content) % 8)
    head = LsmCtx(id=module, len=_HEAD + len(content) + len(padding), ctx_len=len(content))
    record = bytes(head) + content + padding
    enter("lsm_set_self_attr", which, record, min(len(record), 2**32 - 1), 0)


def lsm_list_modules() -> list[int]:
    """`lsm_list_modules()`: list the security modules that are active.

    Returns:
        Their ids, a list of ints: `LsmId`.

    Raises:
        OSError: EFAULT, EINVAL.

    Source: the kernel's documentation of LSM system calls.
    """
    room, count = _filled("lsm_list_modules", b"", 0)
    return list(array("Q", room[: 8 * count]))


def _filled(call: str, first: bytes, flags: int, *before: int) -> tuple[bytearray, int]:
    """What the kernel fills in behind `first`, and how many items; where there is no room it
    tells how much is needed."""
    needed = _ROOM
    while True:
        room, size = bytearray(first.ljust(needed, b"\0")), bytearray(struct.pack("I", needed))
        try:
            return room, enter(call, *before, room, size, flags)
        except OSError as error:
            (told,) = struct.unpack("I", size)
            if error.errno != errno.E2BIG or told <= needed:
                raise
            needed = told
