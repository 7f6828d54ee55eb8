"""Enumerations and constants in Python: there under their names, loaded when first used."""

from __future__ import annotations

import builtins
import enum
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pysyscall
from pysyscall import flags
from tables import enums
from tables.enums import Enum

ENUMS = enums.load()
CONSTANTS = {member.name: member.value for each in ENUMS.values() for member in each.members}

each_enum = pytest.mark.parametrize("known", ENUMS.values(), ids=ENUMS)
each_flag = pytest.mark.parametrize(
    "known", [pytest.param(each, id=name) for name, each in ENUMS.items() if each.kind == "flag"]
)


@each_enum
def test_every_enumeration_is_there(known: Enum) -> None:
    kind = getattr(pysyscall, known.name)
    assert kind is getattr(flags, known.name)
    assert issubclass(kind, enum.IntFlag if known.kind == "flag" else enum.IntEnum)
    assert kind.__name__ == known.name
    assert kind.__doc__.lower().startswith(known.doc.lower())
    told = {name: member.value for name, member in kind.__members__.items()}
    assert told == {member.name: member.value for member in known.members}


@each_enum
def test_every_constant_is_the_member_of_the_enumeration_that_defines_it(known: Enum) -> None:
    kind = getattr(pysyscall, known.name)
    for member in known.members:
        constant = getattr(pysyscall, member.name)
        assert constant is getattr(flags, member.name)
        assert constant == member.value
        if member.name not in known.shares:
            assert constant is kind[member.name]


def test_the_names_are_the_kernel_s() -> None:
    assert pysyscall.O_CREAT is pysyscall.OpenFlag.O_CREAT
    assert pysyscall.O_CREAT == os.O_CREAT
    assert repr(pysyscall.O_CREAT) == "<OpenFlag.O_CREAT: 64>"
    assert pysyscall.SIGTERM.name == "SIGTERM"
    assert pysyscall.Sysno.write == 1
    assert len(CONSTANTS) > 500


@each_flag
def test_unknown_bits_are_kept(known: Enum) -> None:
    kind = getattr(pysyscall, known.name)
    first = next(iter(kind.__members__.values()))
    unknown = 1 << 62
    for value in (kind(unknown), first | unknown, unknown | first, kind(unknown | first)):
        assert type(value) is kind
        assert value & unknown == unknown
    assert int(kind(unknown)) == unknown


@pytest.mark.parametrize("module", [pysyscall, flags])
@pytest.mark.parametrize("name", ["O_NOTHING", "NoFlag", "o_creat", "_private", "__path", ""])
def test_unknown_names_are_no_attributes(module: object, name: str) -> None:
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
        getattr(module, name)
    assert not hasattr(module, name)


def test_dir_has_all_names() -> None:
    names = dir(pysyscall)
    assert names == sorted(set(names))
    expected = {*CONSTANTS, *ENUMS, "Sysno", "lookup", "syscall", "raw", "table", "write", "Stat"}
    assert expected <= set(names)
    assert set(dir(flags)) == {*CONSTANTS, *ENUMS}


def test_all_names_calls_and_types_that_shadow_no_builtin() -> None:
    names = set(pysyscall.__all__)
    assert {"write", "Stat", "Sysno", "lookup", "syscall"} <= names
    assert not names & set(dir(builtins)), "open and the like are to be had by name only"
    space: dict[str, object] = {}
    exec("from pysyscall import *", space)
    assert set(space) - {"__builtins__"} == names
    assert space["write"] is pysyscall.write


# What an import costs: nothing that the calls themselves don't need.
TELL = "import sys; before = set(sys.modules); {}; print(*sorted(set(sys.modules) - before))"


def modules_after(statements: str) -> set[str]:
    """The modules that the statements load in a new interpreter."""
    ended = subprocess.run(
        [sys.executable, "-c", TELL.format(statements)],
        env=os.environ | {"PYTHONPATH": str(Path(pysyscall.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    return set(ended.stdout.split())


def test_importing_loads_the_calls_alone() -> None:
    assert modules_after("import pysyscall") == {"pysyscall", "pysyscall._fast"}
    made = modules_after("from pysyscall import write; write(1, b'')")
    assert made == {"pysyscall", "pysyscall._fast"}


def test_constants_are_loaded_an_area_at_a_time() -> None:
    loaded = modules_after("import pysyscall; pysyscall.O_CREAT")
    assert "pysyscall.flags" in loaded
    areas = {name for name in loaded if name.startswith("pysyscall._generated.flags_")}
    assert areas == {"pysyscall._generated.flags_files"}


def test_cffi_is_loaded_for_raw_calls_only() -> None:
    assert "pysyscall._raw" not in modules_after("import pysyscall; pysyscall.lookup('write')")
    assert "pysyscall._raw" in modules_after("import pysyscall; pysyscall.syscall")
