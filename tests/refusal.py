"""What tests of bad input share: where to put it, what to expect, and objects that misbehave."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

import pysyscall
from pysyscall import table

# What a family's call takes is its command's to say: see test_families.py.
CALLS = [call for call in table.calls() if call.binding == "fast" and not call.commands]
HUGE = 10**5000

# What to give for the arguments before the one that is tested, by the beginning of the kind.
HARMLESS: dict[str, Any] = {
    "path": "missing",
    "string": "name",
    "in bytes": b"",
    "out bytes": 1,
    "in iovec": [],
    "out iovec": [],
    "inout PollFd": [],
    "in sockaddr": pysyscall.Sockaddr(),
    "in option": 0,
    "in msghdr": b"",
    "out msghdr": 1,
    "inout mmsghdr": [],
    "out mmsghdr": [],
    "in timespec": 0,
    "uint": 2**31,
    "in sigset": (),
    "in siginfo": pysyscall.Siginfo(),
    "argv": (),
    "envp": {},
    "mapping": pysyscall.mmap(None, 4096, 3, pysyscall.MAP_PRIVATE | pysyscall.MAP_ANONYMOUS),
    "fd": -1,
    "": 0,
}


@dataclass(frozen=True)
class Place:
    """One parameter of one call, and arguments for those before it."""

    call: str
    parameter: str
    before: tuple[Any, ...]
    after: tuple[str, ...]
    nullable: bool = False

    def refuses(self, given: object, error: type[Exception], message: str) -> None:
        """Arguments after `given` are converted later, so anything will do for them."""
        text = re.escape(f"{self.call}() argument '{self.parameter}' ")
        rest = {name: object() for name in self.after}
        with pytest.raises(error, match=f"^{text}{message}$"):
            getattr(pysyscall, self.call)(*self.before, given, **rest)


def harmless(argument: table.Argument) -> Any:
    if argument.struct and argument.kind.startswith(("in ", "inout ")):
        count = re.search(r"\[(.*)\]", argument.kind)
        one = getattr(pysyscall, argument.struct)()
        return [one] * (int(count[1]) if count[1].isdigit() else 0) if count else one
    return next(value for kind, value in HARMLESS.items() if argument.kind.startswith(kind))


def places(kinds: Sequence[str]) -> Iterator[Place]:
    """Each parameter whose kind begins with one of these words."""
    for call in CALLS:
        arguments = [argument for argument in call.arguments if argument.parameter]
        names = tuple(argument.parameter for argument in arguments)
        plain = tuple(map(harmless, arguments))
        for k, argument in enumerate(arguments):
            if any(re.match(rf"{kind}\b", argument.kind) for kind in kinds):
                nullable = argument.kind.endswith("?")
                yield Place(call.name, names[k], plain[:k], names[k + 1 :], nullable)


@dataclass(frozen=True)
class Refusal:
    """What arguments of some kinds do not accept; `{type}` in the message is the type given."""

    what: str
    kinds: Sequence[str]
    given: Sequence[object]
    error: type[Exception]
    message: str


def refusals(*rules: Refusal) -> pytest.MarkDecorator:
    """Parametrizes `test(place, rule)`: each rule at each place that it is for."""
    cases = [
        pytest.param(place, rule, id=f"{place.call}-{place.parameter}-{rule.what}")
        for rule in rules
        for place in places(rule.kinds)
    ]
    return pytest.mark.parametrize(("place", "rule"), cases)


def check(place: Place, rule: Refusal) -> None:
    for given in rule.given:
        if given is None and place.nullable:
            continue
        shown = type(given).__name__.removesuffix("Type")
        place.refuses(given, rule.error, rule.message.replace("{type}", shown))


def complaint(text: str) -> str:
    """The error that is written `call argument: what it must`."""
    place, _, rest = text.partition(": ")
    call, argument = place.split()
    return f"{call}() argument '{argument}' must {rest}"


class Fileno:
    def __init__(self, answer: Callable[[], Any]) -> None:
        self.answer = answer

    def fileno(self) -> Any:
        return self.answer()


class Index:
    def __init__(self, answer: Callable[[], Any]) -> None:
        self.answer = answer

    def __index__(self) -> Any:
        return self.answer()


class Fspath:
    def __init__(self, answer: Callable[[], Any]) -> None:
        self.answer = answer

    def __fspath__(self) -> Any:
        return self.answer()


class Trouble(Exception):
    pass


def trouble() -> Any:
    raise Trouble
