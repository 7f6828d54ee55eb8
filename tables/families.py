"""The calls that are many in one: each command of a family as a call of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tables import kinds
from tables.calls import Call, Command, Value
from tables.grammar import Argument, Kind, Signature
from tables.rows import TableError


def selector(call: Call) -> Value:
    """The argument that chooses among a family's commands."""
    (name,) = {value.kind.operand for value in call.values if value.kind.word == "by"}
    return call.values[call.signature.index(name)]


def variants(call: Call) -> Iterator[tuple[Command, Call]]:
    """Every command with the call that it makes of its family."""
    for command in call.commands:
        made = _variant(call, command)
        names = [value.parameter for value in made.parameters]
        for name in names:
            if names.count(name) > 1:
                raise TableError(f"{call.name}: {command.when}: two arguments are named '{name}'")
        for value in made.values:
            if not value.rule.engine:
                raise TableError(
                    f"{call.name}: {command.when}: argument '{value.name}': the C engine has no "
                    f"'{value.kind}'"
                )
        needed = [value for value in made.parameters if not value.default]
        if made.parameters[: len(needed)] != tuple(needed):
            what = "an argument without a default follows one that has one"
            raise TableError(f"{call.name}: {command.when}: {what}")
        yield command, made


def general(call: Call) -> Call:
    """The call with a command that the table does not know: plain ints and buffers.

    Where some command is for all other values (`else`), it is that one.
    """
    for command in call.commands:
        if command.choice is None:
            return _variant(call, command)
    # What a request of ioctl is about may be longer than it says: small buffers get more room.
    rule = replace(kinds.ANY, copied="both") if call.sized_requests else kinds.ANY
    values = tuple(
        replace(value, rule=rule) if value.kind.word == "by" else value for value in call.values
    )
    result = call.signature.result
    return _made(call, values, Kind("int") if result.word == "by" else result)


def _variant(call: Call, command: Command) -> Call:
    chooser = selector(call)
    given = {value.index: value for value in command.values}
    second = command.second
    values: list[Value] = []
    for value in call.values:
        if value.index == chooser.index and command.choice is not None and not command.bits:
            value = replace(value, choice=command.choice)
        elif value.kind.word == "by" and second is not None:
            value = replace(
                value, rule=kinds.WORDS["int"], kind=Kind("int"), default="", choice=second
            )
            second = None
        elif value.kind.word == "by":
            carrier = value.length
            value = given.get(value.index) or replace(
                value, rule=kinds.UNUSED, kind=Kind("unused"), default="0", fallback=0, length=-1
            )
            if carrier >= 0 and value.index in given:
                value = replace(value, length=carrier)
        values.append(value)
    made = _made(call, tuple(_without_defaults_before_the_needed(values)), command.result)
    blocks = call.blocks if command.blocks is None else command.blocks
    return replace(made, eintr=command.eintr or call.eintr, blocks=blocks)


def _without_defaults_before_the_needed(values: list[Value]) -> Iterator[Value]:
    """What can be left out of other commands can't where something follows that is needed."""
    needed = [value.index for value in values if value.parameter and not value.default]
    for value in values:
        early = value.parameter and needed and value.index < needed[-1]
        yield replace(value, default="") if early else value


def _made(call: Call, values: tuple[Value, ...], result: Kind) -> Call:
    arguments = tuple(
        Argument(value.name, value.kind, value.default, value.condition) for value in values
    )
    return replace(call, values=values, signature=Signature(arguments, result), commands=())
