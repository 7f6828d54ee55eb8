"""Calls on file systems: mounts in a namespace of a child, what is told of them, swap, accounting.

Nothing is mounted, and no root is changed, where another process could see it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from children import among_own_mounts, in_child
from conditions import needs, needs_root, skip_where

import pysyscall
from pysyscall import MountAttr, Statfs, Ustat

PAGE = 4096


def mounted(at: Path) -> dict[str, str]:
    """What the kernel says of the uppermost mount on a directory."""
    told: dict[str, str] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, system = line.partition(" - ")
        _, _, _, root, point, options, *optional = mount.split()
        if point == str(at):
            kind, source, super_options = system.split()
            told = {
                "root": root,
                "options": options,
                "propagation": " ".join(optional),
                "type": kind,
                "source": source,
                "super": super_options,
            }
    return told


def refusal(call: Callable[[], object]) -> tuple[str, object, object]:
    """How a call fails: the error's name and the paths it names."""
    try:
        call()
    except OSError as error:
        return errno.errorcode[error.errno], error.filename, error.filename2
    return "", None, None


def configure(fd: int, command: int, key: str | None = None, value: str | None = None) -> None:
    texts = (None if text is None else text.encode() + b"\0" for text in (key, value))
    pysyscall.syscall("fsconfig", fd, command, *texts, 0)


def new_tmpfs(source: str) -> int:
    """A descriptor of a tmpfs that is made, but not mounted."""
    fd = pysyscall.fsopen("tmpfs")
    configure(fd, pysyscall.FSCONFIG_SET_STRING, "source", source)
    configure(fd, pysyscall.FSCONFIG_CMD_CREATE)
    return fd


@pytest.fixture
def at(tmp_path: Path) -> Path:
    """A directory to mount on."""
    path = tmp_path / "at"
    path.mkdir()
    return path


# Mounts


@pytest.mark.parametrize("kind", [str, os.fsencode, Path])
def test_mount_and_umount(at: Path, kind: Callable[[Path], Any]) -> None:
    def run() -> Any:
        results = [pysyscall.mount("mine", kind(at), "tmpfs", pysyscall.MS_NOEXEC, "size=1m")]
        told = mounted(at)
        (at / "new").write_bytes(b"x")
        results.append(pysyscall.umount2(kind(at)))
        return results, told, mounted(at), list(at.iterdir())

    results, told, after, left = among_own_mounts(run)
    assert results == [None, None]
    assert (told["type"], told["source"], told["root"]) == ("tmpfs", "mine", "/")
    assert "noexec" in told["options"].split(",")
    assert "size=1024k" in told["super"].split(",")
    assert (after, left) == ({}, [])


def test_mount_binds_moves_and_remounts(tmp_path: Path, at: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "file").write_bytes(b"x")
    (tmp_path / "else").mkdir()

    def run() -> Any:
        pysyscall.mount(tmp_path / "from", at, None, pysyscall.MS_BIND)
        bound = (at / "file").read_bytes()
        pysyscall.mount(at, tmp_path / "else", mountflags=pysyscall.MS_MOVE)
        moved = mounted(at), (tmp_path / "else" / "file").read_bytes()
        flags = pysyscall.MS_BIND | pysyscall.MS_REMOUNT | pysyscall.MS_RDONLY
        pysyscall.mount(None, tmp_path / "else", None, flags)
        refused = refusal(lambda: (tmp_path / "else" / "file").write_bytes(b"y"))
        return bound, moved, refused[0], (tmp_path / "from" / "file").write_bytes(b"z")

    assert among_own_mounts(run) == (b"x", ({}, b"x"), "EROFS", 1)


@pytest.mark.parametrize(
    ("flag", "wanted"),
    [("MS_SHARED", "shared:"), ("MS_PRIVATE", ""), ("MS_UNBINDABLE", "unbindable")],
)
def test_mount_changes_how_mounts_propagate(at: Path, flag: str, wanted: str) -> None:
    def run() -> str:
        pysyscall.mount("none", at, "tmpfs")
        pysyscall.mount(None, at, None, getattr(pysyscall, flag))
        return mounted(at)["propagation"]

    told = among_own_mounts(run)
    assert told.startswith(wanted) if wanted else told == ""


def test_umount_flags(tmp_path: Path, at: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(at)

    def run() -> Any:
        pysyscall.mount("none", at, "tmpfs")
        told = [refusal(lambda: pysyscall.umount2(link, pysyscall.UMOUNT_NOFOLLOW))]
        fd = os.open(at, os.O_RDONLY)
        told.append(refusal(lambda: pysyscall.umount2(at)))
        told.append(refusal(lambda: pysyscall.umount2(at, pysyscall.MNT_DETACH)))
        os.close(fd)
        states = [bool(mounted(at))]
        pysyscall.mount("none", at, "tmpfs")
        told.append(refusal(lambda: pysyscall.umount2(at, pysyscall.MNT_EXPIRE)))
        states.append(bool(mounted(at)))
        told.append(refusal(lambda: pysyscall.umount2(at, pysyscall.MNT_EXPIRE)))
        states.append(bool(mounted(at)))
        return told, states

    told, states = among_own_mounts(run)
    done = ("", None, None)
    assert told == [
        ("EINVAL", link, None),
        ("EBUSY", at, None),
        done,
        ("EAGAIN", at, None),
        done,
    ]
    assert states == [False, True, False]


def test_umount_is_umount2() -> None:
    assert pysyscall.umount is pysyscall.umount2


def test_pivot_root_exchanges_the_root(at: Path) -> None:
    def run() -> Any:
        pysyscall.mount("none", at, "tmpfs")
        (at / "old").mkdir()
        (at / "file").write_bytes(b"x")
        result = pysyscall.pivot_root(at, str(at / "old"))
        os.chdir("/")
        names = sorted(path.name for path in Path("/").iterdir())
        return result, names, Path("/old", at.relative_to("/")).is_dir()

    assert among_own_mounts(run) == (None, ["file", "old"], True)


# The newer calls


@pytest.mark.parametrize(
    ("make", "flag"),
    [
        (lambda at, flags: pysyscall.fsopen("tmpfs", flags), pysyscall.FSOPEN_CLOEXEC),
        (lambda at, flags: pysyscall.fsopen(b"tmpfs", flags), pysyscall.FSOPEN_CLOEXEC),
        (lambda at, flags: pysyscall.fspick(None, at, flags), pysyscall.FSPICK_CLOEXEC),
        (lambda at, flags: pysyscall.fsmount(new_tmpfs("x"), flags), pysyscall.FSMOUNT_CLOEXEC),
        (lambda at, flags: pysyscall.open_tree(None, at, flags), pysyscall.OPEN_TREE_CLOEXEC),
        pytest.param(
            lambda at, flags: pysyscall.open_tree_attr(None, at, flags),
            pysyscall.OPEN_TREE_CLOEXEC,
            marks=needs("open_tree_attr"),
        ),
    ],
    ids=["fsopen", "fsopen bytes", "fspick", "fsmount", "open_tree", "open_tree_attr"],
)
def test_a_new_descriptor_is_closed_by_exec_if_asked_for(
    at: Path, make: Callable[[Path, int], int], flag: int
) -> None:
    def run() -> list[int]:
        pysyscall.mount("none", at, "tmpfs")
        return [fcntl.fcntl(make(at, flags), fcntl.F_GETFD) for flags in (0, flag)]

    assert among_own_mounts(run) == [0, fcntl.FD_CLOEXEC]


def test_a_file_system_is_made_and_put_into_place(at: Path) -> None:
    def run() -> Any:
        fd = new_tmpfs("mine")
        attributes = pysyscall.MOUNT_ATTR_NOEXEC | pysyscall.MOUNT_ATTR_NOATIME
        mount = pysyscall.fsmount(fd, 0, attributes)
        before = mounted(at)
        result = pysyscall.move_mount(mount, "", None, at, flags=pysyscall.MOVE_MOUNT_F_EMPTY_PATH)
        return before, result, mounted(at), pysyscall.fstatfs(mount).f_type

    before, result, told, kind = among_own_mounts(run)
    assert (before, result, kind) == ({}, None, pysyscall.TMPFS_MAGIC)
    assert (told["type"], told["source"]) == ("tmpfs", "mine")
    assert {"noexec", "noatime", "rw"} <= set(told["options"].split(","))


def test_fspick_changes_a_mounted_file_system(at: Path) -> None:
    def run() -> Any:
        pysyscall.mount("none", at, "tmpfs")
        folder = os.open(at.parent, os.O_RDONLY)
        fd = pysyscall.fspick(folder, at.name, pysyscall.FSPICK_NO_AUTOMOUNT)
        configure(fd, pysyscall.FSCONFIG_SET_FLAG, "ro")
        configure(fd, pysyscall.FSCONFIG_CMD_RECONFIGURE)
        return mounted(at)["super"].split(","), refusal((at / "new").touch)[0]

    options, refused = among_own_mounts(run)
    assert "ro" in options
    assert refused == "EROFS"


def test_move_mount_moves_relative_to_directories(tmp_path: Path, at: Path) -> None:
    (tmp_path / "else").mkdir()

    def run() -> Any:
        pysyscall.mount("mine", at, "tmpfs")
        folder = os.open(tmp_path, os.O_RDONLY)
        target = os.open(tmp_path / "else", os.O_PATH)
        pysyscall.move_mount(folder, b"at", target, "", pysyscall.MOVE_MOUNT_T_EMPTY_PATH)
        return mounted(at), mounted(tmp_path / "else")["source"]

    assert among_own_mounts(run) == ({}, "mine")


def test_open_tree_opens_or_copies_a_mount(tmp_path: Path, at: Path) -> None:
    (tmp_path / "else").mkdir()

    def run() -> Any:
        pysyscall.mount("mine", at, "tmpfs")
        (at / "file").write_bytes(b"x")
        same = pysyscall.open_tree(None, at)
        copy = pysyscall.open_tree(None, at, pysyscall.OPEN_TREE_CLONE)
        pysyscall.move_mount(copy, "", None, tmp_path / "else", pysyscall.MOVE_MOUNT_F_EMPTY_PATH)
        inode = os.stat("file", dir_fd=same).st_ino
        places = [mounted(path)["source"] for path in (at, tmp_path / "else")]
        return inode == (tmp_path / "else" / "file").stat().st_ino, places

    assert among_own_mounts(run) == (True, ["mine", "mine"])


@needs("open_tree_attr")
@pytest.mark.parametrize("how", ["struct", "tuple", "none"])
def test_open_tree_attr_changes_the_copy(tmp_path: Path, at: Path, how: str) -> None:
    (tmp_path / "else").mkdir()
    attribute = pysyscall.MOUNT_ATTR_RDONLY
    given = {"struct": MountAttr(attr_set=attribute), "tuple": (attribute, 0, 0, 0), "none": None}

    def run() -> Any:
        pysyscall.mount("mine", at, "tmpfs")
        flags = pysyscall.OPEN_TREE_CLONE
        copy = pysyscall.open_tree_attr(None, str(at), flags, attr=given[how])
        pysyscall.move_mount(copy, "", None, tmp_path / "else", pysyscall.MOVE_MOUNT_F_EMPTY_PATH)
        return [mounted(path)["options"].split(",")[0] for path in (at, tmp_path / "else")]

    assert among_own_mounts(run) == ["rw", "rw" if how == "none" else "ro"]


@pytest.mark.parametrize("recursive", [False, True])
def test_mount_setattr_changes_a_mount_or_all_below_it(at: Path, recursive: bool) -> None:
    def run() -> Any:
        pysyscall.mount("none", at, "tmpfs")
        (at / "below").mkdir()
        pysyscall.mount("none", at / "below", "tmpfs")
        flags = pysyscall.AT_RECURSIVE if recursive else 0
        places = (at, at / "below")
        attributes = MountAttr(
            attr_set=pysyscall.MOUNT_ATTR_RDONLY | pysyscall.MOUNT_ATTR_NODEV,
            propagation=pysyscall.MS_SHARED,
        )
        result = pysyscall.mount_setattr(None, at, flags, attributes)
        told = [mounted(place) for place in places]
        pysyscall.mount_setattr(None, at, flags, (0, pysyscall.MOUNT_ATTR_RDONLY, 0, 0))
        return result, told, [mounted(place)["options"].split(",") for place in places]

    result, (upper, lower), (upper_after, lower_after) = among_own_mounts(run)
    assert result is None
    assert {"ro", "nodev"} <= set(upper["options"].split(","))
    assert upper["propagation"].startswith("shared:")
    assert {"rw", "nodev"} <= set(upper_after)
    assert ("ro" in lower["options"].split(",")) is recursive
    assert ("nodev" in lower_after) is recursive
    assert "rw" in lower_after


INSIDE: dict[str, tuple[Callable[[Path], object], str, object, object]] = {
    "mount": (lambda at: pysyscall.mount("x", at, "nosuchfs"), "ENODEV", "x", "at"),
    "mount nowhere": (lambda at: pysyscall.mount("x", at / "x", "tmpfs"), "ENOENT", "x", "at/x"),
    "mount options": (
        lambda at: pysyscall.mount("x", at, "tmpfs", 0, b"nosuch=1"),
        "EINVAL",
        "x",
        "at",
    ),
    "umount2": (lambda at: pysyscall.umount2(at), "EINVAL", "at", None),
    "umount2 flags": (lambda at: pysyscall.umount2(at, 1 << 20), "EINVAL", "at", None),
    "pivot_root": (lambda at: pysyscall.pivot_root(at, at), "EINVAL", "at", "at"),
    "fsopen": (lambda at: pysyscall.fsopen("nosuchfs"), "ENODEV", None, None),
    "fsopen flags": (lambda at: pysyscall.fsopen("tmpfs", 2), "EINVAL", None, None),
    "fsmount": (lambda at: pysyscall.fsmount(-1), "EBADF", None, None),
    "fsmount too early": (
        lambda at: pysyscall.fsmount(pysyscall.fsopen("tmpfs")),
        "EINVAL",
        None,
        None,
    ),
    "fspick": (lambda at: pysyscall.fspick(None, at), "EINVAL", "at", None),
    "fspick none": (lambda at: pysyscall.fspick(-1, "x"), "EBADF", "x", None),
    "open_tree": (lambda at: pysyscall.open_tree(None, at / "x"), "ENOENT", "at/x", None),
    "open_tree flags": (lambda at: pysyscall.open_tree(None, at, 2), "EINVAL", "at", None),
    "move_mount": (lambda at: pysyscall.move_mount(None, at, None, "/"), "EINVAL", "at", "/"),
    "mount_setattr": (
        lambda at: pysyscall.mount_setattr(None, at, 0, MountAttr(attr_set=1)),
        "EINVAL",
        "at",
        None,
    ),
    "swapon": (lambda at: pysyscall.swapon(at), "EPERM", "at", None),
    "swapoff": (lambda at: pysyscall.swapoff(at), "EPERM", "at", None),
    "acct": (lambda at: pysyscall.acct(at), "EPERM", "at", None),
    "acct None": (lambda at: pysyscall.acct(None), "EPERM", None, None),
}


@pytest.mark.parametrize(("call", "number", "first", "second"), INSIDE.values(), ids=INSIDE)
def test_fails_with_errno_and_names(
    at: Path, call: Callable[[Path], object], number: str, first: object, second: object
) -> None:
    """In a user namespace, which has no right to swap and to keep accounts."""
    paths = {"at": at, "at/x": at / "x"}
    wanted = (number, paths.get(str(first), first), paths.get(str(second), second))
    assert among_own_mounts(lambda: refusal(lambda: call(at))) == wanted


def test_an_error_names_the_target_where_there_is_no_source(at: Path) -> None:
    told = among_own_mounts(lambda: refusal(lambda: pysyscall.mount(None, at / "x", "tmpfs")))
    assert told == ("ENOENT", at / "x", None)


# What is told of file systems

SAME = ["bsize", "frsize", "blocks", "bfree", "bavail", "files", "ffree"]


@pytest.mark.parametrize("call", ["statfs", "fstatfs"])
def test_statfs_tells_what_os_tells(at: Path, call: str) -> None:
    def run() -> Any:
        pysyscall.mount("none", at, "tmpfs", pysyscall.MS_NOSUID, "size=1m,nr_inodes=100")
        (at / "file").write_bytes(bytes(5 * PAGE))
        fd = os.open(at / "file", os.O_RDONLY)
        told = pysyscall.statfs(at) if call == "statfs" else pysyscall.fstatfs(fd)
        theirs = os.statvfs(at)
        return told, {name: getattr(theirs, f"f_{name}") for name in (*SAME, "namemax", "flag")}

    told, theirs = among_own_mounts(run)
    assert type(told) is Statfs
    assert {name: getattr(told, f"f_{name}") for name in SAME} == {n: theirs[n] for n in SAME}
    assert (told.f_type, told.f_namelen) == (pysyscall.TMPFS_MAGIC, theirs["namemax"])
    assert (told.f_blocks - told.f_bfree) * told.f_bsize == 5 * PAGE
    assert told.f_files == 100
    assert told.f_flags & ~pysyscall.ST_VALID == theirs["flag"]
    assert told.f_flags & pysyscall.ST_NOSUID


@pytest.mark.parametrize(
    ("path", "kind"), [("/proc", "PROC_SUPER_MAGIC"), (b"/sys", "SYSFS_MAGIC")]
)
def test_statfs_tells_the_type(path: str | bytes, kind: str, keep: Callable[[int], int]) -> None:
    wanted = getattr(pysyscall, kind)
    assert pysyscall.statfs(path).f_type == wanted
    assert pysyscall.fstatfs(keep(os.open(path, os.O_PATH))).f_type == wanted


def test_ustat_tells_what_is_free(at: Path) -> None:
    def run() -> Any:
        pysyscall.mount("none", at, "tmpfs", 0, "size=1m,nr_inodes=100")
        (at / "file").write_bytes(bytes(5 * PAGE))
        return pysyscall.ustat(at.stat().st_dev), os.statvfs(at).f_bfree, os.statvfs(at).f_ffree

    told, blocks, inodes = among_own_mounts(run)
    assert type(told) is Ustat
    assert (told.f_tfree, told.f_tinode) == (blocks, inodes)


@pytest.mark.parametrize(
    ("call", "number", "name"),
    [
        (lambda: pysyscall.statfs("/none"), errno.ENOENT, "/none"),
        (lambda: pysyscall.statfs("/dev/null/x"), errno.ENOTDIR, "/dev/null/x"),
        (lambda: pysyscall.fstatfs(-1), errno.EBADF, None),
        (lambda: pysyscall.ustat(os.makedev(4095, 1_048_575)), errno.EINVAL, None),
    ],
)
def test_what_can_not_be_told(call: Callable[[], object], number: int, name: str | None) -> None:
    with pytest.raises(OSError) as caught:
        call()
    assert (caught.value.errno, caught.value.filename) == (number, name)


# Swap and accounts


@needs_root
@pytest.mark.parametrize(
    ("call", "content", "number"),
    [
        (lambda path: pysyscall.swapon(path), None, "ENOENT"),
        (lambda path: pysyscall.swapon(path), bytes(16 * PAGE), "EINVAL"),
        (lambda path: pysyscall.swapon(path, 1 << 30), bytes(16 * PAGE), "EINVAL"),
        (lambda path: pysyscall.swapoff(path), None, "ENOENT"),
        (lambda path: pysyscall.swapoff(path), bytes(16 * PAGE), "EINVAL"),
    ],
    ids=["swapon none", "swapon no swap", "swapon flags", "swapoff none", "swapoff no swap"],
)
def test_only_what_was_prepared_is_swapped_to(
    tmp_path: Path, call: Callable[[Path], object], content: bytes | None, number: str
) -> None:
    path = tmp_path / "swap"
    if content is not None:
        path.write_bytes(content)
    before = Path("/proc/swaps").read_text()
    told = in_child(lambda: refusal(lambda: call(path)))
    if told[0] in ("EPERM", "ENOSYS"):
        pytest.skip("no right to swap here")
    assert told == (number, path, None)
    assert Path("/proc/swaps").read_text() == before


@needs_root
def test_acct_keeps_accounts_of_processes(tmp_path: Path) -> None:
    """In a namespace of process ids, whose accounts are its own."""
    path = tmp_path / "accounts"
    path.touch()

    def first_of_namespace() -> list[int]:
        assert os.getpid() == 1
        pysyscall.acct(path)
        statuses = []
        for code in (7, 3):
            pid = os.fork()
            if pid == 0:
                os._exit(code)
            statuses.append(os.waitpid(pid, 0)[1])
        pysyscall.acct()
        size = path.stat().st_size
        pid = os.fork()
        if pid == 0:
            os._exit(1)
        os.waitpid(pid, 0)
        assert path.stat().st_size == size
        return statuses

    def run() -> Any:
        pysyscall.unshare(pysyscall.CLONE_NEWPID)
        return in_child(first_of_namespace)

    with skip_where(errno.EPERM, errno.ENOSYS, lacking="no accounts of processes"):
        statuses = in_child(run)
    records = path.read_bytes()
    assert len(records) % 64 == 0
    # struct acct_v3: flag, version, tty, exitcode, ...
    told = [struct.unpack_from("=BBHI", records, at) for at in range(0, len(records), 64)]
    assert {version & 0x7F for _, version, _, _ in told} == {3}
    assert [status for *_, status in told][:2] == statuses == [7 << 8, 3 << 8]
