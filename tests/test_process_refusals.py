"""What calls on processes refuse: each with the kernel's error."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

import pytest
from children import NO_PROCESS, in_child

import pysyscall
from pysyscall import PRIO_PROCESS, SchedAttr, SchedParam

IDLE = pysyscall.IOPRIO_CLASS_IDLE << 13
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
