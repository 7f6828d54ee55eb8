"""The calls that set ids, for all threads of the process at once.

To the kernel ids belong to a thread: `pysyscall.setuid` changes the caller's alone, and the other
threads keep theirs, with the rights that go with them. libc's functions make every thread of the
process do the same call, by a signal of libc's own; these are they, under their names, as `os` has
them too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from pysyscall.calls._arguments import refusal

_LARGEST = 2**32 - 1


def setuid(uid: int) -> None:
    """Set the effective user id; for root the real and saved ones too."""
    _set("setuid", uid=uid)


def seteuid(euid: int) -> None:
    """Set the effective user id."""
    _set("seteuid", euid=euid)


def setreuid(ruid: int, euid: int) -> None:
    """Set the real and the effective user id; -1 leaves one as it is."""
    _set("setreuid", ruid=ruid, euid=euid)


def setresuid(ruid: int, euid: int, suid: int) -> None:
    """Set the real, effective and saved user ids; -1 leaves one as it is."""
    _set("setresuid", ruid=ruid, euid=euid, suid=suid)


def setgid(gid: int) -> None:
    """Set the effective group id; for root the real and saved ones too."""
    _set("setgid", gid=gid)


def setegid(egid: int) -> None:
    """Set the effective group id."""
    _set("setegid", egid=egid)


def setregid(rgid: int, egid: int) -> None:
    """Set the real and the effective group id; -1 leaves one as it is."""
    _set("setregid", rgid=rgid, egid=egid)


def setresgid(rgid: int, egid: int, sgid: int) -> None:
    """Set the real, effective and saved group ids; -1 leaves one as it is."""
    _set("setresgid", rgid=rgid, egid=egid, sgid=sgid)


def setgroups(list: Iterable[int]) -> None:
    """Set the supplementary group ids."""
    if isinstance(list, str | bytes) or not hasattr(type(list), "__iter__"):
        raise refusal("setgroups", "list", "an iterable of ints", list)
    groups = [_id("setgroups", "list", group) for group in list]
    sys.audit("pysyscall.call", "setgroups", (groups,))
    os.setgroups(groups)


def _set(name: str, **ids: int) -> None:
    """os makes libc's call, and all that it does beyond is to convert and to raise."""
    values = [_id(name, argument, value) for argument, value in ids.items()]
    sys.audit("pysyscall.call", name, tuple(values))
    getattr(os, name)(*values)


def _id(name: str, argument: str, value: int) -> int:
    if not isinstance(value, int):
        raise refusal(name, argument, "an int", value)
    if not -1 <= value <= _LARGEST:
        told = value if value.bit_length() <= 64 else "an int too large"
        raise OverflowError(
            f"{name}() argument '{argument}' must be in [-1, {_LARGEST}], not {told}"
        )
    return int(value)


__all__ = [
    "setegid",
    "seteuid",
    "setgid",
    "setgroups",
    "setregid",
    "setresgid",
    "setresuid",
    "setreuid",
    "setuid",
]
