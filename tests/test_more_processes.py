"""More calls on processes: ids, waiting, execution, scheduling, pidfds, namespaces, threads."""

from __future__ import annotations

import array
import contextlib
import errno
import mmap
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from samples import address_of
from test_processes import NO_PROCESS, ROOT, in_child, needs_root

import pysyscall
from pysyscall import (
    CLONE_FILES,
    CLONE_FS,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    PRIO_PGRP,
    PRIO_PROCESS,
    PRIO_USER,
    SCHED_BATCH,
    SCHED_FIFO,
    SCHED_IDLE,
    SCHED_OTHER,
    SCHED_RESET_ON_FORK,
    SCHED_RR,
    Rlimit,
    Rusage,
    SchedAttr,
    SchedParam,
    SiginfoChild,
    SiginfoQueue,
    Timespec,
)

NOBODY = 65534


def give_up_rights() -> None:
    if ROOT:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


def child(function: Callable[[], Any]) -> int:
    """Forks a child that calls the function and ends with what that returns, or with 99."""
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            status = function() or 0
        finally:
            os._exit(status)
    return pid


@pytest.fixture
def sleeper() -> Iterator[int]:
    """A child that waits for a signal to end it."""
    pid = child(lambda: time.sleep(60))
    yield pid
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


# Ids


@needs_root
@pytest.mark.parametrize(
    ("name", "arguments", "ids"),
    [
        ("set{}id", (5,), (5, 5, 5)),
        ("setre{}id", (5, 6), (5, 6, 6)),
        ("setre{}id", (-1, 6), (0, 6, 6)),
        ("setre{}id", (-1, -1), (0, 0, 0)),
        ("setres{}id", (1, 2, 3), (1, 2, 3)),
        ("setres{}id", (-1, 2, -1), (0, 2, 0)),
        ("setres{}id", (2**32 - 2, 2, 2**32 - 1), (2**32 - 2, 2, 0)),
    ],
)
@pytest.mark.parametrize("whose", ["u", "g"])
def test_set_ids(
    name: str, arguments: tuple[int, ...], ids: tuple[int, int, int], whose: str
) -> None:
    def change() -> object:
        os.setgid(0)
        assert getattr(pysyscall, name.format(whose))(*arguments) is None
        return os.getresuid(), os.getresgid()

    none = (0, 0, 0)
    assert in_child(change) == ((ids, none) if whose == "u" else (none, ids))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        *((f"set{whose}id", (0,)) for whose in "ug"),
        *((f"setre{whose}id", (-1, 0)) for whose in "ug"),
        *((f"setres{whose}id", (-1, -1, 0)) for whose in "ug"),
        ("setgroups", ([0],)),
    ],
)
def test_other_ids_need_rights(name: str, arguments: tuple[Any, ...]) -> None:
    def change() -> None:
        give_up_rights()
        getattr(pysyscall, name)(*arguments)

    with pytest.raises(PermissionError):
        in_child(change)


@pytest.mark.parametrize("name", ["setuid", "setgid"])
@pytest.mark.parametrize("value", [-2, 2**32])
def test_ids_must_fit(name: str, value: int) -> None:
    with pytest.raises(OverflowError):
        getattr(pysyscall, name)(value)


@needs_root
def test_only_the_calling_thread_changes() -> None:
    def change() -> object:
        told: list[object] = []

        def thread() -> None:
            pysyscall.setresgid(7, 7, 7)
            pysyscall.setgroups([7])
            pysyscall.setuid(7)
            told.append((os.getuid(), os.getgid(), os.getgroups()))

        before = os.getgroups()
        worker = threading.Thread(target=thread)
        worker.start()
        worker.join()
        return told, (os.getuid(), os.getgid(), os.getgroups() == before)

    assert in_child(change) == ([(7, 7, [7])], (0, os.getgid(), True))


@needs_root
@pytest.mark.parametrize(("name", "line"), [("setfsuid", "Uid"), ("setfsgid", "Gid")])
def test_set_the_id_for_files(name: str, line: str) -> None:
    def change() -> object:
        call = getattr(pysyscall, name)
        before = call(5), call(-1)
        status = Path("/proc/thread-self/status").read_text()
        return before, status.split(f"{line}:")[1].split()[:4]

    assert in_child(change) == ((0, 5), ["0", "0", "0", "5"])


@pytest.mark.parametrize("name", ["setfsuid", "setfsgid"])
def test_the_id_for_files_stays_without_rights(name: str) -> None:
    def change() -> object:
        give_up_rights()
        call = getattr(pysyscall, name)
        return call(0) == call(-1) == (NOBODY if ROOT else call(-1))

    assert in_child(change) is True


@needs_root
@pytest.mark.parametrize("kind", [list, tuple, iter, set])
@pytest.mark.parametrize("count", [0, 1, 65536])
def test_setgroups(kind: Callable[[range], Any], count: int) -> None:
    wanted = range(100, 100 + count)

    def change() -> object:
        assert pysyscall.setgroups(kind(wanted)) is None
        return os.getgroups()

    assert in_child(change) == list(wanted)


@needs_root
def test_setgroups_takes_no_more_than_the_kernel_does() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        in_child(lambda: pysyscall.setgroups(range(65537)))


def test_getpgrp() -> None:
    assert pysyscall.getpgrp() == os.getpgrp()


def test_setpgid(sleeper: int) -> None:
    assert pysyscall.setpgid(sleeper, sleeper) is None
    assert os.getpgid(sleeper) == sleeper
    pysyscall.setpgid(sleeper, os.getpgrp())
    assert os.getpgid(sleeper) == os.getpgrp()

    def change() -> object:
        pysyscall.setpgid(0, 0)
        return os.getpid(), os.getpgrp(), pysyscall.getpgrp()

    assert len(set(in_child(change))) == 1


# Limits and priorities


@pytest.mark.parametrize("limit", [Rlimit(90, 100), (90, 100), Rlimit(rlim_max=100)])
def test_setrlimit(limit: Any) -> None:
    def change() -> object:
        assert pysyscall.setrlimit(pysyscall.RLIMIT_NOFILE, limit) is None
        return resource.getrlimit(resource.RLIMIT_NOFILE)

    assert in_child(change) == tuple(limit)


def test_setrlimit_unlimited() -> None:
    unlimited = 2**64 - 1

    def change() -> object:
        hard = pysyscall.getrlimit(pysyscall.RLIMIT_CPU).rlim_max
        pysyscall.setrlimit(pysyscall.RLIMIT_CPU, (hard, hard))
        told = resource.getrlimit(resource.RLIMIT_CPU)
        return tuple(unlimited if n == -1 else n for n in told) == (hard, hard)

    assert in_child(change) is True


@pytest.mark.parametrize("nice", [1, 19, pytest.param(-20, marks=needs_root), 100])
@pytest.mark.parametrize("which", [PRIO_PROCESS, PRIO_PGRP])
def test_setpriority(nice: int, which: int) -> None:
    def change() -> object:
        os.setpgid(0, 0)
        assert pysyscall.setpriority(which, 0, nice) is None
        who = os.getpid()
        return os.getpriority(which, 0), pysyscall.getpriority(which, 0), who == os.getpgrp()

    clamped = min(nice, 19)
    assert in_child(change) == (clamped, clamped, True)


@pytest.mark.parametrize("which", [PRIO_PROCESS, PRIO_PGRP, PRIO_USER])
def test_getpriority_tells_what_os_tells(which: int) -> None:
    assert pysyscall.getpriority(which, 0) == os.getpriority(which, 0)


def test_a_higher_priority_needs_rights() -> None:
    def change() -> None:
        give_up_rights()
        resource.setrlimit(resource.RLIMIT_NICE, (0, 0))
        pysyscall.setpriority(PRIO_PROCESS, 0, -1)

    with pytest.raises(PermissionError):
        in_child(change)


BEST_EFFORT, IDLE = (getattr(pysyscall, f"IOPRIO_CLASS_{name}") << 13 for name in ("BE", "IDLE"))


@pytest.mark.parametrize("priority", [BEST_EFFORT | 5, BEST_EFFORT, IDLE])
@pytest.mark.parametrize("who", [pysyscall.IOPRIO_WHO_PROCESS, pysyscall.IOPRIO_WHO_PGRP])
def test_ioprio_set(sleeper: int, priority: int, who: int) -> None:
    os.setpgid(sleeper, sleeper)
    before = pysyscall.ioprio_get(pysyscall.IOPRIO_WHO_PROCESS, 0)
    assert pysyscall.ioprio_set(who, sleeper, priority) is None
    assert pysyscall.ioprio_get(who, sleeper) == priority
    assert pysyscall.ioprio_get(pysyscall.IOPRIO_WHO_PROCESS, 0) == before


# Scheduling


@pytest.mark.parametrize("policy", [SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_IDLE])
def test_priorities_of_a_policy(policy: int) -> None:
    low, high = os.sched_get_priority_min(policy), os.sched_get_priority_max(policy)
    assert pysyscall.sched_get_priority_min(policy) == low
    assert pysyscall.sched_get_priority_max(policy) == high


POLICIES = [
    (SCHED_BATCH, 0),
    (SCHED_IDLE, 0),
    (SCHED_BATCH | SCHED_RESET_ON_FORK, 0),
    pytest.param(SCHED_RR, 5, marks=needs_root),
    pytest.param(SCHED_FIFO | SCHED_RESET_ON_FORK, 1, marks=needs_root),
]


@pytest.mark.parametrize(("policy", "priority"), POLICIES)
@pytest.mark.parametrize("kind", [SchedParam, lambda priority: (priority,)])
def test_sched_setscheduler(
    sleeper: int, policy: int, priority: int, kind: Callable[[int], Any]
) -> None:
    assert pysyscall.sched_setscheduler(sleeper, policy, kind(priority)) is None
    assert os.sched_getscheduler(sleeper) == pysyscall.sched_getscheduler(sleeper) == policy
    assert os.sched_getparam(sleeper).sched_priority == priority
    told = pysyscall.sched_getparam(sleeper)
    assert type(told) is SchedParam
    assert tuple(told) == (priority,)


@needs_root
def test_sched_setparam(sleeper: int) -> None:
    os.sched_setscheduler(sleeper, SCHED_RR, os.sched_param(3))
    assert pysyscall.sched_setparam(sleeper, SchedParam(7)) is None
    assert os.sched_getparam(sleeper).sched_priority == 7


@pytest.mark.parametrize("policy", [SCHED_OTHER, pytest.param(SCHED_RR, marks=needs_root)])
def test_sched_rr_get_interval(sleeper: int, policy: int) -> None:
    os.sched_setscheduler(sleeper, policy, os.sched_param(policy == SCHED_RR))
    told = pysyscall.sched_rr_get_interval(sleeper)
    assert type(told) is Timespec
    expected = os.sched_rr_get_interval(sleeper)
    assert told.tv_sec + told.tv_nsec / 1e9 == pytest.approx(expected)


@pytest.mark.parametrize(
    "attr",
    [
        SchedAttr(SCHED_BATCH, sched_nice=5),
        SchedAttr(SCHED_IDLE, pysyscall.SCHED_FLAG_RESET_ON_FORK),
        pytest.param(SchedAttr(SCHED_RR, sched_priority=4), marks=needs_root),
    ],
)
def test_sched_setattr(sleeper: int, attr: SchedAttr) -> None:
    assert pysyscall.sched_setattr(sleeper, attr) is None
    policy = attr.sched_policy | (SCHED_RESET_ON_FORK if attr.sched_flags else 0)
    assert os.sched_getscheduler(sleeper) == policy
    assert os.sched_getparam(sleeper).sched_priority == attr.sched_priority
    assert os.getpriority(os.PRIO_PROCESS, sleeper) == attr.sched_nice
    told = pysyscall.sched_getattr(sleeper)
    assert type(told) is SchedAttr
    for name in ("sched_policy", "sched_flags", "sched_nice", "sched_priority"):
        assert getattr(told, name) == getattr(attr, name)
    assert told.size >= 48


@needs_root
def test_sched_setattr_with_a_deadline(sleeper: int) -> None:
    millisecond = 1_000_000
    attr = SchedAttr(
        pysyscall.SCHED_DEADLINE,
        sched_runtime=millisecond,
        sched_deadline=10 * millisecond,
        sched_period=100 * millisecond,
    )
    try:
        pysyscall.sched_setattr(sleeper, attr)
    except PermissionError:
        pytest.skip("no deadlines here")
    told = pysyscall.sched_getattr(sleeper)
    for name in ("sched_policy", "sched_runtime", "sched_deadline", "sched_period"):
        assert getattr(told, name) == getattr(attr, name)


def test_getcpu() -> None:
    def pinned(cpu: int) -> object:
        os.sched_setaffinity(0, [cpu])
        return pysyscall.getcpu()

    for cpu in os.sched_getaffinity(0):
        told, node = in_child(lambda cpu=cpu: pinned(cpu))
        assert told == cpu
        nodes = [path.name for path in Path(f"/sys/devices/system/cpu/cpu{cpu}").glob("node*")]
        assert f"node{node}" in (nodes or ["node0"])


# Waiting


def test_wait4_tells_the_end_and_what_was_used() -> None:
    def work() -> int:
        until = time.process_time() + 0.03
        while time.process_time() < until:
            pass
        return 7

    pid = child(work)
    told, status, usage = pysyscall.wait4(pid)
    assert (told, os.waitstatus_to_exitcode(status)) == (pid, 7)
    assert type(usage) is Rusage
    assert 0.02 < usage.ru_utime + usage.ru_stime < 10
    assert usage.ru_maxrss > 1000
    with pytest.raises(ChildProcessError):
        pysyscall.wait4(pid)


def test_wait4_tells_a_signal_a_stop_and_a_continuation(sleeper: int) -> None:
    assert pysyscall.wait4(sleeper, pysyscall.WNOHANG)[:2] == (0, 0)
    os.kill(sleeper, signal.SIGSTOP)
    pid, status, _ = pysyscall.wait4(sleeper, pysyscall.WUNTRACED)
    assert (pid, os.WIFSTOPPED(status), os.WSTOPSIG(status)) == (sleeper, True, signal.SIGSTOP)
    os.kill(sleeper, signal.SIGCONT)
    pid, status, _ = pysyscall.wait4(sleeper, pysyscall.WCONTINUED)
    assert (pid, os.WIFCONTINUED(status)) == (sleeper, True)
    os.kill(sleeper, signal.SIGTERM)
    pid, status, _ = pysyscall.wait4(sleeper)
    assert (pid, os.WTERMSIG(status)) == (sleeper, signal.SIGTERM)


def test_wait4_waits_for_any_child_of_a_group() -> None:
    def family() -> object:
        os.setpgid(0, 0)
        pids = {child(lambda: 3), child(lambda: 3)}
        told = {pysyscall.wait4(which)[0] for which in (-1, 0)}
        return told == pids

    assert in_child(family) is True


@pytest.mark.parametrize("by", ["P_PID", "P_PIDFD", "P_PGID", "P_ALL"])
def test_waitid(by: str) -> None:
    def family() -> object:
        pid = child(lambda: 9)
        which = {"P_PID": pid, "P_PIDFD": os.pidfd_open(pid), "P_PGID": os.getpgrp(), "P_ALL": 0}
        kind = getattr(pysyscall, by)
        flags = pysyscall.WEXITED
        before = pysyscall.waitid(kind, which[by], flags | pysyscall.WNOWAIT)
        told, usage = pysyscall.waitid(kind, which[by], flags)
        assert type(told) is SiginfoChild
        assert type(usage) is Rusage
        assert before[0] == told
        with pytest.raises(ChildProcessError):
            pysyscall.waitid(pysyscall.P_PID, pid, flags)
        ids = told.si_pid == pid, told.si_uid == os.getuid()
        return ids, told.si_signo, told.si_code, told.si_status

    ended = ((True, True), signal.SIGCHLD, os.CLD_EXITED, 9)
    assert in_child(family) == ended


def test_waitid_tells_what_os_tells(sleeper: int) -> None:
    def told(flags: int) -> object:
        info, _ = pysyscall.waitid(pysyscall.P_PID, sleeper, flags | pysyscall.WNOWAIT)
        theirs = os.waitid(os.P_PID, sleeper, flags | os.WNOWAIT)
        assert theirs is not None
        for name in ("si_pid", "si_uid", "si_signo", "si_status", "si_code"):
            assert getattr(info, name) == getattr(theirs, name)
        os.waitid(os.P_PID, sleeper, flags)
        return info.si_code, info.si_status

    nothing, _ = pysyscall.waitid(pysyscall.P_PID, sleeper, pysyscall.WEXITED | pysyscall.WNOHANG)
    assert (nothing.si_pid, nothing.si_signo) == (0, 0)
    os.kill(sleeper, signal.SIGSTOP)
    assert told(os.WSTOPPED) == (os.CLD_STOPPED, signal.SIGSTOP)
    os.kill(sleeper, signal.SIGCONT)
    assert told(os.WCONTINUED) == (os.CLD_CONTINUED, signal.SIGCONT)
    os.kill(sleeper, signal.SIGKILL)
    assert told(os.WEXITED) == (os.CLD_KILLED, signal.SIGKILL)


# Execution


def executed(call: Callable[[], object]) -> tuple[bytes, int]:
    """What a child writes that makes the call, and its exit status; 99 if the call came back."""
    reader, writer = os.pipe()

    def run() -> int:
        os.dup2(writer, 1)
        call()
        return 99

    pid = child(run)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        written = pipe.read()
    return written, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


SCRIPT = 'echo "$0 $1 $PYSYSCALL"; exit 3'


@pytest.mark.parametrize("path", ["/bin/sh", b"/bin/sh", Path("/bin/sh")])
@pytest.mark.parametrize("argv", [list, tuple])
def test_execve(path: Any, argv: Callable[[list[Any]], Any]) -> None:
    arguments = argv(["sh", "-c", SCRIPT, b"name", "\udcff"])
    told = executed(lambda: pysyscall.execve(path, arguments, {"PYSYSCALL": "ünïcode"}))
    assert told == (b"name \xff " + "ünïcode\n".encode(), 3)


def shell(environment: Any) -> Callable[..., None]:
    def call(dirfd: int | None, path: str, flags: int = 0) -> None:
        arguments = ["sh", "-c", SCRIPT, "a", "b"]
        pysyscall.execveat(dirfd, path, arguments, environment, flags)

    return call


@pytest.mark.parametrize("environment", [{"PYSYSCALL": "c"}, {b"PYSYSCALL": b"c"}])
@pytest.mark.parametrize(
    ("opened", "path", "flags"),
    [
        (None, "/bin/sh", 0),
        ("/bin", "sh", 0),
        ("/bin/sh", "", pysyscall.AT_EMPTY_PATH),
    ],
)
def test_execveat(
    keep: Callable[[int], int], environment: Any, opened: str | None, path: str, flags: int
) -> None:
    dirfd = None if opened is None else keep(os.open(opened, os.O_RDONLY))
    told = executed(lambda: shell(environment)(dirfd, path, flags))
    assert told == (b"a b c\n", 3)


def test_execveat_checks_only(tmp_path: Path) -> None:
    def check(path: str) -> None:
        pysyscall.execveat(None, path, ["x"], {}, pysyscall.AT_EXECVE_CHECK)

    try:
        assert in_child(lambda: check("/bin/sh")) is None
    except OSError as error:
        assert error.errno == errno.EINVAL, "a kernel before 6.14"
        return
    plain = tmp_path / "plain"
    plain.write_text("no program")
    with pytest.raises(PermissionError):
        in_child(lambda: check(str(plain)))


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("missing", errno.ENOENT),
        ("plain", errno.EACCES),
        ("text", errno.ENOEXEC),
        (".", errno.EACCES),
    ],
)
def test_what_is_not_executed(tmp_path: Path, path: str, error: int) -> None:
    (tmp_path / "plain").write_text("")
    (tmp_path / "text").write_text("no program")
    (tmp_path / "text").chmod(0o755)
    whole = str(tmp_path / path)
    for call in (
        lambda: pysyscall.execve(whole, ["x"], {}),
        lambda: pysyscall.execveat(None, whole, ["x"], {}),
    ):
        with pytest.raises(OSError) as caught:
            in_child(call)
        assert caught.value.errno == error
        assert caught.value.filename == whole


@pytest.mark.parametrize(
    ("argv", "envp", "error"),
    [
        (["a\0b"], {}, ValueError),
        (["a"], {"x": "a\0b"}, ValueError),
        (["a", 3], {}, TypeError),
        ("text", {}, TypeError),
        (["a"], None, TypeError),
        (["a"], {"x": 3}, TypeError),
    ],
)
def test_arguments_that_no_program_can_have(argv: Any, envp: Any, error: type[Exception]) -> None:
    for call in (
        lambda: pysyscall.execve("/bin/true", argv, envp),
        lambda: pysyscall.execveat(None, "/bin/true", argv, envp),
    ):
        with pytest.raises(error):
            in_child(call)


def test_too_many_arguments() -> None:
    with pytest.raises(OSError) as caught:
        in_child(lambda: pysyscall.execve("/bin/true", ["x" * 200_000], {}))
    assert caught.value.errno == errno.E2BIG


# pidfds


def pidfd_info(fd: int) -> dict[str, str]:
    lines = Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines()
    return {name: rest.strip() for name, _, rest in (line.partition(":") for line in lines)}


@pytest.mark.parametrize("flags", [0, pysyscall.PIDFD_NONBLOCK])
def test_pidfd_open(keep: Callable[[int], int], sleeper: int, flags: int) -> None:
    fd = keep(pysyscall.pidfd_open(sleeper, flags))
    assert pidfd_info(fd)["Pid"] == str(sleeper)
    assert not os.get_inheritable(fd)
    assert os.get_blocking(fd) == (not flags)
    if flags:
        with pytest.raises(BlockingIOError):
            pysyscall.waitid(pysyscall.P_PIDFD, fd, pysyscall.WEXITED)
    assert select.select([fd], [], [], 0)[0] == []
    os.kill(sleeper, signal.SIGKILL)
    assert select.select([fd], [], [], 10)[0] == [fd]


def test_pidfd_getfd(keep: Callable[[int], int], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("content")
    here, there = os.pipe()

    def hold() -> None:
        fd = os.open(path, os.O_RDONLY)
        os.write(there, bytes([fd]))
        time.sleep(60)

    pid = child(hold)
    try:
        (theirs,) = os.read(here, 1)
        pidfd = keep(os.pidfd_open(pid))
        fd = keep(pysyscall.pidfd_getfd(pidfd, theirs))
        assert os.path.samestat(os.fstat(fd), path.stat())
        assert os.read(fd, 100) == b"content"
        assert not os.get_inheritable(fd)
        with pytest.raises(OSError, match="Bad file descriptor"):
            pysyscall.pidfd_getfd(pidfd, 2**20)
        with pytest.raises(OSError, match="Invalid argument"):
            pysyscall.pidfd_getfd(pidfd, theirs, 1)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(here)
        os.close(there)


def test_pidfd_send_signal(keep: Callable[[int], int], sleeper: int) -> None:
    pidfd = keep(os.pidfd_open(sleeper))
    assert pysyscall.pidfd_send_signal(pidfd, 0) is None
    assert pysyscall.pidfd_send_signal(pidfd, pysyscall.SIGTERM) is None
    assert os.WTERMSIG(os.waitpid(sleeper, 0)[1]) == signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        pysyscall.pidfd_send_signal(pidfd, 0)


def test_pidfd_send_signal_with_info(keep: Callable[[int], int]) -> None:
    number = signal.SIGUSR1
    pidfd = keep(os.pidfd_open(os.getpid()))
    sent = SiginfoQueue(pysyscall.SI_QUEUE, 99, 1234, 5678, si_signo=number)
    info = pysyscall.Siginfo.from_bytes(sent.to_bytes())
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        pysyscall.pidfd_send_signal(pidfd, number, info)
        told = signal.sigtimedwait([number], 5)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    assert told is not None
    assert (told.si_signo, told.si_code) == (number, pysyscall.SI_QUEUE)
    assert (told.si_pid, told.si_uid) == (1234, 5678)


def test_process_mrelease(keep: Callable[[int], int], sleeper: int) -> None:
    """Only what a process that is being killed still holds can be taken from it."""
    pidfd = keep(os.pidfd_open(sleeper))
    with pytest.raises(OSError) as caught:
        pysyscall.process_mrelease(pidfd)
    assert caught.value.errno == errno.EINVAL
    os.kill(sleeper, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):  # where the end was faster
        assert pysyscall.process_mrelease(pidfd) is None
    os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
    with pytest.raises(ProcessLookupError):
        pysyscall.process_mrelease(pidfd)


# Namespaces


def namespaces() -> dict[str, int]:
    """The caller's; one that has no process yet isn't there."""
    paths = Path("/proc/thread-self/ns").iterdir()
    return {path.name: path.stat().st_ino for path in paths if path.exists()}


@pytest.mark.parametrize("name", ["uts", "ipc", "mnt", "net", "cgroup", "user", "pid", "time"])
def test_unshare_makes_a_namespace(name: str) -> None:
    flag = getattr(pysyscall, f"CLONE_NEW{'NS' if name == 'mnt' else name.upper()}")

    def leave() -> object:
        before = namespaces()
        assert pysyscall.unshare(flag | CLONE_NEWUSER) is None
        after = namespaces()
        return {kind for kind in before if before[kind] != after.get(kind)}

    try:
        changed = in_child(leave)
    except PermissionError:
        pytest.skip("no namespaces for this user")
    if name in ("pid", "time"):
        name += "_for_children"
    assert changed == {name, "user"}


def test_unshare_gives_a_thread_its_own_directory_and_descriptors(tmp_path: Path) -> None:
    def leave() -> object:
        told: list[object] = []
        before = Path.cwd()
        reader, writer = os.pipe()

        def thread() -> None:
            pysyscall.unshare(CLONE_FS | CLONE_FILES)
            os.chdir(tmp_path)
            os.close(reader)
            told.append(Path.cwd())

        worker = threading.Thread(target=thread)
        worker.start()
        worker.join()
        os.write(writer, b"x")
        return told, Path.cwd() == before, os.read(reader, 1)

    assert in_child(leave) == ([tmp_path], True, b"x")


@needs_root
@pytest.mark.parametrize("by", ["file", "pidfd"])
def test_setns(sleeper: int, by: str) -> None:
    def move() -> object:
        start = namespaces()["uts"]
        pysyscall.unshare(CLONE_NEWUTS)
        own = namespaces()["uts"]
        if by == "file":
            fd = os.open(f"/proc/{sleeper}/ns/uts", os.O_RDONLY)
        else:
            fd = os.pidfd_open(sleeper)
        assert pysyscall.setns(fd, CLONE_NEWUTS) is None
        return own != start, namespaces()["uts"] == start

    try:
        assert in_child(move) == (True, True)
    except PermissionError:
        pytest.skip("no namespaces for this user")


def test_setns_checks_the_kind(keep: Callable[[int], int]) -> None:
    fd = keep(os.open("/proc/self/ns/uts", os.O_RDONLY))
    for arguments in ((fd, pysyscall.CLONE_NEWNET), (keep(os.open("/", os.O_RDONLY)),)):
        with pytest.raises(OSError) as caught:
            in_child(lambda arguments=arguments: pysyscall.setns(*arguments))
        assert caught.value.errno == errno.EINVAL


# Threads and the processor


def test_personality() -> None:
    def change() -> object:
        flag = pysyscall.ADDR_NO_RANDOMIZE
        before = pysyscall.personality(0xFFFFFFFF)
        assert pysyscall.personality(before | flag) == before
        told = int(Path("/proc/self/personality").read_text(), 16)
        return pysyscall.personality(0xFFFFFFFF) == told == before | flag

    assert in_child(change) is True


def test_membarrier() -> None:
    def barrier() -> object:
        commands = pysyscall.membarrier(pysyscall.MEMBARRIER_CMD_QUERY)
        private = pysyscall.MEMBARRIER_CMD_PRIVATE_EXPEDITED
        register = pysyscall.MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED
        assert commands & private
        assert commands & register
        with pytest.raises(PermissionError):
            pysyscall.membarrier(private)
        assert pysyscall.membarrier(register) == 0
        assert pysyscall.membarrier(private) == 0
        registrations = pysyscall.MEMBARRIER_CMD_GET_REGISTRATIONS
        if commands & registrations:
            assert pysyscall.membarrier(registrations) == register
        return commands & pysyscall.MEMBARRIER_CMD_GLOBAL

    assert in_child(barrier)


# libc registers its own area unless it is told not to.
RSEQ = """
import mmap, os, struct
import pysyscall
from pysyscall._raw import ffi
area = mmap.mmap(-1, 4096)
address = int(ffi.cast("uintptr_t", ffi.from_buffer(area)))
area[:8] = struct.pack("II", 0, 2**32 - 1)
cpu = min(os.sched_getaffinity(0))
os.sched_setaffinity(0, [cpu])
print(pysyscall.rseq(address, 32, 0, 0x53053053))
os.sched_yield()
print(struct.unpack("II", area[:8]) == (cpu, cpu))
try:
    pysyscall.rseq(address, 32, 0, 0x53053053)
except OSError as error:
    print(error.errno)
print(pysyscall.rseq(address, 32, pysyscall.RSEQ_FLAG_UNREGISTER, 0x53053053))
print(struct.unpack("II", area[:8]))
"""


def test_rseq() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", RSEQ],
        env=os.environ
        | {
            "PYTHONPATH": str(Path(pysyscall.__file__).parents[1]),
            "GLIBC_TUNABLES": "glibc.pthread.rseq=0",
        },
        capture_output=True,
        text=True,
        timeout=10,
    )
    assert ended.stderr == ""
    none = 2**32 - 1
    assert ended.stdout.splitlines() == ["None", "True", str(errno.EBUSY), "None", f"(0, {none})"]


def test_rseq_slice_yield() -> None:
    """Without an extended slice there is nothing to give back."""
    try:
        assert pysyscall.rseq_slice_yield() == 0
    except OSError as error:
        assert error.errno == errno.ENOSYS


def test_set_tid_address() -> None:
    cell = array.array("i", [1])
    address, _ = cell.buffer_info()

    def change() -> object:
        assert pysyscall.set_tid_address(address) == os.getpid()
        told, pr_get_tid_address = array.array("Q", [0]), 40
        try:
            pysyscall.syscall("prctl", pr_get_tid_address, told)
        except OSError:
            return address  # the kernel does not tell
        return told[0]

    assert in_child(change) == address


def test_robust_list() -> None:
    """A lock whose owner ends is marked, for those who wait."""
    memory = mmap.mmap(-1, 4096)
    words = memoryview(memory).cast("Q")
    address = address_of(words)
    node = address + 64
    words[0:3] = array.array("Q", [node, 8, 0])  # the head: first entry, where its lock is, none
    words[8] = address  # the entry, which is the last one

    def end() -> object:
        assert pysyscall.set_robust_list(address) is None
        words[9] = os.getpid()  # its lock is held
        return pysyscall.get_robust_list(0), pysyscall.get_robust_list(os.getpid())

    assert in_child(end) == ((address, 24), (address, 24))
    owner_died = 1 << 30
    assert words[9] == owner_died


def test_get_robust_list_of_another(sleeper: int) -> None:
    head, size = pysyscall.get_robust_list(0)
    assert size == 24
    until = time.monotonic() + 10
    while pysyscall.get_robust_list(sleeper)[0] == 0 and time.monotonic() < until:
        time.sleep(0.001)  # libc sets the list once the child runs
    assert pysyscall.get_robust_list(sleeper) == (head, size)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: pysyscall.iopl(4), errno.EINVAL),
        (lambda: pysyscall.ioperm(65536, 1, 0), errno.EINVAL),
        (lambda: pysyscall.ioperm(0, 0, 0), errno.EINVAL),
    ],
)
def test_ports(call: Callable[[], object], error: int) -> None:
    """A kernel can be built without them."""
    with pytest.raises(OSError) as caught:
        in_child(call)
    assert caught.value.errno in (error, errno.ENOSYS)


@pytest.mark.parametrize("call", [lambda: pysyscall.iopl(3), lambda: pysyscall.ioperm(0x80, 1, 1)])
def test_ports_need_rights(call: Callable[[], object]) -> None:
    def attempt() -> None:
        give_up_rights()
        call()

    with pytest.raises(OSError) as caught:
        in_child(attempt)
    assert caught.value.errno in (errno.EPERM, errno.ENOSYS)


# Refusals

NO_FD = 2**20


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: pysyscall.setpgid(NO_PROCESS, 0), errno.ESRCH),
        (lambda: pysyscall.setpgid(0, -1), errno.EINVAL),
        (lambda: pysyscall.setpgid(0, NO_PROCESS), errno.EPERM),
        (lambda: pysyscall.setrlimit(99, (0, 0)), errno.EINVAL),
        (lambda: pysyscall.setrlimit(pysyscall.RLIMIT_NOFILE, (2, 1)), errno.EINVAL),
        (lambda: pysyscall.getpriority(PRIO_PROCESS, NO_PROCESS), errno.ESRCH),
        (lambda: pysyscall.getpriority(9, 0), errno.EINVAL),
        (lambda: pysyscall.setpriority(PRIO_PROCESS, NO_PROCESS, 0), errno.ESRCH),
        (lambda: pysyscall.setpriority(9, 0, 0), errno.EINVAL),
        (lambda: pysyscall.ioprio_get(9, 0), errno.EINVAL),
        (lambda: pysyscall.ioprio_get(1, NO_PROCESS), errno.ESRCH),
        (lambda: pysyscall.ioprio_set(1, 0, 6 << 13), errno.EINVAL),
        (lambda: pysyscall.ioprio_set(1, NO_PROCESS, IDLE), errno.ESRCH),
        (lambda: pysyscall.sched_getparam(NO_PROCESS), errno.ESRCH),
        (lambda: pysyscall.sched_setparam(NO_PROCESS, SchedParam(0)), errno.ESRCH),
        (lambda: pysyscall.sched_setparam(0, SchedParam(5)), errno.EINVAL),
        (lambda: pysyscall.sched_getscheduler(NO_PROCESS), errno.ESRCH),
        (lambda: pysyscall.sched_setscheduler(NO_PROCESS, 0, (0,)), errno.ESRCH),
        (lambda: pysyscall.sched_setscheduler(0, 99, (0,)), errno.EINVAL),
        (lambda: pysyscall.sched_get_priority_max(99), errno.EINVAL),
        (lambda: pysyscall.sched_get_priority_min(99), errno.EINVAL),
        (lambda: pysyscall.sched_rr_get_interval(NO_PROCESS), errno.ESRCH),
        (lambda: pysyscall.sched_getattr(NO_PROCESS), errno.ESRCH),
        (lambda: pysyscall.sched_getattr(0, 1 << 9), errno.EINVAL),
        (lambda: pysyscall.sched_setattr(NO_PROCESS, SchedAttr()), errno.ESRCH),
        (lambda: pysyscall.sched_setattr(0, SchedAttr(99)), errno.EINVAL),
        (lambda: pysyscall.sched_setattr(0, SchedAttr(), 1), errno.EINVAL),
        (lambda: pysyscall.wait4(NO_PROCESS), errno.ECHILD),
        (lambda: pysyscall.wait4(-1, 1 << 20), errno.EINVAL),
        (lambda: pysyscall.waitid(0, 0, 0), errno.EINVAL),
        (lambda: pysyscall.waitid(9, 0, pysyscall.WEXITED), errno.EINVAL),
        (lambda: pysyscall.waitid(1, NO_PROCESS, pysyscall.WEXITED), errno.ECHILD),
        (lambda: pysyscall.waitid(3, NO_FD, pysyscall.WEXITED), errno.EBADF),
        (lambda: pysyscall.pidfd_open(NO_PROCESS - 1), errno.ESRCH),
        (lambda: pysyscall.pidfd_open(0), errno.EINVAL),
        (lambda: pysyscall.pidfd_open(os.getpid(), 1), errno.EINVAL),
        (lambda: pysyscall.pidfd_getfd(NO_FD, 0), errno.EBADF),
        (lambda: pysyscall.pidfd_send_signal(NO_FD, 0), errno.EBADF),
        (lambda: pysyscall.process_mrelease(NO_FD), errno.EBADF),
        (lambda: pysyscall.process_mrelease(NO_FD, 1), errno.EINVAL),
        (lambda: pysyscall.unshare(1 << 5), errno.EINVAL),
        (lambda: pysyscall.setns(NO_FD), errno.EBADF),
        (lambda: pysyscall.membarrier(1 << 30), errno.EINVAL),
        (lambda: pysyscall.membarrier(0, 1 << 5), errno.EINVAL),
        (lambda: pysyscall.rseq(0, 32, 1 << 20, 0), errno.EINVAL),
        (lambda: pysyscall.get_robust_list(NO_PROCESS), errno.ESRCH),
    ],
)
def test_refusals(call: Callable[[], object], error: int) -> None:
    with pytest.raises(OSError) as caught:
        in_child(call)
    assert caught.value.errno == error
