"""Mapping: memory that is owned by an object, and the calls that make it and take it away."""

from __future__ import annotations

import copy
import errno
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from children import in_child
from mappings import ANONYMOUS, BOTH, BUSY, CLOSED, PAGE, file_of_x, mapped, new, refused

import pysyscall
from pysyscall import (
    MADV_DODUMP,
    MADV_DONTNEED,
    MADV_GUARD_INSTALL,
    MADV_GUARD_REMOVE,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_GROWSDOWN,
    MAP_PRIVATE,
    MAP_SHARED,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    MS_SYNC,
    PROT_EXEC,
    PROT_NONE,
    PROT_READ,
    PROT_WRITE,
    Mapping,
    Sysno,
    raw,
)


@pytest.fixture
def file(tmp_path: Path, keep: Callable[[int], int]) -> int:
    return keep(file_of_x(tmp_path / "file"))


# What it is


def test_memory_of_its_own(m: Mapping) -> None:
    assert len(m) == 4 * PAGE and m.address % PAGE == 0 and not m.closed
    assert mapped(m.address) == "rw-p"
    with memoryview(m) as view:
        assert view.nbytes == 4 * PAGE and view.format == "B" and not view.readonly
        view[:5] = b"hello"
    assert bytes(m)[:6] == b"hello\0"
    assert repr(m) == f"<Mapping of {4 * PAGE} bytes at {m.address:#x}>"


def test_the_order_of_the_man_page(file: int) -> None:
    with pysyscall.mmap(None, PAGE, PROT_READ, MAP_PRIVATE, file, PAGE) as m:
        assert bytes(m) == b"x" * PAGE
        assert f"{PAGE:08x} " in next(
            line
            for line in Path("/proc/self/maps").read_text().splitlines()
            if line.startswith(f"{m.address:x}-")
        )


def test_a_file_is_shared(file: int) -> None:
    with pysyscall.mmap(None, 2 * PAGE, BOTH, MAP_SHARED, file) as m:
        memoryview(m)[PAGE] = ord("y")
        m.msync(MS_SYNC)
        m.msync(MS_SYNC, PAGE, 10)
        assert os.pread(file, 2, PAGE) == b"yx"
        os.pwrite(file, b"z", 0)
        assert bytes(m)[:1] == b"z"


def test_a_private_mapping_leaves_the_file(file: int) -> None:
    with pysyscall.mmap(None, PAGE, BOTH, MAP_PRIVATE, file) as m:
        memoryview(m)[0] = ord("y")
        assert os.pread(file, 1, 0) == b"x"


def test_the_length_is_as_asked_for() -> None:
    with new(PAGE + 5) as m:
        assert len(m) == len(memoryview(m)) == PAGE + 5
        assert m.mincore() == [False, False]


def test_calls_fill_and_read_it(m: Mapping, file: int) -> None:
    assert pysyscall.pread(file, m, 0) == 2 * PAGE
    assert pysyscall.pwrite(file, memoryview(m)[:3], 5) == 3
    with memoryview(m) as view:
        assert pysyscall.readv(file, [view[PAGE:]]) == 2 * PAGE


def test_what_can_not_be_made(file: int) -> None:
    for args, number in (
        ((None, 0, BOTH, ANONYMOUS), errno.EINVAL),
        ((None, PAGE, BOTH, MAP_ANONYMOUS), errno.EINVAL),
        ((None, PAGE, BOTH, MAP_SHARED, -1), errno.EBADF),
        ((None, PAGE, BOTH, MAP_SHARED, file, 1), errno.EINVAL),
        ((None, 2**63, BOTH, ANONYMOUS), errno.ENOMEM),
    ):
        with pytest.raises(OSError) as caught:
            pysyscall.mmap(*args)
        assert caught.value.errno == number


def test_it_is_made_by_calls_alone(m: Mapping) -> None:
    with pytest.raises(TypeError, match=r"cannot create 'pysyscall\.Mapping' instances"):
        Mapping()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Derived", (Mapping,), {})
    for use in (copy.copy, copy.deepcopy, pickle.dumps):
        refused(TypeError, "pickle|copy|create", lambda use=use: use(m))
    with pytest.raises(AttributeError):
        m.address = 5  # type: ignore[misc]


# Its end

USES: list[Callable[[Mapping], object]] = [
    bytes,
    memoryview,
    len,
    lambda m: m.address,
    lambda m: m.msync(MS_SYNC),
    lambda m: m.mprotect(PROT_READ),
    lambda m: m.madvise(MADV_DONTNEED),
    lambda m: m.mremap(PAGE),
    Mapping.mlock,
    Mapping.munlock,
    Mapping.mseal,
    Mapping.mincore,
    Mapping.__enter__,
    pysyscall.munmap,
    pysyscall.shmdt,
    lambda m: pysyscall.mremap(m, PAGE),
    lambda m: pysyscall.madvise(m, PAGE, MADV_DONTNEED),
    lambda m: pysyscall.madvise((m, PAGE), PAGE, MADV_DONTNEED),
    lambda m: pysyscall.mmap(m, PAGE, BOTH, ANONYMOUS | MAP_FIXED),
    lambda m: pysyscall.get_mempolicy(m, 0),
    lambda m: pysyscall.write(1, m),
    lambda m: pysyscall.writev(1, [b"", m]),
    lambda m: pysyscall.read(0, m),
]


@pytest.mark.parametrize("close", [Mapping.close, pysyscall.munmap])
def test_nothing_works_afterwards(close: Callable[[Mapping], object]) -> None:
    m = new()
    address = m.address
    assert close(m) is None
    assert m.closed and mapped(address) == "" and repr(m) == "<Mapping, closed>"
    for use in USES:
        refused(ValueError, "closed", lambda use=use: use(m))
    assert m.close() is None, "once more does nothing"
    with pytest.raises(ValueError, match=rf"^munmap\(\) argument 'addr' {CLOSED}$"):
        pysyscall.munmap(m)
    with pytest.raises(
        ValueError, match=r"^write\(\) argument 'buf' can't be used: the Mapping is"
    ):
        pysyscall.write(1, m)


def test_the_end_of_a_block() -> None:
    with new() as m:
        address = m.address
        assert mapped(address)
    assert m.closed and not mapped(address)
    with pytest.raises(ZeroDivisionError), new() as m:
        m.address / 0
    assert m.closed


def test_it_is_unmapped_when_it_is_forgotten() -> None:
    m = new()
    view, address = memoryview(m), m.address
    del m
    assert view[0] == 0 and mapped(address), "the buffer keeps it"
    view.release()
    del view
    assert not mapped(address)


def test_no_export_is_left_without_memory(m: Mapping) -> None:
    view = memoryview(m)
    part = view[PAGE:]
    view.release()
    part[0] = 7
    for take in (Mapping.close, pysyscall.munmap, lambda m: m.mremap(PAGE)):
        refused(BufferError, BUSY, lambda take=take: take(m))
    refused(BufferError, BUSY, lambda: pysyscall.mmap(m, 4 * PAGE, BOTH, ANONYMOUS | MAP_FIXED))
    with pytest.raises(BufferError), m:
        pass
    assert not m.closed and part[0] == 7
    part.release()
    m.close()
    assert m.closed


def test_bare_addresses_need_the_raw_layer(m: Mapping) -> None:
    for call in (pysyscall.munmap, pysyscall.shmdt, lambda a: pysyscall.mremap(a, PAGE)):
        for given in (m.address, 0, None, (m, 0), memoryview(m)):
            refused(
                TypeError,
                r"must be a Mapping \(pysyscall\.raw alone takes a bare address\), not",
                lambda call=call, given=given: call(given),
            )
    address = raw.syscall(Sysno.mmap, 0, PAGE, BOTH, ANONYMOUS, -1, 0)
    assert raw.syscall(Sysno.munmap, address, PAGE) == 0


def test_a_sealed_one_stays() -> None:
    def seal() -> object:
        m = new()
        m.mseal()
        for call in (m.close, lambda: m.mremap(PAGE), lambda: m.mprotect(PROT_NONE)):
            with pytest.raises(PermissionError):
                call()
        memoryview(m)[0] = 5
        return m.closed, m.address == os.getpid() or mapped(m.address)

    try:
        assert in_child(seal) == (False, "rw-p")
    except OSError as error:
        assert error.errno == errno.ENOSYS


# What may be done with it


@pytest.mark.parametrize(
    ("prot", "read", "write"),
    [
        (PROT_NONE, False, False),
        (PROT_READ, True, False),
        (PROT_READ | PROT_EXEC, True, False),
        (BOTH, True, True),
        (PROT_WRITE, False, False),
    ],
)
def test_buffers_follow_the_protection(prot: int, read: bool, write: bool) -> None:
    made = new(2 * PAGE, prot)
    changed = new(2 * PAGE)
    changed.mprotect(prot)
    for m in (made, changed):
        if not read:
            refused(BufferError, "can't be read", lambda m=m: bytes(m))
            refused(BufferError, "can't be used: .*be read", lambda m=m: pysyscall.write(1, m))
        else:
            assert memoryview(m).readonly is not write
            assert bytes(m) == bytes(2 * PAGE)
        if read and not write:
            refused(TypeError, "must be writable", lambda m=m: pysyscall.getrandom(m))
        if write:
            assert pysyscall.getrandom(m) == 2 * PAGE
        m.mprotect(BOTH)
        memoryview(m)[0] = 1
        m.close()


def test_rights_that_exports_need_stay(m: Mapping) -> None:
    view = memoryview(m)
    for prot in (PROT_READ, PROT_NONE, PROT_WRITE):
        for protect in (
            lambda prot: m.mprotect(prot),
            lambda prot: pysyscall.mprotect((m, PAGE), PAGE, prot),
            lambda prot: pysyscall.pkey_mprotect(m, PAGE, prot, -1),
        ):
            message = "'addr' is a Mapping whose exported buffers need what would be forbidden"
            refused(BufferError, message, lambda p=prot, f=protect: f(p))
    refused(BufferError, "need what", lambda: m.madvise(MADV_GUARD_INSTALL))
    view[2 * PAGE] = 1
    m.mprotect(BOTH | PROT_EXEC)
    view.release()
    m.mprotect(PROT_READ)
    with memoryview(m):
        m.mprotect(BOTH)
        with memoryview(m) as writable:
            writable[0] = 1
            refused(BufferError, "need what", lambda: m.mprotect(PROT_READ))
        m.mprotect(PROT_READ)
        refused(BufferError, "need what", lambda: m.mprotect(PROT_NONE))


def test_a_part_that_is_protected(m: Mapping) -> None:
    """A buffer is the whole of it, so what one page forbids is forbidden."""
    m.mprotect(PROT_READ, PAGE, PAGE)
    assert [mapped(m.address + k * PAGE) for k in range(3)] == ["rw-p", "r--p", "rw-p"]
    assert memoryview(m).readonly
    pysyscall.mprotect((m, 2 * PAGE), PAGE, PROT_NONE)
    refused(BufferError, "can't be read", lambda: bytes(m))
    m.mprotect(BOTH, PAGE)
    refused(BufferError, "can't be read", lambda: bytes(m))
    m.mprotect(BOTH)
    memoryview(m)[:] = bytes(4 * PAGE)


def test_a_protection_that_fails(file: int) -> None:
    fd = os.open(f"/proc/self/fd/{file}", os.O_RDONLY)
    with pysyscall.mmap(None, 2 * PAGE, PROT_READ, MAP_SHARED, fd) as m:
        os.close(fd)
        refused(PermissionError, "", lambda: m.mprotect(BOTH))
        refused(OSError, "", lambda: m.mprotect(1 << 20))
        assert bytes(m) == b"x" * 2 * PAGE
        assert memoryview(m).readonly
        # Pages of two kinds: some may have changed.
        m.mprotect(PROT_NONE, 0, PAGE)
        refused(PermissionError, "", lambda: m.mprotect(BOTH))
        refused(BufferError, "can't be read", lambda: bytes(m))
        m.mprotect(PROT_READ)
        assert bytes(m) == b"x" * 2 * PAGE


def test_guarded_pages(m: Mapping) -> None:
    try:
        m.madvise(MADV_GUARD_INSTALL, PAGE, PAGE)
    except OSError as error:
        assert error.errno == errno.EINVAL, "the kernel has no guards"
        assert bytes(m)
        return
    refused(BufferError, "guarded", lambda: bytes(m))
    m.madvise(MADV_GUARD_REMOVE, PAGE, PAGE)
    refused(BufferError, "guarded", lambda: bytes(m))
    m.madvise(MADV_GUARD_REMOVE)
    assert bytes(m) == bytes(4 * PAGE)


def test_advice_on_the_whole_and_on_parts(m: Mapping) -> None:
    with memoryview(m) as view:
        view[:] = b"x" * len(view)
        m.madvise(MADV_DONTNEED, PAGE, PAGE)
        assert bytes(view) == b"x" * PAGE + bytes(PAGE) + b"x" * 2 * PAGE
        assert m.mincore(length=3 * PAGE) == [True, True, True]
        m.madvise(MADV_DONTNEED)
        assert m.mincore() == [False] * 4
        assert m.mincore(offset=3 * PAGE) == [False]
        view[2 * PAGE] = 1
        assert pysyscall.mincore(m, 4 * PAGE) == [False, False, True, False]
        assert pysyscall.mincore((m, PAGE), 2 * PAGE) == [False, True]
        assert pysyscall.mincore(m.address + 2 * PAGE, PAGE) == [True]
        assert pysyscall.mincore(m.address, 0) == []
    m.mlock(0, PAGE)
    m.munlock()
    m.madvise(advice=MADV_DODUMP, offset=0, length=1)


def test_parts_that_are_none(m: Mapping) -> None:
    for offset, length in ((-1, 1), (4 * PAGE, 1), (2**62, 1), (2**64, 1)):
        refused(
            ValueError,
            r"madvise\(\) argument 'offset' must be in \[0, 16383\]",
            lambda o=offset, n=length: m.madvise(MADV_DONTNEED, o, n),
        )
        refused(
            ValueError,
            r"madvise\(\) argument 'addr' must have an offset in \[0, 16383\]",
            lambda o=offset, n=length: pysyscall.madvise((m, o), n, MADV_DONTNEED),
        )
    for offset, length in ((0, 4 * PAGE + 1), (PAGE, 4 * PAGE), (0, 2**64 - 1)):
        message = rf"argument 'addr' is a Mapping with {4 * PAGE - offset} bytes from there, fewer "
        refused(ValueError, message, lambda o=offset, n=length: m.mprotect(PROT_NONE, o, n))
        refused(ValueError, message, lambda o=offset, n=length: pysyscall.mlock((m, o), n))
        refused(
            ValueError,
            message.replace("addr", "start"),
            lambda o=offset, n=length: pysyscall.set_mempolicy_home_node((m, o), n, 0),
        )
    wrong: Any = "1"
    refused(
        TypeError, r"mlock\(\) argument 'offset' must be an int, not str", lambda: m.mlock(wrong)
    )
    refused(
        TypeError, r"mlock\(\) argument 'len' must be an int, not str", lambda: m.mlock(0, wrong)
    )
    for given in ((m,), (m, 0, 0), (m, "0"), (0, m), [m, 0], "m", memoryview(m), 1.5):
        message = "'addr' must be an int, a Mapping, or a tuple of a Mapping and an offset, not "
        refused(TypeError, message, lambda g=given: pysyscall.mlock(g, PAGE))
    refused(OSError, "Invalid argument", lambda: m.madvise(MADV_DONTNEED, 1, 1))
    with new(10) as small:
        small.mprotect(PROT_READ, 0, PAGE)
        small.mprotect(BOTH)
        memoryview(small)[9] = 1


# Moving


def test_growing_and_shrinking(m: Mapping) -> None:
    memoryview(m)[:] = bytes(range(256)) * 64
    size = 2**24 + 5
    moved = pysyscall.mremap(m, size, MREMAP_MAYMOVE)
    assert moved is m and len(m) == size
    assert bytes(m)[: 4 * PAGE] == bytes(range(256)) * 64
    assert bytes(memoryview(m)[-5:]) == bytes(5)
    assert m.mremap(PAGE) is m and len(m) == PAGE
    assert mapped(m.address) and bytes(m) == bytes(range(256)) * 16
    refused(OSError, "Invalid argument", lambda: m.mremap(0))
    refused(OSError, "memory", lambda: m.mremap(2**46, MREMAP_MAYMOVE))
    assert bytes(m) == bytes(range(256)) * 16


def test_moving_the_pages_alone(m: Mapping) -> None:
    memoryview(m)[:] = b"x" * 4 * PAGE
    other = m.mremap(4 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP)
    assert other is not m and other.address != m.address
    assert bytes(other) == b"x" * 4 * PAGE and bytes(m) == bytes(4 * PAGE)
    other.close()
    memoryview(m)[0] = 1


def test_moving_over_another(m: Mapping) -> None:
    memoryview(m)[:] = b"x" * 4 * PAGE
    both = MREMAP_MAYMOVE | MREMAP_FIXED
    for place in (m.address - 2**30, None):
        refused(
            ValueError,
            "'new_address' must be a Mapping of the same length",
            lambda place=place: m.mremap(PAGE, both, place),
        )
    place = new(3 * PAGE)
    target = place.address
    refused(ValueError, "of the same length", lambda: m.mremap(2 * PAGE, both, place))
    with memoryview(place):
        refused(BufferError, BUSY, lambda: m.mremap(3 * PAGE, both, place))
    refused(BufferError, BUSY, lambda: m.mremap(4 * PAGE, both, m))
    assert bytes(m) == b"x" * 4 * PAGE and bytes(place) == bytes(3 * PAGE)
    assert pysyscall.mremap(m, 3 * PAGE, both, place) is m
    assert place.closed and m.address == target and bytes(m) == b"x" * 3 * PAGE
    place.close()
    assert mapped(target)


def test_mapping_over_another(file: int) -> None:
    m = new(2 * PAGE)
    fixed = MAP_PRIVATE | MAP_FIXED
    message = r"mmap\(\) argument 'addr' must be a Mapping of the same length"
    for place in (m.address, None, 0, (m, PAGE)):
        refused(ValueError, message, lambda p=place: pysyscall.mmap(p, 2 * PAGE, BOTH, fixed, file))
    for size in (PAGE, 3 * PAGE, 2**64 - 1):
        refused(ValueError, message, lambda n=size: pysyscall.mmap(m, n, BOTH, fixed, file))
    refused(OSError, "Bad file", lambda: pysyscall.mmap(m, 2 * PAGE, BOTH, fixed, -1))
    memoryview(m)[0] = 1
    other = pysyscall.mmap(m, 2 * PAGE - 5, BOTH, fixed, file)
    assert m.closed and bytes(other) == b"x" * (2 * PAGE - 5)
    m.close()
    assert mapped(other.address) == "rw-p"
    refused(
        FileExistsError,
        "",
        lambda: pysyscall.mmap(other.address, PAGE, BOTH, ANONYMOUS | MAP_FIXED_NOREPLACE),
    )
    with pysyscall.mmap(other, PAGE, BOTH, ANONYMOUS) as elsewhere:
        assert elsewhere.address != other.address and not other.closed
    other.close()


def test_one_that_can_not_be_put_in_its_place() -> None:
    """The file refuses only when the kernel may have unmapped what was there."""
    fd = pysyscall.memfd_create("sealed", pysyscall.MFD_ALLOW_SEALING)
    os.truncate(fd, PAGE)
    raw.syscall(Sysno.fcntl, fd, pysyscall.F_ADD_SEALS, pysyscall.F_SEAL_WRITE)
    m = new(PAGE)
    address = m.address
    refused(PermissionError, "", lambda: pysyscall.mmap(m, PAGE, BOTH, MAP_SHARED | MAP_FIXED, fd))
    os.close(fd)
    assert m.closed is not bool(mapped(address))
    if not m.closed:
        memoryview(m)[0] = 1
    gone = new(PAGE)
    raw.syscall(Sysno.munmap, gone.address, PAGE)
    refused(OSError, "Bad file", lambda: pysyscall.mmap(gone, PAGE, BOTH, MAP_SHARED | MAP_FIXED))
    assert gone.closed


def test_memory_that_grows_is_refused() -> None:
    refused(
        ValueError,
        r"mmap\(\) argument 'flags' must not hold MAP_GROWSDOWN",
        lambda: pysyscall.mmap(None, PAGE, BOTH, ANONYMOUS | MAP_GROWSDOWN),
    )
