"""Read `calls/*.toml` and join each row with the kernel's: the table that all generated code reads.

A row that disagrees with the kernel's arity or C types, or that names what does not exist, is
refused by name.
"""

from __future__ import annotations

import ast
import errno
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tables import control, enums, grammar, kinds, rows, siginfo, structs
from tables.control import ControlMessage
from tables.enums import Enum
from tables.grammar import Argument, GrammarError, Kind
from tables.kinds import Rule
from tables.rows import CArg, KernelRow, TableError
from tables.structs import Struct

FOLDER = Path(__file__).with_name("calls")
OFFERED = Path(__file__).with_name("offered.toml")
DEAD = Path(__file__).with_name("dead.toml")

Binding = Literal["fast", "wrapped", "untyped", "raw_only"]
Eintr = Literal["retry", "raise", "done", "remaining"]

# What a row may say. `about` maps an argument to its docs line, `adds` to a flag that is set
# in it where the call's option is given; `command` lists a family's calls, which another row of
# the same file takes over with `commands_of`. `python` is what the Python function of a `wrapped`
# row takes, with defaults, where that is not what its signature says.
_TYPES: dict[str, type] = {
    "signature": str,
    "doc": str,
    "about": dict,
    "adds": dict,
    "result": str,
    "errors": list,
    "binding": str,
    "reason": str,
    "blocks": bool,
    "blocks_above": dict,
    "eintr": str,
    "vdso": bool,
    "aliases": list,
    "replaced_by": str,
    "danger": str,
    "thread_only": bool,
    "unlike_os": str,
    "note": str,
    "explain": dict,
    "python": str,
    "man": str,
    "untestable": str,
    "command": list,
    "commands_of": str,
    "ignored_bits": list,
    "shift": int,
    "packed": str,
    "sized_requests": bool,
}
_COMMAND_TYPES: dict[str, type] = {
    "when": str,
    "signature": str,
    "doc": str,
    "eintr": str,
    "refuse": str,
    "blocks": bool,
    "hot": bool,
    "keeps": str,
}
_VDSO = {
    "clock_gettime": "VDSO_CLOCK_GETTIME",
    "clock_getres": "VDSO_CLOCK_GETRES",
    "gettimeofday": "VDSO_GETTIMEOFDAY",
    "time": "VDSO_TIME",
    "getcpu": "VDSO_GETCPU",
}


@dataclass(frozen=True, slots=True)
class Value:
    """One kernel argument, with all that the rows say of it."""

    index: int
    name: str
    kind: Kind
    rule: Rule
    c: CArg
    parameter: str
    """Its name as Python's argument; empty where Python gives nothing."""
    default: str
    """As Python writes it; empty where there is none."""
    fallback: int
    """What the register holds when the argument is left out, or always for a constant."""
    condition: grammar.Condition | None
    condition_bits: tuple[int, ...]
    """The default holds if all bits of one of these are set; empty where it always holds."""
    length: int
    """The argument that carries this one's length, or -1."""
    of: int
    """The argument that this one is the length, size or remainder of, or -1."""
    enum: Enum | None
    struct: Struct | None
    about: str
    counted_in: tuple[int, int] = (-1, 0)
    """The struct argument in one of whose fields this one's length stands, and the field's offset;
    or -1."""
    follower: Struct | None = None
    """The struct of the array behind the argument's own."""
    choice: tuple[str, int] | None = None
    """In one of a family's calls the constant that this argument must be, and its value."""
    added: int = 0
    """Bits that are set in the register where the call's option is given."""

    @property
    def python_default(self) -> str:
        """The default as a literal, without the names of constants."""
        return self.default if self.default in ("None", "False") else str(self.fallback)

    @property
    def range(self) -> tuple[int, int]:
        """The values that the register can take."""
        if self.rule.range is not None:
            return self.rule.range
        low, high = kinds.C_RANGES.get(self.c.ctype.removeprefix("const "), kinds.U64)
        if self.enum is not None and (low, high) == kinds.S32:
            largest = max(member.value for member in self.enum.members)
            if self.enum.kind == "flag" or largest > high:
                high = kinds.U32[1]
        return low, high


@dataclass(frozen=True, slots=True)
class Command:
    """One of the many calls that a family such as fcntl is: what `by` stands for in it."""

    when: str
    """A member of the selecting argument's enumeration, `& BIT` of its flags, or `else`: the first
    that holds counts. After a comma the constant that the first `by` argument is: a choice within
    the choice."""
    values: tuple[Value, ...]
    """The arguments that stand in the places of the call's (other) `by` arguments, in order."""
    result: Kind
    doc: str
    choice: tuple[str, int] | None
    """The constant before the comma with its value; None for `else`."""
    bits: bool
    second: tuple[str, int] | None
    eintr: Eintr | None
    """Where it differs from the call's."""
    blocks: bool | None
    """Where it differs from the call's."""
    hot: bool
    """Whether it gets an instance of the engine of its own, because it is made often."""
    keeps: str
    """`buffers` where they are still in use when the call is over, `no more` where that ends."""
    refuse: str
    """Why the typed call does not make it."""


@dataclass(frozen=True, slots=True)
class Call:
    """One row of the table."""

    kernel: KernelRow
    area: str
    binding: Binding
    signature: grammar.Signature
    values: tuple[Value, ...]
    options: tuple[Value, ...]
    """What Python gives by name beyond the kernel's arguments; their indices follow those."""
    doc: str
    result: str
    errors: tuple[str, ...]
    reason: str
    blocks: bool
    blocks_above: dict[str, int]
    """Where that depends on it: an argument, and up to which number in it the call never waits."""
    eintr: Eintr
    vdso: str
    aliases: tuple[str, ...]
    replaced_by: str
    danger: str
    thread_only: bool
    unlike_os: str
    note: str
    explain: dict[str, str]
    """What an errno, one at most, means here: the end of the error's text."""
    python: str
    """The arguments as Python gives them, where they are others than the row's."""
    man: str
    untestable: str
    """Why no test makes the call for real; empty where one does."""
    commands: tuple[Command, ...]
    ignored_bits: int = 0
    """Bits of the selecting argument that change no command."""
    shift: int = 0
    """How far to the left the command stands in the selecting argument."""
    packed: Value | None = None
    """What stands to its right there: in Python an argument of its own, behind it."""
    sized_requests: bool = False
    """Whether the selecting argument says how long what the next points at is, as ioctl's does."""

    @property
    def name(self) -> str:
        return self.kernel.name

    @property
    def typed(self) -> bool:
        """Whether Python has a function for it."""
        return self.binding in ("fast", "wrapped")

    @property
    def parameters(self) -> tuple[Value, ...]:
        return tuple(value for value in (*self.values, *self.options) if value.parameter)

    @property
    def given(self) -> tuple[Value, ...]:
        """What Python gives: the parameters, and what is packed into one of them."""
        found = list(self.parameters)
        if self.packed is not None:
            found.insert(1 + self.packed.of, self.packed)
        return tuple(found)

    @property
    def text(self) -> str:
        """The call as Python writes it: `read(fd, buf)`, `fcntl(fd, F_SETFL, flags)`."""
        shown = self.listed(lambda value: value.choice[0] if value.choice else value.parameter)
        return f"{self.name}({self.python or ', '.join(shown)})"

    def listed(self, text: Callable[[Value], str]) -> Iterator[str]:
        """What `text` makes of each that is given, and `*` before those that are given by name."""
        for value in self.given:
            if value in self.options[:1]:
                yield "*"
            yield text(value)

    @property
    def mask(self) -> int:
        """The signal mask which, where it is given, makes a signal end the wait; or -1."""
        for value in self.values:
            masks = value.kind.word in ("sigset", "sigset_argpack") and value.kind.optional
            if self.eintr == "remaining" and masks:
                return value.index
        return -1

    @property
    def outs(self) -> tuple[Value, ...]:
        """The arguments that come back, in order."""
        return tuple(value for value in self.values if value.rule.returns and value.rule.pointer)


@dataclass(frozen=True, slots=True)
class Table:
    """Everything that `tables/` knows."""

    kernel: rows.KernelTable
    enums: dict[str, Enum]
    structs: dict[str, Struct]
    calls: dict[str, Call]
    siginfo: siginfo.Siginfo
    control: tuple[ControlMessage, ...]
    offered: dict[str, list[str]]
    """What the package offers beside all this: the names of each module."""
    dead: dict[str, str]
    """What each call was that the kernel no longer has."""

    @property
    def areas(self) -> dict[str, list[Call]]:
        areas: dict[str, list[Call]] = {}
        for call in self.calls.values():
            areas.setdefault(call.area, []).append(call)
        return areas


def load(folder: Path = FOLDER) -> Table:
    """The whole table; TableError names the file, the row and the argument that is wrong."""
    kernel = rows.load()
    all_enums = enums.load()
    all_structs = structs.load(all_enums)
    reader = _Reader(kernel, all_enums, all_structs)
    calls: dict[str, Call] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            body = tomllib.loads(path.read_text())
        except tomllib.TOMLDecodeError as error:
            raise TableError(f"{path.name}: {error}") from None
        for name, row in body.items():
            try:
                if name in calls:
                    raise TableError(f"the call stands in {calls[name].area}.toml too")
                calls[name] = reader.read(name, path.stem, _with_commands(row, body))
            except TableError as error:
                raise TableError(f"{path.name}: {name}: {error}") from None
    for call in calls.values():
        if call.replaced_by and call.replaced_by not in reader.rows:
            raise TableError(f"{call.name}: replaced_by: there is no call '{call.replaced_by}'")
    offered = tomllib.loads(OFFERED.read_text())
    infos = siginfo.load(all_enums, frozenset(all_structs))
    messages = control.load(reader.constants, frozenset(all_structs))
    dead = tomllib.loads(DEAD.read_text())
    gone = {row.name for row in kernel.rows if row.status == "dead"}
    if dead.keys() != gone:
        raise TableError(
            f"{DEAD.name}: {min(dead.keys() ^ gone)}: these are the kernel's dead rows"
        )
    return Table(kernel, all_enums, all_structs, calls, infos, messages, offered, dead)


def _with_commands(row: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """The row, with the commands of the row that `commands_of` names."""
    if "commands_of" not in row:
        return row
    commands = others.get(row["commands_of"], {}).get("command")
    if commands is None or "command" in row:
        raise TableError("`commands_of` names a row of this file that has commands, and adds none")
    return row | {"command": commands}


class _Reader:
    """Joins one row after the other with the kernel's."""

    def __init__(
        self, kernel: rows.KernelTable, all_enums: dict[str, Enum], all_structs: dict[str, Struct]
    ) -> None:
        self.rows = {row.name: row for row in kernel.rows}
        self.enums = all_enums
        self.structs = all_structs
        records = {s.name: s.read_as for s in all_structs.values() if s.record}
        self.names = kinds.Names(frozenset(all_enums), frozenset(all_structs), records)
        self.constants = {
            member.name: member.value for enum in all_enums.values() for member in enum.members
        }

    def read(self, name: str, area: str, row: dict[str, Any]) -> Call:
        kernel = self.rows.get(name)
        if kernel is None:
            raise TableError("the kernel has no such call")
        if kernel.status != "live":
            raise TableError("the kernel's row has no entry point any more")
        for key, value in row.items():
            if key not in _TYPES:
                raise TableError(f"unknown key '{key}'")
            if not isinstance(value, _TYPES[key]):
                raise TableError(f"'{key}' must be a {_TYPES[key].__name__}")
        for key in ("signature", "doc", "binding"):
            if key not in row:
                raise TableError(f"'{key}' is missing")
        signature = grammar.parse(row["signature"])
        about = row.get("about", {})
        packed = row.get("packed", "").partition(":")[0]
        values = tuple(self._values(kernel, signature, about, packed))
        values = tuple(self._with_added(values, row.get("adds", {})))
        if row.get("adds") and not signature.options:
            raise TableError("`adds` goes with an option")
        call = Call(
            kernel=kernel,
            area=area,
            binding=row["binding"],
            signature=signature,
            values=values,
            options=tuple(self._options(len(values), signature, about)),
            doc=row["doc"],
            result=row.get("result", ""),
            errors=tuple(row.get("errors", ())),
            reason=row.get("reason", ""),
            blocks=row.get("blocks", True),
            blocks_above=row.get("blocks_above", {}),
            eintr=row.get("eintr", "retry"),
            vdso=_VDSO[name] if row.get("vdso", False) else "VDSO_NONE",
            aliases=tuple(row.get("aliases", ())),
            replaced_by=row.get("replaced_by", ""),
            danger=row.get("danger", ""),
            thread_only=row.get("thread_only", False),
            unlike_os=row.get("unlike_os", ""),
            note=row.get("note", ""),
            explain=row.get("explain", {}),
            python=row.get("python", ""),
            man=row.get("man", f"{name}(2)"),
            untestable=row.get("untestable", ""),
            commands=tuple(self._commands(kernel, signature, row.get("command", ()))),
            ignored_bits=sum(map(self._named, row.get("ignored_bits", ()))),
            shift=row.get("shift", 0),
            packed=self._packed(kernel, signature, row),
            sized_requests=row.get("sized_requests", False),
        )
        self._check(call)
        return call

    def _packed(
        self, kernel: KernelRow, signature: grammar.Signature, row: dict[str, Any]
    ) -> Value | None:
        if "packed" not in row:
            return None
        parsed = grammar.parse(f"({row['packed']}) -> none")
        (argument,) = parsed.arguments
        (place,) = {
            signature.index(other.kind.operand)
            for other in signature.arguments
            if other.kind.word == "by"
        }
        about = row.get("about", {}).get(argument.name, "")
        value = self._value(0, argument, kernel.args[place], parsed, {}, about)
        most = 2 ** row["shift"] - 1
        return replace(value, index=place, of=place, rule=replace(value.rule, range=(0, most)))

    def _check(self, call: Call) -> None:
        if len(call.explain) > 1 or not call.explain.keys() <= {*call.errors}:
            raise TableError("explain: says something of one of the `errors`, and of no more")
        for name in call.errors:
            if name not in errno.errorcode.values() and not hasattr(errno, name):
                raise TableError(f"errors: '{name}' is no errno")
        for name, most in call.blocks_above.items():
            if len(call.blocks_above) > 1 or not isinstance(most, int) or not call.blocks:
                raise TableError(
                    "blocks_above: one argument and the number up to which the call never waits"
                )
            call.signature.index(name)
        if call.eintr not in ("retry", "raise", "done", "remaining"):
            raise TableError(f"eintr: '{call.eintr}' is not retry, raise, done or remaining")
        if call.binding not in ("fast", "wrapped", "untyped", "raw_only"):
            raise TableError(f"binding: '{call.binding}' is not fast, wrapped, untyped or raw_only")
        if (call.binding == "raw_only") != bool(call.reason):
            raise TableError('`reason` goes with binding = "raw_only", and is needed there')
        result = call.signature.result
        if result.word not in kinds.RESULTS and result.word not in self.enums:
            raise TableError(f"'{result}' is no result")
        if result.word in ("count of", "ready of", "signal of"):
            call.signature.index(result.operand)
        if call.binding == "fast":
            for value in call.values:
                if not value.rule.engine and not (value.kind.word == "by" and call.commands):
                    raise TableError(
                        f"argument '{value.name}': the C engine has no '{value.kind}', "
                        'so the call can\'t be binding = "fast"'
                    )
                if value.struct and value.struct.record and value.kind.word != "records":
                    raise TableError(f"argument '{value.name}': a record only stands in `records`")
            for room in (kinds.BULK, kinds.VECTORS):
                if sum(value.rule.engine in room for value in call.values) > 1:
                    raise TableError(
                        "the C engine has room for one array, but two arguments are one"
                    )
            if len(call.values) + len(call.options) > 6:
                raise TableError("the C engine has room for six arguments and options")
            if not kinds.RESULTS.get(result.word, "RESULT_ENUM") and not call.commands:
                raise TableError(f"the C engine can't return '{result}'")
        needed = [value for value in call.parameters if not value.default]
        if call.parameters[: len(needed)] != tuple(needed):
            raise TableError("an argument without a default follows one that has one")

    def _values(
        self,
        kernel: KernelRow,
        signature: grammar.Signature,
        about: dict[str, str],
        packed: str,
    ) -> Iterator[Value]:
        arguments = signature.arguments
        if len(arguments) != len(kernel.args):
            raise TableError(
                f"the signature has {len(arguments)} arguments, the kernel's has "
                f"{len(kernel.args)}: {', '.join(map(str, kernel.args))}"
            )
        lengths = self._lengths(signature)
        for name in lengths:
            if arguments[signature.index(name)].kind.word != "len":
                raise TableError(f"'{name}' is a length in brackets, so its kind must be `len`")
        for name in about.keys() - {option.name for option in signature.options} - {packed}:
            signature.index(name)
        for i, (argument, c) in enumerate(zip(arguments, kernel.args, strict=True)):
            try:
                yield self._value(i, argument, c, signature, lengths, about.get(argument.name, ""))
            except GrammarError as error:
                raise GrammarError(f"argument '{argument.name}': {error}") from None

    def _options(
        self, first: int, signature: grammar.Signature, about: dict[str, str]
    ) -> Iterator[Value]:
        for i, option in enumerate(signature.options, first):
            try:
                value = self._value(i, option, CArg("", option.name), signature, {})
                if not value.default:
                    raise GrammarError("an option needs a default")
            except GrammarError as error:
                raise GrammarError(f"option '{option.name}': {error}") from None
            yield replace(value, about=about.get(option.name, ""))

    def _with_added(self, values: tuple[Value, ...], adds: dict[str, str]) -> Iterator[Value]:
        """The arguments, with the flags that are always set in some of them."""
        names = {value.name for value in values if value.enum and not value.rule.pointer}
        if unknown := adds.keys() - names:
            raise TableError(f"adds: '{min(unknown)}' is no argument that takes flags")
        for value in values:
            constant = adds.get(value.name)
            yield replace(value, added=self._named(constant)) if constant else value

    def _commands(
        self, kernel: KernelRow, signature: grammar.Signature, bodies: list[dict[str, Any]]
    ) -> Iterator[Command]:
        decided = [i for i, arg in enumerate(signature.arguments) if arg.kind.word == "by"]
        selectors = {arg.kind.operand for arg in signature.arguments if arg.kind.word == "by"}
        if not bodies:
            return
        if len(selectors) != 1:
            raise TableError("a call with commands needs arguments that are all `by` the same one")
        selector = signature.arguments[signature.index(selectors.pop())]
        enum = self.enums.get(selector.kind.word)
        members = {member.name for member in enum.members} if enum else set()
        for body in bodies:
            when = str(body.get("when", ""))
            try:
                if unknown := body.keys() - _COMMAND_TYPES:
                    raise GrammarError(f"unknown key '{min(unknown)}'")
                for key, value in body.items():
                    if not isinstance(value, _COMMAND_TYPES[key]):
                        raise GrammarError(f"'{key}' must be a {_COMMAND_TYPES[key].__name__}")
                first, _, second = when.partition(", ")
                name = first.removeprefix("& ")
                if name != "else" and name not in members and not name.isdigit():
                    raise GrammarError(f"`when` is no member of {selector.kind.word}")
                free = decided[1:] if second else decided
                inner = grammar.parse(body["signature"])
                if len(inner.arguments) > len(free):
                    raise GrammarError(
                        f"{len(inner.arguments)} arguments, but {selector.name} decides {len(free)}"
                    )
                yield Command(
                    when=when,
                    values=tuple(self._decided(kernel, inner, free)),
                    result=inner.result,
                    doc=body.get("doc", ""),
                    choice=None if name == "else" else (name, self._named(name)),
                    bits=name != first,
                    second=(second, self._named(second)) if second else None,
                    eintr=body.get("eintr"),
                    blocks=body.get("blocks"),
                    hot=body.get("hot", False),
                    keeps=body.get("keeps", "nothing"),
                    refuse=body.get("refuse", ""),
                )
            except GrammarError as error:
                raise GrammarError(f"command {when or '?'}: {error}") from None

    def _decided(
        self, kernel: KernelRow, inner: grammar.Signature, free: list[int]
    ) -> Iterator[Value]:
        """A command's arguments in the places that it decides."""
        for i, argument in zip(free, inner.arguments, strict=False):
            value = self._value(i, argument, kernel.args[i], inner, self._lengths(inner))
            counted, offset = value.counted_in
            yield replace(
                value,
                length=free[value.length] if value.length >= 0 else -1,
                of=free[value.of] if value.of >= 0 else -1,
                counted_in=(free[counted] if counted >= 0 else -1, offset),
            )

    @staticmethod
    def _lengths(signature: grammar.Signature) -> dict[str, int]:
        """The names of lengths in brackets, with the argument whose length each is."""
        return {
            argument.kind.count: i
            for i, argument in enumerate(signature.arguments)
            if argument.kind.count.isidentifier()
        }

    def _value(
        self,
        i: int,
        argument: Argument,
        c: CArg,
        signature: grammar.Signature,
        lengths: dict[str, int],
        about: str | None = None,
    ) -> Value:
        """One argument; without `about` it is a command's, whose C type says nothing."""
        kind = argument.kind
        rule = kinds.rule_of(kind, self.names)
        if about is None and rule.cell and not rule.pointer:
            c = CArg(kinds.C_OF_CELL[rule.cell], c.name)
        # Addresses travel as pointers and as words, and what a command decides may be either.
        either = kind.word in ("by", "address", "mapping", "break", "const") or about is None
        if rule.pointer != c.pointer and not either:
            expected = "a pointer" if c.pointer else "no pointer"
            raise GrammarError(f"'{kind}', but the kernel's `{c}` is {expected}")
        length = of = -1
        if kind.word == "len":
            if argument.name not in lengths:
                raise GrammarError("is a length, but no argument names it in brackets")
            of = lengths[argument.name]
        elif kind.word in ("size of", "tail of", "remaining", "pages"):
            of = signature.index(kind.operand)
        if kind.count.isidentifier():
            length = signature.index(kind.count)
        else:
            for j, other in enumerate(signature.arguments):
                sized = other.kind.word in ("size of", "tail of")
                if sized and other.kind.operand == argument.name:
                    length = j
        parameter = argument.name if rule.annotation else ""
        condition = argument.condition
        default = argument.default
        if rule.engine in ("KIND_STRUCTS_OUT", "KIND_RECORDS_OUT") and rule.annotation:
            parameter = kind.count
            default = signature.arguments[signature.index(kind.count)].default
        if kind.asked:
            if default:
                raise GrammarError(f"'{kind}' has its default already: False")
            default = "False"
        positional = argument in signature.arguments
        if (
            parameter
            and not default
            and positional
            and self._can_be_left_out(argument.name, signature)
        ):
            # Whether a family's argument is needed is for the command to say.
            default = "None" if kind.optional else "0" if kind.word == "by" else ""
        return Value(
            index=i,
            name=argument.name,
            kind=kind,
            rule=rule,
            c=c,
            parameter=parameter,
            default=default,
            fallback=self._constant(kind.operand if kind.word == "const" else default, rule),
            condition=condition,
            condition_bits=tuple(self._named(bit) for bit in condition.bits) if condition else (),
            length=length,
            of=of,
            enum=self.enums.get(kind.word),
            struct=self.structs.get(kind.operand or kind.word),
            about=about or "",
            counted_in=self._counted_in(kind, signature),
            follower=self.structs[kind.follower.word] if kind.follower else None,
        )

    def _counted_in(self, kind: Kind, signature: grammar.Signature) -> tuple[int, int]:
        """Where a length stands that is the field of a struct argument."""
        name, _, field = kind.count.partition(".")
        if not field:
            return -1, 0
        place = signature.index(name)
        struct = self.structs.get(signature.arguments[place].kind.word)
        if struct is None:
            raise GrammarError(f"'{name}' is no struct")
        return place, struct.field(field).offset

    def _can_be_left_out(self, name: str, signature: grammar.Signature) -> bool:
        """Whether each later argument that Python gives has a default too."""
        return all(
            later.default
            or later.kind.optional
            or later.kind.word == "by"
            or not kinds.rule_of(later.kind, self.names).annotation
            for later in signature.arguments[signature.index(name) + 1 :]
        )

    def _named(self, name: str) -> int:
        if name.isdigit():
            return int(name)
        if name not in self.constants:
            raise GrammarError(f"there is no constant '{name}'")
        return self.constants[name]

    def _constant(self, text: str, rule: Rule) -> int:
        """The number behind a default: a literal, a constant's name, or None."""
        if not text:
            return 0
        if text in ("None", "False"):
            return rule.none or 0
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return self._named(text)
        if not isinstance(value, int):
            raise GrammarError(f"the default '{text}' is no integer and no constant")
        return value
