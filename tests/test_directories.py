"""Directory entries by getdents64 and getdents, beside those that os lists."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from children import in_child

import pysyscall
from pysyscall import Dirent, DirentType

CALLS = ["getdents64", "getdents"]
NAMES = [
    b"plain",
    b"with space",
    b"line\nbreak",
    "ümläut €".encode(),
    b"\xff\xfe not UTF-8 \x80",
    b"...",
    b"-",
    b"x" * 255,
    *(b"n" * size for size in range(1, 20)),
]


@pytest.fixture(params=CALLS)
def call(request: pytest.FixtureRequest) -> Any:
    return getattr(pysyscall, request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (at := tmp_path / "folder").mkdir()
    return at


@pytest.fixture
def fd(folder: Path, keep: Callable[[int], int]) -> int:
    return keep(os.open(folder, os.O_RDONLY))


def all_of(call: Any, fd: int, *count: int) -> Iterator[Dirent]:
    while found := call(fd, *count):
        assert all(type(entry) is Dirent for entry in found)
        yield from found


def test_names_of_all_kinds(call: Any, folder: Path, fd: int) -> None:
    for name in NAMES:
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).touch()
    found = {entry.d_name: entry for entry in all_of(call, fd)}
    assert {os.fsencode(name) for name in found} == {*NAMES, b".", b".."}
    assert sorted(found.keys() - {".", ".."}) == sorted(os.listdir(folder))  # noqa: PTH208
    for scanned in os.scandir(folder):
        entry = found[scanned.name]
        assert entry.d_ino == scanned.inode()
        assert entry.d_type == DirentType.DT_REG
        size = len(os.fsencode(scanned.name))
        assert entry.d_reclen == len(bytes(entry)) == (19 + size + 1 + 7) // 8 * 8


def test_types(call: Any, folder: Path, fd: int) -> None:
    (folder / "file").touch()
    (folder / "folder").mkdir()
    (folder / "link").symlink_to("nowhere")
    os.mkfifo(folder / "fifo")
    os.mknod(folder / "socket", stat.S_IFSOCK)
    told = {entry.d_name: DirentType(entry.d_type).name for entry in all_of(call, fd)}
    if set(told.values()) == {"DT_UNKNOWN"}:
        pytest.skip("the file system tells no types")
    assert told == {
        **dict.fromkeys((".", "..", "folder"), "DT_DIR"),
        "file": "DT_REG",
        "link": "DT_LNK",
        "fifo": "DT_FIFO",
        "socket": "DT_SOCK",
    }


def test_both_calls_tell_the_same(folder: Path, fd: int) -> None:
    for name in NAMES:
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).touch()
    newer = pysyscall.getdents64(fd)
    pysyscall.lseek(fd, 0, os.SEEK_SET)
    older = pysyscall.getdents(fd)
    assert older == newer
    assert [bytes(entry) for entry in older] == [bytes(entry) for entry in newer]
    assert len({*older, *newer}) == len(newer)


def test_an_empty_directory(call: Any, fd: int) -> None:
    assert sorted(entry.d_name for entry in call(fd)) == [".", ".."]
    assert call(fd) == []
    assert call(fd) == []


def test_a_removed_directory(call: Any, folder: Path, fd: int) -> None:
    folder.rmdir()
    with pytest.raises(FileNotFoundError):
        call(fd)


@pytest.mark.parametrize("count", [0, 1, 23])
def test_no_room_for_one_entry(call: Any, folder: Path, fd: int, count: int) -> None:
    (folder / ("x" * 255)).touch()
    with pytest.raises(OSError, match="`count` bytes have no room for the next entry") as caught:
        call(fd, count)
    assert caught.value.errno == errno.EINVAL
    assert len([*all_of(call, fd, 280)]) == 3


@pytest.mark.parametrize("count", [280, 1000, 4096, 4097, 2**31 - 1])
def test_entries_come_in_pieces(call: Any, folder: Path, fd: int, count: int) -> None:
    names = {f"name {number}" for number in range(300)}
    for name in names:
        (folder / name).touch()
    first = call(fd, count)
    assert sum(entry.d_reclen for entry in first) <= count
    told = [entry.d_name for entry in (*first, *all_of(call, fd, count))]
    assert len(told) == 302
    assert {*told} == {*names, ".", ".."}


def test_an_offset_is_a_place_to_go_on_from(call: Any, folder: Path, fd: int) -> None:
    for number in range(50):
        (folder / str(number)).touch()
    every = [*all_of(call, fd)]
    pysyscall.lseek(fd, every[19].d_off, os.SEEK_SET)
    assert [entry.d_name for entry in all_of(call, fd)] == [e.d_name for e in every[20:]]


def test_100_000_entries(tmp_path: Path, keep: Callable[[int], int]) -> None:
    """Of the names of one file, which is quicker than as many files."""
    shared = Path("/dev/shm")
    at = shared / f"pysyscall {os.getpid()}" if os.access(shared, os.W_OK) else tmp_path / "many"
    at.mkdir()
    try:
        source = keep(os.open(at, os.O_RDONLY))
        first = at / "first"
        first.touch()
        for number in range(1, 100_000):
            os.link("first", f"number {number}", src_dir_fd=source, dst_dir_fd=source)
        found = [*all_of(pysyscall.getdents64, source, 2**20)]
        assert len(found) == len({entry.d_name for entry in found}) == 100_002
        assert sum(entry.__sizeof__() for entry in found) < 100_002 * 120
    finally:
        for name in os.listdir(at):  # noqa: PTH208
            (at / name).unlink()
        at.rmdir()


def test_a_bad_count(call: Any, fd: int) -> None:
    name = call.__name__
    for wrong in (-1, 2**31, 2**80):
        with pytest.raises(OverflowError, match=rf"{name}\(\) argument 'count' must be in \[0, "):
            call(fd, wrong)
    with pytest.raises(TypeError, match=rf"{name}\(\) argument 'count' must be an int"):
        call(fd, 1.0)


def test_what_is_no_directory(call: Any, tmp_path: Path, keep: Callable[[int], int]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        call(keep(os.open(tmp_path / "file", os.O_RDONLY)))
    with pytest.raises(OSError) as caught:
        call(-1)
    assert caught.value.errno == errno.EBADF


def test_an_entry_is_a_struct_of_its_own_size(fd: int) -> None:
    entry = next(entry for entry in pysyscall.getdents64(fd) if entry.d_name == "..")
    raw = struct.pack("<QqHB", entry.d_ino, entry.d_off, 24, entry.d_type) + b"..\0\0\0"
    assert bytes(entry) == entry.to_bytes() == bytes(memoryview(entry)) == raw
    assert Dirent.from_bytes(raw) == entry
    assert hash(Dirent.from_bytes(raw)) == hash(entry)
    longer = entry.replace(d_name="x" * 255)
    assert (longer.d_name, longer.d_ino, entry.d_name) == ("x" * 255, entry.d_ino, "..")
    assert Dirent("..", entry.d_type, entry.d_ino, entry.d_off, 24) == entry
    assert repr(entry).startswith("Dirent(d_name='..', d_type=4, d_ino=")


def test_a_current_directory_as_long_as_the_kernel_tells(tmp_path: Path) -> None:
    """One longer is ENAMETOOLONG: the kernel tells no more than 4095 bytes."""
    told: list[Any] = []

    def go_down() -> list[Any]:
        os.chdir(tmp_path)
        path = str(tmp_path)
        for room in (4095, 4096):
            while len(path) < room:
                name = "x" * min(200, room - len(path) - 1 or 1)
                Path(name).mkdir()
                os.chdir(name)
                path += "/" + name
            try:
                told.append(pysyscall.getcwd() == path)
            except OSError as error:
                told.append(error.errno)
        return told

    try:
        assert in_child(go_down) == [True, errno.ENAMETOOLONG]
    finally:
        shutil.rmtree(tmp_path)
