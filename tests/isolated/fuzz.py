"""`fuzz.py N [SEED]`: N random calls with hostile arguments; prints the first that does harm.

Then the same calls again, to see whether they leave descriptors, references or memory behind; if
they do, it prints after which of them a worker holds more.
"""

from __future__ import annotations

import argparse
import errno
import inspect
import json
import os
import random
import re
import resource
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pysyscall
from pysyscall import table
from pysyscall._generated.names import STRUCTS
from pysyscall.table import Command, SyscallInfo

Recipe: TypeAlias = Any  # see hostile.py
Call: TypeAlias = tuple[str, list[Recipe], dict[str, Recipe]]

# Ending a thread by force, as `exit` does with a true second argument, ends the worker too.
CALLS = tuple(
    call for call in table.calls() if call.binding in ("fast", "wrapped") and call.name != "exit"
)

ERRNOS = (0, errno.EPERM, errno.EINVAL, errno.ENOSYS, errno.ERANGE)
"""What the calls get from the filter, a worker each; EINVAL and ERANGE may ask for more room."""

SLACK = 30
"""Blocks of memory that a worker's interpreter may take for its caches. Of 200,000 calls it makes
40,000, in which less than one lost block in a thousand calls is enough."""

PASSES = 10
"""How often the calls are made again until a pass grows by no more than that."""

PATIENCE = 60
"""How many seconds a call may take that never reaches the kernel."""

SABOTAGED = ["list", "bytearray", "__buffer__ empties", "bytearray", "bytearray", "bytearray"]

PLAUSIBLE: dict[str, tuple[Recipe, ...]] = {
    "out bytes": (16, "bytearray", 2**31, "mmap"),
    "in bytes": ("bytes", "bytearray", "mmap"),
    "path": ("str", "Path", "Latin"),
    "string": ("str", "bytes"),
    "out iovec": ("iovec", ["list", "bytearray", "memoryview"], SABOTAGED),
    "in iovec": ("readable iovec", ["tuple", "bytes", "bytearray"], SABOTAGED),
    "in sockaddr": ("SockaddrIn", "SockaddrUn with path"),
    "in option": (1, "bytes"),
    "out option": ("None", 16, "bytearray", "struct type"),
    "in msghdr": ("bytes", "readable iovec", "Message", "message saboteurs"),
    "inout mmsghdr": (["list", "Message", "bytes"], ["tuple", "readable iovec"], "2000 buffers"),
    "out msghdr": (16, "bytearray", "iovec", 2**31, SABOTAGED),
    "out mmsghdr": (["list", 16, "bytearray"], ["tuple", "iovec", 0], ["list", SABOTAGED]),
    "room": (0, 24, 300, 5000, 2**27),
    "in timespec": (1, "0.5", "Timespec"),
    "in cpuset": ("range", "set"),
    "in sigset": ("signals", "range", "set"),
    "in siginfo": ("Siginfo", "SiginfoQueue", "SiginfoFault"),
    "argv": ("strings", "2000 strings", "string saboteurs", ["tuple", "str", "Path"]),
    "envp": ("environment", "bytes environment", "environment of 0", "mapping saboteurs", "dict"),
    "in gid[": ("ids", "20000 ids", "number saboteurs", ["list", 1, "__index__ returns 0"]),
    "mapping": ("Mapping",),
    "address": (0, 4096, "Mapping", "part of a Mapping"),
    "in nodemask": ("range", "set"),
    "inout timespec": (1, "0.5", "Timespec"),
    "inout timeval": (1, "0.5", "Timeval"),
    "inout fdset": ("range", "set", "long range", ["list", "fileno returns 0", "fileno empties"]),
    "in msgbuf": (["tuple", 1, "bytes"], ["tuple", "__index__ returns 3", "bytearray"]),
    "in pointers Iocb": (["list", "Iocb", "Iocb"], ["tuple", "Iocb with a buffer", "Iocb"]),
    "inout PollFd": ("polls", "2000 polls", "poll saboteurs", ["list", "PollFd"]),
}
"""Arguments that get through the conversion, by how the argument's kind begins."""

INTEGERS: tuple[Recipe, ...] = (0, 1, 2, 0o100, -1, "fileno returns 0", "fileno empties")
"""The same for every other kind."""


ROOM = 2**30
"""How many bytes of address space a worker gets beyond those it starts with."""


class Died(AssertionError):
    """A call ended the process that made it."""


class Worker:
    """A child that makes calls and survives them."""

    def __init__(self, answer: int) -> None:
        self.answer = answer
        package = Path(pysyscall.__file__).parents[1]
        self.child = subprocess.Popen(
            # The development mode fills freed memory and watches the ends of each block.
            [
                sys.executable,
                "-Xdev",
                "-Wignore",
                Path(__file__).with_name("worker.py"),
                str(answer),
            ],
            env={**os.environ, "PYTHONPATH": str(package)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.names: list[str] = self._read("start")
        # A buffer as large as can be comes back whole where the kernel does not shorten it.
        pages = int(Path(f"/proc/{self.child.pid}/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + ROOM
        resource.prlimit(self.child.pid, resource.RLIMIT_AS, (limit, limit))
        # Some calls would do harm, were it not for the filter. getpid() gets no error from the
        # kernel, close(-1) does; the worker itself complains where an error should have come.
        name, args = ("getpid", []) if answer else ("close", [-1])
        outcome = self.call(name, args, {})
        assert answer or outcome == "NoneType", f"the filter is open: {name} gave {outcome}"

    def _read(self, what: str) -> Any:
        assert self.child.stdout is not None
        if not select.select([self.child.stdout], [], [], PATIENCE)[0]:
            self.child.kill()
            raise Died(f"{what}: no answer within {PATIENCE} seconds")
        line = self.child.stdout.readline()
        if not line:
            raise Died(f"{what}: the worker ended with {self.child.wait()}")
        return json.loads(line)

    def call(self, name: str, args: list[Recipe], kwargs: dict[str, Recipe]) -> str:
        """What came of a call; AssertionError where that must not be."""
        assert self.child.stdin is not None
        what = json.dumps([name, args, kwargs])
        print(what, file=self.child.stdin, flush=True)
        outcome: str = self._read(what)
        assert not outcome.startswith("wrong"), f"{what}: {outcome}"
        return outcome

    def held(self) -> Counter[str]:
        """How many of what the worker holds."""
        assert self.child.stdin is not None
        print('"held"', file=self.child.stdin, flush=True)
        return Counter(self._read("held"))

    def close(self) -> None:
        self.child.communicate()


def plausible(kind: str) -> tuple[Recipe, ...]:
    if kind.startswith("out ") and kind.endswith("?"):
        return "True", "False"
    found = next((recipes for start, recipes in PLAUSIBLE.items() if kind.startswith(start)), ())
    if parts := re.fullmatch(r"(in|inout|out) ([A-Z]\w*)(\[\w+\])?\??", kind.partition(" + ")[0]):
        direction, name, several = parts.groups()
        fields = ["fields", name]
        if name not in STRUCTS:
            found = found or INTEGERS
        elif direction == "out":
            found = (1, 5000, 2**31 - 1)
        elif several:
            found = (*found, ["list", name, fields], ["iterator", fields, fields], ["tuple"])
        else:
            found = (name, fields)
    found = found or INTEGERS
    return (*found, "None") if kind.endswith("?") else found


def random_recipe(source: random.Random, names: list[str], kind: str, depth: int = 0) -> Recipe:
    chance = source.random()
    if chance < 0.75:
        return source.choice(plausible(kind))
    if chance < 0.8:
        return source.choice((1, -1)) * (2 ** source.randrange(70) + source.randrange(-2, 3))
    if chance < 0.95 or depth == 2:
        return source.choice(names)
    items = [random_recipe(source, names, kind, depth + 1) for _ in range(source.randrange(5))]
    return [source.choice(("list", "tuple", "iterator")), *items]


def shape(call: SyscallInfo, command: Command | None = None) -> dict[str, str | int]:
    """The kind of each parameter of a call, or the value that the command says."""
    if call.binding == "wrapped":
        known = {argument.name: argument.kind for argument in call.arguments}
        names = inspect.signature(getattr(pysyscall, call.name)).parameters
        return {name: known.get(name, "") for name in names}
    if command is None:
        return {a.parameter: a.kind for a in call.parameters}
    chosen, _, second = command.when.partition(", ")
    fixed = [number_of(name) for name in (second,) if name]
    decided = [*fixed, *(f"{name}: {kind}" for name, kind in command.arguments)]
    found: dict[str, str | int] = {}
    for argument in call.arguments:
        if argument.kind.startswith("by "):
            kind = decided.pop(0) if decided else 0
            name, _, kind = kind.partition(": ") if isinstance(kind, str) else ("", "", kind)
            if not re.match("len|const|null|size of|out (?!bytes|iovec)", str(kind)):
                found[name or argument.parameter] = kind
        elif argument.enum and f"by {argument.name}" in {a.kind for a in call.arguments}:
            found[argument.parameter] = number_of(chosen)
            if call.packed is not None:
                found[call.packed.parameter] = call.packed.kind
        elif argument.parameter:
            found[argument.parameter] = argument.kind
    return found


def number_of(name: str) -> int:
    name = name.removeprefix("& ")
    return int(name) if name.isdigit() else int(getattr(pysyscall, name, 0))


SHAPES = tuple(
    (call, shape(call, command)) for call in CALLS for command in (call.commands or (None,))
)
"""Every call, and every command of those that have some."""


def random_call(source: random.Random, names: list[str]) -> Call:
    call, kinds = source.choice(SHAPES)
    given = {
        name: kind if isinstance(kind, int) else random_recipe(source, names, kind)
        for name, kind in kinds.items()
    }
    if source.random() < 0.05:
        given[source.choice(("unknown", "\udc80", "fd", "self"))] = 0
    if given and source.random() < 0.1:
        del given[source.choice(tuple(given))]
    most = len(given) - len(call.options) * (source.random() < 0.9)
    positional = most if source.random() < 0.8 else source.randrange(len(given) + 1)
    pairs = list(given.items())
    return call.name, [recipe for _, recipe in pairs[:positional]], dict(pairs[positional:])


def random_calls(count: int, seed: int, workers: list[Worker]) -> Iterator[tuple[Worker, Call]]:
    source = random.Random(seed)
    for _ in range(count):
        worker = source.choice(workers)
        yield worker, random_call(source, worker.names)


def growth(worker: Worker, before: Counter[str]) -> dict[str, int]:
    """What the worker holds that it did not hold before, and should not."""
    now = worker.held()
    grown = {what: now[what] - before[what] for what in now}
    return {what: n for what, n in grown.items() if (n >= SLACK if what == "blocks" else n)}


def suspects(worker: Worker, calls: Iterable[Call]) -> str:
    """The functions after which the worker holds most more, each of their calls made ten times."""
    groups: dict[str, list[Call]] = {}
    for call in calls:
        groups.setdefault(call[0], []).append(call)
    grown: Counter[str] = Counter()
    for name, group in groups.items():
        before = worker.held()
        for call in group * 10:
            worker.call(*call)
        grown[name] = (worker.held() - before).total()
    return ", ".join(f"{name} ({n})" for name, n in grown.most_common(5))


def repeat(count: int, seed: int, workers: list[Worker]) -> None:
    """Makes the calls once more; AssertionError where workers grow each time."""
    # What filled a cache is not taken again: without a leak each pass grows less than the last.
    for _ in range(PASSES):
        before = [worker.held() for worker in workers]
        for worker, call in random_calls(count, seed, workers):
            worker.call(*call)
        grown = list(map(growth, workers, before))
        if not any(grown):
            return
    worker, more = next(pair for pair in zip(workers, grown, strict=True) if pair[1])
    own = (call for other, call in random_calls(count, seed, workers) if other is worker)
    raise AssertionError(f"errno {worker.answer}: {more} more, most by {suspects(worker, own)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("seed", type=int, nargs="?", default=time.time_ns())
    options = parser.parse_args()
    print(f"seed {options.seed}")
    workers = [Worker(answer) for answer in ERRNOS]
    calls = random_calls(options.count, options.seed, workers)
    outcomes = Counter(worker.call(*call) for worker, call in calls)
    print(", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())))
    repeat(options.count, options.seed, workers)
    print("once more: nothing grew")
    for worker in workers:
        worker.close()


if __name__ == "__main__":
    main()
