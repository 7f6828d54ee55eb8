"""Batches and prepared calls: what they return, what they refuse, and how they are interrupted."""

from __future__ import annotations

import ctypes
import errno
import gc
import inspect
import os
import signal
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from isolated.child import ISOLATED, SANITIZED, python

import pysyscall
from pysyscall.batch import Batch, Input, NotRun, Result, prepare


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789")
    return file


@pytest.fixture
def pipe(keep: Callable[[int], int]) -> tuple[int, int]:
    reader, writer = os.pipe()
    return keep(reader), keep(writer)


def lowest_free() -> int:
    os.close(fd := os.dup(0))
    return fd


def recorded(b: Batch, path: Path | Any) -> tuple[Any, Any, Any, Any]:
    fd = b.openat(None, path, os.O_RDONLY | os.O_CLOEXEC)
    return fd, b.fstat(fd), b.read(fd, 65536), b.close(fd)


# --- results ---


def test_a_batch_runs_when_its_block_is_left(path: Path) -> None:
    free = lowest_free()
    with Batch() as b:
        fd, st, data, closed = recorded(b, path)
        with pytest.raises(NotRun, match=r"call 2, read\(\), was not made: the batch has not run"):
            data.value  # noqa: B018
    assert fd.value == free and data.value == b"0123456789" and closed.value is None
    assert (st.value.st_ino, st.value.st_size) == (path.stat().st_ino, 10)
    assert b.results == [free, st.value, b"0123456789", None]
    assert len(b) == 4 and lowest_free() == free


def test_an_exception_in_the_block_keeps_it_from_running(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Batch() as b:
        b.unlink(path)
        1 / 0  # noqa: B018
    assert path.exists()


def test_each_call_comes_to_the_same_as_by_itself() -> None:
    """All of `working` recorded and run twice, and prepared and called twice."""
    assert int(python(ISOLATED / "batched.py").split()[0]) > 500


def test_results_stay_what_they_were_when_the_batch_runs_again(path: Path) -> None:
    b = Batch()
    _, st, data, _ = recorded(b, path)
    b.run()
    before = st.value, data.value
    assert st.value is before[0]
    path.write_bytes(b"longer than it was before")
    b.run()
    assert before[0].st_size == 10 and before[1] == b"0123456789"
    assert st.value.st_size == 25 and data.value == b"longer than it was before"


def test_large_results_stay_too(path: Path) -> None:
    b = Batch()
    _, _, data, _ = recorded(b, path)
    seen = []
    for letter in b"abc":
        path.write_bytes(bytes([letter]) * 60000)
        b.run()
        seen.append(data.value)
    assert seen == [bytes([letter]) * 60000 for letter in b"abc"]


def test_calls_can_be_added_after_a_run(path: Path) -> None:
    b = Batch()
    first = b.getppid()
    b.run()
    second = b.getpid()
    b.run()
    assert (first.value, second.value) == (os.getppid(), os.getpid())


def test_descriptors_that_the_kernel_wrote() -> None:
    free = lowest_free()
    with Batch() as b:
        ends = b.pipe2(os.O_CLOEXEC)
        sent, got = b.write(ends[1], b"hello"), b.read(ends[0], 10)
        b.close(ends[0]), b.close(ends[1])
    assert sent.value == 5 and got.value == b"hello"
    assert ends[1].value == ends.value[1] and lowest_free() == free
    with Batch() as b:
        timer = b.timer_create(pysyscall.CLOCK_MONOTONIC, None)
        left = b.timer_gettime(timer)
        b.timer_delete(timer)
    assert b.results[2] is None and left.value == pysyscall.Itimerspec()


def test_a_descriptor_beside_an_address(pipe: tuple[int, int]) -> None:
    free = lowest_free()
    address = pysyscall.SockaddrUn(b"\0pysyscall batch %d" % os.getpid())
    with Batch() as b:
        server, client = b.socket(1, 1, 0), b.socket(1, 1, 0)
        b.bind(server, address)
        b.listen(server, 1)
        b.connect(client, address)
        connection = b.accept4(server, pysyscall.SOCK_CLOEXEC)
        for fd in (connection[0], client, server):
            b.close(fd)
    assert connection.value[0] == connection[0].result() and b.results[-3:] == [None] * 3
    assert lowest_free() == free


def test_how_much_was_read_into_a_buffer(path: Path) -> None:
    buffer = bytearray(6)
    with Batch() as b:
        fd = b.open(path, os.O_RDWR)
        count = b.read(fd, buffer)
        b.ftruncate(fd, count)
        b.close(fd)
    assert count.value == 6 and buffer == b"012345"
    assert path.read_bytes() == b"012345"


def test_commands_of_families(pipe: tuple[int, int]) -> None:
    with Batch() as b:
        fd = b.fcntl(pipe[0], pysyscall.F_DUPFD, 500)
        flags = b.fcntl(fd, pysyscall.F_GETFD)
        b.close(fd)
    assert fd.value == 500 and flags.value == 0


def test_names_and_aliases() -> None:
    """All calls that are made straight from C, and no others."""
    for call in pysyscall.table.calls():
        assert hasattr(Batch, call.name) == (call.binding == "fast"), call.name
    assert Batch.pread is Batch.pread64
    assert str(inspect.signature(Batch().write)) == "(fd, buf)"


def test_generators_last_for_all_runs(pipe: tuple[int, int]) -> None:
    b = Batch()
    b.writev(pipe[1], (bytes([k]) for k in b"abc"))
    limits = b.poll(iter([(pipe[0], 1)]), 0)
    b.run()
    b.run()
    assert os.read(pipe[0], 10) == b"abcabc"
    assert [fd.fd for fd in limits.value] == [pipe[0]]


def test_an_iterator_of_inputs(tmp_path: Path, keep: Callable[[int], int]) -> None:
    names = [f"{k}" for k in range(1000)]
    b = Batch()
    name = b.input()
    b.mkdirat(keep(os.open(tmp_path, os.O_RDONLY)), name)
    assert b.run(iter(names)) == [(None,)] * 1000
    assert sorted(made.name for made in tmp_path.iterdir()) == sorted(names)


# --- errors ---


def failing(policy: str, path: Path) -> list[Any]:
    with Batch(on_error=policy) as b:  # type: ignore[arg-type]
        with b.group():
            b.getpid()
            fd = b.openat(None, path / "missing", os.O_RDONLY)
            b.read(fd, 10)
        with b.group():
            b.getpid()
    return b.results


def test_stop(path: Path) -> None:
    pid, error, unread, other = failing("stop", path)
    assert pid == os.getpid() and isinstance(error, NotADirectoryError)
    assert isinstance(unread, NotRun) and isinstance(other, NotRun)
    assert str(unread) == "call 2, read(), was not made"


def test_skip(path: Path) -> None:
    pid, error, unread, other = failing("skip", path)
    assert (pid, other) == (os.getpid(), os.getpid())
    assert isinstance(error, NotADirectoryError) and isinstance(unread, NotRun)


def test_continue_makes_no_call_that_lacks_a_result(path: Path) -> None:
    pid, error, unread, other = failing("continue", path)
    assert (pid, other) == (os.getpid(), os.getpid()) and isinstance(error, NotADirectoryError)
    assert str(unread) == "call 2, read(), was not made: call 1, openat(), gave no result"


def test_calls_outside_of_groups_are_one(path: Path) -> None:
    with Batch(on_error="skip") as b:
        b.close(-1)
        with b.group():
            b.getpid()
        b.getpid()
    assert [type(result) for result in b.results] == [OSError, NotRun, NotRun]


def test_errors_tell_their_place(path: Path) -> None:
    with Batch() as b:
        b.getpid()
        fd = b.openat(None, path / "x", os.O_RDONLY)
    error = fd.value
    assert isinstance(error, NotADirectoryError)
    assert (error.errno, error.filename) == (errno.ENOTDIR, path / "x")
    assert error.__notes__ == ["call 1 of the batch, openat()"]
    assert fd.value is error
    with pytest.raises(NotADirectoryError):
        fd.result()
    b = Batch(on_error="continue")
    b.openat(None, b.input(), os.O_RDONLY)
    found = b.run(["/dev/null"] * 700 + ["/missing"])[700][0]
    for fd_ in b.results[:700]:
        os.close(fd_[0])
    assert found.__notes__ == ["input 700, call 0 of the batch, openat()"]


def test_a_result_that_does_not_fit(path: Path) -> None:
    with Batch(on_error="continue") as b:
        fd = b.memfd_create("x")
        far = b.lseek(fd, 2**40, 0)
        wrong = b.fsync(far)
        b.close(fd)
    assert isinstance(b.results[2], OverflowError) and b.results[3] is None
    with pytest.raises(OverflowError, match=r"fsync\(\) argument 'fd' .* the result of call 1"):
        wrong.value  # noqa: B018


# --- refused ---


def test_what_the_engine_does_more_for() -> None:
    """Calls that look after memory, requests or messages; and arguments that do."""
    b = Batch()
    sync = pysyscall.Q_SYNC, pysyscall.USRQUOTA, None, 0, None
    for instead, record in (
        ("make it by itself", lambda: b.mmap(None, 4096, 0, 0x22)),
        ("make it by itself", lambda: b.io_destroy(1)),
        ("make it by itself", lambda: b.quotactl(*sync)),
        ("make it by itself", lambda: prepare(pysyscall.quotactl, *sync)),
        (r"poll\(\) and ppoll\(\) can", lambda: b.select([0], [], [])),
        (r"recvfrom\(\) can", lambda: b.recvmsg(0, 10, control=10)),
        (r"sendto\(\) can", lambda: b.sendmsg(0, pysyscall.Message([b"x"]))),
        ("F_GETOWN_EX can", lambda: b.fcntl(0, pysyscall.F_GETOWN)),
    ):
        refusal = rf"\) can't be made beforehand, nor be part of a batch; {instead}$"
        with pytest.raises(TypeError, match=refusal):
            record()
    unknown = bytearray(8)
    with pytest.raises(TypeError, match=r"ioctl\(\) argument 'arg' can't be a buffer of less"):
        b.ioctl(0, 0x1234, unknown)
    unknown.append(0)
    assert len(b) == 0


def test_memory_is_given_by_number() -> None:
    flags = pysyscall.MAP_PRIVATE | pysyscall.MAP_ANONYMOUS
    with pysyscall.mmap(None, 4096, pysyscall.PROT_READ, flags) as mapping:
        b = Batch()
        for given in (mapping, (mapping, 0)):
            with pytest.raises(TypeError, match=r"mlock\(\) argument 'addr' can't be a Mapping"):
                b.mlock(given, 4096)
            with pytest.raises(TypeError, match=r"mlock\(\) argument 'addr' can't be a Mapping"):
                prepare(pysyscall.mlock, mapping, 4096)
        b.mlock(mapping.address, 4096)
        b.munlock(mapping.address, 4096)
        b.run()
        assert b.results == [None, None]
    assert mapping.closed


def test_structs_that_tell_their_size() -> None:
    b = Batch()
    got = b.sched_getattr(0)
    b.sched_setattr(0, pysyscall.sched_getattr(0))
    for _ in range(2):
        b.run()
        assert got.value == pysyscall.sched_getattr(0) and b.results[1] is None
    call = prepare(pysyscall.sched_getattr, 0)
    assert call() == call() == got.value


def test_structs_that_were_given_as_tuples(keep: Callable[[int], int]) -> None:
    """They are there when the call is made, long after the tuple was read."""
    clock = pysyscall.CLOCK_MONOTONIC
    timers = [keep(pysyscall.timerfd_create(clock, 0)) for _ in range(3)]
    again = prepare(pysyscall.timerfd_settime, timers[0], 0, ((0, 0), (5000, 0)))
    b = Batch()
    for seconds, fd in zip((1000, 2000, 3000), timers, strict=True):
        b.timerfd_settime(fd, 0, ((0, 0), (seconds, 0)))
    told = [b.timerfd_gettime(fd) for fd in timers]
    for _ in range(2):
        b.run()
        left = [result.value.it_value.tv_sec for result in told]
        assert [round(seconds, -2) for seconds in left] == [1000, 2000, 3000]
    for _ in range(2):
        again()
        assert 4995 <= pysyscall.timerfd_gettime(timers[0]).it_value.tv_sec <= 5000


def test_entries_of_a_directory(tmp_path: Path) -> None:
    """Of as many bytes as fit, small and large, again and again."""
    for name in (names := {f"entry{k}" + "x" * (k % 50) for k in range(200)}):
        (tmp_path / name).touch()
    names |= {".", ".."}
    b = Batch()
    fd = b.openat(None, tmp_path, os.O_RDONLY)
    few, all_ = b.getdents64(fd, 280), b.getdents64(fd, 2**31 - 1)
    b.lseek(fd, 0, os.SEEK_SET)
    older = b.getdents(fd)
    b.close(fd)
    for _ in range(3):
        b.run()
        assert {entry.d_name for entry in few.value + all_.value} == names
        assert 0 < len(few.value) < 12
        assert {entry.d_name for entry in older.value} == names
        assert {entry.d_type for entry in older.value} == {pysyscall.DT_DIR, pysyscall.DT_REG}
        assert (first := older.value) is older.value
        (tmp_path / "new").touch()
        names.add("new")
    assert len(first) == len(names) and b.results[-1] is None
    fd = os.open(tmp_path, os.O_RDONLY)
    call = prepare(pysyscall.getdents64, fd)
    assert ({entry.d_name for entry in call()}, call()) == (names, [])
    os.lseek(fd, 0, os.SEEK_SET)
    with pytest.raises(OSError, match="have no room for the next entry"):
        prepare(pysyscall.getdents64, fd, 10)()
    os.close(fd)


def test_entries_of_many_directories(tmp_path: Path) -> None:
    """Their memory is used again, however large it may get."""
    paths = []
    for k in range(700):
        (folder := tmp_path / f"{k}").mkdir()
        (folder / f"in {k}").touch()
        paths.append(str(folder))
    script = f"""
import os, resource
from pathlib import Path
from pysyscall.batch import Batch
paths = [f"{{{str(tmp_path)!r}}}/{{k}}" for k in range(700)]
for count in (100, 280, 4096, 65536, 2**31 - 1):
    b = Batch(on_error="continue")
    fd = b.openat(None, b.input(), os.O_RDONLY)
    b.getdents64(fd, count)
    b.close(fd)
    for k, (_, entries, _) in enumerate(b.each(paths)):
        assert sorted(entry.d_name for entry in entries) == [".", "..", f"in {{k}}"], entries
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _, entries, _ in b.each(paths * 20):
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 2048)
"""
    assert python("-c", script) == "True\n"


def test_memory_pages_and_nodes() -> None:
    flags = pysyscall.MAP_PRIVATE | pysyscall.MAP_ANONYMOUS
    with pysyscall.mmap(None, 2 * 4096, pysyscall.PROT_READ | 2, flags) as mapping:
        b = Batch()
        held = b.mincore(mapping.address, 2 * 4096)
        b.mbind(mapping.address, 2 * 4096, pysyscall.MPOL_PREFERRED, [0])
        nodes = b.get_mempolicy(mapping.address, pysyscall.MPOL_F_ADDR)
        b.run()
        assert held.value == [False, False] and nodes.value == (pysyscall.MPOL_PREFERRED, {0})
        ctypes.memset(mapping.address + 4096, 1, 1)
        b.run()
        assert held.value == [False, True] and nodes.value == (pysyscall.MPOL_PREFERRED, {0})
        with pytest.raises(TypeError, match=r"mincore\(\) argument 'length' can't be the result"):
            b.mincore(mapping.address, b.getpid())


def test_messages_of_a_queue() -> None:
    text = bytearray(b"first")
    b = Batch()
    queue = b.msgget(pysyscall.IPC_PRIVATE, 0o600)
    sent = b.msgsnd(queue, (7, text))
    got = b.msgrcv(queue, 100)
    large = b.msgsnd(queue, (8, bytes(8000))), b.msgrcv(queue, 8000, 8)
    b.msgctl(queue, pysyscall.IPC_RMID)
    for word in (b"first", b"later"):
        text[:] = word
        b.run()
        assert sent.value is None and (got.value.mtype, got.value.mtext) == (7, word)
        assert large[1].value.mtext == bytes(8000)


def test_signals_taken_and_sent() -> None:
    """In a process without other threads, one of which could take the signal."""
    script = """
import os, signal
from pysyscall.batch import Batch
usr1 = {signal.SIGUSR1}
signal.pthread_sigmask(signal.SIG_BLOCK, usr1)
b = Batch(on_error="continue")
taken = b.rt_sigtimedwait(usr1, 0)
fd = b.pidfd_open(os.getpid())
b.pidfd_send_signal(fd, signal.SIGUSR1)
late = b.rt_sigtimedwait(usr1, 5)
b.close(fd)
for _ in range(2):
    b.run()
    assert isinstance(taken.value, BlockingIOError)
    assert (late.value.si_signo, late.value.si_pid) == (signal.SIGUSR1, os.getpid())
"""
    python("-c", script)


def test_how_a_child_ended() -> None:
    def child(status: int, group: int) -> int:
        return os.posix_spawn("/bin/sh", ["sh", "-c", f"exit {status}"], {}, setpgroup=group)

    children = [first_child := child(3, 0), child(0, first_child)]
    b = Batch()
    ended = b.wait4(-first_child, pysyscall.WNOHANG)
    try:
        for pid in children:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    finally:
        b.run()
        first = ended.value
        b.run()
        second = ended.value
    assert {first[0]: first[1].exit_code, second[0]: second[1].exit_code} == dict(
        zip(children, (3, 0), strict=True)
    )
    assert isinstance(first[1], pysyscall.WaitStatus)


def refusals() -> Iterator[tuple[str, type[Exception], Callable[[Batch, Any], object]]]:
    bad = TypeError, ValueError
    yield (
        r"close\(\) argument 'fd' belongs to another batch",
        bad[1],
        lambda b, fd: Batch().close(fd),
    )
    yield r"write\(\) argument 'buf' can't be", bad[0], lambda b, fd: b.write(1, fd)
    yield r"openat\(\) argument 'path' can't", bad[0], lambda b, fd: b.openat(None, fd, 0)
    yield r"read\(\) argument 'buf' can't be", bad[0], lambda b, fd: b.read(0, fd)
    yield "call 1, getcwd.., is none", bad[0], lambda b, fd: b.close(b.getcwd())
    yield "item 2 of the result", bad[0], lambda b, fd: b.close(b.pipe2(0)[2])
    yield "item 0 of the result", bad[0], lambda b, fd: b.close(fd[0])
    yield "call 1, pipe2.., is none", bad[0], lambda b, fd: b.close(b.pipe2(0))
    yield "call 1, umask.., is none|call 1", bad[0], lambda b, fd: b.close(b.getpriority(0, 0))
    yield "'mode' must be given", bad[0], lambda b, fd: b.openat(None, "x", fd)
    yield "what chooses the command", bad[0], lambda b, fd: b.fcntl(0, fd)
    yield "must be a bytes-like object", bad[0], lambda b, fd: b.write(1, "text")
    yield "has no argument", bad[0], lambda b, fd: b.write(1, b"", size=1)
    yield "lacks argument 'buf'", bad[0], lambda b, fd: b.write(1)
    yield "NUL", bad[1], lambda b, fd: b.unlink("a\0b")
    yield "must be in", OverflowError, lambda b, fd: b.close(2**31)
    yield "'on_error' must be", bad[1], lambda b, fd: Batch(on_error="go")  # type: ignore[arg-type]
    yield "has no input", bad[1], lambda b, fd: b.run([1])
    yield "has no input", bad[1], lambda b, fd: list(b.each([1]))
    yield "is empty", bad[1], lambda b, fd: Batch().run()
    yield "is empty", bad[1], lambda b, fd: Batch().run([])
    yield "is empty", bad[1], lambda b, fd: Batch().__exit__(None)
    yield "cannot create", bad[0], lambda b, fd: Result()
    yield "cannot create", bad[0], lambda b, fd: Input()


@pytest.mark.parametrize(("text", "kind", "record"), list(refusals()))
def test_refused(text: str, kind: type[Exception], record: Callable[[Batch, Any], object]) -> None:
    b = Batch()
    fd = b.dup(0)
    with pytest.raises(kind, match=text):
        record(b, fd)
    # What was refused is no part of the batch: at most the call whose result was not fit is.
    assert len(b) <= 2


def test_results_inside_of_sequences_and_paths() -> None:
    b = Batch()
    fd, value = b.dup(0), b.input()
    for record in (
        lambda: b.writev(1, [fd]),
        lambda: b.writev(1, [value]),
        lambda: b.poll([(fd, 1)], 0),
        lambda: b.poll([fd], 0),
        lambda: b.openat(None, Path(fd), 0),  # type: ignore[arg-type]
        lambda: b.setgroups([fd]),  # type: ignore[list-item]
        lambda: b.nanosleep(fd),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError):
            record()
    assert len(b) == 1


def test_the_result_of_a_call_that_was_refused() -> None:
    """The collector knows of it while the call is recorded: a result that never comes."""
    b = Batch()
    found: list[Any] = []

    class Sly:
        def fileno(self) -> int:
            found.extend(one for one in gc.get_objects() if type(one) is Result)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        b.dup(Sly())
    ghost = next(one for one in found if repr(one) == "<result of a batch that is gone>")
    found.clear()
    with pytest.raises(ValueError, match="'fd' is the result of a call that was not recorded"):
        b.close(ghost)
    with pytest.raises(RuntimeError, match="the batch is gone"):
        ghost.value  # noqa: B018
    assert len(b) == 0


def test_calls_added_while_it_runs_over_inputs() -> None:
    b = Batch()
    b.lseek(b.input(), 0, os.SEEK_CUR)
    results = b.each([0] * 1000)
    next(results)
    b.getpid()
    with pytest.raises(RuntimeError, match="calls were added to the batch while it ran over its"):
        for result in results:
            assert len(result) == 1

    def inputs() -> Iterator[int]:
        yield 0
        b.getpid()

    with pytest.raises(RuntimeError, match="the batch is in use"):
        b.run(inputs())
    assert len(b) == 2


def test_runs_over_inputs_do_not_mix() -> None:
    """One that begins while another is under way is refused, or has a list of its own."""
    b = Batch(on_error="continue")
    b.dup(b.input())

    def inputs() -> Iterator[int]:
        with pytest.raises(RuntimeError, match="the batch is in use"):
            b.run([0])
        yield -1

    assert [type(error) for (error,) in b.run(inputs())] == [OSError]
    outer = b.each([-1] * 600)
    next(outer)
    inner = b.run([-2] * 3) or []
    assert len(inner) == 3 and sum(1 for _ in outer) == 599 and b.results is inner


def test_no_old_results_after_a_run_that_could_not_begin(pipe: tuple[int, int]) -> None:
    class Once:
        asked = 0

        def fileno(self) -> int:
            self.asked += 1
            if self.asked > 2:
                raise ZeroDivisionError
            return pipe[0]

    b = Batch()
    first, _, last = b.getpid(), b.poll([(Once(), 1)], 0), b.getppid()
    b.run()
    assert (first.value, last.value) == (os.getpid(), os.getppid())
    with pytest.raises(ZeroDivisionError):
        b.run()
    for result in b.results:
        assert isinstance(result, NotRun)


def test_groups_hold_no_groups() -> None:
    b = Batch()
    with b.group(), pytest.raises(RuntimeError, match="can't hold another"), b.group():
        pass


def test_too_many_calls() -> None:
    script = """
from pysyscall.batch import Batch
b = Batch()
try:
    for count in range(10_000_000):
        b.getppid()
except ValueError as error:
    print(count, error)
b.run()
print(len(set(b.results)))
"""
    assert python("-c", script) == (
        "1048576 a batch holds at most 1048576 calls; give it inputs to make more\n1\n"
    )


def test_memory_is_bounded_over_ten_million_inputs() -> None:
    script = """
import resource
from itertools import repeat
from pysyscall.batch import Batch
b = Batch()
b.lseek(b.input(), 0, 0)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
next(b.each([0] * 1000))
before = peak()
count = sum(1 for _ in b.each(repeat(-1, 10_000_000)))
print(count, peak() - before < 4096)
"""
    script = script.replace("Batch()", 'Batch(on_error="continue")').replace(
        "repeat(-1", "repeat(0"
    )
    assert python("-c", script) == "10000000 True\n"


@pytest.mark.skipif(SANITIZED, reason="ASan needs all the address space")
def test_memory_is_bounded_where_inputs_need_more_and_more() -> None:
    """A chunk ends where it has enough, whatever the first of its inputs needed."""
    script = """
import os, resource
from pysyscall.batch import Batch
zero = os.open("/dev/zero", os.O_RDONLY)
b = Batch()
b.read(zero, b.input())
resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
print(sum(len(data) for data, in b.each([10] * 300 + [8 << 20] * 200)) - 3000 >> 20)
try:
    b.run([1 << 30])
except MemoryError:
    print("no memory", len(b.run([1, 2])))
"""
    assert python("-c", script) == "1600\nno memory 2\n"


def test_ctrl_c_ends_a_large_batch() -> None:
    script = """
import os, signal, threading, time
from pysyscall.batch import Batch
b = Batch()
results = [b.getppid() for _ in range(1 << 20)]
while True:
    threading.Timer(0.03, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        while True:
            b.run()
    except KeyboardInterrupt:
        pass
    made = sum(isinstance(result, int) for result in b.results)
    if made < len(b):
        break
assert made > 0 and results[made - 1].value == os.getppid()
print(type(b.results[made]).__name__)
"""
    assert python("-c", script) == "NotRun\n"


# --- inputs ---


def test_run_over_inputs(tmp_path: Path) -> None:
    paths = []
    for k in range(600):
        file = tmp_path / f"{k}"
        file.write_bytes(b"x" * k)
        paths.append(file if k % 3 else str(file))
    free = lowest_free()
    b = Batch(on_error="continue")
    recorded(b, b.input())
    found = b.run([*paths, tmp_path / "missing", *paths])
    assert found is b.results and len(found) == 1201
    assert [data for _, _, data, _ in found[:600]] == [b"x" * k for k in range(600)]
    assert [st.st_size for _, st, _, _ in found[601:]] == list(range(600))
    assert isinstance(found[600][0], FileNotFoundError)
    assert all(isinstance(result, NotRun) for result in found[600][1:])
    assert lowest_free() == free


def test_stop_and_skip_over_inputs(path: Path) -> None:
    for policy, count in (("stop", 2), ("skip", 4)):
        b = Batch(on_error=policy)  # type: ignore[arg-type]
        recorded(b, b.input())
        found = b.run([path, path / "x", path, path])
        assert len(found) == count and isinstance(found[1][1], NotRun)


def test_several_inputs(path: Path) -> None:
    b = Batch()
    name, size, offset = b.input(), b.input(), b.input()
    fd = b.open(name, os.O_RDONLY)
    b.pread(fd, size, offset)
    b.close(fd)
    given = [(path, 3, 0), (str(path), 4, 6), (bytes(path), 100, 8)]
    assert [data for _, data, _ in b.run(given)] == [b"012", b"6789", b"89"]
    with pytest.raises(TypeError, match="input 1 must be a tuple of 3 values"):
        b.run([given[0], (1, 2)])
    assert len(b.results) == 1


def test_an_input_that_is_refused_comes_after_those_before_it(path: Path) -> None:
    b = Batch()
    recorded(b, b.input())
    with pytest.raises(ValueError, match="NUL"):
        b.run([path] * 300 + ["\0"] + [path])
    assert len(b.results) == 300 and b.results[-1][2] == b"0123456789"
    seen = []
    with pytest.raises(ZeroDivisionError):
        for result in b.each(path if k < 5 else str(1 // 0) for k in range(10)):
            seen.append(result[2])
    assert seen == [b"0123456789"] * 5


def test_each_takes_inputs_as_they_are_needed(path: Path) -> None:
    taken = []

    def inputs() -> Iterator[Path]:
        for k in range(10**6):
            taken.append(k)
            yield path

    b = Batch()
    recorded(b, b.input())
    results = b.each(inputs())
    assert not taken
    assert next(results)[2] == b"0123456789"
    assert len(taken) <= 256


def test_inputs_are_let_go(keep: Callable[[int], int]) -> None:
    b = Batch()
    b.write(keep(os.open(os.devnull, os.O_WRONLY)), b.input())
    buffer = bytearray(100)
    assert b.run([buffer]) == [(100,)]
    buffer.append(1)


def test_with_inputs_the_block_does_not_run(path: Path) -> None:
    with Batch() as b:
        fd = b.open(b.input(), os.O_RDONLY)
        b.close(fd)
    assert b.results == []
    with pytest.raises(ValueError, match="has inputs"):
        b.run()
    b.run([path])
    with pytest.raises(RuntimeError, match="its results are what run"):
        fd.value  # noqa: B018


# --- signals, threads, audit ---


class Interrupted(Exception):
    pass


@pytest.fixture
def alarm() -> Iterator[Callable[[float, Callable[[], object]], None]]:
    before = signal.getsignal(signal.SIGALRM)

    def start(seconds: float, act: Callable[[], object]) -> None:
        signal.signal(signal.SIGALRM, lambda *_: act() and None)
        signal.setitimer(signal.ITIMER_REAL, seconds)

    yield start
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def interrupt() -> None:
    raise Interrupted


def test_a_waiting_call_is_repeated_after_a_signal(pipe: tuple[int, int], alarm: Any) -> None:
    seen = []
    b = Batch()
    data = b.read(pipe[0], 10)
    b.nanosleep(0.05)
    alarm(0.05, lambda: (seen.append(1), os.write(pipe[1], b"late")))
    b.run()
    assert (seen, data.value) == ([1], b"late")


def test_a_sleep_goes_on_with_what_is_left(alarm: Any) -> None:
    b = Batch()
    b.nanosleep(0.3)
    b.poll([], 200)
    seen: list[int] = []
    for _ in range(2):
        alarm(0.1, lambda: seen.append(1))
        start = time.monotonic()
        b.run()
        assert 0.49 < time.monotonic() - start < 2
    assert len(seen) == 2


def waits(b: Any, reader: int, timeout: float, mask: set[int] | None) -> list[Any]:
    """The three calls that wait with a signal mask; `b` is a batch or the module."""
    epoll = pysyscall.epoll_create1(pysyscall.EPOLL_CLOEXEC)
    pysyscall.epoll_ctl(epoll, pysyscall.EPOLL_CTL_ADD, reader, (pysyscall.EPOLLIN, 1))
    return [
        epoll,
        lambda: b.ppoll([(reader, pysyscall.POLLIN)], timeout, mask),
        lambda: b.epoll_pwait(epoll, 4, int(timeout * 1000), mask),
        lambda: b.epoll_pwait2(epoll, 4, timeout, mask),
    ]


def test_waiting_with_a_mask(pipe: tuple[int, int]) -> None:
    """What is ready, and what is not, as by the calls themselves."""
    for mask in (None, set(), {signal.SIGUSR1}):
        b = Batch()
        epoll, *records = waits(b, pipe[0], 0.01, mask)
        results = [record() for record in records]
        b.run()
        assert [results[0].value[0], *(result.value for result in results[1:])] == [[], [], []]
        os.write(pipe[1], b"x")
        b.run()
        again, *calls = waits(pysyscall, pipe[0], 0.01, mask)
        assert results[0].value[0] == calls[0]()[0] == [pysyscall.PollFd(pipe[0], 1, 1)]
        assert [result.value for result in results[1:]] == [call() for call in calls[1:]]
        assert results[1].value == [pysyscall.EpollEvent(pysyscall.EPOLLIN, 1)]
        os.read(pipe[0], 1)
        os.close(epoll), os.close(again)


def test_waiting_with_a_mask_and_interrupted(pipe: tuple[int, int], alarm: Any) -> None:
    """Without a mask the wait goes on for what is left; with one it ends, as it was asked to."""
    alarm(0, lambda: None)
    for k in range(3):
        for mask in (None, set()):
            seen: list[int] = []
            b = Batch(on_error="continue")
            epoll, *records = waits(b, pipe[0], 0.3, mask)
            result, after = records[k](), b.getpid()
            alarm(0.1, lambda seen=seen: seen.append(1))
            start = time.monotonic()
            b.run()
            took = time.monotonic() - start
            assert seen == [1] and after.value == os.getpid()
            if mask is None:
                assert 0.29 < took < 2 and not isinstance(result.value, OSError)
            else:
                assert 0.09 < took < 0.29 and isinstance(result.value, InterruptedError)
            os.close(epoll)


def test_a_signal_that_only_the_mask_lets_through() -> None:
    script = """
import os, signal
from pysyscall.batch import Batch
seen = []
signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
b = Batch(on_error="continue")
b.kill(os.getpid(), signal.SIGUSR1)
ended = b.ppoll([], 5, set())
b.ppoll([], 0.001, {signal.SIGUSR1})
for times in (1, 2):
    b.run()
    assert len(seen) == times and isinstance(ended.value, InterruptedError)
    assert b.results[2][0] == []
"""
    python("-c", script)


def test_what_was_done_before_an_interruption_is_there(pipe: tuple[int, int], alarm: Any) -> None:
    b = Batch()
    fd = b.dup(pipe[0])
    data = b.read(pipe[0], 10)
    after = b.getpid()
    alarm(0.05, interrupt)
    with pytest.raises(Interrupted):
        b.run()
    os.close(fd.value)
    assert isinstance(data.value, InterruptedError)
    with pytest.raises(NotRun):
        after.result()
    os.write(pipe[1], b"x")
    b.run()
    assert (data.value, after.value) == (b"x", os.getpid())
    os.close(fd.value)


def test_what_was_done_over_inputs_is_there(pipe: tuple[int, int], alarm: Any) -> None:
    b = Batch()
    fd = b.dup(b.input())
    b.read(fd, 1)
    b.close(fd)
    os.write(pipe[1], b"abc")
    alarm(0.05, interrupt)
    with pytest.raises(Interrupted):
        b.run([pipe[0]] * 10)
    assert [data for _, data, _ in b.results[:3]] == [b"a", b"b", b"c"]
    assert len(b.results) == 4 and isinstance(b.results[3][1], InterruptedError)
    os.close(b.results[3][0])
    os.write(pipe[1], b"de")
    alarm(0.05, interrupt)
    seen = []
    with pytest.raises(Interrupted):
        for result in b.each([pipe[0]] * 10):
            seen.append(result)
    assert [data for _, data, _ in seen[:2]] == [b"d", b"e"] and len(seen) == 3
    os.close(seen[2][0])


def test_many_short_calls_can_be_interrupted() -> None:
    """In a process of its own: what a handler raises within a callback of the collector is lost."""
    script = """
import signal, time
from pysyscall.batch import Batch
class Interrupted(Exception):
    pass
def interrupt(*_):
    raise Interrupted
b = Batch(on_error="continue")
for _ in range(500):
    b.fsync(-1)
b.fsync(b.input())
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.05)
start = time.monotonic()
try:
    for _ in b.each(iter(int, 1)):
        if time.monotonic() - start > 10:
            break
except Interrupted:
    print("interrupted")
"""
    assert python("-c", script) == "interrupted\n"


def test_others_run_meanwhile(pipe: tuple[int, int]) -> None:
    b = Batch()
    data = b.read(pipe[0], 1)
    thread = threading.Thread(target=b.run)
    thread.start()
    time.sleep(0.05)
    for use in (b.run, b.getpid, lambda: data.value, lambda: b.results, b.input):
        with pytest.raises(RuntimeError, match="the batch is in use"):
            use()
    os.write(pipe[1], b"x")
    thread.join()
    assert data.value == b"x"


def test_code_that_a_conversion_runs_finds_the_batch_in_use() -> None:
    b = Batch()

    class Sly:
        def fileno(self) -> int:
            with pytest.raises(RuntimeError, match="in use"):
                b.getpid()
            return 0

    b.dup(Sly())
    assert len(b) == 1


def test_a_group_of_garbage_goes_away() -> None:
    class Buffer(bytearray):
        batch: object

    makers = held_by_batch, lambda held: prepare(pysyscall.write, 1, held)
    for make in makers:
        buffer = Buffer(4)
        buffer.batch = make(buffer)
        gone = weakref.ref(buffer)
        del buffer
        gc.collect()
        assert gone() is None


def held_by_batch(held: bytearray) -> Batch:
    b = Batch()
    b.write(1, held)
    return b


def test_buffers_are_held_and_let_go() -> None:
    buffer = bytearray(10)
    b = held_by_batch(buffer)
    with pytest.raises(BufferError):
        buffer.append(1)
    del b
    gc.collect()
    buffer.append(1)


def test_a_released_buffer() -> None:
    view = memoryview(bytearray(4))
    bound = prepare(pysyscall.write, -1, view)
    with pytest.raises(BufferError):
        view.obj.clear()
    with suppress(BufferError):
        view.release()
    with pytest.raises(OSError):
        bound()
    with pytest.raises(ValueError, match="released"):
        view = memoryview(b"x")
        view.release()
        Batch().write(1, view)


def test_a_buffer_released_before_a_call_that_looks_at_it_again() -> None:
    left, right = socket.socketpair()
    with left, right:
        view = memoryview(bytearray(4))
        receive = prepare(pysyscall.recvfrom, right.fileno(), view)
        left.send(b"ab")
        assert receive()[0] == 2 and view[:2] == b"ab"
        view.release()
        with pytest.raises(ValueError, match="released memoryview"):
            receive()
        b = Batch()
        view = memoryview(bytearray(4))
        b.recvfrom(right.fileno(), view)
        left.send(b"ab")
        b.run()
        with suppress(BufferError):
            view.release()
        left.send(b"ab")
        with suppress(ValueError):
            b.run()


def test_a_descriptor_that_is_another_one_by_now(path: Path) -> None:
    """It was looked up once: what the kernel says of that number."""
    file = path.open("rb")
    read = prepare(pysyscall.pread64, file, 4, 0)
    assert read() == b"0123"
    file.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        read()
    with pytest.raises(ValueError, match="closed file"):
        prepare(pysyscall.pread64, file, 4, 0)


def test_audit() -> None:
    script = """
import sys
from pysyscall.batch import Batch, prepare, read_files, stat_many, write_all
import pysyscall
told = []
sys.addaudithook(lambda event, args: event.startswith("pysyscall") and told.append((event, args)))
b = Batch()
path = b.input()
b.access(path, 0)
b.dup(5)
b.run(["/", "/x"])
call = [args for event, args in told if event == "pysyscall.call"]
assert [name for name, _ in call] == ["access", "dup", "access", "access"], call
assert [args[0] for _, args in call[2:]] == ["/", "/x"]
assert ("pysyscall.batch", (b, 2)) in told
told.clear()
bound = prepare(pysyscall.access, "/", 0)
assert told == []
bound()
assert told == [("pysyscall.call", ("access", ("/", 0)))], told
told.clear()
read_files(["/dev/null"]), stat_many(["/"]), write_all(1, [])
assert [args[0] for _, args in told] == ["read_files", "stat_many", "write_all"]
"""
    python("-c", script)


def test_a_hook_can_refuse() -> None:
    script = """
import sys
from pysyscall.batch import Batch
def hook(event, args):
    if event == "pysyscall.call" and "/secret" in args[1]:
        raise PermissionError
sys.addaudithook(hook)
b = Batch()
for use in (lambda: b.access("/secret", 0), lambda: other.run(["/", "/secret"])):
    other = Batch()
    other.access(other.input(), 0)
    try:
        use()
    except PermissionError:
        continue
    raise AssertionError
assert len(b) == 0 and other.results == [(True,)]
"""
    python("-c", script)


# --- prepared calls ---


def test_prepared(pipe: tuple[int, int]) -> None:
    write, read = prepare(pysyscall.write, pipe[1], b"hi"), prepare(pysyscall.read, pipe[0], buf=10)
    for _ in range(3):
        assert write() == 2
        assert read() == b"hi"
    assert repr(write).startswith("<built-in method write")
    first, second = (prepare(pysyscall.fstat, pipe[0])() for _ in range(2))
    assert first == second and first is not second


def test_prepared_errors() -> None:
    missing = prepare(pysyscall.open, "/missing", os.O_RDONLY)
    for _ in range(2):
        with pytest.raises(FileNotFoundError) as caught:
            missing()
        assert caught.value.filename == "/missing"
    fd = os.dup(0)
    bound = prepare(pysyscall.fstat, fd)
    os.close(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        bound()
    for function in (print, os.getpid, pysyscall.syscall, pysyscall.read_files, 1):
        with pytest.raises(TypeError, match="must be a call that is made straight from C"):
            prepare(function)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="lacks argument 'call'"):
        prepare()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="lacks argument 'buf'"):
        prepare(pysyscall.write, 1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="takes no arguments"):
        prepare(pysyscall.getpid)(1)  # type: ignore[call-arg]


def test_prepared_results_are_new_each_time(path: Path) -> None:
    fd = os.open(path, os.O_RDWR)
    for size in (10, 5000, 60000):
        os.pwrite(fd, b"a" * size, 0)
        read = prepare(pysyscall.pread, fd, size, 0)
        first = read()
        os.pwrite(fd, b"b" * size, 0)
        assert (first, read(), read()) == (b"a" * size, b"b" * size, b"b" * size)
        os.ftruncate(fd, 3)
        assert read() == b"bbb"
    os.close(fd)


def test_prepared_in_two_threads_at_once(pipe: tuple[int, int]) -> None:
    read = prepare(pysyscall.read, pipe[0], 1)
    got: list[bytes] = []
    threads = [threading.Thread(target=lambda: got.append(read())) for _ in range(5)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    os.write(pipe[1], b"abcde")
    for thread in threads:
        thread.join()
    assert sorted(got) == [b"a", b"b", b"c", b"d", b"e"]


def test_prepared_calls_and_signals(pipe: tuple[int, int], alarm: Any) -> None:
    read = prepare(pysyscall.read, pipe[0], 10)
    alarm(0.05, lambda: os.write(pipe[1], b"late"))
    assert read() == b"late"
    alarm(0.05, interrupt)
    with pytest.raises(Interrupted):
        read()
    nap = prepare(pysyscall.nanosleep, 0.2)
    for _ in range(2):
        alarm(0.05, lambda: None)
        start = time.monotonic()
        nap()
        assert 0.19 < time.monotonic() - start < 2


def test_lists_that_were_too_short() -> None:
    """More groups than there was room for, the second time too."""
    with Batch() as b:
        groups = b.getgroups()
    bound = prepare(pysyscall.getgroups)
    assert groups.value == bound() == bound() == pysyscall.getgroups()


def test_subinterpreters() -> None:
    script = """
import sys
if sys.version_info >= (3, 13):
    import _interpreters as module
    create, destroy = lambda: module.create("isolated"), module.destroy
    def run(one, code):
        assert module.run_string(one, code) is None
else:
    import _xxsubinterpreters as module
    create, destroy, run = module.create, module.destroy, module.run_string
code = '''
import pysyscall
from pysyscall.batch import Batch, prepare, read_files
with Batch() as b:
    fd = b.openat(None, "/etc/passwd", 0)
    data = b.read(fd, 10**6)
    b.close(fd)
assert [data.value] == read_files(["/etc/passwd"])
assert prepare(pysyscall.stat, "/")() == pysyscall.stat("/")
try:
    b.close(b.getcwd())
except TypeError:
    pass
'''
exec(code)
for _ in range(3):
    one = create()
    run(one, code)
    destroy(one)
exec(code)
"""
    python("-c", script)
