"""Calls that are many in one: how a command is found, and what it takes or refuses."""

from __future__ import annotations

import fcntl as library
import os
import re
from itertools import chain

import pytest
from samples import address_of
from tracee import Pointer, Vector, Word, compare, stopped

import pysyscall
from pysyscall import flags
from tables import calls, families

TABLE = calls.load()
FAMILIES = [call for call in TABLE.calls.values() if call.typed and call.commands]
REFUSED = [(call, command) for call in FAMILIES for command in call.commands if command.refuse]


def test_members_come_back(pipe: tuple[int, int]) -> None:
    assert pysyscall.fcntl(pipe[0], flags.F_GETFD) is flags.FD_CLOEXEC
    status = pysyscall.fcntl(pipe[1], flags.F_GETFL)
    assert isinstance(status, flags.OpenFlag)
    assert status & 3 == flags.O_WRONLY


def test_members_by_turns(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    for _ in range(5):
        assert pysyscall.fcntl(reader, flags.F_GETFL) & 3 == flags.O_RDONLY
        assert pysyscall.fcntl(writer, flags.F_GETFL) & 3 == flags.O_WRONLY


def test_a_number_that_no_member_has_comes_back_as_it_is() -> None:
    """The kernel's answer is not known to the table: prctl's pdeathsig 40 is a real-time signal."""
    pysyscall.prctl(flags.PR_SET_PDEATHSIG, 40)
    try:
        assert pysyscall.prctl(flags.PR_GET_PDEATHSIG) == 40
    finally:
        pysyscall.prctl(flags.PR_SET_PDEATHSIG, 0)


def test_arguments_that_a_command_lacks_may_be_0(pipe: tuple[int, int]) -> None:
    assert pysyscall.fcntl(pipe[0], flags.F_GETFD, 0) == pysyscall.fcntl(pipe[0], 1, None)
    with pytest.raises(OverflowError, match=r"fcntl\(\) argument 'arg' must be in \[0, 0\], not 5"):
        pysyscall.fcntl(pipe[0], flags.F_GETFD, 5)  # type: ignore[call-overload]


def test_commands_by_name(pipe: tuple[int, int]) -> None:
    assert pysyscall.fcntl(fd=pipe[0], cmd=flags.F_GETFD) == 1
    assert pysyscall.fcntl(pipe[0], cmd=flags.F_DUPFD_QUERY, other=pipe[0]) == 1
    with pytest.raises(TypeError, match=r"fcntl\(fd, F_SETFD, flags\) has no argument 'arg'"):
        pysyscall.fcntl(pipe[0], flags.F_SETFD, arg=1)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ((), TypeError, "fcntl(fd, cmd, arg) lacks argument 'fd'"),
        ((0,), TypeError, "fcntl(fd, cmd, arg) lacks argument 'cmd'"),
        ((0, flags.F_SETFL), TypeError, "fcntl(fd, F_SETFL, flags) lacks argument 'flags'"),
        ((0, "F_GETFL"), TypeError, "fcntl() argument 'cmd' must be an int, not str"),
        ((0, 2**70), OverflowError, "fcntl() argument 'cmd' must be in [0, 4294967295]"),
        ((0, flags.F_SETLK, 3), TypeError, "fcntl() argument 'lock' must be a Flock, or a tuple"),
        ((0, 77, "x"), TypeError, "fcntl() argument 'arg' must be an int or a bytes-like object"),
    ],
)
def test_refused(args: tuple[object, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        pysyscall.fcntl(*args)  # type: ignore[call-overload]


def test_the_command_is_looked_at_once() -> None:
    """An object that gives another number the second time can't slip past its command's types."""

    class Changing:
        def __index__(self) -> int:
            return int(flags.F_GETLK)

    with pytest.raises(TypeError, match="the command must be an int, not Changing"):
        pysyscall.fcntl(0, Changing(), 8)  # type: ignore[call-overload]


@pytest.mark.parametrize(("call", "command"), REFUSED, ids=lambda value: getattr(value, "name", ""))
def test_what_would_end_the_interpreter(call: calls.Call, command: calls.Command) -> None:
    choices = chain((command.choice,), (command.second,))
    numbers = [choice[1] for choice in choices if choice is not None]
    with pytest.raises(ValueError, match=r"`pysyscall\.raw` makes it"):
        getattr(pysyscall, call.name)(*numbers)


def test_unknown_commands(pipe: tuple[int, int]) -> None:
    """A buffer is filled in place, of bytes the kernel gets a copy."""
    os.write(pipe[1], b"abc")
    known = {member.value for member in flags.IoctlRequest}
    # The request of FIONREAD under a number that the table doesn't have: 32 bits above are cut off.
    assert library.ioctl(pipe[0], 0x541B, b"....") == b"\3\0\0\0"
    assert 0x80045499 not in known
    with pytest.raises(OSError, match="Inappropriate ioctl"):
        pysyscall.ioctl(pipe[0], 0x80045499, bytearray(4))


def test_several_buffers_of_an_unknown_command() -> None:
    """Each is a copy of its own."""
    number = TABLE.calls["prctl"].kernel.number
    small, large = b"small", b"large" * 2000
    with stopped(pysyscall.prctl, 0x7EADBEEF, small, large, b"third", large[:9000]) as stop:
        contents = (small, large, b"third", large[:9000])
        pointers = [Pointer(content, size=len(content)) for content in contents]
        assert compare(number, [Word(0x7EADBEEF), *pointers, Word(0)], stop) == []


def test_a_buffer_is_as_long_as_the_request_says() -> None:
    message = r"ioctl\(\) argument 'arg' must have the 4 bytes that the request moves, not 3"
    for short in (b"abc", bytearray(3)):
        with pytest.raises(ValueError, match=message):
            pysyscall.ioctl(0, 0x80045499, short)


def test_semaphores_are_counted_first() -> None:
    semid = pysyscall.semget(pysyscall.IPC_PRIVATE, 3, 0o600)
    try:
        pysyscall.semctl(semid, 0, flags.SETALL, [5, 32767, 0])
        assert pysyscall.semctl(semid, 0, flags.GETALL) == [5, 32767, 0]
        for wrong in ([], [1], [1, 2, 3, 4]):
            with pytest.raises(ValueError, match="for each of the set's 3 semaphores"):
                pysyscall.semctl(semid, 0, flags.SETALL, wrong)
        with pytest.raises(OverflowError, match=r"in \[0, 65535\]"):
            pysyscall.semctl(semid, 0, flags.SETALL, [0, 0, 65536])
        with stopped(pysyscall.semctl, semid, 0, flags.SETALL, (7, 8, 9), nth_entry=2) as stop:
            values = Pointer(b"\7\0\10\0\11\0", align=2)
            expected = [Word(semid), Word(0), Word(int(flags.SETALL)), values, Word(0), Word(0)]
            assert compare(TABLE.calls["semctl"].kernel.number, expected, stop) == []
        with stopped(pysyscall.semctl, semid, 0, flags.GETALL, nth_entry=2) as stop:
            room = Pointer(size=6, align=2)
            expected = [Word(semid), Word(0), Word(int(flags.GETALL)), room, Word(0), Word(0)]
            assert compare(TABLE.calls["semctl"].kernel.number, expected, stop) == []
    finally:
        pysyscall.semctl(semid, 0, flags.IPC_RMID)
    with pytest.raises(OSError, match="Invalid argument"):
        pysyscall.semctl(semid, 0, flags.GETALL)


PARAMS = pysyscall.KeyctlPkeyParams(key_id=5, in_len=3, out_len=7)


@pytest.mark.parametrize("name", ["ENCRYPT", "DECRYPT", "SIGN", "VERIFY"])
def test_lengths_that_stand_in_a_struct(name: str) -> None:
    operation = flags.KeyctlOp[f"KEYCTL_PKEY_{name}"]
    given = [b"abc", b"1234567"] if name == "VERIFY" else [b"abc"]
    with stopped(pysyscall.keyctl, operation, PARAMS, "x", *given) as stop:
        last = Pointer(b"1234567") if name == "VERIFY" else Pointer(size=65536)
        expected = [Word(int(operation)), Pointer(PARAMS.to_bytes()), Pointer(b"x\0")]
        expected += [Pointer(b"abc"), last, Word(0)]
        assert compare(TABLE.calls["keyctl"].kernel.number, expected, stop) == []
    with pytest.raises(ValueError, match="must have the 3 bytes that the struct says, not 2"):
        pysyscall.keyctl(operation, PARAMS, "x", b"ab", *given[1:])


def test_register_sets() -> None:
    """A struct iovec around one buffer, in which the kernel notes how much it filled."""
    own = bytearray(40)
    number = TABLE.calls["ptrace"].kernel.number
    with stopped(pysyscall.ptrace, flags.PTRACE_GETREGSET, 9, 1, own) as stop:
        vector = Vector(((Pointer(size=40, address=address_of(own)), 40),))
        expected = [Word(int(flags.PTRACE_GETREGSET)), Word(9), Word(1), vector, Word(0), Word(0)]
        assert compare(number, expected, stop) == []


WITHOUT_A_COMMAND = {
    # Gone from the kernel, or never there on x86-64.
    "fcntl": {"F_GET_FILE_RW_HINT", "F_SET_FILE_RW_HINT"},
    "ptrace": {"PTRACE_GETFPXREGS", "PTRACE_SETFPXREGS"},
    # Flags beside a command.
    "bpf": {"BPF_COMMON_ATTRS"},
    "io_uring_register": {"IORING_REGISTER_USE_REGISTERED_RING"},
}


@pytest.mark.parametrize("call", FAMILIES, ids=lambda call: call.name)
def test_every_family_has_all_its_commands(call: calls.Call) -> None:
    """What the selecting enumeration names has a command, except the rarer of ioctl's requests."""
    enum = families.selector(call).enum
    if enum is None or call.name == "ioctl" or any(command.bits for command in call.commands):
        return
    values = {command.choice[1] for command in call.commands if command.choice}
    missing = {member.name for member in enum.members if member.value not in values}
    assert missing == WITHOUT_A_COMMAND.get(call.name, set())
