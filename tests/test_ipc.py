"""Shared memory, semaphores and message queues: System V's and POSIX's."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from children import in_child
from conditions import needs_root
from this_process import alone

import pysyscall
from pysyscall import IPC_CREAT, IPC_EXCL, IPC_NOWAIT, IPC_PRIVATE, MqAttr, Sembuf, Sigevent
from pysyscall._raw import ffi

IPC_RMID, GETVAL, SETVAL = 0, 12, 16
NO_ID = 2**31 - 1


def table(kind: str, number: int) -> dict[str, int]:
    """What the kernel's table of `kind` tells of one object, or nothing."""
    lines = Path(f"/proc/sysvipc/{kind}").read_text().splitlines()
    names = lines[0].split()
    for line in lines[1:]:
        row = dict(zip(names, line.split(), strict=True))
        if int(row[f"{kind.replace('msg', 'msq')}id"]) == number:
            return {name: int(value, 8 if name == "perms" else 10) for name, value in row.items()}
    return {}


GET: dict[str, Callable[..., int]] = {
    "shm": lambda key, flags: pysyscall.shmget(key, 5000, flags),
    "sem": lambda key, flags: pysyscall.semget(key, 3, flags),
    "msg": lambda key, flags: pysyscall.msgget(key, flags),
}
every_kind = pytest.mark.parametrize("kind", GET)


@pytest.fixture
def get() -> Iterator[Callable[..., int]]:
    """Makes an object of a kind; it is removed when the test ends."""
    made: list[tuple[str, int]] = []

    def make(kind: str, key: int = IPC_PRIVATE, flags: int = IPC_CREAT | 0o600) -> int:
        number = GET[kind](key, flags)
        made.append((kind, number))
        return number

    yield make
    for kind, number in made:
        command = (0, IPC_RMID) if kind == "sem" else (IPC_RMID,)
        pysyscall.syscall(f"{kind}ctl", number, *command)


def free_key(kind: str) -> int:
    """A key that no object has."""
    for key in itertools.count(os.getpid() << 8):
        try:
            GET[kind](key, 0)
        except FileNotFoundError:
            return key
        except PermissionError:
            continue
    raise AssertionError


# System V: making and finding


@every_kind
def test_get_makes_an_object(get: Callable[..., int], kind: str) -> None:
    number = get(kind, flags=IPC_CREAT | 0o640)
    told = table(kind, number)
    assert type(number) is int
    assert (told["perms"], told["cuid"], told["key"]) == (0o640, os.geteuid(), 0)
    assert told.get("size", 5000) == 5000
    assert told.get("nsems", 3) == 3


@every_kind
def test_get_finds_an_object_by_its_key(get: Callable[..., int], kind: str) -> None:
    key = free_key(kind)
    number = get(kind, key)
    assert table(kind, number)["key"] == key
    assert GET[kind](key, 0) == number
    assert GET[kind](key, IPC_CREAT | 0o600) == number
    with pytest.raises(FileExistsError) as caught:
        GET[kind](key, IPC_CREAT | IPC_EXCL | 0o600)
    assert caught.value.filename is None


@every_kind
def test_a_key_has_a_sign_and_32_bits(kind: str) -> None:
    with pytest.raises(FileNotFoundError):
        GET[kind](-(2**31), 0)
    with pytest.raises(OverflowError):
        GET[kind](2**31, 0)


@every_kind
@needs_root
def test_others_need_permission(get: Callable[..., int], kind: str) -> None:
    key = free_key(kind)
    get(kind, key)

    def find() -> object:
        os.setresuid(65534, 65534, 65534)
        return GET[kind](key, 0o600)

    with pytest.raises(PermissionError):
        in_child(find)


@pytest.mark.parametrize(
    "call",
    [
        lambda: pysyscall.shmget(IPC_PRIVATE, 0, IPC_CREAT | 0o600),
        lambda: pysyscall.semget(IPC_PRIVATE, -1, IPC_CREAT | 0o600),
        lambda: pysyscall.semget(IPC_PRIVATE, 0, IPC_CREAT | 0o600),
        lambda: pysyscall.semop(NO_ID, [Sembuf(0, 1, 0)]),
        lambda: pysyscall.semop(NO_ID, []),
        lambda: pysyscall.semtimedop(NO_ID, [(0, 1, 0)], 0.01),
    ],
)
def test_system_v_refusals(call: Callable[[], object]) -> None:
    with pytest.raises(OSError) as caught:
        call()
    assert caught.value.errno == errno.EINVAL


def test_a_segment_is_shared(get: Callable[..., int]) -> None:
    number = get("shm")
    address = pysyscall.syscall("shmat", number, 0, 0)
    try:
        view = ffi.buffer(ffi.cast("char *", address), 5000)

        def write() -> None:
            view[4990:4995] = b"child"

        in_child(write)
        assert view[4989:4996] == b"\0child\0"
        assert table("shm", number)["nattch"] == 1
    finally:
        pysyscall.syscall("shmdt", address)


# System V: semaphores


def values(number: int) -> list[int]:
    return [pysyscall.syscall("semctl", number, index, GETVAL) for index in range(3)]


@pytest.mark.parametrize("operate", [pysyscall.semop, pysyscall.semtimedop])
@pytest.mark.parametrize(
    "operations",
    [
        [Sembuf(0, 2, 0), Sembuf(2, 7, 0), Sembuf(0, -1, 0)],
        ((0, 2, 0), (2, 7, 0), (0, -1, IPC_NOWAIT)),
        [Sembuf(0, 1), Sembuf(sem_num=1), (2, 7, 0)],
    ],
)
def test_semop(get: Callable[..., int], operate: Any, operations: Any) -> None:
    number = get("sem")
    assert operate(number, operations) is None
    assert values(number) == [1, 0, 7]


@pytest.mark.parametrize(
    ("operations", "error"),
    [
        ([(0, 1, 0), (1, -1, IPC_NOWAIT)], errno.EAGAIN),
        ([(0, 1, 0), (3, 1, 0)], errno.EFBIG),
        ([(0, 1, 0), (1, 32767, 0), (1, 1, 0)], errno.ERANGE),
        ([(0, 1, 0)] * 10_000, errno.E2BIG),
    ],
)
def test_all_operations_or_none(get: Callable[..., int], operations: Any, error: int) -> None:
    number = get("sem")
    for operate in (pysyscall.semop, pysyscall.semtimedop):
        with pytest.raises(OSError) as caught:
            operate(number, operations)
        assert caught.value.errno == error
    assert values(number) == [0, 0, 0]


def test_an_operation_must_fit(get: Callable[..., int]) -> None:
    number = get("sem")
    for operation in ((0, 2**15, 0), (-1, 1, 0), (2**16, 1, 0)):
        with pytest.raises(OverflowError):
            pysyscall.semop(number, [operation])
    assert values(number) == [0, 0, 0]


@pytest.mark.parametrize("timeout", [0.05, pysyscall.Timespec(0, 50_000_000)])
def test_semtimedop_gives_up(get: Callable[..., int], timeout: Any) -> None:
    number = get("sem")
    start = time.monotonic()
    with pytest.raises(BlockingIOError):
        pysyscall.semtimedop(number, [(0, -1, 0)], timeout)
    assert 0.05 <= time.monotonic() - start < 5


@pytest.mark.parametrize("operate", [pysyscall.semop, pysyscall.semtimedop])
def test_semop_waits_for_another_thread(get: Callable[..., int], operate: Any) -> None:
    number = get("sem")
    waiter = threading.Thread(target=lambda: operate(number, [(1, -3, 0)]))
    waiter.start()
    for _ in range(3):
        time.sleep(0.01)
        assert waiter.is_alive()
        operate(number, [(1, 1, 0)])
    waiter.join(10)
    assert not waiter.is_alive()
    assert values(number) == [0, 0, 0]


def test_the_end_of_a_process_undoes(get: Callable[..., int]) -> None:
    number = get("sem")

    def change() -> list[int]:
        pysyscall.semop(number, [(0, 5, pysyscall.SEM_UNDO), (1, 5, 0)])
        return values(number)

    assert in_child(change) == [5, 5, 0]
    assert values(number) == [0, 5, 0]


# POSIX message queues


@pytest.fixture
def name() -> Iterator[str]:
    """A queue's name, which is free, and free again when the test ends."""
    name = f"pysyscall-{os.getpid()}"
    yield name
    with contextlib.suppress(FileNotFoundError):
        pysyscall.mq_unlink(name)


@pytest.fixture
def queue(name: str, keep: Callable[[int], int]) -> int:
    """A queue for four messages of 16 bytes."""
    flags = pysyscall.O_RDWR | pysyscall.O_CREAT | pysyscall.O_EXCL
    return keep(pysyscall.mq_open(name, flags, attr=MqAttr(4, 16)))


def attributes(queue: int) -> tuple[int, int, int, int]:
    told = pysyscall.mq_getsetattr(queue)
    assert type(told) is MqAttr
    return told.mq_maxmsg, told.mq_msgsize, told.mq_curmsgs, told.mq_flags


def test_mq_open(name: str, queue: int, keep: Callable[[int], int]) -> None:
    assert attributes(queue) == (4, 16, 0, 0)
    assert stat.S_IMODE(os.fstat(queue).st_mode) == 0o600
    assert not os.get_inheritable(queue)
    again = keep(pysyscall.mq_open(os.fsencode(name), pysyscall.O_RDONLY))
    assert os.fstat(again).st_ino == os.fstat(queue).st_ino
    with pytest.raises(OSError, match="Bad file descriptor"):
        pysyscall.mq_timedsend(again, b"x")


def test_mq_open_has_default_attributes(name: str, keep: Callable[[int], int]) -> None:
    mask = os.umask(0)
    try:
        flags = pysyscall.O_RDWR | pysyscall.O_CREAT | pysyscall.O_NONBLOCK
        queue = keep(pysyscall.mq_open(name, flags, 0o640))
    finally:
        os.umask(mask)
    limits = Path("/proc/sys/fs/mqueue")
    most, size = ((limits / file).read_text() for file in ("msg_default", "msgsize_default"))
    assert attributes(queue) == (int(most), int(size), 0, pysyscall.O_NONBLOCK)
    assert stat.S_IMODE(os.fstat(queue).st_mode) == 0o640
    with pytest.raises(BlockingIOError):
        pysyscall.mq_timedreceive(queue, int(size))


def test_mq_unlink(name: str, queue: int) -> None:
    assert pysyscall.mq_unlink(name) is None
    with pytest.raises(FileNotFoundError):
        pysyscall.mq_unlink(name)
    with pytest.raises(FileNotFoundError):
        pysyscall.mq_open(name, pysyscall.O_RDWR)
    assert attributes(queue) == (4, 16, 0, 0)


def test_messages_come_by_priority(queue: int) -> None:
    sent = [(b"low", 1), (b"high", 32767), (b"", 0), (b"x" * 16, 1)]
    for content, priority in sent:
        assert pysyscall.mq_timedsend(queue, content, priority) is None
    assert attributes(queue)[2] == 4
    told = [pysyscall.mq_timedreceive(queue, 16) for _ in sent]
    assert told == [(b"high", 32767), (b"low", 1), (b"x" * 16, 1), (b"", 0)]


def test_mq_timedreceive_fills_a_buffer(queue: int) -> None:
    pysyscall.mq_timedsend(queue, memoryview(b"content"), msg_prio=3)
    buffer = bytearray(b"-" * 20)
    assert pysyscall.mq_timedreceive(queue, memoryview(buffer)[2:]) == (7, 3)
    assert buffer == b"--content-----------"


@pytest.mark.parametrize("timeout", [lambda: time.time() + 0.05, lambda: 0, lambda: 1.5])
def test_the_time_runs_out(queue: int, timeout: Callable[[], float]) -> None:
    until = timeout()
    with pytest.raises(TimeoutError):
        pysyscall.mq_timedreceive(queue, 16, until)
    assert time.time() >= until
    for _ in range(4):
        pysyscall.mq_timedsend(queue, b"full", abs_timeout=0)
    until = timeout()
    with pytest.raises(TimeoutError):
        pysyscall.mq_timedsend(queue, b"more", 0, until)
    assert time.time() >= until


def test_mq_timedreceive_waits_for_another_thread(queue: int) -> None:
    told: list[object] = []
    receiver = threading.Thread(target=lambda: told.append(pysyscall.mq_timedreceive(queue, 16)))
    receiver.start()
    time.sleep(0.02)
    assert told == []
    pysyscall.mq_timedsend(queue, b"at last", 5)
    receiver.join(10)
    assert told == [(b"at last", 5)]


def test_mq_getsetattr_sets_nonblock_and_returns_what_was(queue: int) -> None:
    before = pysyscall.mq_getsetattr(queue, MqAttr(9, 9, mq_flags=pysyscall.O_NONBLOCK))
    assert before.mq_flags == 0
    assert attributes(queue) == (4, 16, 0, pysyscall.O_NONBLOCK)
    assert pysyscall.mq_getsetattr(queue, MqAttr(0, 0)).mq_flags == pysyscall.O_NONBLOCK
    assert attributes(queue) == (4, 16, 0, 0)
    with pytest.raises(OSError, match="Invalid argument"):
        pysyscall.mq_getsetattr(queue, MqAttr(0, 0, pysyscall.O_RDWR))


def test_mq_notify_sends_a_signal_once(queue: int) -> None:
    number = signal.SIGUSR1
    alone()
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        event = Sigevent(sigev_value=77, sigev_signo=number, sigev_notify=pysyscall.SIGEV_SIGNAL)
        assert pysyscall.mq_notify(queue, event) is None
        with pytest.raises(OSError) as caught:
            pysyscall.mq_notify(queue, event)
        assert caught.value.errno == errno.EBUSY
        pysyscall.mq_timedsend(queue, b"x")
        told = signal.sigtimedwait([number], 5)
        assert told is not None
        assert (told.si_signo, told.si_pid) == (number, os.getpid())
        assert told.si_code == pysyscall.SI_MESGQ
        pysyscall.mq_timedreceive(queue, 16)
        pysyscall.mq_timedsend(queue, b"x")
        assert signal.sigtimedwait([number], 0) is None
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})


def test_mq_notify_is_taken_back(queue: int) -> None:
    for _ in range(2):
        pysyscall.mq_notify(queue, Sigevent(sigev_notify=pysyscall.SIGEV_NONE))
        assert pysyscall.mq_notify(queue, None) is None


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda fd: pysyscall.mq_timedsend(fd, b"x" * 17), errno.EMSGSIZE),
        (lambda fd: pysyscall.mq_timedsend(fd, b"x", 32768), errno.EINVAL),
        (lambda fd: pysyscall.mq_timedreceive(fd, 15), errno.EMSGSIZE),
        (lambda fd: pysyscall.mq_timedreceive(fd, bytearray(15)), errno.EMSGSIZE),
        (lambda fd: pysyscall.mq_notify(fd, Sigevent(sigev_notify=99)), errno.EINVAL),
        (lambda fd: pysyscall.mq_open("none-of-that-name", 0), errno.ENOENT),
        (lambda fd: pysyscall.mq_open("/slash", pysyscall.O_CREAT), errno.EACCES),
        (lambda fd: pysyscall.mq_open("x" * 256, pysyscall.O_CREAT), errno.ENAMETOOLONG),
        (lambda fd: pysyscall.mq_open("x", 64, 0o600, MqAttr(0, 0)), errno.EINVAL),
        (lambda fd: pysyscall.mq_unlink("/slash"), errno.EACCES),
    ],
)
def test_queue_refusals(queue: int, call: Callable[[int], object], error: int) -> None:
    with pytest.raises(OSError) as caught:
        call(queue)
    assert caught.value.errno == error


@pytest.mark.parametrize(
    "call",
    [
        lambda fd: pysyscall.mq_timedsend(fd, b"x"),
        lambda fd: pysyscall.mq_timedreceive(fd, 16),
        lambda fd: pysyscall.mq_notify(fd, None),
        lambda fd: pysyscall.mq_getsetattr(fd),
    ],
)
def test_a_file_is_no_queue(tmp_path: Path, call: Callable[[int], object]) -> None:
    with (tmp_path / "file").open("w+") as file, pytest.raises(OSError) as caught:
        call(file.fileno())
    assert caught.value.errno == errno.EBADF
