"""Python modules that carry the table: numbers, enumerations, and the rows that tools read."""

from __future__ import annotations

import builtins

from tables import families
from tables.calls import Call, Command, Table, Value
from tables.enums import Enum
from tables.generate import stubs


def sysno(table: Table) -> str:
    """`Sysno`: every number that the kernel's table has, by name."""
    lines = [
        '"""The numbers of the system calls."""',
        "",
        "from enum import IntEnum",
        "",
        "",
        "class Sysno(IntEnum):",
        '    """The number of every call in the kernel\'s table, dead ones included."""',
        "",
        *(f"    {row.name} = {row.number}" for row in table.kernel.rows),
    ]
    return "\n".join(lines) + "\n"


def flags(table: Table) -> dict[str, str]:
    """The enumerations, a module an area."""
    by_area: dict[str, list[Enum]] = {}
    for enum in table.enums.values():
        by_area.setdefault(enum.area, []).append(enum)
    return {area: _flags(area, enums) for area, enums in by_area.items()}


def _flags(area: str, enums: list[Enum]) -> str:
    bases = sorted({_base(enum) for enum in enums})
    lines = [
        f'"""Flags and modes of the calls on {area}: import them from `pysyscall.flags`."""',
        "",
        f"from enum import {', '.join(bases)}",
    ]
    for enum in enums:
        lines += ["", "", f"class {enum.name}({_base(enum)}):"]
        lines += [f'    """{enum.doc[0].upper()}{enum.doc[1:]}."""', ""]
        lines += [f"    {member.name} = {_number(enum, member.value)}" for member in enum.members]
    return "\n".join(lines) + "\n"


def _base(enum: Enum) -> str:
    return "IntFlag" if enum.kind == "flag" else "IntEnum"


def _number(enum: Enum, value: int) -> str:
    return hex(value) if enum.kind == "flag" else str(value)


def names(table: Table) -> str:
    """Where each lazily loaded name lives."""
    enums = {enum.name: enum.area for enum in table.enums.values()}
    constants = {
        member.name: enum.name
        for enum in table.enums.values()
        for member in enum.members
        if member.name not in enum.shares
    }
    modules = {name: module for module, names in table.offered.items() for name in names}
    for call in table.calls.values():
        if call.binding == "wrapped":
            modules |= dict.fromkeys((call.name, *call.aliases), f"pysyscall.calls.{call.area}")
    public = {*table.structs, *modules}
    for call in table.calls.values():
        public |= {call.name, *call.aliases} if call.typed else set()
    hidden = {name for name in public if hasattr(builtins, name)}
    parts = [
        '"""Where each lazily loaded name lives, and which names `import *` takes."""\n',
        f"ENUMS = {_dict(enums)}\n",
        f"CONSTANTS = {_dict(constants)}\n",
        f"STRUCTS = {_list(list(table.structs))}\n",
        "# Typed calls in Python and what else there is, with the module of each.",
        f"MODULES = {_dict(modules)}\n",
        "# Those of the builtins' names (open, ...) are left out, so that nothing is shadowed.",
        f"EXPORTS = {_list(sorted(public - hidden))}\n",
    ]
    return "\n".join(parts)


def wrapped(table: Table) -> str:
    """What `pysyscall.calls` must know of a call to make it."""
    lines = [
        '"""The calls that are typed in Python: number, first kernel, what becomes of EINTR."""',
        "",
        "CALLS: dict[str, tuple[int, str, str]] = {",
        *(
            f'    "{call.name}": ({call.kernel.number}, "{call.kernel.since}", "{call.eintr}"),'
            for call in table.calls.values()
            if call.binding == "wrapped"
        ),
        "}",
        "",
    ]
    return "\n".join(lines)


def control(table: Table) -> str:
    """The names of control messages, for those who look at one."""
    lines = [
        '"""The names of control messages: of the level and of the type, by both numbers."""',
        "",
        "NAMES: dict[tuple[int, int], tuple[str, str]] = {",
        *(
            f'    {message.key}: ("{message.level}", "{message.type}"),'
            for message in table.control
        ),
        "}",
        "",
    ]
    return "\n".join(lines)


def _dict(mapping: dict[str, str]) -> str:
    body = "".join(f'    "{key}": "{value}",\n' for key, value in mapping.items())
    return f"{{\n{body}}}"


def _list(items: list[str]) -> str:
    body = "".join(f'    "{item}",\n' for item in items)
    return f"[\n{body}]"


def rows(table: Table) -> str:
    """What `pysyscall.table` reads: one dictionary a call, by number."""
    lines = [
        '"""The rows of the table, as `pysyscall.table` reads them."""',
        "",
        "from typing import Any",
        "",
        f'KERNEL = "{table.kernel.version}"',
        "",
        "ROWS: dict[int, dict[str, Any]] = {",
    ]
    for row in table.kernel.rows:
        entry: dict[str, object] = {
            "name": row.name,
            "abi": row.abi,
            "entry": row.entry,
            "live": row.status == "live",
            "since": row.since,
            "config": row.config,
            "c_arguments": tuple((arg.ctype, arg.name) for arg in row.args),
        }
        call = table.calls.get(row.name)
        if row.name in table.dead:
            entry["doc"] = table.dead[row.name]
        if call is not None:
            entry |= _call(call)
        lines.append(f"    {row.number}: {entry!r},")
    lines += ["}", ""]
    return "\n".join(lines)


def _call(call: Call) -> dict[str, object]:
    return {
        "area": call.area,
        "binding": call.binding,
        "doc": call.doc,
        "arguments": tuple(_value(value) for value in call.values),
        "options": tuple(_value(value) for value in call.options),
        **({"packed": _value(call.packed)} if call.packed else {}),
        "result": str(call.signature.result),
        "text": call.text,
        "errors": call.errors,
        "blocks": call.blocks,
        **({"blocks_above": call.blocks_above} if call.blocks_above else {}),
        "eintr": call.eintr,
        "vdso": call.vdso != "VDSO_NONE",
        "aliases": call.aliases,
        "replaced_by": call.replaced_by,
        "danger": call.danger,
        "thread_only": call.thread_only,
        "note": call.note,
        "man": call.man,
        "reason": call.reason,
        "commands": tuple(_command(call, *pair) for pair in families.variants(call)),
    }


def _command(family: Call, command: Command, call: Call) -> dict[str, object]:
    chooser = families.selector(family)
    shown = [
        f"{value.parameter} {command.when}"
        if command.bits and value.parameter == chooser.parameter
        else value.choice[0]
        if value.choice
        else value.parameter
        for value in call.given
        if value.kind.word != "unused"
    ]
    results = dict.fromkeys(stubs.python_result(call, changes) for changes in stubs.variants(call))
    return {
        "when": command.when,
        "text": f"{call.name}({', '.join(shown)}) -> {' | '.join(results)}",
        "arguments": tuple((value.name, str(value.kind)) for value in command.values),
        "result": str(command.result),
        "doc": command.doc,
    }


def _value(value: Value) -> dict[str, object]:
    return {
        "name": value.name,
        "kind": str(value.kind),
        "parameter": value.parameter,
        "default": value.default,
        "copied": value.rule.copied,
        "shown": value.rule.shown,
        "enum": value.enum.name if value.enum else "",
        "struct": value.struct.name if value.struct else "",
        "length": value.length,
        "of": value.of,
        "range": value.range,
    }
