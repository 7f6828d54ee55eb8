"""Buffers and sequences that must be refused, and sizes that only look wrong."""

from __future__ import annotations

import array
import errno
import mmap
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from isolated.child import SANITIZED, python
from refusal import HUGE, Fileno, Index, Place, Refusal, Trouble, check, refusals, trouble

import pysyscall

STRIDED = (
    memoryview(bytearray(8))[::2],
    memoryview(bytearray(8))[::-1],
    memoryview(array.array("I", range(4)))[::2],
)
READERS, WRITERS = ("out iovec",), ("in iovec",)


@refusals(
    Refusal(
        "no data",
        ("in bytes",),
        ["text", 1, None, [b"x"], object(), 1.5],
        TypeError,
        "must be a bytes-like object, not {type}",
    ),
    Refusal(
        "read-only",
        ("out bytes", "out option"),
        [b"data", memoryview(b"data"), bytes(5000)],
        TypeError,
        "must be writable, not a read-only {type}",
    ),
    Refusal(
        "no buffer",
        ("out bytes", "out option"),
        ["text", 1.5, [bytearray(1)], object()],
        TypeError,
        r"must be .*an int \(how many bytes\).* or a writable buffer, not {type}",
    ),
    Refusal(
        "holes",
        ("out bytes", "out option", "in bytes", "in option"),
        STRIDED,
        BufferError,
        "must be one contiguous block of memory",
    ),
    Refusal(
        "negative",
        ("out bytes", "out option"),
        [-1, -(2**31), -(2**63), -(2**63) - 1, -HUGE, Index(lambda: -1)],
        ValueError,
        "must be a count of bytes, not negative",
    ),
    Refusal(
        "no sequence",
        ("out iovec", "in iovec"),
        ["text", b"data", bytearray(3), 1, None, {}, object()],
        TypeError,
        "must be a sequence of .*, not {type}",
    ),
    Refusal(
        "no buffer in it",
        ("out iovec", "in iovec"),
        [[bytearray(1), item] for item in ("text", 1, None, [b"x"])],
        TypeError,
        "item 1 must be a bytes-like object, not (str|int|NoneType|list)",
    ),
    Refusal(
        "holes in it",
        ("out iovec", "in iovec"),
        [[bytearray(1), bytearray(1), STRIDED[0]]],
        BufferError,
        "item 2 must be one contiguous block of memory",
    ),
    Refusal(
        "read-only in it",
        ("out iovec",),
        [[bytearray(1), b"ab"], [bytearray(1)] * 1 + [memoryview(b"ab")] * 20],
        TypeError,
        "item 1 must be writable, not a read-only (bytes|memoryview)",
    ),
)
def test_refused(place: Place, rule: Refusal) -> None:
    check(place, rule)
    for given in rule.given:
        if isinstance(given, list) and given and isinstance(given[0], bytearray):
            given[0].append(0)  # an export that was left behind would forbid it


def test_released_and_closed_buffers(nonblocking_pipe: tuple[int, int]) -> None:
    view = memoryview(bytearray(4))
    view.release()
    mapping = mmap.mmap(-1, 4096)
    mapping.close()
    for gone in (view, mapping):
        with pytest.raises(ValueError, match=r"released|closed"):
            pysyscall.write(nonblocking_pipe[1], gone)
        with pytest.raises(ValueError, match=r"released|closed"):
            pysyscall.readv(nonblocking_pipe[0], [gone])


def test_buffers_of_other_shapes(nonblocking_pipe: tuple[int, int]) -> None:
    """Only the memory counts, whatever its items are."""
    numbers = array.array("H", [1, 2])
    square = memoryview(bytearray(b"abcd")).cast("B", (2, 2))
    assert pysyscall.write(nonblocking_pipe[1], numbers) == 4
    assert pysyscall.writev(nonblocking_pipe[1], (square, numbers, b"", bytearray())) == 8
    got = array.array("I", [0, 0, 0])
    assert pysyscall.read(nonblocking_pipe[0], got) == 12
    assert got.tobytes() == numbers.tobytes() + b"abcd" + numbers.tobytes()
    with pytest.raises(BlockingIOError):
        pysyscall.read(nonblocking_pipe[0], got)
    assert (
        pysyscall.write(nonblocking_pipe[1], b"")
        == pysyscall.write(nonblocking_pipe[1], array.array("d"))
        == 0
    )


@pytest.mark.parametrize("count", [2**31, 2**40, 2**64, pytest.param(HUGE, id="huge")])
def test_a_huge_count_reads_a_small_file(count: int, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"all of it")
    fd = os.open(file, os.O_RDONLY)
    try:
        assert pysyscall.read(fd, count) == b"all of it"
        assert pysyscall.read(fd, count) == b""
        assert pysyscall.pread64(fd, count, 4) == b"of it"
    finally:
        os.close(fd)


def rise(setup: str = "") -> int:
    """By how many KiB the most memory ever used grows as a child reads a small file."""
    code = f"""
import os, pysyscall, resource
{setup}
def most():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
with open(os.devnull, "rb") as empty, open("/etc/passwd", "rb") as small:
    whole = os.pread(small.fileno(), 10000, 0)
    pysyscall.read(empty, 10)
    before = most()
    assert pysyscall.pread64(small, 2**40, 0) == whole
    assert pysyscall.read(empty, 2**40) == b""
    print(most() - before)
"""
    return int(python("-c", code))


def test_a_huge_count_takes_no_memory() -> None:
    assert rise() < 4096


@pytest.mark.skipif(SANITIZED, reason="ASan needs all the address space")
def test_a_huge_count_where_address_space_is_short() -> None:
    """A short read needs no more than there is."""
    limit = 2**30
    assert rise(f"resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))") < 4096


def test_a_large_read_is_whole() -> None:
    """Above 64 MiB the bytes are made after the read; they must be the same."""
    fd = pysyscall.memfd_create("large")
    try:
        size = 70 * 2**20
        os.ftruncate(fd, size)
        os.pwrite(fd, b"end", size - 3)
        for count in (size, 2**40):
            data = pysyscall.pread64(fd, count, 0)
            assert len(data) == size
            assert data.endswith(b"\0end")
    finally:
        os.close(fd)


def wait_until_it_reads(thread: threading.Thread) -> None:
    deadline = time.monotonic() + 10
    path = Path(f"/proc/self/task/{thread.native_id}/syscall")
    reading = (f"{pysyscall.Sysno.read:d} ", f"{pysyscall.Sysno.readv:d} ")
    while not path.read_text().startswith(reading) and time.monotonic() < deadline:
        time.sleep(0.001)


def test_no_other_thread_resizes_a_buffer_in_use(nonblocking_pipe: tuple[int, int]) -> None:
    reader, writer = nonblocking_pipe
    os.set_blocking(reader, True)
    buffer, viewed = bytearray(8), bytearray(8)
    view = memoryview(viewed)
    numbers = array.array("B", bytes(8))
    cases: list[tuple[Callable[[], int], list[Callable[[], object]]]] = [
        (lambda: pysyscall.read(reader, buffer), [buffer.clear, lambda: buffer.extend(b"x")]),
        (lambda: pysyscall.read(reader, view), [view.release, viewed.clear]),
        (lambda: pysyscall.readv(reader, [numbers]), [numbers.pop, lambda: numbers.append(1)]),
    ]
    for call, changes in cases:
        got: list[int] = []
        thread = threading.Thread(target=lambda call=call, got=got: got.append(call()))
        thread.start()
        try:
            wait_until_it_reads(thread)
            for change in changes:
                with pytest.raises(BufferError):
                    change()
        finally:
            os.write(writer, b"8 bytes!")
            thread.join()
        assert got == [8]
    assert bytes(buffer) == bytes(viewed) == numbers.tobytes() == b"8 bytes!"
    view.release()
    buffer.clear()
    viewed.clear()
    numbers.pop()


@pytest.mark.parametrize("name", ["readv", "writev", "preadv2", "pwritev2"])
def test_the_number_of_buffers(name: str, nonblocking_pipe: tuple[int, int]) -> None:
    call, end = getattr(pysyscall, name), nonblocking_pipe["write" in name]
    assert call(end, []) == call(end, ()) == call(end, iter([])) == 0
    for count in (1025, 2000, 100_000):
        with pytest.raises(OSError) as caught:
            call(end, [bytearray(1)] * count)
        assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("count", [1, 7, 8, 9, 100, 1024])
def test_every_number_of_buffers(count: int, nonblocking_pipe: tuple[int, int]) -> None:
    data = [b"%04d" % number for number in range(count)]
    assert pysyscall.writev(nonblocking_pipe[1], data) == 4 * count
    got = [bytearray(4) for _ in data]
    assert pysyscall.readv(nonblocking_pipe[0], (item for item in got)) == 4 * count
    assert got == data


class Iter:
    """A sequence by its methods, whose iterator is what a function returns."""

    def __init__(self, answer: Callable[[], Any]) -> None:
        self.answer = answer

    def __iter__(self) -> Any:
        return self.answer()

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Any:
        raise AssertionError("it has an iterator")


def failing() -> Iterator[Any]:
    yield bytearray(1)
    raise Trouble


@pytest.mark.parametrize("call", ["writev", "readv", "poll", "sched_setaffinity"])
def test_iterables_that_fail(call: str) -> None:
    function = getattr(pysyscall, call)
    first = () if call == "poll" else (0,)
    for given in (Iter(trouble), Iter(lambda: (trouble() for _ in [1]))):
        with pytest.raises(Trouble):
            function(*first, given)
    with pytest.raises(TypeError):
        function(*first, Iter(lambda: 5))
    if call.endswith("v"):
        with pytest.raises(Trouble):
            function(*first, failing())


def test_a_list_of_polls_that_changes_while_it_is_converted(
    nonblocking_pipe: tuple[int, int],
) -> None:
    """The call works on the items that were there when it began."""
    reader, writer = nonblocking_pipe
    os.write(writer, b"x")
    fds: list[Any] = []

    def harm() -> int:
        fds.clear()
        fds.extend([None] * 100)
        return reader

    fds += [(Fileno(harm), 1), (reader, 1), (reader, 1)]
    assert [ready.fd for ready in pysyscall.poll(fds, 0)] == [reader] * 3
    assert fds == [None] * 100


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ came with Python 3.12")
@pytest.mark.parametrize("count", [2, 20])
def test_a_list_of_buffers_that_shrinks_while_it_is_converted(
    count: int, nonblocking_pipe: tuple[int, int]
) -> None:
    data = bytearray(b"data")
    buffers: list[Any] = []

    class Saboteur:
        def __buffer__(self, flags: int) -> memoryview:
            buffers.clear()
            return memoryview(data)

    buffers += [Saboteur(), *(bytearray(1) for _ in range(count))]
    with pytest.raises(RuntimeError, match="'iov' changed its size"):
        pysyscall.writev(nonblocking_pipe[1], buffers)
    data.clear()
    buffers += [bytearray(b"one"), Saboteur()]
    assert pysyscall.writev(nonblocking_pipe[1], buffers) == 3
    assert os.read(nonblocking_pipe[0], 10) == b"one"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ came with Python 3.12")
def test_a_buffer_in_python_that_fails() -> None:
    class Failing:
        def __buffer__(self, flags: int) -> memoryview:
            raise Trouble

    class Wrong:
        def __buffer__(self, flags: int) -> Any:
            return b"no view"

    for given, error in ((Failing(), Trouble), (Wrong(), TypeError)):
        for call in (pysyscall.read, pysyscall.write):
            with pytest.raises(error):
                call(-1, given)
        with pytest.raises(error):
            pysyscall.writev(-1, [b"x", given])


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ([-1], ValueError),
        ([8192], ValueError),
        pytest.param([HUGE], ValueError, id="huge"),
        (["0"], TypeError),
        ([0.0], TypeError),
        ("0", TypeError),
        (0, TypeError),
    ],
)
def test_cpus_that_are_none(given: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^sched_setaffinity\(\) argument 'mask' must "):
        pysyscall.sched_setaffinity(0, given)


def test_no_cpus() -> None:
    with pytest.raises(OSError) as caught:
        pysyscall.sched_setaffinity(0, [])
    assert caught.value.errno == errno.EINVAL


def test_the_message_tells_which_item_is_wrong() -> None:
    item: Any = [0, 1]
    with pytest.raises(TypeError, match=r"'fds' item 2 must be .*PollFd or a tuple .*, not list"):
        pysyscall.poll([(0, 1), (0, 1), item], 0)
    with pytest.raises(OverflowError, match="'fd' must fit in signed 32 bits"):
        pysyscall.poll([(2**31, 1)], 0)
    with pytest.raises(Trouble):
        pysyscall.poll([(0, 1), (Fileno(trouble), 1)], 0)


def test_the_number_of_events() -> None:
    place = Place("epoll_wait", "maxevents", (pysyscall.epoll_create1(),), ())
    epoll = place.before[0]
    try:
        for number in (0, 2**31 - 1):
            with pytest.raises(OSError) as caught:
                pysyscall.epoll_wait(epoll, number, 0)
            assert caught.value.errno == errno.EINVAL
        for number in (-1, 2**31, HUGE):
            place.refuses(number, OverflowError, r"must be in \[0, 2147483647\].*")
        # The most that the kernel takes; nothing is written, so no memory is used.
        assert pysyscall.epoll_wait(epoll, (2**31 - 1) // 12, 0) == []
    finally:
        os.close(epoll)


def test_more_polls_than_descriptors() -> None:
    with pytest.raises(OSError) as caught:
        pysyscall.poll([(-1, 1)] * 2_000_000, 0)
    assert caught.value.errno == errno.EINVAL


def test_an_option_longer_than_a_c_int() -> None:
    """The kernel would see the lower half of its length only, which is that of an int."""
    left, right = pysyscall.socketpair(pysyscall.AF_UNIX, pysyscall.SOCK_STREAM)
    try:
        with mmap.mmap(-1, 2**32 + 2, mmap.MAP_PRIVATE | 0x4000) as option:  # MAP_NORESERVE
            assert pysyscall.getsockopt(left, 1, pysyscall.SO_TYPE, option) == 4
            assert option[:5] == b"\1\0\0\0\0"
            # Cut down to two bytes it would be refused.
            pysyscall.setsockopt(left, 1, pysyscall.SO_KEEPALIVE, option)
        assert pysyscall.getsockopt(left, 1, pysyscall.SO_KEEPALIVE) == 1
    finally:
        os.close(left)
        os.close(right)
