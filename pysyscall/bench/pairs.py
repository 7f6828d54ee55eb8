"""The pairs: functions of os, time, select, socket, fcntl, resource, signal and mmap that are one
system call, each beside ours on the same arguments. The names are those of `ground`.

Where a call changes something, the statement also makes the one that undoes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pysyscall import table


@dataclass(frozen=True, slots=True)
class Pair:
    """The same work by the standard library and by us, as statements."""

    name: str
    kind: str
    theirs: str
    ours: str

    @property
    def of_one_thread(self) -> bool:
        """Whether the call changes one thread alone, where libc makes all of them follow."""
        return any(info.thread_only for info in table.calls() if info.name == self.name)


KINDS = {
    "numbers": "numbers in, a number or nothing out",
    "structs": "a struct or a tuple comes back",
    "clocks": "clocks, most of them read through the vDSO",
    "bytes": "bytes in or out",
    "paths": "a path goes in",
    "descriptors": "descriptors made and closed",
    "lists": "a list or a tuple goes in, or a list comes out",
    "errors": "the call fails",
    "processes": "a process or a mapping is made and ended",
}

_KINDS: dict[str, list[tuple[str, str, str]]] = {
    "numbers": [
        ("getpid", "os.getpid()", "ps.getpid()"),
        ("getppid", "os.getppid()", "ps.getppid()"),
        ("gettid", "threading.get_native_id()", "ps.gettid()"),
        ("getuid", "os.getuid()", "ps.getuid()"),
        ("geteuid", "os.geteuid()", "ps.geteuid()"),
        ("getgid", "os.getgid()", "ps.getgid()"),
        ("getegid", "os.getegid()", "ps.getegid()"),
        ("getpgrp", "os.getpgrp()", "ps.getpgrp()"),
        ("getpgid", "os.getpgid(0)", "ps.getpgid(0)"),
        ("getsid", "os.getsid(0)", "ps.getsid(0)"),
        ("getpriority", "os.getpriority(0, 0)", "ps.getpriority(0, 0)"),
        ("setpriority", "os.setpriority(0, 0, nice)", "ps.setpriority(0, 0, nice)"),
        ("setresuid", "os.setresuid(-1, -1, -1)", "ps.setresuid(-1, -1, -1)"),
        ("umask", "os.umask(0o022)", "ps.umask(0o022)"),
        ("kill", "os.kill(pid, 0)", "ps.kill(pid, 0)"),
        ("tgkill", "signal.pthread_kill(thread, 0)", "ps.tgkill(pid, tid, 0)"),
        (
            "pidfd_send_signal",
            "signal.pidfd_send_signal(pidfd, 0)",
            "ps.pidfd_send_signal(pidfd, 0)",
        ),
        ("alarm", "signal.alarm(0)", "ps.alarm(0)"),
        (
            "rt_sigaction",
            "signal.signal(signal.SIGUSR2, signal.SIG_DFL)",
            "ps.rt_sigaction(signal.SIGUSR2, signal.SIG_DFL)",
        ),
        ("sched_yield", "os.sched_yield()", "ps.sched_yield()"),
        ("sched_getscheduler", "os.sched_getscheduler(0)", "ps.sched_getscheduler(0)"),
        (
            "sched_get_priority_max",
            "os.sched_get_priority_max(os.SCHED_FIFO)",
            "ps.sched_get_priority_max(os.SCHED_FIFO)",
        ),
        ("nanosleep", "time.sleep(0)", "ps.nanosleep(0)"),
        ("lseek", "os.lseek(file, 0, os.SEEK_SET)", "ps.lseek(file, 0, os.SEEK_SET)"),
        ("ftruncate", "os.ftruncate(file, 4096)", "ps.ftruncate(file, 4096)"),
        ("fallocate", "os.posix_fallocate(file, 0, 4096)", "ps.fallocate(file, 0, 0, 4096)"),
        (
            "fadvise64",
            "os.posix_fadvise(file, 0, 0, os.POSIX_FADV_NORMAL)",
            "ps.fadvise64(file, 0, 0, os.POSIX_FADV_NORMAL)",
        ),
        ("fchmod", "os.fchmod(file, 0o600)", "ps.fchmod(file, 0o600)"),
        ("fchown", "os.fchown(file, -1, -1)", "ps.fchown(file, -1, -1)"),
        ("fsync, in memory", "os.fsync(memory_file)", "ps.fsync(memory_file)"),
        ("fdatasync, in memory", "os.fdatasync(memory_file)", "ps.fdatasync(memory_file)"),
        ("fchdir", "os.fchdir(folder_fd)", "ps.fchdir(folder_fd)"),
        ("flock", "fcntl.flock(file, fcntl.LOCK_UN)", "ps.flock(file, fcntl.LOCK_UN)"),
        (
            "fcntl F_SETFD",
            "fcntl.fcntl(file, fcntl.F_SETFD, fcntl.FD_CLOEXEC)",
            "ps.fcntl(file, fcntl.F_SETFD, fcntl.FD_CLOEXEC)",
        ),
        ("fcntl F_GETFD", "fcntl.fcntl(file, fcntl.F_GETFD)", "ps.fcntl(file, fcntl.F_GETFD)"),
        ("fcntl F_GETFL", "fcntl.fcntl(file, fcntl.F_GETFL)", "ps.fcntl(file, fcntl.F_GETFL)"),
        (
            "sendfile",
            "os.sendfile(null, file, 0, 4096)",
            "ps.sendfile(null, file, 0, 4096)",
        ),
        (
            "copy_file_range",
            "os.copy_file_range(file, copy, 4096, 0, 0)",
            "ps.copy_file_range(file, 0, copy, 0, 4096)",
        ),
        (
            "splice, in and out",
            "os.splice(file, pipe_in, 4096, offset_src=0); os.splice(pipe_out, null, 4096)",
            "ps.splice(file, 0, pipe_in, None, 4096); ps.splice(pipe_out, None, null, None, 4096)",
        ),
        (
            "setsockopt",
            "left.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)",
            "ps.setsockopt(left_fd, socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)",
        ),
        (
            "getsockopt",
            "left.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)",
            "ps.getsockopt(left_fd, socket.SOL_SOCKET, socket.SO_SNDBUF)",
        ),
        (
            "madvise",
            "mapping.madvise(mmap.MADV_NORMAL)",
            "ps.madvise(address, page, mmap.MADV_NORMAL)",
        ),
        ("msync", "mapping.flush()", "ps.msync(address, page, 4)"),
        ("unshare", "os.unshare(0)", "ps.unshare(0)"),
    ],
    "structs": [
        ("fstat", "os.fstat(file)", "ps.fstat(file)"),
        ("stat", "os.stat(path)", "ps.stat(path)"),
        ("stat, not ASCII", "os.stat(umlaut)", "ps.stat(umlaut)"),
        ("lstat", "os.lstat(link)", "ps.lstat(link)"),
        (
            "newfstatat",
            "os.stat('file', dir_fd=folder_fd)",
            "ps.newfstatat(folder_fd, 'file', 0)",
        ),
        ("stat and st_size", "os.stat(path).st_size", "ps.stat(path).st_size"),
        (
            "stat and four fields",
            "st = os.stat(path); st.st_size; st.st_mode; st.st_mtime; st.st_uid",
            "st = ps.stat(path); st.st_size; st.st_mode; st.st_mtime; st.st_uid",
        ),
        ("statfs", "os.statvfs(path)", "ps.statfs(path)"),
        ("fstatfs", "os.fstatvfs(file)", "ps.fstatfs(file)"),
        ("uname", "os.uname()", "ps.uname()"),
        ("times", "os.times()", "ps.times()"),
        (
            "getrusage",
            "resource.getrusage(resource.RUSAGE_SELF)",
            "ps.getrusage(resource.RUSAGE_SELF)",
        ),
        (
            "getrlimit",
            "resource.getrlimit(resource.RLIMIT_NOFILE)",
            "ps.getrlimit(resource.RLIMIT_NOFILE)",
        ),
        (
            "prlimit64, get",
            "resource.prlimit(0, resource.RLIMIT_NOFILE)",
            "ps.prlimit64(0, resource.RLIMIT_NOFILE)",
        ),
        (
            "prlimit64, set",
            "resource.prlimit(0, resource.RLIMIT_NOFILE, nofile)",
            "ps.prlimit64(0, resource.RLIMIT_NOFILE, nofile)",
        ),
        ("getresuid", "os.getresuid()", "ps.getresuid()"),
        ("getresgid", "os.getresgid()", "ps.getresgid()"),
        ("sched_getparam", "os.sched_getparam(0)", "ps.sched_getparam(0)"),
        ("sched_rr_get_interval", "os.sched_rr_get_interval(0)", "ps.sched_rr_get_interval(0)"),
        ("wait4", "os.wait4(child, os.WNOHANG)", "ps.wait4(child, os.WNOHANG)"),
        (
            "waitid, none has ended",
            "os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG)",
            "ps.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG)",
        ),
        (
            "waitid",
            "os.waitid(os.P_PID, ended, os.WEXITED | os.WNOWAIT)",
            "ps.waitid(os.P_PID, ended, os.WEXITED | os.WNOWAIT)",
        ),
        (
            "getitimer",
            "signal.getitimer(signal.ITIMER_REAL)",
            "ps.getitimer(signal.ITIMER_REAL)",
        ),
        (
            "setitimer",
            "signal.setitimer(signal.ITIMER_VIRTUAL, 0)",
            "ps.setitimer(signal.ITIMER_VIRTUAL, never)",
        ),
        ("timerfd_gettime", "os.timerfd_gettime(timer)", "ps.timerfd_gettime(timer)"),
        (
            "timerfd_settime",
            "os.timerfd_settime(timer, initial=0, interval=0)",
            "ps.timerfd_settime(timer, 0, never)",
        ),
        ("getsockname, Unix", "left.getsockname()", "ps.getsockname(left_fd)"),
        ("getsockname, IPv4", "inet.getsockname()", "ps.getsockname(inet_fd)"),
        ("getpeername, Unix", "left.getpeername()", "ps.getpeername(left_fd)"),
        (
            "ioctl TIOCGWINSZ",
            "os.get_terminal_size(terminal)",
            "ps.ioctl(terminal, termios.TIOCGWINSZ)",
        ),
    ],
    "clocks": [
        (
            "clock_gettime",
            "time.clock_gettime(time.CLOCK_MONOTONIC)",
            "ps.clock_gettime(time.CLOCK_MONOTONIC)",
        ),
        (
            "clock_gettime, ns",
            "time.clock_gettime_ns(time.CLOCK_MONOTONIC)",
            "ps.clock_gettime(time.CLOCK_MONOTONIC)",
        ),
        (
            "clock_gettime, by the kernel",
            "time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID)",
            "ps.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID)",
        ),
        (
            "clock_getres",
            "time.clock_getres(time.CLOCK_MONOTONIC)",
            "ps.clock_getres(time.CLOCK_MONOTONIC)",
        ),
        ("gettimeofday", "time.time()", "ps.gettimeofday()"),
    ],
    "bytes": [
        ("read 1 B", "os.read(zero, 1)", "ps.read(zero, 1)"),
        ("read 4 KiB", "os.read(zero, 4096)", "ps.read(zero, 4096)"),
        ("write 1 B", "os.write(null, b'x')", "ps.write(null, b'x')"),
        ("write, bytearray", "os.write(null, buffer)", "ps.write(null, buffer)"),
        ("pread64", "os.pread(file, 64, 0)", "ps.pread64(file, 64, 0)"),
        ("pwrite64", "os.pwrite(file, data, 0)", "ps.pwrite64(file, data, 0)"),
        ("getrandom", "os.getrandom(16)", "ps.getrandom(16)"),
        ("getrandom, urandom", "os.urandom(16)", "ps.getrandom(16)"),
        (
            "send and recv 1 B",
            "left.send(b'x'); right.recv(1)",
            "ps.sendto(left_fd, b'x'); ps.recvfrom(right_fd, 1)",
        ),
        (
            "send and recv, in place",
            "left.send(data); right.recv_into(buffer)",
            "ps.sendto(left_fd, data); ps.recvfrom(right_fd, buffer)",
        ),
        (
            "send and recvfrom",
            "left.send(data); right.recvfrom(64)",
            "ps.sendto(left_fd, data); ps.recvfrom(right_fd, 64)",
        ),
        (
            "sendmsg and recvmsg",
            "left.sendmsg([data]); right.recvmsg(64)",
            "ps.sendmsg(left_fd, [data]); ps.recvmsg(right_fd, 64)",
        ),
        (
            "getsockopt, bytes",
            "left.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)",
            "ps.getsockopt(left_fd, socket.SOL_SOCKET, socket.SO_LINGER, 8)",
        ),
        (
            "ioctl FIONREAD",
            "fcntl.ioctl(reader, termios.FIONREAD, b'    ')",
            "ps.ioctl(reader, termios.FIONREAD)",
        ),
        ("getxattr", "os.getxattr(tagged, 'user.bench')", "ps.getxattr(tagged, 'user.bench')"),
    ],
    "paths": [
        ("access", "os.access(path, os.R_OK)", "ps.access(path, os.R_OK)"),
        ("access, bytes", "os.access(b'/dev/null', 4)", "ps.access(b'/dev/null', 4)"),
        ("readlink", "os.readlink(link)", "ps.readlink(link)"),
        ("getcwd", "os.getcwd()", "ps.getcwd()"),
        ("chdir", "os.chdir(folder)", "ps.chdir(folder)"),
        ("chmod", "os.chmod(path, 0o600)", "ps.chmod(path, 0o600)"),
        ("chown", "os.chown(path, -1, -1)", "ps.chown(path, -1, -1)"),
        ("lchown", "os.lchown(link, -1, -1)", "ps.lchown(link, -1, -1)"),
        ("truncate", "os.truncate(path, 4096)", "ps.truncate(path, 4096)"),
        (
            "utimensat",
            "os.utime(path, ns=stamps)",
            "ps.utimensat(None, path, ((1, 0), (1, 0)))",
        ),
        ("mkdir and rmdir", "os.mkdir(new); os.rmdir(new)", "ps.mkdir(new); ps.rmdir(new)"),
        (
            "mknod and unlink",
            "os.mknod(new, 0o100600); os.unlink(new)",
            "ps.mknod(new, 0o100600); ps.unlink(new)",
        ),
        (
            "link and unlink",
            "os.link(path, new); os.unlink(new)",
            "ps.link(path, new); ps.unlink(new)",
        ),
        (
            "symlink and unlink",
            "os.symlink('file', new); os.unlink(new)",
            "ps.symlink('file', new); ps.unlink(new)",
        ),
        (
            "rename, and back",
            "os.rename(link, new); os.rename(new, link)",
            "ps.rename(link, new); ps.rename(new, link)",
        ),
        (
            "setxattr",
            "os.setxattr(tagged, 'user.bench', b'value')",
            "ps.setxattr(tagged, 'user.bench', b'value')",
        ),
        ("listxattr", "os.listxattr(tagged)", "ps.listxattr(tagged)"),
    ],
    "descriptors": [
        (
            "open and close",
            "os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))",
            "ps.close(ps.open(path, os.O_RDONLY | os.O_CLOEXEC))",
        ),
        (
            "openat and close",
            "os.close(os.open('file', os.O_CLOEXEC, dir_fd=folder_fd))",
            "ps.close(ps.openat(folder_fd, 'file', os.O_CLOEXEC))",
        ),
        ("dup and close", "os.close(os.dup(null))", "ps.close(ps.dup(null))"),
        ("dup2", "os.dup2(null, spare)", "ps.dup2(null, spare)"),
        (
            "pipe2 and close",
            "r, w = os.pipe2(os.O_CLOEXEC); os.close(r); os.close(w)",
            "r, w = ps.pipe2(os.O_CLOEXEC); ps.close(r); ps.close(w)",
        ),
        (
            "memfd_create and close",
            "os.close(os.memfd_create('bench', os.MFD_CLOEXEC))",
            "ps.close(ps.memfd_create('bench', os.MFD_CLOEXEC))",
        ),
        (
            "eventfd2 and close",
            "os.close(os.eventfd(0, os.EFD_CLOEXEC))",
            "ps.close(ps.eventfd2(0, os.EFD_CLOEXEC))",
        ),
        (
            "pidfd_open and close",
            "os.close(os.pidfd_open(pid))",
            "ps.close(ps.pidfd_open(pid))",
        ),
        (
            "epoll_create1 and close",
            "select.epoll().close()",
            "ps.close(ps.epoll_create1(select.EPOLL_CLOEXEC))",
        ),
        (
            "socket and close",
            "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).close()",
            "ps.close(ps.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC))",
        ),
    ],
    "lists": [
        ("readv", "os.readv(zero, buffers)", "ps.readv(zero, buffers)"),
        ("writev", "os.writev(null, buffers)", "ps.writev(null, buffers)"),
        ("preadv", "os.preadv(file, buffers, 0)", "ps.preadv(file, buffers, 0)"),
        ("pwritev", "os.pwritev(file, buffers, 0)", "ps.pwritev(file, buffers, 0)"),
        ("getgroups", "os.getgroups()", "ps.getgroups()"),
        ("sched_getaffinity", "os.sched_getaffinity(0)", "ps.sched_getaffinity(0)"),
        ("sched_setaffinity", "os.sched_setaffinity(0, cpus)", "ps.sched_setaffinity(0, cpus)"),
        (
            "rt_sigprocmask",
            "signal.pthread_sigmask(signal.SIG_BLOCK, no_signals)",
            "ps.rt_sigprocmask(signal.SIG_BLOCK, no_signals)",
        ),
        ("rt_sigpending", "signal.sigpending()", "ps.rt_sigpending()"),
        (
            "tgkill and rt_sigtimedwait",
            "signal.pthread_kill(thread, signal.SIGUSR1); signal.sigtimedwait(usr1, 0)",
            "ps.tgkill(pid, tid, signal.SIGUSR1); ps.rt_sigtimedwait(usr1, 0)",
        ),
        (
            "setrlimit",
            "resource.setrlimit(resource.RLIMIT_NOFILE, nofile)",
            "ps.setrlimit(resource.RLIMIT_NOFILE, nofile)",
        ),
        (
            "fcntl F_SETLK",
            "fcntl.lockf(file, fcntl.LOCK_UN, 1)",
            "ps.fcntl(file, fcntl.F_SETLK, unlock)",
        ),
        ("epoll_wait", "epoll.poll(0, 8)", "ps.epoll_wait(epfd, 8, 0)"),
        (
            "epoll_ctl",
            "epoll.modify(writer, select.EPOLLOUT)",
            "ps.epoll_ctl(epfd, 3, writer, epoll_event)",
        ),
        ("poll", "poll_object.poll(0)", "ps.poll(pollfds, 0)"),
        (
            "select",
            "select.select(nothing, write_fds, nothing, 0)",
            "ps.select(nothing, write_fds, nothing, 0)",
        ),
        (
            "getdents64, with the rest of listdir",
            "os.listdir(inner)",
            "fd = ps.open(inner, os.O_RDONLY); ps.getdents64(fd); ps.getdents64(fd); ps.close(fd)",
        ),
    ],
    "errors": [
        (
            "stat, no such file",
            "try: os.stat(missing)\nexcept OSError: pass",
            "try: ps.stat(missing)\nexcept OSError: pass",
        ),
        (
            "close, bad descriptor",
            "try: os.close(-1)\nexcept OSError: pass",
            "try: ps.close(-1)\nexcept OSError: pass",
        ),
    ],
    "processes": [
        (
            "fork and wait",
            "os.wait4(os.fork() or os._exit(0), 0)",
            "ps.wait4(ps.fork() or os._exit(0), 0)",
        ),
        (
            "mmap and munmap",
            "mmap.mmap(-1, page).close()",
            "ps.munmap(ps.mmap(None, page, 3, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS))",
        ),
    ],
}

PAIRS = [Pair(name, kind, *sides) for kind in KINDS for name, *sides in _KINDS[kind]]
