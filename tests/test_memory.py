"""Calls on memory that is mapped: protection, advice, locks, keys, and memory kept secret."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import resource
import signal
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from children import give_up_rights, in_child
from conditions import needs_root, skip_where

import pysyscall
from pysyscall import (
    MCL_CURRENT,
    MCL_FUTURE,
    MCL_ONFAULT,
    MS_ASYNC,
    MS_INVALIDATE,
    MS_SYNC,
    PROT_EXEC,
    PROT_NONE,
    PROT_READ,
    PROT_WRITE,
    Iovec,
)
from pysyscall._raw import ffi

PAGE = mmap.PAGESIZE
SIZE = 4 * PAGE
ANONYMOUS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
UNMAPPED = 2**46  # no mapping comes there unless one asks for it


def map_memory(flags: int = ANONYMOUS, fd: int = -1) -> int:
    """Maps `SIZE` bytes at an address of the kernel's choice, filled with x."""
    prot = PROT_READ | PROT_WRITE
    address = pysyscall.syscall("mmap", 0, SIZE, prot, flags, fd, 0)
    memory(address)[:] = b"x" * SIZE
    return address


def memory(address: int) -> memoryview:
    return memoryview(ffi.buffer(ffi.cast("char *", address), SIZE)).cast("B")


@pytest.fixture
def address() -> Iterator[int]:
    """Where private memory is, which the test may change as it likes."""
    address = map_memory()
    yield address
    pysyscall.syscall("munmap", address, SIZE)


def facts(address: int) -> dict[str, str]:
    """What the kernel tells of the mapping at an address; `perms` are its permissions."""
    told: dict[str, str] = {}
    here = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, _, rest = line.partition(" ")
        if not name.endswith(":"):
            start, end = (int(part, 16) for part in name.split("-"))
            here = start <= address < end
            told |= {"perms": rest.split()[0]} if here else {}
        elif here:
            told[name.rstrip(":")] = rest.strip()
    return told


# Protection


@pytest.mark.parametrize(
    ("prot", "perms"),
    [
        (PROT_NONE, "---p"),
        (PROT_READ, "r--p"),
        (PROT_READ | PROT_WRITE, "rw-p"),
        (PROT_READ | PROT_EXEC, "r-xp"),
    ],
)
@pytest.mark.parametrize(
    "protect", [pysyscall.mprotect, lambda *args: pysyscall.pkey_mprotect(*args, -1)]
)
def test_mprotect(
    address: int, prot: int, perms: str, protect: Callable[[int, int, int], None]
) -> None:
    assert protect(address + PAGE, PAGE, prot) is None
    told = [facts(address + index * PAGE)["perms"] for index in range(3)]
    assert told == ["rw-p", perms, "rw-p"]


def test_memory_that_may_not_be_written(address: int) -> None:
    """The kernel sees it too, and a child that writes there dies."""
    pysyscall.mprotect(address, SIZE, PROT_READ)
    with Path("/dev/zero").open("rb") as zero, pytest.raises(OSError) as caught:
        pysyscall.syscall("read", zero.fileno(), address, 1)
    assert caught.value.errno == errno.EFAULT
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        memory(address)[0] = 0
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGSEGV


def test_protection_keys(address: int) -> None:
    try:
        key = pysyscall.pkey_alloc(access_rights=pysyscall.PKEY_DISABLE_WRITE)
    except OSError as error:
        assert error.errno in (errno.ENOSPC, errno.EINVAL), "a processor without keys"
        with pytest.raises(OSError) as caught:
            pysyscall.pkey_mprotect(address, PAGE, PROT_READ, 1)
        assert caught.value.errno == errno.EINVAL
        return
    try:
        assert key > 0
        assert pysyscall.pkey_mprotect(address, PAGE, PROT_READ | PROT_WRITE, key) is None
        assert facts(address)["ProtectionKey"] == str(key)
        assert facts(address + PAGE)["ProtectionKey"] == "0"
        with Path("/dev/zero").open("rb") as zero, pytest.raises(OSError) as caught:
            pysyscall.syscall("read", zero.fileno(), address, 1)
        assert caught.value.errno == errno.EFAULT
        pysyscall.pkey_mprotect(address, PAGE, PROT_READ | PROT_WRITE, 0)
    finally:
        assert pysyscall.pkey_free(key) is None


def test_mseal_makes_a_mapping_stay_as_it_is() -> None:
    def seal() -> object:
        address = map_memory()
        sealed = pysyscall.mseal(address + PAGE, PAGE)
        pysyscall.mprotect(address, PAGE, PROT_READ)
        errors = []
        for call in (
            lambda: pysyscall.mprotect(address + PAGE, PAGE, PROT_READ),
            lambda: pysyscall.syscall("munmap", address, SIZE),
        ):
            try:
                call()
            except OSError as error:
                errors.append(error.errno)
        return sealed, errors

    try:
        assert in_child(seal) == (None, [errno.EPERM, errno.EPERM])
    except OSError as error:
        assert error.errno == errno.ENOSYS


# Advice


def test_madvise_drops_memory(address: int) -> None:
    assert pysyscall.madvise(address + PAGE, PAGE, pysyscall.MADV_DONTNEED) is None
    assert bytes(memory(address)) == b"x" * PAGE + bytes(PAGE) + b"x" * 2 * PAGE


def test_madvise_wipes_memory_in_a_child(address: int) -> None:
    pysyscall.madvise(address, PAGE, pysyscall.MADV_WIPEONFORK)
    told = in_child(lambda: (memory(address)[0], memory(address)[PAGE]))
    assert told == (0, ord("x"))
    assert memory(address)[0] == ord("x")


@pytest.mark.parametrize(
    ("advice", "flag"),
    [
        ("DONTFORK", "dc"),
        ("DONTDUMP", "dd"),
        ("SEQUENTIAL", "sr"),
        ("RANDOM", "rr"),
        ("WIPEONFORK", "wf"),
    ],
)
def test_madvise_marks_a_mapping(address: int, advice: str, flag: str) -> None:
    before = facts(address)["VmFlags"].split()
    number = getattr(pysyscall, f"MADV_{advice}")
    assert number == getattr(mmap, f"MADV_{advice}", number)
    pysyscall.madvise(address, SIZE, number)
    assert sorted([*before, flag]) == sorted(facts(address)["VmFlags"].split())


@pytest.mark.parametrize("vector", [Iovec, lambda *fields: fields], ids=["Iovec", "tuple"])
def test_process_madvise(
    keep: Callable[[int], int], address: int, vector: Callable[[int, int], Iovec]
) -> None:
    pidfd = keep(os.pidfd_open(os.getpid()))
    parts = [vector(address, PAGE), vector(address + 2 * PAGE, 2 * PAGE)]
    assert pysyscall.process_madvise(pidfd, parts, pysyscall.MADV_COLD) == 3 * PAGE
    assert bytes(memory(address)) == b"x" * SIZE
    parts.insert(1, vector(UNMAPPED, PAGE))
    assert pysyscall.process_madvise(pidfd, parts, pysyscall.MADV_COLD) == PAGE


# Files in memory


@pytest.mark.parametrize("flags", [MS_SYNC, MS_ASYNC, 0, MS_SYNC | MS_INVALIDATE])
def test_msync(tmp_path: Path, keep: Callable[[int], int], flags: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(SIZE))
    address = map_memory(mmap.MAP_SHARED, keep(os.open(path, os.O_RDWR)))
    assert pysyscall.msync(address, SIZE, flags) is None
    assert path.read_bytes() == b"x" * SIZE


def test_remap_file_pages(keep: Callable[[int], int]) -> None:
    fd = keep(os.memfd_create("pages"))
    os.truncate(fd, SIZE)
    address = map_memory(mmap.MAP_SHARED, fd)
    os.pwrite(fd, b"".join(b"%d" % index * PAGE for index in range(4)), 0)
    assert pysyscall.remap_file_pages(address + PAGE, PAGE, 3) is None
    assert bytes(memory(address)[::PAGE]) == b"0323"


# Locks


def locked(address: int) -> tuple[str, bool]:
    """How much is locked, and whether the mapping is to stay so."""
    told = facts(address)
    return told["Locked"], "lo" in told["VmFlags"].split()


@pytest.mark.parametrize(
    "lock",
    [
        pysyscall.mlock,
        pysyscall.mlock2,
        lambda *args: pysyscall.mlock2(*args, pysyscall.MLOCK_ONFAULT),
    ],
    ids=["mlock", "mlock2", "mlock2 on fault"],
)
def test_mlock(address: int, lock: Callable[[int, int], None]) -> None:
    whole = f"{SIZE // 1024} kB"
    assert locked(address) == ("0 kB", False)
    assert lock(address, SIZE) is None
    assert locked(address) == (whole, True)
    assert pysyscall.munlock(address, SIZE) is None
    assert locked(address) == ("0 kB", False)


@needs_root
@pytest.mark.parametrize(
    ("flags", "old", "new"),
    [
        (MCL_CURRENT | MCL_ONFAULT, True, False),
        (MCL_FUTURE, False, True),
        (MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT, True, True),
    ],
)
def test_mlockall(address: int, flags: int, old: bool, new: bool) -> None:
    def lock() -> object:
        assert pysyscall.mlockall(flags) is None
        more = map_memory()
        told = locked(address)[1], locked(more)[1]
        assert pysyscall.munlockall() is None
        return told, locked(address)[1], locked(more)[1]

    assert in_child(lock) == ((old, new), False, False)


def test_locks_have_a_limit(address: int) -> None:
    def lock() -> None:
        give_up_rights()
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
        for call in (
            lambda: pysyscall.mlock(address, PAGE),
            lambda: pysyscall.mlock2(address, PAGE),
            lambda: pysyscall.mlockall(MCL_CURRENT),
        ):
            with pytest.raises(PermissionError):
                call()
        pysyscall.munlock(address, PAGE)
        pysyscall.munlockall()

    in_child(lock)


# Nodes


def test_set_mempolicy_home_node(address: int) -> None:
    bind, nodes = 2, struct.pack("Q", 1)
    with skip_where(lacking="no memory policies"):
        pysyscall.syscall("mbind", address, SIZE, bind, nodes, 64, 0)
    assert pysyscall.set_mempolicy_home_node(address, SIZE, 0) is None
    for node, flags in ((0, 1), (2**20, 0)):
        with pytest.raises(OSError) as caught:
            pysyscall.set_mempolicy_home_node(address, SIZE, node, flags)
        assert caught.value.errno == errno.EINVAL


# Descriptors


def test_memfd_secret_is_to_be_mapped_only(keep: Callable[[int], int]) -> None:
    try:
        fd = keep(pysyscall.memfd_secret(pysyscall.O_CLOEXEC))
    except OSError as error:
        assert error.errno == errno.ENOSYS
        return
    assert not os.get_inheritable(fd)
    assert os.get_inheritable(keep(pysyscall.memfd_secret()))
    os.truncate(fd, SIZE)
    address = map_memory(mmap.MAP_SHARED, fd)
    assert bytes(memory(address)) == b"x" * SIZE
    with pytest.raises(OSError) as caught:
        os.read(fd, 1)
    assert caught.value.errno in (errno.EINVAL, errno.EFAULT)
    with Path("/proc/self/mem").open("rb", buffering=0) as mem, pytest.raises(OSError):
        os.pread(mem.fileno(), 1, address)


UFFDIO_API, UFFD_API = 0xC018AA3F, 0xAA


@pytest.mark.parametrize("flags", ["", "O_CLOEXEC", "O_NONBLOCK"])
def test_userfaultfd(keep: Callable[[int], int], flags: str) -> None:
    number = getattr(pysyscall, flags, 0)
    try:
        fd = keep(pysyscall.userfaultfd(pysyscall.UFFD_USER_MODE_ONLY | number))
    except OSError as error:
        assert error.errno in (errno.ENOSYS, errno.EPERM)
        return
    assert os.get_inheritable(fd) == (flags != "O_CLOEXEC")
    assert os.get_blocking(fd) == (flags != "O_NONBLOCK")
    with pytest.raises(OSError, match="Invalid argument"):
        os.read(fd, 100)  # before the handshake
    answer = fcntl.ioctl(fd, UFFDIO_API, struct.pack("QQQ", UFFD_API, 0, 0))
    api, features, calls = struct.unpack("QQQ", answer)
    assert api == UFFD_API
    assert features
    assert calls


# Refusals


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: pysyscall.mprotect(UNMAPPED, PAGE, PROT_READ), errno.ENOMEM),
        (lambda: pysyscall.mprotect(UNMAPPED + 1, PAGE, PROT_READ), errno.EINVAL),
        (lambda: pysyscall.mprotect(UNMAPPED, PAGE, 1 << 20), errno.EINVAL),
        (lambda: pysyscall.pkey_mprotect(UNMAPPED, PAGE, PROT_READ, -1), errno.ENOMEM),
        (lambda: pysyscall.pkey_alloc(1), errno.EINVAL),
        (lambda: pysyscall.pkey_alloc(0, 1 << 20), errno.EINVAL),
        (lambda: pysyscall.pkey_free(99), errno.EINVAL),
        (lambda: pysyscall.msync(UNMAPPED, PAGE, MS_SYNC), errno.ENOMEM),
        (lambda: pysyscall.msync(UNMAPPED, PAGE, MS_SYNC | MS_ASYNC), errno.EINVAL),
        (lambda: pysyscall.madvise(UNMAPPED, PAGE, pysyscall.MADV_DONTNEED), errno.ENOMEM),
        (lambda: pysyscall.madvise(UNMAPPED, PAGE, 9999), errno.EINVAL),
        (lambda: pysyscall.mlock(UNMAPPED, PAGE), errno.ENOMEM),
        (lambda: pysyscall.mlock2(UNMAPPED, PAGE), errno.ENOMEM),
        (lambda: pysyscall.mlock2(UNMAPPED, PAGE, 2), errno.EINVAL),
        (lambda: pysyscall.munlock(UNMAPPED, PAGE), errno.ENOMEM),
        (lambda: pysyscall.mlockall(0), errno.EINVAL),
        (lambda: pysyscall.mlockall(MCL_ONFAULT), errno.EINVAL),
        (lambda: pysyscall.remap_file_pages(UNMAPPED, PAGE, 0), errno.EINVAL),
        (lambda: pysyscall.process_madvise(2**20, [], pysyscall.MADV_COLD), errno.EBADF),
        (lambda: pysyscall.process_madvise(2**20, [], 0, 1), errno.EINVAL),
    ],
)
def test_refusals(call: Callable[[], object], error: int) -> None:
    with pytest.raises(OSError) as caught:
        call()
    assert caught.value.errno == error


@pytest.mark.parametrize(
    ("call", "errors"),
    [
        (lambda: pysyscall.mseal(UNMAPPED, PAGE), {errno.ENOMEM, errno.ENOSYS}),
        (lambda: pysyscall.mseal(UNMAPPED, PAGE, 1), {errno.EINVAL, errno.ENOSYS}),
        (lambda: pysyscall.memfd_secret(1), {errno.EINVAL, errno.ENOSYS}),
        (lambda: pysyscall.userfaultfd(2), {errno.EINVAL, errno.EPERM, errno.ENOSYS}),
        (
            lambda: pysyscall.set_mempolicy_home_node(UNMAPPED, PAGE, 0),
            {errno.ENOENT, errno.ENOSYS},
        ),
    ],
)
def test_refusals_of_calls_that_a_kernel_may_lack(
    call: Callable[[], object], errors: set[int]
) -> None:
    with pytest.raises(OSError) as caught:
        call()
    assert caught.value.errno in errors


@pytest.mark.parametrize(
    "call",
    [
        lambda: pysyscall.mprotect(2**64, PAGE, PROT_READ),
        lambda: pysyscall.mprotect(-(2**63) - 1, PAGE, PROT_READ),
        lambda: pysyscall.mlock(UNMAPPED, -1),
        lambda: pysyscall.pkey_free(2**31),
        lambda: pysyscall.mseal(UNMAPPED, PAGE, 2**64),
    ],
)
def test_what_does_not_fit_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(OverflowError):
        call()
