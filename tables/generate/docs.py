"""What the rows say in words: docstrings, the reference pages, the list of differences from os."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from tables import control, kinds
from tables.calls import Call, Table, Value
from tables.enums import Enum
from tables.structs import Field, Struct

# What an argument is, where its row doesn't say: by kind, with the direction where there is one.
_MEANINGS = {
    "fd": "a descriptor",
    "dirfd": "where a relative path starts",
    "pidfd": "a process descriptor",
    "pid": "a process id",
    "tid": "a thread id",
    "uid": "a user id",
    "gid": "a group id",
    "size": "a number of bytes",
    "off": "an offset in bytes",
    "msec": "how long to wait at most, in milliseconds; -1 or None waits for ever",
    "path": "a path",
    "string": "a name",
    "in bytes": "the bytes",
    "out bytes": "how many bytes at most, or a buffer to fill in place",
    "in iovec": "the buffers, in order",
    "out iovec": "the buffers to fill, in order",
    "in option": "the option's value",
    "out option": "what to read the option as",
    "in sockaddr": "an address",
    "in cpuset": "the CPUs",
    "in nodemask": "the nodes",
    "in siginfo": "what the receiver is told",
}
# What Python gives, where a docs line says it otherwise than an error message.
_GIVEN = {
    "dirfd": "a directory's descriptor, or None for the current directory",
    "msec": "an int",
    "out bytes": "an int or a writable buffer",
    "in option": "an int for a C int, or a bytes-like object",
    "out option": "None for a C int, an int for a number of bytes, a struct's type or a buffer",
    "in sockaddr": "a `SockaddrIn` or another socket address",
    "mapping": "a `Mapping`",
    "address": "an int, a `Mapping`, or a tuple of a `Mapping` and an offset",
    "in timespec": "seconds as an int or a float, or a `Timespec`",
    "inout timespec": "seconds as an int or a float, or a `Timespec`",
    "inout timeval": "seconds as an int or a float, or a `Timeval`",
    "inout fdset": "an iterable of ints or objects with fileno()",
    "out msgbuf": "an int",
}
_RESULTS = {
    "none": "None.",
    "by": "What the command tells.",
    "never": "Never.",
    "fd": "A descriptor, an int.",
    "count": "How many bytes, an int.",
    "off": "An offset in bytes, an int.",
    **dict.fromkeys(("pid", "tid", "uid", "gid"), "The id, an int."),
}
_OUTS = {
    "path": "A str.",
    "cpuset": "A set of CPU numbers.",
    "sigset": "A set of `Signal`, and of ints for signals without a name.",
    "siginfo": "A `SiginfoKill`, `SiginfoChild` or another of the structs that tell of a signal.",
    "sockaddr": "The address, such as a `SockaddrIn`; None where there is none.",
    "bytes": "The bytes, at most as many as asked for; their count where a buffer was given.",
}
_AREAS = {
    "files": ("Files", "Open, read and write files; name, link, inspect and change them."),
    "memory": ("Memory", "Map, protect, lock and place memory, and give it a descriptor."),
    "processes": ("Processes", "Identity, limits, scheduling, sending signals, and the end."),
    "sockets": ("Sockets", "Talk to other processes and other machines."),
    "events": ("Events", "Wait for descriptors to become ready."),
    "clocks": ("Clocks", "Tell the time, and sleep."),
    "system": ("System", "The machine as a whole."),
    "signals": ("Signals", "Handle, block, send and read signals, and wait for them."),
    "async_io": ("Asynchronous I/O", "Requests that go on while the program does."),
    "sockaddrs": ("Socket addresses", "What the fields of an address hold."),
    "sockopts": ("Socket options", "What options and control messages hold."),
    "sockproto": ("Rarer protocols", "Options and control messages of the rarer protocols."),
    "ipc": ("Inter-process communication", "Shared memory, semaphores and message queues."),
    "security": ("Security", "Rights, filters and keys."),
}
# An area with more calls than this is divided by what its calls work on.
_LONG = 20


def docstring(call: Call) -> str:
    """The docstring of one call, in Google style: opening line, sections, remarks, source."""
    parts = [f"`{call.text}`: {call.doc}."]
    if call.given:
        lines = [_wrap(_parameter(call, value), 4) for value in call.given]
        parts.append("Args:\n" + "\n".join(lines))
    parts.append("Returns:\n" + _wrap(returns(call), 4))
    if errors := raised(call):
        parts.append("Raises:\n" + _wrap(f"OSError: {', '.join(errors)}.", 4))
    parts += [_wrap(text, 0) for text in remarks(call)]
    if call.danger:
        parts.append("Danger:\n" + _wrap(_sentence(call.danger), 4))
    parts.append(_wrap(f"Kernel: `{prototype(call)}`", 0))
    source = f"System call {call.kernel.number}, in Linux since {call.kernel.since}."
    origin = f"the man page {call.man}" if call.man else "the kernel's source"
    parts.append(f"{source} Source: {origin}.")
    return "\n\n".join(parts) + "\n"


def prototype(call: Call) -> str:
    """The call as the kernel takes it."""
    return f"long {call.name}({', '.join(map(str, call.kernel.args)) or 'void'})"


def raised(call: Call) -> tuple[str, ...]:
    """The errors that reach Python: not EINTR where the call is repeated."""
    told = call.eintr == "raise" or call.mask >= 0
    return tuple(name for name in call.errors if name != "EINTR" or told)


def remarks(call: Call) -> list[str]:
    """What a reader should know beyond arguments and result."""
    found = [call.note] if call.note else []
    if call.eintr == "remaining":
        goes_on = "after a signal's handler has run, it goes on with what is left of the time."
        found.append(
            f"Without a mask, {goes_on} With one, the signal raises InterruptedError: "
            "to be told of it is what the mask is for."
            if call.mask >= 0
            else goes_on[0].upper() + goes_on[1:]
        )
    if call.vdso != "VDSO_NONE":
        found.append("The vDSO answers it in user space, where there is one: strace sees nothing.")
    if not raised(call):
        found.append("No errors are documented.")
    if call.unlike_os:
        found.append(f"Unlike os.{_os_name(call)}: {call.unlike_os}.")
    if call.thread_only:
        found.append("It acts on the calling thread alone.")
    if call.aliases:
        found.append(f"Also named {', '.join(f'`{alias}`' for alias in call.aliases)}.")
    if call.replaced_by:
        found.append(f"`{call.replaced_by}` does the same and more.")
    return found


def returns(call: Call) -> str:
    """What comes back, in words."""
    if call.result:
        return _sentence(call.result)
    word = call.signature.result.word
    own = _RESULTS.get(word, f"{_article(word)} `{word}`, an int.")
    if not call.outs:
        return own
    parts = [_out(value) for value in call.outs]
    if word not in kinds.SILENT:
        parts.insert(0, own)
    return parts[0] if len(parts) == 1 else "(" + ", ".join(p.rstrip(".") for p in parts) + ")."


def _out(value: Value) -> str:
    if value.kind.word in _OUTS:
        return _OUTS[value.kind.word]
    if value.struct is not None:
        name = value.struct.name
        if value.kind.asked:
            return f"{_article(name)} `{name}` where it is asked for."
        return f"A list of `{name}`." if value.kind.count else f"{_article(name)} `{name}`."
    return f"{value.rule.returns}."


def _parameter(call: Call, value: Value) -> str:
    key = f"{value.kind.direction} {value.kind.word}".strip()
    if value.parameter != value.name:  # it stands for its length: how many the kernel may fill
        meaning, given = call.values[value.length].about or "how many at most", "an int"
    else:
        meaning, given = value.about or _MEANINGS.get(key, ""), _given(value, key)
    if not meaning and value.kind.word in _MEANINGS:
        meaning = _MEANINGS[value.kind.word]
    if value.kind.asked:
        meaning = meaning or f"whether to ask for a `{value.kind.word}`, too"
    elif value.kind.optional and "None" not in given:
        given += ", or None" if " or " in given else " or None"
    text = f"{meaning} ({given})" if meaning and given != "an int" else meaning or given
    return f"{value.parameter}: {text}."


def _given(value: Value, key: str) -> str:
    if value.enum is not None:
        return f"`{value.enum.name}` or an int"
    if value.struct is not None and not value.kind.asked:
        name = f"`{value.struct.name}`"
        if value.kind.count:
            return f"a sequence of {name} or of tuples of its fields"
        return f"{_article(value.struct.name).lower()} {name} or a tuple of its fields"
    return _GIVEN.get(key, value.rule.accepts)


def _article(name: str) -> str:
    return "An" if name[0] in "AEIO" else "A"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


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
    """A reference page an area, and one with every number; by file name."""
    made = {area: "\n".join(_page(table, area)) for area in _areas(table)}
    made["control"] = "\n".join(_control(table))
    made["numbers"] = "\n".join(_numbers(table))
    return made


def _areas(table: Table) -> list[str]:
    found = {call.area for call in table.calls.values()}
    found |= {struct.area for struct in table.structs.values()}
    found |= {enum.area for enum in table.enums.values()}
    return [area for area in _AREAS if area in found] + sorted(found - _AREAS.keys())


def _title(area: str) -> tuple[str, str]:
    return _AREAS.get(area, (area.capitalize(), ""))


def _typed(table: Table, area: str) -> list[Call]:
    return [call for call in table.areas.get(area, []) if call.typed]


def _link(call: Call) -> str:
    return f"{{py:func}}`{call.text} <pysyscall.{call.name}>`"


def _page(table: Table, area: str) -> Iterator[str]:
    title, line = _title(area)
    calls = _typed(table, area)
    structs = [struct for struct in table.structs.values() if struct.area == area]
    enums = [enum for enum in table.enums.values() if enum.area == area]
    yield from (f"# {title}", "", line, "")
    if calls:
        yield from ("| call | what it does |", "|:---|:---|")
        yield from (f"| {_link(call)} | {call.doc} |" for call in calls)
        yield ""
    for heading, members in _groups(calls):
        yield from (f"## {heading}", "")
        for call in members:
            yield from ("```{eval-rst}", f".. autofunction:: pysyscall.{_signature(call)}")
            yield from ("```", "")
    if structs:
        yield from ("## Structs", "", "{ref}`structs` tells what all of them can do.", "")
        for struct in structs:
            yield from _struct(table, struct)
    if enums:
        yield from ("## Flags and modes", "")
        for enum in enums:
            yield from _enum(enum)


def _groups(calls: list[Call]) -> Iterator[tuple[str, list[Call]]]:
    """The calls by what they work on: the first of these that one of their arguments is."""
    if len(calls) <= _LONG:
        if calls:
            yield "Calls", calls
        return
    kinds = {
        "Calls on a path": ("path",),
        "Calls on a descriptor": ("fd", "pidfd", "dirfd"),
        "Calls on a process": ("pid", "tid"),
    }
    rest = calls
    for heading, words in kinds.items():
        found = [call for call in rest if any(v.kind.word in words for v in call.parameters)]
        rest = [call for call in rest if call not in found]
        if found:
            yield heading, found
    if rest:
        yield "Other calls", rest


def _signature(call: Call) -> str:
    if call.binding == "wrapped":  # Python tells it
        return call.name
    parameters = call.listed(lambda v: f"{v.parameter}={v.default}" if v.default else v.parameter)
    return f"{call.name}({', '.join(parameters)})"


def _struct(table: Table, struct: Struct) -> Iterator[str]:
    fields = [struct.field(name) for name in struct.arguments]
    short = len(fields) <= 6
    arguments = f"({', '.join(struct.arguments)})" if short else ""
    yield from (f"```{{py:class}} {struct.name}{arguments}", ":module: pysyscall", "")
    size = f"{struct.size} bytes" if struct.minimum == struct.size else f"up to {struct.size} bytes"
    yield from (struct.doc, "", f"`{struct.c}`, {size}.", "")
    yield from ("| field | Python | kernel | offset |", "|:---|:---|:---|:---|")
    yield from (_row(table, field) for field in sorted(fields, key=lambda field: field.offset))
    for value in struct.computed:
        parts = f"`{value.whole}` and `{value.fraction}`"
        yield f"| `{value.name}` | {value.python} | {value.unit} from {parts} | |"
    if struct.sequence:
        names = ", ".join(f"`{name}`" for name in struct.sequence)
        yield from ("", f"Unpacks into {names}.")
    yield from ("```", "")


def _row(table: Table, field: Field) -> str:
    python = field.python
    if field.enum in table.enums:
        python += f", {{py:class}}`~pysyscall.{field.enum}`"
    kernel = f"{field.type}[{field.items}]" if field.items > 1 else field.type
    return f"| `{field.name}` | {python.replace('|', 'or')} | {kernel} | {field.offset} |"


def _enum(enum: Enum) -> Iterator[str]:
    base = "IntFlag" if enum.kind == "flag" else "IntEnum"
    yield from (f"````{{py:class}} {enum.name}", ":module: pysyscall", "")
    yield from (f"{_sentence(enum.doc)} ({base})", "", "```{container} members")
    yield from (f"- `{m.name}` {_number(enum, m.value)}" for m in enum.members)
    yield from ("```", "````", "")


def _number(enum: Enum, value: int) -> str:
    if enum.kind != "flag":
        return str(value)
    return f"0o{value:o}" if enum.name == "FileMode" else f"0x{value:x}"


_FORMS = {
    "fds": "a tuple of descriptors",
    "fd": "a descriptor",
    "error": "a tuple of a {py:class}`~pysyscall.SockExtendedErr` and the address of who told it"
    " or None",
    "bytes": "bytes",
}


def _control(table: Table) -> Iterator[str]:
    yield from ("# Control messages", "")
    yield "What the data of a {py:class}`~pysyscall.ControlMessage` are, by level and type, as"
    yield "{py:func}`~pysyscall.recvmsg` returns it and {py:func}`~pysyscall.sendmsg` takes it."
    yield "Those of all other types are bytes, and bytes can be sent for each of these."
    yield from ("", "| level | type | data |", "|:---|:---|:---|")
    for message in table.control:
        data = _form(message.received)
        if message.sent != message.received:
            data += f"; to send: {_form(message.sent)}"
        yield f"| `{message.level}` | `{message.type}` | {data} |"
    yield ""


def _form(form: str) -> str:
    if form in control.INTEGERS:
        return f"an int ({form})"
    return _FORMS.get(form) or f"{{py:class}}`~pysyscall.{form}`"


def _numbers(table: Table) -> Iterator[str]:
    yield from ("# Every call by number", "")
    yield f"The kernel's table for x86-64, as Linux {table.kernel.version} has it."
    yield "A call without a typed function is made by {py:func}`pysyscall.syscall`."
    yield from ("", "| number | call | typed | in Linux since |", "|:---|:---|:---|:---|")
    for row in table.kernel.rows:
        call = table.calls.get(row.name)
        typed = call is not None and call.typed
        name = f"{{py:func}}`{row.name} <pysyscall.{row.name}>`" if typed else f"`{row.name}`"
        note = "yes" if typed else "" if row.status == "live" else "no longer in the kernel"
        yield f"| {row.number} | {name} | {note} | {row.since} |"
    yield ""


def index(table: Table) -> str:
    """The start of the reference: all typed calls at a glance, and the list of pages."""
    typed = sum(call.typed for call in table.calls.values())
    live = sum(row.status == "live" for row in table.kernel.rows)
    lines = [
        "# Reference",
        "",
        f"{typed} of the {live} system calls that Linux {table.kernel.version} has on x86-64 are",
        "typed; {py:func}`pysyscall.syscall` makes any other.",
        "",
        "| area | calls |",
        "|:---|:---|",
    ]
    for area in _areas(table):
        calls = _typed(table, area)
        links = _joined(f"{{py:func}}`{call.name} <pysyscall.{call.name}>`" for call in calls)
        lines.append(f"| [{_title(area)[0]}]({area}.md) | {links or _title(area)[1]} |")
    lines += ["", "```{toctree}", ":hidden:", ":maxdepth: 1", "", "api"]
    lines += [*_areas(table), "control", "numbers", "```"]
    return "\n".join(lines) + "\n"


def _joined(parts: Iterable[str]) -> str:
    return " ".join(parts)


def unlike_os(table: Table) -> str:
    """The page of all differences from the functions of `os` that have the same name."""
    lines = [
        "# Unlike os",
        "",
        "Where `os` has a function of the same name, positional calls written for it work here and",
        "return the same kind of value. These are the exceptions. Keyword arguments have the names",
        "of the man page, and `dir_fd` and `follow_symlinks` are not among them: the calls whose",
        "names end in `at` take a directory and flags.",
        "",
        "| call | how it differs |",
        "|:---|:---|",
    ]
    lines += [
        f"| {{py:func}}`{_os_name(call)} <pysyscall.{call.name}>` | {call.unlike_os} |"
        for call in table.calls.values()
        if call.unlike_os
    ]
    return "\n".join(lines) + "\n"
