"""prctl and arch_prctl against the real kernel; what lasts is set in a child."""

from __future__ import annotations

import errno
import os
import signal
import struct
import time
from collections.abc import Callable
from ctypes import addressof, c_char
from mmap import mmap
from pathlib import Path
from typing import Any

import pytest
from children import in_child
from conditions import needs_root, skip_where

import pysyscall
from pysyscall import arch_prctl, flags, prctl


def status(field: str) -> str:
    """What /proc tells of the calling thread."""
    for line in Path("/proc/thread-self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return value.strip()
    pytest.skip(f"this kernel does not tell {field}")


def or_skip(function: Callable[..., Any], *args: Any) -> Any:
    with skip_where(errno.EINVAL, errno.ENODEV, errno.EOPNOTSUPP, errno.ENXIO):
        return function(*args)


def test_names() -> None:
    def renamed() -> tuple[str, str]:
        prctl(flags.PR_SET_NAME, "a name that is cut")
        return prctl(flags.PR_GET_NAME), Path("/proc/thread-self/comm").read_text()

    assert in_child(renamed) == ("a name that is ", "a name that is \n")
    assert prctl(flags.PR_GET_NAME) == Path("/proc/thread-self/comm").read_text().rstrip("\n")


def test_the_signal_of_a_parents_death() -> None:
    def told() -> list[object]:
        prctl(flags.PR_SET_PDEATHSIG, flags.SIGUSR1)
        return [prctl(flags.PR_GET_PDEATHSIG), prctl(flags.PR_SET_PDEATHSIG, 0)]

    assert in_child(told) == [flags.SIGUSR1, None]
    reader, writer = os.pipe()

    def middle() -> None:
        if os.fork() == 0:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
            prctl(flags.PR_SET_PDEATHSIG, flags.SIGUSR1)
            os.write(writer, b"r")
            found = signal.sigtimedwait({signal.SIGUSR1}, 10)
            os.write(writer, b"y" if found else b"n")
            os._exit(0)
        while os.read(reader, 1) != b"r":
            pass

    in_child(middle)
    assert os.read(reader, 1) == b"y"
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize(
    ("setting", "getting", "values"),
    [
        (flags.PR_SET_DUMPABLE, flags.PR_GET_DUMPABLE, [0, 1]),
        (flags.PR_SET_KEEPCAPS, flags.PR_GET_KEEPCAPS, [1, 0]),
        (flags.PR_SET_TIMERSLACK, flags.PR_GET_TIMERSLACK, [12345, 50000]),
        (flags.PR_SET_CHILD_SUBREAPER, flags.PR_GET_CHILD_SUBREAPER, [1, 0]),
        (flags.PR_SET_NO_NEW_PRIVS, flags.PR_GET_NO_NEW_PRIVS, [1]),
        (flags.PR_SET_THP_DISABLE, flags.PR_GET_THP_DISABLE, [1, 0]),
        (flags.PR_SET_TSC, flags.PR_GET_TSC, [flags.PR_TSC_SIGSEGV, flags.PR_TSC_ENABLE]),
        (flags.PR_SET_MEMORY_MERGE, flags.PR_GET_MEMORY_MERGE, [1, 0]),
        (flags.PR_SET_MDWE, flags.PR_GET_MDWE, [flags.PR_MDWE_REFUSE_EXEC_GAIN]),
        (flags.PR_SET_TIMING, flags.PR_GET_TIMING, [flags.PR_TIMING_STATISTICAL]),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_settings(setting: Any, getting: Any, values: list[int]) -> None:
    def set_and_get() -> list[int]:
        found = []
        for value in values:
            assert prctl(setting, value) is None
            found.append(prctl(getting))
        return found

    assert or_skip(in_child, set_and_get) == values


@needs_root
def test_settings_of_root() -> None:
    def set_and_get() -> list[object]:
        try:
            prctl(flags.PR_SET_IO_FLUSHER, 1)
            flusher = prctl(flags.PR_GET_IO_FLUSHER)
        except PermissionError:  # root without CAP_SYS_RESOURCE
            flusher = 1
        prctl(flags.PR_SET_SECUREBITS, flags.SECBIT_NO_SETUID_FIXUP)
        return [flusher, prctl(flags.PR_GET_SECUREBITS)]

    assert in_child(set_and_get) == [1, flags.SECBIT_NO_SETUID_FIXUP]


@needs_root
def test_capabilities() -> None:
    def drop() -> list[object]:
        told: list[object] = [prctl(flags.PR_CAPBSET_READ, flags.CAP_SYS_TIME)]
        prctl(flags.PR_CAPBSET_DROP, flags.CAP_SYS_TIME)
        told.append(prctl(flags.PR_CAPBSET_READ, flags.CAP_SYS_TIME))
        told.append(prctl(flags.PR_CAP_AMBIENT, flags.PR_CAP_AMBIENT_IS_SET, flags.CAP_KILL))
        with pytest.raises(PermissionError):
            prctl(flags.PR_CAP_AMBIENT, flags.PR_CAP_AMBIENT_RAISE, flags.CAP_KILL)
        prctl(flags.PR_CAP_AMBIENT, flags.PR_CAP_AMBIENT_LOWER, flags.CAP_KILL)
        prctl(flags.PR_CAP_AMBIENT, flags.PR_CAP_AMBIENT_CLEAR_ALL)
        told.append(int(status("CapBnd"), 16) >> flags.CAP_SYS_TIME & 1)
        return told

    assert in_child(drop) == [1, 0, 0, 0]


def test_bad_memory_and_counters() -> None:
    def tell() -> list[object]:
        told = [prctl(flags.PR_MCE_KILL_GET)]
        prctl(flags.PR_MCE_KILL, flags.PR_MCE_KILL_SET, flags.PR_MCE_KILL_EARLY)
        told.append(prctl(flags.PR_MCE_KILL_GET))
        prctl(flags.PR_MCE_KILL, flags.PR_MCE_KILL_CLEAR)
        told.append(prctl(flags.PR_MCE_KILL_GET))
        prctl(flags.PR_TASK_PERF_EVENTS_DISABLE)
        prctl(flags.PR_TASK_PERF_EVENTS_ENABLE)
        return told

    default = flags.PR_MCE_KILL_DEFAULT
    assert or_skip(in_child, tell) == [default, flags.PR_MCE_KILL_EARLY, default]


def test_speculation() -> None:
    state = or_skip(prctl, flags.PR_GET_SPECULATION_CTRL, flags.PR_SPEC_STORE_BYPASS)
    assert isinstance(state, flags.PrSpeculationCtrl)
    if state & flags.PR_SPEC_PRCTL and not state & flags.PR_SPEC_FORCE_DISABLE:

        def disable() -> int:
            which = flags.PR_SPEC_STORE_BYPASS
            prctl(flags.PR_SET_SPECULATION_CTRL, which, flags.PR_SPEC_DISABLE)
            return prctl(flags.PR_GET_SPECULATION_CTRL, which) & flags.PR_SPEC_DISABLE

        assert in_child(disable) == flags.PR_SPEC_DISABLE


def test_who_may_trace() -> None:
    """Only with the security module Yama."""
    try:
        prctl(flags.PR_SET_PTRACER, os.getppid())
    except OSError as error:
        assert error.errno == errno.EINVAL
    else:
        prctl(flags.PR_SET_PTRACER, 0)


def test_addresses() -> None:
    assert or_skip(prctl, flags.PR_GET_TID_ADDRESS) > 0
    size = prctl(flags.PR_SET_MM, flags.PR_SET_MM_MAP_SIZE)
    assert size == len(pysyscall.PrctlMmMap().to_bytes())


def test_the_auxiliary_vector() -> None:
    told = or_skip(prctl, flags.PR_GET_AUXV)
    assert told[: len(Path("/proc/self/auxv").read_bytes())] == Path("/proc/self/auxv").read_bytes()


def test_names_of_memory() -> None:
    private = mmap(-1, 8192, flags=flags.MAP_PRIVATE | flags.MAP_ANONYMOUS)
    start = addressof(c_char.from_buffer(private))
    or_skip(prctl, flags.PR_SET_VMA, flags.PR_SET_VMA_ANON_NAME, start, 8192, "mine")
    assert "[anon:mine]" in Path("/proc/self/maps").read_text()
    prctl(flags.PR_SET_VMA, flags.PR_SET_VMA_ANON_NAME, start, 8192, None)
    assert "[anon:mine]" not in Path("/proc/self/maps").read_text()
    with pytest.raises(OSError, match="Invalid argument"):
        prctl(flags.PR_SET_VMA, flags.PR_SET_VMA_ANON_NAME, start, 8192, "x" * 80)


def test_a_filter() -> None:
    """getppid() becomes EPERM: sequences of instructions and their bytes are the same."""
    number = pysyscall.Sysno.getppid
    code = [
        (flags.BPF_LD | flags.BPF_W | flags.BPF_ABS, 0, 0, 0),
        (flags.BPF_JMP | flags.BPF_JEQ | flags.BPF_K, 0, 1, int(number)),
        (flags.BPF_RET | flags.BPF_K, 0, 0, flags.SECCOMP_RET_ERRNO | errno.EPERM),
        (flags.BPF_RET | flags.BPF_K, 0, 0, flags.SECCOMP_RET_ALLOW),
    ]

    def filtered(install: Callable[[], None]) -> list[object]:
        prctl(flags.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        told: list[object] = [prctl(flags.PR_GET_SECCOMP)]
        install()
        told.append(status("Seccomp"))
        with pytest.raises(PermissionError):
            pysyscall.getppid()
        return told

    content = b"".join(struct.pack("HBBI", *instruction) for instruction in code)
    mode = flags.SECCOMP_MODE_FILTER
    ways: list[Callable[[], None]] = [
        lambda: prctl(flags.PR_SET_SECCOMP, mode, code),
        lambda: prctl(flags.PR_SET_SECCOMP, mode, content),
        lambda: prctl(flags.PR_SET_SECCOMP, mode, [pysyscall.SockFilter(*line) for line in code]),
    ]
    for way in ways:
        assert in_child(lambda way=way: filtered(way)) == [flags.SECCOMP_MODE_DISABLED, "2"]
    for wrong in (content[:-1], b"x"):
        with pytest.raises(ValueError, match="argument 'prog' must have 8 bytes an instruction"):
            prctl(flags.PR_SET_SECCOMP, mode, wrong)
    with pytest.raises(ValueError, match="must hold at most 65535 items, not 65536"):
        prctl(flags.PR_SET_SECCOMP, mode, bytes(8 * 65536))


def test_calls_dispatched_to_user_space() -> None:
    def switched() -> None:
        prctl(flags.PR_SET_SYSCALL_USER_DISPATCH, flags.PR_SYS_DISPATCH_OFF)
        exclusive = flags.PR_SYS_DISPATCH_EXCLUSIVE_ON
        # All memory may make calls.
        prctl(flags.PR_SET_SYSCALL_USER_DISPATCH, exclusive, 0, 2**47)
        assert pysyscall.getpid() == os.getpid()
        prctl(flags.PR_SET_SYSCALL_USER_DISPATCH, flags.PR_SYS_DISPATCH_OFF)

    or_skip(in_child, switched)


def test_tables_of_futexes() -> None:
    def tell() -> tuple[int, int]:
        prctl(flags.PR_FUTEX_HASH, flags.PR_FUTEX_HASH_SET_SLOTS, 16)
        first = prctl(flags.PR_FUTEX_HASH, flags.PR_FUTEX_HASH_GET_SLOTS)
        prctl(flags.PR_FUTEX_HASH, flags.PR_FUTEX_HASH_SET_SLOTS, 0)
        return first, prctl(flags.PR_FUTEX_HASH, flags.PR_FUTEX_HASH_GET_SLOTS)

    assert or_skip(in_child, tell) == (16, 0)


def test_timers_with_a_given_id() -> None:
    def tell() -> list[int]:
        calls = (flags.PR_TIMER_CREATE_RESTORE_IDS_ON, flags.PR_TIMER_CREATE_RESTORE_IDS_GET)
        return [prctl(flags.PR_TIMER_CREATE_RESTORE_IDS, call) for call in calls]

    assert or_skip(in_child, tell)[1] == 1


@pytest.mark.parametrize(
    "args",
    [
        (flags.PR_GET_UNALIGN,),
        (flags.PR_SET_FPEMU, 1),
        (flags.PR_GET_ENDIAN,),
        (flags.PR_SVE_GET_VL,),
        (flags.PR_GET_TAGGED_ADDR_CTRL,),
        (flags.PR_MPX_ENABLE_MANAGEMENT,),
        (flags.PR_RISCV_V_GET_CONTROL,),
        (flags.PR_SET_MM, flags.PR_SET_MM_MAP, pysyscall.PrctlMmMap()),
        (0x7EADBEEF, 1, 2, 3, 4),
    ],
)
def test_what_x86_or_the_kernel_lacks(args: tuple[Any, ...]) -> None:
    with pytest.raises(OSError, match=r"\[Errno (22|1|95|25)\]"):
        prctl(*args)


# What only x86 has


def test_segment_bases() -> None:
    assert arch_prctl(flags.ARCH_GET_FS) > 0

    def moved() -> int:
        arch_prctl(flags.ARCH_SET_GS, 0x1000)
        return arch_prctl(flags.ARCH_GET_GS)

    assert in_child(moved) == 0x1000


def test_processor_state() -> None:
    supported = or_skip(arch_prctl, flags.ARCH_GET_XCOMP_SUPP)
    assert supported & 3 == 3
    assert arch_prctl(flags.ARCH_GET_XCOMP_PERM) & ~supported == 0
    assert or_skip(arch_prctl, flags.ARCH_GET_XCOMP_GUEST_PERM) & 3 == 3
    if not supported >> flags.ARCH_XCOMP_TILEDATA & 1:
        with pytest.raises(OSError):
            arch_prctl(flags.ARCH_REQ_XCOMP_PERM, flags.ARCH_XCOMP_TILEDATA)


def test_the_instruction_cpuid() -> None:
    assert arch_prctl(flags.ARCH_GET_CPUID) == 1
    try:
        in_child(lambda: arch_prctl(flags.ARCH_SET_CPUID, 1))
    except OSError as error:
        assert error.errno == errno.ENODEV


def test_tags_and_shadow_stacks() -> None:
    assert or_skip(arch_prctl, flags.ARCH_GET_UNTAG_MASK) == 2**64 - 1
    assert arch_prctl(flags.ARCH_GET_MAX_TAG_BITS) in (0, 6)
    try:
        assert arch_prctl(flags.ARCH_SHSTK_STATUS) == 0
    except OSError as error:
        assert error.errno in (errno.EOPNOTSUPP, errno.EINVAL)


def test_a_second_vdso() -> None:
    """Where it would overlap with something the kernel looks for another place."""
    try:
        size = in_child(lambda: arch_prctl(flags.ARCH_MAP_VDSO_64, 0x10000000))
    except OSError as error:
        assert error.errno in (errno.EEXIST, errno.EINVAL)
    else:
        assert size > 0


def test_orphans_come_to_a_subreaper() -> None:
    """A subreaper gets the orphans of its descendants."""

    def adopt() -> bool:
        prctl(flags.PR_SET_CHILD_SUBREAPER, 1)
        reader, writer = os.pipe()
        if os.fork() == 0:
            if os.fork() == 0:
                while os.getppid() != adopter:
                    time.sleep(0.01)
                os.write(writer, b"x")
            os._exit(0)
        os.close(writer)
        os.wait()
        os.wait()
        return os.read(reader, 1) == b"x"

    adopter = -1

    def child() -> bool:
        nonlocal adopter
        adopter = os.getpid()
        return adopt()

    assert in_child(child)
