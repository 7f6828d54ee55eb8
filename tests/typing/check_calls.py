"""What a checker must know of the calls: `assert_type` on results, and misuse that it must find.

Nothing here runs. `warn_unused_ignores` makes each ignored error one that must be there.
"""

from pathlib import Path
from typing import IO, Literal, assert_type

import pysyscall
from pysyscall import OpenFlag, Signal, SyscallInfo, Sysno, lookup


def files(path: Path, buffer: bytearray) -> None:
    assert_type(pysyscall.open(path, pysyscall.O_RDONLY), int)
    assert_type(pysyscall.openat(None, b"name", OpenFlag.O_CREAT | OpenFlag.O_RDWR, 0o600), int)
    assert_type(pysyscall.openat2(3, path, pysyscall.OpenHow(flags=0)), int)
    assert_type(pysyscall.read(0, 10), bytes)
    assert_type(pysyscall.read(0, buffer), int)
    assert_type(pysyscall.pread(0, 10, 4), bytes)
    assert_type(pysyscall.write(1, memoryview(b"x")), int)
    assert_type(pysyscall.readv(0, [buffer]), int)
    assert_type(pysyscall.stat(path), pysyscall.Stat)
    assert_type(pysyscall.stat(path).st_mtime, float)
    assert_type(pysyscall.statx(None, path).stx_atime.ns, int)
    assert_type(pysyscall.readlink("link"), str)
    assert_type(pysyscall.readlink(b"link"), bytes)
    assert_type(pysyscall.getcwd(), str)
    assert_type(pysyscall.access(path, pysyscall.R_OK), Literal[True])
    assert_type(pysyscall.pipe2(pysyscall.O_CLOEXEC), tuple[int, int])
    assert_type(pysyscall.close(3), None)
    pysyscall.write(1, "text")  # type: ignore[arg-type]
    pysyscall.open(7, 0)  # type: ignore[arg-type]
    pysyscall.lseek(0, 1.5, 0)  # type: ignore[arg-type]
    pysyscall.read(0)  # type: ignore[call-overload]


def directories_and_mounts(path: Path) -> None:
    assert_type(pysyscall.getdents64(3), list[pysyscall.Dirent])
    assert_type(pysyscall.getdents(3, 4096)[0].d_name, str)
    handle, mount = pysyscall.name_to_handle_at(None, path, pysyscall.AT_EMPTY_PATH)
    assert_type(handle, pysyscall.FileHandle)
    assert_type(mount, int)
    assert_type(pysyscall.open_by_handle_at(3, handle, pysyscall.O_RDONLY), int)
    assert_type(pysyscall.setxattrat(None, path, 0, "user.a", b"value"), None)
    assert_type(pysyscall.getxattrat(None, path, 0, b"user.a"), bytes)
    assert_type(pysyscall.listmount(flags=pysyscall.LISTMOUNT_REVERSE), list[int])
    info = pysyscall.statmount(mount, pysyscall.STATMOUNT_FS_TYPE)
    assert_type(info, pysyscall.MountInfo)
    assert_type(info.fs_type, str | None)
    assert_type(info.opt_array, tuple[str, ...] | None)
    assert_type(pysyscall.listns(pysyscall.NsIdReq(0)), list[int])
    assert_type(pysyscall.lsm_list_modules(), list[int])
    assert_type(pysyscall.lsm_get_self_attr(100)[0].ctx, bytes)
    pysyscall.getdents64(3, "4096")  # type: ignore[arg-type]
    pysyscall.statmount("/")  # type: ignore[arg-type]
    pysyscall.setxattrat(None, path, 0, "user.a", "text")  # type: ignore[arg-type]


def memory(buffer: bytearray) -> None:
    prot = pysyscall.PROT_READ | pysyscall.PROT_WRITE
    with pysyscall.mmap(None, 4096, prot, pysyscall.MAP_ANONYMOUS, -1, 0) as m:
        assert_type(m, pysyscall.Mapping)
        assert_type(m.address, int)
        assert_type(m.closed, bool)
        assert_type(len(m), int)
        assert_type(m.msync(pysyscall.MS_SYNC, 0, 10), None)
        assert_type(m.mprotect(pysyscall.PROT_READ), None)
        assert_type(m.mincore(offset=4096), list[bool])
        assert_type(m.mremap(8192, pysyscall.MREMAP_MAYMOVE), pysyscall.Mapping)
        assert_type(pysyscall.mremap(m, 8192), pysyscall.Mapping)
        assert_type(pysyscall.madvise((m, 4096), 4096, pysyscall.MADV_DONTNEED), None)
        assert_type(pysyscall.mincore(m.address, 4096), list[bool])
        assert_type(pysyscall.read(0, m), int)
        assert_type(bytes(m), bytes)
        assert_type(memoryview(m), memoryview)
        assert_type(pysyscall.munmap(m), None)
        pysyscall.munmap(m.address)  # type: ignore[arg-type]
        pysyscall.mlock(buffer, 10)  # type: ignore[arg-type]
        m.address = 5  # type: ignore[misc]
    assert_type(pysyscall.shmat(1), pysyscall.Mapping)
    assert_type(pysyscall.brk(), int)
    assert_type(pysyscall.get_mempolicy(), tuple[pysyscall.MpolMode, set[int]])
    assert_type(pysyscall.mbind(m, 4096, pysyscall.MPOL_BIND, {0}), None)
    assert_type(pysyscall.migrate_pages(0, {0}, [1]), int)
    assert_type(pysyscall.move_pages(0, [4096], [0]), tuple[int, list[int]])


def processes() -> None:
    assert_type(pysyscall.getresuid(), tuple[int, int, int])
    assert_type(pysyscall.getgroups(), list[int])
    assert_type(pysyscall.sched_getaffinity(0), set[int])
    assert_type(pysyscall.prlimit(0, pysyscall.RLIMIT_NOFILE, (1, 2)), pysyscall.Rlimit)
    assert_type(pysyscall.times(), tuple[int, pysyscall.Tms])
    assert_type(pysyscall.getrusage(pysyscall.RUSAGE_SELF).ru_utime, float)
    assert_type(pysyscall.uname().sysname, str)
    assert_type(pysyscall.sysinfo().loads, tuple[int, ...])


def children(buffer: bytearray) -> None:
    assert_type(pysyscall.fork(), int)
    assert_type(pysyscall.clone(pysyscall.CLONE_PIDFD | pysyscall.SIGCHLD), pysyscall.Child)
    pid, pidfd = pysyscall.clone3(pysyscall.CloneArgs(exit_signal=17), set_tid=[7])
    assert_type(pid, int)
    assert_type(pidfd, int)
    assert_type(pysyscall.vfork_exec("/bin/ls", ["ls", b"-l"], {"A": "b"}), int)
    pid, status, usage = pysyscall.wait4(pid)
    assert_type(status, pysyscall.WaitStatus)
    assert_type(status.exit_code, int | None)
    assert_type(usage, pysyscall.Rusage)
    info = pysyscall.waitid(pysyscall.P_ALL, 0, pysyscall.WEXITED)
    assert_type(info, pysyscall.SiginfoChild)
    assert_type(pysyscall.waitid(pysyscall.P_PID, pid, 4, False), pysyscall.SiginfoChild)
    both = pysyscall.waitid(pysyscall.P_PID, pid, 4, True)
    assert_type(both, tuple[pysyscall.SiginfoChild, pysyscall.Rusage])
    assert_type(pysyscall.waitid(pysyscall.P_PID, pid, 4, rusage=True)[1], pysyscall.Rusage)
    either = pysyscall.waitid(pysyscall.P_PID, pid, 4, bool(buffer))
    assert_type(either, pysyscall.SiginfoChild | tuple[pysyscall.SiginfoChild, pysyscall.Rusage])
    pysyscall.waitid(pysyscall.P_PID, pid, 4, 1)  # type: ignore[call-overload]
    assert_type(pysyscall.WaitStatus.from_siginfo(info).core_dumped, bool)
    assert_type(pysyscall.process_vm_readv(pid, [buffer], [(4096, 10)]), int)
    assert_type(pysyscall.process_vm_writev(pid, [b"x"], [pysyscall.Iovec(4096, 1)]), int)
    assert_type(pysyscall.modify_ldt(pysyscall.LDT_READ), bytes | None)
    assert_type(pysyscall.capget(), pysyscall.CapabilitySets)
    assert_type(pysyscall.capget().effective, set[pysyscall.Capability | int])
    assert_type(pysyscall.capset({pysyscall.CAP_CHOWN}, [0], ()), None)
    assert_type(pysyscall.all_threads.setresuid(-1, 7, -1), None)
    pysyscall.vfork_exec("/bin/ls", "ls", None)  # type: ignore[arg-type]
    pysyscall.clone3(pysyscall.CloneArgs(), (7,))  # type: ignore[call-arg]
    pysyscall.exit(0, forced=True)


def clocks_and_events() -> None:
    assert_type(pysyscall.clock_gettime(pysyscall.CLOCK_MONOTONIC), pysyscall.Timespec)
    assert_type(pysyscall.nanosleep(0.5), None)
    assert_type(pysyscall.epoll_wait(3, 10), list[pysyscall.EpollEvent])
    assert_type(pysyscall.poll([(0, pysyscall.POLLIN)], 10), list[pysyscall.PollFd])


def waiting(fds: list[int], file: IO[str], data: bytes, buffer: bytearray) -> None:
    ready = pysyscall.select(fds, (), {file, 3}, 1.5)
    assert_type(ready, tuple[list[int], list[int], list[int], pysyscall.Timeval | None])
    left = pysyscall.pselect6(timeout=pysyscall.Timespec(1), sigmask=[pysyscall.SIGINT])[3]
    assert_type(left, pysyscall.Timespec | None)
    polled = pysyscall.ppoll([(0, pysyscall.POLLIN)], 0.5, set())
    assert_type(polled, tuple[list[pysyscall.PollFd], pysyscall.Timespec | None])
    request = pysyscall.Iocb(pysyscall.IOCB_CMD_PREAD, 3, buffer)
    assert_type(pysyscall.io_submit(7, [request]), int)
    assert_type(pysyscall.io_cancel(7, request), None)
    assert_type(pysyscall.io_pgetevents(7, 1, 1, 1, ()), list[pysyscall.IoEvent])
    assert_type(request.replace(aio_buf=[buffer]).aio_buf, int)
    assert_type(pysyscall.msgsnd(1, (1, buffer)), None)
    message = pysyscall.msgrcv(1, 100, msgflg=pysyscall.MSG_NOERROR)
    assert_type(message.mtext, bytes)
    pysyscall.msgsnd(1, message)
    assert_type(pysyscall.parse_events(data, pysyscall.InotifyEvent), list[pysyscall.InotifyEvent])
    (event,) = pysyscall.parse_events(data, pysyscall.FanotifyEvent)
    assert_type(event.mask, pysyscall.FanotifyMask)
    for record in event.records:
        if isinstance(record, pysyscall.FanotifyFid):
            assert_type(record.handle, pysyscall.FileHandle)
    pysyscall.select(3)  # type: ignore[arg-type]
    pysyscall.select(timeout=pysyscall.Timespec(1))  # type: ignore[arg-type]
    pysyscall.io_submit(7, [(1, 2)])  # type: ignore[list-item]
    pysyscall.parse_events(data, pysyscall.Stat)  # type: ignore[arg-type]


def signals(queue: pysyscall.SignalQueue) -> None:
    assert_type(pysyscall.rt_sigprocmask(pysyscall.SIG_BLOCK, [1, 40]), set[Signal | int])
    assert_type(pysyscall.rt_sigpending(), set[Signal | int])
    info = pysyscall.rt_sigtimedwait({Signal.SIGCHLD}, 0.5)
    if isinstance(info, pysyscall.SiginfoChild):
        assert_type(info.si_status, int)
    before = pysyscall.rt_sigaction(Signal.SIGUSR1, queue)
    assert_type(before, pysyscall.SignalAction)
    pysyscall.sigaction(10, pysyscall.SignalAction(queue, pysyscall.SA_RESTART, {1, 40}))
    pysyscall.sigaction(10, before)
    if isinstance(before.handler, pysyscall.SignalQueue):
        assert_type(before.handler.fileno(), int)
        before.handler.take()[0].si_signo.bit_length()
    assert_type(pysyscall.parse_signals(b""), list[pysyscall.SignalfdSiginfo])
    pysyscall.pidfd_send_signal(3, 10, pysyscall.SiginfoQueue(-1, 5))
    pysyscall.poll([(queue, pysyscall.POLLIN)], 0)
    pysyscall.rt_sigaction(10, print)  # type: ignore[arg-type]


def sockets(address: pysyscall.SockaddrIn) -> None:
    assert_type(pysyscall.socket(pysyscall.AF_INET, pysyscall.SOCK_STREAM), int)
    assert_type(pysyscall.connect(3, address), None)
    data, sender = pysyscall.recvfrom(3, 100)
    assert_type(data, bytes)
    if isinstance(sender, pysyscall.SockaddrIn):
        assert_type(sender.sin_addr, str)
    assert_type(pysyscall.getsockopt(3, pysyscall.SOL_SOCKET, pysyscall.SO_TYPE), int)
    assert_type(pysyscall.getsockopt(3, 1, 2, 16), bytes)
    assert_type(pysyscall.getsockopt(3, 1, 17, pysyscall.Ucred), pysyscall.Ucred)
    assert_type(pysyscall.getsockopt(3, 1, 17, bytearray(4)), int)
    pysyscall.setsockopt(3, 1, 13, pysyscall.Linger(1, 2))
    pysyscall.getsockopt(3, 1, 17, str)  # type: ignore[type-var]
    pysyscall.connect(3, ("127.0.0.1", 80))  # type: ignore[arg-type]


def messages(buffer: bytearray, address: pysyscall.SockaddrIn) -> None:
    descriptors = pysyscall.ControlMessage(pysyscall.SOL_SOCKET, pysyscall.SCM_RIGHTS, [3, 4])
    assert_type(pysyscall.sendmsg(3, b"x"), int)
    assert_type(pysyscall.sendmsg(3, [b"x", buffer]), int)
    assert_type(pysyscall.sendmsg(3, pysyscall.Message([b"x"], [descriptors], 0, address)), int)
    message = pysyscall.recvmsg(3, 100, control=64)
    assert_type(message, pysyscall.Message[bytes])
    assert_type(message.data, bytes)
    assert_type(message.descriptors, tuple[int, ...])
    assert_type(pysyscall.recvmsg(3, buffer).data, int)
    assert_type(pysyscall.recvmsg(3, [buffer]).data, int)
    assert_type(pysyscall.sendmmsg(3, [b"x", message, [b"x"]]), list[int])
    messages, left = pysyscall.recvmmsg(3, [100] * 8, 0, 1.5)
    assert_type(messages, list[pysyscall.Message[bytes]])
    assert_type(left, pysyscall.Timespec | None)
    assert_type(pysyscall.recvmmsg(3, [buffer])[0][0].data, int)
    pysyscall.sendmsg(3, "text")  # type: ignore[arg-type]
    pysyscall.recvmsg(3, 100, 0, 64)  # type: ignore[call-overload]


def families(fd: int, lock: pysyscall.Flock) -> None:
    assert_type(pysyscall.fcntl(fd, pysyscall.F_GETFL), OpenFlag)
    assert_type(pysyscall.fcntl(fd, pysyscall.F_SETFL, pysyscall.O_NONBLOCK), None)
    assert_type(pysyscall.fcntl(fd, pysyscall.F_GETLK, lock), pysyscall.Flock)
    assert_type(pysyscall.fcntl(fd, 1234, b"any"), int)
    assert_type(pysyscall.ioctl(fd, pysyscall.TIOCGWINSZ), pysyscall.Winsize)
    assert_type(pysyscall.ioctl(fd, pysyscall.FIONREAD), int)
    assert_type(pysyscall.prctl(pysyscall.PR_GET_NAME), str)
    assert_type(pysyscall.prctl(pysyscall.PR_SET_NAME, "name"), None)
    assert_type(pysyscall.keyctl(pysyscall.KEYCTL_READ, 5), bytes)
    request = pysyscall.BpfMapCreate(map_type=pysyscall.BPF_MAP_TYPE_ARRAY, key_size=4)
    assert_type(pysyscall.bpf(pysyscall.BPF_MAP_CREATE, request), int)
    assert_type(pysyscall.ptrace(pysyscall.PTRACE_GETREGS, 7), pysyscall.UserRegs)
    assert_type(pysyscall.kcmp(1, 2, pysyscall.KCMP_VM), int)
    assert_type(pysyscall.arch_prctl(pysyscall.ARCH_GET_FS), int)
    assert_type(pysyscall.syslog(pysyscall.SYSLOG_ACTION_READ_ALL, 100), bytes)
    assert_type(pysyscall.semctl(1, 0, pysyscall.GETALL), list[int])
    assert_type(pysyscall.shmctl(1, pysyscall.IPC_STAT), pysyscall.ShmidDs)
    assert_type(pysyscall.futex(8, pysyscall.FUTEX_WAKE, 1), int)
    assert_type(pysyscall.seccomp(pysyscall.SECCOMP_SET_MODE_FILTER, 0, [(6, 0, 0, 0)]), int)


def other_areas(path: Path) -> None:
    assert_type(pysyscall.io_setup(8), int)
    assert_type(pysyscall.io_getevents(1, 0, 8), list[pysyscall.IoEvent])
    assert_type(pysyscall.semop(1, [(0, 1, 0)]), None)
    assert_type(pysyscall.getxattr(path, "user.name"), bytes)
    assert_type(pysyscall.listxattr(path), list[str])
    assert_type(pysyscall.landlock_create_ruleset(None, 1), int)
    assert_type(pysyscall.capget().effective, set[pysyscall.Capability | int])
    assert_type(pysyscall.sysinfo(), pysyscall.Sysinfo)
    assert_type(pysyscall.uname().release, str)
    assert_type(pysyscall.sysfs(2, 0), str)
    assert_type(pysyscall.futex_wake(8, 1, 1, 2), int)


def table_and_raw() -> None:
    assert_type(lookup("write"), SyscallInfo)
    assert_type(Sysno.write, Literal[Sysno.write])
    assert_type(pysyscall.raw.syscall(Sysno.getpid), int)
    assert_type(pysyscall.syscall("getpid"), int)
    lookup(1.5)  # type: ignore[arg-type]


def commands_and_requests(fd: int, request: int) -> None:
    assert_type(pysyscall.fcntl(fd, pysyscall.F_GETOWN), int)
    assert_type(pysyscall.fcntl(fd, pysyscall.F_SETLK, pysyscall.Flock()), None)
    assert_type(pysyscall.ioctl(fd, pysyscall.SIOCGIFCONF), list[pysyscall.IfreqAddr])
    assert_type(
        pysyscall.ioctl(fd, pysyscall.FS_IOC_FIEMAP, pysyscall.Fiemap()),
        tuple[pysyscall.Fiemap, list[pysyscall.FiemapExtent]],
    )
    assert_type(
        pysyscall.ioctl(fd, pysyscall.FIDEDUPERANGE, (pysyscall.FileDedupeRange(), [])),
        tuple[pysyscall.FileDedupeRange, list[pysyscall.FileDedupeRangeInfo]],
    )
    assert_type(pysyscall.ioctl(fd, request, b""), int)
    assert_type(pysyscall.IOWR("f", 11, pysyscall.Fiemap), int)
    assert_type(
        pysyscall.quotactl(pysyscall.Q_GETQUOTA, pysyscall.USRQUOTA, "/dev/sda", 1000),
        pysyscall.Dqblk,
    )
    pysyscall.quotactl(pysyscall.Q_GETQUOTA)  # type: ignore[call-overload]
    pysyscall.ioctl(fd, pysyscall.TIOCSWINSZ, "x")  # type: ignore[call-overload]
