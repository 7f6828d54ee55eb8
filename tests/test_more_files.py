"""Less frequent calls on files: times, nodes, ranges, the page cache, locks, handles and roots."""

from __future__ import annotations

import array
import errno
import fcntl
import mmap
import os
import re
import stat as stat_bits
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from test_files import CONTENT, OWNER, ROOT, World, filled, new_world
from test_processes import in_child, needs_root

import pysyscall
from pysyscall import Cachestat, FileAttr, FileHandle, Timespec, Timeval, Utimbuf, lookup

PAGE = mmap.PAGESIZE
FS_IOC_GETFLAGS = 0x80086601
RELEASE = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))


def lacks(name: str) -> bool:
    """Whether the running kernel is older than the call."""
    return tuple(map(int, lookup(name).since.split(".")[:2])) > RELEASE


def needs(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(lacks(name), reason=f"{name} is newer than this kernel")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with new_world(tmp_path / "world") as world:
        yield world


@pytest.fixture
def big(tmp_path: Path, keep: Callable[[int], int]) -> int:
    """A file of 64 pages on a device, all of them still to be written."""
    fd = keep(os.open(tmp_path / "big", os.O_RDWR | os.O_CREAT))
    if pysyscall.fstatfs(fd).f_type == pysyscall.TMPFS_MAGIC:
        pytest.skip("tmpfs has no device to write to")
    os.write(fd, os.urandom(64 * PAGE))
    return fd


# As os does

Action = Callable[[World], object]

PAIRS: dict[str, tuple[Action, Action]] = {
    "preadv": (
        lambda w: filled(lambda fd, bufs: pysyscall.preadv(fd, bufs, 2), w.fd, 3, 0, 4),
        lambda w: filled(lambda fd, bufs: os.preadv(fd, bufs, 2), w.fd, 3, 0, 4),
    ),
    "preadv at the end": (
        lambda w: filled(lambda fd, bufs: pysyscall.preadv(fd, bufs, 100), w.fd, 3),
        lambda w: filled(lambda fd, bufs: os.preadv(fd, bufs, 100), w.fd, 3),
    ),
    "pwritev": (
        lambda w: pysyscall.pwritev(w.fd, [b"ab", bytearray(b"c"), memoryview(b"de")], 8),
        lambda w: os.pwritev(w.fd, [b"ab", bytearray(b"c"), memoryview(b"de")], 8),
    ),
    "pwritev far": (
        lambda w: pysyscall.pwritev(w.fd, (b"ab",), 1 << 20),
        lambda w: os.pwritev(w.fd, (b"ab",), 1 << 20),
    ),
    "faccessat": (
        lambda w: pysyscall.faccessat(w.dirfd, "file", pysyscall.R_OK | pysyscall.W_OK),
        lambda w: os.access("file", os.R_OK | os.W_OK, dir_fd=w.dirfd),
    ),
    "fchownat": (
        lambda w: pysyscall.fchownat(w.dirfd, "link", *OWNER),
        lambda w: os.chown("link", *OWNER, dir_fd=w.dirfd),
    ),
    "fchownat neither": (
        lambda w: pysyscall.fchownat(None, w.at / "file", -1, -1),
        lambda w: os.chown(w.at / "file", -1, -1),
    ),
    "fchownat AT_SYMLINK_NOFOLLOW": (
        lambda w: pysyscall.fchownat(w.dirfd, b"lost", *OWNER, pysyscall.AT_SYMLINK_NOFOLLOW),
        lambda w: os.chown(b"lost", *OWNER, dir_fd=w.dirfd, follow_symlinks=False),
    ),
    "fchownat AT_EMPTY_PATH": (
        lambda w: pysyscall.fchownat(w.fd, "", -1, OWNER[1], pysyscall.AT_EMPTY_PATH),
        lambda w: os.chown(w.fd, -1, OWNER[1]),
    ),
    "fallocate": (
        lambda w: pysyscall.fallocate(w.fd, 0, 5, 20),
        lambda w: os.posix_fallocate(w.fd, 5, 20),
    ),
    "fadvise64": (
        lambda w: pysyscall.fadvise64(w.fd, 0, 0, pysyscall.POSIX_FADV_SEQUENTIAL),
        lambda w: os.posix_fadvise(w.fd, 0, 0, os.POSIX_FADV_SEQUENTIAL),
    ),
    "flock": (
        lambda w: pysyscall.flock(w.fd, pysyscall.LOCK_EX),
        lambda w: fcntl.flock(w.fd, fcntl.LOCK_EX),
    ),
    "mknod": (
        lambda w: pysyscall.mknod(w.at / "new"),
        lambda w: os.mknod(w.at / "new"),
    ),
    "mknod without a type": (
        lambda w: pysyscall.mknod(os.fsencode(w.at / "new"), 0o640),
        lambda w: os.mknod(os.fsencode(w.at / "new"), 0o640),
    ),
    "mknod FIFO": (
        lambda w: pysyscall.mknod(str(w.at / "new"), pysyscall.S_IFIFO | 0o666),
        lambda w: os.mkfifo(str(w.at / "new")),
    ),
    "mknodat": (
        lambda w: pysyscall.mknodat(w.dirfd, "new"),
        lambda w: os.mknod("new", dir_fd=w.dirfd),
    ),
    "mknodat socket": (
        lambda w: pysyscall.mknodat(w.dirfd, "new", stat_bits.S_IFSOCK | 0o700),
        lambda w: os.mknod("new", stat_bits.S_IFSOCK | 0o700, dir_fd=w.dirfd),
    ),
}
if not lacks("fchmodat2"):
    PAIRS |= {
        "fchmodat2": (
            lambda w: pysyscall.fchmodat2(w.dirfd, "link", 0o604),
            lambda w: os.chmod("link", 0o604, dir_fd=w.dirfd),
        ),
        "fchmodat2 AT_EMPTY_PATH": (
            lambda w: pysyscall.fchmodat2(w.fd, "", 0o4750, pysyscall.AT_EMPTY_PATH),
            lambda w: os.fchmod(w.fd, 0o4750),
        ),
    }


@pytest.mark.parametrize(("ours", "theirs"), PAIRS.values(), ids=PAIRS)
def test_does_and_returns_what_os_does(tmp_path: Path, ours: Action, theirs: Action) -> None:
    with new_world(tmp_path / "ours") as mine, new_world(tmp_path / "theirs") as other:
        result, expected = ours(mine), theirs(other)
        assert result == expected
        assert type(result) is type(expected)
        assert mine.state() == other.state()


@pytest.mark.parametrize(
    ("call", "number", "names"),
    [
        (lambda w: pysyscall.preadv(w.fd, [bytearray(1)], -1), "EINVAL", ()),
        (lambda w: pysyscall.pwritev(w.dirfd, [b"x"], 0), "EBADF", ()),
        (lambda w: pysyscall.tee(w.fd, w.out, 1), "EINVAL", ()),
        (lambda w: pysyscall.vmsplice(w.fd, [bytearray(1)]), "EBADF", ()),
        (lambda w: pysyscall.readahead(w.dirfd, 0, 1), "EINVAL", ()),
        (lambda w: pysyscall.fadvise64(w.fd, 0, 0, 99), "EINVAL", ()),
        (lambda w: pysyscall.fallocate(w.fd, 0, 0, 0), "EINVAL", ()),
        (lambda w: pysyscall.fallocate(w.fd, 0, -1, 1), "EINVAL", ()),
        (lambda w: pysyscall.fallocate(w.dirfd, 0, 0, 1), "EBADF", ()),
        (lambda w: pysyscall.sync_file_range(w.fd, 0, 0, 8), "EINVAL", ()),
        (lambda w: pysyscall.syncfs(99999), "EBADF", ()),
        (lambda w: pysyscall.flock(w.fd, 0), "EINVAL", ()),
        (lambda w: pysyscall.faccessat(w.dirfd, "file", os.X_OK), "EACCES", ("file", None)),
        (lambda w: pysyscall.faccessat(w.dirfd, "none", os.F_OK), "ENOENT", ("none", None)),
        (lambda w: pysyscall.fchownat(w.fd, b"x", -1, -1), "ENOTDIR", (b"x", None)),
        (lambda w: pysyscall.fchownat(w.dirfd, "x", -1, -1, 1), "EINVAL", ("x", None)),
        (lambda w: pysyscall.mknod(str(w.at / "file")), "EEXIST", "file"),
        (lambda w: pysyscall.mknod(str(w.at / "new"), 0o170000), "EINVAL", "new"),
        (lambda w: pysyscall.mknodat(w.dirfd, "none/x"), "ENOENT", ("none/x", None)),
        (lambda w: pysyscall.utime(str(w.at / "none")), "ENOENT", "none"),
        (lambda w: pysyscall.utimes(str(w.at / "file"), [(0, 10**6), (0, 0)]), "EINVAL", "file"),
        (lambda w: pysyscall.futimesat(w.dirfd, "none"), "ENOENT", ("none", None)),
        (lambda w: pysyscall.futimesat(-1), "EBADF", ()),
        (lambda w: pysyscall.utimensat(w.fd, "x"), "ENOTDIR", ("x", None)),
        (lambda w: pysyscall.utimensat(w.fd, None, [(0, -1), (0, 0)]), "EINVAL", ()),
        (lambda w: pysyscall.chroot(str(w.at / "file")), "ENOTDIR", "file"),
    ],
)
def test_fails_with_errno_and_names(
    world: World, call: Action, number: str, names: str | tuple[object, ...]
) -> None:
    before = world.state()
    with pytest.raises(OSError) as caught:
        call(world)
    assert caught.value.errno == getattr(errno, number)
    if isinstance(names, str):
        names = (str(world.at / names), None)
    assert (caught.value.filename, caught.value.filename2) == (names or (None, None))
    assert world.state() == before


@needs("fchmodat2")
def test_fchmodat2_takes_flags(world: World) -> None:
    """A link has no permissions that could be changed, and no link is followed."""
    with pytest.raises(OSError) as caught:
        pysyscall.fchmodat2(world.dirfd, "link", 0o600, pysyscall.AT_SYMLINK_NOFOLLOW)
    assert (caught.value.errno, caught.value.filename) == (errno.EOPNOTSUPP, "link")
    pysyscall.fchmodat2(world.dirfd, "file", 0o600, pysyscall.AT_SYMLINK_NOFOLLOW)
    assert stat_bits.S_IMODE((world.at / "file").stat().st_mode) == 0o600


@needs_root
@pytest.mark.parametrize("call", ["mknod", "mknodat"])
@pytest.mark.parametrize(
    ("kind", "major", "minor"),
    [("CHR", 1, 3), ("CHR", 300, 70_000), ("BLK", 4095, 1_048_575), ("CHR", 0, 0)],
)
def test_mknod_makes_device_files(
    world: World, call: str, kind: str, major: int, minor: int
) -> None:
    mode = getattr(pysyscall, f"S_IF{kind}") | 0o600
    device = os.makedev(major, minor)
    if call == "mknod":
        assert pysyscall.mknod(world.at / "device", mode, device) is None
    else:
        assert pysyscall.mknodat(world.dirfd, "device", mode, dev=device) is None
    told = (world.at / "device").stat()
    assert (told.st_mode, told.st_rdev) == (mode, device)


# Times


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
    try:
        assert pysyscall.fallocate(fd, flags, start, length) is None
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        pytest.skip(f"the file system does not do it: {error.strerror}")
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


# Attributes


@needs("file_getattr")
@pytest.mark.parametrize("how", ["path", "descriptor"])
def test_file_attributes_are_those_of_chattr(world: World, how: str) -> None:
    where: dict[str, Any] = (
        {"dirfd": world.dirfd, "path": "file"}
        if how == "path"
        else {"dirfd": world.fd, "path": "", "at_flags": pysyscall.AT_EMPTY_PATH}
    )
    try:
        before = pysyscall.file_getattr(**where)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        pytest.skip("the file system has no attributes")
    assert type(before) is FileAttr
    assert not before.fa_xflags & pysyscall.FS_XFLAG_NODUMP
    wanted = before.replace(fa_xflags=before.fa_xflags | pysyscall.FS_XFLAG_NODUMP)
    assert pysyscall.file_setattr(ufattr=wanted, **where) is None
    assert pysyscall.file_getattr(**where) == wanted
    flags = int.from_bytes(fcntl.ioctl(world.fd, FS_IOC_GETFLAGS, bytes(8))[:4], "little")
    assert flags & pysyscall.FS_NODUMP_FL
    pysyscall.file_setattr(ufattr=before, **where)
    assert pysyscall.file_getattr(**where) == before


@needs("file_getattr")
@pytest.mark.parametrize("call", ["file_getattr", "file_setattr"])
def test_file_attributes_fail_with_errno_and_name(world: World, call: str) -> None:
    function = getattr(pysyscall, call)
    given = () if call == "file_getattr" else (FileAttr(),)
    for path, flags, number in (("none", 0, errno.ENOENT), ("file", 1, errno.EINVAL)):
        with pytest.raises(OSError) as caught:
            function(world.dirfd, path, *given, flags)
        assert (caught.value.errno, caught.value.filename) == (number, path)


# Locks


def test_flock_keeps_others_out(world: World, keep: Callable[[int], int]) -> None:
    second, third = (keep(os.open(world.at / "file", os.O_RDONLY)) for _ in range(2))
    now = pysyscall.LOCK_NB
    assert pysyscall.flock(world.fd, pysyscall.LOCK_SH) is None
    pysyscall.flock(second, pysyscall.LOCK_SH | now)
    with pytest.raises(BlockingIOError):
        fcntl.flock(third, fcntl.LOCK_EX | fcntl.LOCK_NB)
    for fd in (world.fd, second):
        pysyscall.flock(fd, pysyscall.LOCK_UN)
    fcntl.flock(third, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with pytest.raises(BlockingIOError) as caught:
        pysyscall.flock(world.fd, pysyscall.LOCK_SH | now)
    assert (caught.value.errno, caught.value.filename) == (errno.EAGAIN, None)


def test_flock_waits_while_other_threads_run(world: World, keep: Callable[[int], int]) -> None:
    holder = keep(os.open(world.at / "file", os.O_RDONLY))
    fcntl.flock(holder, fcntl.LOCK_EX)
    freed = threading.Event()

    def free() -> None:
        freed.set()
        fcntl.flock(holder, fcntl.LOCK_UN)

    timer = threading.Timer(0.05, free)
    timer.start()
    pysyscall.flock(world.fd, pysyscall.LOCK_EX)
    timer.join()
    assert freed.is_set()
    with pytest.raises(BlockingIOError):
        fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)


# Handles


def handle_of(path: Path) -> FileHandle:
    try:
        return pysyscall.name_to_handle_at(None, path)[0]
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        pytest.skip("the file system has no handles")


@needs_root
@pytest.mark.parametrize("flags", [pysyscall.O_RDONLY, pysyscall.O_RDWR | pysyscall.O_CLOEXEC])
def test_open_by_handle_at_opens_a_file_that_was_renamed(
    world: World, keep: Callable[[int], int], flags: int
) -> None:
    handle = handle_of(world.at / "file")
    (world.at / "file").rename(world.at / "full" / "new")
    fd = keep(pysyscall.open_by_handle_at(world.dirfd, handle, flags))
    assert os.fstat(fd).st_ino == os.fstat(world.fd).st_ino
    assert pysyscall.read(fd, 100) == CONTENT
    cloexec = fcntl.FD_CLOEXEC if flags & os.O_CLOEXEC else 0
    assert fcntl.fcntl(fd, fcntl.F_GETFD) == cloexec


@needs_root
def test_open_by_handle_at_fails(world: World) -> None:
    handle = handle_of(world.at / "other")
    for mount, given, number in (
        (-1, handle, errno.EBADF),
        (world.dirfd, FileHandle(), errno.EINVAL),
        (world.dirfd, handle.replace(f_handle=b"\xff" * 8), errno.ESTALE),
    ):
        with pytest.raises(OSError) as caught:
            pysyscall.open_by_handle_at(mount, given, pysyscall.O_RDONLY)
        assert caught.value.errno == number


# Roots


@needs_root
@pytest.mark.parametrize(
    "call",
    [
        lambda w: pysyscall.chroot(w.at),
        lambda w: pysyscall.chroot(os.fsencode(w.at)),
        pytest.param(lambda w: pysyscall.fchroot(w.dirfd), marks=needs("fchroot")),
    ],
    ids=["chroot", "chroot bytes", "fchroot"],
)
def test_chroot_changes_where_paths_start(world: World, call: Action) -> None:
    def change() -> tuple[object, list[str], bytes]:
        result = call(world)
        return result, sorted(os.listdir("/")), Path("/file").read_bytes()  # noqa: PTH208

    names = sorted(path.name for path in world.at.iterdir())
    assert in_child(change) == (None, names, CONTENT)


@pytest.mark.skipif(not ROOT, reason="only root may give up the right")
def test_chroot_needs_a_right(world: World) -> None:
    def change() -> None:
        os.setuid(12345)
        pysyscall.chroot("/")

    with pytest.raises(PermissionError) as caught:
        in_child(change)
    assert (caught.value.errno, caught.value.filename) == (errno.EPERM, "/")


@pytest.mark.parametrize(("fd", "flags", "number"), [(-1, 0, "EBADF"), (0, 1, "EINVAL")])
def test_fchroot_fails(fd: int, flags: int, number: str) -> None:
    """In a child: were it to succeed, only that would have another root."""
    with pytest.raises(OSError) as caught:
        in_child(lambda: pysyscall.fchroot(fd, flags))
    assert caught.value.errno == (errno.ENOSYS if lacks("fchroot") else getattr(errno, number))


def test_a_path_is_no_descriptor(world: World) -> None:
    calls: list[Callable[[Any], object]] = [pysyscall.chroot, pysyscall.utime, pysyscall.utimes]
    for call in calls:
        with pytest.raises(TypeError, match="argument 'path' must be"):
            call(world.fd)
