"""Calls on memory that take or fill several arrays."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from operator import index
from typing import SupportsIndex

from pysyscall.calls._kernel import enter
from pysyscall.flags import MPOL_MF_MOVE, MbindFlag


def move_pages(
    pid: int,
    pages: Iterable[SupportsIndex],
    nodes: Iterable[SupportsIndex] | None = None,
    flags: MbindFlag | int = MPOL_MF_MOVE,
) -> tuple[int, list[int]]:
    """`move_pages(pid, pages, nodes=None, flags=MPOL_MF_MOVE)`: move pages of a process to NUMA
    nodes, or tell on which they are.

    Args:
        pid: a process id; 0 is the caller.
        pages: addresses in the process's memory.
        nodes: where each page shall go, as many as pages. None only tells where they are.
        flags: MPOL_MF_MOVE or MPOL_MF_MOVE_ALL (`MbindFlag` or an int).

    Returns:
        (pages that were not moved, list): for each page its node, or a negative errno.

    Raises:
        TypeError: an argument, or an item of one, that is no int.
        OverflowError: an int that the kernel's type does not hold.
        ValueError: not as many nodes as pages.
        OSError: EACCES, EFAULT, EINVAL, ENODEV, EPERM, ESRCH.

    Source: the man page move_pages(2).
    """
    process, how = _array("pid", "i", [pid])[0], _array("flags", "i", [flags])[0]
    addresses = _array("pages", "Q", pages)
    wanted = None if nodes is None else _array("nodes", "i", nodes)
    if wanted is not None and len(wanted) != len(addresses):
        raise ValueError(
            f"move_pages() argument 'nodes' must hold as many nodes as there are pages, "
            f"{len(addresses)}, not {len(wanted)}"
        )
    status = array("i", bytes(4 * len(addresses)))
    count = len(addresses)
    failed = enter("move_pages", process, count, addresses, wanted, status, how)
    return failed, status.tolist()


def _array(name: str, code: str, items: Iterable[SupportsIndex]) -> array[int]:
    """The kernel's array of C ints or addresses."""
    what = f"move_pages() argument '{name}'"
    try:
        numbers = [index(item) for item in items]
    except TypeError as error:
        raise TypeError(f"{what}: {error}") from None
    try:
        return array(code, numbers)
    except OverflowError as error:
        raise OverflowError(f"{what}: {error}") from None
