"""Measures a pair: the standard library's call beside ours."""

from __future__ import annotations

from dataclasses import dataclass

from pysyscall.bench.errors import Skip
from pysyscall.bench.measure import Limits, Times, in_turns, quartiles
from pysyscall.bench.pairs import Pair
from pysyscall.bench.statements import Space, loop, value


@dataclass(frozen=True, slots=True)
class Result:
    """A pair's times. The ratio says how many times as fast ours is; `low` to `high` its spread."""

    pair: Pair
    theirs: Times
    ours: Times
    low: float
    ratio: float
    high: float

    @property
    def slower(self) -> bool:
        """Whether ours is slower, beyond the spread."""
        return self.high < 1

    @property
    def trouble(self) -> str:
        return self.ours.trouble or self.theirs.trouble


def measure(pair: Pair, space: Space, limits: Limits) -> Result:
    """Both sides in turns; Skip where one of them can't be had or does not work here."""
    for statement in (pair.theirs, pair.ours):
        try:
            value(statement, space)
        except OSError as error:
            raise Skip(f"{statement} fails here: {error}") from None
    theirs, ours = in_turns([loop(pair.theirs, space), loop(pair.ours, space)], limits)
    return Result(pair, theirs, ours, *quartiles(theirs, ours))
