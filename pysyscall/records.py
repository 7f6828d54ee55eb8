"""What inotify, fanotify and signalfd descriptors are read for: records, from bytes to objects."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from pysyscall._fast import (
    FanotifyEventInfoError,
    FanotifyEventInfoFid,
    FanotifyEventInfoHeader,
    FanotifyEventInfoMnt,
    FanotifyEventInfoPidfd,
    FanotifyEventInfoRange,
    FanotifyEventMetadata,
    FileHandle,
    InotifyEvent,
    SignalfdSiginfo,
)
from pysyscall.flags import FanotifyInfoType, FanotifyMask, FanotifyVersion

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


@dataclass(frozen=True, slots=True)
class FanotifyFid:
    """Which file or directory a fanotify event is about, as `open_by_handle_at` opens it."""

    info_type: FanotifyInfoType
    """FID is the object, DFID its directory; those with NAME in them have its name as well."""
    fsid: tuple[int, ...]
    """The file system, as `statfs` tells it."""
    handle: FileHandle
    name: str | None
    """Within the directory; "." is the directory itself. None where the type has no name."""


@dataclass(frozen=True, slots=True)
class FanotifyRecord:
    """A record of a type that is newer than this library."""

    info_type: int
    content: bytes
    """What follows the head."""


FanotifyInfo: TypeAlias = (
    FanotifyFid
    | FanotifyEventInfoPidfd
    | FanotifyEventInfoError
    | FanotifyEventInfoRange
    | FanotifyEventInfoMnt
    | FanotifyRecord
)


@dataclass(frozen=True, slots=True)
class FanotifyEvent:
    """An event that was read from a fanotify descriptor.

    `fd` and the `pidfd` of a record are descriptors which are the reader's to close.
    """

    mask: FanotifyMask
    fd: int
    """Of the file; FAN_NOFD where there is none, -errno where it could not be opened."""
    pid: int
    """The process that caused it, or its thread with FAN_REPORT_TID."""
    records: tuple[FanotifyInfo, ...] = ()

    def close(self) -> None:
        """Close the descriptors that came with the event; once, as others may get their numbers."""
        pidfds = [r.pidfd for r in self.records if isinstance(r, FanotifyEventInfoPidfd)]
        _close((self.fd, *pidfds))


_NAMED = frozenset(
    {
        FanotifyInfoType.FAN_EVENT_INFO_TYPE_DFID_NAME,
        FanotifyInfoType.FAN_EVENT_INFO_TYPE_OLD_DFID_NAME,
        FanotifyInfoType.FAN_EVENT_INFO_TYPE_NEW_DFID_NAME,
    }
)
_FIDS = _NAMED | {
    FanotifyInfoType.FAN_EVENT_INFO_TYPE_FID,
    FanotifyInfoType.FAN_EVENT_INFO_TYPE_DFID,
}


def _size(struct: Any) -> int:
    return len(struct().to_bytes())


def _sized(struct: Any) -> tuple[Any, int]:
    return struct, _size(struct)


_FIXED: dict[int, tuple[Any, int]] = {
    FanotifyInfoType.FAN_EVENT_INFO_TYPE_PIDFD: _sized(FanotifyEventInfoPidfd),
    FanotifyInfoType.FAN_EVENT_INFO_TYPE_ERROR: _sized(FanotifyEventInfoError),
    FanotifyInfoType.FAN_EVENT_INFO_TYPE_RANGE: _sized(FanotifyEventInfoRange),
    FanotifyInfoType.FAN_EVENT_INFO_TYPE_MNT: _sized(FanotifyEventInfoMnt),
}
_SIGNAL = _size(SignalfdSiginfo)
_EVENT = _size(FanotifyEventMetadata)
_INFO = _size(FanotifyEventInfoHeader)
# Without the name and the handle, which are as long as the record says.
_INOTIFY, _FID = 16, 20


@overload
def parse_events(data: ReadableBuffer, record: type[InotifyEvent]) -> list[InotifyEvent]: ...
@overload
def parse_events(data: ReadableBuffer, record: type[FanotifyEvent]) -> list[FanotifyEvent]: ...
@overload
def parse_events(data: ReadableBuffer, record: type[SignalfdSiginfo]) -> list[SignalfdSiginfo]: ...
def parse_events(data: ReadableBuffer, record: type) -> list[Any]:
    """`parse_events(data, record)`: the records that a descriptor was read for, as objects.

    Args:
        data: what `read` gave, a bytes-like object.
        record: what it holds: `InotifyEvent`, `FanotifyEvent` or `SignalfdSiginfo`.

    Returns:
        A list of these, in order; empty where `data` is.

    Raises:
        TypeError: another type of data or record.
        ValueError: `data` does not end with a record, or holds another version of them. Descriptors
            that fanotify records before that place brought are closed then, as nobody knows them.

    Source: the man pages inotify(7), fanotify(7) and signalfd(2).
    """
    try:
        split, make = _READERS[record]
    except (KeyError, TypeError):
        wanted = ", ".join(known.__name__ for known in _READERS)
        raise TypeError(f"parse_events() argument 'record' must be one of {wanted}") from None
    try:
        # A copy, where another thread could change it meanwhile.
        view = memoryview(data if type(data) is bytes else bytes(memoryview(data)))
    except TypeError:
        kind = type(data).__name__
        raise TypeError(
            f"parse_events() argument 'data' must be a bytes-like object, not {kind}"
        ) from None
    try:
        return [make(part) for part in split(view)]
    except BaseException as error:
        if record is FanotifyEvent:
            _close_all(view)
        if not isinstance(error, ValueError):
            raise
        raise ValueError(f"parse_events() argument 'data' can't be read: {error}") from None


def _wrong(what: str, offset: int) -> ValueError:
    return ValueError(f"it {what} at byte {offset}")


def _signals(data: memoryview) -> Iterator[memoryview]:
    for start in range(0, len(data), _SIGNAL):
        if start + _SIGNAL > len(data):
            raise _wrong("ends within the record", start)
        yield data[start : start + _SIGNAL]


def _inotify_events(data: memoryview) -> Iterator[memoryview]:
    start = 0
    while start < len(data):
        end = start + _INOTIFY
        if end <= len(data):
            end += InotifyEvent.from_bytes(data[start:end]).len
        if end > len(data):
            raise _wrong("ends within the record", start)
        yield data[start:end]
        start = end


def _fanotify_events(data: memoryview) -> Iterator[memoryview]:
    start = 0
    while start < len(data):
        if start + _EVENT > len(data):
            raise _wrong("ends within the record", start)
        head = FanotifyEventMetadata.from_bytes(data[start : start + _EVENT])
        if head.vers != FanotifyVersion.FANOTIFY_METADATA_VERSION:
            raise _wrong(f"has version {head.vers} of fanotify's records", start)
        if not _EVENT <= head.metadata_len <= head.event_len:
            raise _wrong("has a record of wrong length", start)
        if start + head.event_len > len(data):
            raise _wrong("ends within the record", start)
        yield data[start : start + head.event_len]
        start += head.event_len


def _infos(event: memoryview) -> Iterator[memoryview]:
    """What follows the head of an event."""
    start = FanotifyEventMetadata.from_bytes(event[:_EVENT]).metadata_len
    while start < len(event):
        length = _INFO
        if start + _INFO <= len(event):
            length = FanotifyEventInfoHeader.from_bytes(event[start : start + _INFO]).len
        if length < _INFO or start + length > len(event):
            raise ValueError("an event has a record of wrong length")
        yield event[start : start + length]
        start += length


def _fanotify_event(event: memoryview) -> FanotifyEvent:
    head = FanotifyEventMetadata.from_bytes(event[:_EVENT])
    infos = tuple(_info(info) for info in _infos(event))
    return FanotifyEvent(FanotifyMask(head.mask), head.fd, head.pid, infos)


def _info(info: memoryview) -> FanotifyInfo:
    kind = FanotifyEventInfoHeader.from_bytes(info[:_INFO]).info_type
    if kind in _FIDS:
        return _fid(FanotifyInfoType(kind), info)
    if kind in _FIXED:
        struct, size = _FIXED[kind]
        fixed: FanotifyInfo = struct.from_bytes(info[:size])
        return fixed
    return FanotifyRecord(kind, bytes(info[_INFO:]))


def _fid(kind: FanotifyInfoType, info: memoryview) -> FanotifyFid:
    fid = FanotifyEventInfoFid.from_bytes(info)
    content = fid.handle
    if len(info) < _FID or fid.handle_bytes > len(content):
        raise ValueError("a record ends within its file handle")
    handle = FileHandle(fid.handle_type, content[: fid.handle_bytes])
    name = None
    if kind in _NAMED:
        name = os.fsdecode(content[fid.handle_bytes :].partition(b"\0")[0])
    return FanotifyFid(kind, fid.fsid, handle, name)


def _close(descriptors: tuple[int, ...]) -> None:
    for fd in descriptors:
        if fd >= 0:
            with suppress(OSError):
                os.close(fd)


def _close_all(data: memoryview) -> None:
    """Closes what can be made out of descriptors, as far as the records can be told apart."""
    with suppress(ValueError):
        for event in _fanotify_events(data):
            _close((FanotifyEventMetadata.from_bytes(event[:_EVENT]).fd,))
            with suppress(ValueError):
                for info in _infos(event):
                    header = FanotifyEventInfoHeader.from_bytes(info[:_INFO])
                    if header.info_type == FanotifyInfoType.FAN_EVENT_INFO_TYPE_PIDFD:
                        struct, size = _FIXED[header.info_type]
                        _close((struct.from_bytes(info[:size]).pidfd,))


_READERS: dict[Any, tuple[Any, Any]] = {
    InotifyEvent: (_inotify_events, InotifyEvent.from_bytes),
    FanotifyEvent: (_fanotify_events, _fanotify_event),
    SignalfdSiginfo: (_signals, SignalfdSiginfo.from_bytes),
}
