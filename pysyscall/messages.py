"""Messages of `sendmsg` and `recvmsg`: what goes with the bytes, decoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from pysyscall._fast import _SocketAddress

_Data = TypeVar("_Data")
_HEAD, _ALIGNMENT = 16, 8


class ControlMessage(NamedTuple):
    """A control message: what a protocol tells, or takes, beside the bytes.

    `data` is decoded by level and type: a tuple of descriptors for SCM_RIGHTS, a `Ucred` for
    SCM_CREDENTIALS, a `Timespec`, an int ... The reference has the list. It is bytes where nothing
    is known of it or where it was cut short. The same values are taken to be sent; so are bytes.
    """

    level: int
    type: int
    data: Any

    def __repr__(self) -> str:
        from pysyscall._generated.control import NAMES

        level, type = NAMES.get((self.level, self.type), (self.level, self.type))
        return f"ControlMessage(level={level}, type={type}, data={self.data!r})"


class Message(NamedTuple, Generic[_Data]):
    """What `recvmsg` returns and `sendmsg` takes.

    `data` is what was received, bytes or the number of those that are in the caller's buffers; to
    be sent it is one buffer or an iterable of them. `flags` are those of `MsgFlag` that the kernel
    tells: MSG_TRUNC where bytes were cut off, MSG_CTRUNC where control messages were.
    """

    data: _Data
    control: Sequence[ControlMessage] = ()
    flags: int = 0
    address: _SocketAddress | None = None

    def __repr__(self) -> str:
        from pysyscall.flags import MsgFlag

        flags = MsgFlag(self.flags).name if self.flags else 0
        return (
            f"Message(data={self.data!r}, control={self.control!r}, flags={flags}, "
            f"address={self.address!r})"
        )

    @property
    def descriptors(self) -> tuple[int, ...]:
        """All descriptors that came with SCM_RIGHTS; they are the receiver's to close."""
        from pysyscall.flags import SCM_RIGHTS, SOL_SOCKET

        rights = (SOL_SOCKET, SCM_RIGHTS)
        return tuple(
            fd for level, type, data in self.control if (level, type) == rights for fd in data
        )


def CMSG_LEN(length: int) -> int:
    """`CMSG_LEN(length)`: the size of a control message with so many bytes of data, in bytes.

    Args:
        length: the size of its data, in bytes.

    Returns:
        An int, without the padding that follows it.

    Source: the man page cmsg(3).
    """
    if length < 0:
        raise ValueError("CMSG_LEN() argument 'length' must not be negative")
    return _HEAD + length


def CMSG_SPACE(length: int) -> int:
    """`CMSG_SPACE(length)`: the room that a control message takes up with so many bytes of data.

    Args:
        length: the size of its data, in bytes: 4 for each descriptor.

    Returns:
        An int: bytes, for `control=` of `recvmsg`. Those of several messages add up.

    Source: the man page cmsg(3).
    """
    if length < 0:
        raise ValueError("CMSG_SPACE() argument 'length' must not be negative")
    return _HEAD + -(-length // _ALIGNMENT) * _ALIGNMENT
