"""What the table knows: `lookup` and SyscallInfo, and the rows against this machine's kernel.

`CPATH=/path/to/usr/include pytest tests/test_table.py` checks against another kernel's headers.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pysyscall
from pysyscall import SyscallInfo, Sysno, _fast, batch, lookup, table
from pysyscall.table import REGISTERS, Argument
from tables import calls

TABLE = calls.load()
INFOS = list(table.calls())
TYPED = [info for info in INFOS if info.binding in ("fast", "wrapped")]

COMPILER = shutil.which("gcc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no gcc to ask for the numbers")


# lookup


@pytest.mark.parametrize("word", ["write", 1, Sysno.write])
def test_lookup_by_name_or_number(word: str | int) -> None:
    info = lookup(word)
    assert type(info) is SyscallInfo
    assert (info.number, info.name) == (1, "write")
    assert info == lookup("write")
    assert lookup is table.lookup


@pytest.mark.parametrize(
    ("alias", "name"),
    [("pread", "pread64"), ("fstatat", "newfstatat"), ("prlimit", "prlimit64")],
)
def test_lookup_by_alias(alias: str, name: str) -> None:
    assert lookup(alias) == lookup(name)
    assert alias in lookup(name).aliases
    assert getattr(pysyscall, alias) is getattr(pysyscall, name)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("wirte", "there is no system call 'wirte'; did you mean write or"),
        ("openat3", "there is no system call 'openat3'; did you mean openat or openat2"),
        ("GETPID", "there is no system call 'GETPID'; did you mean getpid"),
        ("qqqqqq", "there is no system call 'qqqqqq'"),
        (400, "there is no system call with the number 400 on x86-64"),
        (-1, "there is no system call with the number -1 on x86-64"),
        (2**70, f"there is no system call with the number {2**70} on x86-64"),
    ],
)
def test_what_is_no_call(word: str | int, message: str) -> None:
    with pytest.raises(LookupError) as caught:
        lookup(word)
    told = str(caught.value.args[0])
    assert told.startswith(message)
    assert ("did you mean" in told) == ("did you mean" in message)


@pytest.mark.parametrize("word", [None, 1.0, b"write", ("write",)])
def test_what_is_neither_a_name_nor_a_number(word: Any) -> None:
    with pytest.raises(TypeError, match="takes a name or a number, not "):
        lookup(word)


# What is known


def test_there_are_386_rows() -> None:
    numbers = [info.number for info in INFOS]
    assert len(numbers) == len(set(numbers)) == 386
    assert numbers == sorted(numbers)
    assert max(numbers) == 472
    assert sum(info.binding != "dead" for info in INFOS) == 369
    names = [name for info in INFOS for name in (info.name, *info.aliases)]
    assert len(names) == len(set(names))


def test_sysno_names_every_row() -> None:
    assert {info.name: info.number for info in INFOS} == {each.name: each for each in Sysno}
    assert Sysno(1).name == "write"
    assert Sysno.openat2 == 437


def test_what_is_known_of_a_call() -> None:
    info = lookup("openat")
    wanted = {
        "number": 257,
        "aliases": (),
        "result": "fd",
        "since": "2.6.16",
        "category": "files",
        "binding": "fast",
        "blocks": True,
        "vdso": False,
        "prototype": "long openat(int dfd, const char *filename, int flags, umode_t mode)",
        "entry": "sys_openat",
        "abi": "common",
        "man": "openat(2)",
    }
    assert {name: getattr(info, name) for name in wanted} == wanted
    assert {"ENOENT", "EACCES"} <= set(info.errnos)
    assert [argument.register for argument in info.arguments] == ["rdi", "rsi", "rdx", "r10"]
    assert [argument.parameter for argument in info.arguments] == ["dirfd", "path", "flags", "mode"]
    assert [argument.enum for argument in info.arguments] == ["", "", "OpenFlag", "FileMode"]
    path = info.arguments[1]
    assert (path.c_type, path.kind, path.copied) == ("const char *", "path", "entry")


def test_lengths_point_at_what_they_are_the_length_of() -> None:
    _, buffer, count = lookup("read").arguments
    assert (buffer.kind, buffer.length, buffer.copied) == ("out bytes[count]", 2, "exit")
    assert (count.kind, count.of, count.parameter) == ("len", 1, "")


@pytest.mark.parametrize("number", [156, 174, 236])
def test_a_call_that_is_gone(number: int) -> None:
    info = lookup(number)
    assert (info.binding, info.prototype, info.arguments) == ("dead", "", ())
    assert not hasattr(pysyscall, info.name)


@pytest.mark.parametrize("info", INFOS, ids=[info.name for info in INFOS])
def test_every_row_is_whole(info: SyscallInfo) -> None:
    assert info == lookup(info.name) == lookup(info.number)
    assert len(info.arguments) <= 6
    assert (
        tuple(argument.register for argument in info.arguments) == REGISTERS[: len(info.arguments)]
    )
    declared = ", ".join(f"{a.c_type} {a.name}" for a in described_by_kernel(info)) or "void"
    if info.binding == "dead":
        return
    assert info.prototype == f"long {info.name}({declared.replace('* ', '*')})"
    assert info.since
    if info in TYPED:
        check_typed(info)


def described_by_kernel(info: SyscallInfo) -> list[Argument]:
    """The arguments under the kernel's names, which the typed call may have changed."""
    row = next(row for row in TABLE.kernel.rows if row.number == info.number)
    return [Argument(name=arg.name, c_type=arg.ctype, register="") for arg in row.args]


def check_typed(info: SyscallInfo) -> None:
    function = getattr(pysyscall, info.name)
    for alias in info.aliases:
        assert getattr(pysyscall, alias) is function
    parameters = [a.parameter for a in info.parameters]
    # What a family takes follows from the command.
    if not info.commands:
        parameters = list(inspect.signature(function).parameters)
    assert info.signature.startswith(f"{info.name}(")
    told = " ".join(function.__doc__.split())
    if info.binding == "wrapped":
        inside = info.signature.removeprefix(f"{info.name}(").removesuffix(")")
        names = [part.partition("=")[0] for part in inside.split(", ") if part not in ("", "*")]
        assert parameters == names
        assert told.startswith(f"`{info.signature}`: ")
        assert info.doc in told
        return
    assert parameters == [a.parameter for a in info.parameters]
    assert info.doc in told
    if info.binding == "fast":
        assert f"System call {info.number}, in Linux since {info.since}." in told
    assert f"Source: the man page {info.man}." in told or not info.man
    for place, argument in enumerate(info.arguments):
        assert argument.kind
        assert argument.shown or argument.kind.startswith(("len", "const"))
        for other in (argument.length, argument.of):
            assert other in range(-1, len(info.arguments))
            assert other != place
        if argument.enum:
            assert issubclass(getattr(pysyscall, argument.enum), int)
        if argument.struct:
            assert isinstance(getattr(pysyscall, argument.struct), type)
    if info.replaced_by:
        assert lookup(info.replaced_by).name == info.replaced_by


def test_fast_calls_are_those_of_the_extension() -> None:
    functions = {
        name
        for name, value in vars(_fast).items()
        if inspect.isbuiltin(value) and not name.startswith("_")
    }
    named = {
        name for info in INFOS if info.binding == "fast" for name in (info.name, *info.aliases)
    }
    assert functions - {*batch.__all__} == named
    assert len(TYPED) >= 109


# Beside os


SHARED = [info for info in TYPED if callable(getattr(os, info.name, None))]
ALIKE = [info for info in SHARED if not TABLE.calls[info.name].unlike_os]


@pytest.mark.parametrize("info", ALIKE, ids=[info.name for info in ALIKE])
def test_positional_calls_written_for_os_fit(info: SyscallInfo) -> None:
    """All that os takes by position, unless the row says how the call differs."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    theirs = [
        parameter
        for parameter in inspect.signature(getattr(os, info.name)).parameters.values()
        if parameter.kind in positional
    ]
    ours = list(inspect.signature(getattr(pysyscall, info.name)).parameters.values())
    assert len(ours) >= len(theirs), f"os takes {[parameter.name for parameter in theirs]}"
    for our, their in zip(ours, theirs, strict=False):
        if their.default is not inspect.Parameter.empty:
            assert our.default == their.default
    assert all(our.default is not inspect.Parameter.empty for our in ours[len(theirs) :])


def test_only_calls_of_os_differ_from_os() -> None:
    differing = {name for name, call in TABLE.calls.items() if call.unlike_os}
    newer = {"timerfd_create", "timerfd_settime", "timerfd_gettime"}  # in os since Python 3.13
    assert differing - newer <= {info.name for info in SHARED}


# Against this machine


@needs_compiler
def test_numbers_are_those_of_the_headers() -> None:
    asked = subprocess.run(
        [str(COMPILER), "-E", "-dM", "-include", "asm/unistd.h", "-x", "c", os.devnull],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.findall(r"^#define __NR_(\w+) (\d+)$", asked.stdout, re.MULTILINE)
    headers = {name: int(number) for name, number in found}
    assert len(headers) > 350
    rows = {info.name: info.number for info in INFOS}
    assert {name: rows.get(name) for name in headers} == headers


# The running kernel tells argument names and types of the calls that it was built with. It is
# mounted where only the child sees it.
TRACEFS = """
import json, sys
from pathlib import Path
import pysyscall

folder = Path("/sys/kernel/tracing/events/syscalls")
if not folder.is_dir():
    CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000
    at = sys.argv[1].encode() + b"\\0"
    try:
        pysyscall.syscall("unshare", CLONE_NEWNS)
        pysyscall.syscall("mount", b"none\\0", b"/\\0", None, MS_REC | MS_PRIVATE, None)
        pysyscall.syscall("mount", b"none\\0", at, b"tracefs\\0", 0, None)
    except OSError as error:
        sys.exit(f"no tracefs: {error}")
    folder = Path(sys.argv[1], "events/syscalls")
if not folder.is_dir():
    sys.exit("no tracefs: the kernel traces no system calls")
formats = {path.parent.name: path.read_text() for path in folder.glob("sys_enter_*/format")}
print(json.dumps(formats))
"""
# Grown or shrunk between 6.18 and the kernel of the table.
CHANGED = {"bpf", "getcpu"}


def one_way(declaration: str) -> str:
    """C allows several spellings of a type; here is one."""
    text = re.sub(r"\bunsigned(?= \w+$| ?\*)", "unsigned int", declaration)
    return " ".join(text.replace("*", " * ").split())


def test_arguments_are_those_of_the_running_kernel(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", TRACEFS, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(Path(pysyscall.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=10,
    )
    if ended.stderr.startswith("no tracefs"):
        pytest.skip(ended.stderr.strip())
    assert ended.returncode == 0, ended.stderr
    rows = {row.entry.replace("sys_", "sys_enter_", 1): row for row in TABLE.kernel.rows}
    compared = 0
    for event, text in json.loads(ended.stdout).items():
        row = rows.get(event)
        if row is None or row.name in CHANGED:
            continue
        fields = re.findall(r"^\tfield:([^;]+);", text, re.MULTILINE)
        told = [one_way(field) for field in fields if "common_" not in field]
        wanted = [one_way(str(arg)) for arg in row.args]
        assert told == ["int __syscall_nr", *wanted], row.name
        compared += 1
    assert compared > 300
