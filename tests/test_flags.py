"""The enumerations of `tables/flags`: what the loader refuses, and each value against C headers.

`CPATH=/path/to/usr/include pytest tests/test_flags.py` checks against another kernel's headers.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from tables.enums import Enum, Member, load
from tables.rows import TableError

Verdict = Literal["right", "wrong", "unknown"]

COMPILER = shutil.which("gcc")
needs_compiler = pytest.mark.skipif(
    COMPILER is None, reason="no gcc to ask for the headers' values"
)

# A misspelt name must not pass for one that is too new: these names no header of Linux 6.1 (the
# oldest that the library is built with) and its libc defines.
NOT_IN_HEADERS = {
    name
    for line in Path(__file__).with_name("not_in_headers.txt").read_text().splitlines()
    if not line.startswith("#")
    for name in line.split()
}


def enum_text(body: str = "", name: str = "Colour", members: str = "RED = 1", **keys: str) -> str:
    values = {"kind": '"flag"', "doc": '"a colour"', "headers": '["colour.h"]'} | keys
    lines = [f"{key} = {value}" for key, value in values.items() if value]
    return "\n".join([f"[{name}]", *lines, body, f"[{name}.members]", members, ""])


def load_texts(folder: Path, *texts: str) -> dict[str, Enum]:
    for letter, text in zip("abc", texts, strict=False):
        (folder / f"{letter}.toml").write_text(text, encoding="utf-8")
    return load(folder)


def test_an_enumeration_is_read_whole(tmp_path: Path) -> None:
    first = enum_text('masks = ["BASE", 0x30]', members="BASE = 3\nRED = 0o4\nLIGHT = 0x10")
    second = enum_text(name="Paint", shares='["RED"]', members="GLOSS = 8")
    colour, paint = load_texts(tmp_path, first, second).values()
    assert colour == Enum(
        name="Colour",
        kind="flag",
        doc="a colour",
        area="a",
        headers=("colour.h",),
        members=(Member("BASE", 3), Member("RED", 4), Member("LIGHT", 16)),
        masks=(3, 0x30),
    )
    assert paint.members == (Member("GLOSS", 8), Member("RED", 4))
    assert (paint.area, paint.shares) == ("b", ("RED",))


def test_a_name_may_be_shared_before_it_is_defined(tmp_path: Path) -> None:
    only_shared = enum_text(shares='["RED"]', members="")
    enums = load_texts(tmp_path, only_shared, enum_text(name="Paint", members="RED = 9"))
    assert enums["Colour"].members == (Member("RED", 9),)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([enum_text(), enum_text(members="BLUE = 2")], "b.toml: Colour: already .* in a.toml"),
        (
            [enum_text(), enum_text(name="Paint", members="RED = 2")],
            r"b.toml: Paint.RED: already defined in a.toml: Colour; name it in `shares`",
        ),
        ([enum_text(members="RED = 1\nRED = 1")], "a.toml: .*Cannot overwrite a value"),
        ([enum_text(members="RED = '1'")], "a.toml: Colour.RED: value '1' is not an integer"),
        ([enum_text(members="RED = true")], "a.toml: Colour.RED: value True is not an integer"),
        ([enum_text(members="RED = 1.0")], "a.toml: Colour.RED: value 1.0 is not an integer"),
        ([enum_text(members=f"RED = {2**64}")], "a.toml: Colour.RED: .* does not fit into 64"),
        (
            [enum_text(kind='"enum"', members=f"RED = {-(2**63) - 1}")],
            "a.toml: Colour.RED: .* does not fit into 64",
        ),
        ([enum_text(members="RED = -1")], "a.toml: Colour.RED: value -1 is negative"),
        ([enum_text(members="__RED = 1")], "a.toml: Colour.__RED: not a constant's name"),
        ([enum_text(members="")], "a.toml: Colour: members is {}"),
        ([enum_text(name="colour")], "a.toml: colour: not a class name"),
        ([enum_text("hue = 3")], "a.toml: Colour: unknown key 'hue'; known: doc, headers"),
        ([enum_text(doc="")], "a.toml: Colour: no 'doc'"),
        ([enum_text(doc='""')], "a.toml: Colour: doc is ''; it is one line"),
        ([enum_text(kind='"set"')], "a.toml: Colour: kind is 'set'"),
        ([enum_text(headers="[]")], "a.toml: Colour: headers is empty"),
        ([enum_text(headers='"colour.h"')], "a.toml: Colour: headers is 'colour.h'; it is a list"),
        ([enum_text(headers='["c.h", "c.h"]')], "a.toml: Colour: c.h is in headers twice"),
        ([enum_text(shares='["RED"]')], "a.toml: Colour.RED: defined here and in `shares`"),
        ([enum_text(shares='["BLUE"]')], "a.toml: Colour.BLUE: .* no enumeration defines it"),
        (
            [
                enum_text(shares='["COLD"]'),
                enum_text(name="Heat", kind='"enum"', members="COLD = -1"),
            ],
            "a.toml: Colour.COLD: the value it shares is negative",
        ),
        ([enum_text(masks='["BLUE"]')], "a.toml: Colour: the mask BLUE is not a member"),
        ([enum_text(masks="[0]")], "a.toml: Colour: the mask 0 is not a set of bits"),
        ([enum_text(masks="[3, 2]")], "a.toml: Colour: the mask 2 overlaps another one"),
        ([enum_text(masks="3")], "a.toml: Colour: masks is 3; it is a list"),
        ([enum_text(kind='"enum"', masks="[3]")], "a.toml: Colour: masks are for flags"),
        (["RED = 1"], "a.toml: RED: outside of any enumeration"),
        (["RED ="], "a.toml: Invalid value"),
        ([], "no enumerations here"),
    ],
)
def test_the_loader_refuses(tmp_path: Path, texts: list[str], message: str) -> None:
    with pytest.raises(TableError, match=message):
        load_texts(tmp_path, *texts)


def test_a_bit_that_means_two_things_has_one_name_in_each_enumeration() -> None:
    enums = load()
    for name in ("AccessAtFlag", "UnlinkAtFlag", "HandleAtFlag", "StatAtFlag", "StatxAtFlag"):
        values = [member.value for member in enums[name].members]
        assert len(values) == len(set(values)), name
    assert Member("AT_SYMLINK_NOFOLLOW", 0x100) in enums["AccessAtFlag"].members


def test_a_field_of_several_bits_lies_in_its_mask() -> None:
    """A member is all inside a mask or all outside: else it could not be told from others."""
    for enum in load().values():
        for member in enum.members:
            for mask in enum.masks:
                assert member.value & mask in (0, member.value), f"{enum.name}.{member.name}"


def verdicts(folder: Path, headers: Iterable[str], tests: Iterable[str]) -> list[Verdict]:
    """What the compiler says of each C expression, with these headers included.

    "unknown" is an expression it cannot compute: a name in it that the headers do not define.
    """
    assert COMPILER
    lines = ["#define _GNU_SOURCE"]
    for header in headers:
        lines += [f"#if __has_include(<{header}>)", f"#include <{header}>", "#endif"]
    first = len(lines) + 1
    lines += [f'_Static_assert({test}, "");' for test in tests]
    source = folder / "check.c"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    # An error inside a macro is to be reported on the line that uses the macro.
    run = subprocess.run(
        [COMPILER, "-fsyntax-only", "-fmax-errors=0", "-ftrack-macro-expansion=0", source],
        env=os.environ | {"LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    found: dict[int, Verdict] = dict.fromkeys(range(first, len(lines) + 1), "right")
    for file, number, text in re.findall(r"^(.+?):(\d+):.*?error: (.*)", run.stderr, re.MULTILINE):
        if file != str(source) or int(number) not in found:
            pytest.fail(f"{', '.join(headers)} do not compile:\n{run.stderr}")
        found[int(number)] = "wrong" if text.startswith("static assertion failed") else "unknown"
    assert run.returncode == 0 or set(found.values()) != {"right"}, run.stderr
    return list(found.values())


def check(folder: Path, enum: Enum) -> dict[str, Verdict]:
    suffixes = ("LL" if member.value < 2**63 else "ULL" for member in enum.members)
    tests = [f"{m.name} == {m.value}{s}" for m, s in zip(enum.members, suffixes, strict=True)]
    names = (member.name for member in enum.members)
    return dict(zip(names, verdicts(folder, enum.headers, tests), strict=True))


@needs_compiler
def test_the_check_tells_right_wrong_and_unknown(tmp_path: Path) -> None:
    """O_* are macros, IPPROTO_* constants of a C enum."""
    enums = load()
    members = (Member("O_CREAT", 0o100), Member("O_EXCL", 0o201), Member("O_CRAET", 0o100))
    found = check(tmp_path, replace(enums["OpenFlag"], members=members))
    assert found == {"O_CREAT": "right", "O_EXCL": "wrong", "O_CRAET": "unknown"}
    members = (Member("IPPROTO_TCP", 6), Member("IPPROTO_UDP", 18), Member("IPPROTO_UPD", 17))
    found = check(tmp_path, replace(enums["IpProtocol"], members=members))
    assert found == {"IPPROTO_TCP": "right", "IPPROTO_UDP": "wrong", "IPPROTO_UPD": "unknown"}


@needs_compiler
def test_values_are_those_of_the_headers(tmp_path: Path) -> None:
    found = {name: check(tmp_path, enum) for name, enum in load().items()}
    by_verdict: dict[Verdict, list[str]] = {"right": [], "wrong": [], "unknown": []}
    for enum, verdict_of in found.items():
        for member, verdict in verdict_of.items():
            by_verdict[verdict].append(f"{enum}.{member}")
    total = sum(map(len, by_verdict.values()))
    right, unknown = len(by_verdict["right"]), by_verdict["unknown"]
    print(f"{right} of {total} values agree; {len(unknown)} unknown here: {' '.join(unknown)}")
    assert not by_verdict["wrong"]
    assert right >= 0.85 * total
    (recent,) = verdicts(tmp_path, ["linux/version.h"], ["LINUX_VERSION_CODE >= (6 << 16) + 256"])
    if recent == "right":
        names = {name.partition(".")[2] for name in unknown}
        assert sorted(names - NOT_IN_HEADERS) == []
