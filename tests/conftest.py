"""Fixtures that several areas share."""

import os
from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def keep() -> Iterator[Callable[[int], int]]:
    """Takes descriptors, and closes them when the test ends."""
    kept: list[int] = []

    def take(fd: int) -> int:
        kept.append(fd)
        return fd

    yield take
    for fd in kept:
        os.close(fd)
