"""Calls that change the ids of users and groups, in a child."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from children import NOBODY, give_up_rights, in_child
from conditions import ROOT, needs_root

import pysyscall


@needs_root
@pytest.mark.parametrize(
    ("name", "arguments", "ids"),
    [
        ("set{}id", (5,), (5, 5, 5)),
        ("setre{}id", (5, 6), (5, 6, 6)),
        ("setre{}id", (-1, 6), (0, 6, 6)),
        ("setre{}id", (-1, -1), (0, 0, 0)),
        ("setres{}id", (1, 2, 3), (1, 2, 3)),
        ("setres{}id", (-1, 2, -1), (0, 2, 0)),
        ("setres{}id", (2**32 - 2, 2, 2**32 - 1), (2**32 - 2, 2, 0)),
    ],
)
@pytest.mark.parametrize("whose", ["u", "g"])
def test_set_ids(
    name: str, arguments: tuple[int, ...], ids: tuple[int, int, int], whose: str
) -> None:
    def change() -> object:
        os.setgid(0)
        assert getattr(pysyscall, name.format(whose))(*arguments) is None
        return os.getresuid(), os.getresgid()

    none = (0, 0, 0)
    assert in_child(change) == ((ids, none) if whose == "u" else (none, ids))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        *((f"set{whose}id", (0,)) for whose in "ug"),
        *((f"setre{whose}id", (-1, 0)) for whose in "ug"),
        *((f"setres{whose}id", (-1, -1, 0)) for whose in "ug"),
        ("setgroups", ([0],)),
    ],
)
def test_other_ids_need_rights(name: str, arguments: tuple[Any, ...]) -> None:
    def change() -> None:
        give_up_rights()
        getattr(pysyscall, name)(*arguments)

    with pytest.raises(PermissionError):
        in_child(change)


@pytest.mark.parametrize("name", ["setuid", "setgid"])
@pytest.mark.parametrize("value", [-2, 2**32])
def test_ids_must_fit(name: str, value: int) -> None:
    with pytest.raises(OverflowError):
        getattr(pysyscall, name)(value)


@needs_root
def test_only_the_calling_thread_changes() -> None:
    def change() -> object:
        told: list[object] = []

        def thread() -> None:
            pysyscall.setresgid(7, 7, 7)
            pysyscall.setgroups([7])
            pysyscall.setuid(7)
            told.append((os.getuid(), os.getgid(), os.getgroups()))

        before = os.getgroups()
        worker = threading.Thread(target=thread)
        worker.start()
        worker.join()
        return told, (os.getuid(), os.getgid(), os.getgroups() == before)

    assert in_child(change) == ([(7, 7, [7])], (0, os.getgid(), True))


@needs_root
@pytest.mark.parametrize(("name", "line"), [("setfsuid", "Uid"), ("setfsgid", "Gid")])
def test_set_the_id_for_files(name: str, line: str) -> None:
    def change() -> object:
        call = getattr(pysyscall, name)
        before = call(5), call(-1)
        status = Path("/proc/thread-self/status").read_text()
        return before, status.split(f"{line}:")[1].split()[:4]

    assert in_child(change) == ((0, 5), ["0", "0", "0", "5"])


@pytest.mark.parametrize("name", ["setfsuid", "setfsgid"])
def test_the_id_for_files_stays_without_rights(name: str) -> None:
    def change() -> object:
        give_up_rights()
        call = getattr(pysyscall, name)
        return call(0) == call(-1) == (NOBODY if ROOT else call(-1))

    assert in_child(change) is True


@needs_root
@pytest.mark.parametrize("kind", [list, tuple, iter, set])
@pytest.mark.parametrize("count", [0, 1, 65536])
def test_setgroups(kind: Callable[[range], Any], count: int) -> None:
    wanted = range(100, 100 + count)

    def change() -> object:
        assert pysyscall.setgroups(kind(wanted)) is None
        return os.getgroups()

    assert in_child(change) == list(wanted)


@needs_root
def test_setgroups_takes_no_more_than_the_kernel_does() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        in_child(lambda: pysyscall.setgroups(range(65537)))


def test_getpgrp() -> None:
    assert pysyscall.getpgrp() == os.getpgrp()


def test_setpgid(sleeper: int) -> None:
    assert pysyscall.setpgid(sleeper, sleeper) is None
    assert os.getpgid(sleeper) == sleeper
    pysyscall.setpgid(sleeper, os.getpgrp())
    assert os.getpgid(sleeper) == os.getpgrp()

    def change() -> object:
        pysyscall.setpgid(0, 0)
        return os.getpid(), os.getpgrp(), pysyscall.getpgrp()

    assert len(set(in_child(change))) == 1
