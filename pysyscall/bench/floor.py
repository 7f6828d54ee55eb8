"""The floor: `floor.c`, built when it is first needed."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from pysyscall.bench import native

SOURCES = [Path(__file__).with_name(name) for name in ("floor.c", "syscall_arch.h")]


@cache
def load() -> Any:
    """The module; BenchError tells what is missing where it can't be built."""
    return native.load("pysyscall_floor", SOURCES)


@cache
def numbers_of_32_bits() -> dict[str, int]:
    """The numbers by which 32-bit programs know the calls, from the kernel's header."""
    command = [*native.compiler(), "-E", "-dM", "-"]
    text = native.run(command, "#include <asm/unistd_32.h>\n")
    return {name: int(nr) for name, nr in re.findall(r"#define __NR_(\w+) (\d+)", text)}
