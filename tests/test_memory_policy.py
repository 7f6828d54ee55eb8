"""Calls on NUMA policies and pages, on the break, and on shadow stacks."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from children import in_child
from mappings import PAGE

import pysyscall
from pysyscall import (
    MADV_POPULATE_WRITE,
    MPOL_BIND,
    MPOL_DEFAULT,
    MPOL_F_ADDR,
    MPOL_F_MEMS_ALLOWED,
    MPOL_F_NODE,
    MPOL_INTERLEAVE,
    MPOL_PREFERRED,
    Mapping,
)


def nodes() -> set[int]:
    """The nodes that this process may have memory on, as the kernel tells in text."""
    line = next(
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("Mems_allowed_list:")
    )
    found: set[int] = set()
    for part in line.split()[1].split(","):
        first, _, last = part.partition("-")
        found |= {*range(int(first), int(last or first) + 1)}
    return found


@pytest.fixture
def m(m: Mapping) -> Mapping:
    """Four pages that are there."""
    m.madvise(MADV_POPULATE_WRITE)
    return m


def test_the_policy_of_a_thread() -> None:
    node = min(nodes())

    def set_all() -> object:
        told = [pysyscall.get_mempolicy()]
        for mode in (MPOL_BIND, MPOL_INTERLEAVE, MPOL_PREFERRED):
            pysyscall.set_mempolicy(mode, {node})
            told.append(pysyscall.get_mempolicy())
        pysyscall.set_mempolicy(MPOL_PREFERRED, ())
        pysyscall.set_mempolicy(MPOL_DEFAULT)
        told.append(pysyscall.get_mempolicy())
        return told

    default = (MPOL_DEFAULT, set())
    set_to = [(mode, {node}) for mode in (MPOL_BIND, MPOL_INTERLEAVE, MPOL_PREFERRED)]
    assert in_child(set_all) == [default, *set_to, default]


def test_the_policy_of_memory(m: Mapping) -> None:
    node = min(nodes())
    assert pysyscall.mbind((m, PAGE), 2 * PAGE, MPOL_BIND, [node]) is None
    assert pysyscall.get_mempolicy(m, MPOL_F_ADDR) == (MPOL_DEFAULT, set())
    for place in ((m, PAGE), m.address + PAGE):
        assert pysyscall.get_mempolicy(place, MPOL_F_ADDR) == (MPOL_BIND, {node})
        assert pysyscall.get_mempolicy(place, MPOL_F_ADDR | MPOL_F_NODE)[0] in nodes()
    pysyscall.mbind(m, 4 * PAGE, MPOL_DEFAULT, None)
    assert pysyscall.get_mempolicy((m, PAGE), MPOL_F_ADDR) == (MPOL_DEFAULT, set())


def test_the_nodes_that_are_allowed() -> None:
    assert pysyscall.get_mempolicy(None, MPOL_F_MEMS_ALLOWED) == (0, nodes())


def test_nodes_that_are_not_there(m: Mapping) -> None:
    with pytest.raises(OSError) as caught:
        pysyscall.mbind(m, PAGE, MPOL_BIND, {1023})
    assert caught.value.errno == errno.EINVAL
    for given, error in (
        ([1024], ValueError),
        ([-1], ValueError),
        (["0"], TypeError),
        (5, TypeError),
        ("0", TypeError),
    ):
        bad: Any = given
        with pytest.raises(error, match=r"set_mempolicy\(\) argument 'nodemask' must "):
            pysyscall.set_mempolicy(MPOL_BIND, bad)
        with pytest.raises(error, match=r"migrate_pages\(\) argument 'new_nodes' must "):
            pysyscall.migrate_pages(0, {0}, bad)


def test_migrate_pages() -> None:
    allowed = nodes()
    assert pysyscall.migrate_pages(0, allowed, [min(allowed)]) == 0
    with pytest.raises(ProcessLookupError):
        pysyscall.migrate_pages(2**30, {0}, {0})


def test_move_pages(m: Mapping) -> None:
    m.madvise(pysyscall.MADV_DONTNEED, PAGE, PAGE)
    pages = [m.address, m.address + PAGE, m.address + 2 * PAGE]
    failed, status = pysyscall.move_pages(0, pages)
    assert failed == 0 and status[1] == -errno.ENOENT
    assert {status[0], status[2]} <= nodes()
    failed, status = pysyscall.move_pages(0, iter(pages[:1]), [status[0]])
    assert failed == 0 and status[0] in nodes()
    assert pysyscall.move_pages(0, pages=[]) == (0, [])
    with pytest.raises(OSError) as caught:
        pysyscall.move_pages(0, pages[:1], [1023])
    assert caught.value.errno == errno.ENODEV


def test_move_pages_refuses() -> None:
    call: Any = pysyscall.move_pages
    for args, error, message in (
        (
            (0, [1, 2], [0]),
            ValueError,
            "'nodes' must hold as many nodes as there are pages, 2, not",
        ),
        ((0, [1], [0, 0]), ValueError, "'nodes' must hold"),
        ((0, [-1]), OverflowError, "'pages': "),
        ((0, [2**64]), OverflowError, "'pages': "),
        ((0, ["1"]), TypeError, "'pages': "),
        ((0, 5), TypeError, "'pages': "),
        ((0, [1], [2**31]), OverflowError, "'nodes': "),
        ((2**31, []), OverflowError, "'pid': "),
        (("1", []), TypeError, "'pid': "),
        ((0, [], None, 2**31), OverflowError, "'flags': "),
        ((0, [], None, None), TypeError, "'flags': "),
    ):
        with pytest.raises(error, match=rf"^move_pages\(\) argument {message}"):
            call(*args)


def test_the_break() -> None:
    def move() -> object:
        here = pysyscall.brk()
        assert pysyscall.brk(0) == pysyscall.brk(None) == here
        moved = pysyscall.brk(here + PAGE)
        told = [moved - here, pysyscall.brk() - here, pysyscall.brk(here) - here]
        for wrong, error in ((here - 2**20, ValueError), (1, ValueError), (2**63, OSError)):
            try:
                pysyscall.brk(wrong)
            except error as caught:
                told.append(getattr(caught, "errno", None) or str(caught).partition("least")[0])
        return told

    refusal = "brk() argument 'addr' must be at "
    assert in_child(move) == [PAGE, PAGE, 0, refusal, refusal, errno.ENOMEM]


def test_a_shadow_stack() -> None:
    """Made where processor and kernel have them; else the kernel says no."""
    try:
        with pysyscall.map_shadow_stack(None, 2 * PAGE) as m:
            assert len(m) == 2 * PAGE and memoryview(m).readonly
    except OSError as error:
        assert error.errno in (errno.ENOSYS, errno.EOPNOTSUPP)
