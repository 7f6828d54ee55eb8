"""statmount, listmount, listns and handles: what there is to know of mounts, beside /proc."""

from __future__ import annotations

import dataclasses
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from children import among_own_mounts, in_child
from conditions import needs, needs_root, skip_where
from refusal import complaint
from tracee import answered
from worlds import handle_of

import pysyscall
from pysyscall import FileHandle, MountAttr, MountInfo, NsIdReq, StatmountMask

pytestmark = needs("statmount")
UNIQUE = pysyscall.AT_HANDLE_MNT_ID_UNIQUE


def id_of(path: Path | str) -> int:
    return pysyscall.statx(None, path, 0, pysyscall.STATX_MNT_ID_UNIQUE).stx_mnt_id


def lines() -> dict[int, list[str]]:
    """/proc/self/mountinfo by the old ids."""
    found = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        found[int(fields[0])] = fields
    return found


# Of this process's own mounts


def test_every_mount_is_told_as_proc_tells_it() -> None:
    told = {}
    for mount in pysyscall.listmount():
        info = pysyscall.statmount(mount)
        assert type(info) is MountInfo
        assert info.mnt_id == mount
        assert info.mnt_id_old is not None
        told[info.mnt_id_old] = info
    known = {number: fields for number, fields in lines().items() if number in told}
    assert known
    for number, fields in known.items():
        info, kind = told[number], fields.index("-")
        assert fields[1] == str(info.mnt_parent_id_old)
        assert fields[2] == f"{info.sb_dev_major}:{info.sb_dev_minor}"
        assert fields[3] == info.mnt_root
        assert fields[4].replace("\\040", " ") == info.mnt_point
        assert fields[kind + 1].partition(".")[0] == info.fs_type
        if info.sb_source is not None:
            assert fields[kind + 2].replace("\\040", " ") == info.sb_source


def test_the_root() -> None:
    info = pysyscall.statmount(id_of("/"))
    assert info.mnt_point == "/"
    assert info.sb_magic == pysyscall.statfs("/").f_type
    assert info.mask & StatmountMask.STATMOUNT_MNT_BASIC


def test_only_what_is_asked_for() -> None:
    mount = id_of("/")
    assert pysyscall.statmount(mount, 0) == MountInfo(0)
    info = pysyscall.statmount(mount, pysyscall.STATMOUNT_FS_TYPE)
    assert info == MountInfo(pysyscall.STATMOUNT_FS_TYPE, fs_type=info.fs_type)
    assert isinstance(info.fs_type, str)
    info = pysyscall.statmount(mount, pysyscall.STATMOUNT_SB_BASIC)
    filled = {name for name, value in dataclasses.asdict(info).items() if value is not None}
    assert filled == {"mask", "sb_dev_major", "sb_dev_minor", "sb_magic", "sb_flags"}
    with pytest.raises(dataclasses.FrozenInstanceError):
        info.mask = 0


def test_the_order_can_be_reversed() -> None:
    every = pysyscall.listmount()
    assert every == sorted(every)
    assert pysyscall.listmount(flags=pysyscall.LISTMOUNT_REVERSE) == every[::-1]
    assert pysyscall.listmount(last_mnt_id=every[0]) == every[1:]
    assert set(pysyscall.listmount(id_of("/"))) <= set(every)
    assert pysyscall.listmount(last_mnt_id=every[-1]) == []


def test_the_namespace_can_be_named() -> None:
    namespace = pysyscall.statmount(id_of("/"), pysyscall.STATMOUNT_MNT_NS_ID).mnt_ns_id
    if namespace is None:
        pytest.skip("this kernel tells no ids of namespaces")
    assert pysyscall.listmount(mnt_ns_id=namespace) == pysyscall.listmount()
    info = pysyscall.statmount(id_of("/"), mnt_ns_id=namespace)
    assert info == pysyscall.statmount(id_of("/"))


@pytest.mark.parametrize(
    ("call", "number"),
    [
        (lambda: pysyscall.statmount(2**62), errno.ENOENT),
        (lambda: pysyscall.statmount(5), errno.EINVAL),
        (lambda: pysyscall.statmount(), errno.EINVAL),
        (lambda: pysyscall.statmount(mnt_fd=-1), errno.EBADF),
        (lambda: pysyscall.statmount(id_of("/"), mnt_ns_id=2**62), errno.ENOENT),
        (lambda: pysyscall.listmount(2**62), errno.ENOENT),
        (lambda: pysyscall.listmount(0), errno.EINVAL),
        (lambda: pysyscall.listmount(last_mnt_id=1), errno.EINVAL),
        (lambda: pysyscall.listmount(flags=2**31), errno.EINVAL),
    ],
)
def test_errors(call: Callable[[], object], number: int) -> None:
    with pytest.raises(OSError) as caught:
        call()
    assert caught.value.errno == number


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: pysyscall.statmount("1"), TypeError, "statmount mnt_id: be an int, not str"),
        (lambda: pysyscall.statmount(-1), OverflowError, "statmount mnt_id: be in [0, "),
        (lambda: pysyscall.statmount(1, None), TypeError, "statmount mask: be an int, not None"),
        (
            lambda: pysyscall.statmount(1, mnt_fd=1.5),
            TypeError,
            "statmount mnt_fd: be an int or an object with fileno()",
        ),
        (lambda: pysyscall.listmount(2**64), OverflowError, "listmount mnt_id: be in [0, "),
        (lambda: pysyscall.listmount(flags=-1), OverflowError, "listmount flags: be in [0, "),
        (
            lambda: pysyscall.listmount(mnt_ns_id=b"1"),
            TypeError,
            "listmount mnt_ns_id: be an int, not bytes",
        ),
    ],
)
def test_bad_arguments(call: Callable[[], object], error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(complaint(text))


# In a namespace of one's own


def test_names_with_odd_bytes(tmp_path: Path) -> None:
    name = os.fsdecode(b"odd \xff\n\\040 \xc3\xa9")
    (tmp_path / name).mkdir()

    def mounted() -> MountInfo:
        pysyscall.mount("a source\t1", tmp_path / name, "tmpfs", pysyscall.MS_NOEXEC, "size=4k")
        return pysyscall.statmount(id_of(tmp_path / name))

    info = among_own_mounts(mounted)
    assert info.mnt_point == str(tmp_path / name)
    assert (info.mnt_root, info.fs_type) == ("/", "tmpfs")
    assert info.sb_source in ("a source\t1", None)
    assert info.mnt_attr & pysyscall.MOUNT_ATTR_NOEXEC
    assert info.mnt_propagation == pysyscall.MS_PRIVATE
    assert info.mnt_opts is None or "size=4k" in info.mnt_opts
    assert info.opt_array is None or "size=4k" in info.opt_array


def test_texts_longer_than_the_first_buffer(tmp_path: Path) -> None:
    at = tmp_path / Path(*["d" * 200] * 17)
    at.mkdir(parents=True)

    def mounted() -> MountInfo:
        pysyscall.mount("x" * 3000, at, "tmpfs", 0, None)
        return pysyscall.statmount(id_of(at))

    info = among_own_mounts(mounted)
    assert info.mnt_point == str(at)
    assert info.sb_source in ("x" * 3000, None)


def test_more_mounts_than_one_call_lists(tmp_path: Path) -> None:
    def mounted() -> tuple[int, list[int], list[int], int]:
        before = pysyscall.listmount()
        pysyscall.mount(None, tmp_path, "tmpfs")
        for number in range(2100):
            (tmp_path / str(number)).mkdir()
            pysyscall.mount("none", tmp_path / str(number), "tmpfs")
        back = pysyscall.listmount(flags=pysyscall.LISTMOUNT_REVERSE)
        return len(before), pysyscall.listmount(), back, len(pysyscall.listmount(id_of(tmp_path)))

    before, every, back, below = among_own_mounts(mounted)
    assert len(every) == len(set(every)) == before + 2101
    assert every == sorted(every) == back[::-1]
    assert below == 2100


@contextmanager
def user_namespace(*lines: str) -> Iterator[int]:
    """A descriptor of a namespace with these maps of ids."""
    wake, woken = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(wake[1])
        pysyscall.unshare(pysyscall.CLONE_NEWUSER)
        os.write(woken[1], b"x")
        os.read(wake[0], 1)
        os._exit(0)
    os.read(woken[0], 1)
    for name in ("uid_map", "gid_map"):
        Path(f"/proc/{pid}/{name}").write_text("\n".join(lines))
    namespace = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
    try:
        yield namespace
    finally:
        for fd in (namespace, *wake, *woken):
            os.close(fd)
        os.waitpid(pid, 0)


@needs_root
def test_a_mount_whose_ids_are_mapped(tmp_path: Path) -> None:
    def mounted() -> MountInfo:
        pysyscall.unshare(pysyscall.CLONE_NEWNS)
        pysyscall.mount(None, "/", None, pysyscall.MS_REC | pysyscall.MS_PRIVATE)
        pysyscall.mount("none", tmp_path, "tmpfs")
        tree = pysyscall.open_tree(None, tmp_path, pysyscall.OPEN_TREE_CLONE)
        with user_namespace("0 100000 10", "20 200000 5") as namespace:
            attr = MountAttr(pysyscall.MOUNT_ATTR_IDMAP, userns_fd=namespace)
            pysyscall.mount_setattr(tree, "", pysyscall.AT_EMPTY_PATH, attr)
        pysyscall.move_mount(tree, "", None, tmp_path, pysyscall.MOVE_MOUNT_F_EMPTY_PATH)
        return pysyscall.statmount(id_of(tmp_path))

    with skip_where(lacking="no mounts with mapped ids here"):
        info = in_child(mounted)
    assert info.supported_mask is not None
    if info.supported_mask & pysyscall.STATMOUNT_MNT_UIDMAP:
        assert info.mnt_uidmap == info.mnt_gidmap == ((0, 100000, 10), (20, 200000, 5))


# Namespaces


@pytest.mark.parametrize(("result", "told"), [(0, "[]"), (1, "["), (3, "[")])
def test_what_listns_makes_of_ids(result: int, told: str) -> None:
    text = answered(result, pysyscall.listns, NsIdReq())
    assert text.startswith(told)
    assert text.count(",") == max(result - 1, 0)


@needs("listns")
def test_listns() -> None:
    every = pysyscall.listns(())
    assert every == sorted(every)
    assert pysyscall.listns(NsIdReq(every[0])) == every[1:]
    nets = pysyscall.listns((0, pysyscall.NsType.NET_NS))
    assert set(nets) < set(every)


# Handles


def test_a_handle_and_its_mount(tmp_path: Path, keep: Callable[[int], int]) -> None:
    path = tmp_path / "file"
    path.touch()
    first = handle_of(path)
    handle, mount = pysyscall.name_to_handle_at(None, path)
    assert type(handle) is FileHandle
    assert handle == first
    assert handle.handle_bytes == len(handle.f_handle) == len(bytes(handle)) - 8
    assert mount in lines()
    again, unique = pysyscall.name_to_handle_at(None, path, UNIQUE)
    assert again == handle
    assert unique == id_of(path) > 2**31
    fd = keep(os.open(path, os.O_RDONLY))
    assert pysyscall.name_to_handle_at(fd, "", pysyscall.AT_EMPTY_PATH) == (handle, mount)
    assert handle_of(tmp_path) != handle


@needs_root
def test_a_handle_outlives_the_name(tmp_path: Path, keep: Callable[[int], int]) -> None:
    path = tmp_path / "file"
    path.write_text("content")
    handle = handle_of(path)
    path.rename(tmp_path / "other")
    stored = FileHandle.from_bytes(bytes(handle))
    root = keep(os.open(tmp_path, os.O_RDONLY))
    for given in (handle, stored, (handle.handle_type, handle.f_handle)):
        fd = keep(pysyscall.open_by_handle_at(root, given, os.O_RDONLY))
        assert os.read(fd, 100) == b"content"


def test_a_handle_of_a_link_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "file").touch()
    follow = pysyscall.AT_SYMLINK_FOLLOW
    target = handle_of(tmp_path / "file")
    assert pysyscall.name_to_handle_at(None, tmp_path / "link", follow)[0] == target
    assert handle_of(tmp_path / "link") != target


@pytest.mark.parametrize(
    ("path", "flags", "number"),
    [("missing", 0, errno.ENOENT), (".", 2**20, errno.EINVAL), ("", 0, errno.ENOENT)],
)
def test_handles_that_there_are_not(path: str, flags: int, number: int) -> None:
    with pytest.raises(OSError) as caught:
        pysyscall.name_to_handle_at(None, path, flags)
    assert caught.value.errno == number
    told: Any = caught.value.filename
    assert told == path
