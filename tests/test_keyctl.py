"""keyctl against the real kernel, in a session keyring that belongs to a child alone."""

from __future__ import annotations

import errno
import os
import struct
import time
from collections.abc import Callable
from typing import Any

import pytest
from children import in_child
from conditions import skip_where

import pysyscall
from pysyscall import add_key, flags, keyctl


def in_session(function: Callable[[], Any]) -> Any:
    def child() -> Any:
        try:
            keyctl(flags.KEYCTL_JOIN_SESSION_KEYRING, None)
        except OSError as error:
            return error.errno, None
        return 0, function()

    number, result = in_child(child)
    if number:
        pytest.skip(f"no keys: {os.strerror(number)}")
    return result


SESSION = flags.KEY_SPEC_SESSION_KEYRING


def test_a_key() -> None:
    def use() -> list[object]:
        key = add_key("user", "mine", b"secret", SESSION)
        told: list[object] = [keyctl(flags.KEYCTL_READ, key)]
        assert keyctl(flags.KEYCTL_SEARCH, SESSION, "user", "mine") == key
        assert keyctl(flags.KEYCTL_UPDATE, key, b"x" * 4096) is None
        told.append(len(keyctl(flags.KEYCTL_READ, key)))
        # More than there is room for at first.
        large = add_key("user", "large", b"y" * 15_000, SESSION)
        told.append(keyctl(flags.KEYCTL_READ, large) == b"y" * 15_000)
        keyctl(flags.KEYCTL_UNLINK, large, SESSION)
        kind, uid, gid, _perm, name = keyctl(flags.KEYCTL_DESCRIBE, key).split(b";")
        told.append((kind, int(uid), int(gid), name.rstrip(b"\0")))
        ring = keyctl(flags.KEYCTL_GET_KEYRING_ID, SESSION, 1)
        told.append(struct.unpack("i", keyctl(flags.KEYCTL_READ, ring))[0] == key)
        keyctl(flags.KEYCTL_SETPERM, key, 0x3F010000)
        keyctl(flags.KEYCTL_CHOWN, key, -1, -1)
        told.append(isinstance(keyctl(flags.KEYCTL_GET_SECURITY, key), bytes))
        return told

    uid, gid = os.getuid(), os.getgid()
    assert in_session(use) == [b"secret", 4096, True, (b"user", uid, gid, b"mine"), True, True]


def test_the_end_of_a_key() -> None:
    def use() -> list[str]:
        told = []
        for end in (flags.KEYCTL_REVOKE, flags.KEYCTL_INVALIDATE):
            key = add_key("user", "mine", b"secret", SESSION)
            keyctl(end, key)
            with pytest.raises(OSError) as error:
                keyctl(flags.KEYCTL_READ, key)
            told.append(errno.errorcode[error.value.errno or 0])
        key = add_key("user", "mine", b"secret", SESSION)
        keyctl(flags.KEYCTL_SET_TIMEOUT, key, 1)
        time.sleep(1.2)
        with pytest.raises(OSError) as error:
            keyctl(flags.KEYCTL_READ, key)
        told.append(errno.errorcode[error.value.errno or 0])
        return told

    revoked, invalid, expired = in_session(use)
    assert (revoked, expired) == ("EKEYREVOKED", "EKEYEXPIRED")
    assert invalid in ("ENOKEY", "EACCES")


def test_keyrings() -> None:
    def use() -> list[object]:
        ring = add_key("keyring", "ring", b"", SESSION)
        other = add_key("keyring", "other", b"", SESSION)
        key = add_key("user", "mine", b"secret", ring)
        keyctl(flags.KEYCTL_LINK, key, other)
        told: list[object] = [keyctl(flags.KEYCTL_READ, other) == struct.pack("i", key)]
        keyctl(flags.KEYCTL_UNLINK, key, other)
        told.append(keyctl(flags.KEYCTL_READ, other))
        keyctl(flags.KEYCTL_MOVE, key, ring, other)
        told.append(keyctl(flags.KEYCTL_READ, ring))
        with pytest.raises(FileExistsError):
            keyctl(flags.KEYCTL_LINK, add_key("user", "mine", b"2", ring), ring)
            keyctl(flags.KEYCTL_MOVE, key, other, ring, flags.KEYCTL_MOVE_EXCL)
        keyctl(flags.KEYCTL_CLEAR, other)
        told.append(keyctl(flags.KEYCTL_READ, other))
        keyctl(flags.KEYCTL_RESTRICT_KEYRING, other, None, None)
        with pytest.raises(PermissionError):
            keyctl(flags.KEYCTL_LINK, key, other)
        return told

    assert in_session(use) == [True, b"", b"", b""]


def test_requests_and_sessions() -> None:
    def use() -> list[object]:
        before = keyctl(flags.KEYCTL_SET_REQKEY_KEYRING, flags.KEY_REQKEY_DEFL_SESSION_KEYRING)
        after = keyctl(flags.KEYCTL_SET_REQKEY_KEYRING, flags.KEY_REQKEY_DEFL_NO_CHANGE)
        named = keyctl(flags.KEYCTL_JOIN_SESSION_KEYRING, "pysyscall tests")
        told = [before, after, named == keyctl(flags.KEYCTL_GET_KEYRING_ID, SESSION)]
        told.append(keyctl(flags.KEYCTL_ASSUME_AUTHORITY, 0))
        for answer in (
            lambda: keyctl(flags.KEYCTL_INSTANTIATE, named, b"x"),
            lambda: keyctl(flags.KEYCTL_INSTANTIATE_IOV, named, [b"x", bytearray(b"y")]),
            lambda: keyctl(flags.KEYCTL_NEGATE, named, 1),
            lambda: keyctl(flags.KEYCTL_REJECT, named, 1, errno.EKEYREJECTED),
        ):
            with pytest.raises(PermissionError):  # there is no request to answer
                answer()
        return told

    default = flags.KEY_REQKEY_DEFL_DEFAULT
    assert in_session(use) == [default, flags.KEY_REQKEY_DEFL_SESSION_KEYRING, True, 0]


def test_what_the_kernel_can() -> None:
    with skip_where():
        told = keyctl(flags.KEYCTL_CAPABILITIES)
    assert told[0] & flags.KEYCTL_CAPS0_CAPABILITIES


def test_public_keys() -> None:
    """A key that is none of a pair can't encrypt; the kernel looks at it before the lengths."""

    def use() -> list[int | None]:
        key = add_key("user", "mine", b"secret", SESSION)
        params = pysyscall.KeyctlPkeyParams(key_id=key, in_len=3, out_len=3)
        told = []
        calls: tuple[Callable[[], object], ...] = (
            lambda: keyctl(flags.KEYCTL_PKEY_QUERY, key, ""),
            lambda: keyctl(flags.KEYCTL_PKEY_ENCRYPT, params, "", b"abc"),
            lambda: keyctl(flags.KEYCTL_PKEY_DECRYPT, params, "", b"abc"),
            lambda: keyctl(flags.KEYCTL_PKEY_SIGN, params, "", b"abc"),
            lambda: keyctl(flags.KEYCTL_PKEY_VERIFY, params, "", b"abc", b"xyz"),
            lambda: keyctl(flags.KEYCTL_DH_COMPUTE, (key, key, key)),
        )
        for call in calls:
            with pytest.raises(OSError) as error:
                call()
            told.append(error.value.errno)
        return told

    assert set(in_session(use)) <= {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOPKG}


def test_watching() -> None:
    def use() -> bool:
        key = add_key("user", "mine", b"secret", SESSION)
        try:
            reader, writer = pysyscall.pipe2(flags.O_NOTIFICATION_PIPE)
            pysyscall.ioctl(reader, flags.IOC_WATCH_QUEUE_SET_SIZE, 16)
            keyctl(flags.KEYCTL_WATCH_KEY, key, writer, 1)
        except OSError as error:
            return error.errno in (errno.ENOPKG, errno.EOPNOTSUPP, errno.EINVAL)
        keyctl(flags.KEYCTL_UPDATE, key, b"other")
        return len(os.read(reader, 100)) >= 16

    assert in_session(use)


def test_persistent_keyrings_and_parents() -> None:
    def use() -> set[int | None]:
        told: set[int | None] = set()
        try:
            assert keyctl(flags.KEYCTL_GET_PERSISTENT, -1, SESSION) > 0
        except OSError as error:
            told.add(error.errno)
        return told

    assert in_session(use) <= {errno.EOPNOTSUPP}
