"""Every row of the kernel's table has its place here: typed, or raw for a reason, or dead."""

from __future__ import annotations

import ast
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import pysyscall
from pysyscall import table
from pysyscall.table import SyscallInfo
from tables.calls import load

INFOS = list(table.calls())
LIVE = [info for info in INFOS if info.binding != "dead"]


def test_the_table_is_covered(capsys: pytest.CaptureFixture[str]) -> None:
    counts = Counter(dict.fromkeys(("fast", "wrapped", "raw_only", "dead"), 0))
    counts.update(info.binding for info in INFOS)
    with capsys.disabled():
        told = ", ".join(f"{count} {binding}" for binding, count in counts.items())
        print(f"\n{len(INFOS)} calls: {told}")
    assert len(INFOS) == 386
    assert counts["fast"] + counts["wrapped"] + counts["raw_only"] == len(LIVE) == 369
    assert counts["raw_only"] <= 12


@pytest.mark.parametrize("info", LIVE, ids=lambda info: info.name)
def test_every_live_call_has_a_function(info: SyscallInfo) -> None:
    if info.binding == "raw_only":
        assert not hasattr(pysyscall, info.name)
        assert info.reason
        return
    for name in (info.name, *info.aliases):
        assert callable(getattr(pysyscall, name))
        assert name in dir(pysyscall)


@pytest.mark.parametrize("info", INFOS, ids=lambda info: info.name)
def test_dead_calls_say_since_when(info: SyscallInfo) -> None:
    if info.binding == "dead":
        assert not table.supported(info.number)
        assert re.search(r"gone since Linux \d|no longer in Linux \d|never ", info.doc)


def test_supported() -> None:
    """This kernel has what is old, and lacks what is newer than itself."""
    running = tuple(map(int, os.uname().release.split(".")[:2]))
    for info in LIVE:
        if tuple(map(int, info.since.split(".")[:2])) > running:
            assert not table.supported(info.name), info.name
    for name in ("read", "pread", 39, pysyscall.Sysno.openat, "clone3"):
        assert table.supported(name) is True
    with pytest.raises(LookupError, match="there is no system call 'raed'; did you mean read"):
        pysyscall.supported("raed")


def test_what_is_not_supported_gives_enosys() -> None:
    for name, arguments in (("kexec_load", (0, 0, 0, 0)), ("fchroot", (-1, 0)), ("uselib", (0,))):
        if not table.supported(name):
            with pytest.raises(OSError, match="not implemented"):
                pysyscall.syscall(name, *arguments)


def test_without_symbols_the_version_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_entries", lambda: None)
    assert table.supported("read")
    sample = os.uname_result(("Linux", "host", "5.2.0-generic", "", "x86_64"))
    monkeypatch.setattr(os, "uname", lambda: sample)
    assert not table.supported("openat2")
    assert table.supported("pidfd_send_signal")


# Tests that are made from the table: what they call shows nothing of what a call does.
ABOUT_THE_TABLE = {"registers", "table", "tables", "coverage", "grammar", "extract", "hostile"}
ABOUT_THE_TABLE |= {"bad_input", "bad_buffers", "flags", "structs", "docs", "bench", "package"}


def words(path: Path) -> Iterator[str]:
    """The names that a test speaks of, also within the code that it runs elsewhere."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Attribute(attr=name) | ast.Name(id=name):
                yield name
            case ast.Constant(value=str(text)):
                yield from re.findall(r"\w+", text)


def test_each_call_is_made_for_real_or_says_why_not() -> None:
    used = {
        word
        for path in Path(__file__).parent.glob("test_*.py")
        if path.stem.removeprefix("test_") not in ABOUT_THE_TABLE
        for word in words(path)
    }
    calls = [call for call in load().calls.values() if call.typed]
    reasons = {call.name: call.untestable for call in calls if call.untestable}
    unused = {call.name for call in calls if not used & {call.name, *call.aliases}}
    assert unused - reasons.keys() == set()
    print(f"{len(calls) - len(reasons)} calls are made for real; not so:", reasons)
    assert len(calls) - len(reasons) > 300
