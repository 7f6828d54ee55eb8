"""Landlock, keys and performance counters; what restricts or is kept acts in a child."""

from __future__ import annotations

import errno
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from children import NO_PROCESS, give_up_rights, in_child

import pysyscall
from pysyscall import (
    KEY_SPEC_PROCESS_KEYRING,
    KEY_SPEC_THREAD_KEYRING,
    LandlockRulesetAttr,
    PerfEventAttr,
)

PR_SET_NO_NEW_PRIVS = 38


def works(call: Callable[[], object]) -> bool:
    """Whether the kernel has a call, and no filter of a container forbids it."""
    try:
        in_child(call)
    except OSError as error:
        return error.errno not in (errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EACCES)
    return True


# Landlock


def landlock_version() -> int:
    return pysyscall.landlock_create_ruleset(None, pysyscall.LANDLOCK_CREATE_RULESET_VERSION)


needs_landlock = pytest.mark.skipif(not works(landlock_version), reason="no Landlock")


@needs_landlock
def test_the_version_is_no_descriptor() -> None:
    assert landlock_version() in range(1, 100)
    assert pysyscall.landlock_create_ruleset(flags=1) == landlock_version()


@needs_landlock
@pytest.mark.parametrize("handled", [1, pysyscall.LANDLOCK_ACCESS_FS_READ_DIR, 0x1FFF])
def test_landlock_create_ruleset(keep: Callable[[int], int], handled: int) -> None:
    attr = LandlockRulesetAttr(handled_access_fs=handled)
    fd = keep(pysyscall.landlock_create_ruleset(attr))
    assert str(Path(f"/proc/self/fd/{fd}").readlink()) == "anon_inode:[landlock-ruleset]"
    assert not os.get_inheritable(fd)


@needs_landlock
@pytest.mark.parametrize("privileges", ["kept", "given up"])
def test_landlock_restrict_self(tmp_path: Path, privileges: str) -> None:
    """What the ruleset handles and no rule allows is forbidden, and nothing else is."""
    (tmp_path / "file").write_text("content")

    def restrict() -> object:
        if privileges == "given up" or os.geteuid() != 0:
            pysyscall.syscall("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        attr = LandlockRulesetAttr(handled_access_fs=pysyscall.LANDLOCK_ACCESS_FS_READ_DIR)
        fd = pysyscall.landlock_create_ruleset(attr)
        assert [path.name for path in tmp_path.iterdir()] == ["file"]
        assert pysyscall.landlock_restrict_self(fd) is None
        with pytest.raises(PermissionError):
            list(tmp_path.iterdir())
        return (tmp_path / "file").read_text()

    assert in_child(restrict) == "content"
    assert len(list(tmp_path.iterdir())) == 1


@needs_landlock
def test_landlock_needs_privileges_or_none_to_gain() -> None:
    def restrict() -> None:
        give_up_rights()
        fd = pysyscall.landlock_create_ruleset(LandlockRulesetAttr(1))
        pysyscall.landlock_restrict_self(fd)

    status = Path("/proc/self/status").read_text()
    if "NoNewPrivs:\t1" in status:
        pytest.skip("this process can gain none")
    with pytest.raises(PermissionError):
        in_child(restrict)


@needs_landlock
@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: pysyscall.landlock_create_ruleset(), errno.EFAULT),
        (lambda: pysyscall.landlock_create_ruleset(None, 1 << 20), errno.EINVAL),
        (lambda: pysyscall.landlock_create_ruleset(LandlockRulesetAttr(), 0), errno.ENOMSG),
        (lambda: pysyscall.landlock_create_ruleset(LandlockRulesetAttr(1 << 60)), errno.EINVAL),
        (lambda: pysyscall.landlock_create_ruleset(LandlockRulesetAttr(1), 1), errno.EINVAL),
    ],
)
def test_ruleset_refusals(call: Callable[[], object], error: int) -> None:
    with pytest.raises(OSError) as caught:
        call()
    assert caught.value.errno == error


@needs_landlock
@pytest.mark.parametrize("file", [None, "/dev/null"])
def test_only_a_ruleset_restricts(file: str | None) -> None:
    def restrict() -> None:
        pysyscall.syscall("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        pysyscall.landlock_restrict_self(os.open(file, os.O_RDONLY) if file else 2**20)

    with pytest.raises(OSError) as caught:
        in_child(restrict)
    assert caught.value.errno == (errno.EBADFD if file else errno.EBADF)


# Keys


def add(payload: bytes = b"payload", keyring: int = KEY_SPEC_THREAD_KEYRING) -> int:
    return pysyscall.add_key("user", "pysyscall:test", payload, keyring)


needs_keys = pytest.mark.skipif(not works(add), reason="no keys")
KEYCTL_DESCRIBE, KEYCTL_SEARCH, KEYCTL_READ = 6, 10, 11


def keyctl(operation: int, key: int) -> bytes:
    buffer = bytearray(200)
    size = pysyscall.syscall("keyctl", operation, key, buffer, len(buffer))
    return bytes(buffer[:size])


@needs_keys
@pytest.mark.parametrize("keyring", [KEY_SPEC_THREAD_KEYRING, KEY_SPEC_PROCESS_KEYRING])
@pytest.mark.parametrize("payload", [b"x", b"a\0b", b"x" * 150, bytearray(b"bytes")])
def test_add_key(keyring: int, payload: bytes) -> None:
    def make() -> object:
        key = add(payload, keyring)
        assert key > 0
        return keyctl(KEYCTL_READ, key), keyctl(KEYCTL_DESCRIBE, key)

    content, description = in_child(make)
    assert content == payload
    kind, uid, _, _, name = description.rstrip(b"\0").split(b";")
    assert (kind, int(uid), name) == (b"user", os.geteuid(), b"pysyscall:test")


@needs_keys
def test_add_key_changes_a_key_that_there_is() -> None:
    def make() -> object:
        keys = add(b"old"), add(b"new")
        return len(set(keys)), keyctl(KEYCTL_READ, keys[0])

    assert in_child(make) == (1, b"new")


@needs_keys
def test_request_key_finds_a_key() -> None:
    def find() -> object:
        key = add(keyring=KEY_SPEC_PROCESS_KEYRING)
        return key, pysyscall.request_key("user", "pysyscall:test")

    made, found = in_child(find)
    assert made == found


@needs_keys
def test_request_key_links_what_it_finds() -> None:
    def find() -> object:
        ring = pysyscall.add_key("keyring", "ring", b"", KEY_SPEC_PROCESS_KEYRING)
        key = add(keyring=KEY_SPEC_PROCESS_KEYRING)
        before = keyctl(KEYCTL_READ, ring)
        assert pysyscall.request_key(b"user", b"pysyscall:test", None, ring) == key
        return before, keyctl(KEYCTL_READ, ring) == struct.pack("i", key)

    assert in_child(find) == (b"", True)


@needs_keys
@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: pysyscall.request_key("user", "pysyscall:none"), errno.ENOKEY),
        (lambda: pysyscall.request_key("no such type", "x"), errno.ENOKEY),
        (lambda: pysyscall.request_key(".hidden", "x"), errno.EPERM),
        (lambda: pysyscall.add_key("no such type", "x", b"x", -1), errno.ENODEV),
        (lambda: pysyscall.add_key("user", "x", b"", -1), errno.EINVAL),
        (lambda: pysyscall.add_key("user", "x", b"x" * 40_000, -1), errno.EINVAL),
        (lambda: pysyscall.add_key("user", "x", b"x", 2**31 - 1), errno.ENOKEY),
        (lambda: pysyscall.add_key("user", "x", b"x", 0), errno.EINVAL),
    ],
)
def test_key_refusals(call: Callable[[], object], error: int) -> None:
    with pytest.raises(OSError) as caught:
        in_child(call)
    assert caught.value.errno == error
    assert caught.value.filename is None


# Performance counters

EXCLUDE_KERNEL, DISABLED = 1 << 5, 1 << 0


def clock(flags: int = 0, read_format: int = 0) -> PerfEventAttr:
    return PerfEventAttr(
        pysyscall.PERF_TYPE_SOFTWARE,
        pysyscall.PERF_COUNT_SW_TASK_CLOCK,
        read_format=read_format,
        flags=EXCLUDE_KERNEL | flags,
    )


needs_perf = pytest.mark.skipif(
    not works(lambda: pysyscall.perf_event_open(clock(), 0, -1)), reason="no counters"
)


@needs_perf
def test_perf_event_open_counts(keep: Callable[[int], int]) -> None:
    start, used = time.monotonic_ns(), time.thread_time_ns()
    fd = keep(pysyscall.perf_event_open(clock(), 0, -1))
    while time.thread_time_ns() < used + 5_000_000:
        pass
    (told,) = struct.unpack("Q", os.read(fd, 8))
    # The clocks are not the same one; a millisecond is for that.
    assert 4_000_000 < told < time.monotonic_ns() - start + 1_000_000
    assert str(Path(f"/proc/self/fd/{fd}").readlink()) == "anon_inode:[perf_event]"


@needs_perf
def test_a_disabled_counter_counts_nothing(keep: Callable[[int], int]) -> None:
    fd = keep(pysyscall.perf_event_open(clock(DISABLED), 0, -1))
    sum(range(100_000))
    assert os.read(fd, 8) == bytes(8)


@needs_perf
def test_perf_event_open_adds_to_a_group(keep: Callable[[int], int]) -> None:
    attr = clock(read_format=pysyscall.PERF_FORMAT_GROUP | pysyscall.PERF_FORMAT_ID)
    leader = keep(pysyscall.perf_event_open(attr, 0, -1))
    for _ in range(2):
        keep(pysyscall.perf_event_open(attr, 0, -1, leader))
    count, *pairs = struct.unpack("7Q", os.read(leader, 56))
    assert count == 3
    assert len(set(pairs[1::2])) == 3


@needs_perf
@pytest.mark.parametrize("flags", [0, pysyscall.PERF_FLAG_FD_CLOEXEC])
def test_a_counter_is_inherited_unless_asked_for(keep: Callable[[int], int], flags: int) -> None:
    fd = keep(pysyscall.perf_event_open(clock(), 0, -1, flags=flags))
    assert os.get_inheritable(fd) == (flags == 0)


@needs_perf
@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: pysyscall.perf_event_open(clock(), NO_PROCESS, -1), errno.ESRCH),
        (lambda: pysyscall.perf_event_open(clock(), 0, -1, 2**20), errno.EBADF),
        (lambda: pysyscall.perf_event_open(clock(), 0, -1, flags=1 << 20), errno.EINVAL),
        (lambda: pysyscall.perf_event_open(clock(1 << 60), 0, -1), errno.EINVAL),
        (
            lambda: pysyscall.perf_event_open(PerfEventAttr(999, flags=EXCLUDE_KERNEL), 0, -1),
            errno.ENOENT,
        ),
    ],
)
def test_counter_refusals(call: Callable[[], object], error: int) -> None:
    with pytest.raises(OSError) as caught:
        call()
    assert caught.value.errno == error
