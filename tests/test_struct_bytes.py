"""Every struct from every number of bytes that it can have: short ones lack their last fields."""

from __future__ import annotations

import os
from typing import Any

import pytest

import pysyscall
from pysyscall._generated.names import STRUCTS

LONGEST = 600


@pytest.mark.parametrize("name", STRUCTS)
def test_bytes_of_every_length(name: str) -> None:
    kind: Any = getattr(pysyscall, name)
    lengths = []
    for length in (*range(LONGEST), len(bytes(kind()))):
        for data in (bytes(length), b"\xff" * length, os.urandom(length)):
            try:
                value = kind.from_bytes(data)
            except ValueError:
                continue
            lengths.append(length)
            # What a later kernel has added is left out, and a size within is cut down with it.
            told = getattr(kind(), "size", 0) if length > len(bytes(kind())) else 0
            if not told:
                assert value.to_bytes() == bytes(value) == data[: len(bytes(value))]
            assert value == kind.from_bytes(data)
            assert hash(value) == hash(kind.from_bytes(data))
            assert repr(value).startswith(f"{name}(")
            assert value.replace() == value
            assert all(hasattr(value, field) for field in kind.__match_args__)
    assert lengths


SHORT = [
    ("SockaddrLl", 12, "sll_addr"),
    ("MntIdReq", 24, "mnt_ns_id"),
    ("FanotifyEventInfoFid", 12, "handle"),
]


@pytest.mark.parametrize(("name", "length", "field"), SHORT)
def test_a_short_struct_grows_with_the_field_that_is_set(
    name: str, length: int, field: str
) -> None:
    kind: Any = getattr(pysyscall, name)
    short = kind.from_bytes(bytes(length))
    full = kind.from_bytes(b"\1" * len(bytes(kind())))
    grown = short.replace(**{field: getattr(full, field)})
    assert getattr(grown, field) == getattr(full, field)
    assert getattr(kind.from_bytes(bytes(grown)), field) == getattr(full, field)
