"""Each working call again, with every allocation failing in turn: MemoryError, and nothing lost.

Descriptors are watched here; what memory is lost, LeakSanitizer tells under `sanitize.py`.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from itertools import chain
from types import FunctionType

from batches import batches
from working import Case, cases, close_spare, folder, lowest_free

import pysyscall
from pysyscall._generated.names import STRUCTS

try:
    from _testcapi import remove_mem_hooks, set_nomemory
except ImportError:
    sys.exit("this Python has no _testcapi")


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
    except Exception as error:
        done = case.raises is not None and isinstance(error, case.raises)
        # What PyOS_FSPath says where it can't even bind the method.
        if not done and "os.PathLike object, not PosixPath" not in str(error):
            raise
    except SystemError as error:
        # What CPython 3.11 says where it can't make a frame; of our functions it would say more.
        if str(error) != "error return without exception set":
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
    """The same some more times: no descriptor may be lost."""
    if not fails(case, number):
        return False
    fd = lowest_free()
    for _ in range(5):
        fails(case, number)
    assert lowest_free() == fd, f"{case}: a descriptor is lost at allocation {number}"
    return True


def main() -> None:
    # Their types are made first: CPython 3.13.0 crashes where memory runs out while it makes one.
    for name in STRUCTS:
        getattr(pysyscall, name)
    failures: dict[str, int] = {}
    with folder():
        for case in chain(cases(), batches(in_threads=False)):
            # CPython itself does not always survive it where a function in Python has no memory.
            if isinstance(case.function, FunctionType):
                continue
            # Types are made when they are first needed, in which CPython 3.13.0 itself crashes.
            case.run()
            close_spare()
            number = 0
            while check(case, number):
                number += 1
                assert number < 1000, f"{case}: there is no end of MemoryError"
            failures[case.name] = failures.get(case.name, 0) + number
    for name in ("open", "pipe", "accept4", "socketpair", "dup", "recvmsg", "recvmmsg"):
        assert failures[name], f"{name}: no allocation ever failed"
    print(f"{sum(failures.values())} allocations failed")


if __name__ == "__main__":
    main()
