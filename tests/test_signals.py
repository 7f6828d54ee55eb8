"""Calls on signals: masks, what waits, sending with data, waiting, stacks, and signalfd."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from isolated.child import python
from this_process import alone

import pysyscall
from pysyscall import Itimerspec, Sigevent, SiginfoQueue, SignalfdSiginfo, SignalStack, Timespec
from pysyscall._raw import ffi

T = TypeVar("T")

USR1, USR2 = signal.SIGUSR1, signal.SIGUSR2
REALTIME = signal.SIGRTMIN + 3
BLOCK, UNBLOCK, SETMASK = pysyscall.SIG_BLOCK, pysyscall.SIG_UNBLOCK, pysyscall.SIG_SETMASK
WORD = 0x1234_5678_9ABC_DEF0


def blocked() -> set[int]:
    return set(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, [])))


def taken(*signals: int) -> list[int]:
    """The signals that wait, of these, which then wait no longer."""
    found = []
    while (info := signal.sigtimedwait(signals, 0)) is not None:
        found.append(info.si_signo)
    return found


def in_a_thread(function: Callable[[], T]) -> T:
    """What a thread of its own, with its own mask and stack, comes to."""
    try:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(function).result(20)
    finally:
        alone()


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Each test leaves the mask as it was, and no signals that wait."""
    alone()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    yield
    taken(*(signal.pthread_sigmask(signal.SIG_BLOCK, []) - before))
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


# The mask


@pytest.mark.parametrize(
    ("how", "given", "after"),
    [
        (BLOCK, [USR2], {USR1, USR2}),
        (BLOCK, (n for n in (USR1, 64)), {USR1, 64}),
        (UNBLOCK, {USR1, USR2}, set()),
        (UNBLOCK, frozenset(), {USR1}),
        (SETMASK, range(34, 65), set(range(34, 65))),
        (SETMASK, signal.Signals, set(range(1, 32)) - {9, 19} | {34, 64}),
        (SETMASK, [], set()),
        (BLOCK, None, {USR1}),
        (99, None, {USR1}),
    ],
)
def test_the_mask(how: int, given: Iterable[int] | None, after: set[int]) -> None:
    """SIGKILL and SIGSTOP are left out."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [USR1])
    told = pysyscall.rt_sigprocmask(how, given)
    assert blocked() == after
    assert told == {USR1}
    assert pysyscall.rt_sigprocmask(SETMASK, told) == after
    assert blocked() == {USR1}


def test_the_mask_can_be_read_alone() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, [1, 64])
    assert pysyscall.rt_sigprocmask(BLOCK) == {1, 64}


def test_a_mask_is_one_threads() -> None:
    def of_thread() -> set[int]:
        pysyscall.rt_sigprocmask(SETMASK, [USR2])
        return blocked()

    before = blocked()
    assert in_a_thread(of_thread) == {USR2}
    assert blocked() == before


@pytest.mark.parametrize("number", [0, 65, -1, 2**70])
def test_no_signal(number: int) -> None:
    before = blocked()
    with pytest.raises((ValueError, OverflowError)):
        pysyscall.rt_sigprocmask(BLOCK, [USR1, number])
    assert blocked() == before


def test_an_unknown_way_to_change_the_mask() -> None:
    with pytest.raises(OSError) as caught:
        pysyscall.rt_sigprocmask(99, [USR1])
    assert caught.value.errno == errno.EINVAL


# What waits


def test_pending() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [USR1, USR2, 64])
    assert pysyscall.rt_sigpending() == set()
    os.kill(os.getpid(), USR1)
    signal.pthread_kill(threading.get_ident(), 64)
    assert pysyscall.rt_sigpending() == {USR1, 64}
    assert taken(64) == [64]
    assert pysyscall.rt_sigpending() == {USR1}


# Sending


def tkill(info: SiginfoQueue) -> int:
    pysyscall.tkill(threading.get_native_id(), REALTIME)
    return pysyscall.SI_TKILL


def rt_sigqueueinfo(info: SiginfoQueue) -> int:
    pysyscall.rt_sigqueueinfo(os.getpid(), REALTIME, info)
    return info.si_code


def rt_tgsigqueueinfo(info: SiginfoQueue) -> int:
    pysyscall.rt_tgsigqueueinfo(os.getpid(), threading.get_native_id(), REALTIME, info)
    return info.si_code


@pytest.mark.parametrize("send", [tkill, rt_sigqueueinfo, rt_tgsigqueueinfo])
def test_what_a_signal_tells_of_its_sender(
    keep: Callable[[int], int], send: Callable[[SiginfoQueue], int]
) -> None:
    """Read from a signalfd: libc's sigwaitinfo makes SI_TKILL into SI_USER."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [REALTIME])
    fd = keep(pysyscall.signalfd(-1, [REALTIME]))
    info = SiginfoQueue(pysyscall.SI_QUEUE, WORD, os.getpid(), os.getuid())
    code = send(info)
    told = SignalfdSiginfo.from_bytes(pysyscall.read(fd, 128))
    assert (told.ssi_signo, told.ssi_code) == (REALTIME, code)
    assert (told.ssi_pid, told.ssi_uid) == (os.getpid(), os.getuid())
    assert told.ssi_ptr == (0 if send is tkill else WORD)
    assert info.si_signo == 0, "the caller's struct doesn't change"


def test_the_sender_is_what_the_caller_writes() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [REALTIME])
    pysyscall.rt_sigqueueinfo(os.getpid(), REALTIME, (-60, WORD, 7, 8))
    told = signal.sigwaitinfo([REALTIME])
    assert (told.si_code, told.si_pid, told.si_uid) == (-60, 7, 8)


def test_realtime_signals_queue_in_order(keep: Callable[[int], int]) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [REALTIME])
    fd = keep(pysyscall.signalfd(-1, [REALTIME]))
    for word in range(5):
        pysyscall.rt_sigqueueinfo(os.getpid(), REALTIME, (pysyscall.SI_QUEUE, word))
    records = pysyscall.read(fd, 9 * 128)
    told = [SignalfdSiginfo.from_bytes(records[i : i + 128]) for i in range(0, len(records), 128)]
    assert [each.ssi_ptr for each in told] == list(range(5))


@pytest.mark.parametrize(
    "send",
    [
        lambda tid: pysyscall.tkill(tid, USR1),
        lambda tid: pysyscall.rt_tgsigqueueinfo(os.getpid(), tid, USR1, (pysyscall.SI_QUEUE,)),
    ],
    ids=["tkill", "rt_tgsigqueueinfo"],
)
def test_a_signal_to_one_thread(send: Callable[[int], None]) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [USR1])
    assert send(threading.get_native_id()) is None
    assert in_a_thread(pysyscall.rt_sigpending) == set()
    assert pysyscall.rt_sigpending() == {USR1}


@pytest.mark.parametrize(
    "send",
    [
        lambda target, sig: pysyscall.tkill(target, sig),
        lambda target, sig: pysyscall.rt_sigqueueinfo(target, sig, (pysyscall.SI_QUEUE,)),
        lambda target, sig: pysyscall.rt_tgsigqueueinfo(target, target, sig, (pysyscall.SI_QUEUE,)),
    ],
    ids=["tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"],
)
def test_refused_signals(send: Callable[[int, int], None]) -> None:
    me = threading.get_native_id()
    assert send(me, 0) is None, "0 only checks"
    for target, number, expected in [
        (2**22 + 1, 0, errno.ESRCH),
        (me, 65, errno.EINVAL),
        (me, -1, errno.EINVAL),
    ]:
        with pytest.raises(OSError) as caught:
            send(target, number)
        assert caught.value.errno == expected


@pytest.mark.parametrize("code", [pysyscall.SI_USER, pysyscall.SI_KERNEL, pysyscall.SI_TKILL])
def test_codes_that_are_the_kernels_own(code: int) -> None:
    """To another process: the child waits for the end of its input."""
    command = [sys.executable, "-S", "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        for call in (
            lambda: pysyscall.rt_sigqueueinfo(child.pid, 0, (code,)),
            lambda: pysyscall.rt_tgsigqueueinfo(child.pid, child.pid, 0, (code,)),
        ):
            with pytest.raises(PermissionError):
                call()


# Waiting


def test_pause(handled: list[int]) -> None:
    """The signal comes again and again, so none before the call is waited for in vain."""
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    assert pysyscall.pause() is None
    assert handled
    assert set(handled) == {signal.SIGALRM}


def test_sigsuspend_takes_what_the_mask_lets_through(handled: list[int]) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [USR1, USR2])
    signal.raise_signal(USR1)
    signal.raise_signal(USR2)
    assert handled == []
    assert pysyscall.rt_sigsuspend([USR2]) is None
    assert handled == [USR1]
    assert blocked() >= {USR1, USR2}, "the mask before is back"
    assert pysyscall.rt_sigpending() == {USR2}


def test_sigsuspend_waits(handled: list[int]) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    start = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0.03)
    pysyscall.rt_sigsuspend(iter([USR1]))
    assert time.monotonic() - start >= 0.03
    assert handled == [signal.SIGALRM]


@pytest.mark.parametrize("wait", [pysyscall.pause, lambda: pysyscall.rt_sigsuspend([])])
def test_an_exception_in_the_handler_ends_the_wait(
    handled: list[int], wait: Callable[[], None]
) -> None:
    signal.signal(signal.SIGALRM, lambda number, frame: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
            wait()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.mark.parametrize("wait", ["pause()", "rt_sigsuspend([])"])
def test_a_signal_from_another_process_ends_the_wait(wait: str) -> None:
    code = f"""
import os, signal, subprocess, sys, pysyscall
signal.signal(signal.SIGUSR1, lambda number, frame: print("handled", number))
send = f"import os, time\\nwhile True: os.kill({{os.getpid()}}, 10); time.sleep(0.01)"
child = subprocess.Popen([sys.executable, "-S", "-c", send])
print(pysyscall.{wait})
child.kill()
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
"""
    lines = python("-c", code).splitlines()
    assert lines[0] == "handled 10"
    assert "None" in lines


# Stacks


SIZE = 1 << 16


@pytest.fixture
def stack() -> Iterator[int]:
    """The address of memory for a stack."""
    with mmap.mmap(-1, SIZE) as memory:
        view = ffi.from_buffer(memory)
        yield int(ffi.cast("uintptr_t", view))
        ffi.release(view)


def test_a_stack_for_handlers(stack: int) -> None:
    new = SignalStack(stack, 0, SIZE)

    def of_thread() -> tuple[SignalStack, ...]:
        none = pysyscall.sigaltstack()
        before = pysyscall.sigaltstack(new)
        held = pysyscall.sigaltstack(SignalStack(0, pysyscall.SS_DISABLE))
        return none, before, held, pysyscall.sigaltstack(None)

    disabled = SignalStack(0, pysyscall.SS_DISABLE, 0)
    assert in_a_thread(of_thread) == (disabled, disabled, new, disabled)


@pytest.mark.parametrize(
    ("size", "flags", "number"), [(SIZE, 1 << 20, errno.EINVAL), (100, 0, errno.ENOMEM)]
)
def test_refused_stacks(stack: int, size: int, flags: int, number: int) -> None:
    with pytest.raises(OSError) as caught:
        in_a_thread(lambda: pysyscall.sigaltstack(SignalStack(stack, flags, size)))
    assert caught.value.errno == number


def test_autodisarm_is_told(stack: int) -> None:
    new = SignalStack(stack, pysyscall.SS_AUTODISARM, SIZE)

    def of_thread() -> SignalStack:
        pysyscall.sigaltstack(new)
        return pysyscall.sigaltstack((0, pysyscall.SS_DISABLE, 0))

    assert in_a_thread(of_thread) == new


# signalfd


def by_kill(keep: Callable[[int], int]) -> dict[str, Any]:
    os.kill(os.getpid(), USR1)
    return {
        "ssi_signo": USR1,
        "ssi_code": pysyscall.SI_USER,
        "ssi_pid": os.getpid(),
        "ssi_uid": os.getuid(),
    }


def by_queue(keep: Callable[[int], int]) -> dict[str, Any]:
    info = SiginfoQueue(pysyscall.SI_QUEUE, WORD, 5, 6)
    pysyscall.rt_sigqueueinfo(os.getpid(), REALTIME, info)
    return {
        "ssi_signo": REALTIME,
        "ssi_code": pysyscall.SI_QUEUE,
        "ssi_pid": 5,
        "ssi_uid": 6,
        "ssi_ptr": WORD,
        "ssi_int": (WORD & 2**32 - 1) - 2**32,
    }


def by_timer(keep: Callable[[int], int]) -> dict[str, Any]:
    event = Sigevent(pysyscall.SIGEV_SIGNAL, USR2, WORD)
    timer = pysyscall.timer_create(pysyscall.CLOCK_MONOTONIC, event)
    pysyscall.timer_settime(timer, 0, Itimerspec(Timespec(0, 0), Timespec(0, 1_000_000)))
    time.sleep(0.02)
    return {
        "ssi_signo": USR2,
        "ssi_code": pysyscall.SI_TIMER,
        "ssi_tid": timer,
        "ssi_overrun": 0,
        "ssi_ptr": WORD,
    }


def by_child(keep: Callable[[int], int]) -> dict[str, Any]:
    with subprocess.Popen([sys.executable, "-S", "-c", "raise SystemExit(7)"]) as child:
        pass
    return {
        "ssi_signo": signal.SIGCHLD,
        "ssi_code": pysyscall.CLD_EXITED,
        "ssi_pid": child.pid,
        "ssi_uid": os.getuid(),
        "ssi_status": 7,
    }


def by_descriptor(keep: Callable[[int], int]) -> dict[str, Any]:
    reader, writer = os.pipe()
    keep(reader)
    fcntl.fcntl(reader, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(reader, fcntl.F_SETSIG, REALTIME)
    fcntl.fcntl(reader, fcntl.F_SETFL, os.O_ASYNC)
    os.write(keep(writer), b"x")
    fcntl.fcntl(reader, fcntl.F_SETFL, 0)
    return {
        "ssi_signo": REALTIME,
        "ssi_code": pysyscall.POLL_IN,
        "ssi_fd": reader,
        "ssi_band": pysyscall.POLLIN | pysyscall.POLLRDNORM,
    }


MAKERS = [by_kill, by_queue, by_timer, by_child, by_descriptor]
STRUCTS = {
    by_kill: pysyscall.SiginfoKill,
    by_queue: SiginfoQueue,
    by_timer: pysyscall.SiginfoTimer,
    by_child: pysyscall.SiginfoChild,
    by_descriptor: pysyscall.SiginfoPoll,
}


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("call", [pysyscall.signalfd, pysyscall.signalfd4])
def test_signalfd_tells_of(
    keep: Callable[[int], int],
    call: Callable[[int, Iterable[int]], int],
    make: Callable[[Callable[[int], int]], dict[str, Any]],
) -> None:
    signals = [USR1, USR2, REALTIME, signal.SIGCHLD]
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    fd = keep(call(-1, signals))
    assert select.select([fd], [], [], 0) == ([], [], [])
    expected = make(keep)
    info = SignalfdSiginfo.from_bytes(pysyscall.read(fd, 128))
    assert {name: getattr(info, name) for name in expected} == expected
    assert info.ssi_errno == 0


def waited_for(signals: Iterable[int]) -> Any:
    return pysyscall.rt_sigtimedwait(signals, 5)


def into_a_queue(signals: Iterable[int]) -> Any:
    """Unblocked, they go where their action says."""
    queue = pysyscall.SignalQueue()
    before = {sig: pysyscall.rt_sigaction(sig, queue) for sig in signals}
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    for sig, action in before.items():
        pysyscall.rt_sigaction(sig, action)
    (info,) = queue.take()
    return info


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("receive", [waited_for, into_a_queue])
def test_each_signal_has_its_struct(
    keep: Callable[[int], int],
    receive: Callable[[Iterable[int]], Any],
    make: Callable[[Callable[[int], int]], dict[str, Any]],
) -> None:
    signals = [USR1, USR2, REALTIME, signal.SIGCHLD]
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    expected = make(keep)
    info = receive(signals)
    assert type(info) is STRUCTS[make]
    word = expected.pop("ssi_ptr", None)
    expected.pop("ssi_int", None)
    for name, value in expected.items():
        assert getattr(info, name.removeprefix("s")) == value
    assert word is None or info.si_value == word
    assert info.si_errno == 0


def test_several_records_of_a_signalfd(keep: Callable[[int], int]) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [REALTIME])
    fd = keep(pysyscall.signalfd(-1, [REALTIME]))
    for word in range(5):
        pysyscall.rt_sigqueueinfo(os.getpid(), REALTIME, (pysyscall.SI_QUEUE, word))
    data = pysyscall.read(fd, 9 * 128)
    assert [info.ssi_ptr for info in pysyscall.parse_signals(data)] == [*range(5)]
    assert pysyscall.parse_signals(b"") == []
    assert len(pysyscall.parse_signals(memoryview(bytearray(data)))) == 5
    with pytest.raises(
        ValueError, match=r"^SignalfdSiginfo\.from_bytes\(\) needs 128 bytes, not 1$"
    ):
        pysyscall.parse_signals(data + b"x")


# What is known of a signal


@pytest.mark.parametrize(
    ("number", "code", "kind"),
    [
        (signal.SIGCHLD, "CLD_EXITED", "Child"),
        (signal.SIGCHLD, "CLD_CONTINUED", "Child"),
        (signal.SIGCHLD, "SI_USER", "Kill"),
        (signal.SIGSEGV, "SEGV_MAPERR", "Fault"),
        (signal.SIGSEGV, "SEGV_BNDERR", "Bounds"),
        (signal.SIGSEGV, "SEGV_PKUERR", "Pkey"),
        (signal.SIGSEGV, "SEGV_CPERR", "Fault"),
        (signal.SIGSEGV, "SI_KERNEL", "Kill"),
        (signal.SIGSEGV, "SI_TKILL", "Kill"),
        (signal.SIGBUS, "BUS_MCEERR_AO", "Fault"),
        (signal.SIGILL, "ILL_ILLOPN", "Fault"),
        (signal.SIGFPE, "FPE_INTDIV", "Fault"),
        (signal.SIGTRAP, "TRAP_BRKPT", "Fault"),
        (signal.SIGTRAP, "TRAP_PERF", "Perf"),
        (signal.SIGSYS, "SYS_SECCOMP", "Syscall"),
        (signal.SIGIO, "POLL_HUP", "Poll"),
        (signal.SIGIO, "SI_SIGIO", "Poll"),
        (REALTIME, "POLL_OUT", "Poll"),
        (signal.SIGALRM, "SI_KERNEL", "Kill"),
        (signal.SIGALRM, "SI_TIMER", "Timer"),
        (REALTIME, "SI_MESGQ", "Queue"),
        (REALTIME, "SI_ASYNCIO", "Queue"),
        (REALTIME, "SI_ASYNCNL", "Queue"),
        (REALTIME, -(2**31), "Queue"),
        (signal.SIGUSR1, 100, "Kill"),
    ],
)
def test_which_struct_tells_of_a_signal(number: int, code: str | int, kind: str) -> None:
    si_code = getattr(pysyscall, code) if isinstance(code, str) else code
    general = pysyscall.Siginfo(number, 0, si_code, si_fields=bytes(range(112)))
    info = pysyscall.siginfo_of(general)
    assert type(info) is getattr(pysyscall, f"Siginfo{kind}")
    assert info.to_bytes() == general.to_bytes()
    assert pysyscall.siginfo_of(bytearray(general.to_bytes())) == info


def test_the_kernel_and_the_table_agree_on_structs() -> None:
    """To itself a process may send any code; the kernel copies what belongs to the case."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGSEGV, signal.SIGSYS])
    for info in (
        pysyscall.SiginfoFault(signal.SIGSEGV, 0, pysyscall.SEGV_MAPERR, 0xABC),
        pysyscall.SiginfoSyscall(signal.SIGSYS, 0, pysyscall.SYS_SECCOMP, 0xABC, 39, 5),
    ):
        fields = SiginfoQueue.from_bytes(info.to_bytes())
        pysyscall.rt_tgsigqueueinfo(os.getpid(), threading.get_native_id(), info.si_signo, fields)
        assert pysyscall.rt_sigtimedwait([info.si_signo], 5) == info


@pytest.mark.parametrize("size", [0, 127, 129])
def test_siginfo_has_one_size(size: int) -> None:
    with pytest.raises(ValueError, match=f"^siginfo_of\\(\\) needs 128 bytes, not {size}$"):
        pysyscall.siginfo_of(bytes(size))
    with pytest.raises(TypeError):
        pysyscall.siginfo_of("x" * 128)


def test_what_a_pidfd_brings() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [REALTIME])
    pidfd = os.pidfd_open(os.getpid())
    try:
        info = SiginfoQueue(pysyscall.SI_QUEUE, WORD, 5, 6, si_signo=REALTIME)
        pysyscall.pidfd_send_signal(pidfd, REALTIME, info)
        assert pysyscall.rt_sigtimedwait([REALTIME], 5) == info
        pysyscall.pidfd_send_signal(pidfd, REALTIME, pysyscall.Siginfo.from_bytes(info))
        assert pysyscall.rt_sigtimedwait([REALTIME], 5) == info
        pysyscall.pidfd_send_signal(pidfd, REALTIME)
        assert type(pysyscall.rt_sigtimedwait([REALTIME], 5)) is pysyscall.SiginfoKill
        for wrong in ((REALTIME,), pysyscall.Timespec(), b"x" * 128):
            with pytest.raises(TypeError, match="argument 'info' must be a Siginfo struct such as"):
                pysyscall.pidfd_send_signal(pidfd, REALTIME, wrong)
    finally:
        os.close(pidfd)


# Waiting with a time-out


@pytest.mark.parametrize("timeout", [0, 0.02, Timespec(0, 20_000_000)])
def test_sigtimedwait_ends_in_time(timeout: float | Timespec) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [REALTIME])
    start = time.monotonic()
    with pytest.raises(BlockingIOError):
        pysyscall.rt_sigtimedwait({REALTIME}, timeout)
    assert time.monotonic() - start >= (0.02 if timeout else 0)


def test_sigtimedwait_goes_on_with_what_is_left(handled: list[int]) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [REALTIME])
    start = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    with pytest.raises(BlockingIOError):
        pysyscall.rt_sigtimedwait([REALTIME], 0.15)
    assert 0.15 <= time.monotonic() - start < 5
    assert len(handled) > 2


def test_sigtimedwait_waits(handled: list[int]) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [REALTIME])
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    timer = threading.Timer(0.05, os.kill, (os.getpid(), REALTIME))
    timer.start()
    assert pysyscall.sigtimedwait(iter([REALTIME])).si_signo == REALTIME
    timer.join()
    assert handled


def test_sigtimedwait_takes_the_lowest_first() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [USR1, REALTIME, 64])
    for number in (64, REALTIME, USR1):
        signal.raise_signal(number)
    taken = [pysyscall.rt_sigtimedwait([64, REALTIME, USR1], 0).si_signo for _ in range(3)]
    assert taken == [USR1, REALTIME, 64]


def test_an_exception_in_a_handler_ends_sigtimedwait() -> None:
    before = signal.signal(signal.SIGALRM, lambda number, frame: 1 / 0)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(ZeroDivisionError):
            pysyscall.rt_sigtimedwait([REALTIME])
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("timeout", [-1, Timespec(0, 10**9), Timespec(-1, 0)])
def test_times_that_sigtimedwait_refuses(timeout: float | Timespec) -> None:
    with pytest.raises(OSError) as caught:
        pysyscall.rt_sigtimedwait([REALTIME], timeout)
    assert caught.value.errno == errno.EINVAL


def test_signals_without_a_name_are_ints() -> None:
    """Members and ints are equal, so that sets of either can be compared."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [USR1, REALTIME, 64])
    told = pysyscall.rt_sigprocmask(BLOCK)
    assert told == {USR1, REALTIME, 64} == {pysyscall.SIGUSR1, REALTIME, pysyscall.SIGRTMAX}
    assert {type(number) for number in told} == {int, pysyscall.Signal}
    assert sorted(told)[0] is pysyscall.SIGUSR1


@pytest.mark.parametrize(
    ("flags", "nonblock", "cloexec"),
    [
        (0, False, False),
        (pysyscall.SFD_NONBLOCK, True, False),
        (pysyscall.SFD_CLOEXEC, False, True),
        (pysyscall.SFD_NONBLOCK | pysyscall.SFD_CLOEXEC, True, True),
    ],
)
def test_flags_of_signalfd(
    keep: Callable[[int], int], flags: int, nonblock: bool, cloexec: bool
) -> None:
    fd = keep(pysyscall.signalfd4(-1, [USR1], flags))
    assert os.get_blocking(fd) != nonblock
    assert os.get_inheritable(fd) != cloexec
    if nonblock:
        with pytest.raises(BlockingIOError):
            pysyscall.read(fd, 128)


@pytest.mark.parametrize(
    "change", [pysyscall.signalfd, lambda fd, mask: pysyscall.signalfd4(fd, mask, 0)]
)
def test_a_signalfd_gets_another_set(
    keep: Callable[[int], int], change: Callable[[int, Iterable[int]], int]
) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [USR1, USR2])
    fd = keep(pysyscall.signalfd4(-1, [USR1], pysyscall.SFD_NONBLOCK))
    signal.raise_signal(USR2)
    with pytest.raises(BlockingIOError):
        pysyscall.read(fd, 128)
    assert change(fd, {USR2}) == fd
    assert SignalfdSiginfo.from_bytes(pysyscall.read(fd, 128)).ssi_signo == USR2


@pytest.mark.parametrize(
    ("call", "number"),
    [
        (lambda file: pysyscall.signalfd(file, [USR1]), errno.EINVAL),
        (lambda file: pysyscall.signalfd(9999, [USR1]), errno.EBADF),
        (lambda file: pysyscall.signalfd4(file, [USR1]), errno.EINVAL),
        (lambda file: pysyscall.signalfd4(9999, [USR1]), errno.EBADF),
        (lambda file: pysyscall.signalfd4(-1, [USR1], 1), errno.EINVAL),
    ],
)
def test_refusals_of_signalfd(
    keep: Callable[[int], int], call: Callable[[int], int], number: int
) -> None:
    with pytest.raises(OSError) as caught:
        call(keep(os.open(os.devnull, os.O_RDONLY)))
    assert caught.value.errno == number
