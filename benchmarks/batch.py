"""Batches, prepared calls and bulk helpers beside what they replace: `python benchmarks/batch.py`.

What is compared runs in turns in one process, in many short rounds. A time is the least of its
rounds, as the machine's noise only ever adds; the ratio is the median of those of neighbouring
rounds, its spread their quartiles. The loop in C that batches are measured by is compiled for it.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pysyscall
from pysyscall.batch import Batch, prepare, read_files, stat_many
from pysyscall.bench.environment import conditions

LOOP = r"""
#include <stdint.h>
#include <time.h>

static long enter(long nr, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

int64_t loop(long nr, long a, long b, long c, long count)
{
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (long k = 0; k < count; k++)
        enter(nr, a, b, c);
    clock_gettime(CLOCK_MONOTONIC, &to);
    return (to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec;
}
"""

CALLS = 1000
FILES = 10_000


def native(folder: Path) -> Callable[..., int]:
    """The C loop: nanoseconds for `count` calls."""
    source, library = folder / "loop.c", folder / "loop.so"
    source.write_text(LOOP)
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
    loop = ctypes.CDLL(str(library)).loop
    loop.restype, loop.argtypes = ctypes.c_int64, [ctypes.c_long] * 5
    return lambda *args: int(loop(*args))


def timed(function: Callable[[], object]) -> Callable[[], int]:
    def run() -> int:
        start = time.perf_counter_ns()
        function()
        return time.perf_counter_ns() - start

    return run


def compare(
    name: str, theirs: Callable[[], int], ours: Callable[[], int], calls: int, rounds: int
) -> None:
    """Prints nanoseconds a call, and how many times as fast ours is."""
    pairs = [(theirs(), ours()) for _ in range(rounds)]
    low, middle, high = statistics.quantiles([a / b for a, b in pairs], n=4)
    first, second = (min(side) / calls for side in zip(*pairs, strict=True))
    print(
        f"{name:44}{first:9.0f}{second:9.0f}{first / second:8.2f}{middle:8.2f}"
        f"  {low:.2f} to {high:.2f}",
        flush=True,
    )


def batches(loop: Callable[..., int], null: int) -> None:
    text = b"x"
    address = ctypes.cast(ctypes.c_char_p(text), ctypes.c_void_p).value or 0
    for name, args, numbers in (
        ("getppid", (), (0, 0, 0)),
        ("write", (null, text), (null, address, 1)),
    ):
        b = Batch()
        for _ in range(CALLS):
            getattr(b, name)(*args)
        function, bound = getattr(pysyscall, name), prepare(getattr(pysyscall, name), *args)
        number = pysyscall.Sysno[name]

        def plain(function: Any = function, args: Any = args) -> None:
            for _ in range(CALLS):
                function(*args)

        def prepared(bound: Any = bound) -> None:
            for _ in range(CALLS):
                bound()

        in_c = lambda: loop(number, *numbers, CALLS)  # noqa: B023, E731
        compare(f"{name}: C loop, batch", in_c, timed(b.run), CALLS, 400)
        compare(f"{name}: plain calls, batch", timed(plain), timed(b.run), CALLS, 100)
        compare(f"{name}: plain calls, prepared", timed(plain), timed(prepared), CALLS, 100)


def files(folder: Path) -> None:
    paths = [str(folder / f"file{k}") for k in range(FILES)]
    for k, path in enumerate(paths):
        Path(path).write_bytes(b"x" * (200 + k % 2000))

    def by_os() -> list[bytes]:
        found = []
        for path in paths:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            size = os.fstat(fd).st_size
            found.append(os.read(fd, size))
            os.close(fd)
        return found

    def by_path() -> list[bytes]:
        return [Path(path).read_bytes() for path in paths]

    b = Batch()
    path = b.input()
    fd = b.openat(None, path, os.O_RDONLY | os.O_CLOEXEC)
    b.fstat(fd)
    b.read(fd, 4096)
    b.close(fd)
    usable = len(os.sched_getaffinity(0))
    for threads in dict.fromkeys((1, min(usable, 4))):
        word = f"in {threads} thread{'s' * (threads > 1)}"
        ours = timed(lambda: read_files(paths, threads=threads))  # noqa: B023
        compare(f"read_files {word}: os", timed(by_os), ours, FILES, 15)
        compare(f"read_files {word}: Path.read_bytes", timed(by_path), ours, FILES, 7)
        stats = timed(lambda: stat_many(paths, threads=threads))  # noqa: B023
        compare(
            f"stat_many {word}: os.stat",
            timed(lambda: list(map(os.stat, paths))),
            stats,
            FILES,
            15,
        )
    compare(
        "openat fstat read close, batch: os", timed(by_os), timed(lambda: b.run(paths)), FILES, 15
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Batches and bulk helpers beside other ways.")
    parser.add_argument("--folder", type=Path, help="where the small files go (default: /tmp)")
    options = parser.parse_args()
    gc.disable()
    print(", ".join(f"{key} {value}" for key, value in conditions().items()))
    print(f"{'':44}{'theirs':>9}{'ours':>9}{'ratio':>8}{'':>8}\n{'':44}{'ns':>9}{'ns':>9}"
          f"{'of minima':>10}{'median':>6}  spread")  # fmt: skip
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        null = os.open("/dev/null", os.O_RDWR)
        usable = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(usable)})
        batches(native(folder), null)
        os.sched_setaffinity(0, usable)
        files(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
