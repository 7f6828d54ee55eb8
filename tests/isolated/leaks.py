"""Each call and struct thousands of times, where it works and where it fails: nothing may grow.

Watched are Python's blocks of memory, descriptors, references to the arguments, and the memory of
the process. `leaks.py [REPETITIONS]`; it prints the first use that leaks.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from batches import batches
from working import Case, cases, close_spare, folder, lowest_free

import pysyscall
from pysyscall import table

REPETITIONS = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
SLACK = 30
"""Blocks that caches of the interpreter may take; a leak takes as many as there are repetitions."""

SANITIZED = "libasan" in os.environ.get("LD_PRELOAD", "")
"""The sanitizer keeps freed memory for a while, so that the process does grow."""


class Trouble(Exception):
    pass


class Raises:
    """Fails in every conversion."""

    def fail(self, *_: object) -> Any:
        raise Trouble

    __index__ = __fspath__ = __iter__ = __buffer__ = fileno = fail


HUGE = 10**5000

# None of these is right for any argument, but HUGE for a size that is cut down to what a call can
# do; some fail late, when others are converted.
BAD = (
    object(),
    HUGE,
    float("nan"),
    "a\0b",
    "\ud800",
    Raises(),
    [object()],
    [bytearray(5), Raises()],
    [(0, 1), (Raises(), 1)],
    (object(), object(), object(), object()),
    (1, Raises()),
    memoryview(bytearray(8))[::2],
)
BAD_BUT_HUGE = tuple(bad for bad in BAD if bad is not HUGE)


def failing_struct(kind: type[Any]) -> Iterator[Case]:
    for bad in BAD:
        yield Case(f"{kind.__name__}.from_bytes", kind.from_bytes, (bad,))
        for k, name in enumerate(kind.__match_args__):
            good = tuple(getattr(kind(), other) for other in kind.__match_args__[:k])
            yield Case(kind.__name__, kind, (*good, bad))
            act = partial(kind, **{name: bad})
            yield Case(f"{kind.__name__}({name}=)", act)
    for keywords in ({"unknown": 1}, {kind.__match_args__[0]: 0, "": 0}):
        yield Case(kind.__name__, partial(kind, **keywords))
        yield Case(kind.__name__, partial(kind().replace, **keywords))
    yield Case(kind.__name__, kind, (0,) * 100)


def failing(case: Case) -> Iterator[Case]:
    """Uses of the same function that are refused, or that the kernel refuses."""
    if isinstance(case.function, type) and not case.args:
        yield from failing_struct(case.function)
    if case.function is not getattr(pysyscall, case.name, None):
        return
    kinds = [a.kind for a in table.lookup(case.name).arguments if a.parameter]
    for k, kind in enumerate(kinds[: len(case.args)]):
        wrong = {"fd": (-1,), "path": ("x/y",)}.get(kind, ())
        bads = BAD_BUT_HUGE if kind.startswith(("out bytes", "out msgbuf")) else BAD
        for bad in (*bads, *wrong):
            args = (*case.args[:k], bad, *case.args[k + 1 :])
            yield Case(case.name, case.function, args, after=case.after)
    yield Case(case.name, case.function, (*case.args, *range(10)))
    for keywords in ({"unknown": 1}, {"fd": 1, "path": 2}):
        yield Case(case.name, partial(case.function, **keywords), case.args)


def status(name: str) -> int:
    """A line of /proc/self/status, in KiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise LookupError(name)


def references(value: Any) -> int:
    """Those to an object and to the items in it; all the world refers to None and to small ints."""
    if value is None or isinstance(value, int):
        return 0
    items = value if isinstance(value, (list, tuple)) else ()
    return sys.getrefcount(value) + sum(references(item) for item in items)


def check(case: Case) -> None:
    def repeat(times: int) -> None:
        for _ in range(times):
            # Refused or not: neither may leak.
            with suppress(Exception):
                case.run()

    repeat(20)
    for _ in range(10):
        gc.collect()
        before = references(case.args), lowest_free(), sys.getallocatedblocks()
        repeat(REPETITIONS)
        gc.collect()
        after = references(case.args), lowest_free(), sys.getallocatedblocks()
        grown = [new - old for new, old in zip(after, before, strict=True)]
        assert grown[:2] == [0, 0], f"{case}: {grown[0]} references, {grown[1]} descriptors"
        # What the interpreter's own caches take is not taken again and again.
        if grown[2] < SLACK:
            return
    raise AssertionError(f"{case}: {grown[2]} blocks in {REPETITIONS} repetitions")


def threads_at_once() -> None:
    """Lets libc take the stacks and the arenas that it keeps for later threads."""
    meeting = threading.Barrier(4)

    def meet() -> None:
        bytearray(2**16)
        meeting.wait()

    threads = [threading.Thread(target=meet) for _ in range(meeting.parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    count = 0
    threads_at_once()
    with folder():
        # What is there now stays, so that a collection looks at new objects only.
        gc.freeze()
        for case in chain(cases(), batches()):
            case.run()
            close_spare()
            gc.collect()
            memory = status("VmRSS"), status("VmSize")
            for use in (case, *failing(case)):
                check(use)
                close_spare()
                count += 1
            grown = status("VmRSS") - memory[0], status("VmSize") - memory[1]
            assert SANITIZED or max(grown) < 4096, f"{case}: the process grew by {grown} KiB"
    print(f"{count} uses, {REPETITIONS} times each")


if __name__ == "__main__":
    main()
