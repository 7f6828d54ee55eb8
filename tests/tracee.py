"""A call made in a child process that is stopped at kernel entry, and a look at its registers.

The kernel never runs the call: the child is killed while it stands there.
"""

from __future__ import annotations

import gc
import os
import signal
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, pairwise
from pathlib import Path
from typing import NoReturn, Protocol

from pysyscall import Sysno, _fast, _raw, raw
from pysyscall.table import REGISTERS

# linux/ptrace.h
PTRACE_TRACEME = 0
PTRACE_POKEUSER = 6
PTRACE_GETREGS = 12
PTRACE_SYSCALL = 24
PTRACE_SETOPTIONS = 0x4200
PTRACE_O_TRACESYSGOOD = 1
PTRACE_O_EXITKILL = 1 << 20
SYSCALL_STOP = signal.SIGTRAP | 0x80

# struct user_regs_struct of asm/user.h
USER_REGISTERS = (
    *("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx"),
    *("rsi", "rdi", "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base"),
    *("ds", "es", "fs", "gs"),
)

# Numbers of no call. After START comes the call under test; FAILED tells why it did not come.
START, FAILED = 2**20, 2**20 + 1

# What the interpreter and libc may do on the way to the call; the kernel runs these.
HOUSEKEEPING = frozenset(
    {
        *(Sysno.brk, Sysno.mmap, Sysno.munmap, Sysno.mremap, Sysno.mprotect, Sysno.madvise),
        *(Sysno.futex, Sysno.clock_gettime, Sysno.newfstatat),
    }
)
ENGINES = frozenset(os.path.realpath(module.__file__) for module in (_fast, _raw))


class NotMade(AssertionError):
    """The call under test did not enter the kernel."""


class Answer(Exception):
    """Carries a result from the child."""


@dataclass(frozen=True)
class Stop:
    """A child that stands at the entry of a system call."""

    pid: int
    number: int
    registers: tuple[int, ...]
    instruction: int

    def read(self, address: int, size: int) -> bytes:
        """The child's memory; shorter than `size` where the rest can't be read."""
        memory = os.open(f"/proc/{self.pid}/mem", os.O_RDONLY)
        try:
            return os.pread(memory, size, address)
        except (OSError, OverflowError):
            return b""
        finally:
            os.close(memory)

    def write(self, address: int, content: bytes) -> None:
        memory = os.open(f"/proc/{self.pid}/mem", os.O_WRONLY)
        try:
            os.pwrite(memory, content, address)
        finally:
            os.close(memory)

    @cached_property
    def mappings(self) -> list[tuple[int, int, str, str]]:
        """Start, end, permissions and file of each mapping, by address."""
        found = []
        for line in Path(f"/proc/{self.pid}/maps").read_text().splitlines():
            addresses, permissions, _, _, _, *file = line.split(maxsplit=5)
            start, end = (int(address, 16) for address in addresses.split("-"))
            # A library that was built anew meanwhile is still the one that was loaded.
            name = file[0].removesuffix(" (deleted)") if file else ""
            found.append((start, end, permissions, name))
        return found

    def writable(self, address: int, size: int) -> bool:
        """Whether the child could write to all of the `size` bytes."""
        for start, end, permissions, _ in self.mappings:
            if start <= address < end and "w" in permissions:
                size -= end - address
                address = end
        return size <= 0

    @property
    def housekeeping(self) -> bool:
        """Whether this is not the call under test: that is made by pysyscall's own instruction."""
        if self.number not in HOUSEKEEPING:
            return False
        files = (file for start, end, _, file in self.mappings if start <= self.instruction < end)
        return next(files, "") not in ENGINES


class _Tracee:
    """The child from the parent's side, from its first stop to its end."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.alive = True

    def wait(self, expected: int) -> None:
        _, status = os.waitpid(self.pid, 0)
        self.alive = os.WIFSTOPPED(status)
        if not self.alive:
            code = os.waitstatus_to_exitcode(status)
            if code < 0:
                raise NotMade(f"the child was ended by {signal.Signals(-code).name}")
            raise OSError(code, f"PTRACE_TRACEME: {os.strerror(code)}")
        if (by := os.WSTOPSIG(status)) != expected:
            raise NotMade(f"the child was stopped by {signal.Signals(by & 0x7F).name}")

    def ptrace(self, request: int, address: int = 0, data: raw.Argument = None) -> None:
        result = raw.syscall(Sysno.ptrace, request, self.pid, address, data)
        if result < 0:
            raise OSError(-result, f"ptrace({request}): {os.strerror(-result)}")

    def poke(self, register: str, value: int) -> None:
        self.ptrace(PTRACE_POKEUSER, 8 * USER_REGISTERS.index(register), value)

    def next_stop(self) -> None:
        self.ptrace(PTRACE_SYSCALL)
        self.wait(SYSCALL_STOP)

    def next_entry(self) -> Stop:
        self.next_stop()
        values = bytearray(8 * len(USER_REGISTERS))
        self.ptrace(PTRACE_GETREGS, 0, values)
        named = dict(zip(USER_REGISTERS, struct.unpack("27Q", values), strict=True))
        arguments = tuple(named[register] for register in REGISTERS)
        return Stop(self.pid, named["orig_rax"], arguments, named["rip"])

    def entries(self) -> Iterator[Stop]:
        """Every entry from here on; the kernel runs a call when the next one is asked for."""
        while True:
            yield self.next_entry()
            self.next_stop()

    def call_under_test(self, entries: int = 1) -> Stop:
        self.wait(signal.SIGSTOP)
        self.ptrace(PTRACE_SETOPTIONS, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)
        stops = self.entries()
        next(stop for stop in stops if stop.number == START)
        own = (stop for stop in stops if not stop.housekeeping)
        call = next(islice(own, entries - 1, None))
        if call.number == FAILED:
            raise NotMade(call.read(*call.registers[:2]).decode())
        return call

    def end(self) -> None:
        """Kill the child where it stands: the kernel skips the call of one that is to die.

        Its number is made one of no call before, for calls that must not run by any means.
        """
        if self.alive:
            with suppress(OSError):
                self.poke("orig_rax", -1)
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def _child(function: Callable[..., object], args: tuple, kwargs: dict[str, object]) -> NoReturn:
    try:
        gc.disable()
        _fast._vdso(False)
        if (result := raw.syscall(Sysno.ptrace, PTRACE_TRACEME)) < 0:
            os._exit(-result)
        os.kill(os.getpid(), signal.SIGSTOP)
        raw.syscall(START)
        function(*args, **kwargs)
        reason = "it came back without entering the kernel"
    except BaseException as error:
        reason = f"{type(error).__name__}: {error}"
    text = reason.encode()
    raw.syscall(FAILED, text, len(text))
    os._exit(1)


@contextmanager
def stopped(
    function: Callable[..., object], *args: object, nth_entry: int = 1, **kwargs: object
) -> Iterator[Stop]:
    """Run `function(*args, **kwargs)` in a child up to its first system call, or a later one.

    PermissionError where this process may not trace; NotMade where no call came.
    """
    pid = os.fork()
    if pid == 0:
        _child(function, args, kwargs)
    tracee = _Tracee(pid)
    try:
        yield tracee.call_under_test(nth_entry)
    finally:
        tracee.end()


@dataclass(frozen=True)
class Reply:
    """What a call gets instead of the kernel's answer."""

    result: int
    written: Callable[[Stop], Iterable[tuple[int, bytes]]] = lambda stop: ()
    """Addresses, and what is written there."""


def replied(
    replies: Sequence[Reply], function: Callable[..., object], *args: object
) -> tuple[list[Stop], str]:
    """The calls that `function(*args)` makes, one for each reply, and the repr() of what it makes
    of them. Of an error its type and what it says. The kernel runs none of the calls.
    """

    def tell() -> NoReturn:
        raise Answer(repr(function(*args)))

    pid = os.fork()
    if pid == 0:
        _child(tell, (), {})
    tracee = _Tracee(pid)
    stops = []
    try:
        stop = tracee.call_under_test()
        for reply in replies:
            stops.append(stop)
            for address, content in reply.written(stop):
                stop.write(address, content)
            tracee.poke("orig_rax", -1)
            tracee.next_stop()
            tracee.poke("rax", reply.result)
            stop = next(stop for stop in tracee.entries() if not stop.housekeeping)
        if stop.number != FAILED:
            raise NotMade(f"there is one call more: {stop.number}")
        return stops, stop.read(*stop.registers[:2]).decode().removeprefix("Answer: ")
    finally:
        tracee.end()


def answered(result: int, function: Callable[..., object], *args: object) -> str:
    """What `function(*args)` makes of `result`, put in place of the kernel's: see `replied`."""
    return replied([Reply(result)], function, *args)[1]


class Expectation(Protocol):
    """What one register must hold."""

    def complaint(self, word: int, stop: Stop) -> str:
        """What is wrong with it; empty where nothing is."""

    def room(self, word: int, stop: Stop) -> int:
        """How many bytes the kernel may write there."""


@dataclass(frozen=True)
class Word:
    """A number, sign-extended where it is negative."""

    value: int

    def complaint(self, word: int, stop: Stop) -> str:
        wanted = self.value % 2**64
        return "" if word == wanted else f"is {word:#x}, not {wanted:#x}"

    def room(self, word: int, stop: Stop) -> int:
        return 0


@dataclass(frozen=True)
class AtLeast(Word):
    """A length that the library chooses."""

    def complaint(self, word: int, stop: Stop) -> str:
        return "" if word >= self.value else f"is {word}, less than {self.value}"


@dataclass(frozen=True)
class Pointer:
    """An address: of `content`, of memory for the kernel to write to, or both."""

    content: bytes = b""
    size: int = 0
    """How many bytes the kernel may write there."""
    times: int = -1
    """The register that says how many times `size`, or -1."""
    align: int = 1
    address: int | None = None
    """Where it must be; None for anywhere."""

    def complaint(self, word: int, stop: Stop) -> str:
        if self.address is not None and word != self.address:
            return f"is {word:#x}, not the buffer's own address {self.address:#x}"
        if word == 0:
            return "is a null pointer"
        if word % self.align:
            return f"is {word:#x}, not aligned to {self.align} bytes"
        found = stop.read(word, len(self.content))
        if found != self.content:
            return f"points at {found!r}, not {self.content!r}"
        if not stop.writable(word, self.room(word, stop)):
            return f"is {word:#x}, where {self.room(word, stop)} bytes can't be written"
        return ""

    def room(self, word: int, stop: Stop) -> int:
        return self.size * (stop.registers[self.times] if self.times >= 0 else 1)


@dataclass(frozen=True)
class Vector:
    """The address of an array of struct iovec."""

    items: tuple[tuple[Pointer, int], ...]
    """What each base points at, and its length."""

    def complaint(self, word: int, stop: Stop) -> str:
        array = stop.read(word, 16 * len(self.items))
        if word % 8 or len(array) < 16 * len(self.items):
            return f"is {word:#x}, where no array of {len(self.items)} iovecs can be"
        pairs = zip(self.items, struct.iter_unpack("QQ", array), strict=True)
        for k, ((pointer, length), (found_base, found_length)) in enumerate(pairs):
            complaint = pointer.complaint(found_base, stop) if length else ""
            if complaint:
                return f"iov[{k}].iov_base {complaint}"
            if found_length != length:
                return f"iov[{k}].iov_len is {found_length}, not {length}"
        return ""

    def room(self, word: int, stop: Stop) -> int:
        return 0


@dataclass(frozen=True)
class Program:
    """The address of a struct sock_fprog."""

    count: int
    instructions: Pointer

    def complaint(self, word: int, stop: Stop) -> str:
        head = stop.read(word, 16)
        if word % 8 or len(head) < 16:
            return f"is {word:#x}, where no struct sock_fprog can be"
        count, address = struct.unpack("H6xQ", head)
        if count != self.count:
            return f"points at a program of {count} instructions, not {self.count}"
        return self.instructions.complaint(address, stop) if count else ""

    def room(self, word: int, stop: Stop) -> int:
        return 0


@dataclass(frozen=True)
class Parts:
    """The address of a struct, part by part: bytes, and addresses of something."""

    items: tuple[bytes | Pointer, ...]

    def complaint(self, word: int, stop: Stop) -> str:
        place = word
        for item in self.items:
            if isinstance(item, bytes):
                complaint = Pointer(item).complaint(place, stop)
                place += len(item)
            else:
                (address,) = struct.unpack("Q", stop.read(place, 8).ljust(8, b"\0"))
                complaint = item.complaint(address, stop)
                place += 8
            if complaint:
                return f"+ {place - word} {complaint}"
        return ""

    def room(self, word: int, stop: Stop) -> int:
        return 0


@dataclass(frozen=True)
class Header:
    """The address of a struct msghdr."""

    data: Vector
    name: Pointer
    name_length: int
    control: Pointer
    control_length: int
    flags: int = 0

    SIZE = 56

    def complaint(self, word: int, stop: Stop) -> str:
        content = stop.read(word, self.SIZE)
        if word % 8 or not stop.writable(word, self.SIZE) or len(content) < self.SIZE:
            return f"is {word:#x}, where no msghdr can be"
        name, name_length, iov, pieces, control, control_length, flags = struct.unpack(
            "QI4xQQQQi4x", content
        )
        for label, found, expected in (
            ("msg_namelen", name_length, self.name_length),
            ("msg_iovlen", pieces, len(self.data.items)),
            ("msg_controllen", control_length, self.control_length),
            ("msg_flags", flags, self.flags),
        ):
            if found != expected:
                return f"->{label} is {found}, not {expected}"
        for label, found, length, pointer in (
            ("msg_name", name, name_length, self.name),
            ("msg_iov", iov, 1, self.data),
            ("msg_control", control, control_length, self.control),
        ):
            complaint = pointer.complaint(found, stop) if length else "is not 0" if found else ""
            if complaint:
                return f"->{label} {complaint}"
        return ""

    def room(self, word: int, stop: Stop) -> int:
        return self.SIZE

    def with_control(self, size: int) -> Header:
        """The same with room for so many bytes of control messages."""
        return replace(self, control=Pointer(size=size, align=8), control_length=size)


@dataclass(frozen=True)
class Headers:
    """The address of an array of struct mmsghdr."""

    items: tuple[Header, ...]

    SIZE = 64

    def complaint(self, word: int, stop: Stop) -> str:
        for k, item in enumerate(self.items):
            if complaint := item.complaint(word + k * self.SIZE, stop):
                return f"[{k}] {complaint}"
        return ""

    def room(self, word: int, stop: Stop) -> int:
        return self.SIZE * len(self.items)

    def with_control(self, size: int) -> Headers:
        return Headers(tuple(item.with_control(size) for item in self.items))


@dataclass(frozen=True)
class Segments:
    """The address of an array of struct kexec_segment."""

    items: tuple[tuple[Pointer, int, int, int], ...]
    """What each buffer is, its length, and the physical address and size that it goes to."""

    def complaint(self, word: int, stop: Stop) -> str:
        array = stop.read(word, 32 * len(self.items))
        for k, (pointer, *wanted) in enumerate(self.items):
            at, *found = struct.unpack_from("4Q", array, 32 * k)
            if complaint := pointer.complaint(at, stop) if wanted[0] else "":
                return f"[{k}].buf {complaint}"
            if found != wanted:
                return f"[{k}] is {found}, not {wanted}"
        return ""

    def room(self, word: int, stop: Stop) -> int:
        return 0


@dataclass(frozen=True)
class Strings:
    """The address of an array of strings that ends with a null pointer."""

    items: tuple[bytes, ...]

    def complaint(self, word: int, stop: Stop) -> str:
        size = 8 * (len(self.items) + 1)
        array = stop.read(word, size)
        if word % 8 or len(array) < size:
            return f"is {word:#x}, where no array of {len(self.items)} strings can be"
        *addresses, end = struct.unpack(f"{len(self.items) + 1}Q", array)
        for k, (item, address) in enumerate(zip(self.items, addresses, strict=True)):
            if complaint := Pointer(item + b"\0").complaint(address, stop):
                return f"[{k}] {complaint}"
        return f"ends with {end:#x}, not with a null pointer" if end else ""

    def room(self, word: int, stop: Stop) -> int:
        return 0


@dataclass(frozen=True)
class Pointers:
    """The address of an array of addresses."""

    items: tuple[Pointer, ...]

    def complaint(self, word: int, stop: Stop) -> str:
        array = stop.read(word, 8 * len(self.items))
        if word % 8 or len(array) < 8 * len(self.items):
            return f"is {word:#x}, where no array of {len(self.items)} pointers can be"
        for k, (item, (address,)) in enumerate(
            zip(self.items, struct.iter_unpack("Q", array), strict=True)
        ):
            if complaint := item.complaint(address, stop):
                return f"[{k}] {complaint}"
        return ""

    def room(self, word: int, stop: Stop) -> int:
        return 0


@dataclass(frozen=True)
class Bits:
    """The address of a mask of whole words, which the kernel writes to as well."""

    numbers: frozenset[int]
    count: int
    """The register that says how many bits it has."""

    def complaint(self, word: int, stop: Stop) -> str:
        size = self.room(word, stop)
        mask = sum(1 << number for number in self.numbers).to_bytes(max(size, 8), "little")
        return Pointer(mask[:size], size, align=8).complaint(word, stop)

    def room(self, word: int, stop: Stop) -> int:
        return (stop.registers[self.count] + 63) // 64 * 8


@dataclass(frozen=True)
class Packed:
    """The address of an address and a size: of a signal mask."""

    content: bytes

    def complaint(self, word: int, stop: Stop) -> str:
        pair = stop.read(word, 16)
        if word % 8 or len(pair) < 16:
            return f"is {word:#x}, where no pointer and size can be"
        address, size = struct.unpack("QQ", pair)
        if size != len(self.content):
            return f"points at a size of {size}, not {len(self.content)}"
        return Pointer(self.content, align=8).complaint(address, stop)

    def room(self, word: int, stop: Stop) -> int:
        return 0


def compare(number: int, expected: Sequence[Expectation], stop: Stop) -> list[str]:
    """What is wrong with the number and the registers of a stopped call, one sentence each."""
    complaints = []
    if stop.number != number:
        complaints.append(f"rax is {stop.number}, not {number}")
    rooms = []
    for register, expectation, word in zip(REGISTERS, expected, stop.registers, strict=True):
        if complaint := expectation.complaint(word, stop):
            complaints.append(f"{register} {complaint}")
        if room := expectation.room(word, stop):
            rooms.append((word, word + room, register))
    rooms.sort()
    for (_, end, first), (start, _, second) in pairwise(rooms):
        if start < end:
            complaints.append(f"{first} and {second} point at memory that overlaps")
    return complaints
