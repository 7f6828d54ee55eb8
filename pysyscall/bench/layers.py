"""What lies between a call's least cost and its cost in Python, layer by layer.

The C loop makes the bare instruction again and again. The floor is a builtin that does so once,
with nothing to convert: what no function of Python can go below. One that also gives what was asked
for can't go below the floor with a result. Above it lies what each way of making the call adds of
its own.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pysyscall
from pysyscall import table
from pysyscall._generated.wrapped import CALLS
from pysyscall._raw import lib
from pysyscall.bench import floor
from pysyscall.bench.errors import BenchError
from pysyscall.bench.measure import Limits, Times, in_turns, quartiles
from pysyscall.bench.shapes import Shape, registers
from pysyscall.bench.statements import Loop, Space, loop, value
from pysyscall.calls._kernel import enter

EMPTY = "an empty loop"
NOTHING = "a builtin that does nothing"
DOOR = "C loop: a number that no call has"
INT80 = "C loop: the same by int 0x80"
NATIVE = "C loop: the bare instruction"
VDSO = "C loop: through the vDSO"
FLOOR = "the floor: a builtin with constants"
MADE = "the floor, and a result made"
RELEASED = "the floor, and the GIL released"
OURS = "pysyscall"
WRAPPED = "a call typed in Python"
RAW = "pysyscall.raw.syscall"
THEIRS = "the standard library"
CFFI = "cffi, API mode"
CTYPES = "ctypes, libc's syscall()"
CORE = (NATIVE, FLOOR, MADE, RELEASED, OURS, THEIRS)
"""The layers that `--all` measures of every call."""
FILTERS = {
    "under a filter that allows all": "all",
    "under a filter that reads an argument": "argument",
}


@dataclass(frozen=True, slots=True)
class Layers:
    """The times of one call's layers, those under seccomp filters, and what is missing and why."""

    shape: Shape
    times: dict[str, Times]
    filtered: dict[str, dict[str, float]]
    missing: dict[str, str]

    def ratio(self, above: str, below: str) -> tuple[float, float, float]:
        """Quartiles of how many times as long the first takes."""
        return quartiles(self.times[above], self.times[below])

    def parts(self) -> dict[str, dict[str, float]]:
        """Each layer's least time as a sum."""
        least = {name: times.least for name, times in self.times.items()}
        bottom = VDSO if VDSO in least else NATIVE
        door = 0.0 if VDSO in least else least[DOOR]
        pieces = {
            "the loop": least[EMPTY],
            "calling a builtin": least[NOTHING] - least[EMPTY],
            "the door to the kernel": door,
            "the call itself": least[bottom] - door,
            "a cold processor": least[FLOOR] - least[NOTHING] - least[bottom],
        }
        pieces = {name: max(0.0, ns) for name, ns in pieces.items()}
        shown = {
            NOTHING: {name: pieces[name] for name in ("the loop", "calling a builtin")},
            bottom: {name: pieces[name] for name in ("the door to the kernel", "the call itself")},
            FLOOR: pieces,
        }
        for name in (MADE, RELEASED, OURS, WRAPPED, RAW, THEIRS, CFFI, CTYPES):
            if name in least:
                own = max(0.0, least[name] - sum(pieces.values()))
                shown[name] = pieces | {"what it adds": own}
        return shown


def measure(shape: Shape, space: Space, limits: Limits, *, core: bool = False) -> Layers:
    """All layers of a call, or those of `CORE`."""
    with registers(shape, space) as words, _wrapped_too(shape):
        call = _Call(shape, space, words)
        loops = call.loops()
        if core:
            loops = {name: run for name, run in loops.items() if name in CORE}
        times = dict(zip(loops, in_turns(list(loops.values()), limits), strict=True))
        filtered = {} if core else _filtered(call, loops, limits)
    return Layers(shape, times, filtered, call.missing)


class _Call:
    """One call's loops. The floor's registers are set again before each round, outside its time."""

    def __init__(self, shape: Shape, space: Space, words: tuple[int, ...]) -> None:
        self.shape = shape
        self.space = space
        self.words = words
        self.nr = shape.info.number
        self.floor = floor.load()
        self.missing: dict[str, str] = {}
        self.example = _plain(value(shape.ours, space))
        floor.set_call(self.nr, self.words)
        result = self.floor.once()
        if result < 0:
            raise BenchError(f"{shape.name} fails here: {os.strerror(-result)}")

    def _native(self, nr: int, run: Callable[[int], None]) -> Loop:
        return floor.native(nr, self.words, run)

    def _through(self, function: str) -> Loop:
        """The statement of ours, with a function of the floor in the place of our call."""
        name = self.shape.ours.partition("(")[0]
        statement = self.shape.ours.replace(name, f"floor.{function}", 1)
        run = loop(statement, {**self.space, "floor": self.floor})

        def timed(count: int) -> int:
            floor.set_call(self.nr, self.words)
            self.floor.set_example(self.example)
            return run(count)

        return timed

    def _with_numbers(self, function: Callable[..., Any], *before: int | str) -> Loop:
        """A way that takes the registers as numbers."""
        numbers = ", ".join(map(repr, (*before, *self.words)))
        return loop(f"function({numbers})", {"function": function})

    def loops(self) -> dict[str, Loop]:
        no_such = max(info.number for info in table.calls()) + 1000
        made: dict[str, Loop] = {
            EMPTY: loop("pass", {}),
            NOTHING: self._through("nothing"),
            DOOR: self._native(no_such, self.floor.loop),
            NATIVE: self._native(self.nr, self.floor.loop),
        }
        if (run := self._by_int80()) is not None:
            made[INT80] = run
        made[FLOOR], made[MADE] = self._through("held"), self._through("held_made")
        if self.shape.info.vdso:
            if self.floor.set_vdso(f"__vdso_{self.shape.name}"):
                made[VDSO] = self._native(self.nr, self.floor.loop_vdso)
                made[FLOOR], made[MADE] = self._through("vdso"), self._through("vdso_made")
            else:
                self.missing[VDSO] = "this kernel offers none"
        if self.shape.info.blocks:
            made[RELEASED] = self._through("released")
        made[OURS] = loop(self.shape.ours, self.space)
        made[WRAPPED] = self._with_numbers(_wrapper(self.shape.name))
        made[RAW] = self._with_numbers(pysyscall.raw.syscall, self.nr)
        made[THEIRS] = loop(self.shape.theirs, self.space)
        made[CFFI] = self._with_numbers(getattr(lib, f"syscall{len(self.words)}"), self.nr)
        made[CTYPES] = self._with_numbers(_libc_syscall(len(self.words)), self.nr)
        return made

    def _by_int80(self) -> Loop | None:
        nr = floor.numbers_of_32_bits().get(self.shape.narrow)
        if nr is None:
            self.missing[INT80] = "32-bit programs have no such call of this form"
            return None
        # A kernel without the 32-bit door kills the caller.
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGSEGV, signal.SIG_DFL)
            os._exit(self.floor.once_int80(nr) < 0)
        if os.waitpid(child, 0)[1] != 0:
            self.missing[INT80] = "this kernel does not offer it"
            return None
        return self._native(self.nr, lambda count: self.floor.loop_int80(count, nr))


def _plain(result: Any) -> Any:
    """The same, with the bytes of structs in their place: the least that can hold one."""
    if isinstance(result, (tuple, list)):
        return type(result)(map(_plain, result))
    is_struct = hasattr(result, "from_bytes") and not isinstance(result, int)
    return bytes(result) if is_struct else result


def _wrapper(name: str) -> Callable[..., int]:
    def wrapped(*words: int) -> int:
        return enter(name, *words)

    return wrapped


@contextmanager
def _wrapped_too(shape: Shape) -> Iterator[None]:
    """Lets calls/_kernel.py make this call, though it is typed in C."""
    known = shape.name in CALLS
    CALLS.setdefault(shape.name, (shape.info.number, shape.info.since, shape.info.eintr))
    try:
        yield
    finally:
        if not known:
            del CALLS[shape.name]


def _libc_syscall(count: int) -> Callable[..., int]:
    function = ctypes.CDLL(None).syscall
    function.restype = ctypes.c_long
    function.argtypes = [ctypes.c_long] * (count + 1)
    return function


def _filtered(call: _Call, loops: dict[str, Loop], limits: Limits) -> dict[str, dict[str, float]]:
    """The instruction, ours and the library's in children that seccomp watches."""
    chosen = {name: loops[name] for name in (NATIVE, OURS, THEIRS)}
    told: dict[str, dict[str, float]] = {}
    for name, kind in FILTERS.items():

        def work(kind: str = kind) -> dict[str, float]:
            _watch(kind)
            times = in_turns(list(chosen.values()), limits)
            return {way: one.least for way, one in zip(chosen, times, strict=True)}

        answer = _in_child(work)
        if isinstance(answer, str):
            call.missing[name] = answer
        else:
            told[name] = answer
    return told


def _watch(kind: str) -> None:
    """Put this process under a filter that lets everything pass."""
    ps: Any = pysyscall
    allow = (ps.BPF_RET | ps.BPF_K, 0, 0, ps.SECCOMP_RET_ALLOW)
    # The kernel remembers what a filter says that only looks at the number, but not this one.
    read = (ps.BPF_LD | ps.BPF_W | ps.BPF_ABS, 0, 0, 16)
    ps.prctl(ps.PR_SET_NO_NEW_PRIVS)
    ps.seccomp(ps.SECCOMP_SET_MODE_FILTER, 0, [allow] if kind == "all" else [read, allow])


def _in_child(work: Callable[[], dict[str, float]]) -> dict[str, float] | str:
    """What `work` tells in a process of its own, or why it can't."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            try:
                answer: dict[str, float] | str = work()
            except OSError as error:
                answer = str(error)
            os.write(writer, json.dumps(answer).encode())
        finally:
            os._exit(0)
    os.close(writer)
    try:
        with os.fdopen(reader, "rb") as pipe:
            told = pipe.read()
    finally:
        os.waitpid(child, 0)
    if not told:
        return "the child that measured it died"
    told_back: dict[str, float] | str = json.loads(told)
    return told_back
