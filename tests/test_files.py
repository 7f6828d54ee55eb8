"""Calls on files: what they do and tell, and that it is what os does where os has the call."""

from __future__ import annotations

import array
import errno
import fcntl
import io
import itertools
import os
import signal
import stat as stat_bits
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conditions import skip_where
from worlds import CONTENT, OWNER, World, filled, new_world

import pysyscall
from pysyscall import OpenHow, Stat


@pytest.fixture
def umask() -> Iterator[int]:
    before = os.umask(0o027)
    yield 0o027
    os.umask(before)


# The same positional call for os and for us.
SAME: dict[str, Callable[[Any, World], object]] = {
    "read": lambda m, w: m.read(w.fd, 4),
    "read more than there is": lambda m, w: m.read(w.fd, 1 << 16),
    "read nothing": lambda m, w: m.read(w.fd, 0),
    "read at the end": lambda m, w: (m.lseek(w.fd, 0, 2), m.read(w.fd, 4)),
    "write": lambda m, w: m.write(w.fd, b"abc"),
    "write bytearray": lambda m, w: m.write(w.fd, bytearray(b"abc")),
    "write view": lambda m, w: m.write(w.fd, memoryview(b"abcdef")[1:3]),
    "write array": lambda m, w: m.write(w.fd, array.array("I", [1, 2])),
    "pread": lambda m, w: m.pread(w.fd, 4, 5),
    "pread past the end": lambda m, w: m.pread(w.fd, 4, 500),
    "pwrite": lambda m, w: m.pwrite(w.fd, b"abc", 9),
    "readv": lambda m, w: filled(m.readv, w.fd, 3, 0, 4),
    "readv 20 buffers": lambda m, w: filled(m.readv, w.fd, *[1] * 20),
    "writev": lambda m, w: m.writev(w.fd, [b"ab", bytearray(b"c"), memoryview(b"de")]),
    "writev tuple": lambda m, w: m.writev(w.fd, (b"ab",)),
    "lseek set": lambda m, w: m.lseek(w.fd, 3, os.SEEK_SET),
    "lseek cur": lambda m, w: m.lseek(w.fd, 3, os.SEEK_CUR),
    "lseek end": lambda m, w: m.lseek(w.fd, -3, os.SEEK_END),
    "lseek data": lambda m, w: m.lseek(w.fd, 3, os.SEEK_DATA),
    "lseek hole": lambda m, w: m.lseek(w.fd, 3, os.SEEK_HOLE),
    "lseek far": lambda m, w: m.lseek(w.fd, 1 << 40, os.SEEK_SET),
    "sendfile": lambda m, w: m.sendfile(w.out, w.fd, None, 4),
    "sendfile at": lambda m, w: m.sendfile(w.out, w.fd, 3, 100),
    "mkdir": lambda m, w: m.mkdir(w.at / "new"),
    "mkdir mode": lambda m, w: m.mkdir(str(w.at / "new"), 0o700),
    "rmdir": lambda m, w: m.rmdir(w.at / "empty"),
    "unlink": lambda m, w: m.unlink(w.at / "file"),
    "unlink link": lambda m, w: m.unlink(os.fsencode(w.at / "link")),
    "rename": lambda m, w: m.rename(w.at / "file", w.at / "new"),
    "rename over": lambda m, w: m.rename(w.at / "file", w.at / "other"),
    "rename folder": lambda m, w: m.rename(os.fsencode(w.at / "full"), str(w.at / "empty")),
    "link": lambda m, w: m.link(w.at / "file", w.at / "new"),
    "symlink": lambda m, w: m.symlink("file", w.at / "new"),
    "symlink bytes": lambda m, w: m.symlink(b"f\xff", os.fsencode(w.at / "new")),
    "readlink": lambda m, w: m.readlink(str(w.at / "link")),
    "readlink bytes": lambda m, w: m.readlink(os.fsencode(w.at / "link")),
    "readlink path": lambda m, w: m.readlink(w.at / "lost"),
    "chmod": lambda m, w: m.chmod(w.at / "file", 0o4751),
    "chmod through a link": lambda m, w: m.chmod(w.at / "link", 0o600),
    "fchmod": lambda m, w: m.fchmod(w.fd, 0o640),
    "chown": lambda m, w: m.chown(w.at / "link", *OWNER),
    "chown neither": lambda m, w: m.chown(w.at / "file", -1, -1),
    "fchown": lambda m, w: m.fchown(w.fd, OWNER[0], -1),
    "lchown": lambda m, w: m.lchown(w.at / "lost", -1, OWNER[1]),
    "truncate": lambda m, w: m.truncate(w.at / "file", 3),
    "truncate longer": lambda m, w: m.truncate(os.fsencode(w.at / "file"), 30),
    "ftruncate": lambda m, w: m.ftruncate(w.fd, 3),
    "ftruncate longer": lambda m, w: m.ftruncate(w.fd, 30),
    "fsync": lambda m, w: m.fsync(w.fd),
    "fdatasync": lambda m, w: m.fdatasync(w.fd),
    "access": lambda m, w: m.access(w.at / "file", os.R_OK | os.W_OK),
    "dup2": lambda m, w: m.dup2(w.fd, w.out) == w.out,
}

# Calls that os offers under another name or with keyword arguments.
OTHERWISE: dict[str, tuple[Callable[[World], object], Callable[[World], object]]] = {
    "preadv2": (
        lambda w: filled(lambda fd, bufs: pysyscall.preadv2(fd, bufs, 2), w.fd, 3, 4),
        lambda w: filled(lambda fd, bufs: os.preadv(fd, bufs, 2), w.fd, 3, 4),
    ),
    "preadv2 at the file's position": (
        lambda w: filled(pysyscall.preadv2, w.fd, 3, 4),
        lambda w: filled(os.readv, w.fd, 3, 4),
    ),
    "pwritev2": (
        lambda w: pysyscall.pwritev2(w.fd, [b"ab", b"c"], 8),
        lambda w: os.pwritev(w.fd, [b"ab", b"c"], 8),
    ),
    "pwritev2 RWF_APPEND": (
        lambda w: pysyscall.pwritev2(w.fd, [b"ab"], 0, pysyscall.RWF_APPEND),
        lambda w: os.pwritev(w.fd, [b"ab"], 0, os.RWF_APPEND),
    ),
    "pwritev2 at the file's position": (
        lambda w: pysyscall.pwritev2(w.fd, [b"ab"]),
        lambda w: os.writev(w.fd, [b"ab"]),
    ),
    "copy_file_range": (
        lambda w: pysyscall.copy_file_range(w.fd, None, w.out, None, 4),
        lambda w: os.copy_file_range(w.fd, w.out, 4),
    ),
    "copy_file_range at": (
        lambda w: pysyscall.copy_file_range(w.fd, 3, w.out, 5, 100),
        lambda w: os.copy_file_range(w.fd, w.out, 100, 3, 5),
    ),
    "mkdirat": (
        lambda w: pysyscall.mkdirat(w.dirfd, "new", 0o750),
        lambda w: os.mkdir("new", 0o750, dir_fd=w.dirfd),
    ),
    "mkdirat by default": (
        lambda w: pysyscall.mkdirat(w.dirfd, "new"),
        lambda w: os.mkdir("new", dir_fd=w.dirfd),
    ),
    "unlinkat": (
        lambda w: pysyscall.unlinkat(w.dirfd, "link"),
        lambda w: os.unlink("link", dir_fd=w.dirfd),
    ),
    "unlinkat AT_REMOVEDIR": (
        lambda w: pysyscall.unlinkat(w.dirfd, b"empty", pysyscall.AT_REMOVEDIR),
        lambda w: os.rmdir(b"empty", dir_fd=w.dirfd),
    ),
    "renameat": (
        lambda w: pysyscall.renameat(w.dirfd, "file", None, w.at / "empty" / "new"),
        lambda w: os.rename("file", w.at / "empty" / "new", src_dir_fd=w.dirfd),
    ),
    "renameat2": (
        lambda w: pysyscall.renameat2(None, w.at / "file", w.dirfd, "other"),
        lambda w: os.rename(w.at / "file", "other", dst_dir_fd=w.dirfd),
    ),
    "linkat": (
        lambda w: pysyscall.linkat(w.dirfd, "file", w.dirfd, "new"),
        lambda w: os.link("file", "new", src_dir_fd=w.dirfd, dst_dir_fd=w.dirfd),
    ),
    "linkat AT_SYMLINK_FOLLOW": (
        lambda w: pysyscall.linkat(w.dirfd, "link", w.dirfd, "new", pysyscall.AT_SYMLINK_FOLLOW),
        lambda w: os.link(w.at / "file", w.at / "new"),
    ),
    "symlinkat": (
        lambda w: pysyscall.symlinkat("anywhere", w.dirfd, "new"),
        lambda w: os.symlink("anywhere", "new", dir_fd=w.dirfd),
    ),
    "readlinkat": (
        lambda w: pysyscall.readlinkat(w.dirfd, "link"),
        lambda w: os.readlink("link", dir_fd=w.dirfd),
    ),
    "readlinkat bytes": (
        lambda w: pysyscall.readlinkat(w.dirfd, b"link"),
        lambda w: os.readlink(b"link", dir_fd=w.dirfd),
    ),
    "fchmodat": (
        lambda w: pysyscall.fchmodat(w.dirfd, "file", 0o604),
        lambda w: os.chmod("file", 0o604, dir_fd=w.dirfd),
    ),
    "faccessat2": (
        lambda w: pysyscall.faccessat2(w.dirfd, "file", os.R_OK),
        lambda w: os.access("file", os.R_OK, dir_fd=w.dirfd),
    ),
    "faccessat2 AT_SYMLINK_NOFOLLOW": (
        lambda w: pysyscall.faccessat2(w.dirfd, "lost", 0, pysyscall.AT_SYMLINK_NOFOLLOW),
        lambda w: os.access("lost", os.F_OK, dir_fd=w.dirfd, follow_symlinks=False),
    ),
}

PAIRS = {
    name: (lambda w, call=call: call(pysyscall, w), lambda w, call=call: call(os, w))
    for name, call in SAME.items()
} | OTHERWISE


@pytest.mark.parametrize(("ours", "theirs"), PAIRS.values(), ids=PAIRS)
def test_does_and_returns_what_os_does(
    tmp_path: Path, ours: Callable[[World], object], theirs: Callable[[World], object]
) -> None:
    with new_world(tmp_path / "ours") as mine, new_world(tmp_path / "theirs") as other:
        result, expected = ours(mine), theirs(other)
        assert result == expected
        assert type(result) is type(expected)
        assert mine.state() == other.state()


# Calls that fail: as os fails, down to the file names.
FAILING: dict[str, Callable[[Any, World], object]] = {
    "open": lambda m, w: m.open(str(w.at / "none"), os.O_RDONLY),
    "open bytes": lambda m, w: m.open(os.fsencode(w.at / "none"), os.O_RDONLY),
    "open to write a folder": lambda m, w: m.open(str(w.at), os.O_WRONLY),
    "open through a file": lambda m, w: m.open(str(w.at / "file" / "x"), os.O_RDONLY),
    "open exclusively": lambda m, w: m.open(str(w.at / "file"), os.O_CREAT | os.O_EXCL),
    "open a long name": lambda m, w: m.open("x" * 256, os.O_RDONLY),
    "open a loop": lambda m, w: m.open(str(w.at / "link"), os.O_RDONLY | os.O_NOFOLLOW),
    "close": lambda m, w: m.close(-1),
    "read": lambda m, w: m.read(-1, 1),
    "read a folder": lambda m, w: m.read(w.dirfd, 1),
    "write": lambda m, w: m.write(w.dirfd, b"x"),
    "pread": lambda m, w: m.pread(w.fd, 1, -1),
    "readv": lambda m, w: m.readv(-1, [bytearray(1)]),
    "readv 1025 buffers": lambda m, w: m.readv(w.fd, [bytearray(1)] * 1025),
    "lseek": lambda m, w: m.lseek(w.fd, -1, os.SEEK_SET),
    "lseek whence": lambda m, w: m.lseek(w.fd, 0, 99),
    "sendfile": lambda m, w: m.sendfile(w.out, -1, 0, 1),
    "stat": lambda m, w: m.stat(str(w.at / "none")),
    "stat lost link": lambda m, w: m.stat(str(w.at / "lost")),
    "lstat": lambda m, w: m.lstat(os.fsencode(w.at / "none")),
    "fstat": lambda m, w: m.fstat(-1),
    "chdir": lambda m, w: m.chdir(str(w.at / "file")),
    "fchdir": lambda m, w: m.fchdir(w.fd),
    "mkdir": lambda m, w: m.mkdir(str(w.at / "file")),
    "rmdir": lambda m, w: m.rmdir(str(w.at / "full")),
    "unlink": lambda m, w: m.unlink(str(w.at / "empty")),
    "rename": lambda m, w: m.rename(str(w.at / "none"), str(w.at / "new")),
    "rename bytes": lambda m, w: m.rename(b"/none/a", b"/none/b"),
    "link": lambda m, w: m.link(str(w.at / "file"), str(w.at / "other")),
    "symlink": lambda m, w: m.symlink("target", str(w.at / "file")),
    "readlink": lambda m, w: m.readlink(str(w.at / "file")),
    "chmod": lambda m, w: m.chmod(str(w.at / "none"), 0o600),
    "fchmod": lambda m, w: m.fchmod(-1, 0o600),
    "chown": lambda m, w: m.chown(str(w.at / "none"), -1, -1),
    "lchown": lambda m, w: m.lchown(str(w.at / "none"), -1, -1),
    "fchown": lambda m, w: m.fchown(-1, -1, -1),
    "truncate": lambda m, w: m.truncate(str(w.at / "empty"), 0),
    "ftruncate": lambda m, w: m.ftruncate(w.fd, -1),
    "fsync": lambda m, w: m.fsync(99999),
    "fdatasync": lambda m, w: m.fdatasync(99999),
    "dup": lambda m, w: m.dup(-1),
    "dup2": lambda m, w: m.dup2(-1, w.out),
    "pipe2": lambda m, w: m.pipe2(os.O_APPEND),
}


def failure(call: Callable[[Any, World], object], module: Any, world: World) -> tuple[object, ...]:
    with pytest.raises(OSError) as caught:
        call(module, world)
    error = caught.value
    return type(error), error.errno, error.strerror, error.filename, error.filename2


@pytest.mark.parametrize("call", FAILING.values(), ids=FAILING)
def test_fails_as_os_fails(world: World, call: Callable[[Any, World], object]) -> None:
    before = world.state()
    assert failure(call, pysyscall, world) == failure(call, os, world)
    assert world.state() == before


@pytest.mark.parametrize(
    ("call", "number", "names"),
    [
        (lambda w: pysyscall.openat(w.dirfd, "none", 0), errno.ENOENT, ("none", None)),
        (lambda w: pysyscall.openat2(w.dirfd, b"none", OpenHow()), errno.ENOENT, (b"none", None)),
        (lambda w: pysyscall.creat("/none/x", 0o600), errno.ENOENT, ("/none/x", None)),
        (lambda w: pysyscall.newfstatat(w.dirfd, "none"), errno.ENOENT, ("none", None)),
        (lambda w: pysyscall.statx(w.fd, "x"), errno.ENOTDIR, ("x", None)),
        (lambda w: pysyscall.mkdirat(w.dirfd, "full"), errno.EEXIST, ("full", None)),
        (lambda w: pysyscall.unlinkat(w.dirfd, "full"), errno.EISDIR, ("full", None)),
        (lambda w: pysyscall.fchmodat(-1, "x", 0), errno.EBADF, ("x", None)),
        (lambda w: pysyscall.readlinkat(w.dirfd, "file"), errno.EINVAL, ("file", None)),
        (lambda w: pysyscall.renameat(w.dirfd, "a", w.dirfd, "b"), errno.ENOENT, ("a", "b")),
        (lambda w: pysyscall.linkat(w.dirfd, "link", -1, "x"), errno.EBADF, ("link", "x")),
        (lambda w: pysyscall.symlinkat("a", w.dirfd, "file"), errno.EEXIST, ("a", "file")),
        (lambda w: pysyscall.faccessat2(w.dirfd, "file", 8), errno.EINVAL, ("file", None)),
        (lambda w: pysyscall.faccessat2(w.dirfd, "file", os.X_OK), errno.EACCES, ("file", None)),
        (lambda w: pysyscall.preadv2(w.fd, [bytearray(1)], 0, 1 << 30), errno.EOPNOTSUPP, ()),
        (lambda w: pysyscall.pwritev2(w.fd, [b"x"], -2), errno.EINVAL, ()),
        (lambda w: pysyscall.copy_file_range(w.fd, 0, w.out, 0, 1, 1), errno.EINVAL, ()),
        (lambda w: pysyscall.splice(w.fd, 0, w.out, 0, 1), errno.EINVAL, ()),
        (lambda w: pysyscall.dup3(w.fd, w.fd), errno.EINVAL, ()),
        (lambda w: pysyscall.close_range(9, 8), errno.EINVAL, ()),
    ],
)
def test_calls_that_os_lacks_fail_with_errno_and_names(
    world: World, call: Callable[[World], object], number: int, names: tuple[object, ...]
) -> None:
    with pytest.raises(OSError) as caught:
        call(world)
    assert caught.value.errno == number
    assert caught.value.strerror == os.strerror(number)
    assert (caught.value.filename, caught.value.filename2) == (names or (None, None))
    assert type(caught.value) is type(OSError(number, ""))


def test_the_file_name_of_an_error_is_what_was_given() -> None:
    path = Path("/none")
    with pytest.raises(FileNotFoundError) as caught:
        pysyscall.stat(path)
    assert os.fspath(caught.value.filename) == "/none"
    assert str(caught.value) == "[Errno 2] No such file or directory: " + repr(
        caught.value.filename
    )


# Opening


def opened(path: Path, flags: int, *mode: int) -> dict[str, Callable[[], int]]:
    how = OpenHow(flags, mode[0] if mode else 0)
    return {
        "open": lambda: pysyscall.open(path, flags, *mode),
        "openat": lambda: pysyscall.openat(None, str(path), flags, *mode),
        "openat2": lambda: pysyscall.openat2(None, os.fsencode(path), how),
    }


@pytest.mark.parametrize("call", ["open", "openat", "openat2"])
@pytest.mark.parametrize(
    "flags", [os.O_RDONLY, os.O_WRONLY | os.O_APPEND, os.O_RDWR | os.O_NONBLOCK, os.O_CLOEXEC]
)
def test_open_flags_reach_the_kernel_as_given(
    world: World, keep: Callable[[int], int], call: str, flags: int
) -> None:
    ours = keep(opened(world.at / "file", flags)[call]())
    theirs = keep(os.open(world.at / "file", flags))
    assert fcntl.fcntl(ours, fcntl.F_GETFL) == fcntl.fcntl(theirs, fcntl.F_GETFL)
    wanted = fcntl.FD_CLOEXEC if flags & os.O_CLOEXEC else 0
    assert fcntl.fcntl(ours, fcntl.F_GETFD) == wanted


@pytest.mark.parametrize("call", ["open", "openat", "openat2", "creat"])
@pytest.mark.parametrize("mode", [0o666, 0o600, 0o4711])
def test_a_new_file_has_the_mode_less_the_umask(
    tmp_path: Path, keep: Callable[[int], int], umask: int, call: str, mode: int
) -> None:
    path = tmp_path / "new"
    calls = opened(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, mode)
    keep((calls | {"creat": lambda: pysyscall.creat(path, mode)})[call]())
    assert stat_bits.S_IMODE(path.stat().st_mode) == mode & ~umask


@pytest.mark.parametrize("call", ["open", "openat"])
@pytest.mark.parametrize("flags", [os.O_CREAT | os.O_WRONLY, os.O_TMPFILE | os.O_WRONLY])
def test_a_new_file_has_mode_777_by_default(
    tmp_path: Path, keep: Callable[[int], int], umask: int, call: str, flags: int
) -> None:
    path = tmp_path if flags & os.O_TMPFILE == os.O_TMPFILE else tmp_path / "new"
    with skip_where(errno.EOPNOTSUPP, lacking="the file system has no O_TMPFILE"):
        fd = keep(opened(path, flags)[call]())
    assert stat_bits.S_IMODE(os.fstat(fd).st_mode) == 0o777 & ~umask


def test_creat_empties_a_file_and_opens_it_for_writing(
    world: World, keep: Callable[[int], int]
) -> None:
    fd = keep(pysyscall.creat(world.at / "file", 0o600))
    assert (world.at / "file").read_bytes() == b""
    assert pysyscall.write(fd, b"new") == 3
    with pytest.raises(OSError, match="Bad file descriptor"):
        pysyscall.read(fd, 1)
    assert (world.at / "file").read_bytes() == b"new"


@pytest.mark.parametrize("kind", ["int", "object", "None"])
def test_a_path_is_relative_to_the_directory(
    world: World, keep: Callable[[int], int], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    class Folder:
        def fileno(self) -> int:
            return world.dirfd

    monkeypatch.chdir(world.at if kind == "None" else "/")
    dirfd = {"int": world.dirfd, "object": Folder(), "None": None}[kind]
    fd = keep(pysyscall.openat(dirfd, "file", pysyscall.O_RDONLY))
    assert pysyscall.read(fd, 100) == CONTENT
    assert pysyscall.newfstatat(dirfd, "file").st_ino == os.fstat(world.fd).st_ino


@pytest.mark.parametrize(
    ("path", "how", "number"),
    [
        ("link", OpenHow(resolve=pysyscall.RESOLVE_NO_SYMLINKS), errno.ELOOP),
        ("..", OpenHow(resolve=pysyscall.RESOLVE_BENEATH), errno.EXDEV),
        ("file", OpenHow(mode=0o600), errno.EINVAL),
        ("file", OpenHow(flags=1 << 40), errno.EINVAL),
    ],
)
def test_openat2_says_how_a_path_is_resolved(
    world: World, keep: Callable[[int], int], path: str, how: OpenHow, number: int
) -> None:
    with pytest.raises(OSError) as caught:
        pysyscall.openat2(world.dirfd, path, how)
    assert (caught.value.errno, caught.value.filename) == (number, path)
    fd = keep(pysyscall.openat2(world.dirfd, "file", (os.O_RDONLY, 0, pysyscall.RESOLVE_BENEATH)))
    assert os.fstat(fd).st_ino == os.fstat(world.fd).st_ino


# Descriptors


def test_close(world: World) -> None:
    fd = os.dup(world.fd)
    assert pysyscall.close(fd) is None
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_close_takes_an_object_with_fileno(world: World) -> None:
    with io.FileIO(os.dup(world.fd), closefd=False) as file:
        assert pysyscall.close(file) is None
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(file.fileno())


@pytest.mark.parametrize(
    ("call", "cloexec"),
    [
        (lambda fd, free: pysyscall.dup(fd), False),
        (lambda fd, free: pysyscall.dup2(fd, free), False),
        (lambda fd, free: pysyscall.dup3(fd, free), False),
        (lambda fd, free: pysyscall.dup3(fd, free, pysyscall.O_CLOEXEC), True),
    ],
    ids=["dup", "dup2", "dup3", "dup3 O_CLOEXEC"],
)
def test_a_duplicate_shares_the_open_file_and_has_the_flags_asked_for(
    world: World, keep: Callable[[int], int], call: Callable[[int, int], int], cloexec: bool
) -> None:
    free = os.dup(world.out)
    fd = call(world.fd, free)
    for each in {fd, free}:
        keep(each)
    assert fcntl.fcntl(fd, fcntl.F_GETFD) == (fcntl.FD_CLOEXEC if cloexec else 0)
    pysyscall.lseek(fd, 7, os.SEEK_SET)
    assert os.lseek(world.fd, 0, os.SEEK_CUR) == 7


def test_close_range(world: World, keep: Callable[[int], int]) -> None:
    fds = [fcntl.fcntl(world.fd, fcntl.F_DUPFD, 600) for _ in range(4)]
    keep(fds[0])
    keep(fds[3])
    assert fds == list(range(fds[0], fds[0] + 4)), "other tests left descriptors open"
    assert pysyscall.close_range(fds[1], fds[2]) is None
    for fd in fds[1:3]:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
    pysyscall.close_range(fds[2], fds[3], pysyscall.CLOSE_RANGE_CLOEXEC)
    states = [fcntl.fcntl(fd, fcntl.F_GETFD) for fd in (fds[0], fds[3])]
    assert states == [0, fcntl.FD_CLOEXEC]


@pytest.mark.parametrize(
    ("make", "flags"),
    [
        (pysyscall.pipe, 0),
        (pysyscall.pipe2, 0),
        (lambda: pysyscall.pipe2(os.O_NONBLOCK), os.O_NONBLOCK),
        (lambda: pysyscall.pipe2(os.O_CLOEXEC), os.O_CLOEXEC),
    ],
    ids=["pipe", "pipe2", "pipe2 O_NONBLOCK", "pipe2 O_CLOEXEC"],
)
def test_pipe(keep: Callable[[int], int], make: Callable[[], tuple[int, int]], flags: int) -> None:
    ends = make()
    assert type(ends) is tuple
    reader, writer = map(keep, ends)
    assert pysyscall.write(writer, b"hello") == 5
    assert pysyscall.read(reader, 100) == b"hello"
    for fd in ends:
        status = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK
        assert status | bool(fcntl.fcntl(fd, fcntl.F_GETFD)) * os.O_CLOEXEC == flags


def test_a_pipe_that_is_empty_or_broken(keep: Callable[[int], int]) -> None:
    reader, writer = pysyscall.pipe2(os.O_NONBLOCK)
    keep(writer)
    with pytest.raises(BlockingIOError) as blocked:
        pysyscall.read(reader, 1)
    pysyscall.close(reader)
    with pytest.raises(BrokenPipeError) as broken:
        pysyscall.write(writer, b"x")
    assert (blocked.value.errno, broken.value.errno) == (errno.EAGAIN, errno.EPIPE)


# Reading and writing


@pytest.mark.parametrize(
    "buffer", [bytearray(4), memoryview(bytearray(8))[2:6], array.array("H", [0, 0])]
)
def test_reads_fill_a_buffer_in_place(world: World, buffer: Any) -> None:
    assert pysyscall.read(world.fd, buffer) == 4
    assert bytes(memoryview(buffer).cast("B")) == CONTENT[:4]
    assert pysyscall.pread64(world.fd, buffer, 8) == 2
    assert bytes(memoryview(buffer).cast("B")) == CONTENT[8:] + CONTENT[2:4]
    assert os.lseek(world.fd, 0, os.SEEK_CUR) == 4


@pytest.mark.parametrize("count", [1 << 40, 1 << 70])
def test_a_read_may_ask_for_more_than_memory_holds(world: World, count: int) -> None:
    assert pysyscall.read(world.fd, count) == CONTENT
    assert pysyscall.pread(world.fd, count, 4) == CONTENT[4:]


def test_what_is_read_is_what_was_written(world: World) -> None:
    data = os.urandom(300_000)
    assert pysyscall.pwrite(world.fd, data, 0) == len(data)
    assert pysyscall.read(world.fd, len(data) + 1) == data
    halves = bytearray(150_000), bytearray(200_000)
    assert pysyscall.preadv2(world.fd, iter(halves), offset=0) == len(data)
    assert bytes(halves[0] + halves[1][:150_000]) == data


def test_preadv2_flags(world: World) -> None:
    buffer = bytearray(4)
    assert pysyscall.preadv2(world.fd, [buffer], 0, flags=pysyscall.RWF_HIPRI) == 4
    assert buffer == CONTENT[:4]


def test_splice(world: World, keep: Callable[[int], int]) -> None:
    reader, writer = map(keep, os.pipe())
    assert pysyscall.splice(world.fd, 2, writer, None, 5) == 5
    assert pysyscall.splice(reader, None, world.out, 3, 100, pysyscall.SPLICE_F_MOVE) == 5
    assert (world.at / "other").read_bytes() == b"\0\0\0" + CONTENT[2:7]
    assert [os.lseek(fd, 0, os.SEEK_CUR) for fd in (world.fd, world.out)] == [0, 0]
    assert pysyscall.splice(world.fd, None, writer, None, 4) == 4
    assert (os.read(reader, 10), os.lseek(world.fd, 0, os.SEEK_CUR)) == (CONTENT[:4], 4)


def test_a_read_goes_on_after_a_signal(keep: Callable[[int], int]) -> None:
    reader, writer = map(keep, os.pipe())
    seen: list[int] = []

    def handler(number: int, frame: object) -> None:
        seen.append(number)
        os.write(writer, b"late")

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        assert pysyscall.read(reader, 10) == b"late"
    finally:
        signal.signal(signal.SIGALRM, before)
    assert seen == [signal.SIGALRM]


def test_an_exception_gets_out_of_a_blocking_read(keep: Callable[[int], int]) -> None:
    reader, _ = map(keep, os.pipe())
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            pysyscall.read(reader, 10)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_other_threads_run_during_a_blocking_read(keep: Callable[[int], int]) -> None:
    reader, writer = map(keep, os.pipe())
    thread = threading.Thread(target=os.write, args=(writer, b"from a thread"))
    timer = threading.Timer(0.01, thread.start)
    timer.start()
    assert pysyscall.read(reader, 100) == b"from a thread"
    timer.join()
    thread.join()


# What is told of files

STATED = ["file", "empty", "link", "lost", "fifo", "/dev/null", "old", "."]


@pytest.mark.parametrize("name", STATED)
@pytest.mark.parametrize("call", ["stat", "lstat", "fstat", "newfstatat", "fstatat"])
def test_stat_tells_what_os_tells(
    world: World, keep: Callable[[int], int], name: str, call: str
) -> None:
    os.mkfifo(world.at / "fifo")
    (world.at / "old").write_bytes(b"")
    os.utime(world.at / "old", ns=(-1_500_000_001, -1))
    path = world.at / name
    follow = call != "lstat"
    if follow and name == "lost":
        path = world.at / "file"
    expected = path.stat(follow_symlinks=follow)
    match call:
        case "fstat":
            told = pysyscall.fstat(keep(os.open(path, os.O_PATH)))
        case "newfstatat" | "fstatat":
            told = getattr(pysyscall, call)(world.dirfd, os.path.relpath(path, world.at))
        case _:
            told = getattr(pysyscall, call)(path)
    assert type(told) is Stat
    fields = [field for field in dir(expected) if field.startswith("st_")]
    assert len(fields) >= 16
    for field in fields:
        ours, theirs = getattr(told, field), getattr(expected, field)
        assert type(ours) is type(theirs), field
        assert ours == (pytest.approx(theirs, abs=1e-6) if type(ours) is float else theirs), field
    assert tuple(told) == tuple(expected)
    assert told[stat_bits.ST_SIZE] == expected.st_size
    assert told.st_mtime_ns == told.st_mtime_sec * 10**9 + told.st_mtime_nsec
    assert os.path.samestat(told, expected)


def test_newfstatat_flags(world: World) -> None:
    link = pysyscall.fstatat(world.dirfd, "link", pysyscall.AT_SYMLINK_NOFOLLOW)
    assert stat_bits.S_ISLNK(link.st_mode)
    self = pysyscall.fstatat(world.fd, "", pysyscall.AT_EMPTY_PATH)
    assert self == pysyscall.fstat(world.fd)


@pytest.mark.parametrize("name", ["file", "empty", "link", "/dev/null"])
def test_statx_tells_what_stat_tells(world: World, name: str) -> None:
    told, expected = pysyscall.statx(world.dirfd, name), (world.at / name).stat()
    same = ["mode", "ino", "nlink", "uid", "gid", "size", "blocks", "blksize"]
    for field in same:
        assert getattr(told, f"stx_{field}") == getattr(expected, f"st_{field}"), field
    for field in ("atime", "mtime", "ctime"):
        assert getattr(told, f"stx_{field}").ns == getattr(expected, f"st_{field}_ns")
        assert getattr(told, f"stx_{field}").seconds == pytest.approx(
            getattr(expected, f"st_{field}"), abs=1e-6
        )
    assert os.makedev(told.stx_dev_major, told.stx_dev_minor) == expected.st_dev
    assert os.makedev(told.stx_rdev_major, told.stx_rdev_minor) == expected.st_rdev
    assert told.stx_mask & pysyscall.STATX_BASIC_STATS == pysyscall.STATX_BASIC_STATS


def test_statx_mask_and_flags(world: World) -> None:
    told = pysyscall.statx(
        world.fd, "", pysyscall.AT_EMPTY_PATH, pysyscall.STATX_MNT_ID | pysyscall.STATX_SIZE
    )
    assert told.stx_mask & pysyscall.STATX_MNT_ID
    description = Path(f"/proc/self/fdinfo/{world.fd}").read_text()
    wanted = dict(line.split(maxsplit=1) for line in description.splitlines())
    assert told.stx_mnt_id == int(wanted["mnt_id:"])
    link = pysyscall.statx(world.dirfd, "link", flags=pysyscall.AT_SYMLINK_NOFOLLOW)
    assert stat_bits.S_ISLNK(link.stx_mode)


@pytest.mark.parametrize("call", ["access", "faccessat2"])
def test_access_raises_where_the_answer_is_no(world: World, call: str) -> None:
    path = world.at / "file"
    ask = {
        "access": lambda path, mode: pysyscall.access(path, mode),
        "faccessat2": lambda path, mode: pysyscall.faccessat2(None, path, mode),
    }[call]
    assert ask(path, pysyscall.R_OK) is True
    with pytest.raises(PermissionError):
        ask(path, pysyscall.X_OK)
    with pytest.raises(FileNotFoundError):
        ask(path.parent / "none", pysyscall.F_OK)
    with pytest.raises(NotADirectoryError):
        ask(path / "none", pysyscall.F_OK)


# What differs from os, as documented


def test_a_path_is_no_descriptor(world: World) -> None:
    calls: list[Callable[[Any], object]] = [
        pysyscall.stat,
        pysyscall.chdir,
        lambda fd: pysyscall.chmod(fd, 0o600),
        lambda fd: pysyscall.chown(fd, -1, -1),
        lambda fd: pysyscall.truncate(fd, 0),
    ]
    for call in calls:
        with pytest.raises(
            TypeError, match=r"argument 'path' must be a str, bytes or os[.]PathLike"
        ):
            call(world.fd)


def test_link_does_not_follow_a_symbolic_link(world: World) -> None:
    pysyscall.link(world.at / "link", world.at / "new")
    assert (world.at / "new").is_symlink()
    assert os.lstat(world.at / "new").st_ino == os.lstat(world.at / "link").st_ino


def test_aliases_are_the_same_objects() -> None:
    assert pysyscall.pread is pysyscall.pread64
    assert pysyscall.pwrite is pysyscall.pwrite64
    assert pysyscall.fstatat is pysyscall.newfstatat


# Names and places


def test_renameat2_exchanges_two_names_and_replaces_none(world: World) -> None:
    def rename(flags: int) -> None:
        pysyscall.renameat2(world.dirfd, "file", world.dirfd, "other", flags)

    with pytest.raises(FileExistsError) as caught:
        rename(pysyscall.RENAME_NOREPLACE)
    assert (caught.value.filename, caught.value.filename2) == ("file", "other")
    rename(pysyscall.RENAME_EXCHANGE)
    assert (world.at / "other").read_bytes() == CONTENT
    assert (world.at / "file").read_bytes() == b""


def test_readlink_tells_the_longest_target(world: World) -> None:
    target = "/".join(itertools.repeat("x" * 254, 16)) + "/" + "y" * 14
    assert len(target) == 4094
    with skip_where(lacking="the file system has no such long links"):
        pysyscall.symlink(target, world.at / "new")
    assert pysyscall.readlink(world.at / "new") == target
    assert pysyscall.readlinkat(world.dirfd, b"new") == target.encode()


@pytest.mark.parametrize("move", ["chdir", "fchdir"])
@pytest.mark.parametrize("name", ["plain", "ünïcode", "not\udcffunicode"])
def test_the_current_directory(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    keep: Callable[[int], int],
    move: str,
    name: str,
) -> None:
    folder = tmp_path / name
    pysyscall.mkdir(folder)
    monkeypatch.chdir(tmp_path)
    assert pysyscall.getcwd() == str(tmp_path)
    if move == "chdir":
        assert pysyscall.chdir(os.fsencode(folder)) is None
    else:
        assert pysyscall.fchdir(keep(os.open(folder, os.O_RDONLY))) is None
    assert pysyscall.getcwd() == str(Path.cwd()) == str(folder)
    pysyscall.rmdir(folder)
    with pytest.raises(FileNotFoundError):
        pysyscall.getcwd()


@pytest.mark.parametrize("mask", [0, 0o027, 0o777])
def test_umask_returns_the_mask_before(tmp_path: Path, umask: int, mask: int) -> None:
    assert pysyscall.umask(mask) == umask
    pysyscall.mkdir(tmp_path / "new")
    assert stat_bits.S_IMODE((tmp_path / "new").stat().st_mode) == 0o777 & ~mask
    assert pysyscall.umask(umask) == mask


def test_the_kernel_keeps_only_the_permissions_of_a_umask(umask: int) -> None:
    pysyscall.umask(0o7027)
    assert pysyscall.umask(umask) == 0o027
