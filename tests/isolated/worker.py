"""Makes the calls that it is told on stdin, behind a filter through which none reaches the kernel.

`worker.py ERRNO`: every system call that `_fast` makes fails with this errno, or does nothing and
succeeds where it is 0. Reads JSON, a call a line, and answers each with a line: the type of what
came back or was raised, or `wrong` with a traceback. The first line out names all hostile objects.
In place of a call, "held" asks what the worker holds.
"""

from __future__ import annotations

import gc
import json
import os
import struct
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from hostile import LASTING, MAKERS, MAPPINGS, Hostile, Recipe, World

import pysyscall
from pysyscall import Sysno, _fast, _raw, raw

# linux/prctl.h, linux/seccomp.h, linux/filter.h
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_SET_MODE_FILTER = 1
SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW = 0x00050000, 0x7FFF0000
LOAD, EQUAL, GREATER, AT_LEAST, RETURN = 0x20, 0x15, 0x25, 0x35, 0x06
# Halves of the instruction pointer in struct seccomp_data.
POINTER_LOW, POINTER_HIGH = 8, 12

# ValueError includes the errors of encodings; RuntimeError is for a list that changes meanwhile.
EXPECTED = (
    *(OSError, TypeError, ValueError, OverflowError, BufferError, MemoryError, RuntimeError),
    Hostile,
)


def code_ranges() -> Iterator[tuple[int, int]]:
    """Where the extensions' code is: first and last address, with the same upper 32 bits."""
    files = tuple(os.path.realpath(module.__file__) for module in (_fast, _raw))
    for line in Path("/proc/self/maps").read_text().splitlines():
        addresses, permissions, *_ = line.split()
        if line.endswith(files) and "x" in permissions:
            first, end = (int(address, 16) for address in addresses.split("-"))
            while first < end:
                last = min(end - 1, first | 0xFFFFFFFF)
                yield first, last
                first = last + 1


def install_filter(answer: int) -> None:
    """System calls that come from `_fast` get this errno, all others pass."""
    steps = []
    for first, last in code_ranges():
        steps += [
            (LOAD, 0, 0, POINTER_HIGH),
            (EQUAL, 0, 4, first >> 32),
            (LOAD, 0, 0, POINTER_LOW),
            (AT_LEAST, 0, 2, first & 0xFFFFFFFF),
            (GREATER, 1, 0, last & 0xFFFFFFFF),
            (RETURN, 0, 0, SECCOMP_RET_ERRNO | answer),
        ]
    assert steps, "no mapping holds the code of _fast"
    steps.append((RETURN, 0, 0, SECCOMP_RET_ALLOW))
    program = raw.ffi.from_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    header = struct.pack("H6xQ", len(steps), int(raw.ffi.cast("uintptr_t", program)))
    for nr, *args in (
        (Sysno.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (Sysno.seccomp, SECCOMP_SET_MODE_FILTER, 0, header),
    ):
        result = raw.syscall(nr, *args)
        if result != 0:
            sys.exit(f"no seccomp filter here: {os.strerror(-result)}")
    # The vDSO's code is no part of _fast.
    _fast._vdso(False)


def attempt(answer: int, name: str, args: list[Recipe], kwargs: dict[str, Recipe]) -> str:
    """What came of a call; begins with `wrong` where that must not be."""
    world = World()
    try:
        given = [world.make(recipe) for recipe in args]
        named = {key: world.make(recipe) for key, recipe in kwargs.items()}
        result = getattr(pysyscall, name)(*given, **named)
        repr(result)
    except EXPECTED as error:
        return type(error).__name__
    except BaseException:
        return f"wrong: {traceback.format_exc()}"
    return type(result).__name__ if answer == 0 else "wrong: no error came from the filter"


def held() -> dict[str, int]:
    """How many descriptors, references to the lasting hostile objects, and blocks there are."""
    # No call may seem to give back what the pool had.
    del MAPPINGS[1:]
    gc.collect()
    return {
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "references": sum(map(sys.getrefcount, LASTING)),
        "blocks": sys.getallocatedblocks(),
    }


def main() -> None:
    answer = int(sys.argv[1])
    install_filter(answer)
    print(json.dumps(sorted(MAKERS)), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        reply = held() if request == "held" else attempt(answer, *request)
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
