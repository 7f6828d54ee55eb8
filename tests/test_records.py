"""parse_events: what inotify, fanotify and signalfd descriptors are read for."""

from __future__ import annotations

import os
import signal
import struct
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conditions import skip_where

import pysyscall
from pysyscall import (
    FanotifyEvent,
    FanotifyEventInfoError,
    FanotifyEventInfoMnt,
    FanotifyEventInfoPidfd,
    FanotifyEventInfoRange,
    FanotifyFid,
    FanotifyInfoType,
    FanotifyMask,
    FanotifyRecord,
    FileHandle,
    InotifyEvent,
    SignalfdSiginfo,
    parse_events,
)

KINDS = (InotifyEvent, FanotifyEvent, SignalfdSiginfo)


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def head(length: int, *, mask: int = 1, fd: int = -1, version: int = 3, size: int = 24) -> bytes:
    return struct.pack("IBBHQii", length, version, 0, size, mask, fd, 77)


def event(*records: tuple[int, bytes], fd: int = -1) -> bytes:
    """An event as the kernel writes it, from types and contents of its records."""
    infos = b"".join(struct.pack("BBH", kind, 0, 4 + len(data)) + data for kind, data in records)
    return head(24 + len(infos), fd=fd) + infos


@pytest.fixture
def fds() -> Iterator[list[int]]:
    """Descriptors that parse_events closes or leaves."""
    made = [os.dup(0) for _ in range(6)]
    yield made
    for fd in made:
        if is_open(fd):
            os.close(fd)


# inotify


def test_inotify(keep: Callable[[int], int], tmp_path: Path) -> None:
    fd = keep(pysyscall.inotify_init1(pysyscall.IN_NONBLOCK))
    wd = pysyscall.inotify_add_watch(fd, tmp_path, pysyscall.IN_CREATE | pysyscall.IN_MOVE)
    names = ["a", "n" * 255, "é", os.fsdecode(b"\xff"), "16 characters..."]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "a").rename(tmp_path / "b")
    *created, left, right = parse_events(pysyscall.read(fd, 1 << 16), InotifyEvent)
    assert [(e.wd, e.mask, e.name) for e in created] == [
        (wd, pysyscall.IN_CREATE, name) for name in names
    ]
    assert (left.mask, left.name) == (pysyscall.IN_MOVED_FROM, "a")
    assert (right.mask, right.name) == (pysyscall.IN_MOVED_TO, "b")
    assert left.cookie == right.cookie != 0


def test_inotify_without_a_name(keep: Callable[[int], int], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    fd = keep(pysyscall.inotify_init())
    wd = pysyscall.inotify_add_watch(fd, path, pysyscall.IN_OPEN | pysyscall.IN_CLOSE)
    path.read_bytes()
    pysyscall.inotify_rm_watch(fd, wd)
    events = parse_events(pysyscall.read(fd, 4096), InotifyEvent)
    masks = [pysyscall.IN_OPEN, pysyscall.IN_CLOSE_NOWRITE, pysyscall.IN_IGNORED]
    assert [(e.mask, e.len, e.name) for e in events] == [(mask, 0, "") for mask in masks]


# signalfd


def test_signalfd(keep: Callable[[int], int]) -> None:
    wanted = [signal.SIGUSR1, signal.SIGRTMIN]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    try:
        fd = keep(pysyscall.signalfd4(-1, wanted, 0))
        for number in wanted:
            signal.raise_signal(number)
        first, second = parse_events(pysyscall.read(fd, 1024), SignalfdSiginfo)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert (first.ssi_signo, second.ssi_signo) == tuple(wanted)
    assert first.ssi_pid == os.getpid()
    assert first.ssi_uid == os.getuid()


# fanotify


def group(keep: Callable[[int], int], flags: int) -> int:
    with skip_where(lacking="no fanotify with these flags here"):
        return keep(pysyscall.fanotify_init(flags | pysyscall.FAN_NONBLOCK))


def test_fanotify_brings_descriptors(keep: Callable[[int], int], tmp_path: Path) -> None:
    fd = group(keep, pysyscall.FAN_REPORT_PIDFD)
    path = tmp_path / "file"
    path.write_bytes(b"content")
    pysyscall.fanotify_mark(fd, pysyscall.FAN_MARK_ADD, pysyscall.FAN_OPEN, None, path)
    path.read_bytes()
    (found,) = parse_events(pysyscall.read(fd, 4096), FanotifyEvent)
    assert (found.mask, found.pid) == (FanotifyMask.FAN_OPEN, os.getpid())
    assert os.read(found.fd, 20) == b"content"
    (record,) = found.records
    assert isinstance(record, FanotifyEventInfoPidfd)
    assert pysyscall.pidfd_send_signal(record.pidfd, 0) is None
    found.close()
    assert not is_open(found.fd)
    assert not is_open(record.pidfd)


def test_fanotify_tells_names(keep: Callable[[int], int], tmp_path: Path) -> None:
    fd = group(keep, pysyscall.FAN_REPORT_DFID_NAME_TARGET)
    mask = pysyscall.FAN_CREATE | pysyscall.FAN_RENAME | pysyscall.FAN_ONDIR
    with skip_where(lacking="this file system has no handles"):
        pysyscall.fanotify_mark(fd, pysyscall.FAN_MARK_ADD, mask, None, tmp_path)
    (tmp_path / "näme").touch()
    (tmp_path / "näme").rename(tmp_path / "other")
    created, renamed = parse_events(pysyscall.read(fd, 4096), FanotifyEvent)
    assert created.mask == FanotifyMask.FAN_CREATE
    assert created.fd == pysyscall.FAN_NOFD
    assert told(created) == [("DFID_NAME", "näme"), ("FID", None)]
    assert told(renamed) == [("OLD_DFID_NAME", "näme"), ("NEW_DFID_NAME", "other"), ("FID", None)]
    directory, target = created.records
    assert isinstance(directory, FanotifyFid)
    assert isinstance(target, FanotifyFid)
    assert directory.handle.handle_bytes == len(directory.handle.f_handle) > 0
    assert directory.fsid == tuple(pysyscall.statfs(tmp_path).f_fsid)
    place = keep(os.open(tmp_path, os.O_RDONLY))
    found = keep(pysyscall.open_by_handle_at(place, target.handle, os.O_PATH))
    assert os.path.samestat(os.fstat(found), (tmp_path / "other").stat())


def told(event: FanotifyEvent) -> list[tuple[str, str | None]]:
    return [
        (record.info_type.name.removeprefix("FAN_EVENT_INFO_TYPE_"), record.name)
        for record in event.records
        if isinstance(record, FanotifyFid)
    ]


FID = struct.pack("iiIi", 5, -6, 3, 9) + b"abc"


def test_every_record_of_fanotify() -> None:
    data = event(
        (1, FID),
        (2, FID + b"n\xc3\xa4me\0\0\0"),
        (3, FID + b"\0"),
        (4, struct.pack("i", -2)),
        (5, struct.pack("iI", -5, 3)),
        (6, struct.pack("=IQQ", 0, 2**40, 2**63)),
        (7, struct.pack("=IQ", 0, 2**35)),
        (10, FID + b"old\0"),
        (12, FID + b"new\0"),
        (99, b"later"),
        (98, b""),
    )
    handle = FileHandle(9, b"abc")

    def fid(kind: int, name: str | None = None) -> FanotifyFid:
        return FanotifyFid(FanotifyInfoType(kind), (5, -6), handle, name)

    (found,) = parse_events(data, FanotifyEvent)
    assert found == FanotifyEvent(FanotifyMask(1), -1, 77, found.records)
    records = found.records
    assert records[:3] == (fid(1), fid(2, "näme"), fid(3))
    assert isinstance(records[3], FanotifyEventInfoPidfd)
    assert records[3].pidfd == pysyscall.FAN_EPIDFD
    assert isinstance(records[4], FanotifyEventInfoError)
    assert (records[4].error, records[4].error_count) == (-5, 3)
    assert isinstance(records[5], FanotifyEventInfoRange)
    assert (records[5].offset, records[5].count) == (2**40, 2**63)
    assert isinstance(records[6], FanotifyEventInfoMnt)
    assert records[6].mnt_id == 2**35
    assert records[7:9] == (fid(10, "old"), fid(12, "new"))
    assert records[9:] == (FanotifyRecord(99, b"later"), FanotifyRecord(98, b""))


def test_a_longer_head_is_skipped() -> None:
    """Later kernels can add to it without a new version."""
    data = head(48, size=32) + bytes(8) + struct.pack("BBHIQ", 7, 0, 16, 0, 5)
    (found,) = parse_events(data, FanotifyEvent)
    (info,) = found.records
    assert isinstance(info, FanotifyEventInfoMnt)
    assert info.mnt_id == 5


# What can't be decoded


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_no_records(kind: Any) -> None:
    assert parse_events(b"", kind) == []
    assert parse_events(bytearray(), kind) == []


@pytest.mark.parametrize("as_type", [bytes, bytearray, memoryview, lambda d: array("B", d)])
def test_any_buffer(as_type: Callable[[bytes], Any]) -> None:
    data = event((7, struct.pack("=IQ", 0, 3))) * 3
    assert len(parse_events(as_type(data), FanotifyEvent)) == 3
    assert parse_events(as_type(bytes(256)), SignalfdSiginfo) == [SignalfdSiginfo()] * 2


@pytest.mark.parametrize("data", [None, 5, "x", [b""]])
def test_refused_data(data: Any) -> None:
    with pytest.raises(TypeError, match=r"parse_events\(\) argument 'data' must be a bytes-like"):
        parse_events(data, InotifyEvent)


@pytest.mark.parametrize("kind", [None, int, [], pysyscall.Stat, "InotifyEvent"])
def test_refused_records(kind: Any) -> None:
    with pytest.raises(TypeError, match=r"parse_events\(\) argument 'record' must be one of Inoti"):
        parse_events(b"", kind)


@pytest.mark.parametrize("kind", KINDS)
def test_every_cut_is_noticed(kind: Any) -> None:
    one = {
        InotifyEvent: struct.pack("iIII", 1, 2, 3, 16) + b"name".ljust(16, b"\0"),
        FanotifyEvent: event((2, FID + b"name\0"), (1, FID)),
        SignalfdSiginfo: bytes(128),
    }[kind]
    assert len(parse_events(one * 2, kind)) == 2
    for size in range(len(one) + 1, 2 * len(one)):
        with pytest.raises(ValueError, match=r"^parse_events\(\) argument 'data' can't be read: "):
            parse_events((one * 2)[:size], kind)


BROKEN = [
    head(24)[:20],
    head(24, version=2),
    head(24, version=4),
    head(23),
    head(0),
    head(2**32 - 1),
    head(24, size=16),
    head(24, size=32),
    head(26) + b"\1\0",
    head(28) + struct.pack("BBH", 1, 0, 3),
    head(28) + struct.pack("BBH", 1, 0, 0),
    head(28) + struct.pack("BBH", 1, 0, 8),
    event((1, FID[:15])),
    event((1, FID[:-1])),
    event((2, struct.pack("iiIi", 1, 2, 2**32 - 1, 3))),
    event((2, struct.pack("iiIi", 1, 2, 129, 3) + bytes(200))),
    event((4, b"")),
    event((5, bytes(4))),
    event((2, FID + bytes(1000))),
]


@pytest.mark.parametrize("broken", BROKEN, ids=range(len(BROKEN)))
def test_no_descriptor_leaks(broken: bytes, fds: list[int]) -> None:
    """Those before the broken record are closed, and those after it where it is known to end."""
    before = event((4, struct.pack("i", fds[0])), (1, FID), fd=fds[1])
    with pytest.raises(ValueError, match=r"^parse_events\(\) argument 'data' can't be read: "):
        parse_events(before + broken, FanotifyEvent)
    assert [is_open(fd) for fd in fds] == [False] * 2 + [True] * 4


def test_the_broken_event_is_closed_too(fds: list[int]) -> None:
    bad = event((4, struct.pack("i", fds[0])), (1, b""), fd=fds[1])
    after = event(fd=fds[2])
    with pytest.raises(ValueError):
        parse_events(bad + after, FanotifyEvent)
    assert [is_open(fd) for fd in fds] == [False] * 3 + [True] * 3


def test_what_is_decoded_stays_open(fds: list[int]) -> None:
    (found,) = parse_events(event((4, struct.pack("i", fds[0])), fd=fds[1]), FanotifyEvent)
    assert all(map(is_open, fds))
    found.close()
    assert [is_open(fd) for fd in fds] == [False] * 2 + [True] * 4


def test_other_records_close_nothing(fds: list[int]) -> None:
    data = event(fd=fds[0]) + b"x"
    for kind in (InotifyEvent, SignalfdSiginfo):
        with pytest.raises(ValueError):
            parse_events(data, kind)
    assert is_open(fds[0])
