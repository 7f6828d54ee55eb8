"""Calls on files that take a directory and flags: as os does, where it has them."""

from __future__ import annotations

import errno
import fcntl
import os
import stat as stat_bits
from pathlib import Path

import pytest
from conditions import lacks, needs, needs_root
from worlds import OWNER, Action, World, filled, new_world

import pysyscall

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
