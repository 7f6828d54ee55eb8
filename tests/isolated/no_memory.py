"""Each working call again, with every allocation failing in turn: MemoryError, and nothing lost."""

from __future__ import annotations

import gc
import sys
from contextlib import suppress

from working import Case, cases, close_spare, folder, lowest_free

try:
    from _testcapi import remove_mem_hooks, set_nomemory
except ImportError:
    sys.exit("this Python has no _testcapi")

REPETITIONS = 30
SLACK = 20
"""Blocks of memory that the interpreter's own caches may take in so many repetitions."""


def fails(case: Case, number: int) -> bool:
    """Makes the call while allocation `number` fails; False where it doesn't need so many."""
    case.before()
    before, result, done = lowest_free(), None, False
    function, args = case.function, case.args
    set_nomemory(number, number + 1)
    try:
        result = function(*args)
        done = True
    except MemoryError:
        pass
    except TypeError as error:
        # What PyOS_FSPath says where it can't even bind the method.
        if "os.PathLike object, not PosixPath" not in str(error):
            raise
    finally:
        remove_mem_hooks()
    if not done:
        assert lowest_free() == before, f"{case}: a descriptor is lost at allocation {number}"
    with suppress(OSError, TypeError):
        case.after(result)
    close_spare()
    return not done


def check(case: Case, number: int) -> bool:
    """The same many times; no memory may be lost."""
    if not fails(case, number):
        return False
    for _ in range(10):
        gc.collect()
        before = sys.getallocatedblocks()
        for _ in range(REPETITIONS):
            fails(case, number)
        gc.collect()
        grown = sys.getallocatedblocks() - before
        if grown < SLACK:
            return True
    raise AssertionError(f"{case}: {grown} blocks are lost at allocation {number}")


def main() -> None:
    failures: dict[str, int] = {}
    with folder():
        gc.freeze()
        for case in cases():
            number = 0
            while check(case, number):
                number += 1
                assert number < 1000, f"{case}: there is no end of MemoryError"
            failures[case.name] = failures.get(case.name, 0) + number
    for name in ("open", "pipe", "accept4", "socketpair", "dup"):
        assert failures[name], f"{name}: no allocation ever failed"
    print(f"{sum(failures.values())} allocations failed")


if __name__ == "__main__":
    main()
