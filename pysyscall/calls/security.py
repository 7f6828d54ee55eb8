"""Capabilities of threads, and attributes that the security modules keep of the caller."""

from __future__ import annotations

import errno
import struct
from array import array
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from pysyscall._fast import CapUserData, CapUserHeader, LsmCtx
from pysyscall.calls._arguments import buffer, integer, refusal
from pysyscall.calls._kernel import enter
from pysyscall.flags import LINUX_CAPABILITY_VERSION_3, Capability, LsmFlag

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed import ReadableBuffer

    from pysyscall.flags import LsmAttr, LsmId

_HEAD = len(bytes(LsmCtx()))
_ROOM = 4096
_NAMED = {int(capability): capability for capability in Capability}
_SETS = ("effective", "permitted", "inheritable")


class CapabilitySets(NamedTuple):
    """The three capability sets of a thread; `capset` takes them in this order."""

    effective: set[Capability | int]
    """What it may do now."""
    permitted: set[Capability | int]
    """What it may make effective."""
    inheritable: set[Capability | int]
    """What a program that it executes may get."""


def capget(pid: int = 0) -> CapabilitySets:
    """`capget(pid=0)`: get a thread's capabilities.

    Args:
        pid: a thread id; 0 is the caller.

    Returns:
        `CapabilitySets`: three sets of `Capability`, and of ints for capabilities without a name.

    Raises:
        OSError: EFAULT, EINVAL, EPERM, ESRCH.

    Source: the man page capget(2).
    """
    room = bytearray(CapUserData())
    enter("capget", _header(integer("capget", "pid", pid, "int")), room)
    data = CapUserData.from_bytes(room)
    return CapabilitySets(
        *(_members(getattr(data, name) | getattr(data, f"{name}_high") << 32) for name in _SETS)
    )


def capset(effective: Iterable[int], permitted: Iterable[int], inheritable: Iterable[int]) -> None:
    """`capset(effective, permitted, inheritable)`: set the calling thread's capabilities.

    Args:
        effective: what it may do now (an iterable of `Capability` or ints).
        permitted: what it may make effective (the same).
        inheritable: what a program that it executes may get (the same).

    Returns:
        None.

    Raises:
        OSError: EFAULT, EINVAL, EPERM.
        ValueError: a number outside of [0, 63].

    It acts on the calling thread alone. A capability that is given up does not come back.

    Danger:
        The interpreter's other threads keep their capabilities; without one that the program
        needs, later calls fail.

    Source: the man page capset(2).
    """
    given = zip(_SETS, (effective, permitted, inheritable), strict=True)
    masks = [_mask(name, capabilities) for name, capabilities in given]
    halves = ((mask & 0xFFFFFFFF for mask in masks), (mask >> 32 for mask in masks))
    enter("capset", _header(0), CapUserData(*chain(*halves)))


def _header(pid: int) -> bytearray:
    """A copy, because the kernel writes the version that it knows where it does not know this."""
    return bytearray(CapUserHeader(LINUX_CAPABILITY_VERSION_3, pid))


def _members(mask: int) -> set[Capability | int]:
    return {_NAMED.get(bit, bit) for bit in _bits(mask)}


def _bits(mask: int) -> Iterator[int]:
    return (bit for bit in range(mask.bit_length()) if mask >> bit & 1)


def _mask(name: str, capabilities: Iterable[int]) -> int:
    if isinstance(capabilities, str) or not hasattr(type(capabilities), "__iter__"):
        raise refusal("capset", name, "an iterable of capabilities", capabilities)
    mask = 0
    for item in capabilities:
        if not isinstance(item, int):
            raise TypeError(f"capset() argument '{name}' must hold ints, not {type(item).__name__}")
        if not 0 <= item < 64:
            raise ValueError(f"capset() argument '{name}' must hold numbers in [0, 63]")
        mask |= 1 << item
    return mask


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
