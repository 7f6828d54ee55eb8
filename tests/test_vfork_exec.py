"""A child that executes a program, made by vfork: what the program gets, what the caller keeps."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from children import in_child
from this_process import another_thread, children, descriptors

import pysyscall
from pysyscall import vfork_exec


@contextmanager
def output() -> Iterator[tuple[int, list[bytes]]]:
    """A descriptor that children write to, and afterwards what they wrote."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    written: list[bytes] = []
    try:
        yield writer, written
    finally:
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            written.append(file.read())


def shell(script: str, fd: int, *arguments: Any, env: Any = MappingProxyType({})) -> None:
    pid = vfork_exec(
        "/bin/sh", ["sh", "-c", f"{{ {script}; }} >/dev/fd/{fd}", "sh", *arguments], env
    )
    told, status, _ = pysyscall.wait4(pid)
    assert (told, status.exit_code) == (pid, 0)


def test_arguments_and_environment() -> None:
    with output() as (fd, written):
        shell('printf "%s|%s|%s" "$1" "$2" "$A"', fd, b"\xff", Path("/x y"), env={"A": "b=\xe9"})
    assert written == [b"\xff|/x y|b=\xc3\xa9"]


@pytest.mark.parametrize("path", ["/bin/sh", b"/bin/sh", Path("/bin/sh")])
def test_paths(path: Any) -> None:
    pid = vfork_exec(path=path, argv=("sh", "-c", "exit 7"), envp={b"A": b""})
    assert pysyscall.wait4(pid)[1].exit_code == 7


def test_it_is_a_child() -> None:
    with output() as (fd, written):
        shell("echo $PPID", fd)
    assert written == [f"{os.getpid()}\n".encode()]


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/no/such/file", errno.ENOENT),
        (b"/no/such/file", errno.ENOENT),
        (Path("/etc"), errno.EACCES),
        ("/dev/null", errno.EACCES),
        ("/etc/hostname/x", errno.ENOTDIR),
        ("x" * 5000, errno.ENAMETOOLONG),
    ],
)
def test_what_is_not_executed(path: Any, number: int) -> None:
    fds = descriptors()
    with pytest.raises(OSError) as caught:
        vfork_exec(path, ["x"], {})
    assert (caught.value.errno, caught.value.filename) == (number, path)
    assert descriptors() == fds
    assert children() == ""


def test_no_program(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\0\1\2")
    program.chmod(0o700)
    with pytest.raises(OSError) as caught:
        vfork_exec(program, ["x"], {})
    assert (caught.value.errno, caught.value.filename) == (errno.ENOEXEC, program)


def test_too_many_arguments() -> None:
    with pytest.raises(OSError) as caught:
        vfork_exec("/bin/true", ["x" * 100_000] * 100, {})
    assert (caught.value.errno, children()) == (errno.E2BIG, "")


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ((7, [], {}), TypeError, "'path' must be a str, bytes or os.PathLike, not int"),
        (("a\0b", [], {}), ValueError, "'path' "),
        (("/x", "argv", {}), TypeError, "'argv' must be a sequence of str or bytes, not str"),
        (("/x", [1], {}), TypeError, "'argv' "),
        (("/x", ["a\0"], {}), ValueError, "'argv' "),
        (("/x", [], []), TypeError, "'envp' must be a mapping"),
        (("/x", [], {"a=": "b"}), ValueError, "'envp' must have names"),
    ],
)
def test_bad_arguments(args: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=rf"vfork_exec\(\) argument {message}"):
        vfork_exec(*args)


def test_the_number_of_arguments() -> None:
    with pytest.raises(TypeError):
        vfork_exec("/bin/true", [])  # type: ignore[call-arg]


def test_descriptors() -> None:
    closed = os.open("/", os.O_RDONLY)
    with output() as (fd, written):
        shell("ls /proc/self/fd", fd)
    os.close(closed)
    assert str(fd).encode() in written[0].split()
    assert str(closed).encode() not in written[0].split()


# Signals


def masks(text: str) -> dict[str, set[int]]:
    """Sets of signals that a `status` file tells."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name in ("SigBlk", "SigIgn", "SigCgt"):
            mask = int(value, 16)
            found[name] = {bit + 1 for bit in range(64) if mask >> bit & 1}
    return found


def test_signals_of_the_program() -> None:
    """Handlers are reset; what is blocked and ignored stays, but for what Python ignores."""
    before = [
        (number, signal.signal(number, action))
        for number, action in (
            (signal.SIGUSR1, lambda *_: None),
            (signal.SIGUSR2, signal.SIG_IGN),
        )
    ]
    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})
    try:
        assert signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN
        own = masks(Path("/proc/thread-self/status").read_text())
        with output() as (fd, written):
            pid = vfork_exec(
                "/bin/sh", ["sh", "-c", f"exec cat /proc/self/status >/dev/fd/{fd}"], os.environ
            )
            pysyscall.wait4(pid)
        assert masks(Path("/proc/thread-self/status").read_text()) == own
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
        for number, action in before:
            signal.signal(number, action)
    told = masks(written[0].decode())
    assert told["SigBlk"] == own["SigBlk"] >= {signal.SIGWINCH}
    assert signal.SIGUSR1 in own["SigCgt"]
    assert told["SigCgt"] == set()
    assert told["SigIgn"] == own["SigIgn"] - {signal.SIGPIPE, signal.SIGXFSZ}
    assert signal.SIGUSR2 in told["SigIgn"]


def test_signals_that_come_meanwhile() -> None:
    """None is lost, and none runs a handler in a child."""

    def storm() -> object:
        pids: list[int] = []
        signal.signal(signal.SIGALRM, lambda *_: pids.append(os.getpid()))
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        for _ in range(100):
            told = pysyscall.wait4(vfork_exec("/bin/true", ["true"], {}))
            assert told[1] == 0
            with suppress(FileNotFoundError):
                vfork_exec("/missing", [], {})
        signal.setitimer(signal.ITIMER_REAL, 0)
        return bool(pids) and set(pids) == {os.getpid()}

    assert in_child(storm)


def test_a_caller_that_ignores_its_children() -> None:
    def ignoring() -> object:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        with pytest.raises(FileNotFoundError):
            vfork_exec("/missing", [], {})
        return True

    assert in_child(ignoring)


# The caller


def test_no_hook_runs() -> None:
    def family() -> object:
        ran: list[int] = []
        os.register_at_fork(before=lambda: ran.append(1), after_in_child=lambda: ran.append(2))
        pysyscall.wait4(vfork_exec("/bin/true", ["true"], {}))
        return ran

    assert in_child(family) == []


def test_other_threads_go_on(tmp_path: Path) -> None:
    """A program that can't be read yet holds only its own caller: the GIL is free meanwhile."""
    statuses: list[int | None] = []

    def work() -> None:
        for _ in range(20):
            pid = vfork_exec("/bin/sh", ["sh", "-c", "exit 3"], {})
            statuses.append(pysyscall.wait4(pid)[1].exit_code)

    with another_thread():
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses == [3] * 80


def test_audit() -> None:
    code = (
        "import sys, pysyscall\n"
        "sys.addaudithook(lambda name, args: name == 'pysyscall.call' and print(args))\n"
        "try: pysyscall.vfork_exec('/missing', ['a'], {})\n"
        "except FileNotFoundError: pass\n"
    )
    root = Path(pysyscall.__file__).parents[1]
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "('vfork_exec', ('/missing', ['a'], {}))\n"
