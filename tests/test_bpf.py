"""bpf against the real kernel: maps, programs, what is told of them."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from conditions import skip_where

import pysyscall
from pysyscall import BpfMapBatch, BpfMapCreate, BpfMapElem, BpfObjInfo, BpfProgLoad, bpf, flags

Keep: TypeAlias = Callable[[int], int]

RETURN_7 = struct.pack("BBhi", 0xB7, 0, 0, 7) + struct.pack("BBhi", 0x95, 0, 0, 0)
"""r0 = 7; exit"""


def made(command: Any, attr: Any) -> Any:
    with skip_where(errno.EPERM, errno.ENOSYS, lacking="no right to use BPF"):
        return bpf(command, attr)


@pytest.fixture
def numbers(keep: Keep) -> int:
    """A hash map of 4-byte keys and 8-byte values."""
    attr = BpfMapCreate(
        map_type=flags.BPF_MAP_TYPE_HASH,
        key_size=4,
        value_size=8,
        max_entries=10,
        map_name="numbers",
    )
    return keep(made(flags.BPF_MAP_CREATE, attr))


@pytest.fixture
def program(keep: Keep) -> int:
    attr = BpfProgLoad(
        prog_type=flags.BPF_PROG_TYPE_SOCKET_FILTER,
        insn_cnt=2,
        insns=RETURN_7,
        license="GPL",
        prog_name="seven",
    )
    fd, told = made(flags.BPF_PROG_LOAD, attr)
    assert told.insn_cnt == 2
    return keep(fd)


def element(fd: int, key: int, value: bytearray | bytes | None = None, **more: Any) -> BpfMapElem:
    return BpfMapElem(map_fd=fd, key=struct.pack("I", key), value=value, **more)


def test_elements(numbers: int) -> None:
    for key in (1, 2, 3):
        value = struct.pack("Q", key * 11)
        assert bpf(flags.BPF_MAP_UPDATE_ELEM, element(numbers, key, value)) is None
    room = bytearray(8)
    bpf(flags.BPF_MAP_LOOKUP_ELEM, element(numbers, 2, room))
    assert room == struct.pack("Q", 22)
    with pytest.raises(FileExistsError):
        again = element(numbers, 2, bytes(8), flags=flags.BPF_NOEXIST)
        bpf(flags.BPF_MAP_UPDATE_ELEM, again)
    bpf(flags.BPF_MAP_DELETE_ELEM, element(numbers, 2))
    with pytest.raises(FileNotFoundError):
        bpf(flags.BPF_MAP_LOOKUP_ELEM, element(numbers, 2, room))
    bpf(flags.BPF_MAP_LOOKUP_AND_DELETE_ELEM, element(numbers, 3, room))
    assert room == struct.pack("Q", 33)
    following = bytearray(4)
    bpf(flags.BPF_MAP_GET_NEXT_KEY, BpfMapElem(map_fd=numbers, key=None, value=following))
    assert following == struct.pack("I", 1)
    with pytest.raises(FileNotFoundError):
        bpf(flags.BPF_MAP_GET_NEXT_KEY, element(numbers, 1, following))


def test_batches(numbers: int) -> None:
    keys, values = struct.pack("4I", 1, 2, 3, 4), struct.pack("4Q", 10, 20, 30, 40)
    batch = BpfMapBatch(map_fd=numbers, keys=keys, values=values, count=4)
    assert bpf(flags.BPF_MAP_UPDATE_BATCH, batch).count == 4
    found_keys, found = bytearray(40), bytearray(80)
    wanted = BpfMapBatch(
        map_fd=numbers, keys=found_keys, values=found, count=10, out_batch=bytearray(4)
    )
    with pytest.raises(FileNotFoundError):  # that was all
        bpf(flags.BPF_MAP_LOOKUP_BATCH, wanted)
    pairs = dict(zip(struct.unpack("10I", found_keys), struct.unpack("10Q", found), strict=True))
    assert {key: value for key, value in pairs.items() if key} == {1: 10, 2: 20, 3: 30, 4: 40}
    bpf(flags.BPF_MAP_DELETE_BATCH, BpfMapBatch(map_fd=numbers, keys=keys, count=2))
    with pytest.raises(FileNotFoundError):
        bpf(flags.BPF_MAP_LOOKUP_AND_DELETE_BATCH, wanted)
    with pytest.raises(FileNotFoundError):
        bpf(flags.BPF_MAP_LOOKUP_ELEM, element(numbers, 4, bytearray(8)))


def test_frozen_maps(numbers: int) -> None:
    bpf(flags.BPF_MAP_FREEZE, BpfMapElem(map_fd=numbers))
    with pytest.raises(PermissionError):
        bpf(flags.BPF_MAP_UPDATE_ELEM, element(numbers, 1, bytes(8)))


def test_what_is_told_of_a_map(numbers: int, keep: Keep) -> None:
    room = bytearray(len(pysyscall.BpfMapInfo().to_bytes()))
    told = bpf(
        flags.BPF_OBJ_GET_INFO_BY_FD, BpfObjInfo(bpf_fd=numbers, info=room, info_len=len(room))
    )
    info = pysyscall.BpfMapInfo.from_bytes(room[: told.info_len])
    assert (info.type, info.key_size, info.value_size) == (flags.BPF_MAP_TYPE_HASH, 4, 8)
    assert (info.max_entries, info.name) == (10, "numbers")
    other = keep(bpf(flags.BPF_MAP_GET_FD_BY_ID, (info.id,)))
    bpf(flags.BPF_MAP_UPDATE_ELEM, element(other, 5, struct.pack("Q", 55)))
    value = bytearray(8)
    bpf(flags.BPF_MAP_LOOKUP_ELEM, element(numbers, 5, value))
    assert value == struct.pack("Q", 55)
    before = bpf(flags.BPF_MAP_GET_NEXT_ID, (info.id - 1,))
    assert before.next_id == info.id


def test_programs(program: int, keep: Keep) -> None:
    attr = pysyscall.BpfProgTestRun(prog_fd=program, data_in=bytes(64), data_size_in=64, repeat=3)
    assert bpf(flags.BPF_PROG_TEST_RUN, attr).retval == 7
    room = bytearray(len(pysyscall.BpfProgInfo().to_bytes()))
    told = bpf(
        flags.BPF_OBJ_GET_INFO_BY_FD, BpfObjInfo(bpf_fd=program, info=room, info_len=len(room))
    )
    info = pysyscall.BpfProgInfo.from_bytes(room[: told.info_len])
    assert (info.type, info.name) == (flags.BPF_PROG_TYPE_SOCKET_FILTER, "seven")
    assert bpf(flags.BPF_PROG_GET_NEXT_ID, (info.id - 1,)).next_id == info.id
    keep(bpf(flags.BPF_PROG_GET_FD_BY_ID, (info.id,)))


def test_programs_that_the_kernel_refuses() -> None:
    log = bytearray(1000)
    attr = BpfProgLoad(
        prog_type=flags.BPF_PROG_TYPE_SOCKET_FILTER,
        insn_cnt=1,
        insns=RETURN_7[:8],
        license="GPL",
        log_level=1,
        log_buf=log,
        log_size=len(log),
    )
    with pytest.raises(OSError) as error:
        bpf(flags.BPF_PROG_LOAD, attr)
    if error.value.errno == errno.EPERM:
        pytest.skip("no right to load programs")
    assert error.value.errno == errno.EINVAL
    assert b"last insn is not an exit or jmp" in log


def test_programs_and_maps(program: int, numbers: int) -> None:
    bpf(flags.BPF_PROG_BIND_MAP, pysyscall.BpfProgBindMap(prog_fd=program, map_fd=numbers))


@pytest.fixture
def pinned() -> Iterator[Path]:
    """A place in a BPF file system."""
    folder = Path("/sys/fs/bpf")
    if not folder.is_mount() or not os.access(folder, os.W_OK):
        pytest.skip("no BPF file system is mounted")
    path = folder / f"pysyscall-{os.getpid()}"
    yield path
    path.unlink()


def test_pins(numbers: int, pinned: Path, keep: Keep) -> None:
    bpf(flags.BPF_OBJ_PIN, pysyscall.BpfObj(pathname=str(pinned), bpf_fd=numbers))
    fd = keep(bpf(flags.BPF_OBJ_GET, pysyscall.BpfObj(pathname=str(pinned))))
    bpf(flags.BPF_MAP_UPDATE_ELEM, element(fd, 1, bytes(8)))
    bpf(flags.BPF_MAP_LOOKUP_ELEM, element(numbers, 1, bytearray(8)))


def test_statistics(keep: Keep) -> None:
    keep(made(flags.BPF_ENABLE_STATS, (flags.BPF_STATS_RUN_TIME,)))


def test_what_is_not_there(numbers: int, program: int) -> None:
    for command, attr in (
        (flags.BPF_PROG_ATTACH, pysyscall.BpfProgAttach()),
        (flags.BPF_RAW_TRACEPOINT_OPEN, pysyscall.BpfRawTracepoint(name="none", prog_fd=program)),
        (flags.BPF_LINK_CREATE, pysyscall.BpfLinkCreate(prog_fd=program)),
        (flags.BPF_LINK_DETACH, pysyscall.BpfLinkDetach(link_fd=numbers)),
        (flags.BPF_ITER_CREATE, pysyscall.BpfIterCreate(link_fd=numbers)),
        (flags.BPF_LINK_GET_FD_BY_ID, (2**32 - 1,)),
        (flags.BPF_BTF_GET_FD_BY_ID, (2**32 - 1,)),
        (flags.BPF_TASK_FD_QUERY, pysyscall.BpfTaskFdQuery(pid=os.getpid(), fd=numbers)),
        (flags.BPF_TOKEN_CREATE, pysyscall.BpfTokenCreate(bpffs_fd=numbers)),
        (77777, bytearray(32)),
    ):
        with pytest.raises(OSError):
            bpf(command, attr)
