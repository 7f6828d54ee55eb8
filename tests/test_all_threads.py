"""Ids that are set for all threads of a process; always in a child."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from children import in_child
from conditions import needs_root
from this_process import another_thread

import pysyscall
from pysyscall import all_threads


def ids(field: str) -> set[str]:
    """What the threads' ids or groups are; one element if all are the same."""
    texts = (path.read_text() for path in Path("/proc/self/task").glob("*/status"))
    return {
        " ".join(line.split()[1:])
        for text in texts
        for line in text.splitlines()
        if line.startswith(field)
    }


@needs_root
@pytest.mark.parametrize(
    ("name", "args", "field", "ids_after"),
    [
        ("setuid", (7,), "Uid:", "7 7 7 7"),
        ("seteuid", (7,), "Uid:", "0 7 0 7"),
        ("setreuid", (-1, 7), "Uid:", "0 7 7 7"),
        ("setresuid", (6, 7, 8), "Uid:", "6 7 8 7"),
        ("setresuid", (-1, 2**32 - 2, -1), "Uid:", "0 4294967294 0 4294967294"),
        ("setgid", (7,), "Gid:", "7 7 7 7"),
        ("setegid", (7,), "Gid:", "0 7 0 7"),
        ("setregid", (6, 7), "Gid:", "6 7 7 7"),
        ("setresgid", (6, 7, 8), "Gid:", "6 7 8 7"),
        ("setgroups", ([5, 9],), "Groups:", "5 9"),
        ("setgroups", (iter(()),), "Groups:", ""),
    ],
)
def test_all_threads_change(name: str, args: Any, field: str, ids_after: str) -> None:
    def work() -> set[str]:
        os.setresgid(0, 0, 0)
        with another_thread(), another_thread():
            assert getattr(all_threads, name)(*args) is None
            return ids(field)

    assert in_child(work) == {ids_after}


@needs_root
def test_the_kernels_calls_change_one() -> None:
    def work() -> object:
        with another_thread():
            pysyscall.setresuid(-1, 7, -1)
            one = len(ids("Uid:"))
            pysyscall.setresuid(-1, 0, -1)
            all_threads.setresuid(-1, 7, -1)
            return one, len(ids("Uid:"))

    assert in_child(work) == (2, 1)


@needs_root
def test_a_thread_sets_them_too() -> None:
    def work() -> set[str]:
        thread = threading.Thread(target=all_threads.setgid, args=(9,))
        thread.start()
        thread.join()
        return ids("Gid:")

    assert in_child(work) == {"9 9 9 9"}


def test_without_rights() -> None:
    def work() -> None:
        if os.geteuid() == 0:
            os.setresuid(1, 1, 1)
        all_threads.setuid(0)

    with pytest.raises(PermissionError):
        in_child(work)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: all_threads.setuid("x"), TypeError, "setuid() argument 'uid' must be an int"),  # type: ignore[arg-type]
        (
            lambda: all_threads.setuid(2**32),
            OverflowError,
            "setuid() argument 'uid' must be in [-1",
        ),
        (lambda: all_threads.setresgid(1, -2, 3), OverflowError, "setresgid() argument 'egid' mus"),
        (lambda: all_threads.setgroups(3), TypeError, "setgroups() argument 'list' must be an ite"),  # type: ignore[arg-type]
        (lambda: all_threads.setgroups(["x"]), TypeError, "setgroups() argument 'list' must be an"),  # type: ignore[list-item]
        (lambda: all_threads.setgroups([2**99]), OverflowError, "not an int too large"),
    ],
)
def test_refusals(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)
