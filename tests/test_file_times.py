"""The calls that set the times of a file."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from worlds import Action, World

import pysyscall
from pysyscall import Timespec, Timeval, Utimbuf


def set_times(
    call: str, world: World, path: Path, dirfd: int, atime: int, mtime: int, how: str
) -> int:
    """Set times in nanoseconds, to what the call can hold; the unit of the call is told."""
    name = path.name
    match call:
        case "utime":
            times: Any = Utimbuf(atime // 10**9, mtime // 10**9)
            pysyscall.utime(path, times if how == "struct" else tuple(times_of(times)))
            return 10**9
        case "utimes" | "futimesat":
            pairs = [(t // 10**9, t % 10**9 // 1000) for t in (atime, mtime)]
            times = [Timeval(*pair) for pair in pairs] if how == "struct" else tuple(pairs)
            if call == "utimes":
                pysyscall.utimes(path, times)
            else:
                pysyscall.futimesat(dirfd, name, times)
            return 1000
        case _:
            pairs = [divmod(t, 10**9) for t in (atime, mtime)]
            times = [Timespec(*pair) for pair in pairs] if how == "struct" else tuple(pairs)
            pysyscall.utimensat(dirfd, name, times)
            return 1


def times_of(times: Utimbuf) -> tuple[int, int]:
    return times.actime, times.modtime


TIME_CALLS = ["utime", "utimes", "futimesat", "utimensat"]


@pytest.mark.parametrize("call", TIME_CALLS)
@pytest.mark.parametrize("how", ["struct", "tuple"])
@pytest.mark.parametrize(
    ("atime", "mtime"),
    [
        (0, 10**9),
        (1_234_567_890_123_456_789, 987_654_321_987_654_321),
        (-1_500_000_001, -1),
    ],
)
def test_times_are_those_that_were_set(
    world: World, call: str, how: str, atime: int, mtime: int
) -> None:
    path = world.at / "file"
    unit = set_times(call, world, path, world.dirfd, atime, mtime, how)
    told = path.stat()
    wanted = (atime // unit * unit, mtime // unit * unit)
    os.utime(world.at / "other", ns=wanted)
    theirs = (world.at / "other").stat()
    assert (told.st_atime_ns, told.st_mtime_ns) == (theirs.st_atime_ns, theirs.st_mtime_ns)
    assert (told.st_atime_ns, told.st_mtime_ns) == wanted


@pytest.mark.parametrize(
    "call",
    [
        lambda w: pysyscall.utime(w.at / "file"),
        lambda w: pysyscall.utimes(w.at / "link", None),
        lambda w: pysyscall.futimesat(w.dirfd, "file"),
        lambda w: pysyscall.futimesat(w.fd),
        lambda w: pysyscall.utimensat(None, w.at / "file"),
        lambda w: pysyscall.utimensat(w.fd),
        lambda w: pysyscall.utimensat(w.dirfd, b"file", [(0, pysyscall.UTIME_NOW)] * 2),
    ],
    ids=[*TIME_CALLS[:3], "futimesat fd", "utimensat", "utimensat fd", "utimensat UTIME_NOW"],
)
def test_the_time_is_now_where_none_is_given(world: World, call: Action) -> None:
    os.utime(world.at / "file", (0, 0))
    assert call(world) is None
    told = (world.at / "file").stat()
    assert abs(told.st_atime - time.time()) < 60
    assert told.st_mtime_ns == told.st_atime_ns


def test_futimesat_without_a_path_is_about_the_descriptor(world: World) -> None:
    pysyscall.futimesat(world.fd, None, [(1, 2), Timeval(3, 4)])
    told = (world.at / "file").stat()
    assert (told.st_atime_ns, told.st_mtime_ns) == (1_000_002_000, 3_000_004_000)


def test_utimensat_omits_a_time_and_follows_no_link(world: World) -> None:
    file, link = world.at / "file", world.at / "link"
    os.utime(file, (5, 6))
    pysyscall.utimensat(world.fd, None, (Timespec(0, pysyscall.UTIME_OMIT), (7, 8)))
    pysyscall.utimensat(world.dirfd, "link", [(1, 2), (3, 4)], pysyscall.AT_SYMLINK_NOFOLLOW)
    assert (file.stat().st_atime_ns, file.stat().st_mtime_ns) == (5 * 10**9, 7 * 10**9 + 8)
    assert (link.lstat().st_atime_ns, link.lstat().st_mtime_ns) == (10**9 + 2, 3 * 10**9 + 4)


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("call", ["utimes", "utimensat"])
def test_times_are_two(world: World, call: str, count: int) -> None:
    path, times = world.at / "file", [(1, 2)] * count
    before = path.stat().st_mtime_ns
    with pytest.raises((TypeError, ValueError), match="times"):
        if call == "utimes":
            pysyscall.utimes(path, times)
        else:
            pysyscall.utimensat(None, path, times)
    assert path.stat().st_mtime_ns == before
