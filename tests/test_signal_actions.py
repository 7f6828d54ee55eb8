"""What becomes of signals: rt_sigaction with its queues, and what the queues hold."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import select
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from interpreters import INTERPRETERS, interpreters
from isolated.child import python

import pysyscall
from pysyscall import (
    SI_QUEUE,
    SI_TKILL,
    SI_USER,
    SIG_DFL,
    SIG_IGN,
    SigactionFlag,
    SiginfoKill,
    SiginfoQueue,
    Signal,
    SignalAction,
    SignalQueue,
    rt_sigaction,
)

USR1, USR2 = Signal.SIGUSR1, Signal.SIGUSR2
REALTIME = signal.SIGRTMIN + 3
QUEUED = SigactionFlag.SA_SIGINFO | SigactionFlag.SA_RESTORER


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Each test leaves the actions as they were."""
    before = {sig: rt_sigaction(sig) for sig in (USR1, USR2, REALTIME, Signal.SIGALRM)}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for sig, action in before.items():
        rt_sigaction(sig, action)


@pytest.fixture
def queue() -> SignalQueue:
    """A queue that gets SIGUSR1."""
    made = SignalQueue()
    rt_sigaction(USR1, made)
    return made


def caught(sig: int) -> bool:
    """Whether the kernel says that the process has a handler for a signal."""
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if "SigCgt" in line
    )
    return bool(int(line.split()[1], 16) >> sig - 1 & 1)


def readable(queue: SignalQueue) -> bool:
    return bool(select.select([queue], [], [], 0)[0])


def send_values(*values: int, sig: int = REALTIME) -> None:
    for value in values:
        pysyscall.rt_sigqueueinfo(os.getpid(), sig, (SI_QUEUE, value))


def values(queue: SignalQueue) -> list[int]:
    taken = queue.take()
    assert all(isinstance(info, SiginfoQueue) for info in taken)
    return [info.si_value for info in taken if isinstance(info, SiginfoQueue)]


# Actions


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (SIG_IGN, (SIG_IGN, 0, set(), 0)),
        (SIG_DFL, (SIG_DFL, 0, set(), 0)),
        (1, (SIG_IGN, 0, set(), 0)),
        (signal.SIG_IGN, (SIG_IGN, 0, set(), 0)),
        (
            SignalAction(SIG_IGN, pysyscall.SA_RESTART, [USR2, 40]),
            (SIG_IGN, pysyscall.SA_RESTART, {USR2, 40}, 0),
        ),
        (SignalAction(0, 0, iter([64])), (SIG_DFL, 0, {64}, 0)),
    ],
)
def test_what_is_set_is_told(given: Any, told: tuple[object, ...]) -> None:
    before = rt_sigaction(USR1, given)
    now = rt_sigaction(USR1, before)
    assert now == SignalAction(*told)
    assert isinstance(now.handler, pysyscall.SignalHandler)
    assert isinstance(now.flags, SigactionFlag)
    assert rt_sigaction(USR1) == before
    assert Signal.SIGUSR2 not in told[2] or Signal.SIGUSR2 in {*now.mask}
    for member in now.mask:
        assert isinstance(member, Signal) == (member in Signal._value2member_map_)


def test_a_queue_with_flags_and_a_mask() -> None:
    queue = SignalQueue()
    flags = pysyscall.SA_RESTART | pysyscall.SA_NODEFER | pysyscall.SA_ONSTACK
    rt_sigaction(USR1, SignalAction(queue, flags, {USR2, REALTIME}))
    assert caught(USR1)
    told = rt_sigaction(USR1)
    assert told.handler == queue
    assert hash(told.handler) == hash(queue)
    assert told.handler != SignalQueue()
    # Handlers that interrupt each other could fill the stack.
    assert told.flags == (flags | QUEUED) & ~pysyscall.SA_NODEFER
    assert told.mask == set(range(1, 65)) - {signal.SIGKILL, signal.SIGSTOP}
    os.kill(os.getpid(), USR1)
    assert [info.si_signo for info in queue.take()] == [USR1]


def test_none_only_reads(queue: SignalQueue) -> None:
    assert rt_sigaction(USR1, None).handler == rt_sigaction(USR1).handler == queue


def test_pythons_handler_is_put_back() -> None:
    seen: list[int] = []
    before = signal.signal(USR1, lambda number, frame: seen.append(number))
    try:
        queue = SignalQueue()
        theirs = rt_sigaction(USR1, queue)
        assert isinstance(theirs.handler, int)
        assert not isinstance(theirs.handler, pysyscall.SignalHandler)
        signal.raise_signal(USR1)
        assert (seen, len(queue.take())) == ([], 1)
        assert rt_sigaction(USR1, theirs).handler == queue
        signal.raise_signal(USR1)
        assert (seen, queue.take()) == ([USR1], [])
        assert rt_sigaction(USR1) == theirs
    finally:
        signal.signal(USR1, before)


def test_signal_signal_displaces_a_queue(queue: SignalQueue) -> None:
    before = signal.signal(USR1, signal.SIG_IGN)
    try:
        signal.raise_signal(USR1)
        assert queue.take() == []
        assert rt_sigaction(USR1).handler == SIG_IGN
    finally:
        signal.signal(USR1, before)


def test_an_action_for_one_signal_or_more() -> None:
    queue, other = SignalQueue(), SignalQueue()
    for sig in (USR1, USR2):
        rt_sigaction(sig, queue)
    rt_sigaction(REALTIME, other)
    for sig in (USR2, REALTIME, USR1):
        signal.raise_signal(sig)
    assert [info.si_signo for info in queue.take()] == [USR2, USR1]
    assert [info.si_signo for info in other.take()] == [REALTIME]


def test_resethand_is_for_one_signal(queue: SignalQueue) -> None:
    rt_sigaction(Signal.SIGWINCH, SignalAction(queue, pysyscall.SA_RESETHAND))
    signal.raise_signal(Signal.SIGWINCH)
    assert rt_sigaction(Signal.SIGWINCH, SIG_DFL).handler == SIG_DFL
    assert [info.si_signo for info in queue.take()] == [Signal.SIGWINCH]


def test_children_that_need_no_wait() -> None:
    code = """
import os, pysyscall
pysyscall.rt_sigaction(17, pysyscall.SignalAction(0, pysyscall.SA_NOCLDWAIT))
if (child := os.fork()) == 0:
    os._exit(3)
try:
    pysyscall.wait4(child)
except ChildProcessError:
    print("gone")
"""
    assert python("-c", code) == "gone\n"


def refused(*args: Any) -> str:
    with pytest.raises((TypeError, ValueError, OverflowError)) as caught:
        rt_sigaction(*args)
    return f"{caught.type.__name__}: {caught.value}"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("x",), "TypeError: SIG must be an int, not str"),
        ((2**31,), "OverflowError: SIG must be in [-2147483648, 2147483647], not 2147483648"),
        ((USR1, print), "TypeError: ACT must be SIG_DFL, SIG_IGN, a SignalQueue or a SignalAction"),
        ((USR1, "x"), "TypeError: ACT must be SIG_DFL, SIG_IGN, a SignalQueue or a SignalAction"),
        ((USR1, (SIG_IGN, 0)), "TypeError: ACT must be SIG_DFL, SIG_IGN, a SignalQueue or a"),
        ((USR1, 4096), "ValueError: ACT must be SIG_DFL, SIG_IGN, a SignalQueue or an action that"),
        ((USR1, -1), "OverflowError: ACT: its handler must be in [0, 18446744073709551615]"),
        ((USR1, SignalAction(SIG_IGN, -1)), "OverflowError: ACT: its flags must be in [0, "),
        ((USR1, SignalAction(SIG_IGN, mask=[0])), "ValueError: ACT: its mask must hold numbers in"),
        ((USR1, SignalAction(SIG_IGN, mask=[65])), "ValueError: ACT: its mask must hold numbers"),
        ((USR1, SignalAction(SIG_IGN, mask=["a"])), "TypeError: ACT: its mask, item by item, must"),
        ((USR1, SignalAction(SIG_IGN, mask="a")), "TypeError: ACT: its mask must be an iterable"),
        ((USR1, SignalAction(SIG_IGN, mask=5)), "TypeError: ACT: its mask must be an iterable of"),
        ((USR1, SignalAction(0, restorer=2**64)), "OverflowError: ACT: its restorer must be in"),
        ((32, SIG_IGN), "ValueError: ACT must be None for signal 32, which the C library's"),
        ((33, SIG_DFL), "ValueError: ACT must be None for signal 33, which the C library's"),
    ],
)
def test_refusals(args: tuple[Any, ...], message: str) -> None:
    sig = args[0] if isinstance(args[0], int) and args[0] < 65 else USR1
    before = rt_sigaction(sig)
    error, _, text = message.partition(": ")
    text = text.replace("SIG ", "'sig' ", 1) if text.startswith("SIG ") else text
    text = text.replace("ACT", "'act'", 1)
    assert refused(*args).startswith(f"{error}: rt_sigaction() argument {text}")
    assert rt_sigaction(sig) == before


@pytest.mark.parametrize("sig", [Signal.SIGSEGV, Signal.SIGBUS, Signal.SIGFPE, Signal.SIGILL])
def test_a_fault_needs_no_queue(sig: Signal) -> None:
    told = refused(sig, SignalQueue())
    assert told == (
        f"ValueError: rt_sigaction() argument 'act' can't be a queue for {sig.name}: "
        "the instruction that failed would be tried again, for ever"
    )


def test_an_address_is_put_back_only_as_it_was_read() -> None:
    theirs = rt_sigaction(Signal.SIGINT)
    assert isinstance(theirs.handler, int)
    assert rt_sigaction(Signal.SIGINT, theirs) == theirs
    assert "that was read for signal 23" in refused(Signal.SIGURG, theirs)
    for changed in (
        theirs._replace(flags=theirs.flags ^ pysyscall.SA_SIGINFO),
        theirs._replace(restorer=0),
        theirs._replace(handler=theirs.handler + 1),
    ):
        assert "that was read for signal 2" in refused(Signal.SIGINT, changed)
    harmless = theirs._replace(flags=theirs.flags | pysyscall.SA_RESTART, mask={USR2})
    assert rt_sigaction(Signal.SIGINT, harmless) == theirs
    assert rt_sigaction(Signal.SIGINT, theirs) == harmless


@pytest.mark.parametrize(
    "args", [(0,), (65,), (-1, SIG_IGN), (Signal.SIGKILL, SIG_IGN), (19, SignalQueue())]
)
def test_refusals_of_the_kernel(args: tuple[Any, ...]) -> None:
    with pytest.raises(OSError) as caught:
        rt_sigaction(*args)
    assert caught.value.errno == errno.EINVAL


def test_actions_of_the_c_library_can_be_read() -> None:
    assert rt_sigaction(33).handler in (SIG_DFL, rt_sigaction(33).handler)
    assert rt_sigaction(Signal.SIGKILL).handler == SIG_DFL


def test_audit_hooks_see_it() -> None:
    code = """
import sys, pysyscall
from pysyscall import rt_sigaction
seen = []
sys.addaudithook(lambda event, args: event == "pysyscall.call" and seen.append(args))
rt_sigaction(10, 1)
rt_sigaction(10)
print(seen)
"""
    told = python("-c", code)
    assert told == "[('rt_sigaction', (10, 1)), ('rt_sigaction', (10, None))]\n"


# Queues


@pytest.mark.parametrize("capacity", [0, -1, 2**20 + 1, 2**70])
def test_impossible_queues(capacity: int) -> None:
    with pytest.raises(ValueError, match=r"^SignalQueue\(\) argument 'capacity' must be in "):
        SignalQueue(capacity)
    with pytest.raises(TypeError, match=r"^SignalQueue\(\) argument 'capacity' must be an int"):
        SignalQueue("x")


def test_a_queue_that_gets_no_descriptor(keep: Callable[[int], int]) -> None:
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = keep(os.open("/", os.O_RDONLY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limit[1]))
    try:
        with pytest.raises(OSError) as caught:
            SignalQueue()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    assert caught.value.errno == errno.EMFILE


def test_what_a_queue_tells_of_itself() -> None:
    queue = SignalQueue(7)
    assert (queue.capacity, queue.lost, repr(queue)) == (7, 0, "SignalQueue(7)")
    assert queue.take() == []
    assert SignalQueue().capacity == 1024


def test_values_come_in_order() -> None:
    queue = SignalQueue(8)
    rt_sigaction(REALTIME, queue)
    for start in range(0, 100, 5):
        send_values(*range(start, start + 5))
        assert values(queue) == [*range(start, start + 5)]
    assert queue.lost == 0


def test_who_sent_it(queue: SignalQueue) -> None:
    os.kill(os.getpid(), USR1)
    pysyscall.tgkill(os.getpid(), threading.get_native_id(), USR1)
    send_values(7, sig=USR1)
    killed, thread, queued = queue.take()
    for info, code in ((killed, SI_USER), (thread, SI_TKILL)):
        assert isinstance(info, SiginfoKill)
        assert (info.si_signo, info.si_code) == (USR1, code)
        assert (info.si_pid, info.si_uid) == (os.getpid(), os.getuid())
    assert isinstance(queued, SiginfoQueue)
    assert (queued.si_code, queued.si_value) == (SI_QUEUE, 7)


@pytest.mark.parametrize("capacity", [1, 3])
def test_a_full_queue_counts_what_it_loses(capacity: int) -> None:
    queue = SignalQueue(capacity)
    rt_sigaction(REALTIME, queue)
    for turn in range(1, 4):
        send_values(*range(5))
        lost = 5 - capacity
        assert queue.lost == turn * lost
        with pytest.warns(RuntimeWarning, match=f"^{lost} signals found no place in a full queue$"):
            assert values(queue) == [*range(capacity)]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert queue.take() == []


def test_a_warning_that_is_an_error_loses_nothing() -> None:
    queue = SignalQueue(2)
    rt_sigaction(REALTIME, queue)
    send_values(1, 2, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning):
            queue.take()
        assert values(queue) == [1, 2]


def test_select_tells_when_a_signal_is_in(queue: SignalQueue) -> None:
    with select.epoll() as epoll:
        epoll.register(queue, select.EPOLLIN)
        for _ in range(3):
            assert not readable(queue)
            assert epoll.poll(0) == pysyscall.poll([(queue, pysyscall.POLLIN)], 0) == []
            signal.raise_signal(USR1)
            signal.raise_signal(USR1)
            assert readable(queue)
            assert epoll.poll(0) == [(queue.fileno(), select.EPOLLIN)]
            assert len(queue.take()) == 2
    assert not os.get_inheritable(queue.fileno())


def test_with_asyncio(queue: SignalQueue) -> None:
    async def collect() -> list[int]:
        loop, found = asyncio.get_running_loop(), []
        done = loop.create_future()

        def ready() -> None:
            found.extend(info.si_signo for info in queue.take())
            if len(found) == 3:
                done.set_result(None)

        loop.add_reader(queue, ready)
        for delay in (0, 0.01, 0.02):
            loop.call_later(delay, os.kill, os.getpid(), USR1)
        await asyncio.wait_for(done, 10)
        loop.remove_reader(queue)
        return found

    assert asyncio.run(collect()) == [USR1] * 3


@pytest.mark.parametrize("flags", [0, pysyscall.SA_RESTART])
def test_a_call_that_waits_goes_on(keep: Callable[[int], int], flags: int) -> None:
    queue = SignalQueue()
    rt_sigaction(Signal.SIGALRM, SignalAction(queue, flags))
    reader, writer = map(keep, os.pipe())
    threading.Timer(0.1, os.write, (writer, b"late")).start()
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    assert pysyscall.read(reader, 10) == b"late"
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert {info.si_signo for info in queue.take()} == {Signal.SIGALRM}


def test_waiting_for_a_signal_ends(queue: SignalQueue) -> None:
    with_mask = signal.pthread_sigmask(signal.SIG_BLOCK, [USR1])
    try:
        # To this thread: another one, which has it not blocked, would take it at once.
        signal.pthread_kill(threading.get_ident(), USR1)
        assert queue.take() == []
        assert pysyscall.rt_sigsuspend(with_mask - {USR1}) is None
        assert len(queue.take()) == 1
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, with_mask)


def test_an_exception_while_taking_loses_nothing() -> None:
    """Every allocation fails in turn; what was in the queue stays, and can be polled for."""
    code = """
import os, select, pysyscall
from _testcapi import remove_mem_hooks, set_nomemory
queue = pysyscall.SignalQueue()
pysyscall.rt_sigaction(10, queue)
def fill():
    for value in range(100):
        pysyscall.rt_sigqueueinfo(os.getpid(), 10, (pysyscall.SI_QUEUE, value))
fill()
queue.take()
failures = number = 0
while True:
    fill()
    taken = None
    set_nomemory(number, number + 1)
    try:
        taken = queue.take()
    except MemoryError:
        failures += 1
    finally:
        remove_mem_hooks()
    failed = taken is None
    if failed:
        assert select.select([queue], [], [], 0)[0]
        taken = queue.take()
    assert [info.si_value for info in taken] == list(range(100)), (number, len(taken))
    if not failed:
        break
    number += 1
print(failures > 50 and "done")
"""
    pytest.importorskip("_testcapi")
    assert python("-c", code) == "done\n"


# Lifetime


def descriptors() -> int:
    gc.collect()
    return len([*Path("/proc/self/fd").iterdir()])


def test_an_installed_queue_stays() -> None:
    before = descriptors()
    rt_sigaction(USR1, SignalQueue(5))
    gc.collect()
    signal.raise_signal(USR1)
    handler = rt_sigaction(USR1, SIG_DFL).handler
    assert isinstance(handler, SignalQueue)
    assert (handler.capacity, len(handler.take())) == (5, 1)
    assert descriptors() == before + 1
    del handler
    assert descriptors() == before


def test_a_queue_replaced_by_another() -> None:
    before = descriptors()
    for _ in range(100):
        rt_sigaction(USR1, SignalQueue())
        rt_sigaction(USR2, SignalQueue())
    assert descriptors() == before + 2
    for sig in (USR1, USR2):
        rt_sigaction(sig, SIG_IGN)
    assert descriptors() == before


def test_a_queue_that_others_displaced_is_put_back() -> None:
    """As a library in C does that keeps what it found."""
    rt_sigaction(USR1, SignalQueue(5))
    gc.collect()
    kept = bytearray(32)
    for new, old in ((None, kept), (bytes([1]) + bytes(31), None), (kept, None)):
        assert pysyscall.raw.syscall(pysyscall.Sysno.rt_sigaction, USR1, new, old, 8) == 0
    signal.raise_signal(USR1)
    handler = rt_sigaction(USR1).handler
    assert isinstance(handler, SignalQueue)
    assert len(handler.take()) == 1


def test_the_bare_address_without_its_queue_does_no_harm() -> None:
    rt_sigaction(USR1, SignalQueue())
    kept = bytearray(32)
    pysyscall.raw.syscall(pysyscall.Sysno.rt_sigaction, USR1, None, kept, 8)
    rt_sigaction(USR1, SIG_DFL)
    pysyscall.raw.syscall(pysyscall.Sysno.rt_sigaction, USR1, kept, None, 8)
    signal.raise_signal(USR1)
    assert isinstance(rt_sigaction(USR1, SIG_DFL).handler, int)


def test_from_another_thread() -> None:
    queue = SignalQueue()
    thread = threading.Thread(target=rt_sigaction, args=(USR1, queue))
    thread.start()
    thread.join()
    signal.raise_signal(USR1)
    assert len(queue.take()) == 1


FORKED = """
import os, select, signal, pysyscall
from pysyscall import SI_QUEUE, Signal, rt_sigaction
queue = pysyscall.SignalQueue(4)
rt_sigaction(10, queue)
def send(process, *values):
    for value in values:
        pysyscall.rt_sigqueueinfo(process, 10, (SI_QUEUE, value, 0, 0))
def values(): return [info.si_value for info in queue.take()]
def readable(): return bool(select.select([queue], [], [], 0)[0])
send(os.getpid(), 1, 2, 3)
parents = queue.fileno()
"""


@pytest.mark.parametrize("fork", ["os.fork()", "pysyscall.raw.syscall(pysyscall.Sysno.fork)"])
def test_a_child_of_fork_has_an_empty_queue_of_its_own(fork: str) -> None:
    code = f"""
{FORKED}
if (child := {fork}) == 0:
    send(os.getpid(), 4, 5, 6, 7)
    assert queue.lost == 0
    assert readable()
    assert values() == [4, 5, 6, 7]
    assert not readable()
    assert rt_sigaction(10).handler == queue
    send(os.getpid(), 8)
    assert readable()
    rt_sigaction(10, pysyscall.SIG_DFL)
    del queue
    os._exit(9)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
assert queue.fileno() == parents
assert readable()
assert values() == [1, 2, 3]
assert not readable()
send(os.getpid(), 10)
assert readable()
assert values() == [10]
print("done")
"""
    assert python("-c", code) == "done\n"


def test_a_child_of_fork_closes_the_parents_descriptor() -> None:
    code = f"""
{FORKED}
before = len(os.listdir("/proc/self/fd"))
if (child := os.fork()) == 0:
    assert len(os.listdir("/proc/self/fd")) == before - 1
    queue.fileno()
    assert len(os.listdir("/proc/self/fd")) == before
    os._exit(9)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
print("done")
"""
    assert python("-c", code) == "done\n"


def test_fork_while_signals_come() -> None:
    """Threads get signals all the time; each child starts with a queue that works."""
    code = """
import os, threading, pysyscall
queue = pysyscall.SignalQueue()
pysyscall.rt_sigaction(10, queue)
over = False
def storm():
    while not over:
        pysyscall.tgkill(os.getpid(), threading.get_native_id(), 10)
threads = [threading.Thread(target=storm) for _ in range(3)]
for thread in threads: thread.start()
try:
    for turn in range(100):
        if (child := os.fork()) == 0:
            try:
                for value in range(5):
                    pysyscall.rt_sigqueueinfo(os.getpid(), 10, (pysyscall.SI_QUEUE, value, 0, 0))
                assert [info.si_value for info in queue.take()] == [0, 1, 2, 3, 4]
                pysyscall.rt_sigaction(10, pysyscall.SIG_DFL)
                os._exit(9)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9, turn
        queue._told = queue.lost
        queue.take()
finally:
    over = True
for thread in threads: thread.join()
print("done")
"""
    assert python("-c", code, timeout=120) == "done\n"


@interpreters
def test_queues_belong_to_the_process(own_gil: bool) -> None:
    """One interpreter installs a queue and ends; another one takes what came since."""
    code = f"""
import gc, signal
interpreter = create({own_gil})
run(interpreter, '''
import os, pysyscall
queue = pysyscall.SignalQueue(5)
pysyscall.rt_sigaction(10, queue)
os.kill(os.getpid(), 10)
assert [info.si_signo for info in queue.take()] == [10]
''')
destroy(interpreter)
gc.collect()
os.kill(os.getpid(), 10)
from pysyscall import rt_sigaction, SIG_DFL
queue = rt_sigaction(10).handler
os.kill(os.getpid(), 10)
print(queue, [info.si_signo for info in queue.take()])
before = len(os.listdir("/proc/self/fd"))
rt_sigaction(10, SIG_DFL)
del queue
assert len(os.listdir("/proc/self/fd")) == before - 1
"""
    assert python("-c", INTERPRETERS + code) == "SignalQueue(5) [10, 10]\n"


@interpreters
def test_interpreters_change_actions_at_once(own_gil: bool) -> None:
    code = f"""
USE = '''
import os, pysyscall
from pysyscall import rt_sigaction, SignalQueue
for turn in range(300):
    before = rt_sigaction(10, SignalQueue(2))
    os.kill(os.getpid(), 10)
    rt_sigaction(10).handler
    rt_sigaction(10, SignalQueue(2))
    os.kill(os.getpid(), 10)
'''
import pysyscall
pysyscall.rt_sigaction(10, pysyscall.SignalQueue(1))
together = [create({own_gil}) for _ in range(3)]
threads = [threading.Thread(target=run, args=(each, USE)) for each in together]
failures = []
threading.excepthook = failures.append
for thread in threads: thread.start()
exec(USE, {{}})
for thread in threads: thread.join()
for interpreter in together: destroy(interpreter)
assert not failures, failures
print("done")
"""
    assert python("-c", INTERPRETERS + code) == "done\n"


def test_signals_while_the_interpreter_ends() -> None:
    code = """
import os, subprocess, sys, pysyscall
queue = pysyscall.SignalQueue(3)
pysyscall.rt_sigaction(10, queue)
send = f"import os, time\\nfor _ in range(10**5): os.kill({os.getpid()}, 10); time.sleep(1e-4)"
child = subprocess.Popen([sys.executable, "-S", "-c", send], stderr=subprocess.DEVNULL)
pysyscall.poll([(queue, 1)], 20000)
assert queue.take()
class Late:
    def __del__(self, pid=child.pid, queue=queue, kill=os.kill, write=os.write):
        try:
            queue.take()
            queue.fileno()
        finally:
            kill(pid, 9)
            write(1, b"late\\n")
sys.late = Late()
del queue
"""
    assert python("-W", "ignore", "-c", code) == "late\n"


# Many at once


STORM = """
import os, sys, threading, time, pysyscall
from pysyscall import SI_QUEUE, rt_sigaction, SignalQueue
SENDERS, COUNT, FIRST = 4, 3000, 40
def sender(number):
    for value in range(COUNT):
        while True:
            try:
                info = (SI_QUEUE, number * COUNT + value, 0, 0)
                pysyscall.rt_sigqueueinfo(os.getpid(), FIRST + number, info)
                break
            except BlockingIOError:
                time.sleep(0.001)
threads = [threading.Thread(target=sender, args=(number,)) for number in range(SENDERS)]
found = []
def drain(queue):
    taken = [info.si_value for info in queue.take()]
    found.extend(taken)
    return len(taken)
"""


def test_a_storm_of_signals() -> None:
    """Four threads send, all take the signals, one drains: none is lost, none comes twice."""
    code = f"""
{STORM}
queue = SignalQueue(1 << 16)
for number in range(SENDERS):
    rt_sigaction(FIRST + number, pysyscall.SignalAction(queue, pysyscall.SA_NODEFER))
for thread in threads: thread.start()
while any(thread.is_alive() for thread in threads):
    pysyscall.poll([(queue, 1)], 1)
    drain(queue)
for thread in threads: thread.join()
while len(found) < SENDERS * COUNT and pysyscall.poll([(queue, 1)], 10000):
    drain(queue)
assert queue.lost == 0
assert sorted(found) == list(range(SENDERS * COUNT)), len(found)
print("done")
"""
    assert python("-c", code) == "done\n"


def test_a_storm_that_overflows_and_two_that_drain() -> None:
    code = f"""
{STORM}
queue = SignalQueue(50)
for number in range(SENDERS):
    rt_sigaction(FIRST + number, queue)
over = False
def drainer():
    while not over:
        drain(queue)
drainers = [threading.Thread(target=drainer) for _ in range(2)]
for thread in threads + drainers: thread.start()
for thread in threads: thread.join()
# Those on their way are delivered as the threads go on.
end = time.monotonic() + 20
while len(found) + queue.lost < SENDERS * COUNT and time.monotonic() < end:
    time.sleep(0.01)
over = True
for thread in drainers: thread.join()
drain(queue)
assert len(set(found)) == len(found)
assert len(found) + queue.lost == SENDERS * COUNT, (len(found), queue.lost)
print("done")
"""
    assert python("-W", "ignore", "-c", code) == "done\n"


@pytest.mark.parametrize("also", ["", "theirs[number]"])
def test_actions_change_in_a_storm(also: str) -> None:
    """From queue to queue, or to Python's handler and back, while signals come."""
    code = f"""
{STORM}
import signal
theirs = []
for number in range(SENDERS):
    signal.signal(FIRST + number, lambda number, frame: None)
    theirs.append(rt_sigaction(FIRST + number))
    rt_sigaction(FIRST + number, SignalQueue(1 << 14))
for thread in threads: thread.start()
queues, turn = [], 0
while any(thread.is_alive() for thread in threads) and turn < 100:
    turn += 1
    for number in range(SENDERS):
        action = {also or None} if turn % 2 else None
        queue = action or SignalQueue(1 << 14)
        queues.append(rt_sigaction(FIRST + number, queue).handler)
for thread in threads: thread.join()
queues += [rt_sigaction(FIRST + number, theirs[number]).handler for number in range(SENDERS)]
for queue in queues:
    if isinstance(queue, SignalQueue):
        drain(queue)
        assert queue.lost == 0, queue.lost
assert len(set(found)) == len(found), len(found)
assert {bool(also)} or len(found) == SENDERS * COUNT, len(found)
del queue, queues
assert len(os.listdir("/proc/self/fd")) < 20, os.listdir("/proc/self/fd")
print("done")
"""
    assert python("-c", code) == "done\n"
