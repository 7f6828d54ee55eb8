"""What a test needs of the machine and of its user."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pysyscall import lookup

ROOT = os.geteuid() == 0
RELEASE = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))

needs_root = pytest.mark.skipif(not ROOT, reason="only root may do it")


def lacks(name: str) -> bool:
    """Whether the running kernel is older than the call."""
    return tuple(map(int, lookup(name).since.split(".")[:2])) > RELEASE


def needs(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(lacks(name), reason=f"{name} is newer than this kernel")


@contextmanager
def skip_where(*errnos: int, lacking: str = "not here") -> Iterator[None]:
    """The test is skipped where one of these errors comes, or any error where none is named."""
    try:
        yield
    except OSError as error:
        if errnos and error.errno not in errnos:
            raise
        pytest.skip(f"{lacking}: {error}")
