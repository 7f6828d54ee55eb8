"""The C side of each struct: its fields at their offsets, and its Python attributes."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tables.calls import Table
from tables.siginfo import GENERAL
from tables.structs import Computed, Field, Struct


def index(table: Table) -> str:
    """The number of each struct type within a module's state."""
    lines = [f"    STRUCT_{name}," for name in table.structs]
    return "\n".join(
        [
            "#ifndef PYSYSCALL_STRUCT_INDEX_H",
            "#define PYSYSCALL_STRUCT_INDEX_H",
            "",
            "enum struct_index {",
            *lines,
            "    STRUCT_COUNT,",
            "};",
            "",
            f"enum {{ SOCKADDR_COUNT = {len(_of_one_family(table))} }};",
            "",
            "#endif",
            "",
        ]
    )


def structs(table: Table) -> str:
    """Field tables, attribute tables, and the table of all structs."""
    parts = [_tables(struct) for struct in table.structs.values()]
    parts.append("const struct_info struct_table[STRUCT_COUNT] = {")
    parts += [_entry(struct) for struct in table.structs.values()]
    parts.append("};\n")
    places = ", ".join(f"STRUCT_{struct.name}" for struct in _of_one_family(table))
    parts.append(f"const uint16_t sockaddr_index[SOCKADDR_COUNT] = {{{places}}};\n")
    return "\n".join(parts)


def siginfo(table: Table) -> str:
    """Which struct a signal's information is, and all structs that it can be given as."""
    names = (GENERAL, *table.siginfo.structs)
    lines = ["static const struct siginfo_case siginfo_cases[] = {"]
    for case in table.siginfo.cases:
        low = "INT_MIN" if case.low == -(2**31) else str(case.low)
        lines.append(f"    {{{case.signal}, {low}, {case.high}, STRUCT_{case.struct}}},")
    lines += [
        f"    {{0, INT_MIN, INT_MAX, STRUCT_{table.siginfo.default}}},",
        "};",
        "",
        "static const uint16_t siginfo_structs[] = {",
        *(f"    STRUCT_{name}," for name in names),
        "};",
        "",
    ]
    return "\n".join(lines)


def _of_one_family(table: Table) -> list[Struct]:
    return [struct for struct in table.structs.values() if struct.family]


def _shown(struct: Struct) -> list[Field]:
    return [struct.field(name) for name in struct.arguments]


def _tables(struct: Struct) -> str:
    lines = [f"static const struct_field {struct.name}_fields[] = {{"]
    lines += [f"    {{{', '.join(_stored(struct, field))}}}," for field in _shown(struct)]
    lines += [f"    {{{', '.join(_computed(struct, value))}}}," for value in struct.computed]
    lines += ["};", "", f"static PyGetSetDef {struct.name}_getset[] = {{"]
    names = [field.name for field in _shown(struct)] + [value.name for value in struct.computed]
    lines += [
        f'    {{"{name}", struct_get, NULL, NULL, (void *)&{struct.name}_fields[{i}]}},'
        for i, name in enumerate(names)
    ]
    lines += ["    {NULL, NULL, NULL, NULL, NULL},", "};", ""]
    if struct.sequence:
        places = ", ".join(str(names.index(name)) for name in struct.sequence)
        lines += [f"static const uint16_t {struct.name}_sequence[] = {{{places}}};", ""]
    return "\n".join(lines)


def _stored(struct: Struct, field: Field) -> Iterator[str]:
    yield f'.name = "{field.name}"'
    yield f".owner = STRUCT_{struct.name}"
    yield f".type = {field.engine}"
    yield f".offset = {field.offset}"
    yield f".size = {field.size}"
    yield f".items = {field.items}"
    if field.engine == "FIELD_STRUCT":
        yield f".nested = STRUCT_{field.type}"
    if field.length:
        yield f".fraction = {struct.field(field.length).offset}"


def _computed(struct: Struct, value: Computed) -> Iterator[str]:
    fraction = struct.field(value.fraction)
    yield f'.name = "{value.name}"'
    yield f".owner = STRUCT_{struct.name}"
    yield f".type = FIELD_{value.unit.upper()}"
    yield f".offset = {struct.field(value.whole).offset}"
    yield f".fraction = {fraction.offset}"
    yield f".wide_fraction = {str(fraction.size == 8).lower()}"
    yield f".per_second = {value.per_second}"


def _entry(struct: Struct) -> str:
    settings = {
        "name": f'"{struct.name}"',
        "doc": json.dumps(_doc(struct)),
        "size": str(struct.size),
        "minimum": str(struct.minimum),
        "count": str(len(struct.arguments)),
        "fields": f"{struct.name}_fields",
        "getset": f"{struct.name}_getset",
    }
    if struct.sequence:
        settings["sequence_count"] = str(len(struct.sequence))
        settings["sequence"] = f"{struct.name}_sequence"
    if struct.grows:
        settings["grows"] = "true"
    if struct.size_field:
        settings["tells_size"] = "true"
        settings["size_at"] = str(struct.field(struct.size_field).offset)
        settings["size_from"] = str(struct.size_from)
    if struct.record:
        length = struct.field(struct.record)
        settings["record_at"] = str(length.offset)
        settings["record_size"] = str(length.size)
        settings["record_tail"] = str(struct.fields[-1].offset)
    if struct.family is not None:
        settings["is_sockaddr"] = "true"
        settings["family"] = str(struct.family)
    fields = "\n".join(f"        .{key} = {value}," for key, value in settings.items())
    return f"    [STRUCT_{struct.name}] = {{\n{fields}\n    }},"


def _doc(struct: Struct) -> str:
    """The docstring: signature line for `inspect`, then what the struct is."""
    parameters = ", ".join(f"{name}=..." for name in struct.arguments)
    return f"{struct.name}({parameters})\n--\n\n{struct.doc}\n\n{struct.size} bytes, `{struct.c}`."
