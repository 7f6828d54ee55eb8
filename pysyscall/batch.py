"""Many calls in one loop in C: batches, prepared calls, and helpers for bulk.

A `Batch` records calls under their own names, and makes them in one loop in C without Python in
between. `prepare` does the same for a single call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pysyscall._fast import (
    Input,
    Recorder,  # pyright: ignore[reportAttributeAccessIssue]  # behind `Batch` alone
    Result,
    prepare,
    read_files,
    stat_many,
    write_all,
)

__all__ = [
    "Batch",
    "Input",
    "NotRun",
    "Result",
    "prepare",
    "read_files",
    "stat_many",
    "write_all",
]


class NotRun(RuntimeError):
    """Stands for the result of a call that a batch did not make, or is raised in its place."""


class Batch(Recorder):
    """Records calls, and makes them when its block is left or `run` is called.

    Each fast call is a method, with the call's own arguments. It returns a `Result`, which can be
    an argument of a later call, and has the call's result once the batch has run. `on_error` says
    what follows a call that fails: "stop" ends the run, "skip" goes on after the group of calls
    that it belongs to (see `group`; otherwise all calls for one input), "continue" goes on with
    the next call that does not need the missing result.
    """

    _tuples: list[tuple[Any, ...]] | None = None

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and not self._has_inputs:
            self._run()

    @contextmanager
    def group(self) -> Iterator[None]:
        """The calls recorded in this block are a group, which an error in one leaves ("skip")."""
        self._group(True)
        try:
            yield
        finally:
            self._group(False)

    def run(self, inputs: Iterable[Any] | None = None, /) -> list[tuple[Any, ...]] | None:
        """Make the calls: once, or for each input.

        An input is a value for the `input` of the batch, or a tuple where it has several.

        Returns: None; or a list with a tuple for each input that was begun, which holds the result
        of each call, an OSError where it failed, a NotRun where it was not made. `results` has it
        as well, also where an exception leaves this function.
        """
        if inputs is None:
            self._run()
            return None
        self._tuples = done = []
        iterator, calls = iter(inputs), len(self)
        while self._run_chunk(iterator, done, len(done)):
            self._check_unchanged(calls)
        return done

    def each(self, inputs: Iterable[Any], /) -> Iterator[tuple[Any, ...]]:
        """Make the calls for each input, and give the results one by one.

        The inputs are taken and run in chunks, as they are needed, so that the memory that this
        takes does not grow with their number.
        """
        iterator, calls, passed, more = iter(inputs), len(self), 0, True
        while more:
            self._check_unchanged(calls)
            done: list[tuple[Any, ...]] = []
            error = None
            try:
                more = self._run_chunk(iterator, done, passed)
            except BaseException as raised:
                error = raised
            passed += len(done)
            yield from done
            if error is not None:
                raise error

    def _check_unchanged(self, calls: int) -> None:
        if len(self) != calls:
            raise RuntimeError("calls were added to the batch while it ran over its inputs")

    @property
    def results(self) -> list[Any]:
        """What each call returned: an OSError where it failed, a NotRun where it was not made.

        Of a batch with inputs: a tuple of these for each input of the last `run`.
        """
        if self._has_inputs:
            return self._tuples or []
        return self._outcomes()
