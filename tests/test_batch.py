"""Batches and prepared calls: what they return, what they refuse, and how they are interrupted."""

from __future__ import annotations

import errno
import gc
import inspect
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from isolated.child import ISOLATED, python

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
    """Calls that look after memory, requests or signal masks; and arguments that do."""
    b = Batch()
    for record in (
        lambda: b.mmap(None, 4096, 0, pysyscall.MAP_PRIVATE | pysyscall.MAP_ANONYMOUS),
        lambda: b.ppoll([], 0),
        lambda: b.recvmsg(0, 10, control=10),
        lambda: b.io_destroy(1),
        lambda: b.fcntl(0, pysyscall.F_GETOWN),
        lambda: b.quotactl(pysyscall.Q_SYNC, pysyscall.USRQUOTA, None, 0, None),
        lambda: prepare(pysyscall.quotactl, pysyscall.Q_SYNC, pysyscall.USRQUOTA, None, 0, None),
    ):
        with pytest.raises(TypeError, match=r"\) can't be made beforehand, nor be part of a batch"):
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
