"""System V's segments, attached as a Mapping."""

from __future__ import annotations

import errno

import pytest
from mappings import BUSY, CLOSED, PAGE, mapped, new, refused, segment

import pysyscall
from pysyscall import MREMAP_MAYMOVE, SHM_RDONLY, SHM_REMAP, Mapping, Sysno, raw


def test_a_segment() -> None:
    m = segment(2 * PAGE + 1)
    assert len(m) == 2 * PAGE + 1 and m.address % PAGE == 0
    memoryview(m)[2 * PAGE] = 5
    address = m.address
    assert pysyscall.shmdt(m) is None
    assert m.closed and not mapped(address)
    refused(ValueError, CLOSED, lambda: pysyscall.shmdt(m))
    for end in (Mapping.close, pysyscall.munmap):
        m = segment()
        address = m.address
        end(m)
        assert m.closed and not mapped(address)
    forgotten = segment()
    address = forgotten.address
    del forgotten
    assert not mapped(address)
    with new() as other:
        refused(
            ValueError, "'shmaddr' must be a Mapping that shmat", lambda: pysyscall.shmdt(other)
        )


def test_one_segment_twice() -> None:
    number = pysyscall.shmget(pysyscall.IPC_PRIVATE, PAGE, 0o600)
    try:
        with pysyscall.shmat(number) as m, pysyscall.shmat(number, None, SHM_RDONLY) as seen:
            memoryview(m)[0] = 7
            assert bytes(seen)[0] == 7 and memoryview(seen).readonly
            with memoryview(m):
                refused(BufferError, BUSY, lambda: pysyscall.shmdt(m))
            place = new(PAGE)
            for given in (place.address, None):
                refused(
                    ValueError,
                    r"shmat\(\) argument 'shmaddr' must be a Mapping of the same length",
                    lambda given=given: pysyscall.shmat(number, given, SHM_REMAP),
                )
            with pysyscall.shmat(number, place, SHM_REMAP) as third:
                assert place.closed and bytes(third)[0] == 7
            m.mremap(PAGE, MREMAP_MAYMOVE)
    finally:
        raw.syscall(Sysno.shmctl, number, pysyscall.IPC_RMID, 0)
    with pytest.raises(OSError) as caught:
        pysyscall.shmat(number)
    assert caught.value.errno in (errno.EINVAL, errno.EIDRM)
    with new(PAGE) as place, pytest.raises(OSError) as caught:
        pysyscall.shmat(number, place, SHM_REMAP)
    assert caught.value.errno in (errno.EINVAL, errno.EIDRM)
