"""The C side of each fast call: a constant signature, an instance of the engine, a method."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from tables import families, kinds
from tables.calls import Call, Command, Table, Value
from tables.generate import docs
from tables.structs import Struct

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
    """The functions of the module, and methods of a batch, each with its docstring."""
    return "".join(f"METHOD({call.name},\n     {_string(_doc(call))})\n" for call in _fast(table))


def entries(table: Table) -> str:
    """Which fast calls there are, and which of them are families."""
    return "".join(
        f"{'FAMILY' if call.commands else 'CALL'}({call.name})\n" for call in _fast(table)
    )


def calls(table: Table) -> str:
    """One constant signature and one instance of the engine a call."""
    return "\n".join(_call(call) for call in _fast(table))


def enum_index(table: Table) -> str:
    """The number of each enumeration whose members come back."""
    lines = [f"    ENUM_{name}," for name in [*_coming_back(table), "COUNT"]]
    head = ["#ifndef PYSYSCALL_ENUM_INDEX_H", "#define PYSYSCALL_ENUM_INDEX_H", ""]
    return "\n".join([*head, "enum enum_index {", "    ENUM_NONE,", *lines, "};", "", "#endif", ""])


def enum_names(table: Table) -> str:
    """The name of each, by its number."""
    return "".join(f'    [ENUM_{name}] = "{name}",\n' for name in _coming_back(table))


def _coming_back(table: Table) -> list[str]:
    """Of calls' results, and in the action of a signal, which C code of its own tells of."""
    found = {"SigactionFlag", "SignalHandler"}
    fast = _fast(table)
    variants = [variant for call in fast for _, variant in families.variants(call)]
    for call in [*fast, *variants]:
        found |= {call.signature.result.word} & table.enums.keys()
        found |= {value.enum.name for value in call.outs if value.enum}
    return sorted(found)


def _fast(table: Table) -> list[Call]:
    found = [call for call in table.calls.values() if call.binding == "fast"]
    return sorted(found, key=lambda call: call.kernel.number)


def _doc(call: Call) -> str:
    """The docstring, with the line before it from which `inspect` reads the signature.

    A family has none: what it takes follows from the command.
    """
    if call.commands:
        return docs.docstring(call)
    parameters = ["$self"]
    parameters += call.listed(_declared)
    return f"{call.name}({', '.join(parameters)})\n--\n\n{docs.docstring(call)}"


def _declared(value: Value) -> str:
    return f"{value.parameter}={value.python_default}" if value.default else value.parameter


def _string(text: str) -> str:
    """A C string literal, a line of text a line."""
    return "\n     ".join(json.dumps(line) for line in text.splitlines(keepends=True))


def _call(call: Call) -> str:
    parts = _family(call) if call.commands else [_signature(f"sig_{call.name}", call)]
    run = f"run_family(&family_{call.name}" if call.commands else f"run_call(&sig_{call.name}"
    return "\n".join([*parts, "", *_function(f"call_{call.name}", run), ""])


def _function(name: str, run: str) -> list[str]:
    return [
        "static PyObject *",
        f"{name}(PyObject *m, PyObject *const *args, Py_ssize_t n, PyObject *names)",
        "{",
        f"    return {run}, m, args, n, names);",
        "}",
    ]


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
    general = f"sig_{call.name}"
    if all(command.choice for command in call.commands):
        parts.append(_signature(general, families.general(call)))
    for k, command in enumerate(call.commands):
        if command.choice is None:
            general = f"sig_{call.name}_{k}"
        if command.hot:
            parts += ["", *_function(f"hot_{call.name}_{k}", f"run_call(&sig_{call.name}_{k}")]
    parts.append(f"static const family_command {call.name}_commands[] = {{")
    # Flags are asked for first, in the table's order; then the constant is searched for.
    order = sorted(
        ((command, k) for k, (command, _) in enumerate(variants) if command.choice is not None),
        key=lambda pair: (
            not pair[0].bits,
            pair[0].choice and not pair[0].bits and pair[0].choice[1],
        ),
    )
    for command, k in order:
        fields = [f".value = {_long(command.choice[1] if command.choice else 0)}"]
        if command.second is not None:
            fields += [".has_second = true", f".second = {_long(command.second[1])}"]
        fields.append(f".sig = &sig_{call.name}_{k}")
        if command.hot:
            fields.append(f".run = hot_{call.name}_{k}")
        parts.append(f"    {{{', '.join(fields)}}},")
    settings = {
        "general": f"&{general}",
        "commands": f"{call.name}_commands",
        "count": str(len(order)),
        "flags": str(sum(command.bits for command, _ in order)),
        "selector": str(parameters.index(chooser)),
        "decided": str(parameters.index(decided[0])),
        "ignored_bits": _long(call.ignored_bits),
        "shift": str(call.shift),
        "sized_requests": str(call.sized_requests).lower(),
    }
    if call.packed is not None:
        parts.insert(0, _signature(f"given_{call.name}", _as_given(call)))
        settings["given"] = f"&given_{call.name}"
    hot = next((k for k, c in enumerate(call.commands) if c.choice is None and c.hot), None)
    if hot is not None:
        settings["run_general"] = f"hot_{call.name}_{hot}"
    parts += ["};", "", f"static const family family_{call.name} = {{"]
    parts += [f"    .{key} = {value}," for key, value in settings.items()]
    parts.append("};")
    return parts


def _as_given(call: Call) -> Call:
    """The arguments as Python gives them, where two of them become one."""
    general = families.general(call)
    values = list(general.values)
    if call.packed is not None:
        chooser = values[call.packed.of]
        largest = (0, 2 ** (32 - call.shift) - 1)
        values[call.packed.of] = replace(chooser, rule=replace(chooser.rule, range=largest))
        values.insert(1 + call.packed.of, call.packed)
    return replace(general, values=tuple(values), packed=None)


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
        **_brief(call),
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
        settings["enumeration"] = f"ENUM_{result.word}"
    if command is not None and command.keeps != "nothing":
        settings["keeps"] = f"KEEPS_{command.keeps.upper().replace(' ', '_')}"
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


def _brief(call: Call) -> dict[str, str]:
    brief = {"brief": "-1"}
    for name, most in call.blocks_above.items():
        brief = {"brief": str(call.signature.index(name)), "brief_most": str(most)}
    return brief


def _explanation(call: Call) -> dict[str, str]:
    return {
        key: text
        for name, meaning in call.explain.items()
        for key, text in (("explained", name), ("explanation", json.dumps(meaning)))
    }


def _relative(call: Call) -> int:
    """The duration that is measured anew, as not every call says what is left of it."""
    told = any(value.rule.engine == "KIND_REMAINING" for value in call.values)
    return -1 if told else _argument_of(call, "timespec", "timeval", "waiting")


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
    fallback = value.fallback
    if value.choice is not None and not call.ignored_bits and not call.shift:
        # The command was found by it, so it needs no second look.
        engine, fallback = "KIND_CONST", value.choice[1]
    if value.parameter:
        yield "name", f'"{value.parameter}"'
        yield "expected", json.dumps(rule.accepts)
    yield "kind", engine
    if value.default:
        yield "optional", "true"
    if value.kind.asked:
        yield "asked", "true"
    elif value.kind.optional or rule.none is not None:
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
        if value.follower is not None:
            yield from _follower(value, value.struct, value.follower)
    elif engine == "KIND_ANY" and rule.copied:
        yield "roomy", "true"
    elif engine == "KIND_IFCONF_OUT":
        yield "type", "STRUCT_IfreqAddr"
    elif engine == "KIND_WAITING_IN":
        yield "type", "STRUCT_Timespec"
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
            yield "enumeration", f"ENUM_{value.enum.name}"
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
    yield "fallback", _long(fallback)


def _follower(value: Value, head: Struct, item: Struct) -> Iterator[tuple[str, str]]:
    """The array behind a struct, and the fields that count its items."""
    assert value.kind.follower is not None
    filled, _, room = value.kind.follower.count.rpartition(" of ")
    count, told = head.field(room), head.field(filled or room)
    yield "follower", f"STRUCT_{item.name}"
    yield "follows", "true" if value.kind.follower.direction != "out" else "false"
    yield "count_offset", str(count.offset)
    yield "count_size", str(count.size)
    yield "filled_offset", str(told.offset)


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
