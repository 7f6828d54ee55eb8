"""Read `siginfo.toml`: which struct a signal's information is, as ranges of its number and code."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tables.enums import Enum
from tables.rows import TableError

SOURCE = Path(__file__).with_name("siginfo.toml")
GENERAL = "Siginfo"
"""The struct that is any of the others."""

_LOWEST = -(2**31)


@dataclass(frozen=True, slots=True)
class Case:
    """One range of codes; signal 0 stands for all signals."""

    signal: int
    low: int
    high: int
    struct: str


@dataclass(frozen=True, slots=True)
class Siginfo:
    """The cases in the order in which they are tried, and what all others are."""

    cases: tuple[Case, ...]
    default: str

    @property
    def structs(self) -> tuple[str, ...]:
        """The names of all structs that a signal's information can be."""
        found = dict.fromkeys([*(case.struct for case in self.cases), self.default])
        return tuple(sorted(found))


def load(all_enums: dict[str, Enum], structs: frozenset[str]) -> Siginfo:
    """The cases with numbers in place of names; TableError tells a name that there is not."""
    body = tomllib.loads(SOURCE.read_text())
    try:
        cases = tuple(_expanded(body["cases"], all_enums))
    except KeyError as error:
        raise TableError(f"{SOURCE.name}: there is no {error}") from None
    found = Siginfo(cases, body["default"])
    if unknown := {*found.structs, GENERAL} - structs:
        raise TableError(f"{SOURCE.name}: there is no struct '{min(unknown)}'")
    return found


def _expanded(cases: list[dict[str, Any]], all_enums: dict[str, Enum]) -> Iterator[Case]:
    constants = {
        member.name: member.value for enum in all_enums.values() for member in enum.members
    }
    for case in cases:
        for signal in [constants[name] for name in case.get("signals", ())] or [0]:
            for code in case["codes"]:
                low, high = _range(code, constants, all_enums)
                yield Case(signal, low, high, case["struct"])


def _range(code: str, constants: dict[str, int], all_enums: dict[str, Enum]) -> tuple[int, int]:
    if code == "negative":
        return _LOWEST, -1
    if code in all_enums:
        values = [member.value for member in all_enums[code].members]
        return min(values), max(values)
    return constants[code], constants[code]
