"""`pysyscall.raw.syscall`, which gives back what the kernel says, and `pysyscall.syscall`."""

from __future__ import annotations

import array
import errno
import gc
import os
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import pysyscall
from pysyscall import Sysno, _raw, raw

ffi, lib = _raw.ffi, _raw.lib


both = pytest.mark.parametrize("call", [raw.syscall, pysyscall.syscall], ids=["raw", "checked"])


@both
@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        bytearray(b"hello"),
        memoryview(b"hello"),
        memoryview(b"say hello")[4:],
        array.array("B", b"hello"),
        ffi.new("char[]", b"hello"),
        ffi.from_buffer(b"hello"),
    ],
    ids=lambda data: type(data).__name__,
)
def test_data_is_handed_over_by_its_address(
    pipe: tuple[int, int], call: Callable[..., int], data: Any
) -> None:
    assert call(Sysno.write, pipe[1], data, 5) == 5
    assert os.read(pipe[0], 10) == b"hello"


@both
def test_a_null_pointer_of_cffi_is_0(pipe: tuple[int, int], call: Callable[..., int]) -> None:
    assert call(Sysno.write, pipe[1], ffi.NULL, 0) == 0
    with pytest.raises(OSError, match="Bad address"):
        pysyscall.syscall(Sysno.write, pipe[1], ffi.cast("char *", 0), 1)


@both
@pytest.mark.parametrize(
    "make", [lambda: bytearray(8), lambda: ffi.new("char[8]"), lambda: array.array("B", bytes(8))]
)
def test_the_kernel_writes_into_buffers(
    pipe: tuple[int, int], call: Callable[..., int], make: Callable[[], Any]
) -> None:
    os.write(pipe[1], b"hello")
    buffer = make()
    assert call("read" if call is pysyscall.syscall else 0, pipe[0], buffer, 8) == 5
    assert bytes(ffi.buffer(buffer) if isinstance(buffer, ffi.CData) else buffer) == b"hello\0\0\0"


@both
def test_none_is_a_null_pointer(call: Callable[..., int]) -> None:
    assert call(Sysno.getpid, None) == os.getpid()
    assert call(Sysno.time, None) == pytest.approx(time.time(), abs=2)
    assert raw.syscall(Sysno.uname, None) == -errno.EFAULT


@both
def test_ints_of_all_kinds(call: Callable[..., int]) -> None:
    class Number(int):
        pass

    assert call(Number(Sysno.getpid), True, Number(5)) == os.getpid()


@pytest.mark.parametrize(
    ("number", "register"),
    [(-1, -1), (2**64 - 1, -1), (2**63, -(2**63)), (-(2**63), -(2**63)), (2**63 - 1, 2**63 - 1)],
)
def test_all_64_bits_reach_the_kernel(
    monkeypatch: pytest.MonkeyPatch, number: int, register: int
) -> None:
    seen: list[tuple[int, ...]] = []
    monkeypatch.setattr(raw, "_syscall6", lambda *words: seen.append(words) or 0)
    assert raw.syscall(Sysno.lseek, 0, number) == 0
    assert seen == [(Sysno.lseek, 0, register, 0, 0, 0, 0)]


def test_errors_come_back_as_negative_numbers() -> None:
    assert raw.syscall(Sysno.close, -1) == -errno.EBADF
    assert raw.syscall(Sysno.read, -1, bytearray(1), 1) == -errno.EBADF
    assert raw.syscall(9999) == -errno.ENOSYS


@pytest.mark.parametrize("call", [9999, 2**32 - 1, 512])
def test_numbers_without_a_call_go_to_the_kernel(call: int) -> None:
    assert raw.syscall(call) == -errno.ENOSYS
    with pytest.raises(OSError) as caught:
        pysyscall.syscall(call)
    assert caught.value.errno == errno.ENOSYS


@both
@pytest.mark.parametrize("number", [-(2**63) - 1, 2**64, -(2**80), 2**80])
def test_arguments_have_64_bits(call: Callable[..., int], number: int) -> None:
    with pytest.raises(OverflowError, match="argument 2 does not fit in 64 bits"):
        call(Sysno.getpid, 0, number)


@both
@pytest.mark.parametrize("number", [-1, 2**32, 2**64])
def test_the_number_has_32_bits(call: Callable[..., int], number: int) -> None:
    with pytest.raises(OverflowError, match=r"'nr' must be in \[0, 2\*\*32 - 1\], not "):
        call(number)


@both
def test_there_are_six_arguments_at_most(call: Callable[..., int]) -> None:
    assert call(Sysno.getpid, 1, 2, 3, 4, 5, 6) == os.getpid()
    with pytest.raises(TypeError, match=r"at most 6 arguments after the number \(7 given\)"):
        call(Sysno.getpid, 1, 2, 3, 4, 5, 6, 7)
    with pytest.raises(TypeError):
        call()


@both
@pytest.mark.parametrize(
    "wrong",
    ["text", 1.0, object(), [1], memoryview(b"abcd")[::2]],
    ids=["str", "float", "object", "list", "memoryview with gaps"],
)
def test_other_arguments_are_refused_by_place(call: Callable[..., int], wrong: object) -> None:
    with pytest.raises((TypeError, BufferError, ValueError)) as caught:
        call(Sysno.getpid, 0, wrong)
    assert "argument 2" in str(caught.value)


@pytest.mark.parametrize("wrong", [None, 1.0, b"write", "write"])
def test_the_raw_number_is_an_int(wrong: Any) -> None:
    with pytest.raises(TypeError, match="argument 'nr' must be an int, not "):
        raw.syscall(wrong)


def test_buffers_live_until_the_call_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a generator made and only the call holds is not freed before the kernel reads it."""

    class Buffer(bytearray):
        pass

    alive: list[bool] = []
    made: list[weakref.ref[Buffer]] = []

    def make(data: bytes) -> Buffer:
        buffer = Buffer(data)
        made.append(weakref.ref(buffer))
        return buffer

    def entered(*words: int) -> int:
        gc.collect()
        alive.extend(each() is not None for each in made)
        for address, each in zip(words[1:], made, strict=False):
            buffer = each()
            assert buffer is not None
            assert bytes(ffi.buffer(ffi.cast("char *", address), 4)) == bytes(buffer)
            with pytest.raises(BufferError):
                buffer.extend(b"more")
            del buffer
        return 0

    monkeypatch.setattr(raw, "_syscall6", entered)
    raw.syscall(Sysno.getpid, *map(make, [b"abcd", b"efgh", b"ijkl"]))
    assert alive == [True] * 3
    gc.collect()
    assert [each() for each in made] == [None] * 3


# pysyscall.syscall


@pytest.mark.parametrize("call", ["getpid", 39, Sysno.getpid])
def test_a_call_by_name_or_number(call: str | int) -> None:
    assert pysyscall.syscall(call) == os.getpid()


def test_a_call_by_its_alias(pipe: tuple[int, int]) -> None:
    fd = os.memfd_create("name")
    try:
        assert pysyscall.syscall("pwrite", fd, b"abc", 3, 2) == 3
        assert os.pread(fd, 10, 0) == b"\0\0abc"
    finally:
        os.close(fd)


def test_an_unknown_name_has_a_hint() -> None:
    with pytest.raises(LookupError, match=r"no system call 'getpdi'; did you mean .*getpid"):
        pysyscall.syscall("getpdi")


@pytest.mark.parametrize(
    ("call", "arguments", "error", "number"),
    [
        ("close", (-1,), OSError, errno.EBADF),
        ("chdir", (b"/none\0",), FileNotFoundError, errno.ENOENT),
        ("kill", (2**22, 0), ProcessLookupError, errno.ESRCH),
        ("chdir", (b"/dev/null\0",), NotADirectoryError, errno.ENOTDIR),
        ("access", (b"/dev/null\0", os.X_OK), PermissionError, errno.EACCES),
    ],
)
def test_errors_are_raised(
    call: str, arguments: tuple[Any, ...], error: type[OSError], number: int
) -> None:
    with pytest.raises(error) as caught:
        pysyscall.syscall(call, *arguments)
    assert type(caught.value) is error
    assert (caught.value.errno, caught.value.strerror) == (number, os.strerror(number))


def test_only_the_last_4095_numbers_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    results = iter([-4095, -4096, -(2**63), 2**63 - 1])
    monkeypatch.setattr(raw, "_syscall6", lambda *words: next(results))
    with pytest.raises(OSError):
        pysyscall.syscall("mmap")
    assert [pysyscall.syscall("mmap") for _ in range(3)] == [-4096, -(2**63), 2**63 - 1]


@pytest.mark.parametrize("count", range(7))
def test_the_routines_of_each_arity(count: int) -> None:
    enter = getattr(lib, f"syscall{count}")
    assert enter(Sysno.getpid, *range(count)) == os.getpid()
