"""No call leaves memory, descriptors or references behind: see the scripts in `isolated`."""

from __future__ import annotations

import pytest
from isolated.child import ISOLATED, python


def test_nothing_grows() -> None:
    """`isolated/leaks.py` with more repetitions finds smaller leaks."""
    assert "uses" in python(ISOLATED / "leaks.py", "100")


def test_nothing_is_lost_where_memory_is_short() -> None:
    if "False" in python("-c", "from importlib.util import *; print(bool(find_spec('_testcapi')))"):
        pytest.skip("this Python has no _testcapi")
    assert "allocations failed" in python(ISOLATED / "no_memory.py")
