"""The language of a row's signature: text to syntax tree, with no knowledge of what the words mean.

    signature = "(" [argument {"," argument}] [";" argument {"," argument}] ")" "->" result
    argument  = name ":" kind ["=" default ["if" name "&" bits]]
    kind      = ["in" | "out" | "inout"] word [operand] ["[" count "]"] ["?"] ["+" kind]
    operand   = an argument after `size of`, `tail of`, `remaining`, `pages`, `by`; a value after
                `const`; a struct after `records`, `pointers`
    result    = word | "count of" name | "ready of" name | "signal of" name | "by" name
    count     = number | name of the argument that carries the length | struct argument "." field
                | after "+": [field "of"] field
    bits      = FLAG | "(" FLAG {"|" FLAG} ")"

What follows a semicolon is no argument of the kernel's: Python gives it by name, and it shapes one
of the others.

`kinds.py` says what each word means; `calls.py` checks a signature against the kernel's.
"""

import re
from dataclasses import dataclass

from tables.rows import TableError

DIRECTIONS = ("in", "out", "inout")
RELATIONS = ("size of", "tail of", "count of", "ready of", "signal of")
PREFIXES = ("const", "by", "remaining", "pages", "records", "pointers")


class GrammarError(TableError):
    """A signature that can't be read, or that says something impossible."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What an argument is: `out bytes[count]`, `size of how`, `in Rlimit?`."""

    word: str
    direction: str = ""
    operand: str = ""
    count: str = ""
    optional: bool = False
    follower: "Kind | None" = None
    """The array behind a struct that has its length: in the first field of `count`, or how many
    are filled in there and how many there is room for in the second."""

    @property
    def asked(self) -> bool:
        """Whether it comes back only where Python asks for it: `out Rusage?`."""
        return self.optional and self.direction == "out"

    def __str__(self) -> str:
        text = " ".join(part for part in (self.direction, self.word, self.operand) if part)
        text += (f"[{self.count}]" if self.count else "") + ("?" if self.optional else "")
        return f"{text} + {self.follower}" if self.follower else text


@dataclass(frozen=True, slots=True)
class Condition:
    """When a default holds: `flags & (O_CREAT | O_TMPFILE)`."""

    argument: str
    bits: tuple[str, ...]

    def __str__(self) -> str:
        bits = " | ".join(self.bits)
        return f"{self.argument} & " + (f"({bits})" if len(self.bits) > 1 else bits)


@dataclass(frozen=True, slots=True)
class Argument:
    name: str
    kind: Kind
    default: str = ""
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    arguments: tuple[Argument, ...]
    result: Kind
    options: tuple[Argument, ...] = ()
    """What Python gives beyond the kernel's arguments, by name alone."""

    def index(self, name: str) -> int:
        for i, argument in enumerate(self.arguments):
            if argument.name == name:
                return i
        raise GrammarError(f"there is no argument '{name}'")


_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_ARGUMENT = re.compile(
    rf"(?P<name>{_NAME})\s*:\s*(?P<kind>[^=]+?)"
    rf"(?:\s*=\s*(?P<default>.+?)(?:\s+if\s+(?P<when>{_NAME})\s*&\s*(?P<bits>[^&]+))?)?"
)
_KIND = re.compile(
    rf"(?:(?P<direction>in|out|inout)\s+)?"
    rf"(?P<word>(?:size|tail|count|ready|signal)\s+of|{_NAME})"
    rf"(?:\s+(?P<operand>{_NAME}|-?\d+|0x[0-9a-f]+))?"
    rf"(?:\s*\[\s*(?P<count>{_NAME}(?:\.{_NAME}|\s+of\s+{_NAME})?|\d+)\s*\])?"
    rf"\s*(?P<optional>\?)?"
)


def parse_kind(text: str) -> Kind:
    text, plus, behind = text.partition("+")
    match = _KIND.fullmatch(text.strip())
    if match is None:
        raise GrammarError(f"'{text.strip()}' is not a kind")
    word = " ".join(match["word"].split())
    if word in DIRECTIONS:
        raise GrammarError(f"'{word}' is a direction; say of what")
    takes_operand = word in RELATIONS or word in PREFIXES
    if takes_operand != bool(match["operand"]):
        raise GrammarError(
            f"'{word}' needs something after it"
            if takes_operand
            else f"'{text.strip()}' is not a kind: '{word}' takes nothing after it"
        )
    return Kind(
        word=word,
        direction=match["direction"] or "",
        operand=match["operand"] or "",
        count=match["count"] or "",
        optional=bool(match["optional"]),
        follower=parse_kind(behind) if plus else None,
    )


def _parse_argument(text: str) -> Argument:
    match = _ARGUMENT.fullmatch(text.strip())
    if match is None:
        raise GrammarError(f"'{text.strip()}' is not an argument; write `name: kind`")
    condition = None
    if match["when"]:
        bits = match["bits"].strip().removeprefix("(").removesuffix(")")
        condition = Condition(match["when"], tuple(bit.strip() for bit in bits.split("|")))
    return Argument(match["name"], parse_kind(match["kind"]), match["default"] or "", condition)


def _parse_arguments(text: str) -> tuple[Argument, ...]:
    return tuple(map(_parse_argument, text.split(","))) if text.strip() else ()


def parse(text: str) -> Signature:
    """Read one signature; GrammarError tells what can't be read."""
    match = re.fullmatch(r"\((?P<arguments>.*)\)\s*->\s*(?P<result>.+)", text.strip(), re.DOTALL)
    if match is None:
        raise GrammarError("a signature is written `(name: kind, ...) -> result`")
    own, _, extra = match["arguments"].partition(";")
    arguments, options = _parse_arguments(own), _parse_arguments(extra)
    names = [argument.name for argument in (*arguments, *options)]
    for name in names:
        if names.count(name) > 1:
            raise GrammarError(f"argument '{name}' stands there twice")
    if len(arguments) > 6:
        raise GrammarError(f"{len(arguments)} arguments, but a system call has six at most")
    return Signature(arguments, parse_kind(match["result"]), options)
