"""Arguments that must be refused before the kernel sees them, and those that only look wrong.

Each refusal has its exception, and its message names the argument; `test_bad_buffers.py` has those
of buffers and sequences. `test_hostile.py` tries everything, and asks only that nothing crashes.
"""

from __future__ import annotations

import errno
import io
import os
import re
from enum import IntEnum
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from refusal import (
    CALLS,
    HUGE,
    Fileno,
    Fspath,
    Index,
    Place,
    Refusal,
    Trouble,
    check,
    refusals,
    trouble,
)

import pysyscall
from pysyscall import table

INTEGERS = (
    *("int", "uint", "off", "size", "pid", "tid", "uid", "gid", "in off"),
    *("FileMode", "OpenFlag", "Whence"),
)
BEYOND_32_BITS = (2**32 + 1, -(2**31) - 1, 2**31, 2**64 + 1, HUGE, -HUGE)


@refusals(
    # The kernel would cut it down: 2**32 + 1 would be stdout.
    Refusal(
        "beyond 32 bits",
        ("fd", "dirfd"),
        [*BEYOND_32_BITS, Fileno(lambda: 2**32 + 1), Index(lambda: HUGE)],
        OverflowError,
        r"must be in \[-2147483648, 2147483647\].*",
    ),
    Refusal(
        "no descriptor",
        ("fd",),
        ["1", b"1", 1.0, 1j, Fraction(1), [1], object(), None],
        TypeError,
        r"must be an int or an object with fileno\(\), not {type}",
    ),
    Refusal(
        "no directory",
        ("dirfd",),
        ["1", 1.0, Fraction(1), [1], object()],
        TypeError,
        r"must be an int or an object with fileno\(\) or None, not {type}",
    ),
    Refusal(
        "too large",
        INTEGERS,
        [HUGE, -HUGE, 2**64, -(2**63) - 1],
        OverflowError,
        r"must be in \[.*\]: the int is too large",
    ),
    Refusal(
        "no integer",
        INTEGERS,
        ["1", 1.0, Fraction(1), (), object()],
        TypeError,
        "must be an int( or None)?, not {type}",
    ),
    Refusal(
        "a NUL inside",
        ("path", "string"),
        ["a\0b", "\0", "é\0", b"a\0b", b"\0", Path("a\0b"), Fspath(lambda: b"\0")],
        ValueError,
        "must not contain a NUL byte",
    ),
    Refusal(
        "no path",
        ("path",),
        [None, 0, 1.5, bytearray(b"a"), memoryview(b"a"), ["a"]],
        TypeError,
        "must be a str, bytes or os.PathLike( or None)?, not {type}",
    ),
    Refusal(
        "no bool",
        (r"out \w+\?",),
        [0, 1, 2, None, "", "True", 1.0, [], [1], bool, pysyscall.Rusage(), object()],
        TypeError,
        "must be a bool, not {type}",
    ),
)
def test_refused(place: Place, rule: Refusal) -> None:
    check(place, rule)


def test_nothing_is_written_to_a_descriptor_beyond_32_bits(
    nonblocking_pipe: tuple[int, int],
) -> None:
    reader, writer = nonblocking_pipe
    for fd in (2**32 + writer, -(2**32) + writer):
        with pytest.raises(OverflowError):
            pysyscall.write(fd, b"x")
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)


@pytest.mark.parametrize(
    ("place", "low", "high"),
    [
        (Place("chmod", "mode", ("missing",), ()), 0, 2**16 - 1),
        (Place("close_range", "first", (), ("last",)), 0, 2**32 - 1),
        (Place("kill", "pid", (), ("sig",)), -(2**31), 2**31 - 1),
        (Place("chown", "owner", ("missing",), ("group",)), -1, 2**32 - 1),
        (Place("lseek", "offset", (-1,), ("whence",)), -(2**63), 2**63 - 1),
        (Place("sendfile", "count", (-1, -1, None), ()), 0, 2**64 - 1),
    ],
    ids=lambda value: value.call if isinstance(value, Place) else None,
)
def test_the_edges_of_a_range(place: Place, low: int, high: int) -> None:
    for given in (low - 1, high + 1):
        told = f", not {given}" if -(2**63) <= given < 2**63 else ": the int is too large"
        shown = "2**64 - 1" if high == 2**64 - 1 else str(high)
        place.refuses(given, OverflowError, re.escape(f"must be in [{low}, {shown}]{told}"))


def test_what_counts_as_an_integer(nonblocking_pipe: tuple[int, int]) -> None:
    class Descriptor(IntEnum):
        WRITER = nonblocking_pipe[1]

    class Sub(int):
        def __index__(self) -> int:
            raise AssertionError("an int is its own value")

    for fd in (
        Descriptor.WRITER,
        Sub(nonblocking_pipe[1]),
        Index(lambda: nonblocking_pipe[1]),
        Fileno(lambda: nonblocking_pipe[1]),
    ):
        assert pysyscall.write(fd, b"x") == 1
    assert pysyscall.read(nonblocking_pipe[0], Index(lambda: 3)) == b"xxx"
    assert pysyscall.read(nonblocking_pipe[0], True) == b"x"
    with pytest.raises(OSError) as caught:
        pysyscall.lseek(nonblocking_pipe[0], False, True)
    assert caught.value.errno == errno.ESPIPE


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (Fileno(trouble), Trouble, None),
        (Fileno(lambda: "1"), TypeError, r"fileno\(\) that returns an int, not str"),
        (Fileno(lambda: None), TypeError, r"fileno\(\) that returns an int, not NoneType"),
        (Fileno(lambda: 1.0), TypeError, r"fileno\(\) that returns an int, not float"),
        (Fileno(lambda: Index(trouble)), TypeError, r"fileno\(\) that returns an int, not Index"),
        (Index(trouble), Trouble, None),
        (Index(lambda: "1"), TypeError, "non-int"),
        (io.BytesIO(), io.UnsupportedOperation, "fileno"),
        (Fileno, TypeError, "argument"),
    ],
)
def test_objects_that_fail_to_be_a_descriptor(
    given: Any, error: type[Exception], message: str | None
) -> None:
    with pytest.raises(error, match=message):
        pysyscall.fstat(given)
    with pytest.raises(error, match=message):
        pysyscall.openat(given, "missing", 0)


class Property:
    @property
    def fileno(self) -> int:
        raise Trouble


class Attribute:
    fileno = 1


class Hidden:
    @property
    def fileno(self) -> int:
        raise AttributeError("hidden")


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (Property(), Trouble, None),
        (Attribute(), TypeError, "not callable"),
        (Hidden(), TypeError, "must be an int or an object with fileno"),
    ],
)
def test_a_fileno_that_is_no_method(
    given: Any, error: type[Exception], message: str | None
) -> None:
    with pytest.raises(error, match=message):
        pysyscall.fstat(given)
    with pytest.raises(error, match=message):
        pysyscall.poll([(given, 1)], 0)


def test_a_closed_file(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        pass
    with pytest.raises(ValueError, match="closed file"):
        pysyscall.write(file, b"x")


def test_surrogates_in_a_path(tmp_path: Path) -> None:
    """Those that stand for undecodable bytes become the bytes; others can't be encoded."""
    path = tmp_path / "a\udcff"
    os.close(pysyscall.open(path, os.O_CREAT | os.O_WRONLY))
    assert list(tmp_path.iterdir()) == [path]
    pysyscall.unlink(os.fsencode(tmp_path) + b"/a\xff")
    for given in ("\ud800", Path("\ud800"), Fspath(lambda: "é\udfff")):
        with pytest.raises(UnicodeEncodeError):
            pysyscall.open(given, 0)


@pytest.mark.parametrize("name", ["é", "中文", "\U0001f40d", "a b\n", "ÿ" * 100])
def test_names_beyond_ascii(name: str, tmp_path: Path) -> None:
    path, link = tmp_path / name, tmp_path / "link"
    os.close(pysyscall.open(str(path), os.O_CREAT | os.O_WRONLY))
    pysyscall.symlink(name, link)
    assert sorted(tmp_path.iterdir()) == sorted([path, link])
    assert pysyscall.readlink(link) == pysyscall.readlink(str(link)) == name
    assert pysyscall.readlink(os.fsencode(link)) == os.fsencode(name)
    assert pysyscall.stat(path).st_size == 0


@pytest.mark.parametrize(
    "path", ["x" * 256, b"x" * 256, "é" * 128, "x/" * 2048, "x" * 10**6, Path("x" * 5000), ""]
)
def test_paths_that_only_the_kernel_refuses(path: Any) -> None:
    with pytest.raises(OSError) as caught:
        pysyscall.stat(path)
    assert caught.value.errno == (errno.ENAMETOOLONG if path else errno.ENOENT)
    assert caught.value.filename is path


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (Fspath(trouble), Trouble, None),
        (Fspath(lambda: 1), TypeError, "__fspath__"),
        (Fspath(lambda: None), TypeError, "__fspath__"),
        (Fspath(lambda: Path("a")), TypeError, "__fspath__"),
        (Fspath, TypeError, "'path' must be|__fspath__"),
    ],
)
def test_objects_that_fail_to_be_a_path(
    given: Any, error: type[Exception], message: str | None
) -> None:
    with pytest.raises(error, match=message):
        pysyscall.stat(given)


def test_a_type_that_answers_every_question() -> None:
    """Its code runs while it is found out that the object is no path."""

    class Meta(type):
        def __getattr__(cls, name: str) -> Any:
            sorted([2, 1])
            raise AttributeError(name)

    class Strange(metaclass=Meta):
        pass

    given: Any = Strange()
    with pytest.raises(TypeError, match=r"'path' must be a str, .* not Strange"):
        pysyscall.stat(given)


def test_subclasses_of_str_and_bytes(tmp_path: Path) -> None:
    class Text(str):
        def __str__(self) -> str:
            raise AssertionError

    class Data(bytes):
        def __bytes__(self) -> bytes:
            raise AssertionError

    assert pysyscall.access(Text(tmp_path), 0)
    assert pysyscall.access(Data(os.fsencode(tmp_path)), 0)


DURATION = Place("nanosleep", "duration", (), ())
TIMEOUT = Place("poll", "timeout", ([],), ())


@pytest.mark.parametrize("seconds", [-1, -0.5, -1e-9, pysyscall.Timespec(0, 10**9)])
def test_a_duration_that_the_kernel_refuses(seconds: Any) -> None:
    with pytest.raises(OSError) as caught:
        pysyscall.nanosleep(seconds)
    assert caught.value.errno == errno.EINVAL


def test_durations() -> None:
    for given in (float("inf"), float("-inf"), 1e19, -1e19, 2**63, -(2**63) - 1, HUGE):
        DURATION.refuses(given, OverflowError, "is too many seconds for 64 bits")
    DURATION.refuses(float("nan"), ValueError, "must be a number of seconds, not NaN")
    for wrong in ("1", None, (1, 2), Fraction(1), 1j):
        DURATION.refuses(wrong, TypeError, "must be seconds .*")


def test_milliseconds() -> None:
    for wrong in (0.5, "1", float("nan"), Fraction(1)):
        TIMEOUT.refuses(wrong, TypeError, "must be an int of milliseconds or None, not .*")
    for given in (2**31, -(2**31) - 1, HUGE):
        TIMEOUT.refuses(given, OverflowError, r"must be in \[-2147483648, 2147483647\].*")


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_the_number_and_the_names_of_arguments(call: table.SyscallInfo) -> None:
    """Every refusal shows the call's signature, and comes before any argument is converted."""
    names = [argument.parameter for argument in call.arguments if argument.parameter]
    required = [a.parameter for a in call.arguments if a.parameter and not a.default]
    options = [option.parameter for option in call.options]
    text = re.escape(f"{call.name}({', '.join(names + ['*'] * bool(options) + options)})")

    def wrong(message: str, *args: object, **kwargs: object) -> None:
        with pytest.raises(TypeError, match=f"^{text} {message}$"):
            getattr(pysyscall, call.name)(*args, **kwargs)

    given = [object() for _ in names]
    for more in (1, 100):
        message = rf"takes at most {len(names)} arguments \({len(names) + more} given\)"
        wrong(message, *given, *range(more))
    for unknown in ("unknown", "", "\udc80", "x" * 1000):
        wrong(f"has no argument '{unknown}'", *given, **{unknown: 1})
    for number, name in enumerate(names):
        wrong(f"got argument '{name}' twice", *given[: number + 1], **{name: 0})
    for option in options:
        wrong("has no argument 'unknown'", *given, **{option: object(), "unknown": 1})
    for number, name in enumerate(required):
        wrong(f"lacks argument '{name}'", *given[:number])
        wrong(f"lacks argument '{name}'", **{key: object() for key in names if key != name})


def test_arguments_by_name(tmp_path: Path) -> None:
    fd = pysyscall.open(flags=os.O_CREAT | os.O_RDWR, path=tmp_path / "file")
    try:
        assert pysyscall.pwrite64(fd, offset=3, buf=b"abc") == 3
        assert pysyscall.pread64(offset=2, buf=10, fd=fd) == b"\0abc"
        assert pysyscall.write(fd=fd, buf=b"xyz") == 3
        assert pysyscall.fstat(fd=fd).st_size == 6
    finally:
        pysyscall.close(fd=fd)


@pytest.mark.parametrize("given", [[1, 2], 1, "ab", b"x" * 16, pysyscall.Timespec(), object()])
def test_what_is_no_struct(given: Any) -> None:
    with pytest.raises(TypeError, match=r"'new_limit' must be .*Rlimit, or a tuple of its fields"):
        pysyscall.prlimit64(0, pysyscall.RLIMIT_NOFILE, given)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ((1, 2, 3), TypeError, "takes at most 2 fields"),
        ((-1, 2), OverflowError, "'rlim_cur' must fit in unsigned 64 bits"),
        ((1, 2**64), OverflowError, "'rlim_max' must fit in unsigned 64 bits"),
        pytest.param((1, HUGE), OverflowError, "'rlim_max' must fit in", id="huge"),
        ((1, 1.0), TypeError, "'rlim_max' must be an int, not float"),
        ((1, Index(trouble)), Trouble, None),
    ],
)
def test_a_tuple_of_wrong_fields(given: Any, error: type[Exception], message: Any) -> None:
    with pytest.raises(error, match=message):
        pysyscall.prlimit64(0, pysyscall.RLIMIT_NOFILE, given)
