"""What the rows say in words: docstrings, the reference pages, the list of differences from os."""

from __future__ import annotations

import textwrap

from tables.calls import Call, Table, Value

_MEANINGS = {
    "fd": "a descriptor",
    "dirfd": "the directory that a relative path starts from; None is the current one",
    "pidfd": "a process descriptor",
    "pid": "a process id",
    "tid": "a thread id",
    "uid": "a user id",
    "gid": "a group id",
    "size": "a number of bytes",
    "off": "an offset in bytes",
    "msec": "how long to wait at most, in milliseconds; -1 or None is for ever",
    "path": "a path",
    "string": "a name",
    "option": "the option's value",
}
_RESULTS = {
    "none": "None.",
    "never": "never.",
    "fd": "a descriptor.",
    "pid": "an id.",
    "uid": "an id.",
    "gid": "an id.",
    "off": "an offset in bytes.",
    "count": "a number of bytes.",
}
_OUTS = {
    "path": "str.",
    "cpuset": "a set of CPU numbers.",
    "sockaddr": "an address object, or None where there is none.",
    "bytes": "bytes, at most as many as asked for; their count where a buffer was given.",
}
AREA_TITLES = {
    "files": "Files",
    "memory": "Memory",
    "processes": "Processes",
    "sockets": "Sockets",
    "events": "Events",
    "clocks": "Clocks",
    "system": "System",
    "signals": "Signals",
    "ipc": "Inter-process communication",
    "security": "Security",
}


def docstring(call: Call) -> str:
    """The docstring of one call, in Google style: opening line, arguments, result, errors, source."""
    parts = [f"`{call.text}`: {call.doc}."]
    if call.parameters:
        parts.append(
            "Args:\n" + "\n".join(_wrap(_parameter(value), 4) for value in call.parameters)
        )
    parts.append("Returns:\n" + _wrap(returns(call), 4))
    errors = ", ".join(call.errors) or "none documented"
    parts.append("Raises:\n" + _wrap(f"OSError: {errors}.", 4))
    parts += [_wrap(text, 0) for text in remarks(call)]
    source = f"System call {call.kernel.number}, in Linux since {call.kernel.since}."
    parts.append(f"{source} Source: the man page {call.man}.")
    return "\n\n".join(parts) + "\n"


def remarks(call: Call) -> list[str]:
    """What a reader should know beyond arguments and result."""
    found = [call.note] if call.note else []
    if call.unlike_os:
        found.append(f"Unlike os.{_os_name(call)}: {call.unlike_os}.")
    if call.danger:
        found.append(f"Danger: {call.danger}.")
    if call.thread_only:
        found.append("It acts on the calling thread alone; libc's function acts on all threads.")
    if call.replaced_by:
        found.append(f"`{call.replaced_by}` does the same and more.")
    return found


def returns(call: Call) -> str:
    """What comes back, in words."""
    if call.result:
        return call.result + "."
    word = call.signature.result.word
    if call.outs:
        parts = [_out(value) for value in call.outs]
        if word not in ("none", "count of", "ready of"):
            parts.insert(0, _RESULTS.get(word, f"{word}."))
        return parts[0] if len(parts) == 1 else "(" + ", ".join(p.rstrip(".") for p in parts) + ")."
    return _RESULTS.get(word, f"{word}.")


def _out(value: Value) -> str:
    if value.kind.word in _OUTS:
        return _OUTS[value.kind.word]
    if value.struct is not None:
        return f"a list of {value.struct.name}." if value.kind.count else f"a {value.struct.name}."
    return f"{value.rule.returns}."


def _parameter(value: Value) -> str:
    if value.parameter == value.name:
        meaning = value.about or _MEANINGS.get(value.kind.word, "")
    else:
        meaning = value.about or "how many at most"
    if not meaning and value.enum is not None:
        meaning = f"{value.enum.name} or an int"
    accepts = value.rule.accepts
    if value.kind.optional or value.rule.none is not None:
        accepts += ", or None"
    text = (
        f"{meaning} ({accepts})" if meaning and value.enum is None and accepts != "an int" else ""
    )
    return f"{value.parameter}: {text or meaning or accepts}."


def _wrap(text: str, indent: int) -> str:
    first = " " * indent
    hanging = first + "    " if indent and ": " in text[:24] else first
    return textwrap.fill(
        text,
        92,
        initial_indent=first,
        subsequent_indent=hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _os_name(call: Call) -> str:
    return call.aliases[0] if call.aliases else call.name


def pages(table: Table) -> dict[str, str]:
    """A reference page an area: its calls, structs and enumerations, all from the docstrings."""
    made = {}
    for area in sorted(_areas(table)):
        lines = [f"# {AREA_TITLES[area]}", ""]
        calls = [call.name for call in table.areas.get(area, []) if call.binding != "raw_only"]
        structs = [struct.name for struct in table.structs.values() if struct.area == area]
        enums = [enum.name for enum in table.enums.values() if enum.area == area]
        for name in calls:
            lines += ["```{eval-rst}", f".. autofunction:: pysyscall.{name}", "```", ""]
        for title, names in (("Structs", structs), ("Flags and modes", enums)):
            if not names:
                continue
            lines += [f"## {title}", ""]
            for name in names:
                owner = "pysyscall" if title == "Structs" else "pysyscall.flags"
                lines += ["```{eval-rst}", f".. autoclass:: {owner}.{name}", "   :members:"]
                lines += ["   :undoc-members:", "```", ""]
        made[area] = "\n".join(lines)
    return made


def _areas(table: Table) -> set[str]:
    owners = [*table.calls.values(), *table.structs.values(), *table.enums.values()]
    return {owner.area for owner in owners}


def index(table: Table) -> str:
    """The list of reference pages."""
    areas = "\n".join(sorted(_areas(table)))
    return (
        "# Reference\n\n"
        f"{len(table.calls)} of {sum(row.status == 'live' for row in table.kernel.rows)} system "
        "calls are typed; `pysyscall.raw.syscall` makes any other.\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n\napi\n{areas}\n```\n"
    )


def unlike_os(table: Table) -> str:
    """The page of all differences from the functions of `os` that have the same name."""
    lines = [
        "# Where a call differs from os's function of the same name",
        "",
        "Elsewhere, positional calls written for `os` work and return the same kind of value.",
        "",
        "| call | how it differs |",
        "|---|---|",
    ]
    lines += [
        f"| `{_os_name(call)}` | {call.unlike_os} |"
        for call in table.calls.values()
        if call.unlike_os
    ]
    return "\n".join(lines) + "\n"
