"""Calls that work, with what must be done before and after each; run in a folder of its own."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from operator import attrgetter, getitem
from pathlib import Path
from types import GetSetDescriptorType, MappingProxyType
from typing import Any

import pysyscall
from pysyscall import raw

SPARE, OTHER = 900, 901
"""Descriptors that a call may close or make."""

STRUCTS = (
    *("Timespec", "Timeval", "Rlimit", "EpollEvent", "PollFd", "OpenHow", "Stat", "Statx"),
    "Rusage",
    *("Sysinfo", "Utsname", "Sockaddr", "SockaddrIn", "SockaddrIn6", "SockaddrUn", "SockaddrNl"),
    *(
        "Iocb",
        "FileHandle",
        "Dirent",
        "SchedAttr",
        "ScmTimestamping",
        "Statfs",
        "Termios",
        "IpMreqn",
        "FsDiskQuota",
        "CanFrame",
    ),
)
"""Some that together have fields of all types."""

HIGH = 300
"""Descriptors below are taken, so that new ones are ints that need memory of their own."""


def nothing(*_: object) -> None:
    pass


def close(result: object) -> None:
    """Closes the descriptors of a result."""
    for item in result if isinstance(result, tuple) else (result,):
        if type(item) is int:
            os.close(item)


class File:
    """Tells its descriptor as an int that is new each time."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def fileno(self) -> int:
        return self.fd * 1


class Number:
    """An integer that is new each time."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value * 1


@dataclass(frozen=True)
class Case:
    """One use of a function; `before` and `after` make it one that can be repeated."""

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    before: Callable[[], object] = nothing
    after: Callable[[Any], object] = nothing
    raises: type[Exception] | tuple[type[Exception], ...] | None = None

    def __str__(self) -> str:
        return f"{self.name}{tuple(map(type, self.args))}"

    def run(self) -> None:
        self.before()
        try:
            result = self.function(*self.args)
        except Exception as error:
            if self.raises is None or not isinstance(error, self.raises):
                raise
        else:
            self.after(result)


def case(
    name: str,
    *args: Any,
    before: Callable[[], object] = nothing,
    after: Callable[[Any], object] = nothing,
    raises: type[Exception] | tuple[type[Exception], ...] | None = None,
) -> Case:
    return Case(name, getattr(pysyscall, name), args, before, after, raises)


def spare(*_: object) -> None:
    os.dup2(0, SPARE)


def close_spare(*_: object) -> None:
    for fd in (SPARE, OTHER):
        with suppress(OSError):
            os.close(fd)


def lowest_free() -> int:
    """The descriptor that would come next; another one if any is left open."""
    os.close(fd := os.dup(0))
    return fd


def blocks() -> int:
    """Python's blocks of memory in use. What one collection frees can be garbage of another."""
    gc.collect()
    gc.collect()
    return sys.getallocatedblocks()


def make(path: str) -> Callable[[], object]:
    return Path(path).touch


def remove(*paths: str) -> Callable[[object], object]:
    def act(_: object) -> None:
        for path in map(Path, paths):
            with suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()

    return act


@contextmanager
def folder() -> Iterator[None]:
    """A folder as current directory, and low descriptors that are taken."""
    before = Path.cwd()
    taken = [os.open("/", os.O_RDONLY) for _ in range(HIGH)]
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        try:
            yield
        finally:
            os.chdir(before)
            for fd in taken:
                os.close(fd)


def files() -> Iterator[Case]:
    null, zero = os.open("/dev/null", os.O_RDWR), os.open("/dev/zero", os.O_RDWR)
    Path("file").write_bytes(bytes(5000))
    Path("link").symlink_to("file")
    file, here = os.open("file", os.O_RDWR), os.open(".", os.O_RDONLY)
    reader, writer = os.pipe()
    many = [bytearray(3) for _ in range(20)]
    for out in (0, 1, 100, bytearray(64), memoryview(bytearray(8))):
        yield case("read", zero, out)
        yield case("pread64", file, out, 4990)
    yield case("pread64", file, 2**27, 4990)
    yield case("pread64", File(file), Number(500), Number(4000))
    yield case("read", Number(file), Number(2**27))
    for data in (b"", b"data", bytearray(b"data"), memoryview(b"data")):
        yield case("write", null, data)
        yield case("pwrite64", null, data, 0)
    for buffers in (many[:2], many, tuple(many), iter(())):
        yield case("readv", zero, buffers)
        yield case("writev", null, buffers)
        yield case("preadv2", file, buffers, 0)
        yield case("pwritev2", null, buffers, 0, 0)
    flags = os.O_RDWR | os.O_CREAT
    for path in ("file", "\xe9", b"file", os.fsdecode(b"\xff"), Path("file")):
        yield case("open", path, flags, 0o600, after=close)
        yield case("openat", None, path, flags, after=close)
    yield case("openat2", here, "file", (os.O_RDONLY,), after=close)
    yield case("openat2", None, "file", pysyscall.OpenHow(), after=close)
    yield case("creat", "created", 0o600, after=close)
    yield case("close", SPARE, before=spare)
    yield case("close_range", SPARE, OTHER, before=spare)
    yield case("lseek", file, 2**40, 0)
    yield case("lseek", File(file), Number(2**40), Number(0))
    yield case("sendfile", null, file, 0, 10)
    yield case("sendfile", File(null), File(file), Number(0), Number(10))
    yield case("copy_file_range", file, 0, file, 100, 10)
    yield case("splice", file, 0, writer, None, 10, after=lambda _: os.read(reader, 10))
    for name in ("stat", "lstat", "chdir", "access"):
        yield case(name, ".", *([0] if name == "access" else []))
    yield case("fstat", file)
    yield case("newfstatat", None, "link", pysyscall.AT_SYMLINK_NOFOLLOW)
    yield case("statx", here, "link")
    yield case("faccessat2", None, "file", 0)
    yield case("getcwd")
    yield case("fchdir", here)
    yield case("mkdir", "new", after=remove("new"))
    yield case("mkdirat", None, "new", after=remove("new"))
    yield case("rmdir", "new", before=Path("new").mkdir, after=remove("new"))
    yield case("unlink", "new", before=make("new"))
    yield case("unlinkat", None, "new", before=make("new"))
    for name, args in (
        ("rename", ("a", "b")),
        ("renameat", (None, "a", None, "b")),
        ("renameat2", (None, "a", None, "b", 0)),
        ("link", ("a", "b")),
        ("linkat", (None, "a", None, "b")),
    ):
        yield case(name, *args, before=make("a"), after=remove("a", "b"))
    yield case("symlink", "target", "new", after=remove("new"))
    yield case("symlinkat", "target", None, "new", after=remove("new"))
    yield case("readlink", "link")
    yield case("readlink", b"link")
    yield case("readlinkat", here, "link")
    yield case("chmod", "file", 0o600)
    yield case("fchmod", file, 0o600)
    yield case("fchmodat", None, "file", 0o600)
    for name, where in (("chown", "file"), ("fchown", file), ("lchown", "link")):
        yield case(name, where, -1, -1)
    yield case("umask", 0o022)
    for times in (((1, 2), (3, 4)), [pysyscall.Timespec(1)] * 2, None):
        yield case("utimensat", None, "file", times)
    with suppress(OSError):
        os.setxattr("file", "user.name", b"value" * 1000)
        for data in (b"value", bytearray(5000)):
            yield case("setxattr", "file", "user.name", data)
        yield case("getxattr", "file", "user.name")
        yield case("getxattr", "file", b"user.name")
        yield case("listxattr", "file")
        yield case("setxattrat", None, "file", 0, "user.name", bytearray(b"value" * 1000))
        yield case("getxattrat", here, b"file", 0, "user.name")
    Path("folder").mkdir()
    for name in ("", "\xe9", "x" * 255):
        Path("folder", f"entry{name}"[:255]).touch()
    folder = os.open("folder", os.O_RDONLY)
    back = partial(os.lseek, folder, 0, os.SEEK_SET)
    for count in (280, 5000):
        yield case("getdents64", folder, count, before=back)
        yield case("getdents", File(folder), Number(count), before=back)
    yield case("getdents64", folder, 10, before=back, raises=OSError)
    yield case("name_to_handle_at", None, "file", raises=OSError)
    with suppress(OSError):
        (mount, *_) = pysyscall.listmount()
        yield case("listmount")
        yield case("statmount", mount)
    with suppress(OSError):
        pysyscall.lsm_list_modules()
        yield case("lsm_list_modules")
        yield case("lsm_get_self_attr", 100, raises=OSError)
        yield case("lsm_set_self_attr", 100, 2**63, b"", raises=OSError)
    yield case("truncate", "file", 5000)
    yield case("ftruncate", file, 5000)
    yield case("fsync", file)
    yield case("fdatasync", file)
    yield case("dup", 0, after=close)
    yield case("dup2", 0, SPARE, after=close)
    yield case("dup3", 0, SPARE, 0, after=close)
    yield case("pipe", after=close)
    yield case("pipe2", 0, after=close)


def sockets() -> Iterator[Case]:
    left, right = socket.socketpair()
    kept = (left.detach(), right.detach())
    name = pysyscall.SockaddrUn(b"\0pysyscall " + os.urandom(8))
    server = pysyscall.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    pysyscall.bind(server, name)
    pysyscall.listen(server, 10)
    level, option = socket.SOL_SOCKET, socket.SO_KEEPALIVE

    def new() -> None:
        os.dup2(fd := pysyscall.socket(socket.AF_UNIX, socket.SOCK_STREAM), SPARE)
        os.close(fd)

    def connect() -> None:
        new()
        pysyscall.connect(SPARE, name)

    def accept(*_: object) -> None:
        close_spare()
        while pysyscall.poll([(server, 1)], 0):
            close(pysyscall.accept4(server)[0])

    def accepted(result: tuple[int, object]) -> None:
        close(result)
        close_spare()

    def send() -> None:
        accept()
        os.write(kept[1], b"data")

    yield case("socket", socket.AF_INET, socket.SOCK_STREAM, after=close)
    yield case("socketpair", socket.AF_UNIX, socket.SOCK_STREAM, after=close)
    yield case("bind", SPARE, pysyscall.SockaddrUn(), before=new, after=close_spare)
    yield case("listen", server, 10)
    yield case("connect", SPARE, name, before=new, after=accept)
    yield case("accept4", server, before=connect, after=accepted)
    yield case("sendto", kept[0], b"data", 0, None, after=lambda _: os.read(kept[1], 10))
    for out in (10, bytearray(10), 2**27):
        yield case("recvfrom", kept[0], out, before=send)
    yield case("shutdown", SPARE, 2, before=connect, after=accept)
    for out in (None, 10, bytearray(10)):
        yield case("getsockopt", server, level, option, out)
    credentials = (level, pysyscall.SO_PEERCRED)
    yield case("getsockopt", kept[0], *credentials, pysyscall.Ucred)
    yield case("getsockopt", kept[0], *credentials, pysyscall.Termios, raises=TypeError)
    for value in (1, b"\1\0\0\0", bytearray(4)):
        yield case("setsockopt", server, level, option, value)
    yield case("getsockname", server)
    yield case("getsockname", kept[0])
    yield case("getpeername", SPARE, before=connect, after=accept)


def messages() -> Iterator[Case]:
    # Without blocking, so that uses which go wrong don't wait for ever.
    kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
    left, right = socket.socketpair(socket.AF_UNIX, kind)
    here, there = left.detach(), right.detach()
    pysyscall.setsockopt(there, pysyscall.SOL_SOCKET, pysyscall.SO_PASSCRED, 1)
    receiver = pysyscall.socket(socket.AF_UNIX, kind)
    pysyscall.bind(receiver, name := pysyscall.SockaddrUn(b"\0pysyscall " + os.urandom(8)))
    pieces = [bytes([k]) for k in range(20)]
    rights = pysyscall.ControlMessage(pysyscall.SOL_SOCKET, pysyscall.SCM_RIGHTS, [File(0), 1])
    sender = pysyscall.Ucred(os.getpid(), os.getuid(), os.getgid())
    credentials = (pysyscall.SOL_SOCKET, pysyscall.SCM_CREDENTIALS, tuple(sender))
    unknown = (1000, 1, bytearray(b"unknown"))
    full = pysyscall.Message(pieces, [rights, credentials, unknown])

    def drain(_: object = None) -> None:
        for fd in (there, receiver):
            with suppress(BlockingIOError):
                while True:
                    pysyscall.recvfrom(fd, 1, pysyscall.MSG_DONTWAIT)

    def send() -> None:
        drain()
        pysyscall.sendmmsg(here, [full] * 3)

    def close_received(result: Any) -> None:
        for message in result[0] if isinstance(result[0], list) else [result]:
            for fd in message.descriptors:
                os.close(fd)
        drain()

    for message in (b"data", pieces[:3], pieces, iter(()), full):
        yield case("sendmsg", here, message, after=drain)
    addressed = pysyscall.Message(bytearray(5), address=name)
    yield case("sendmsg", receiver, addressed, after=drain)
    yield case("sendmmsg", here, [b"data", full, pieces], after=drain)
    yield case("sendmmsg", here, [b"data"], after=drain)
    for room in (100, bytearray(30), [bytearray(1) for _ in range(20)], 2**27):
        yield case("recvmsg", there, room, 0, before=send, after=close_received)
        for control in (20, 24, 300):
            receive = partial(pysyscall.recvmsg, control=control)
            yield Case("recvmsg", receive, (there, room), send, close_received)
            receive = partial(pysyscall.recvmmsg, control=control)
            args = (there, [room, 10, bytearray(5)], 0, 1)
            yield Case("recvmmsg", receive, args, send, close_received)
        yield case("recvmmsg", there, (room,), 0, None, before=send, after=close_received)


def others() -> Iterator[Case]:
    pid, epoll = os.getpid(), pysyscall.epoll_create1()
    ready = os.pipe()
    os.write(ready[1], b"x")
    pysyscall.epoll_ctl(epoll, 1, ready[0], (1, 2**60))
    for name in (
        *("getpid", "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid"),
        *("getresuid", "getresgid", "getgroups", "uname", "sysinfo", "times", "sched_yield"),
        *("gettimeofday", "time"),
    ):
        yield case(name)
    for name in ("getpgid", "getsid", "sched_getaffinity"):
        yield case(name, 0)
    for attr in (pysyscall.SchedAttr(99), (99,), pysyscall.SchedAttr(size=57)):
        yield case("sched_setattr", 0, attr, raises=(OSError, ValueError))
    yield case("sched_getattr", 0)
    yield case("sched_setaffinity", 0, os.sched_getaffinity(0))
    yield case("sched_setaffinity", 0, [*os.sched_getaffinity(0)])
    for mask in ((), [10], {12, 64}):
        yield case("rt_sigprocmask", 0, mask, after=lambda _: signal.pthread_sigmask(2, ()))
        yield case("epoll_pwait", epoll, 1, 0, mask)
        yield case("signalfd4", -1, mask, 0, after=close)
    yield case("rt_sigpending")
    yield from signals()
    yield case("getpriority", 0, 0)
    yield case("adjtimex", ())
    yield case("adjtimex", pysyscall.Timex())
    if os.geteuid() == 0:
        yield case("setgroups", os.getgroups())
        yield case("setgroups", [Number(group) for group in os.getgroups()])
    semaphores = pysyscall.semget(0, 1, 0o600)
    try:
        for operations in ([(0, 1, 0), (0, -1, 0)], (pysyscall.Sembuf(0, 1), (0, -1)) * 10):
            yield case("semop", semaphores, operations)
            yield case("semtimedop", semaphores, operations, 0.5)
    finally:
        raw.syscall(pysyscall.Sysno.semctl, semaphores, 0, 0)
    for strings in ([], ["a", b"b", Path("c"), "\xe9"], ("x",) * 100):
        for environment in ({}, {"A": "b", b"C": b""}, MappingProxyType({"A": Path("b")})):
            yield case("execve", "missing", strings, environment, raises=OSError)
            yield case("execveat", None, b"missing", strings, environment, raises=OSError)
    yield case("kill", pid, 0)
    yield case("tgkill", pid, pid, 0)
    yield case("getrusage", 0)
    yield case("getrlimit", 7)
    limit = pysyscall.getrlimit(7)
    yield case("prlimit64", 0, 7, limit)
    yield case("prlimit64", 0, 7, tuple(limit))
    yield case("prlimit64", pid, 7, None)
    yield case("clock_gettime", 1)
    yield case("clock_getres", 1)
    for duration in (0, 0.0, 1e-9, pysyscall.Timespec(0, 1)):
        yield case("nanosleep", duration)
        yield case("clock_nanosleep", 1, 0, duration)
    for out in (10, bytearray(10)):
        yield case("getrandom", out)
    yield case("memfd_create", "name", after=close)
    yield case("eventfd2", 2**31, after=close)
    yield case("epoll_create1", after=close)
    for maximum in (1, 5000):
        yield case("epoll_wait", epoll, maximum, 0)
    for event in ((1, 2**60), pysyscall.EpollEvent(1, 5)):
        yield case("epoll_ctl", epoll, 3, ready[0], event)
    fds = [(ready[0], 1), pysyscall.PollFd(ready[0], 5), (File(ready[0]), Number(1))]
    for polled in (fds, tuple(fds), fds * 50, []):
        yield case("poll", polled, 0)


def families() -> Iterator[Case]:
    """Commands, some of each shape."""
    flags = pysyscall.flags
    file = os.open("file", os.O_RDWR)
    reader, _ = os.pipe()
    lock = pysyscall.Flock(l_type=flags.F_WRLCK)
    for command in (flags.F_GETFD, flags.F_GETFL, flags.F_GETLEASE, flags.F_GETOWN):
        yield case("fcntl", File(file), command)
    yield case("fcntl", file, flags.F_DUPFD_CLOEXEC, HIGH, after=close)
    for given in (lock, (flags.F_WRLCK, 0, 5, 6)):
        yield case("fcntl", file, flags.F_GETLK, given)
    yield case("fcntl", file, flags.F_GETOWN_EX)
    yield case("fcntl", -1, flags.F_GETOWN, raises=OSError)
    yield case("ioctl", reader, flags.FIONREAD)
    for count in (0, 3, 1000):
        wanted = pysyscall.Fiemap(fm_length=2**40, fm_extent_count=count)
        yield case("ioctl", file, flags.FS_IOC_FIEMAP, wanted, raises=OSError)
    head, info = pysyscall.FileDedupeRange(), pysyscall.FileDedupeRangeInfo(dest_fd=file)
    for pair in ((head, [info] * 3), ((1, 2), iter([info, (1, 2)])), (head, [info] * 300)):
        yield case("ioctl", file, flags.FIDEDUPERANGE, pair, raises=OSError)
    with socket.socket() as unconnected:
        kept = unconnected.detach()
    yield case("ioctl", kept, flags.SIOCGIFCONF)
    for unknown in (bytearray(8), bytearray(5000), b"bytes", b"b" * 5000, 2**63, None):
        yield case("ioctl", reader, 0x7EAD, unknown, raises=OSError)
    yield case("prctl", flags.PR_GET_NAME)
    yield case("quotactl", flags.Q_SYNC, Number(0))
    yield case("quotactl", flags.Q_GETQUOTA, 2, "/dev/nothing", 5, raises=OSError)
    yield case("quotactl", flags.Q_SETINFO, 2, "/dev/nothing", 5, (1, 2, 3, 4), raises=OSError)
    for program in (bytes(16), [(6, 0, 0, 0)] * 3):
        yield case("seccomp", 1, 2**31, program, raises=OSError)
    try:
        ring, _ = pysyscall.io_uring_setup(1, pysyscall.IoUringParams())
    except OSError:
        return
    buffers = [bytearray(100), memoryview(bytearray(50))[10:]]
    unregister = partial(pysyscall.io_uring_register, ring, flags.IORING_UNREGISTER_BUFFERS)
    register = flags.IORING_REGISTER_BUFFERS
    yield case("io_uring_register", ring, register, buffers, after=lambda _: unregister())
    yield case("io_uring_register", -1, register, buffers, raises=OSError)
    flag = flags.IORING_ENTER_EXT_ARG
    for wait in ((), (0,), (pysyscall.Timespec(),), (None, [1, 2]), (0.0, {3})):
        yield case("io_uring_enter", ring, 0, 0, flag, *wait, raises=OSError)


def waiting() -> Iterator[Case]:
    """Sets of descriptors, asynchronous requests, messages, records."""
    reader, writer = os.pipe()
    fds = [File(writer), writer, Number(writer)]
    for name in ("select", "pselect6"):
        yield case(name, None, None, None, 0)
        for timeout in (None, 5, 0.5):
            yield case(name, [reader], fds, {writer}, timeout)
        yield case(name, [SPARE, 70_000], [], [], 0, raises=OSError)
        yield case(name, [1], [2**40], [], 0, raises=ValueError)
        yield case(name, [1], [reader, object()], [], 0, raises=TypeError)
    yield case("select", [], fds, [], pysyscall.Timeval(3))
    yield case("pselect6", [], fds, [], pysyscall.Timespec(3), {1, 64})
    for polled in ([(writer, 4)], [pysyscall.PollFd(writer, 4)] * 300):
        yield case("ppoll", polled)
        yield case("ppoll", polled, 5.5, [1, 2])
    yield case("epoll_pwait2", pysyscall.epoll_create1(), 5, 0, [1])
    queue = pysyscall.msgget(0, 0o600)

    def empty(*_: object) -> None:
        while raw.syscall(pysyscall.Sysno.msgrcv, queue, bytearray(9000), 8000, 0, 0o4000) >= 0:
            pass

    def put() -> None:
        empty()
        pysyscall.msgsnd(queue, (2**40, bytes(5000)))

    for length in (2**27, 8000):
        yield case("msgrcv", queue, length, before=put)
    for text in (b"", b"text", bytearray(8000)):
        yield case("msgsnd", queue, (Number(2**40), text), after=empty)
    yield case("msgsnd", queue, (1, "text"), raises=TypeError)
    yield case("msgrcv", queue, 5, 0, 0o4000, raises=OSError)
    raw.syscall(pysyscall.Sysno.msgctl, queue, 0, 0)
    yield from asynchronous(reader, writer)
    event = pysyscall.FanotifyEventMetadata(24, 3, 24, 8, -1, 1).to_bytes()
    for data, kind in (
        (bytes(256), pysyscall.SignalfdSiginfo),
        (bytes(32), pysyscall.InotifyEvent),
        (event * 3, pysyscall.FanotifyEvent),
    ):
        yield Case("records", pysyscall.parse_events, (data, kind))


def asynchronous(reader: int, writer: int) -> Iterator[Case]:
    file = os.open("requests", os.O_RDWR | os.O_CREAT)
    context = pysyscall.io_setup(50)
    held = [
        pysyscall.Iocb(pysyscall.IOCB_CMD_PWRITE, file, bytes(5000)),
        pysyscall.Iocb(pysyscall.IOCB_CMD_PREAD, file, bytearray(5000)),
        pysyscall.Iocb(pysyscall.IOCB_CMD_PREADV, file, [bytearray(50), bytearray(5)]),
    ]
    poll = pysyscall.Iocb(pysyscall.IOCB_CMD_POLL, reader, 1)
    wrong = pysyscall.Iocb(pysyscall.IOCB_CMD_POLL, 9999, 1)

    def one(*_: object) -> None:
        """What was cancelled ends a little later."""
        pysyscall.io_getevents(context, 1, 1, 5)

    def take(*_: object) -> None:
        """All that have ended, and those that wait."""
        with suppress(OSError):
            while True:
                pysyscall.io_cancel(context, poll)
                one()
        while pysyscall.io_getevents(context, 0, 50):
            pass

    def submit(*requests: pysyscall.Iocb) -> None:
        take()
        pysyscall.io_submit(context, requests)

    for requests in (held, held * 3, iter(()), (held[0],)):
        yield case("io_submit", context, requests, before=take, after=take)
    for requests in ([wrong], [wrong, *held]):
        yield case("io_submit", context, requests, raises=OSError)
    yield case("io_submit", context, [*held, b""], raises=TypeError)
    yield case("io_submit", context, [poll, wrong, held[0]], before=take, after=take)
    yield case("io_cancel", context, poll, before=partial(submit, poll), after=one)
    yield case("io_cancel", context, wrong, raises=OSError)
    both = partial(submit, *held[:2])
    for mask in (None, [1, 2]):
        yield case("io_pgetevents", context, 2, 50, 5, mask, before=both)
    yield case("io_getevents", context, 2, 50, before=both)

    def end() -> None:
        other = pysyscall.io_setup(5)
        pysyscall.io_submit(other, [poll, held[0], poll])
        pysyscall.io_destroy(other)

    yield Case("io_destroy with requests", end)
    for buffer in (b"bytes", bytearray(9), memoryview(bytearray(9)), [b"1", bytearray(2)], ()):
        yield Case("request", pysyscall.Iocb, (0, 1, buffer))
        yield Case("Iocb.replace", partial(held[0].replace, aio_buf=buffer))
    yield Case("request", pysyscall.Iocb, (0, 1, [b"", 5]), raises=TypeError)
    yield Case("Iocb.__reduce__", held[0].__reduce__, raises=TypeError)


def memory() -> Iterator[Case]:
    prot = pysyscall.PROT_READ | pysyscall.PROT_WRITE
    private = pysyscall.MAP_PRIVATE | pysyscall.MAP_ANONYMOUS
    page = 4096
    made: list[pysyscall.Mapping] = []

    def new(size: int = 2 * page) -> pysyscall.Mapping:
        return pysyscall.mmap(None, size, prot, private)

    def latest(name: str, *args: Any) -> Callable[[], object]:
        """The function of that name on a Mapping that is made for it."""
        return lambda: getattr(pysyscall, name)(made.pop(), *args)

    def make_one() -> None:
        made[:] = [new()]

    m = new()
    yield case("mmap", None, 2 * page, prot, private, after=pysyscall.Mapping.close)
    yield case("mmap", None, 2 * page, prot, private)
    yield case("mmap", m, page + 1, prot, private, after=pysyscall.Mapping.close)
    for name, args in (
        ("munmap", ()),
        ("mremap", (9 * page, pysyscall.MREMAP_MAYMOVE)),
        ("mremap", (2 * page, pysyscall.MREMAP_MAYMOVE | pysyscall.MREMAP_DONTUNMAP)),
    ):
        yield Case(f"{name} of a new one", latest(name, *args), before=make_one)
    fixed = private | pysyscall.MAP_FIXED
    yield Case(
        "mmap over another",
        lambda: pysyscall.mmap(made.pop(), 2 * page, prot, fixed),
        before=make_one,
    )
    yield case("mremap", m, 2 * page, 0)
    for place in (m, (m, page), m.address):
        yield case("mincore", place, page)
        yield case("madvise", place, page, pysyscall.MADV_NORMAL)
        yield case("mprotect", place, page, prot)
        yield case("mbind", place, page, pysyscall.MPOL_DEFAULT, None)
    for use in (bytes, memoryview, len, repr, pysyscall.Mapping.mincore):
        yield Case(f"{use.__name__} of a Mapping", use, (m,))
    yield case("brk")
    yield case("get_mempolicy")
    yield case("set_mempolicy", pysyscall.MPOL_DEFAULT, ())
    yield case("migrate_pages", 0, {0}, [0])
    yield case("move_pages", 0, [m.address], [0])
    number = pysyscall.shmget(pysyscall.IPC_PRIVATE, page, 0o600)
    attached = pysyscall.shmat(number)
    raw.syscall(pysyscall.Sysno.shmctl, number, pysyscall.IPC_RMID, 0)
    yield case("shmat", number, after=pysyscall.shmdt)
    yield case("shmat", number, None, pysyscall.SHM_RDONLY)
    attached.close()


def processes() -> Iterator[Case]:
    pid, target = os.getpid(), bytearray(8)
    address = int(raw.ffi.cast("uintptr_t", raw.ffi.from_buffer(target)))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.read(reader, 1)  # until this process closes the pipe, or dies
        os._exit(0)
    try:
        yield case("wait4", child, pysyscall.WNOHANG)
        for asked in ((), (False,), (True,)):
            options = pysyscall.WEXITED | pysyscall.WNOHANG
            yield case("waitid", pysyscall.P_PID, child, options, *asked)
        info = pysyscall.SiginfoChild(si_code=os.CLD_EXITED, si_status=3)
        yield Case("WaitStatus.from_siginfo", pysyscall.WaitStatus.from_siginfo, (info,))
        yield Case("repr of WaitStatus", repr, (pysyscall.WaitStatus(15),))
        for ranges in ([(address, 8)], (pysyscall.Iovec(address, 1), (address, 2)) * 20):
            for buffers in ([bytearray(8)], (bytearray(1),) * 20):
                yield case("process_vm_readv", pid, buffers, ranges)
                yield case("process_vm_writev", pid, buffers, ranges)
        yield case("process_vm_readv", pid, [target] * 2000, [(address, 1)], raises=OSError)
        for path in ("missing", b"missing", Path("missing")):
            strings = (["a", b"b", Path("c")], {"A": "b"})
            for function in (pysyscall.vfork_exec, pysyscall._fast._vfork_exec):
                yield Case("failing vfork_exec", function, (path, *strings), raises=OSError)
        yield case("capget")
        yield case("capset", *pysyscall.capget())
        yield case("modify_ldt", pysyscall.LDT_READ_DEFAULT)
        yield case("modify_ldt", pysyscall.LDT_READ, 10)
    finally:
        os.close(reader)
        os.close(writer)
        os.waitpid(child, 0)


def signals() -> Iterator[Case]:
    pid, tid, number = os.getpid(), pysyscall.gettid(), signal.SIGRTMIN
    queued = pysyscall.SiginfoQueue(pysyscall.SI_QUEUE, 2**63, pid, 2**31, si_signo=number)
    pidfd = pysyscall.pidfd_open(pid)
    queue = pysyscall.SignalQueue(3)

    def send(*_: object) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [number])
        pysyscall.rt_sigqueueinfo(pid, number, queued)

    def take(*_: object) -> None:
        signal.sigtimedwait([number], 0)

    def taken() -> int:
        pysyscall.rt_sigqueueinfo(pid, signal.SIGUSR1, queued)
        return len(queue.take())

    for timeout in (None, 1, 0.5, pysyscall.Timespec(1)):
        yield case("rt_sigtimedwait", [number], timeout, before=send)
    yield case("rt_sigqueueinfo", pid, number, queued, after=take)
    yield case("rt_tgsigqueueinfo", pid, tid, number, (pysyscall.SI_QUEUE, 2**63), after=take)
    yield case("pidfd_send_signal", pidfd, number, queued, after=take)
    yield Case("siginfo_of()", pysyscall.siginfo_of, (queued,))
    yield Case("parse_signals()", pysyscall.parse_signals, (bytes(3 * 128),))
    yield case("rt_sigaction", signal.SIGUSR1)
    yield case("rt_sigaction", signal.SIGINT)
    for action in (pysyscall.SignalAction(1, 2**40, {1, 40}), queue, 1, queue):
        yield case("rt_sigaction", signal.SIGUSR1, action)
    yield Case("SignalQueue()", pysyscall.SignalQueue, (2,))
    yield Case("take", taken)
    yield Case("fileno", queue.fileno)
    pysyscall.rt_sigaction(signal.SIGUSR1, pysyscall.SIG_DFL)
    os.close(pidfd)
    # What a failing call has left would kill where a mask lets it through.
    while signal.sigtimedwait([number], 0):
        pass


def structs() -> Iterator[Case]:
    """All that can be done with each kind of struct."""
    told = [pysyscall.statx(None, "/"), pysyscall.uname(), pysyscall.SockaddrUn("/a")]
    for value in (*told, *(getattr(pysyscall, name)() for name in STRUCTS)):
        kind, name = type(value), type(value).__name__
        fields = [key for key, item in vars(kind).items() if isinstance(item, GetSetDescriptorType)]
        given = {key: getattr(value, key) for key in kind.__match_args__}
        yield Case(f"{name}()", kind)
        yield Case(f"{name}(*)", kind, tuple(given.values()))
        yield Case(f"{name}(**)", partial(kind, **given))
        yield Case(f"{name}.replace", partial(value.replace, **given))
        yield Case(f"{name}.from_bytes", kind.from_bytes, (bytes(value),))
        yield Case(f"{name} fields", attrgetter(*fields), (value,))
        for use in (repr, hash, bytes, memoryview, kind.to_bytes, kind.__reduce__):
            yield Case(f"{use.__name__} of {name}", use, (value,))
        yield Case(f"{name} ==", value.__eq__, (kind(),))
        if hasattr(kind, "__len__"):
            for key in (0, -1, slice(1, None), slice(None, None, -1)):
                yield Case(f"{name}[{key}]", getitem, (value, key))
            yield Case(f"list of {name}", list, (value,))


def cases() -> Iterator[Case]:
    yield from files()
    yield from sockets()
    yield from messages()
    yield from others()
    yield from families()
    yield from waiting()
    yield from memory()
    yield from processes()
    yield from structs()
