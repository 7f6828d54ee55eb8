"""Type stubs: what a checker and an editor know of the calls, the structs and the package."""

from __future__ import annotations

import builtins
from functools import partial

from tables import families, kinds
from tables.calls import Call, Table, Value
from tables.structs import Struct

# A command's literal is an int, too, for which a family's last overload has another result.
_FAST_HEAD = '''\
# mypy: disable-error-code="overload-overlap, overload-cannot-match"
# pyright: reportOverlappingOverload=false
"""The system calls that are made straight from C, and the structs that they take and fill."""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as _Mapping
from types import TracebackType
from typing import Any, ClassVar, Literal, NoReturn, Self, SupportsIndex, TypeAlias
from typing import Protocol, TypeVar, final, overload, type_check_only

from _typeshed import BytesPath, FileDescriptorLike, ReadableBuffer, StrOrBytesPath, StrPath
from _typeshed import WriteableBuffer

from pysyscall.msgbuf import Msgbuf as Msgbuf
'''

# What the extension has beside the calls; `batch.pyi` describes it.
_BATCH = ("Input", "Result", "prepare", "read_files", "stat_many", "write_all")
# Beside the calls. A queue of signals is an object that only these functions read.
_FAST_TAIL = """
@final
class WaitStatus(int):
    @property
    def exited(self) -> bool: ...
    @property
    def signaled(self) -> bool: ...
    @property
    def stopped(self) -> bool: ...
    @property
    def continued(self) -> bool: ...
    @property
    def exit_code(self) -> int | None: ...
    @property
    def term_signal(self) -> int | None: ...
    @property
    def stop_signal(self) -> int | None: ...
    @property
    def core_dumped(self) -> bool: ...
    @classmethod
    def from_siginfo(cls, info: SiginfoChild, /) -> Self: ...

def _enter(number: int, /, *words: int | ReadableBuffer | None) -> int: ...
def _address_of(buffer: ReadableBuffer, /) -> int: ...
def _fork(name: str, number: int, *words: int) -> int: ...
def _exit(status: int, keep_state: object, /) -> NoReturn: ...
def _vfork_exec(
    path: StrOrBytesPath,
    argv: Sequence[StrOrBytesPath],
    envp: _Mapping[str, str] | _Mapping[bytes, bytes],
) -> int: ...
def _siginfo_of(data: ReadableBuffer, /) -> _Siginfo: ...
def _action(
    sig: int, act: tuple[object, int, int, int] | None, to: type[SignalAction], /
) -> SignalAction: ...
def _simple_action(
    sig: object, act: object, to: type[SignalAction], /
) -> SignalAction | None: ...
def _queue_new(capacity: int, /) -> object: ...
def _queue_take(queue: object, /) -> list[_Siginfo]: ...
def _queue_fileno(queue: object, /) -> int: ...
def _queue_facts(queue: object, /) -> tuple[int, int, int]: ...
def _queues_forked() -> None: ...
def _vdso(on: object, /) -> None: ...
"""


_MAPPING = """\
@final
class Mapping:
    @property
    def address(self) -> int: ...
    @property
    def closed(self) -> bool: ...
    def close(self, /) -> None: ...
    def msync(
        self, /, flags: MsyncFlag | int, offset: SupportsIndex = 0, length: int | None = None
    ) -> None: ...
    def mprotect(
        self, /, prot: ProtFlag | int, offset: SupportsIndex = 0, length: int | None = None
    ) -> None: ...
    def madvise(
        self, /, advice: MadviseAdvice | int, offset: SupportsIndex = 0, length: int | None = None
    ) -> None: ...
    def mlock(self, /, offset: SupportsIndex = 0, length: int | None = None) -> None: ...
    def munlock(self, /, offset: SupportsIndex = 0, length: int | None = None) -> None: ...
    def mseal(self, /, offset: SupportsIndex = 0, length: int | None = None) -> None: ...
    def mincore(self, /, offset: SupportsIndex = 0, length: int | None = None) -> list[bool]: ...
    def mremap(
        self,
        /,
        new_size: int,
        flags: MremapFlag | int = 0,
        new_address: _Address | None = None,
    ) -> Mapping: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        type: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...
    def __len__(self, /) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
"""


# What a struct's type is, for calls that take one and return such a struct.
_STRUCT = """
@type_check_only
class _Struct(Protocol):
    @classmethod
    def from_bytes(cls, data: ReadableBuffer, /) -> Self: ...
    def to_bytes(self, /) -> bytes: ...
    def replace(self, /, **fields: Any) -> Any: ...

_StructT = TypeVar("_StructT", bound=_Struct)
"""


# What a field takes that gives back an int.
_TAKES = {"fd": "FileDescriptorLike", "buffer": "int | ReadableBuffer | Sequence[ReadableBuffer]"}


def fast(table: Table) -> str:
    """`_fast.pyi`: every fast call with its types, every struct with its fields."""
    calls = [call for call in table.calls.values() if call.binding == "fast"]
    taken = _enums(calls, table)
    addresses = [s.name for s in table.structs.values() if s.family is not None]
    parts = [
        _FAST_HEAD,
        f"from pysyscall.flags import {', '.join(sorted(taken))}\n\n",
        "from pysyscall.calls.signals import SignalAction\n",
        "from pysyscall.messages import Message\n\n",
        f"_SocketAddress: TypeAlias = {' | '.join(addresses)}\n",
        "_Address: TypeAlias = SupportsIndex | Mapping | tuple[Mapping, SupportsIndex]\n",
        _MAPPING,
        f"_Siginfo: TypeAlias = {' | '.join(table.siginfo.structs)}\n",
        _STRUCT,
    ]
    parts += [_struct(struct) for struct in table.structs.values()]
    parts += [declaration(call, table) for call in calls]
    parts += [f"{alias} = {call.name}\n" for call in calls for alias in call.aliases]
    parts.append(f"\nfrom pysyscall.batch import {', '.join(f'{n} as {n}' for n in _BATCH)}\n")
    parts.append(_FAST_TAIL)
    return "\n".join(parts)


def _enums(calls: list[Call], table: Table) -> set[str]:
    """The enumerations that the calls' types speak of."""
    every = [*calls, *(variant for call in calls for _, variant in families.variants(call))]
    found = {value.enum.name for call in every for value in call.values if value.enum}
    found |= {call.packed.kind.word for call in calls if call.packed}
    found |= {call.signature.result.word for call in every} & table.enums.keys()
    for call in every:
        for value in call.parameters:
            if value.choice is not None:
                found |= {_literal(table, value.choice).partition(".")[0]} & table.enums.keys()
    return found


def _struct(struct: Struct) -> str:
    fields = [struct.field(name) for name in struct.arguments]
    # A list or an iterator serves where the attribute gives back a tuple.
    given = {f.name: f"Iterable[{_item(f.python)}]" if f.items > 1 else f.python for f in fields}
    given |= {f.name: "int | str | ReadableBuffer | None" for f in fields if f.holds}
    lines = ["", "@final", f"class {struct.name}:"]
    names = ", ".join(f'Literal["{field.name}"]' for field in fields)
    lines.append(f"    __match_args__: ClassVar[tuple[{names}]]")
    parameters = ", ".join(
        f"{field.name}: {_TAKES.get(field.type, given[field.name])} = ..." for field in fields
    )
    lines.append(f"    def __new__(cls, {parameters}) -> Self: ...")
    shown = [(f.name, f.python) for f in fields] + [(c.name, c.python) for c in struct.computed]
    for name, python in shown:
        lines += ["    @property", f"    def {name}(self) -> {python}: ..."]
    lines += [
        "    @classmethod",
        "    def from_bytes(cls, data: ReadableBuffer, /) -> Self: ...",
        "    def to_bytes(self, /) -> bytes: ...",
        f"    def replace(self, /, **fields: Any) -> {struct.name}: ...",
        f"    def __replace__(self, /, **fields: Any) -> {struct.name}: ...",
        "    def __copy__(self, /) -> Self: ...",
        "    def __deepcopy__(self, memo: Any, /) -> Self: ...",
        "    def __buffer__(self, flags: int, /) -> memoryview: ...",
        "    def __eq__(self, other: object, /) -> bool: ...",
        "    def __hash__(self, /) -> int: ...",
    ]
    if struct.sequence:
        types = {_python(struct, name) for name in struct.sequence}
        item = " | ".join(sorted(types))
        lines += [
            "    def __len__(self, /) -> int: ...",
            f"    def __iter__(self, /) -> Iterator[{item}]: ...",
            f"    def __getitem__(self, index: int, /) -> {item}: ...",
        ]
    return "\n".join(lines) + "\n"


def _item(python: str) -> str:
    return python.removeprefix("tuple[").removesuffix(", ...]")


def _python(struct: Struct, name: str) -> str:
    shown = [(f.name, f.python) for f in struct.fields]
    return dict(shown + [(c.name, c.python) for c in struct.computed])[name]


def declaration(call: Call, table: Table) -> str:
    """The lines of one call."""
    if call.commands:
        return _family(call, table)
    several = variants(call)
    result = ""
    for changes in several:
        parameters = ", ".join(call.listed(partial(_parameter, changes=changes)))
        returns = python_result(call, changes)
        result += "@overload\n" if len(several) > 1 else ""
        result += f"def {call.name}({parameters}) -> {returns}: ...\n"
    return result


def _family(call: Call, table: Table) -> str:
    """An overload for all commands that are alike, and one for those that the table lacks."""
    chooser = families.selector(call).parameter
    alike: dict[tuple[str, str], list[str]] = {}
    for _, variant in families.variants(call):
        chosen = [
            _literal(table, value.choice)
            for value in variant.parameters
            if value.choice is not None and value.parameter == chooser
        ]
        for changes in variants(variant):
            parameters = ", ".join(
                _parameter(value, changes)
                if value.choice is None
                else f"{value.parameter}: Literal[{_literal(table, value.choice)}]"
                if value.parameter != chooser
                else f"{value.parameter}: Literal[{{}}]"
                for value in variant.given
            )
            alike.setdefault((parameters, python_result(variant, changes)), []).extend(chosen)
    result = ""
    for (parameters, returns), literals in alike.items():
        text = parameters.replace("{}", ", ".join(literals))
        result += f"@overload\ndef {call.name}({text}) -> {returns}: ...\n"
    other = families.general(call)
    parameters = ", ".join(_parameter(value, {}) for value in other.given)
    # A flag beside the command hides from the checker which one it is.
    returns = "Any" if call.ignored_bits or call.shift else python_result(other, {})
    return result + f"@overload\ndef {call.name}({parameters}) -> {returns}: ...\n"


def _literal(table: Table, choice: tuple[str, int]) -> str:
    """A constant as a literal type: the member of its enumeration."""
    for enum in table.enums.values():
        if choice[0] not in enum.shares and any(m.name == choice[0] for m in enum.members):
            return f"{enum.name}.{choice[0]}"
    return str(choice[1])


def variants(call: Call) -> list[dict[str, str]]:
    """What the types of some arguments say of the result: one overload each."""
    for value in call.values:
        name, engine = value.name, value.rule.engine
        if value.kind.asked:
            return [{name: "Literal[False]", "": ""}, {name: "Literal[True]"}, {name: "bool"}]
        if value.rule.engine == "KIND_STRUCT_INOUT" and value.kind.optional:
            return [{name: "None", "": ""}, {name: value.rule.annotation}]
        if engine in ("KIND_BYTES_OUT", "KIND_REGSET_OUT"):
            return [{name: "int", "": "bytes"}, {name: "WriteableBuffer", "": "int"}]
        if engine == "KIND_OPTION_OUT":
            return [
                {name: "WriteableBuffer | None", "": "int"},
                {name: "int", "": "bytes"},
                {name: "type[_StructT]", "": "_StructT"},
            ]
        if engine in ("KIND_MSGHDR_OUT", "KIND_MMSGHDR_OUT"):
            filled = "WriteableBuffer | Iterable[WriteableBuffer]"
            given, returns = "{}", "Message[{}]"
            if engine == "KIND_MMSGHDR_OUT":
                given, returns = "Iterable[{}]", "list[Message[{}]]"
            return [
                {name: given.format("int"), "": returns.format("bytes")},
                {name: given.format(filled), "": returns.format("int")},
            ]
        if engine == "KIND_PATH_OUT":
            paths = [v.name for v in call.parameters if v.rule.engine == "KIND_PATH"]
            if paths:
                return [{paths[0]: "StrPath", "": "str"}, {paths[0]: "BytesPath", "": "bytes"}]
    return [{}]


def _parameter(value: Value, changes: dict[str, str]) -> str:
    annotation = changes.get(value.name, value.rule.annotation)
    if value.kind.optional and not value.kind.asked and value.name not in changes:
        annotation += " | None"
    # The variant that is left out is another one.
    other = value.default in ("None", "False") and value.default not in annotation
    if not value.default or (other and value.name in changes):
        return f"{value.parameter}: {annotation}"
    return f"{value.parameter}: {annotation} = {value.python_default}"


def python_result(call: Call, changes: dict[str, str]) -> str:
    word = call.signature.result.word
    if word == "never":
        return "NoReturn"
    if "bool" in changes.values():  # that of either other variant
        return " | ".join(python_result(call, variant) for variant in variants(call)[:2])
    varying = (
        *("KIND_BYTES_OUT", "KIND_REGSET_OUT", "KIND_OPTION_OUT", "KIND_PATH_OUT"),
        *("KIND_MSGHDR_OUT", "KIND_MMSGHDR_OUT"),
    )
    parts = [
        changes.get("", value.rule.returns)
        if value.rule.engine in varying or changes.get(value.name) in ("None", "Literal[False]")
        else value.rule.returns
        for value in call.outs
    ]
    parts = [part for part in parts if part]
    if word == "true":
        parts.insert(0, "Literal[True]")
    elif word == "Signal":
        parts.insert(0, "Signal | int")
    elif word == "mapping":
        parts.insert(0, "Mapping")
    elif word not in kinds.SILENT:
        parts.insert(0, "int" if word in kinds.RESULTS else word)
    if not parts:
        return "None"
    return parts[0] if len(parts) == 1 else f"tuple[{', '.join(parts)}]"


def flags(table: Table) -> str:
    """`flags.pyi`: all enumerations and all their members, by name."""
    lines = ['"""Every enumeration, and every constant, under its own name."""', ""]
    lines += ["from typing import Final", ""]
    by_area: dict[str, list[str]] = {}
    for enum in table.enums.values():
        by_area.setdefault(enum.area, []).append(enum.name)
    for area, names in by_area.items():
        imports = ", ".join(f"{name} as {name}" for name in sorted(names))
        lines.append(f"from pysyscall._generated.flags_{area} import {imports}")
    lines.append("")
    lines += _constants(table)
    return "\n".join(lines) + "\n"


def _constants(table: Table) -> list[str]:
    return [
        f"{member.name}: Final = {enum.name}.{member.name}"
        for enum in table.enums.values()
        for member in enum.members
        if member.name not in enum.shares
    ]


def package(table: Table) -> str:
    """`__init__.pyi`: everything that `import pysyscall` offers."""
    calls = sorted(call.name for call in table.calls.values() if call.binding == "fast")
    aliases = sorted(
        alias for call in table.calls.values() if call.binding == "fast" for alias in call.aliases
    )
    names = [*sorted(table.structs), *calls, *aliases]
    enums = sorted(table.enums)
    constants = sorted(line.split(":")[0] for line in _constants(table))
    modules = {module: list(names) for module, names in table.offered.items()}
    for call in table.calls.values():
        if call.binding == "wrapped":
            module = modules.setdefault(f"pysyscall.calls.{call.area}", [])
            module += [call.name, *call.aliases]
    offered = {*names}.union(*modules.values()) - {*dir(builtins)}
    imports = [
        f"from {module} import {', '.join(f'{name} as {name}' for name in sorted(names))}"
        for module, names in sorted(modules.items())
    ]
    lines = [
        '"""Every Linux system call of x86-64: typed, decoded and fast."""',
        "",
        "from pysyscall import all_threads as all_threads, batch as batch, checked as checked",
        "from pysyscall import flags as flags, raw as raw, table as table",
        "from pysyscall import raw as raw, table as table",
        f"from pysyscall._fast import {', '.join(f'{name} as {name}' for name in names)}",
        "from pysyscall.flags import "
        + ", ".join(f"{name} as {name}" for name in [*enums, *constants]),
        *imports,
        "",
        "__version__: str",
        f"__all__ = {sorted(offered)!r}",
        "",
    ]
    return "\n".join(lines)
