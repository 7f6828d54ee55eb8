"""The floor: `floor.c`, built when it is first needed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pysyscall.bench import native as compiled
from pysyscall.bench.statements import Loop

SOURCES = [Path(__file__).with_name(name) for name in ("floor.c", "syscall_arch.h")]


@cache
def load() -> Any:
    """The module; BenchError tells what is missing where it can't be built."""
    return compiled.load("pysyscall_floor", SOURCES)


def set_call(nr: int, words: Sequence[int]) -> None:
    """What the module's functions do from now on."""
    load().set_call(nr, *words, *[0] * (6 - len(words)))


def native(nr: int, words: Sequence[int], run: Callable[[int], None] | None = None) -> Loop:
    """The call in a loop in C (the bare instruction, or `run` of the module), timed from here."""
    repeat = run or load().loop

    def timed(count: int) -> int:
        set_call(nr, words)
        start = time.perf_counter_ns()
        repeat(count)
        return time.perf_counter_ns() - start

    return timed


@cache
def numbers_of_32_bits() -> dict[str, int]:
    """The numbers by which 32-bit programs know the calls, from the kernel's header."""
    command = [*compiled.compiler(), "-E", "-dM", "-"]
    text = compiled.run(command, "#include <asm/unistd_32.h>\n")
    return {name: int(nr) for name, nr in re.findall(r"#define __NR_(\w+) (\d+)", text)}
