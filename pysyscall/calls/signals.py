"""What becomes of a signal: rt_sigaction, the queues that it fills, and what tells of a signal."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Iterable, Set
from operator import index
from typing import TYPE_CHECKING, Any, NamedTuple

from pysyscall import SignalfdSiginfo, _fast
from pysyscall.flags import SigactionFlag, Signal, SignalHandler

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from pysyscall._fast import _Siginfo

_CAPACITY = 1024
_MOST = 1 << 20

_SIMPLE = frozenset(SignalHandler)
_FAULTS = frozenset({Signal.SIGSEGV, Signal.SIGBUS, Signal.SIGFPE, Signal.SIGILL})
_QUEUED = SigactionFlag.SA_SIGINFO | SigactionFlag.SA_RESTORER
_LIBCS = range(Signal.SIGRTMIN, signal.SIGRTMIN)
"""What the C library keeps for its threads: it tells programs that signals begin after them."""

_reported: set[tuple[int, int, int, int]] = set()
"""Handlers of others that the kernel has told of: signal, address, whether SA_SIGINFO, restorer."""

os.register_at_fork(after_in_child=_fast._queues_forked)


class SignalQueue:
    """`SignalQueue(capacity)`: signals that have come, until `take` asks for them.

    As the action of one signal or more it gets what the kernel tells of each, at the moment it
    comes and on whatever thread. It is polled like a descriptor, by select, epoll or asyncio.
    A process made by fork begins with an empty queue, and a descriptor of its own.

    Args:
        capacity: how many signals it holds (an int in [1, 2**20]).

    Raises:
        OSError: EMFILE, ENFILE, ENOMEM; EINVAL before Linux 4.14.
    """

    __slots__ = ("__weakref__", "_queue", "_told")

    def __init__(self, capacity: int = _CAPACITY) -> None:
        number = _int("SignalQueue() argument 'capacity'", capacity)
        if not 1 <= number <= _MOST:
            raise ValueError(f"SignalQueue() argument 'capacity' must be in [1, {_MOST}]")
        self._queue = _fast._queue_new(number)
        self._told = 0

    def take(self) -> list[_Siginfo]:
        """All signals that are there, in the order in which they came; an empty list if none is.

        If signals found no place since the last time, a RuntimeWarning says so.
        """
        if (lost := self.lost) > self._told:
            new, self._told = lost - self._told, lost
            warnings.warn(f"{new} signals found no place in a full queue", RuntimeWarning, 2)
        return _fast._queue_take(self._queue)

    def fileno(self) -> int:
        """A descriptor that is readable while signals are there. Only `take` should read it."""
        return _fast._queue_fileno(self._queue)

    @property
    def capacity(self) -> int:
        """How many signals it holds."""
        return _fast._queue_facts(self._queue)[1]

    @property
    def lost(self) -> int:
        """How many signals found no place, in all."""
        return _fast._queue_facts(self._queue)[2]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SignalQueue):
            return NotImplemented
        return _fast._queue_facts(self._queue)[0] == _fast._queue_facts(other._queue)[0]

    def __hash__(self) -> int:
        return hash(_fast._queue_facts(self._queue)[0])

    def __repr__(self) -> str:
        return f"SignalQueue({self.capacity})"


class SignalAction(NamedTuple):
    """What becomes of a signal.

    The handler of a C library or of Python itself is its address, an int. With the rest as it was
    read, it can be put back for the same signal.
    """

    handler: SignalHandler | SignalQueue | int
    flags: SigactionFlag | int = SigactionFlag(0)
    mask: Set[Signal | int] = frozenset()
    """Signals that are blocked while the handler runs. A queue's handler is over at once."""
    restorer: int = 0
    """Where the handler returns to; a queue has its own."""


def rt_sigaction(
    sig: Signal | int,
    act: SignalAction | SignalHandler | SignalQueue | int | None = None,
) -> SignalAction:
    """`rt_sigaction(sig, act)`: get what becomes of a signal, and set it where an action is given.

    Args:
        sig: the signal (`Signal` or an int).
        act: SIG_DFL, SIG_IGN or a `SignalQueue`; with flags and a mask a `SignalAction`; None
            only reads. A queue takes a signal in with all others blocked, whatever the mask is.

    Returns:
        The action before, a `SignalAction`, which can be put back. Its mask is a set of `Signal`,
        and of ints for signals without a name. Its handler is a `SignalQueue` where one is
        installed, which equals the one that was given.

    Raises:
        OSError: EINVAL.
        ValueError: a handler that is none of these, a queue for a fault of the program, or an
            action for a signal that the C library uses.
        TypeError, OverflowError: an argument of the wrong type, or one that does not fit.

    A queue stays installed, and gets signals, also when no variable holds it any more. Python's own
    handler is put back with the action that was read; `signal.getsignal` tells it all the time, as
    the `signal` module does not notice. Also named `sigaction`.

    Danger:
        Without SIGINT's handler Ctrl-C does not raise KeyboardInterrupt. SIGCHLD that is ignored,
        or has SA_NOCLDWAIT, leaves nothing to wait for: `subprocess` misses its children.

    System call 13, in Linux since 2.2. Source: the man page rt_sigaction(2).
    """
    told = _fast._simple_action(sig, act, SignalAction)
    if told is not None and type(told.handler) is SignalHandler:
        return told
    number = _int("rt_sigaction() argument 'sig'", sig)
    if told is None:
        if not -(2**31) <= number < 2**31:
            raise OverflowError(
                f"rt_sigaction() argument 'sig' must be in [{-(2**31)}, {2**31 - 1}], not {number}"
            )
        words = None if act is None else _words(number, act)
        told = _fast._action(number, words, SignalAction)
    handler: object = told.handler
    if not isinstance(handler, int):
        return told._replace(handler=_standing_for(handler))
    if handler not in _SIMPLE:
        _reported.add((number, handler, told.flags & SigactionFlag.SA_SIGINFO, told.restorer))
    return told


sigaction = rt_sigaction


def siginfo_of(data: ReadableBuffer) -> _Siginfo:
    """`siginfo_of(data)`: what is known of a signal, as the struct that its number and code select.

    Args:
        data: 128 bytes as the kernel writes them, or a `Siginfo`.

    Returns:
        A `SiginfoKill`, `SiginfoChild` or another of these structs.

    Raises:
        ValueError: not 128 bytes.
    """
    return _fast._siginfo_of(data)


def parse_signals(data: ReadableBuffer) -> list[SignalfdSiginfo]:
    """`parse_signals(data)`: the signals that were read from a signalfd.

    Args:
        data: whole records, as `read` returns them.

    Returns:
        A list of `SignalfdSiginfo`.

    Raises:
        ValueError: the last record is not whole.
    """
    records = memoryview(data).cast("B")
    size = len(SignalfdSiginfo().to_bytes())
    found = []
    while records:
        found.append(SignalfdSiginfo.from_bytes(records[:size]))
        records = records[size:]
    return found


def _standing_for(queue: object) -> SignalQueue:
    """A SignalQueue for a queue that exists."""
    made = SignalQueue.__new__(SignalQueue)
    made._queue, made._told = queue, _fast._queue_facts(queue)[2]
    return made


def _words(sig: int, act: object) -> tuple[object, int, int, int]:
    """The action as `_fast` takes it, if it can do no harm."""
    name = "rt_sigaction() argument 'act'"
    part = f"{name}: its"
    if sig in _LIBCS:
        raise ValueError(f"{name} must be None for signal {sig}, which the C library's threads use")
    handler: Any = act
    flags = mask = restorer = 0
    if isinstance(act, SignalAction):
        handler = act.handler
        flags = _word(f"{part} flags", act.flags)
        mask = _mask(f"{part} mask", act.mask)
        restorer = _word(f"{part} restorer", act.restorer)
    if isinstance(handler, SignalQueue):
        if sig in _FAULTS:
            raise ValueError(
                f"{name} can't be a queue for {Signal(sig).name}: "
                "the instruction that failed would be tried again, for ever"
            )
        return handler._queue, flags | _QUEUED, mask, 0
    if not isinstance(handler, int):
        hint = "; Python's functions are for signal.signal" if callable(handler) else ""
        raise TypeError(
            f"{name} must be SIG_DFL, SIG_IGN, a SignalQueue or a SignalAction, "
            f"not {type(handler).__name__}{hint}"
        )
    address = _word(f"{part} handler", handler)
    known = (sig, address, flags & SigactionFlag.SA_SIGINFO, restorer)
    if address not in _SIMPLE and known not in _reported:
        raise ValueError(
            f"{name} must be SIG_DFL, SIG_IGN, a SignalQueue or an action that was read for "
            f"signal {sig}, not {address:#x}: the code there may not be made for it"
        )
    return address, flags, mask, restorer


def _int(name: str, value: object) -> int:
    try:
        return index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be an int, not {type(value).__name__}") from None


def _word(name: str, value: object) -> int:
    number = _int(name, value)
    if not 0 <= number < 2**64:
        raise OverflowError(f"{name} must be in [0, {2**64 - 1}], not {number}")
    return number


def _mask(name: str, signals: object) -> int:
    if isinstance(signals, str) or not isinstance(signals, Iterable):
        raise TypeError(f"{name} must be an iterable of signals, not {type(signals).__name__}")
    mask = 0
    for item in signals:
        number = _int(f"{name}, item by item,", item)
        if not 1 <= number <= Signal.SIGRTMAX:
            raise ValueError(f"{name} must hold numbers in [1, {Signal.SIGRTMAX:d}]")
        mask |= 1 << number - 1
    return mask
