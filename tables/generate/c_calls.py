"""The C side of each fast call: a constant signature, an instance of the engine, a method."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tables import families, kinds
from tables.calls import Call, Command, Table, Value
from tables.generate import docs

_RANGED = frozenset(
    {
        *("KIND_INT", "KIND_FD", "KIND_CELLS_IN", "KIND_CELLS_INOUT", "KIND_STRUCTS_OUT"),
        *("KIND_OPTION_IN", "KIND_ITEMS_IN", "KIND_RECORDS_OUT", "KIND_CONTROL_ROOM"),
    }
)
_SIZED_BY_THE_CALL = frozenset({"KIND_ITEMS_OUT", "KIND_DATA_OUT", "KIND_NAMES_OUT"})
_CELLS = {"s32": (4, True), "u32": (4, False), "s64": (8, True), "u64": (8, False)}


# Values that the C code needs and that older headers lack.
_FLAGS = ("MADV_GUARD_INSTALL", "MADV_GUARD_REMOVE")


def numbers(table: Table) -> str:
    """The numbers of all live calls, and the values of some flags, as C constants."""
    lines = [
        f"    NR_{row.name} = {row.number}," for row in table.kernel.rows if row.status == "live"
    ]
    flags = [
        f"    FLAG_{member.name} = {member.value},"
        for enum in table.enums.values()
        for member in enum.members
        if member.name in _FLAGS and member.name not in enum.shares
    ]
    start = ["#ifndef PYSYSCALL_NUMBERS_H", "#define PYSYSCALL_NUMBERS_H", ""]
    body = [
        "enum syscall_number {",
        *lines,
        "};",
        "",
        "enum flag {",
        *flags,
        "};",
        "",
        "#endif",
        "",
    ]
    return "\n".join(start + body)


def aliases(table: Table) -> str:
    """Other names under which a call is known."""
    return "".join(
        f'    {{"{alias}", "{call.name}"}},\n' for call in _fast(table) for alias in call.aliases
    )


def methods(table: Table) -> str:
    """The entries of the module's method table."""
    return "".join(
        f'    {{"{call.name}", (PyCFunction)(void (*)(void))call_{call.name}, '
        f"METH_FASTCALL | METH_KEYWORDS,\n     {_string(_doc(call))}}},\n"
        for call in _fast(table)
    )


def calls(table: Table) -> str:
    """One constant signature and one instance of the engine a call."""
    return "\n".join(_call(call) for call in _fast(table))


def _fast(table: Table) -> list[Call]:
    found = [call for call in table.calls.values() if call.binding == "fast"]
    return sorted(found, key=lambda call: call.kernel.number)


def _doc(call: Call) -> str:
    """The docstring, with the line before it from which `inspect` reads the signature.

    A family has none: what it takes follows from the command.
    """
    if call.commands:
        return docs.docstring(call)
    parameters = ["$module"]
    parameters += call.listed(_declared)
    return f"{call.name}({', '.join(parameters)})\n--\n\n{docs.docstring(call)}"


def _declared(value: Value) -> str:
    default = "None" if value.default == "None" else str(value.fallback)
    return f"{value.parameter}={default}" if value.default else value.parameter


def _string(text: str) -> str:
    """A C string literal, a line of text a line."""
    return "\n     ".join(json.dumps(line) for line in text.splitlines(keepends=True))


def _call(call: Call) -> str:
    run = f"run_call(&sig_{call.name}, m, args, n, names)"
    parts = _family(call) if call.commands else [_signature(f"sig_{call.name}", call)]
    if call.commands:
        run = f"run_family(&family_{call.name}, m, args, n, names)"
    parts += [
        "",
        "static PyObject *",
        f"call_{call.name}(PyObject *m, PyObject *const *args, Py_ssize_t n, PyObject *names)",
        "{",
        f"    return {run};",
        "}",
        "",
    ]
    return "\n".join(parts)


def _family(call: Call) -> list[str]:
    """A signature a command, and the table in which the command is looked up."""
    chooser = families.selector(call)
    decided = [value for value in call.values if value.kind.word == "by"]
    parameters = call.parameters
    variants = list(families.variants(call))
    parts = [
        _signature(f"sig_{call.name}_{k}", variant, command)
        for k, (command, variant) in enumerate(variants)
    ]
    parts.append(_signature(f"sig_{call.name}", families.general(call)))
    parts.append(f"static const family_command {call.name}_commands[] = {{")
    # Flags are asked for first, then the constant is searched for.
    order = sorted(
        ((command, k) for k, (command, _) in enumerate(variants) if command.choice is not None),
        key=lambda pair: (not pair[0].bits, pair[0].choice and pair[0].choice[1]),
    )
    for command, k in order:
        fields = [f".value = {_long(command.choice[1] if command.choice else 0)}"]
        if command.second is not None:
            fields += [".has_second = true", f".second = {_long(command.second[1])}"]
        parts.append(f"    {{{', '.join(fields)}, .sig = &sig_{call.name}_{k}}},")
    settings = {
        "general": f"&sig_{call.name}",
        "commands": f"{call.name}_commands",
        "count": str(len(order)),
        "flags": str(sum(command.bits for command, _ in order)),
        "selector": str(parameters.index(chooser)),
        "decided": str(parameters.index(decided[0])),
        "ignored_bits": _long(call.ignored_bits),
        "shift": str(call.shift),
        "sized_requests": str(call.sized_requests).lower(),
    }
    parts += ["};", "", f"static const family family_{call.name} = {{"]
    parts += [f"    .{key} = {value}," for key, value in settings.items()]
    parts.append("};")
    return parts


def _signature(name: str, call: Call, command: Command | None = None) -> str:
    result = call.signature.result
    settings = {
        "name": f'"{call.name}"',
        "text": f'"{call.text}"',
        "since": f'"{call.kernel.since}"',
        "nr": f"NR_{call.name}",
        **_explanation(call),
        "count": str(len(call.values) + len(call.options)),
        "parameters": str(len(call.parameters) - len(call.options)),
        "options": str(len(call.options)),
        "required": str(sum(not value.default for value in call.parameters)),
        "blocks": str(call.blocks).lower(),
        "result": kinds.RESULTS.get(result.word, "RESULT_ENUM"),
        "result_of": str(call.signature.index(result.operand) if result.operand else -1),
        "eintr": f"EINTR_{call.eintr.upper()}",
        "clock": str(_argument_of(call, "ClockId")),
        "relative": str(_relative(call)),
        "timeout": str(_argument_of(call, "msec")),
        "mask": str(call.mask),
        "context": str(next((v.index for v in call.values if v.kind.word == "aio"), -1)),
        "vdso": call.vdso,
    }
    if settings["result"] == "RESULT_ENUM":
        settings["enumeration"] = f'"{result.word}"'
    if command is not None and command.refuse:
        settings["refused"] = json.dumps(command.refuse)
    lines = [f"static const signature {name} = {{"]
    lines += [f"    .{key} = {value}," for key, value in settings.items()]
    lines.append("    .args = {")
    for value in (*call.values, *call.options):
        fields = ", ".join(f".{key} = {text}" for key, text in _argument(call, value))
        lines.append(f"        {{{fields}}},")
    lines += ["    },", "};"]
    return "\n".join(lines)


def _explanation(call: Call) -> dict[str, str]:
    return {
        key: text
        for name, meaning in call.explain.items()
        for key, text in (("explained", name), ("explanation", json.dumps(meaning)))
    }


def _relative(call: Call) -> int:
    """The duration that is measured anew, as not every call says what is left of it."""
    told = any(value.rule.engine == "KIND_REMAINING" for value in call.values)
    return -1 if told else _argument_of(call, "timespec", "timeval")


def _argument_of(call: Call, *words: str) -> int:
    """Which argument measures the time that is left when the call is repeated, by its kind."""
    for value in call.values:
        if call.eintr == "remaining" and value.kind.word in words:
            return value.index
    return -1


def _argument(call: Call, value: Value) -> Iterator[tuple[str, str]]:
    rule = value.rule
    low, high = value.range
    engine = rule.engine
    if engine == "KIND_INT" and high > kinds.S64[1]:
        engine = "KIND_WORD"
    if engine in ("KIND_STRUCTS_OUT", "KIND_RECORDS_OUT") and value.length >= 0:
        low, high = _range_of_length(call, value)
    if engine == "KIND_OPTION_IN":
        low, high = kinds.S32[0], kinds.U32[1]
    if engine in _SIZED_BY_THE_CALL or engine == "KIND_TEXT_OUT":
        fixed = value.kind.count.isdigit()
        low, high = 0, int(value.kind.count) if fixed else call.values[value.length].fallback
    if value.parameter:
        yield "name", f'"{value.parameter}"'
        yield "expected", json.dumps(rule.accepts)
    yield "kind", engine
    if value.default:
        yield "optional", "true"
    if value.kind.optional or rule.none is not None:
        yield "nullable", "true"
        yield "none", str(rule.none or 0)
    yield "length", str(value.length)
    if value.length >= 0 and call.values[value.length].rule.pointer:
        yield "length_by_pointer", "true"
    yield "of", str(_of(call, value))
    yield "when", str(call.signature.index(value.condition.argument) if value.condition else -1)
    if value.condition:
        yield "when_bits", f"{{{', '.join(map(str, value.condition_bits))}}}"
    if value.struct is not None:
        yield "type", f"STRUCT_{value.struct.name}"
        yield "size", str(value.struct.size)
        yield "items", value.kind.count if value.kind.count.isdigit() else "0"
        if value.struct.grows:
            yield "grows", "true"
        if value.struct.size_field:
            yield "tells_size", "true"
    elif engine in ("KIND_TIMESPEC_IN", "KIND_TIME_INOUT"):
        yield "type", f"STRUCT_{value.kind.word.capitalize()}"
    elif engine in ("KIND_DATA_OUT", "KIND_NAMES_OUT", "KIND_TEXT_OUT"):
        yield "size", "1"
    elif engine in ("KIND_SEMVALS_IN", "KIND_SEMVALS_OUT"):
        yield "size", "2"
        low, high = 0, 2**16 - 1
    elif engine == "KIND_FPROG_IN":
        yield "type", "STRUCT_SockFilter"
    elif rule.cell and rule.pointer:
        size, signed = _CELLS[rule.cell]
        yield "size", str(size)
        yield "is_signed", str(signed).lower()
        yield "is_fd", str(value.kind.word in ("fd", "pidfd")).lower()
        yield "items", value.kind.count if value.kind.count.isdigit() else "1"
        if value.enum is not None and engine == "KIND_CELLS_OUT":
            yield "enumeration", f'"{value.enum.name}"'
    if value.counted_in[0] >= 0:
        yield "is_counted", "true"
        yield "counted_in", str(value.counted_in[0])
        yield "count_offset", str(value.counted_in[1])
    if engine in (*_RANGED, "KIND_SEMVALS_IN"):
        yield "min", _long(low)
        yield "max", _long(high)
    elif engine in _SIZED_BY_THE_CALL or engine == "KIND_TEXT_OUT":
        yield "max", _long(high)
    if engine == "KIND_CONTROL_ROOM":
        yield "added", _long(next((other.added for other in call.values if other.added), 0))
    yield "fallback", _long(value.fallback)


def _range_of_length(call: Call, value: Value) -> tuple[int, int]:
    low, high = call.values[value.length].range
    # Of a long the product with a struct's size would not fit in 64 bits.
    return max(low, 0), min(high, kinds.S32[1])


def _of(call: Call, value: Value) -> int:
    if value.rule.engine == "KIND_ADDRESS":
        after = call.values[value.index + 1 : value.index + 2]
        ranged = not value.kind.optional and after and after[0].kind.word == "size"
        return value.index + 1 if ranged else -1
    if value.rule.engine == "KIND_PATH_OUT":
        paths = [other.index for other in call.values if other.rule.engine == "KIND_PATH"]
        return paths[0] if paths else -1
    if value.rule.engine == "KIND_CONTROL_ROOM":
        return next((other.index for other in call.values if other.added), -1)
    return value.of if value.rule.engine in ("KIND_REMAINING", "KIND_PAGES_OUT") else -1


def _long(number: int) -> str:
    if number == kinds.S64[0]:
        return "(-9223372036854775807L - 1)"
    return f"{number}L" if kinds.S64[0] <= number <= kinds.S64[1] else f"(long){number}UL"
