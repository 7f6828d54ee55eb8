"""Sockets and what can be sent over them."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

from conditions import skip_where

import pysyscall
from pysyscall import SCM_RIGHTS, SOL_SOCKET, ControlMessage

LOOPBACK = "127.0.0.1"


def made(domain: int, kind: int, protocol: int = 0) -> int:
    """A socket; the test is skipped where the kernel lacks the family or forbids it."""
    lacking = (errno.EAFNOSUPPORT, errno.EPERM, errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT)
    with skip_where(*lacking, lacking="no such socket"):
        return pysyscall.socket(domain, kind, protocol)


def files(count: int, keep: Callable[[int], int]) -> list[int]:
    return [keep(os.open(os.devnull, os.O_RDONLY)) for _ in range(count)]


def rights(*fds: Any) -> ControlMessage:
    return ControlMessage(SOL_SOCKET, SCM_RIGHTS, fds)
