"""Calls that make child processes: what becomes of the interpreter in each."""

from __future__ import annotations

import errno
import os
import resource
import select
import shutil
import signal
import subprocess
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from children import give_up_rights, in_child, python
from conditions import needs_root
from isolated.child import SANITIZED
from this_process import another_thread, children, descriptors

import pysyscall
from pysyscall import (
    CLONE_CLEAR_SIGHAND,
    CLONE_FILES,
    CLONE_INTO_CGROUP,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    CLONE_PARENT_SETTID,
    CLONE_PIDFD,
    SIGCHLD,
    SIGUSR1,
    Child,
    CloneArgs,
    Sysno,
    WaitStatus,
    raw,
)
from pysyscall._raw import ffi

# A thread that was joined can still be there for a moment, and be warned of.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
MAKERS: dict[str, Callable[[], int]] = {
    "fork": pysyscall.fork,
    "clone": lambda: pysyscall.clone().pid,
    "clone3": lambda: pysyscall.clone3(CloneArgs(exit_signal=SIGCHLD)).pid,
}
makers = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def run(work: Callable[[], object]) -> None:
    """What a new child does: 0 is its exit status where nothing fails."""
    try:
        work()
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def ends_well(pid: int, flags: int = 0) -> bool:
    """Whether a child ends with status 0, within some seconds."""
    pidfd = os.pidfd_open(pid)
    try:
        if not select.select([pidfd], [], [], 20)[0]:
            os.kill(pid, signal.SIGKILL)
    finally:
        os.close(pidfd)
    return pysyscall.wait4(pid, flags)[1] == 0


# What a child is


@makers
def test_a_child_is_a_process_of_its_own(make: Callable[[], int]) -> None:
    reader, writer = os.pipe()
    parent = os.getpid()
    if (pid := make()) == 0:
        run(lambda: os.write(writer, f"{os.getpid()} {os.getppid()}".encode()))
    assert ends_well(pid)
    os.close(writer)
    assert os.read(reader, 100) == f"{pid} {parent}".encode()
    os.close(reader)


def works_on() -> None:
    """What an interpreter must be able to do: threads, imports, memory, children, signals."""
    seen: list[int] = []
    lock = threading.RLock()

    def count() -> None:
        with lock:
            seen.append(threading.get_native_id())

    threads = [threading.Thread(target=count) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(seen) == 5
    assert threading.main_thread() is threading.current_thread()
    assert threading.get_native_id() == os.getpid() == pysyscall.gettid()
    assert threading.active_count() == 1
    import wave  # noqa: F401  (anything that nobody has imported)

    assert len({id(block) for block in [bytearray(2**k) for k in range(24)]}) == 24
    assert subprocess.run(["/bin/true"]).returncode == 0
    signal.signal(SIGUSR1, lambda *_: seen.append(0))
    signal.raise_signal(SIGUSR1)
    assert seen[-1] == 0
    for make in MAKERS.values():
        if (pid := make()) == 0:
            os._exit(0)
        assert ends_well(pid)


@makers
@pytest.mark.parametrize("threads", [False, True], ids=["alone", "beside a thread"])
def test_the_interpreter_works_on_in_the_child(make: Callable[[], int], threads: bool) -> None:
    def family() -> bool:
        warnings.simplefilter("ignore")
        if not threads:
            if (pid := make()) == 0:
                run(works_on)
            return ends_well(pid)
        with another_thread():
            if (pid := make()) == 0:
                run(works_on)
            return ends_well(pid)

    assert in_child(family)


@makers
def test_a_thread_can_make_a_child(make: Callable[[], int]) -> None:
    def family() -> bool:
        warnings.simplefilter("ignore")
        told: list[bool] = []

        def work() -> None:
            assert threading.main_thread() is threading.current_thread()
            works_on()

        def in_thread() -> None:
            if (pid := make()) == 0:
                run(work)
            told.append(ends_well(pid))

        thread = threading.Thread(target=in_thread)
        thread.start()
        thread.join()
        return told == [True]

    assert in_child(family)


@makers
def test_hooks_run(make: Callable[[], int]) -> None:
    def family() -> object:
        ran: list[str] = []
        os.register_at_fork(
            before=lambda: ran.append("before"),
            after_in_parent=lambda: ran.append("parent"),
            after_in_child=lambda: ran.append("child"),
        )
        if (pid := make()) == 0:
            os._exit(0 if ran == ["before", "child"] else 1)
        return ran, ends_well(pid)

    assert in_child(family) == (["before", "parent"], True)


def kept_for_libc() -> tuple[bool, int]:
    """Whether the kernel's place for the thread's id holds it; the list of robust mutexes."""
    address, head, size = ffi.new("int **"), ffi.new("long *"), ffi.new("size_t *")
    pr_get_tid_address = 40
    if raw.syscall(Sysno.prctl, pr_get_tid_address, address) < 0:
        pytest.skip("the kernel does not tell the address")
    assert raw.syscall(Sysno.get_robust_list, 0, head, size) == 0
    return address[0] != ffi.NULL and address[0][0] == pysyscall.gettid(), head[0]


@makers
def test_libc_knows_the_childs_thread(make: Callable[[], int]) -> None:
    before = kept_for_libc()
    assert before[0]
    if (pid := make()) == 0:
        os._exit(0 if kept_for_libc() == before else 1)
    assert ends_well(pid)


def test_many_children_leave_nothing() -> None:
    fds = descriptors()
    for _ in range(50):
        for make in MAKERS.values():
            if (pid := make()) == 0:
                os._exit(0)
            pysyscall.wait4(pid)
        child = pysyscall.clone(CLONE_PIDFD | SIGCHLD)
        if child.pid == 0:
            os._exit(0)
        os.close(child.pidfd)
        pysyscall.wait4(child.pid)
    assert descriptors() == fds
    assert children() == ""


# Threads


@pytest.mark.parametrize("name", MAKERS)
def test_other_threads_are_warned_of(name: str) -> None:
    make = MAKERS[name]
    with another_thread():
        message = rf"use of {name}\(\) may lead to deadlocks"
        with warnings.catch_warnings(), pytest.raises(DeprecationWarning, match=message):
            warnings.simplefilter("error")
            make()
        assert children() == ""
        with pytest.warns(DeprecationWarning) as caught:
            if (pid := make()) == 0:
                os._exit(0)
        assert ends_well(pid)
    assert [warning.filename for warning in caught] == [__file__]


def test_fork_beside_threads_is_libcs() -> None:
    """Handlers of C libraries tell: only libc's fork runs them."""
    python(
        "-c",
        """
import ctypes, os, threading, warnings
import pysyscall
warnings.simplefilter("ignore")
ran = []
handler = ctypes.CFUNCTYPE(None)(lambda: ran.append("prepare"))
assert ctypes.CDLL(None).__register_atfork(handler, None, None, None) == 0
def handlers(make):
    ran.clear()
    if make() == 0:
        os._exit(0)
    os.wait()
    return len(ran)
assert handlers(pysyscall.fork) == 0
end = threading.Event()
thread = threading.Thread(target=end.wait)
thread.start()
assert handlers(pysyscall.fork) == 1
assert handlers(lambda: pysyscall.clone().pid) == 0
end.set()
thread.join()
""",
    )


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc for a library that allocates")
@pytest.mark.skipif(SANITIZED, reason="ASan's malloc is not made for it")
def test_fork_beside_threads_that_allocate(tmp_path: Path) -> None:
    """Threads that Python knows nothing of hold libc's locks, which the child needs."""
    source = tmp_path / "allocate.c"
    source.write_text(
        "#include <pthread.h>\n#include <stdlib.h>\n"
        "static void *run(void *p) {\n"
        "    for (;;) { p = malloc(5000); *(volatile char *)p = 1; free(p); }\n"
        "}\n"
        "void start(void) { pthread_t t; pthread_create(&t, 0, run, 0); }\n"
    )
    library = tmp_path / "allocate.so"
    gcc = ["gcc", "-shared", "-fPIC", "-pthread", "-o", str(library), str(source)]
    subprocess.run(gcc, check=True)
    ended = python(
        """
        import cffi, os, sys, warnings
        import pysyscall
        warnings.simplefilter("ignore")
        ffi = cffi.FFI()
        ffi.cdef("void start(void);")
        ffi.dlopen(sys.argv[1]).start()
        for _ in range(50):
            if (pid := pysyscall.fork()) == 0:
                blocks = [bytearray(5000) for _ in range(100)]
                os._exit(0)
            assert pysyscall.wait4(pid)[1] == 0
        print("all ended", flush=True)
        os._exit(0)
        """,
        str(library),
        MALLOC_ARENA_MAX="1",
    )
    assert (ended.stdout, ended.stderr) == ("all ended\n", "")


# Errors and refusals


def test_no_more_processes() -> None:
    """The interpreter goes on where there is no child."""

    def family() -> object:
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
        give_up_rights()
        told = []
        for make in MAKERS.values():
            try:
                make()
            except BlockingIOError as error:
                told.append((error.errno, error.filename))
        try:
            pysyscall.vfork_exec("/bin/true", ["true"], {})
        except BlockingIOError as error:
            told.append((error.errno, error.filename))
        with suppress(ImportError):  # the import lock is free
            import missing  # noqa: F401
        return told

    assert in_child(family) == [(errno.EAGAIN, None)] * 4


@pytest.mark.parametrize(
    ("flag", "reason"),
    [
        ("CLONE_VM", "two processes would run one interpreter"),
        ("CLONE_VFORK", "the caller would hold the GIL .*; vfork_exec does both"),
        ("CLONE_THREAD", "neither libc nor Python would know of the thread"),
        ("CLONE_SIGHAND", "it goes with CLONE_VM alone"),
        ("CLONE_SETTLS", "libc keeps the thread's own data there"),
        ("CLONE_CHILD_SETTID", "the id has its place in libc's data"),
        ("CLONE_CHILD_CLEARTID", "the id has its place in libc's data"),
    ],
)
def test_flags_that_are_refused(flag: str, reason: str) -> None:
    value = getattr(pysyscall, flag)
    with pytest.raises(ValueError, match=rf"clone\(\) argument 'flags' .* {flag}: {reason}"):
        pysyscall.clone(value | SIGCHLD)
    with pytest.raises(ValueError, match=rf"clone3\(\) argument 'cl_args' .* {flag}: {reason}"):
        pysyscall.clone3(CloneArgs(flags=value))
    assert children() == ""


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("pidfd", "its place is made here"),
        ("child_tid", "the id has its place in libc's data"),
        ("parent_tid", "the process id comes back"),
        ("stack", "the child goes on with a copy"),
        ("stack_size", "the child goes on with a copy"),
        ("tls", "libc keeps"),
        ("set_tid", "ids are given by name"),
        ("set_tid_size", "ids are given by name"),
    ],
)
def test_addresses_that_are_refused(field: str, reason: str) -> None:
    message = rf"clone3\(\) argument 'cl_args' must have a {field} of 0: {reason}"
    with pytest.raises(ValueError, match=message):
        pysyscall.clone3(CloneArgs(**{field: 4096}))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: pysyscall.clone(-1), OverflowError, r"clone\(\) argument 'flags' must be in \[0"),
        (lambda: pysyscall.clone(2**32), OverflowError, r"clone\(\) argument 'flags' must be in"),
        (lambda: pysyscall.clone("x"), TypeError, r"'flags' must be an int, not str"),  # type: ignore[arg-type]
        (lambda: pysyscall.clone3(7), TypeError, r"'cl_args' must be a CloneArgs, .*, not int"),  # type: ignore[arg-type]
        (lambda: pysyscall.clone3((0, 1.5)), TypeError, "CloneArgs"),
        (lambda: pysyscall.clone3(CloneArgs(), set_tid=["x"]), TypeError, "'set_tid' must be an"),  # type: ignore[list-item]
        (lambda: pysyscall.clone3(CloneArgs(), set_tid=[2**31]), OverflowError, "'set_tid' must"),
        (lambda: pysyscall.clone3(CloneArgs(), set_tid=range(1, 99)), OSError, "Invalid argument"),
        (lambda: pysyscall.clone3(CloneArgs(exit_signal=2**40)), OSError, "Invalid argument"),
        (lambda: pysyscall.clone3(CloneArgs(CLONE_INTO_CGROUP, cgroup=2**20)), OSError, "Bad file"),
        (lambda: pysyscall.fork(1), TypeError, "argument"),  # type: ignore[call-arg]
    ],
)
def test_bad_arguments(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
    assert children() == ""


def test_only_the_main_interpreter_makes_children() -> None:
    ended = python(
        """
        import sys
        try:
            from _testcapi import run_in_subinterp
        except ImportError:
            sys.exit("no _testcapi")
        run_in_subinterp('''
        import pysyscall
        for make in pysyscall.fork, pysyscall.clone:
            try:
                make()
            except RuntimeError as error:
                print(error, flush=True)
        ''')
        """
    )
    if "no _testcapi" in ended.stderr:
        pytest.skip("this Python has no _testcapi")
    assert ended.stdout == "only the main interpreter can make a child process\n" * 2


# Flags


def test_pidfd() -> None:
    for make in (
        lambda: pysyscall.clone(CLONE_PIDFD | SIGCHLD),
        lambda: pysyscall.clone3(CloneArgs(flags=CLONE_PIDFD, exit_signal=SIGCHLD)),
    ):
        child = make()
        if child.pid == 0:
            time.sleep(0.01 if child == Child(0, -1) else 60)
            os._exit(5)
        try:
            assert not os.get_inheritable(child.pidfd)
            info = pysyscall.waitid(pysyscall.P_PIDFD, child.pidfd, pysyscall.WEXITED)
            assert (info.si_pid, WaitStatus.from_siginfo(info).exit_code) == (child.pid, 5)
        finally:
            os.close(child.pidfd)


def test_without_a_pidfd_there_is_none() -> None:
    for flags in (SIGCHLD, SIGCHLD | CLONE_PARENT_SETTID):
        child = pysyscall.clone(flags)
        if child.pid == 0:
            os._exit(0 if child == (0, -1) else 1)
        assert child.pidfd == -1
        assert ends_well(child.pid)


def test_descriptors_can_be_shared() -> None:
    fd = os.open("/", os.O_RDONLY)
    if pysyscall.clone(CLONE_FILES | SIGCHLD).pid == 0:
        os.close(fd)
        os._exit(0)
    os.wait()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


@pytest.mark.parametrize("name", ["clone", "clone3"])
def test_queues_stay_open_where_descriptors_are_shared(name: str) -> None:
    """The child's hooks close its own copy of a queue's descriptor, but not the parent's."""
    queue = pysyscall.SignalQueue()
    before = os.fstat(queue.fileno())
    if name == "clone":
        pid = pysyscall.clone(CLONE_FILES | SIGCHLD).pid
    else:
        pid = pysyscall.clone3(CloneArgs(flags=CLONE_FILES, exit_signal=SIGCHLD)).pid
    if pid == 0:
        os._exit(0)
    assert ends_well(pid)
    link = Path(f"/proc/self/fd/{queue.fileno()}")
    assert str(link.readlink()) == "anon_inode:[eventfd]"
    assert os.fstat(queue.fileno()).st_ino == before.st_ino


@pytest.mark.parametrize("name", ["clone", "clone3"])
def test_namespaces(name: str) -> None:
    flags = CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWPID
    space = Path("/proc/thread-self/ns/uts")
    before = space.readlink()

    def work() -> None:
        assert os.getpid() == 1 == pysyscall.gettid()
        assert space.readlink() != before
        with another_thread():
            assert os.getuid() == 65534

    try:
        if name == "clone":
            pid = pysyscall.clone(flags | SIGCHLD).pid
        else:
            pid = pysyscall.clone3(CloneArgs(flags=flags, exit_signal=SIGCHLD), set_tid=[1]).pid
    except PermissionError:
        pytest.skip("no right to make namespaces")
    if pid == 0:
        run(work)
    assert ends_well(pid)


@needs_root
def test_a_process_id_of_ones_own() -> None:
    ended = subprocess.Popen(["/bin/true"])
    ended.wait()
    child = pysyscall.clone3(CloneArgs(exit_signal=SIGCHLD), set_tid=[ended.pid])
    if child.pid == 0:
        os._exit(0 if os.getpid() == ended.pid else 1)
    assert child.pid == ended.pid
    assert ends_well(child.pid)
    with pytest.raises(FileExistsError):
        pysyscall.clone3(CloneArgs(exit_signal=SIGCHLD), set_tid=(os.getpid(),))


def test_handlers_can_be_cleared() -> None:
    before = signal.signal(SIGUSR1, lambda *_: None)
    try:
        child = pysyscall.clone3(CloneArgs(flags=CLONE_CLEAR_SIGHAND, exit_signal=SIGCHLD))
        if child.pid == 0:
            os.kill(os.getpid(), SIGUSR1)
            os._exit(0)
        assert pysyscall.wait4(child.pid)[1].term_signal == SIGUSR1
    finally:
        signal.signal(SIGUSR1, before)


def test_a_child_without_a_signal_at_its_end() -> None:
    if (pid := pysyscall.clone(0).pid) == 0:
        os._exit(0)
    with pytest.raises(ChildProcessError):
        pysyscall.wait4(pid)
    assert ends_well(pid, pysyscall.WCLONE)
