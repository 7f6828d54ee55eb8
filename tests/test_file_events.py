"""inotify and fanotify: events of files, told and decided."""

from __future__ import annotations

import errno
import os
import select
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from conditions import skip_where

import pysyscall
from pysyscall import FanotifyEventInfoFid, FanotifyEventMetadata, FanotifyResponse, InotifyEvent

# inotify


def inotify_events(fd: int) -> list[InotifyEvent]:
    """The events that have come, read at once."""
    records, found = os.read(fd, 1 << 16), []
    while records:
        size = 16 + int.from_bytes(records[12:16], "little")
        found.append(InotifyEvent.from_bytes(records[:size]))
        records = records[size:]
    return found


@pytest.fixture
def inotify(keep: Callable[[int], int]) -> int:
    return keep(pysyscall.inotify_init1(pysyscall.IN_NONBLOCK | pysyscall.IN_CLOEXEC))


def test_inotify_in_a_directory(inotify: int, tmp_path: Path) -> None:
    wd = pysyscall.inotify_add_watch(inotify, tmp_path, pysyscall.IN_ALL_EVENTS)
    assert wd > 0
    path = tmp_path / "näme"
    path.write_bytes(b"x")
    path.rename(tmp_path / "other")
    (tmp_path / "folder").mkdir()
    (tmp_path / "other").unlink()
    events = inotify_events(inotify)
    assert {event.wd for event in events} == {wd}
    assert [(event.mask, event.name) for event in events] == [
        (pysyscall.IN_CREATE, "näme"),
        (pysyscall.IN_OPEN, "näme"),
        (pysyscall.IN_MODIFY, "näme"),
        (pysyscall.IN_CLOSE_WRITE, "näme"),
        (pysyscall.IN_MOVED_FROM, "näme"),
        (pysyscall.IN_MOVED_TO, "other"),
        (pysyscall.IN_CREATE | pysyscall.IN_ISDIR, "folder"),
        (pysyscall.IN_DELETE, "other"),
    ]
    cookies = [event.cookie for event in events]
    assert cookies[4] == cookies[5] != 0
    assert set(cookies[:4] + cookies[6:]) == {0}


def test_a_watch_ends(inotify: int, tmp_path: Path) -> None:
    """A file itself has no name in its events; IN_IGNORED is the last one."""
    path = tmp_path / "file"
    path.touch()
    wd = pysyscall.inotify_add_watch(inotify, os.fsencode(path), pysyscall.IN_ATTRIB)
    assert pysyscall.inotify_add_watch(inotify, path, pysyscall.IN_OPEN) == wd
    path.chmod(0o600)
    path.read_bytes()
    assert pysyscall.inotify_rm_watch(inotify, wd) is None
    path.read_bytes()
    assert [(e.wd, e.mask, e.cookie, e.len, e.name) for e in inotify_events(inotify)] == [
        (wd, pysyscall.IN_OPEN, 0, 0, ""),
        (wd, pysyscall.IN_IGNORED, 0, 0, ""),
    ]


@pytest.mark.parametrize(
    ("call", "number"),
    [
        (lambda fd, path: pysyscall.inotify_init1(1), errno.EINVAL),
        (lambda fd, path: pysyscall.inotify_add_watch(fd, path / "none", 1), errno.ENOENT),
        (lambda fd, path: pysyscall.inotify_add_watch(fd, path, 0), errno.EINVAL),
        (lambda fd, path: pysyscall.inotify_add_watch(0, path, 1), errno.EINVAL),
        (lambda fd, path: pysyscall.inotify_add_watch(-1, path, 1), errno.EBADF),
        (lambda fd, path: pysyscall.inotify_rm_watch(fd, 1), errno.EINVAL),
        (lambda fd, path: pysyscall.inotify_rm_watch(-1, 1), errno.EBADF),
        (lambda fd, path: pysyscall.epoll_create(0), errno.EINVAL),
        (lambda fd, path: pysyscall.epoll_pwait(fd, 1, 0), errno.EINVAL),
        (lambda fd, path: pysyscall.epoll_pwait2(fd, 1, 0), errno.EINVAL),
        (lambda fd, path: pysyscall.epoll_pwait2(-1, 1, 0), errno.EBADF),
        (lambda fd, path: pysyscall.fanotify_mark(fd, 1, 1, None, path), errno.EINVAL),
        (lambda fd, path: pysyscall.fanotify_mark(-1, 1, 1, None, path), errno.EBADF),
    ],
)
def test_refusals(
    inotify: int, tmp_path: Path, call: Callable[[int, Path], object], number: int
) -> None:
    with pytest.raises(OSError) as caught:
        call(inotify, tmp_path)
    assert caught.value.errno == number


def test_the_watched_path_is_told(inotify: int, tmp_path: Path) -> None:
    path = tmp_path / "none"
    with pytest.raises(FileNotFoundError) as caught:
        pysyscall.inotify_add_watch(inotify, path, pysyscall.IN_OPEN)
    assert caught.value.filename == path


# fanotify


def fanotify(flags: int, event_f_flags: int = 0) -> int:
    """A group; the test is skipped where the kernel has none or forbids it."""
    with skip_where(errno.ENOSYS, errno.EPERM, lacking="no fanotify"):
        return pysyscall.fanotify_init(flags | pysyscall.FAN_CLOEXEC, event_f_flags)


def fanotify_events(fd: int) -> list[tuple[FanotifyEventMetadata, bytes]]:
    """The events that have come, each with the bytes of its records."""
    records, found = os.read(fd, 1 << 16), []
    while records:
        head = FanotifyEventMetadata.from_bytes(records[:24])
        found.append((head, records[head.metadata_len : head.event_len]))
        records = records[head.event_len :]
    return found


def test_fanotify_of_a_file(keep: Callable[[int], int], tmp_path: Path) -> None:
    """The events come with a descriptor of the file."""
    path = tmp_path / "file"
    path.write_bytes(b"content")
    fd = keep(fanotify(pysyscall.FAN_NONBLOCK, os.O_RDONLY))
    mask = pysyscall.FAN_MODIFY | pysyscall.FAN_CLOSE_WRITE
    assert pysyscall.fanotify_mark(fd, pysyscall.FAN_MARK_ADD, mask, path=path) is None
    with path.open("ab") as file:
        file.write(b" more")
    ((head, rest),) = fanotify_events(fd)
    keep(head.fd)
    assert (head.mask, head.pid, head.vers, rest) == (mask, os.getpid(), 3, b"")
    assert os.pread(head.fd, 100, 0) == b"content more"
    assert Path(f"/proc/self/fd/{head.fd}").readlink() == path

    pysyscall.fanotify_mark(fd, pysyscall.FAN_MARK_REMOVE, mask, None, path)
    path.write_bytes(b"")
    with pytest.raises(BlockingIOError):
        os.read(fd, 1000)
    with pytest.raises(FileNotFoundError):
        pysyscall.fanotify_mark(fd, pysyscall.FAN_MARK_REMOVE, mask, None, path)


@pytest.mark.parametrize("how", ["dirfd alone", "relative to dirfd", "relative to the cwd"])
def test_what_fanotify_marks(
    keep: Callable[[int], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    path = tmp_path / "file"
    path.touch()
    fd = keep(fanotify(pysyscall.FAN_NONBLOCK))
    add, mask = pysyscall.FAN_MARK_ADD, pysyscall.FAN_OPEN
    match how:
        case "dirfd alone":
            with path.open() as file:
                pysyscall.fanotify_mark(fd, add, mask, file)
        case "relative to dirfd":
            pysyscall.fanotify_mark(fd, add, mask, keep(os.open(tmp_path, os.O_PATH)), "file")
        case _:
            monkeypatch.chdir(tmp_path)
            pysyscall.fanotify_mark(fd, add, mask, None, "file")
    path.read_bytes()
    ((head, _),) = fanotify_events(fd)
    assert os.path.samestat(os.fstat(keep(head.fd)), path.stat())
    pysyscall.fanotify_mark(fd, pysyscall.FAN_MARK_FLUSH, 0)
    path.read_bytes()
    with pytest.raises(BlockingIOError):
        os.read(fd, 1000)


def test_fanotify_with_names(keep: Callable[[int], int], tmp_path: Path) -> None:
    flags = pysyscall.FAN_REPORT_DIR_FID | pysyscall.FAN_REPORT_NAME
    fd = keep(fanotify(flags | pysyscall.FAN_NONBLOCK))
    mask = pysyscall.FAN_CREATE | pysyscall.FAN_DELETE
    with skip_where(
        errno.EOPNOTSUPP, errno.ENODEV, errno.EXDEV, lacking="this file system has no handles"
    ):
        pysyscall.fanotify_mark(fd, pysyscall.FAN_MARK_ADD, mask, None, tmp_path)
    (tmp_path / "name").touch()
    (tmp_path / "name").unlink()
    events = fanotify_events(fd)
    found = 0
    for head, rest in events:
        assert head.fd == pysyscall.FAN_NOFD
        info = FanotifyEventInfoFid.from_bytes(rest)
        assert info.hdr.info_type == pysyscall.FAN_EVENT_INFO_TYPE_DFID_NAME
        assert info.hdr.len == len(rest)
        assert info.handle[info.handle_bytes :].rstrip(b"\0") == b"name"
        found |= head.mask
    assert found == mask


@pytest.mark.parametrize(
    ("call", "number"),
    [
        (lambda fd, path: pysyscall.fanotify_init(1 << 31), errno.EINVAL),
        (lambda fd, path: pysyscall.fanotify_init(0, os.O_CREAT), errno.EINVAL),
        (lambda fd, path: pysyscall.fanotify_mark(fd, 1, 0, None, path), errno.EINVAL),
        (lambda fd, path: pysyscall.fanotify_mark(fd, 9 << 28, 1, None, path), errno.EINVAL),
        (lambda fd, path: pysyscall.fanotify_mark(fd, 1, 1, None, path / "none"), errno.ENOENT),
        (lambda fd, path: pysyscall.fanotify_mark(fd, 1, 1, -1, "none"), errno.EBADF),
    ],
)
def test_refusals_of_fanotify(
    keep: Callable[[int], int],
    tmp_path: Path,
    call: Callable[[int, Path], object],
    number: int,
) -> None:
    fd = keep(fanotify(0))
    with pytest.raises(OSError) as caught:
        call(fd, tmp_path)
    assert caught.value.errno == number


@pytest.mark.parametrize(
    ("answer", "outcome"), [(pysyscall.FAN_ALLOW, b"content"), (pysyscall.FAN_DENY, None)]
)
def test_fanotify_decides(
    keep: Callable[[int], int], tmp_path: Path, answer: int, outcome: bytes | None
) -> None:
    """A thread opens the file; closing the group would let it through, so nothing can hang."""
    path = tmp_path / "file"
    path.write_bytes(b"content")
    fd = fanotify(pysyscall.FAN_CLASS_CONTENT)
    got: list[bytes | None] = []

    def read() -> None:
        try:
            got.append(path.read_bytes())
        except PermissionError:
            got.append(None)

    reader = threading.Thread(target=read)
    try:
        pysyscall.fanotify_mark(fd, pysyscall.FAN_MARK_ADD, pysyscall.FAN_OPEN_PERM, path=path)
        reader.start()
        assert select.select([fd], [], [], 20)[0]
        ((head, _),) = fanotify_events(fd)
        keep(head.fd)
        assert head.mask == pysyscall.FAN_OPEN_PERM
        assert pysyscall.write(fd, FanotifyResponse(head.fd, answer).to_bytes()) == 8
    finally:
        os.close(fd)
    reader.join(20)
    assert got == [outcome]
