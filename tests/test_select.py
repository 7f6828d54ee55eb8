"""select, pselect6 and ppoll: lists of descriptors, what is left of the time, signals meanwhile."""

from __future__ import annotations

import errno
import io
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from isolated.child import python

import pysyscall
from pysyscall import POLLIN, POLLOUT, PollFd, Timespec, Timeval

USR1 = signal.SIGUSR1


class File:
    def __init__(self, fd: int) -> None:
        self.fd = fd

    def fileno(self) -> int:
        return self.fd


@pytest.fixture(params=["select", "pselect6"])
def choose(request: pytest.FixtureRequest) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(pysyscall, request.param)
    return function


@pytest.fixture(params=["select", "pselect6", "ppoll"])
def wait(
    request: pytest.FixtureRequest, pipe: tuple[int, int]
) -> Callable[..., tuple[bool, float | None]]:
    """Waits for the pipe: whether it can be read, and how many seconds are left."""
    function = getattr(pysyscall, request.param)

    def call(timeout: object, *mask: object) -> tuple[bool, float | None]:
        if request.param == "ppoll":
            ready, left = function([(pipe[0], POLLIN)], timeout, *mask)
        else:
            ready, _, _, left = function([pipe[0]], None, None, timeout, *mask)
        return bool(ready), left if left is None else left.seconds

    return call


# Descriptors


def test_those_that_are_ready(choose: Callable[..., Any], pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    both = [reader, writer]
    assert choose(both, both, both) == ([], [writer], [], None)
    os.write(writer, b"x")
    assert choose(both, both, both) == ([reader], [writer], [], None)
    assert choose(both) == ([reader], [], [], None)
    assert choose(writefds=both) == ([], [writer], [], None)
    assert choose(exceptfds=both, timeout=0)[:3] == ([], [], [])


def test_exceptional_conditions(choose: Callable[..., Any], keep: Callable[[int], int]) -> None:
    """The end of a terminal whose other end is in packet mode tells of a flush."""
    import fcntl
    import termios

    main, other = map(keep, os.openpty())
    fcntl.ioctl(main, termios.TIOCPKT, b"\1\0\0\0")
    termios.tcflush(other, termios.TCIOFLUSH)
    assert choose([], [], [main], 5)[2] == [main]


@pytest.mark.parametrize(
    "kind",
    [list, tuple, set, frozenset, iter, dict.fromkeys, lambda fds: (File(fd) for fd in fds)],
)
def test_any_iterable(
    choose: Callable[..., Any], pipe: tuple[int, int], kind: Callable[[list[int]], Any]
) -> None:
    """Numbers come back, whatever was given: two objects can have the same one."""
    assert choose(None, kind([pipe[1], pipe[0], pipe[1]]))[1] == [pipe[1]]


@pytest.mark.parametrize("kind", [list, tuple, iter, lambda fds: [File(fd) for fd in fds]])
def test_many_come_in_order(
    choose: Callable[..., Any],
    pipe: tuple[int, int],
    keep: Callable[[int], int],
    kind: Callable[[list[int]], Any],
) -> None:
    """More than one word holds, in each list on its own and whatever the order that was given."""
    writers = [keep(os.dup(pipe[1])) for _ in range(200)]
    readers = [keep(os.dup(pipe[0])) for _ in range(70)]
    mixed = writers[::-2] + readers + writers[::2] + writers
    assert choose(kind(mixed), kind(mixed[::-1]), (), 0)[:3] == ([], sorted(writers), [])
    os.write(pipe[1], b"x")
    assert choose(kind(readers[::-1]), kind(mixed))[:3] == (sorted(readers), sorted(writers), [])


def test_lists_are_new(choose: Callable[..., Any], pipe: tuple[int, int]) -> None:
    given = [pipe[1], pipe[0]]
    first, second = choose(given, given, given), choose(given, given, given)
    assert [type(found) for found in first[:3]] == [list, list, list]
    assert len({id(found) for found in (given, *first[:3], *second[:3])}) == 7
    assert given == [pipe[1], pipe[0]]


def test_numbers_of_any_kind(choose: Callable[..., Any], pipe: tuple[int, int]) -> None:
    class Number(int):
        pass

    class Index:
        def __index__(self) -> int:
            return pipe[1]

    for given in (Number(pipe[1]), Index()), [Index(), pipe[1], Number(pipe[1]), File(pipe[1])]:
        ((found,), exceptional) = choose(None, given)[1:3]
        assert (type(found), found) == (int, pipe[1])
        assert exceptional == []


def test_objects_of_the_standard_library(choose: Callable[..., Any], pipe: tuple[int, int]) -> None:
    with os.fdopen(os.dup(pipe[1]), "wb") as file:
        assert choose((), [file, pipe[1]])[1] == sorted([file.fileno(), pipe[1]])


def test_no_sets_wait(choose: Callable[..., Any]) -> None:
    start = time.monotonic()
    assert choose(None, (), None, 0.02)[:3] == ([], [], [])
    assert time.monotonic() - start >= 0.02


def test_descriptors_of_any_number() -> None:
    """In a child, which raises its limit."""
    script = """
import os, resource, pysyscall
high = 70_000
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (high + 10, max(hard, high + 10)))
except (OSError, ValueError):
    high = hard - 10
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
reader, writer = os.pipe()
fds = [1023, 1024, 1025, 1088, *range(2000, 2200), 4096, high]
for fd in fds:
    os.dup2(writer, fd)
    os.dup2(reader, fd - 500)
for select in pysyscall.select, pysyscall.pselect6:
    assert select((), reversed(fds))[1] == fds
    assert select([fd - 500 for fd in fds], [high], [1024], 0)[:3] == ([], [high], [])
    os.write(writer, b"x")
    assert select([fd - 500 for fd in fds], [1024])[:2] == ([fd - 500 for fd in fds], [1024])
    os.read(reader, 1)
os.close(high)
try:
    pysyscall.select([high], timeout=0)
except OSError as error:
    print(error.errno)
"""
    assert python("-c", script).split() == [str(errno.EBADF)]


@pytest.mark.parametrize("number", [None, 100_000, 10_000_000, 2**31 - 2])
def test_descriptors_that_are_not_open(
    choose: Callable[..., Any], pipe: tuple[int, int], number: int | None
) -> None:
    """The kernel leaves the bits above all open descriptors as they were: they are not ready."""
    os.close(closed := os.dup(0))
    wrong = closed if number is None else number
    for sets in ([wrong], ()), ((), [pipe[1], wrong]), ([wrong], [pipe[1]]):
        with pytest.raises(OSError) as caught:
            choose(*sets, timeout=0)
        assert caught.value.errno == errno.EBADF


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        (5, TypeError, "must be an iterable of descriptors or None, not int"),
        ("01", TypeError, "must be an iterable of descriptors or None, not str"),
        (b"\0\1", TypeError, "must be an iterable of descriptors or None, not bytes"),
        (bytearray(1), TypeError, "must be an iterable of descriptors or None, not bytearray"),
        ([0, "1"], TypeError, "item 1 must be an int or an object with fileno(), not str"),
        ([None], TypeError, "item 0 must be an int or an object with fileno(), not NoneType"),
        ([1.0], TypeError, "item 0 must be an int or an object with fileno(), not float"),
        ([0, 1, -1], ValueError, "item 2 must be in [0, 2147483646]"),
        ([2**31 - 1], ValueError, "item 0 must be in [0, 2147483646]"),
        ([2**64], ValueError, "item 0 must be in [0, 2147483646]"),
        ([File(-1)], ValueError, "item 0 must be in [0, 2147483646]"),
        ([File("x")], TypeError, "item 0 must have a fileno() that returns an int, not str"),  # type: ignore[arg-type]
    ],
)
def test_refused_sets(
    choose: Callable[..., Any], given: object, error: type[Exception], text: str
) -> None:
    for place, name in enumerate(("readfds", "writefds", "exceptfds")):
        for form in (given, tuple(given), iter(given)) if isinstance(given, list) else (given,):
            sets: list[object] = [[0], [1], [2]]
            sets[place] = form
            with pytest.raises(error) as caught:
                choose(*sets, 0)
            assert str(caught.value) == f"{choose.__name__}() argument '{name}' {text}"


def test_a_file_is_no_set_of_descriptors(choose: Callable[..., Any], pipe: tuple[int, int]) -> None:
    """Iterating over it would take lines from it."""
    os.write(pipe[1], b"line\n")
    with os.fdopen(os.dup(pipe[0])) as file, pytest.raises(TypeError, match=r"not .*TextIOWrapper"):
        choose(file)
    assert os.read(pipe[0], 10) == b"line\n"


def test_hostile_iterables(choose: Callable[..., Any], pipe: tuple[int, int]) -> None:
    class Raises:
        def fileno(self) -> int:
            raise ZeroDivisionError

    class Recursive:
        def fileno(self) -> int:
            assert choose(None, [pipe[1]])[1] == [pipe[1]]
            return pipe[1]

    class Both(list[Any]):
        def fileno(self) -> int:
            raise AssertionError

    class Clears:
        def fileno(self) -> int:
            shrinking.clear()
            return pipe[1]

    class Grows:
        def fileno(self) -> int:
            growing.extend([pipe[1]] * 1000)
            return pipe[0]

    class Endless:
        def __iter__(self) -> Iterator[int]:
            while True:
                yield pipe[1]
                if next(turns) > 5000:
                    raise ZeroDivisionError

    turns = iter(range(10_000))
    shrinking: list[Any] = [Clears(), 1, 2]
    growing: list[Any] = [pipe[0], Grows()]
    for bad in ([pipe[1], Raises()], Endless(), (1 // 0 for _ in "x")):
        with pytest.raises(ZeroDivisionError):
            choose(None, bad)
    assert choose(None, [Recursive(), 900, Recursive()][::2])[1] == [pipe[1]]
    assert choose(None, shrinking)[1] == [pipe[1]]
    assert choose(None, growing)[1] == [pipe[1]]
    with pytest.raises(TypeError, match="not Both"):
        choose(Both())


def test_a_set_that_makes_the_others_longer(
    choose: Callable[..., Any], pipe: tuple[int, int], keep: Callable[[int], int]
) -> None:
    """The first set is converted before it is known how long the last one is."""
    high = keep(os.dup2(pipe[1], 1000))
    assert choose([pipe[0]], [pipe[1]], [high], 0)[:3] == ([], [pipe[1]], [])
    assert choose([high], [pipe[1], high], [0], 0)[1] == [pipe[1], high]


# Time


@pytest.mark.parametrize("timeout", [0.03, Timespec(0, 30_000_000)])
def test_the_time_runs_out(wait: Callable[..., Any], timeout: object, request: Any) -> None:
    if isinstance(timeout, Timespec) and "[select" in request.node.name:
        timeout = Timeval(0, 30_000)
    start = time.monotonic()
    assert wait(timeout) == (False, 0)
    assert time.monotonic() - start >= 0.03
    assert wait(0) == (False, 0)


def test_what_is_left_of_the_time(wait: Callable[..., Any], pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"x")
    ready, left = wait(60)
    assert ready
    assert 50 < left <= 60
    assert wait(None) == (True, None)


def test_times_come_back_as_their_struct(pipe: tuple[int, int]) -> None:
    fds = [pipe[1]]
    assert type(pysyscall.select((), fds, (), 5)[3]) is Timeval
    assert type(pysyscall.pselect6((), fds, (), 5)[3]) is Timespec
    assert type(pysyscall.ppoll([(pipe[1], POLLOUT)], 5)[1]) is Timespec
    given = Timespec(5, 1)
    pysyscall.pselect6((), fds, (), given)
    assert given == Timespec(5, 1)


@pytest.mark.parametrize("seconds", [1e-9, 0.0012345678, 0.0099999999])
def test_a_wait_is_not_shorter_than_asked_for(wait: Callable[..., Any], seconds: float) -> None:
    start = time.monotonic()
    wait(seconds)
    assert time.monotonic() - start >= seconds


@pytest.mark.parametrize(
    ("timeout", "error"),
    [(-1, OSError), (float("nan"), ValueError), (1e300, OverflowError), ("1", TypeError)],
)
def test_refused_times(wait: Callable[..., Any], timeout: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        wait(timeout)


def test_each_call_has_its_struct(pipe: tuple[int, int]) -> None:
    with pytest.raises(TypeError, match=r"must be seconds .* or a Timeval or None, not .*Timespec"):
        pysyscall.select([pipe[0]], timeout=Timespec(1))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"or a Timespec or None, not .*Timeval"):
        pysyscall.ppoll([], Timeval(1))  # type: ignore[arg-type]


# Signals


def test_signals_do_not_lengthen_a_wait(wait: Callable[..., Any], held_back: list[int]) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
    start = time.monotonic()
    assert wait(0.1) == (False, 0)
    assert 0.1 <= time.monotonic() - start < 5
    assert len(held_back) > 3


def test_a_slow_handler_takes_from_the_time(wait: Callable[..., Any]) -> None:
    before = signal.signal(signal.SIGALRM, lambda number, frame: time.sleep(0.2))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        start = time.monotonic()
        assert wait(0.1) == (False, 0)
        assert 0.2 <= time.monotonic() - start < 0.29
    finally:
        signal.signal(signal.SIGALRM, before)


def test_the_handler_can_end_the_wait(wait: Callable[..., Any], pipe: tuple[int, int]) -> None:
    before = signal.signal(signal.SIGALRM, lambda number, frame: os.write(pipe[1], b"x"))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        assert wait(None) == (True, None)
        signal.signal(signal.SIGALRM, lambda number, frame: 1 / 0)
        os.read(pipe[0], 1)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with pytest.raises(ZeroDivisionError):
            wait(60)
    finally:
        signal.signal(signal.SIGALRM, before)


takes_a_mask = pytest.mark.parametrize("wait", ["pselect6", "ppoll"], indirect=True)


@takes_a_mask
def test_a_signal_that_the_mask_lets_through_raises(
    wait: Callable[..., Any], held_back: list[int]
) -> None:
    signal.raise_signal(USR1)
    assert held_back == []
    for mask in ([], {signal.SIGUSR2}):
        signal.raise_signal(USR1)
        with pytest.raises(InterruptedError):
            wait(60, mask)
    assert held_back == [USR1, USR1]
    assert USR1 in signal.pthread_sigmask(signal.SIG_BLOCK, []), "the mask before is back"


@takes_a_mask
def test_a_signal_that_the_mask_blocks_waits(
    wait: Callable[..., Any], held_back: list[int]
) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.005)
    assert wait(0.03, iter([signal.SIGALRM])) == (False, 0)
    assert held_back == [signal.SIGALRM], "it came after the wait"


def test_pselect_is_pselect6() -> None:
    assert pysyscall.pselect is pysyscall.pselect6


# ppoll


def test_ppoll_tells_those_that_are_ready(pipe: tuple[int, int]) -> None:
    fds: Iterable[Any] = [(pipe[0], POLLIN), PollFd(pipe[1], POLLOUT), (File(pipe[0]), POLLIN)]
    assert pysyscall.ppoll(fds) == ([PollFd(pipe[1], POLLOUT, POLLOUT)], None)
    os.write(pipe[1], b"x")
    ready, left = pysyscall.ppoll(fds, 60, ())
    assert [poll.fd for poll in ready] == [pipe[0], pipe[1], pipe[0]]
    assert left is not None
    os.close(closed := os.dup(0))
    assert pysyscall.ppoll([(closed, 0)])[0][0].revents == pysyscall.POLLNVAL
    assert pysyscall.ppoll([], 0) == ([], Timespec())


def test_a_closed_file_tells_its_own_error(choose: Callable[..., Any]) -> None:
    file = io.BytesIO()
    with pytest.raises(io.UnsupportedOperation):
        choose([file])
