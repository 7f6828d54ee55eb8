"""ptrace against the real kernel, on children of this process."""

from __future__ import annotations

import errno
import os
import signal
import struct
from collections.abc import Callable, Iterator
from ctypes import addressof, c_char
from typing import Any

import pytest

import pysyscall
from pysyscall import SiginfoKill, Sysno, flags, ptrace, raw

WORD = bytearray(struct.pack("QQ", 0x1122334455667788, 5))
"""Memory that a forked child has at the same address."""
ADDRESS = addressof(c_char.from_buffer(WORD))


def stop_of(pid: int) -> int:
    """Waits for a traced child; the signal that stopped it."""
    _, status = os.waitpid(pid, flags.WALL)
    assert os.WIFSTOPPED(status), os.waitstatus_to_exitcode(status)
    return os.WSTOPSIG(status)


def traced(function: Callable[[], object]) -> int:
    """A child that stands at a SIGSTOP of its own, before it calls the function."""
    pid = os.fork()
    if pid == 0:
        try:
            ptrace(flags.PTRACE_TRACEME, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            function()
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    try:
        assert stop_of(pid) == signal.SIGSTOP
    except AssertionError:
        pytest.skip("no right to trace a child")
    ptrace(flags.PTRACE_SETOPTIONS, pid, flags.PTRACE_O_TRACESYSGOOD | flags.PTRACE_O_EXITKILL)
    return pid


@pytest.fixture
def child() -> Iterator[int]:
    pid = traced(lambda: raw.syscall(Sysno.getppid, 1, 2, 3, 4, 5, 6))
    yield pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def to_call(pid: int, number: int) -> pysyscall.UserRegs:
    """Lets the child go on up to the entry of a call; its registers there."""
    for _ in range(10_000):
        ptrace(flags.PTRACE_SYSCALL, pid)
        assert stop_of(pid) == signal.SIGTRAP | 0x80
        regs = ptrace(flags.PTRACE_GETREGS, pid)
        if regs.orig_rax == number:
            return regs
    raise AssertionError("the call did not come")


def test_memory(child: int) -> None:
    for peek, poke in (
        (flags.PTRACE_PEEKDATA, flags.PTRACE_POKEDATA),
        (flags.PTRACE_PEEKTEXT, flags.PTRACE_POKETEXT),
    ):
        assert ptrace(peek, child, ADDRESS) == 0x1122334455667788
        # A word that looks like an error.
        ptrace(poke, child, ADDRESS + 8, 2**64 - 1)
        assert ptrace(peek, child, ADDRESS + 8) == 2**64 - 1
    assert WORD[8:] == struct.pack("Q", 5)
    with pytest.raises(OSError, match="Input/output error"):
        ptrace(flags.PTRACE_PEEKDATA, child, 8)


def test_registers(child: int) -> None:
    regs = to_call(child, Sysno.getppid)
    assert (regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9) == (1, 2, 3, 4, 5, 6)
    assert regs.rax == 2**64 - errno.ENOSYS
    offset = pysyscall.UserRegs.__match_args__.index("rdi") * 8
    assert ptrace(flags.PTRACE_PEEKUSR, child, offset) == 1
    ptrace(flags.PTRACE_POKEUSR, child, offset, 77)
    assert ptrace(flags.PTRACE_GETREGS, child).rdi == 77
    ptrace(flags.PTRACE_SETREGS, child, regs.replace(orig_rax=int(Sysno.getpid)))
    ptrace(flags.PTRACE_SYSCALL, child)
    stop_of(child)
    assert ptrace(flags.PTRACE_GETREGS, child).rax == child
    wide = ptrace(flags.PTRACE_GETFPREGS, child)
    ptrace(flags.PTRACE_SETFPREGS, child, wide)
    assert ptrace(flags.PTRACE_GETFPREGS, child) == wide


def test_sets_of_registers(child: int) -> None:
    content = ptrace(flags.PTRACE_GETREGSET, child, flags.NT_PRSTATUS, 1000)
    assert content == ptrace(flags.PTRACE_GETREGS, child).to_bytes()
    own = bytearray(16)
    assert ptrace(flags.PTRACE_GETREGSET, child, flags.NT_PRSTATUS, own) == 16
    assert own == content[:16]
    changed = pysyscall.UserRegs.from_bytes(content).replace(r12=123)
    ptrace(flags.PTRACE_SETREGSET, child, flags.NT_PRSTATUS, changed.to_bytes())
    assert ptrace(flags.PTRACE_GETREGS, child).r12 == 123
    with pytest.raises(OSError, match="Invalid argument"):
        ptrace(flags.PTRACE_GETREGSET, child, flags.NT_PRSTATUS, 7)


def test_what_is_told_of_a_call(child: int) -> None:
    assert ptrace(flags.PTRACE_GET_SYSCALL_INFO, child)[1].op == flags.PTRACE_SYSCALL_INFO_NONE
    regs = to_call(child, Sysno.getppid)
    size, info = ptrace(flags.PTRACE_GET_SYSCALL_INFO, child)
    assert size >= 72
    assert info.op == flags.PTRACE_SYSCALL_INFO_ENTRY
    assert info.arch == flags.AUDIT_ARCH_X86_64
    assert (info.nr, info.args) == (Sysno.getppid, (1, 2, 3, 4, 5, 6))
    assert info.instruction_pointer == regs.rip
    try:
        ptrace(flags.PTRACE_SET_SYSCALL_INFO, child, info.replace(args=(9, 8, 7, 6, 5, 4)))
    except OSError as error:
        assert error.errno == errno.EIO  # newer than this kernel
    else:
        assert ptrace(flags.PTRACE_GETREGS, child).rdi == 9


def test_signals(child: int) -> None:
    mask = {signal.SIGUSR1, signal.SIGUSR2}
    ptrace(flags.PTRACE_SETSIGMASK, child, mask)
    assert ptrace(flags.PTRACE_GETSIGMASK, child) == mask
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        os.kill(child, number)
    args = pysyscall.PtracePeeksiginfoArgs(0, flags.PTRACE_PEEKSIGINFO_SHARED, 10)
    pending = ptrace(flags.PTRACE_PEEKSIGINFO, child, args)
    assert [info.si_signo for info in pending] == [signal.SIGUSR1, signal.SIGUSR2]
    one = ptrace(flags.PTRACE_PEEKSIGINFO, child, (1, flags.PTRACE_PEEKSIGINFO_SHARED, 1))
    assert [info.si_signo for info in one] == [signal.SIGUSR2]
    assert ptrace(flags.PTRACE_PEEKSIGINFO, child, (0, 0, 5)) == []
    with pytest.raises((OSError, MemoryError)):
        ptrace(flags.PTRACE_PEEKSIGINFO, child, (0, 0, -1))
    ptrace(flags.PTRACE_SETSIGMASK, child, set())
    ptrace(flags.PTRACE_CONT, child)
    assert stop_of(child) == signal.SIGUSR1
    info = ptrace(flags.PTRACE_GETSIGINFO, child)
    assert (info.si_signo, info.si_code) == (signal.SIGUSR1, flags.SI_USER)
    assert isinstance(info, SiginfoKill)
    assert info.si_pid == os.getpid()
    ptrace(flags.PTRACE_SETSIGINFO, child, info.replace(si_pid=1))
    assert ptrace(flags.PTRACE_GETSIGINFO, child) == info.replace(si_pid=1)


@pytest.mark.parametrize(
    "request_", [flags.PTRACE_SINGLESTEP, flags.PTRACE_SINGLEBLOCK], ids=["step", "block"]
)
def test_steps(child: int, request_: Any) -> None:
    before = ptrace(flags.PTRACE_GETREGS, child).rip
    ptrace(request_, child)
    assert stop_of(child) == signal.SIGTRAP
    assert ptrace(flags.PTRACE_GETREGS, child).rip != before


@pytest.mark.parametrize("request_", [flags.PTRACE_SYSEMU, flags.PTRACE_SYSEMU_SINGLESTEP])
def test_calls_that_are_not_made(child: int, request_: Any) -> None:
    to_call(child, Sysno.getppid)
    ptrace(flags.PTRACE_SYSCALL, child)
    stop_of(child)
    for _ in range(10_000):
        ptrace(request_, child)
        if stop_of(child) == signal.SIGTRAP | 0x80:
            break
    info = ptrace(flags.PTRACE_GET_SYSCALL_INFO, child)[1]
    assert info.op == flags.PTRACE_SYSCALL_INFO_ENTRY


def test_events() -> None:
    pid = traced(os.fork)
    options = flags.PTRACE_O_TRACEFORK | flags.PTRACE_O_TRACECLONE | flags.PTRACE_O_EXITKILL
    ptrace(flags.PTRACE_OLDSETOPTIONS, pid, options)
    ptrace(flags.PTRACE_CONT, pid)
    _, status = os.waitpid(pid, 0)
    assert status >> 16 in (flags.PTRACE_EVENT_FORK, flags.PTRACE_EVENT_CLONE)
    grandchild = ptrace(flags.PTRACE_GETEVENTMSG, pid)
    assert grandchild > 0
    os.kill(grandchild, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(grandchild, flags.WALL)
    os.waitpid(pid, 0)


def test_seizing_and_detaching() -> None:
    pid = os.fork()
    if pid == 0:
        while True:
            signal.pause()
    try:
        ptrace(flags.PTRACE_SEIZE, pid, flags.PTRACE_O_TRACESYSGOOD)
        ptrace(flags.PTRACE_INTERRUPT, pid)
        _, status = os.waitpid(pid, 0)
        assert status >> 16 == flags.PTRACE_EVENT_STOP
        ptrace(flags.PTRACE_DETACH, pid)
        ptrace(flags.PTRACE_ATTACH, pid)
        assert stop_of(pid) == signal.SIGSTOP
        ptrace(flags.PTRACE_KILL, pid)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_what_only_x86_has(child: int) -> None:
    # What is told is written to this process's memory.
    own = bytearray(8)
    ptrace(flags.PTRACE_ARCH_PRCTL, child, addressof(c_char.from_buffer(own)), flags.ARCH_GET_FS)
    assert struct.unpack("Q", own)[0] == ptrace(flags.PTRACE_GETREGS, child).fs_base
    try:
        area = ptrace(flags.PTRACE_GET_THREAD_AREA, child, 12)
        ptrace(flags.PTRACE_SET_THREAD_AREA, child, 12, area)
    except OSError as error:
        assert error.errno in (errno.EIO, errno.EINVAL)


def test_configurations(child: int) -> None:
    size, rseq = ptrace(flags.PTRACE_GET_RSEQ_CONFIGURATION, child)
    assert size == 24
    assert rseq.rseq_abi_size in (0, 32) or rseq.rseq_abi_size > 32
    dispatch = ptrace(flags.PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, child)
    assert dispatch.mode == flags.PR_SYS_DISPATCH_OFF
    ptrace(flags.PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG, child, dispatch)


PROGRAM = [
    pysyscall.SockFilter(flags.BPF_LD | flags.BPF_W | flags.BPF_ABS, 0, 0, 4),
    pysyscall.SockFilter(flags.BPF_RET | flags.BPF_K, 0, 0, flags.SECCOMP_RET_ALLOW),
]


def test_filters() -> None:
    def filtered() -> None:
        pysyscall.prctl(flags.PR_SET_NO_NEW_PRIVS)
        mode, log = flags.SECCOMP_SET_MODE_FILTER, flags.SECCOMP_FILTER_FLAG_LOG
        pysyscall.seccomp(mode, log, PROGRAM)
        os.kill(os.getpid(), signal.SIGSTOP)

    pid = traced(filtered)
    try:
        ptrace(flags.PTRACE_CONT, pid)
        assert stop_of(pid) == signal.SIGSTOP
        try:
            found = ptrace(flags.PTRACE_SECCOMP_GET_FILTER, pid, 0)
            size, metadata = ptrace(flags.PTRACE_SECCOMP_GET_METADATA, pid, (0,))
        except PermissionError:
            pytest.skip("it takes CAP_SYS_ADMIN, and no filter of its own")
        assert found == PROGRAM
        assert size == 16
        assert metadata.flags == flags.SECCOMP_FILTER_FLAG_LOG
        with pytest.raises(FileNotFoundError):
            ptrace(flags.PTRACE_SECCOMP_GET_FILTER, pid, 5)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_nobody_to_trace() -> None:
    with pytest.raises(ProcessLookupError):
        ptrace(flags.PTRACE_GETREGS, os.getpid())
    with pytest.raises(ProcessLookupError):
        ptrace(flags.PTRACE_ATTACH, 2**22)
    with pytest.raises(OSError):
        ptrace(0x7EAD, os.getpid(), 0, bytearray(8))
