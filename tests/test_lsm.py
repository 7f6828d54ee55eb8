"""Attributes that security modules keep, and which modules there are."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conditions import needs
from refusal import complaint

import pysyscall
from pysyscall import LsmAttr, LsmContext, LsmId

pytestmark = needs("lsm_list_modules")


def test_modules_are_those_that_securityfs_names() -> None:
    found = pysyscall.lsm_list_modules()
    assert len(found) == len(set(found))
    assert all(type(each) is int for each in found)
    named = Path("/sys/kernel/security/lsm")
    if not named.exists():
        assert LsmId.LSM_ID_CAPABILITY in found
        return
    names = named.read_text().strip().split(",")
    assert [LsmId(each).name.removeprefix("LSM_ID_").lower() for each in found] == names


def test_the_current_attribute() -> None:
    try:
        found = pysyscall.lsm_get_self_attr(LsmAttr.LSM_ATTR_CURRENT)
    except OSError as error:
        assert error.errno == errno.EOPNOTSUPP
        return
    for context in found:
        assert type(context) is LsmContext
        assert context.id in pysyscall.lsm_list_modules()
        assert context in pysyscall.lsm_get_self_attr(LsmAttr.LSM_ATTR_CURRENT, lsm=context.id)


@pytest.mark.parametrize(
    ("call", "numbers"),
    [
        (lambda: pysyscall.lsm_get_self_attr(0), {errno.EINVAL}),
        (lambda: pysyscall.lsm_get_self_attr(100, lsm=0), {errno.EINVAL}),
        (lambda: pysyscall.lsm_get_self_attr(2**32 - 1), {errno.EOPNOTSUPP}),
        (lambda: pysyscall.lsm_get_self_attr(100, lsm=2**64 - 1), {errno.EOPNOTSUPP}),
        (lambda: pysyscall.lsm_set_self_attr(100, 2**63, b""), {errno.EOPNOTSUPP}),
        (lambda: pysyscall.lsm_set_self_attr(100, 2**63, bytes(5000)), {errno.E2BIG}),
    ],
)
def test_errors(call: Callable[[], object], numbers: set[int]) -> None:
    with pytest.raises(OSError) as caught:
        call()
    assert caught.value.errno in numbers


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: pysyscall.lsm_get_self_attr(-1),
            OverflowError,
            "lsm_get_self_attr attr: be in [0, ",
        ),
        (
            lambda: pysyscall.lsm_get_self_attr(1, lsm="x"),
            TypeError,
            "lsm_get_self_attr lsm: be an int, not str",
        ),
        (
            lambda: pysyscall.lsm_set_self_attr(1, 1, "x"),
            TypeError,
            "lsm_set_self_attr value: be a bytes-like object, not str",
        ),
        (
            lambda: pysyscall.lsm_set_self_attr(1, 1, memoryview(b"abc")[::2]),
            BufferError,
            "lsm_set_self_attr value: be one contiguous",
        ),
    ],
)
def test_bad_arguments(call: Callable[[], object], error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(complaint(text))


def test_records_follow_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """What two modules tell, each with its length; the first answer asks for more room."""
    from pysyscall.calls import security

    def record(module: int, value: bytes, padding: int) -> bytes:
        head = pysyscall.LsmCtx(module, 0, 32 + len(value) + padding, len(value))
        return bytes(head) + value + bytes(padding)

    content = record(101, b"system_u:x" * 500, 6) + record(104, b"unconfined\0", 5)
    asked = []

    def enter(name: str, attr: int, room: bytearray, size: bytearray, flags: int) -> int:
        asked.append((name, attr, len(room), int.from_bytes(size, "little"), flags))
        size[:] = len(content).to_bytes(4, "little")
        if len(room) < len(content):
            raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))
        room[: len(content)] = content
        return 2

    monkeypatch.setattr(security, "enter", enter)
    assert pysyscall.lsm_get_self_attr(100) == [
        LsmContext(101, 0, b"system_u:x" * 500),
        LsmContext(104, 0, b"unconfined\0"),
    ]
    assert asked == [
        ("lsm_get_self_attr", 100, 4096, 4096, 0),
        ("lsm_get_self_attr", 100, len(content), len(content), 0),
    ]
