"""Calls that move bytes without copying them, and those on ranges of a file."""

from __future__ import annotations

import array
import errno
import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conditions import needs, skip_where

import pysyscall
from pysyscall import Cachestat

PAGE = mmap.PAGESIZE


@pytest.fixture
def big(tmp_path: Path, keep: Callable[[int], int]) -> int:
    """A file of 64 pages on a device, all of them still to be written."""
    fd = keep(os.open(tmp_path / "big", os.O_RDWR | os.O_CREAT))
    if pysyscall.fstatfs(fd).f_type == pysyscall.TMPFS_MAGIC:
        pytest.skip("tmpfs has no device to write to")
    os.write(fd, os.urandom(64 * PAGE))
    return fd


# Pipes


@pytest.mark.parametrize("ask", [1, 4, 100])
def test_tee_leaves_the_bytes_in_the_first_pipe(keep: Callable[[int], int], ask: int) -> None:
    (reader, writer), (second, end) = os.pipe(), os.pipe()
    for fd in (reader, writer, second, end):
        keep(fd)
    os.write(writer, b"hello")
    assert pysyscall.tee(reader, end, ask) == min(ask, 5)
    assert os.read(second, 100) == b"hello"[:ask]
    assert os.read(reader, 100) == b"hello"


def test_tee_at_the_end_and_of_nothing(keep: Callable[[int], int]) -> None:
    (reader, writer), (second, end) = os.pipe(), os.pipe()
    for fd in (reader, second, end):
        keep(fd)
    with pytest.raises(BlockingIOError):
        pysyscall.tee(reader, end, 5, pysyscall.SPLICE_F_NONBLOCK)
    os.close(writer)
    assert pysyscall.tee(reader, end, 5) == 0


def test_vmsplice_moves_buffers_into_a_pipe_and_out_of_it(keep: Callable[[int], int]) -> None:
    reader, writer = map(keep, os.pipe())
    out = bytearray(b"ab"), array.array("H", [0x6463, 0x6665])
    assert pysyscall.vmsplice(writer, out) == 6
    into = bytearray(4), bytearray(10)
    assert pysyscall.vmsplice(reader, into) == 6
    assert (into[0], into[1]) == (b"abcd", b"ef" + bytes(8))
    with pytest.raises(BlockingIOError):
        pysyscall.vmsplice(reader, into, pysyscall.SPLICE_F_NONBLOCK)
    with pytest.raises((TypeError, BufferError)):
        pysyscall.vmsplice(writer, [b"not writable"])


# Ranges of a file


@pytest.mark.parametrize(
    ("mode", "start", "length", "expected"),
    [
        ("KEEP_SIZE", 4 * PAGE, PAGE, "abcd"),
        ("PUNCH_HOLE|KEEP_SIZE", PAGE, PAGE, "a.cd"),
        ("ZERO_RANGE", 2 * PAGE, 3 * PAGE, "ab..."),
        ("ZERO_RANGE|KEEP_SIZE", 2 * PAGE, 3 * PAGE, "ab.."),
        ("COLLAPSE_RANGE", PAGE, 2 * PAGE, "ad"),
        ("INSERT_RANGE", PAGE, 2 * PAGE, "a..bcd"),
    ],
)
def test_fallocate_modes(
    tmp_path: Path,
    keep: Callable[[int], int],
    mode: str,
    start: int,
    length: int,
    expected: str,
) -> None:
    path = tmp_path / "pages"
    path.write_bytes(b"".join(letter * PAGE for letter in (b"a", b"b", b"c", b"d")))
    blocks = path.stat().st_blocks
    fd = keep(os.open(path, os.O_RDWR))
    flags = 0
    for name in mode.split("|"):
        flags |= getattr(pysyscall, f"FALLOC_FL_{name}")
    with skip_where(errno.EOPNOTSUPP, lacking="the file system does not do it"):
        assert pysyscall.fallocate(fd, flags, start, length) is None
    content = path.read_bytes()
    assert len(content) % PAGE == 0
    pages = {content[at : at + PAGE] for at in range(0, len(content), PAGE)}
    assert all(page == page[:1] * PAGE for page in pages)
    assert content[::PAGE].replace(b"\0", b".").decode() == expected
    if mode == "KEEP_SIZE":
        assert path.stat().st_blocks > blocks


def cached(fd: int) -> Cachestat:
    return pysyscall.cachestat(fd, (0, 0))


@needs("cachestat")
def test_cachestat_tells_which_pages_are_in_memory(big: int) -> None:
    told = pysyscall.cachestat(big, pysyscall.CachestatRange(0, 64 * PAGE))
    assert type(told) is Cachestat
    assert told.nr_cache == 64
    assert told.nr_dirty + told.nr_writeback > 0
    assert cached(big).nr_cache == 64
    assert pysyscall.cachestat(big, (8 * PAGE, 3 * PAGE)).nr_cache == 3
    assert pysyscall.cachestat(big, (64 * PAGE, PAGE)).nr_cache == 0
    with pytest.raises(OSError) as caught:
        pysyscall.cachestat(big, (0, 0), 1)
    assert caught.value.errno == errno.EINVAL


@needs("cachestat")
@pytest.mark.parametrize(
    "call",
    [
        lambda fd: pysyscall.sync(),
        pysyscall.syncfs,
        lambda fd: pysyscall.sync_file_range(fd, 0, 0, pysyscall.SYNC_FILE_RANGE_WRITE_AND_WAIT),
    ],
    ids=["sync", "syncfs", "sync_file_range"],
)
def test_what_was_to_be_written_is_written(big: int, call: Callable[[int], None]) -> None:
    assert cached(big).nr_dirty + cached(big).nr_writeback > 0
    assert call(big) is None
    told = cached(big)
    assert (told.nr_cache, told.nr_dirty, told.nr_writeback) == (64, 0, 0)


@needs("cachestat")
def test_sync_file_range_writes_no_more_than_the_range(big: int) -> None:
    flags = pysyscall.SYNC_FILE_RANGE_WRITE | pysyscall.SYNC_FILE_RANGE_WAIT_AFTER
    pysyscall.sync_file_range(big, 0, 16 * PAGE, flags)
    told = pysyscall.cachestat(big, (0, 16 * PAGE))
    assert (told.nr_dirty, told.nr_writeback) == (0, 0)


@needs("cachestat")
@pytest.mark.parametrize(
    "call",
    [
        lambda fd: pysyscall.readahead(fd, 0, 64 * PAGE),
        lambda fd: pysyscall.fadvise64(fd, 0, 64 * PAGE, pysyscall.POSIX_FADV_WILLNEED),
        lambda fd: pysyscall.posix_fadvise(fd, 0, 0, pysyscall.POSIX_FADV_WILLNEED),
    ],
    ids=["readahead", "fadvise64", "posix_fadvise"],
)
def test_pages_are_dropped_and_read_again(big: int, call: Callable[[int], None]) -> None:
    os.fsync(big)
    assert pysyscall.fadvise64(big, 0, 0, pysyscall.POSIX_FADV_DONTNEED) is None
    if cached(big).nr_cache:
        pytest.skip("the file system does not drop its pages")
    assert call(big) is None
    deadline = time.monotonic() + 10
    while not (count := cached(big).nr_cache) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert count > 0
