"""The files, sockets and other things that the benchmarks' statements work on."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import resource
import select
import signal
import socket
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pysyscall
from pysyscall.bench.errors import BenchError
from pysyscall.bench.statements import Absent

MODULES: dict[str, Any] = {
    "fcntl": fcntl,
    "mmap": mmap,
    "os": os,
    "ps": pysyscall,
    "resource": resource,
    "select": select,
    "signal": signal,
    "socket": socket,
    "termios": termios,
    "threading": threading,
    "time": time,
}
FILE_SIZE = 4096


def _attempt(make: Callable[[], Any]) -> Any:
    """What `make` gives, or why it can't be had."""
    try:
        return make()
    except OSError as error:
        return Absent(f"this system refuses it: {error}")


def base() -> str:
    """Where the files are made: in memory if possible, as the calls count and not the disk."""
    memory = "/dev/shm"
    return memory if os.access(memory, os.W_OK | os.X_OK) else tempfile.gettempdir()


@contextmanager
def ground() -> Iterator[dict[str, Any]]:
    """The names that a statement may use; all is closed and removed at the end."""
    with ExitStack() as stack:

        def keep(fd: int) -> int:
            stack.callback(os.close, fd)
            return fd

        try:
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="pysyscall-bench-", dir=base())
            )
            _restore(stack, keep)
            names = MODULES | _files(folder, keep) | _sockets(stack) | _processes(stack, keep)
            names |= _events(stack, keep, names)
            names |= _memory(stack)
        except OSError as error:
            raise BenchError(f"can't make what the benchmarks work on: {error}") from None
        yield names


def _restore(stack: ExitStack, keep: Callable[[int], int]) -> None:
    """What the statements change in this process, as it was."""
    stack.callback(os.fchdir, keep(os.open(".", os.O_PATH)))
    mask = os.umask(0o022)
    stack.callback(os.umask, mask)
    stack.callback(signal.signal, signal.SIGUSR2, signal.getsignal(signal.SIGUSR2))


def _files(folder: str, keep: Callable[[int], int]) -> dict[str, Any]:
    path, link, umlaut = f"{folder}/file", f"{folder}/link", f"{folder}/übung"
    Path(path).write_bytes(bytes(FILE_SIZE))
    Path(umlaut).touch()
    Path(link).symlink_to("file")
    inner = Path(folder, "inner")
    inner.mkdir()
    for i in range(20):
        (inner / f"entry{i}").touch()
    reader, writer = map(keep, os.pipe())
    os.set_blocking(writer, False)
    os.write(writer, b"x")
    idle, filler = map(keep, os.pipe())
    memory = keep(os.memfd_create("bench"))
    os.truncate(memory, FILE_SIZE)
    return {
        "folder": folder,
        "path": path,
        "link": link,
        "umlaut": umlaut,
        "inner": str(inner),
        "new": f"{folder}/new",
        "missing": f"{folder}/missing",
        "folder_fd": keep(os.open(folder, os.O_RDONLY)),
        "inner_fd": keep(os.open(inner, os.O_RDONLY)),
        "file": keep(os.open(path, os.O_RDWR)),
        "copy": keep(os.open(f"{folder}/copy", os.O_RDWR | os.O_CREAT)),
        "memory_file": memory,
        "spare": keep(os.dup(memory)),
        "null": keep(os.open("/dev/null", os.O_RDWR)),
        "zero": keep(os.open("/dev/zero", os.O_RDONLY)),
        "reader": reader,
        "writer": writer,
        "pipe_out": idle,
        "pipe_in": filler,
        "tagged": _attempt(lambda: _tag(path)),
        "data": bytes(64),
        "buffer": bytearray(64),
        "buffers": [bytearray(64), bytearray(64)],
    }


def _tag(path: str) -> str:
    os.setxattr(path, "user.bench", b"value")
    return path


def _sockets(stack: ExitStack) -> dict[str, Any]:
    left, right = socket.socketpair()
    inet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for sock in (left, right, inet):
        stack.callback(sock.close)
    inet.bind(("127.0.0.1", 0))
    names: dict[str, Any] = {"left": left, "right": right, "inet": inet}
    return names | {f"{name}_fd": sock.fileno() for name, sock in names.items()}


def _processes(stack: ExitStack, keep: Callable[[int], int]) -> dict[str, Any]:
    """A child that does nothing until this process closes the pipe, and what is ours."""
    waiting, alive = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(alive)
            os.read(waiting, 1)
        finally:
            os._exit(0)
    os.close(waiting)
    # In the order of leaving: first the child is let go, then it is waited for.
    stack.callback(os.waitpid, child, 0)
    keep(alive)
    ended = os.fork() or os._exit(0)
    stack.callback(os.waitpid, ended, 0)
    tid = threading.get_native_id()
    usr1 = {signal.SIGUSR1}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, usr1)
    stack.callback(signal.pthread_sigmask, signal.SIG_SETMASK, before)
    return {
        "pid": os.getpid(),
        "tid": tid,
        "thread": threading.get_ident(),
        "child": child,
        "ended": ended,
        "pidfd": _attempt(lambda: keep(os.pidfd_open(os.getpid()))),
        "usr1": usr1,
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "cpus": os.sched_getaffinity(0),
        "nofile": resource.getrlimit(resource.RLIMIT_NOFILE),
        "no_signals": [],
        "stamps": (1_000_000_000, 1_000_000_000),
    }


def _events(stack: ExitStack, keep: Callable[[int], int], names: dict[str, Any]) -> dict[str, Any]:
    epoll = select.epoll()
    stack.callback(epoll.close)
    poll = select.poll()
    for waiter in (epoll, poll):
        waiter.register(names["writer"], select.EPOLLOUT)
    made = {
        "epoll": epoll,
        "epfd": epoll.fileno(),
        "epoll_event": pysyscall.EpollEvent(select.EPOLLOUT, names["writer"]),
        "poll_object": poll,
        "pollfds": [pysyscall.PollFd(names["writer"], select.POLLOUT)],
        "write_fds": [names["writer"]],
        "unlock": pysyscall.Flock(fcntl.F_UNLCK, os.SEEK_SET, 0, 1),
        "nothing": [],
        "timer": _attempt(lambda: keep(pysyscall.timerfd_create(time.CLOCK_MONOTONIC, 0))),
        "never": ((0, 0), (0, 0)),
    }

    def terminal() -> int:
        return [keep(fd) for fd in os.openpty()][1]

    return made | {"terminal": _attempt(terminal)}


def _memory(stack: ExitStack) -> dict[str, Any]:
    mapping = mmap.mmap(-1, mmap.PAGESIZE)
    stack.callback(mapping.close)
    # ctypes' view is gone with this expression, so that the mapping can be closed.
    address = ctypes.addressof(ctypes.c_char.from_buffer(mapping))
    return {"mapping": mapping, "address": address, "page": mmap.PAGESIZE}
