"""Each working call again: recorded in a batch that runs twice, and prepared and called twice.

All must come to what the call itself comes to. It prints how many uses there were.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from working import Case, cases, close_spare, folder

import pysyscall
from pysyscall.batch import Batch, prepare
from pysyscall.table import lookup

VARY = frozenset(
    {
        *("stat", "lstat", "fstat", "newfstatat", "statx", "statfs", "fstatfs", "sysinfo", "times"),
        *("clock_gettime", "gettimeofday", "time", "getrusage", "getrandom", "getcpu"),
        *(
            "sched_rr_get_interval",
            "adjtimex",
            "ppoll",
            "inotify_add_watch",
            "timerfd_gettime",
            "msgget",
            "semget",
        ),
    }
)
"""Calls whose result is another one each time."""

REFUSED = frozenset(
    {
        *("brk", "madvise", "mmap", "mprotect", "mremap", "shmat", "pselect6", "select"),
        *("io_cancel", "io_getevents", "io_pgetevents", "io_submit", "io_uring_enter"),
        *("recvmmsg", "recvmsg", "sendmmsg", "sendmsg", "quotactl"),
        *("fcntl(fd, F_GETOWN, arg)", "io_uring_register(fd, IORING_REGISTER_BUFFERS, arg)"),
        *("ioctl(fd, SIOCGIFCONF)", "ioctl() argument 'arg'"),
        *("mincore() argument 'addr'", "mbind() argument 'addr'"),
    }
)
"""What the engine does more for than to convert: calls, and commands as an error names them."""


def recorded(case: Case) -> Iterator[Callable[[], Any]]:
    """Two runs of one batch."""
    b = Batch()
    result = getattr(b, case.name)(*case.args)

    def run() -> Any:
        b.run()
        return result.result()

    yield from (run, run)


def prepared(case: Case) -> Iterator[Callable[[], Any]]:
    yield from [prepare(case.function, *case.args)] * 2


def is_refused(case: Case) -> bool:
    """Whether both ways refuse the call, and by name."""
    texts = []
    for way in (prepared, recorded):
        try:
            for _ in way(case):
                break
        except TypeError as error:
            assert "made beforehand" in str(error), f"{case}: {error}"
            text, _, _ = str(error).partition(" can't be")
            texts.append(text)
    assert len(set(texts)) == bool(texts), f"{case}: {texts}"
    assert len(texts) in (0, 2), f"{case}: only one way refuses {texts}"
    is_named = case.name in REFUSED or bool({*texts} & REFUSED)
    assert is_named == bool(texts), f"{case}: {texts}"
    return is_named


def rewind() -> None:
    """All files to their beginning: what is read and what is written is the same each time."""
    for fd in (int(entry.name) for entry in Path("/proc/self/fd").iterdir()):
        with suppress(OSError):
            os.lseek(fd, 0, os.SEEK_SET)


def outcome(case: Case, make: Callable[[], Any]) -> Any:
    case.before()
    rewind()
    try:
        result = make()
    except OSError as error:
        return type(error), error.errno, error.filename, error.filename2
    case.after(result)
    close_spare()
    return result


def main() -> None:
    count = 0
    with folder():
        for case in cases():
            known = case.function is getattr(pysyscall, case.name, None)
            if not known or isinstance(case.function, type) or lookup(case.name).binding != "fast":
                continue
            if case.raises not in (None, OSError):
                continue
            plain = outcome(case, lambda: case.function(*case.args))  # noqa: B023
            if is_refused(case):
                continue
            for way in (recorded, prepared):
                for make in way(case):
                    got = outcome(case, make)
                    assert type(got) is type(plain), f"{case}, {way.__name__}: {got!r:.200}"
                    assert got == plain or case.name in VARY, (
                        f"{case}, {way.__name__}: {got!r:.200}"
                    )
                    count += 1
    print(f"{count} uses")


if __name__ == "__main__":
    main()
