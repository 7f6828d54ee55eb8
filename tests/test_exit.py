"""exit: the end of a thread, beside others and alone."""

from __future__ import annotations

import threading

import pytest
from children import python

import pysyscall

# A thread that was joined can still be there for a moment, and be warned of.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


def test_exit_is_refused() -> None:
    with pytest.raises(RuntimeError, match="without its main thread; exit_group"):
        pysyscall.exit(0)
    told: list[str] = []

    def in_thread() -> None:
        try:
            pysyscall.exit(0)
        except RuntimeError as error:
            told.append(str(error))

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    assert told and told[0].startswith(
        "exit() would lose what the thread's frames hold; SystemExit"
    )
    for status, error in ((2**31, OverflowError), ("x", TypeError)):
        with pytest.raises(error, match=r"exit\(\) argument 'status' must be"):
            pysyscall.exit(status, forced=True)  # type: ignore[arg-type]


def test_exit_of_a_thread() -> None:
    """The others go on: they get the GIL, and join() returns; the interpreter ends as usual.

    Since 3.13 it would wait for a thread that is no daemon.
    """
    ended = python(
        """
        import atexit, os, sys, threading, time
        import pysyscall
        for daemon in {True, sys.version_info >= (3, 13)}:
            before = len(os.listdir("/proc/self/task"))
            thread = threading.Thread(target=pysyscall.exit, args=(7,), kwargs={"forced": True},
                                      daemon=daemon)
            thread.start()
            thread.join(20)
            assert not thread.is_alive()
            while len(os.listdir("/proc/self/task")) > before:
                time.sleep(0.001)
        threading.Thread(target=print, args=("another thread",)).start()
        atexit.register(print, "the end")
        sys.exit(5)
        """
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == ("another thread\nthe end\n", "", 5)


def test_exit_of_the_main_thread() -> None:
    """The process lives as long as its last thread."""
    ended = python(
        """
        import os, sys, threading, time
        import pysyscall
        main = os.getpid()
        def work():
            while open(f"/proc/{main}/task/{main}/stat").read().split()[2] != "Z":
                time.sleep(0.001)
            print("alone", flush=True)
            pysyscall.exit_group(9)
        threading.Thread(target=work).start()
        pysyscall.exit(3, forced=True)
        """
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == ("alone\n", "", 9)


def test_exit_of_the_only_thread() -> None:
    ended = python("import pysyscall; pysyscall.exit(0x103, forced=True)")
    assert (ended.stderr, ended.returncode) == ("", 3)
