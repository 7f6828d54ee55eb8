"""What the process that runs the tests has: threads, descriptors and children."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def descriptors() -> set[int]:
    return {int(path.name) for path in Path("/proc/self/fd").iterdir()}


def children() -> str:
    """The pids of this thread's."""
    return Path("/proc/thread-self/children").read_text()


def alone() -> None:
    """Waits for threads that have been joined to be gone: until then they take signals, too."""
    for _ in range(1000):
        if len([*Path("/proc/self/task").iterdir()]) == 1:
            return
        time.sleep(0.001)


@contextmanager
def another_thread() -> Iterator[None]:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
