"""Quotas: set and told on a file system, and what is refused."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from children import in_child
from conditions import needs_root, skip_where

import pysyscall
from pysyscall import flags

Keep: TypeAlias = Callable[[int], int]


def test_quotas(tmp_path: Path, keep: Keep) -> None:
    """Whatever file system this is: without quotas the kernel says ESRCH, or that it has none."""
    fd = keep(os.open(tmp_path, os.O_RDONLY))
    refusals = {errno.ESRCH, errno.ENOSYS, errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP}
    for command, *args in (
        (flags.Q_GETFMT, flags.USRQUOTA),
        (flags.Q_GETQUOTA, flags.GRPQUOTA, os.getgid()),
        (flags.Q_SETQUOTA, flags.USRQUOTA, os.getuid(), pysyscall.Dqblk()),
        (flags.Q_XGETQSTAT, flags.USRQUOTA),
    ):
        try:
            pysyscall.quotactl_fd(fd, command, *args)  # type: ignore[call-overload]
        except OSError as error:
            assert error.errno in refusals
    with pytest.raises(FileNotFoundError):
        pysyscall.quotactl(flags.Q_GETINFO, flags.USRQUOTA, tmp_path / "nothing")
    pysyscall.quotactl(flags.Q_SYNC, flags.USRQUOTA)
    assert pysyscall.quotactl(cmd=flags.Q_SYNC, type=flags.PRJQUOTA, special=None) is None


@needs_root
def test_quotas_of_a_memory_file_system(tmp_path: Path) -> None:
    def use() -> list[object]:
        pysyscall.unshare(flags.CLONE_NEWNS)
        pysyscall.mount(None, "/", None, flags.MS_REC | flags.MS_PRIVATE)
        pysyscall.mount("none", tmp_path, "tmpfs", 0, "usrquota")
        fd = os.open(tmp_path, os.O_RDONLY)
        (tmp_path / "file").write_bytes(bytes(50_000))
        quota = pysyscall.quotactl_fd(fd, flags.Q_GETQUOTA, flags.USRQUOTA, 0)
        limits = quota.replace(dqb_bhardlimit=100, dqb_valid=flags.QIF_BLIMITS)
        pysyscall.quotactl_fd(fd, flags.Q_SETQUOTA, flags.USRQUOTA, 1234, limits)
        told = pysyscall.quotactl_fd(fd, flags.Q_GETQUOTA, flags.USRQUOTA, id=1234)
        later = pysyscall.quotactl_fd(fd, flags.Q_GETNEXTQUOTA, flags.USRQUOTA, 1)
        kind = pysyscall.quotactl_fd(fd, flags.Q_GETFMT, flags.USRQUOTA)
        return [quota.dqb_curspace >= 50_000, told.dqb_bhardlimit, later.dqb_id, kind]

    with skip_where(lacking="no quotas here"):
        found = in_child(use)
    assert found == [True, 100, 1234, flags.QFMT_SHMEM]


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ((), TypeError, "quotactl(cmd, type, special, id, addr) lacks argument 'cmd'"),
        ((flags.Q_SYNC,), TypeError, "lacks argument 'type'"),
        ((flags.Q_SYNC, "x"), TypeError, "quotactl() argument 'type' must be an int, not str"),
        ((flags.Q_SYNC, 256), OverflowError, "quotactl() argument 'type' must be in [0, 255]"),
        ((2**24, 0), OverflowError, "quotactl() argument 'cmd' must be in [0, 16777215]"),
        (
            (flags.Q_SETINFO, 0, "/"),
            TypeError,
            "quotactl(Q_SETINFO, type, special, id, addr) lacks",
        ),
        ((1, 2, 3, 4, 5, 6), TypeError, "takes at most 5 arguments (6 given)"),
        ((flags.Q_SETINFO, 0, "/", 0, 7), TypeError, "quotactl() argument 'addr' must be a Dqinfo"),
    ],
)
def test_quotas_refused(args: tuple[Any, ...], error: Any, message: str) -> None:
    with pytest.raises(error) as raised:
        pysyscall.quotactl(*args)
    assert message in str(raised.value)


def test_an_argument_left_out_in_the_middle() -> None:
    with pytest.raises(TypeError, match="lacks argument 'id'"):
        pysyscall.quotactl(flags.Q_SETINFO, 0, "/", addr=pysyscall.Dqinfo())  # type: ignore[call-overload]
