"""python steps.py [beside]: how many instructions one lseek takes, counted step by step.

Counted are those of user space between a getppid before it and one after it. With `beside`, the
process has a second thread, asleep. Nothing is printed where a child can't be traced.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

import pysyscall as ps
from pysyscall import flags


def child(fd: int, beside: bool) -> None:
    if beside:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    try:
        ps.ptrace(flags.PTRACE_TRACEME, 0)
    except OSError:
        os._exit(1)
    getppid, lseek = ps.getppid, ps.lseek
    os.kill(os.getpid(), signal.SIGSTOP)
    getppid()
    lseek(fd, 0, 0)
    getppid()
    os._exit(0)


def steps_through(pid: int, number: int) -> int:
    """Steps until the call has been made; how many it took."""
    for count in range(1, 20_000):
        ps.ptrace(flags.PTRACE_SINGLESTEP, pid)
        _, status = os.waitpid(pid, flags.WALL)
        assert os.WIFSTOPPED(status), status
        if ps.ptrace(flags.PTRACE_GETREGS, pid).orig_rax == number:
            return count
    raise AssertionError("the call never came")


def main() -> None:
    fd = os.open(sys.executable, os.O_RDONLY)
    pid = os.fork()
    if pid == 0:
        child(fd, "beside" in sys.argv)
    _, status = os.waitpid(pid, flags.WALL)
    if not os.WIFSTOPPED(status):
        return
    steps_through(pid, ps.Sysno.getppid)
    print(sum(steps_through(pid, number) for number in (ps.Sysno.lseek, ps.Sysno.getppid)))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, flags.WALL)


main()
