"""The smaller families against the real kernel: seccomp, kcmp, landlock, reboot ..."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from children import give_up_rights, in_child
from conditions import needs_root, skip_where

import pysyscall
from pysyscall import Sysno, flags

Keep: TypeAlias = Callable[[int], int]


# seccomp


def test_actions_and_sizes() -> None:
    seccomp = pysyscall.seccomp
    assert seccomp(flags.SECCOMP_GET_ACTION_AVAIL, flags.SECCOMP_RET_ERRNO) is None
    with pytest.raises(OSError, match="not supported"):
        seccomp(flags.SECCOMP_GET_ACTION_AVAIL, 0x12340000)
    sizes = seccomp(flags.SECCOMP_GET_NOTIF_SIZES)
    assert sizes.seccomp_notif == len(pysyscall.SeccompNotif().to_bytes())
    assert sizes.seccomp_notif_resp == len(pysyscall.SeccompNotifResp().to_bytes())


def test_a_listener() -> None:
    """A process is asked for each getppid() of another one, and makes up what it returns."""
    code = [
        (flags.BPF_LD | flags.BPF_W | flags.BPF_ABS, 0, 0, 0),
        (flags.BPF_JMP | flags.BPF_JEQ | flags.BPF_K, 0, 1, int(Sysno.getppid)),
        (flags.BPF_RET | flags.BPF_K, 0, 0, flags.SECCOMP_RET_USER_NOTIF),
        (flags.BPF_RET | flags.BPF_K, 0, 0, flags.SECCOMP_RET_ALLOW),
    ]

    def answer(listener: int) -> bool:
        notif = pysyscall.ioctl(listener, flags.SECCOMP_IOCTL_NOTIF_RECV)
        pysyscall.ioctl(listener, flags.SECCOMP_IOCTL_NOTIF_ID_VALID, notif.id)
        addfd = pysyscall.SeccompNotifAddfd(id=notif.id, srcfd=0, newfd_flags=flags.O_CLOEXEC)
        there = pysyscall.ioctl(listener, flags.SECCOMP_IOCTL_NOTIF_ADDFD, addfd)
        response = pysyscall.SeccompNotifResp(id=notif.id, val=4321)
        pysyscall.ioctl(listener, flags.SECCOMP_IOCTL_NOTIF_SEND, response)
        with pytest.raises(FileNotFoundError):
            pysyscall.ioctl(listener, flags.SECCOMP_IOCTL_NOTIF_ID_VALID, notif.id)
        return there > 2 and notif.data.nr == Sysno.getppid and notif.pid > 0

    def asked() -> tuple[int, int]:
        signal.alarm(20)
        pysyscall.prctl(flags.PR_SET_NO_NEW_PRIVS)
        new = flags.SECCOMP_FILTER_FLAG_NEW_LISTENER
        listener = pysyscall.seccomp(flags.SECCOMP_SET_MODE_FILTER, new, code)
        helper = os.fork()
        if helper == 0:
            signal.alarm(20)
            os._exit(0 if answer(listener) else 1)
        return pysyscall.getppid(), os.waitstatus_to_exitcode(os.waitpid(helper, 0)[1])

    assert in_child(asked) == (4321, 0)


# kcmp, landlock, sysfs, syslog, reboot


def test_comparing_processes(keep: Keep) -> None:
    one, copy, other = (keep(fd) for fd in (os.open("/", 0), os.open("/", 0), os.open("/", 0)))
    os.dup2(one, copy)
    me = os.getpid()
    with skip_where():
        assert pysyscall.kcmp(me, me, flags.KCMP_FILE, one, copy) == 0
    assert pysyscall.kcmp(me, me, flags.KCMP_FILE, one, other) in (1, 2)
    for what in (flags.KCMP_VM, flags.KCMP_FILES, flags.KCMP_FS, flags.KCMP_SIGHAND):
        assert pysyscall.kcmp(me, me, what) == 0
        assert pysyscall.kcmp(me, os.getppid(), what) in (0, 1, 2)


def test_landlock(tmp_path: Path) -> None:
    allowed, forbidden = tmp_path / "allowed", tmp_path / "forbidden"
    for path in (allowed, forbidden):
        path.mkdir()
        (path / "file").write_text("text")

    def sandboxed() -> str:
        access = flags.LANDLOCK_ACCESS_FS_READ_FILE
        ruleset = pysyscall.landlock_create_ruleset((access,))
        parent = os.open(allowed, os.O_PATH)
        rule = pysyscall.LandlockPathBeneathAttr(allowed_access=access, parent_fd=parent)
        pysyscall.landlock_add_rule(ruleset, flags.LANDLOCK_RULE_PATH_BENEATH, rule)
        with pytest.raises(OSError):
            pysyscall.landlock_add_rule(ruleset, flags.LANDLOCK_RULE_NET_PORT, (0, 80))
        pysyscall.prctl(flags.PR_SET_NO_NEW_PRIVS)
        pysyscall.landlock_restrict_self(ruleset)
        with pytest.raises(PermissionError):
            (forbidden / "file").read_text()
        return (allowed / "file").read_text()

    with skip_where():
        pysyscall.landlock_create_ruleset(None, flags.LANDLOCK_CREATE_RULESET_VERSION)
    assert in_child(sandboxed) == "text"


def test_types_of_file_systems() -> None:
    try:
        count = pysyscall.sysfs(3)
    except OSError as error:
        assert error.errno == errno.ENOSYS
        return
    names = [pysyscall.sysfs(2, k) for k in range(count)]
    listed = Path("/proc/filesystems").read_text().split("\n")
    assert [line.split()[-1] for line in listed if line] == names
    assert pysyscall.sysfs(1, "tmpfs") == names.index("tmpfs")


@needs_root
def test_messages_of_the_kernel() -> None:
    size = pysyscall.syslog(flags.SYSLOG_ACTION_SIZE_BUFFER)
    assert size >= 4096
    messages = pysyscall.syslog(flags.SYSLOG_ACTION_READ_ALL, 10_000)
    assert len(messages) <= 10_000
    own = bytearray(500)
    count = pysyscall.syslog(flags.SYSLOG_ACTION_READ_ALL, own)
    assert own[:count] in pysyscall.syslog(flags.SYSLOG_ACTION_READ_ALL, size)
    assert pysyscall.syslog(flags.SYSLOG_ACTION_SIZE_UNREAD) >= 0
    assert pysyscall.syslog(flags.SYSLOG_ACTION_OPEN) is None
    assert pysyscall.syslog(flags.SYSLOG_ACTION_CLOSE) is None
    with pytest.raises(OSError, match="Invalid"):
        pysyscall.syslog(flags.SYSLOG_ACTION_CONSOLE_LEVEL, 99)


def test_nothing_restarts_without_the_right() -> None:
    """In a child without any capability, and only what would do no harm."""

    def powerless() -> None:
        give_up_rights()
        with pytest.raises(PermissionError):
            pysyscall.reboot(flags.LINUX_REBOOT_CMD_CAD_ON)

    in_child(powerless)
