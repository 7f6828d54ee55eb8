"""What is known of every system call: `lookup("write")`, `lookup(1)`, `lookup(Sysno.write)`."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

from pysyscall._generated.rows import KERNEL, ROWS

REGISTERS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
"""The registers that carry the arguments, in order. The number goes into rax."""

Binding: TypeAlias = Literal["fast", "wrapped", "raw_only", "untyped", "dead"]


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a system call, as the kernel takes it.

    `kind` says what it means, in the language of the table; `parameter` is its name in the typed
    Python call, empty where Python gives nothing. `copied` says when a tracer can read what it
    points at ("entry", "exit", "both" or ""), `shown` how its value is displayed, `enum` and
    `struct` which names and which layout it has. `length` is the place of the argument that
    carries its length, `of` that of the argument whose length, size or remainder it is, or -1.
    For a call without a row of its own only `name`, `c_type` and `register` are known.
    """

    name: str
    c_type: str
    register: str
    kind: str = ""
    parameter: str = ""
    default: str = ""
    copied: str = ""
    shown: str = ""
    enum: str = ""
    struct: str = ""
    length: int = -1
    of: int = -1
    range: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """One of the many calls that a family such as fcntl is.

    `when` names the value of the selecting argument ("F_GETFL"; "& FLAG" for a bit of it, "else"
    for all other values), `text` is the call as Python writes it, with what comes back, and
    `arguments` are the name and the kind of those that the command decides.
    """

    when: str
    text: str
    arguments: tuple[tuple[str, str], ...]
    result: str
    doc: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class SyscallInfo:
    """What the table knows of one system call.

    `binding` says how Python reaches it: "fast" (a typed function in C), "wrapped" (a typed
    function in Python), "raw_only" (by `pysyscall.raw` alone, `reason` says why), "untyped" (not
    typed yet) or "dead" (the kernel no longer has it). `options` are what Python gives by name
    beyond the kernel's arguments, to shape one of them; `packed` is what it gives for some bits of
    the argument that is number `of`.
    """

    number: int
    name: str
    aliases: tuple[str, ...]
    arguments: tuple[Argument, ...]
    result: str
    since: str
    category: str
    binding: Binding
    errnos: tuple[str, ...]
    blocks: bool | None
    blocks_above: dict[str, int]
    eintr: str
    vdso: bool
    danger: str
    thread_only: bool
    replaced_by: str
    prototype: str
    signature: str
    doc: str
    note: str
    man: str
    reason: str
    entry: str
    abi: str
    config: str
    commands: tuple[Command, ...] = ()
    options: tuple[Argument, ...] = ()
    packed: Argument | None = None

    @property
    def parameters(self) -> tuple[Argument, ...]:
        """What Python gives: those of the kernel's arguments that it does, and then the options."""
        found = [argument for argument in self.arguments if argument.parameter]
        if self.packed is not None:
            found.insert(1 + found.index(self.arguments[self.packed.of]), self.packed)
        return (*found, *self.options)


@cache
def _by_name() -> dict[str, int]:
    names = {alias: nr for nr, row in ROWS.items() for alias in row.get("aliases", ())}
    return names | {row["name"]: nr for nr, row in ROWS.items()}


def _declaration(c_type: str, name: str) -> str:
    return f"{c_type}{name}" if c_type.endswith("*") else f"{c_type} {name}"


@cache
def _info(number: int) -> SyscallInfo:
    row = ROWS[number]
    c_arguments: tuple[tuple[str, str], ...] = row["c_arguments"]
    described = row.get("arguments", tuple({"name": name} for _, name in c_arguments))
    arguments = tuple(
        Argument(c_type=c_type, register=register, **known)
        for (c_type, _), register, known in zip(c_arguments, REGISTERS, described, strict=False)
    )
    c_text = ", ".join(_declaration(*argument) for argument in c_arguments) or "void"
    return SyscallInfo(
        number=number,
        name=row["name"],
        aliases=row.get("aliases", ()),
        arguments=arguments,
        result=row.get("result", ""),
        since=row["since"],
        category=row.get("area", ""),
        binding=row.get("binding", "untyped") if row["live"] else "dead",
        errnos=row.get("errors", ()),
        blocks=row.get("blocks"),
        blocks_above=row.get("blocks_above", {}),
        eintr=row.get("eintr", ""),
        vdso=row.get("vdso", False),
        danger=row.get("danger", ""),
        thread_only=row.get("thread_only", False),
        replaced_by=row.get("replaced_by", ""),
        prototype=f"long {row['name']}({c_text})" if row["live"] else "",
        signature=row["text"] if row.get("binding") in ("fast", "wrapped") else "",
        doc=row.get("doc", ""),
        note=row.get("note", ""),
        man=row.get("man", f"{row['name']}(2)"),
        reason=row.get("reason", ""),
        entry=row["entry"],
        abi=row["abi"],
        config=row["config"],
        commands=tuple(Command(**command) for command in row.get("commands", ())),
        options=tuple(
            Argument(c_type="", register="", **known) for known in row.get("options", ())
        ),
        packed=Argument(c_type="", register="", **row["packed"]) if "packed" in row else None,
    )


def nearest(word: str) -> list[str]:
    """The names of calls that look most like `word`, the best first."""
    return difflib.get_close_matches(word.lower(), _by_name(), n=3, cutoff=0.6)


def lookup(call: str | int) -> SyscallInfo:
    """`lookup(call)`: tell what is known of a system call.

    Args:
        call: a name or an alias ("write", "pread"), a number, or a Sysno.

    Returns:
        A SyscallInfo.

    Raises:
        LookupError: there is no such call; the message has the nearest names.
        TypeError: `call` is neither a str nor an int.

    Source: the kernel's system-call table.
    """
    if isinstance(call, str):
        number = _by_name().get(call)
        if number is None:
            near = nearest(call)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise LookupError(f"there is no system call {call!r}{hint}")
        return _info(number)
    if not isinstance(call, int):
        raise TypeError(f"lookup() takes a name or a number, not {type(call).__name__}")
    if call not in ROWS:
        raise LookupError(f"there is no system call with the number {call:d} on x86-64")
    return _info(int(call))


@cache
def _entries() -> frozenset[str] | None:
    """The entry points that the running kernel was built with; None where it doesn't tell.

    A call that was left out has a weak symbol, which leads to "no such call".
    """
    from pathlib import Path

    try:
        with Path("/proc/kallsyms").open() as symbols:
            strong = [line.split()[2] for line in symbols if " T __x64_sys_" in line]
    except OSError:
        return None
    return frozenset(name.removeprefix("__x64_") for name in strong) or None


def supported(call: str | int) -> bool:
    """`supported(call)`: tell whether the running kernel has a system call, without making it.

    Args:
        call: a name or an alias, a number, or a Sysno.

    Returns:
        True if the kernel was built with the call. Where /proc/kallsyms can't be read, whether the
        kernel is new enough. A seccomp filter that forbids the call is not seen.

    Raises:
        LookupError, TypeError: as for `lookup`.

    Source: the man page proc_kallsyms(5).
    """
    info = lookup(call)
    if info.binding == "dead":
        return False
    entries = _entries()
    if entries is not None:
        return info.entry in entries
    running = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))
    return running >= tuple(map(int, info.since.split(".")[:2]))


def calls() -> Iterator[SyscallInfo]:
    """Every call in the kernel's table, by number."""
    return map(_info, ROWS)


__all__ = [
    "KERNEL",
    "REGISTERS",
    "Argument",
    "Command",
    "SyscallInfo",
    "calls",
    "lookup",
    "nearest",
    "supported",
]
