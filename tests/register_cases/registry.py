"""How a call's cases are written down: a generator of `case`, marked with the call's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from samples import Case
from tracee import Expectation, Word

Maker: TypeAlias = Callable[[], Iterator[Case]]

CASES: dict[str, Maker] = {}
"""What makes the cases of a call, by its name."""


def cases_of(name: str) -> Callable[[Maker], Maker]:
    """Decorates the function that makes the cases of this call."""

    def keep(maker: Maker) -> Maker:
        assert name not in CASES, f"{name} has cases already"
        CASES[name] = maker
        return maker

    return keep


def case(*args: Any, to: tuple[Expectation | int, ...] = (), **kwargs: Any) -> Case:
    """A call with these arguments, that enters the kernel with `to`, then zeros, in registers."""
    words = [Word(each) if isinstance(each, int) else each for each in to]
    return Case(args, kwargs, (*words, *[Word(0)] * (6 - len(words))))
