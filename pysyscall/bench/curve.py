"""How the cost of read and write grows with the size: from one byte to 1 MiB."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pysyscall
from pysyscall.bench.errors import BenchError
from pysyscall.bench.measure import Limits, Times, in_turns
from pysyscall.bench.statements import Loop, Space, loop

SIZES = [4**power for power in range(11)]
MOST_BYTES = 16 * 1024 * 1024
"""That a round of writes makes the file in memory grow to."""


@dataclass(frozen=True, slots=True)
class Point:
    """The ways of moving so many bytes."""

    size: int
    times: dict[str, Times]


WAYS = {
    "read": {
        "os": "os.read(zero, size)",
        "ours": "ps.read(zero, size)",
        "os, in place": "os.readv(zero, [target])",
        "ours, in place": "ps.read(zero, target)",
    },
    "write": {"os": "os.write(sink, source)", "ours": "ps.write(sink, source)"},
}


def _rewound(run: Loop, sink: int, most: int) -> Loop:
    """The writes of a round go to a file in memory, each time to the same places."""

    def rounds(count: int) -> int:
        taken = 0
        while count > 0:
            now = min(count, most)
            os.lseek(sink, 0, os.SEEK_SET)
            taken += run(now)
            count -= now
        return taken

    return rounds


def measure(
    call: str, space: Space, limits: Limits, step: Callable[[str], None]
) -> Iterator[Point]:
    """A point a size; `step` is told what comes next."""
    try:
        sink = os.memfd_create("bench")
        os.truncate(sink, MOST_BYTES)
    except OSError as error:
        raise BenchError(f"can't make a file in memory: {error.strerror}") from None
    try:
        for size in SIZES:
            step(f"{size} bytes")
            names = {
                **space,
                "sink": sink,
                "size": size,
                "source": bytes(size),
                "target": bytearray(size),
            }
            loops = {way: loop(statement, names) for way, statement in WAYS[call].items()}
            if call == "write":
                most = MOST_BYTES // size
                loops = {way: _rewound(run, sink, most) for way, run in loops.items()}
            yield Point(size, dict(zip(loops, in_turns(list(loops.values()), limits), strict=True)))
    finally:
        pysyscall.close(sink)
