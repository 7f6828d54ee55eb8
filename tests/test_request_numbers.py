"""Request numbers made of their parts, as C's macros make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import pysyscall
from pysyscall import IO, IOR, IOW, IOWR, flags, futex_op


def test_request_numbers() -> None:
    assert IO("T", 0x40) == 0x5440
    assert IOR("T", 0x30, 4) == flags.TIOCGPTN
    assert IOW(ord("T"), 0x31, 4) == flags.TIOCSPTLCK
    assert IOWR(b"f", 11, pysyscall.Fiemap) == flags.FS_IOC_FIEMAP
    assert IOWR(0xAA, 0x3F, pysyscall.UffdioApi) == flags.UFFDIO_API
    assert IOR(0x12, 114, 8) == flags.BLKGETSIZE64
    assert IO(0xFF, 0xFF) == 0xFFFF


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: IO(256, 0), OverflowError, "IO() argument 'type' must be in [0, 255], not 256"),
        (lambda: IO("é" * 2, 0), TypeError, "length 2"),
        (lambda: IOR(0, -1, 0), OverflowError, "IOR() argument 'nr' must be in [0, 255], not -1"),
        (lambda: IOW(0, 0, 1 << 14), OverflowError, "argument 'size' must be in [0, 16383]"),
        (lambda: IOWR(0, 0, dict), TypeError, "IOWR() argument 'size' must be an int or a struct"),
        (lambda: IOWR(0, 0, "x"), TypeError, "IOWR() argument 'size' must be an int or a struct"),
        (lambda: futex_op(16, 0, 0, 0), OverflowError, "futex_op() argument 'op' must be in"),
        (lambda: futex_op(0, 2048, 0, 0), OverflowError, "futex_op() argument 'oparg' must be in"),
    ],
)
def test_parts_that_do_not_fit(call: Callable[[], int], error: Any, message: str) -> None:
    with pytest.raises(error) as raised:
        call()
    assert message in str(raised.value)
