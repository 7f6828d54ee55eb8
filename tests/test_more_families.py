"""The smaller families against the real kernel: futexes, seccomp, kcmp, io_uring, quotas ..."""

from __future__ import annotations

import errno
import os
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator
from ctypes import addressof, c_char
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from test_processes import in_child, needs_root
from tracee import Pointer, Word, compare, stopped

import pysyscall
from pysyscall import IO, IOR, IOW, IOWR, Sysno, Timespec, flags, futex, futex_op, rings

Keep: TypeAlias = Callable[[int], int]


# Request numbers


def test_request_numbers() -> None:
    assert IO("T", 0x40) == 0x5440
    assert IOR("T", 0x30, 4) == flags.TIOCGPTN
    assert IOW(ord("T"), 0x31, 4) == flags.TIOCSPTLCK
    assert IOWR(b"f", 11, pysyscall.Fiemap) == flags.FS_IOC_FIEMAP
    assert IOWR(0xAA, 0x3F, pysyscall.UffdioApi) == flags.UFFDIO_API
    assert IOR(0x12, 114, 8) == flags.BLKGETSIZE64
    assert IO(0xFF, 0xFF) == 0xFFFF


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: IO(256, 0), OverflowError, "IO() argument 'type' must be in [0, 255], not 256"),
        (lambda: IO("é" * 2, 0), TypeError, "length 2"),
        (lambda: IOR(0, -1, 0), OverflowError, "IOR() argument 'nr' must be in [0, 255], not -1"),
        (lambda: IOW(0, 0, 1 << 14), OverflowError, "argument 'size' must be in [0, 16383]"),
        (lambda: IOWR(0, 0, dict), TypeError, "IOWR() argument 'size' must be an int or a struct"),
        (lambda: IOWR(0, 0, "x"), TypeError, "IOWR() argument 'size' must be an int or a struct"),
        (lambda: futex_op(16, 0, 0, 0), OverflowError, "futex_op() argument 'op' must be in"),
        (lambda: futex_op(0, 2048, 0, 0), OverflowError, "futex_op() argument 'oparg' must be in"),
    ],
)
def test_parts_that_do_not_fit(call: Callable[[], int], error: Any, message: str) -> None:
    with pytest.raises(error) as raised:
        call()
    assert message in str(raised.value)


# Futexes


class Futex:
    """Two words of memory."""

    def __init__(self, *values: int) -> None:
        self.memory = bytearray(struct.pack("2I", *values))
        self.address = addressof(c_char.from_buffer(self.memory))

    @property
    def words(self) -> tuple[int, ...]:
        return struct.unpack("2I", self.memory)


def waiting(futex_: Futex, *args: Any) -> threading.Thread:
    thread = threading.Thread(target=futex, args=(futex_.address, *args))
    thread.start()
    time.sleep(0.05)
    return thread


def test_waiting_and_waking() -> None:
    word = Futex(5, 0)
    with pytest.raises(BlockingIOError):
        futex(word.address, flags.FUTEX_WAIT, 4, None)
    assert futex(word.address, flags.FUTEX_WAKE, 1) == 0
    private = flags.FUTEX_WAIT | flags.FUTEX_PRIVATE_FLAG
    threads = [waiting(word, private, 5) for _ in range(3)]
    assert futex(word.address, flags.FUTEX_WAKE | flags.FUTEX_PRIVATE_FLAG, 2) == 2
    time.sleep(0.05)
    assert sum(thread.is_alive() for thread in threads) == 1
    assert futex(word.address, flags.FUTEX_WAKE | flags.FUTEX_PRIVATE_FLAG, 9) == 1
    for thread in threads:
        thread.join()


def test_time_outs() -> None:
    word = Futex(0, 0)
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        futex(word.address, flags.FUTEX_WAIT, 0, 0.1)
    assert 0.1 <= time.monotonic() - start < 5
    until = Timespec(*divmod(time.monotonic_ns() + 10**8, 10**9))
    with pytest.raises(TimeoutError):
        futex(word.address, flags.FUTEX_WAIT_BITSET, 0, until)
    realtime = flags.FUTEX_WAIT_BITSET | flags.FUTEX_CLOCK_REALTIME
    with pytest.raises(TimeoutError):
        futex(word.address, realtime, 0, time.time() + 0.1)


def test_a_signal_does_not_lengthen_the_wait() -> None:
    word = Futex(0, 0)
    ran: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: ran.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    start = time.monotonic()
    try:
        with pytest.raises(TimeoutError):
            futex(word.address, flags.FUTEX_WAIT, 0, 0.3)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert 0.3 <= time.monotonic() - start < 2
    assert len(ran) >= 3


def test_bits() -> None:
    word = Futex(0, 0)
    thread = waiting(word, flags.FUTEX_WAIT_BITSET, 0, None, 0b100)
    assert futex(word.address, flags.FUTEX_WAKE_BITSET, 1, 0b011) == 0
    assert futex(word.address, flags.FUTEX_WAKE_BITSET, 1, 0b110) == 1
    thread.join()


def test_handing_on() -> None:
    first, second = Futex(0, 0), Futex(0, 0)
    threads = [waiting(first, flags.FUTEX_WAIT, 0) for _ in range(4)]
    assert futex(first.address, flags.FUTEX_REQUEUE, 1, 1, second.address) == 2
    with pytest.raises(BlockingIOError):
        futex(first.address, flags.FUTEX_CMP_REQUEUE, 0, 9, second.address, 1)
    assert futex(first.address, flags.FUTEX_CMP_REQUEUE, 0, 9, second.address, 0) == 2
    assert futex(second.address, flags.FUTEX_WAKE, 9) == 3
    for thread in threads:
        thread.join()


def test_changing_one_word_and_waking_on_two() -> None:
    pair = Futex(0, 10)
    threads = [waiting(pair, flags.FUTEX_WAIT, 0)]
    op = futex_op(flags.FUTEX_OP_ADD, -3, flags.FUTEX_OP_CMP_GT, 9)
    assert futex(pair.address, flags.FUTEX_WAKE_OP, 1, 1, pair.address + 4, op) == 1
    assert pair.words == (0, 7)
    shifted = flags.FUTEX_OP_OR | flags.FUTEX_OP_OPARG_SHIFT
    op = futex_op(shifted, 12, flags.FUTEX_OP_CMP_EQ, 0)
    assert futex(pair.address, flags.FUTEX_WAKE_OP, 1, 1, pair.address + 4, op) == 0
    assert pair.words == (0, 7 | 1 << 12)
    threads[0].join()


def test_locks_that_lend_priority() -> None:
    word = Futex(0, 0)
    me = threading.get_native_id()
    assert futex(word.address, flags.FUTEX_LOCK_PI, None) is None
    assert word.words[0] == me
    with pytest.raises(OSError, match="deadlock"):
        futex(word.address, flags.FUTEX_TRYLOCK_PI)
    refused: list[int | None] = []

    def other() -> None:
        try:
            futex(word.address, flags.FUTEX_LOCK_PI2, time.monotonic() + 0.1)
        except OSError as error:
            refused.append(error.errno)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert refused in ([errno.ETIMEDOUT], [errno.ENOSYS])
    futex(word.address, flags.FUTEX_UNLOCK_PI)
    assert word.words[0] & 0x3FFFFFFF == 0
    futex(word.address, flags.FUTEX_TRYLOCK_PI)
    futex(word.address, flags.FUTEX_UNLOCK_PI)
    lock = Futex(0, 0)
    with pytest.raises(TimeoutError):
        futex(word.address, flags.FUTEX_WAIT_REQUEUE_PI, word.words[0], 0.01, lock.address)
    woken = futex(word.address, flags.FUTEX_CMP_REQUEUE_PI, 1, lock.address, word.words[0])
    assert woken == 0


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
    try:
        assert pysyscall.kcmp(me, me, flags.KCMP_FILE, one, copy) == 0
    except OSError as error:
        pytest.skip(f"not here: {error}")
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

    try:
        pysyscall.landlock_create_ruleset(None, flags.LANDLOCK_CREATE_RULESET_VERSION)
    except OSError as error:
        pytest.skip(f"not here: {error}")
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
        if os.geteuid() == 0:
            os.setuid(65534)
        with pytest.raises(PermissionError):
            pysyscall.reboot(flags.LINUX_REBOOT_CMD_CAD_ON)

    in_child(powerless)


# Quotas


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

    try:
        found = in_child(use)
    except OSError as error:
        pytest.skip(f"no quotas here: {error}")
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


# io_uring


@pytest.fixture
def ring() -> Iterator[int]:
    try:
        fd, _ = pysyscall.io_uring_setup(8, pysyscall.IoUringParams())
    except OSError as error:
        pytest.skip(f"no io_uring: {error}")
    yield fd
    os.close(fd)


def test_operations(ring: int) -> None:
    probe = pysyscall.io_uring_register(ring, flags.IORING_REGISTER_PROBE)
    assert probe.ops_len > 30
    assert probe.ops[flags.IORING_OP_READ].flags & flags.IO_URING_OP_SUPPORTED


def test_registered_buffers_are_held(ring: int) -> None:
    register, whole, part = pysyscall.io_uring_register, bytearray(4096), bytearray(8192)
    for buffers in ([whole, memoryview(part)[4096:]], iter([whole, part])):
        register(ring, flags.IORING_REGISTER_BUFFERS, buffers)
        for buffer in (whole, part):
            with pytest.raises(BufferError):
                buffer.append(1)
        with pytest.raises(OSError, match="busy"):
            register(ring, flags.IORING_REGISTER_BUFFERS, [whole])
        with pytest.raises(BufferError):
            whole.append(1)
        register(ring, flags.IORING_UNREGISTER_BUFFERS)
        del buffers
        whole.append(1)
        whole.pop()
    with pytest.raises(OSError, match="No such device"):
        register(ring, flags.IORING_UNREGISTER_BUFFERS)


def test_buffers_of_a_ring_that_was_closed(ring: int) -> None:
    other, _ = pysyscall.io_uring_setup(1, pysyscall.IoUringParams())
    buffer, mine = bytearray(100), bytearray(100)
    copy = os.dup(other)
    pysyscall.io_uring_register(other, flags.IORING_REGISTER_BUFFERS, [buffer])
    os.close(other)
    pysyscall.io_uring_register(ring, flags.IORING_REGISTER_BUFFERS, [mine])
    with pytest.raises(BufferError):
        buffer.append(1)
    os.close(copy)
    pysyscall.io_uring_register(ring, flags.IORING_UNREGISTER_BUFFERS)
    pysyscall.io_uring_register(ring, flags.IORING_REGISTER_BUFFERS, [mine])
    buffer.append(1)
    pysyscall.io_uring_register(ring, flags.IORING_UNREGISTER_BUFFERS)
    assert rings._held == {}


def test_buffers_that_the_kernel_refuses(ring: int) -> None:
    mine = bytearray(100)
    with pytest.raises(OSError, match="Bad file"):
        pysyscall.io_uring_register(999, flags.IORING_REGISTER_BUFFERS, [mine])
    mine.append(1)
    with pytest.raises(TypeError, match=r"item 1 must be a bytes-like object"):
        pysyscall.io_uring_register(ring, flags.IORING_REGISTER_BUFFERS, [mine, 5])  # type: ignore[list-item]
    mine.append(1)


def test_files_and_the_like(ring: int, keep: Keep) -> None:
    register = pysyscall.io_uring_register
    reader, writer = os.pipe()
    keep(reader), keep(writer)
    register(ring, flags.IORING_REGISTER_FILES, [reader, -1, writer])
    descriptors = struct.pack("i", writer)
    address = addressof(c_char.from_buffer(buffer := bytearray(descriptors)))
    update = pysyscall.IoUringRsrcUpdate(offset=1, data=address)
    assert register(ring, flags.IORING_REGISTER_FILES_UPDATE, update, 1) == 1
    assert buffer == descriptors
    register(ring, flags.IORING_UNREGISTER_FILES)
    event = keep(os.eventfd(0))
    register(ring, flags.IORING_REGISTER_EVENTFD, event)
    register(ring, flags.IORING_UNREGISTER_EVENTFD)
    register(ring, flags.IORING_REGISTER_EVENTFD_ASYNC, event)
    register(ring, flags.IORING_UNREGISTER_EVENTFD)
    person = register(ring, flags.IORING_REGISTER_PERSONALITY)
    assert person > 0
    register(ring, flags.IORING_UNREGISTER_PERSONALITY, person)
    before = register(ring, flags.IORING_REGISTER_IOWQ_MAX_WORKERS, [7, 9])
    assert register(ring, flags.IORING_REGISTER_IOWQ_MAX_WORKERS, [0, 0]) == (7, 9) != before
    register(ring, flags.IORING_REGISTER_IOWQ_AFF, {0})
    register(ring, flags.IORING_UNREGISTER_IOWQ_AFF)
    free = 2**32 - 1
    count, (registered,) = register(ring, flags.IORING_REGISTER_RING_FDS, [(free, ring)])
    assert count == 1
    assert register(ring, flags.IORING_UNREGISTER_RING_FDS, [registered.replace(data=0)]) == 1


def test_restrictions() -> None:
    params = pysyscall.IoUringParams(flags=flags.IORING_SETUP_R_DISABLED)
    try:
        fd, _ = pysyscall.io_uring_setup(1, params)
    except OSError as error:
        pytest.skip(f"no io_uring: {error}")
    allowed = [(flags.IORING_RESTRICTION_SQE_OP, flags.IORING_OP_READ)]
    pysyscall.io_uring_register(fd, flags.IORING_REGISTER_RESTRICTIONS, allowed)
    pysyscall.io_uring_register(fd, flags.IORING_REGISTER_ENABLE_RINGS)
    with pytest.raises(PermissionError):
        pysyscall.io_uring_register(fd, flags.IORING_REGISTER_PROBE)
    os.close(fd)


def test_time_outs_of_rings(ring: int) -> None:
    enter, wait = pysyscall.io_uring_enter, flags.IORING_ENTER_GETEVENTS
    assert enter(ring, 0, 0, 0) == 0
    timed = wait | flags.IORING_ENTER_EXT_ARG
    ran: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: ran.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    try:
        for args in (
            (timed, 0.3),
            (timed, Timespec(0, 300_000_000), {signal.SIGUSR1}),
            (timed | flags.IORING_ENTER_ABS_TIMER, None),
        ):
            flag, timeout, *mask = args
            start = time.monotonic()
            until = start + 0.3 if timeout is None else timeout
            try:
                enter(ring, 0, 1, flag, until, *mask)
            except OSError as error:
                if error.errno == errno.EINVAL:
                    continue  # newer than this kernel
                assert error.errno == errno.ETIME
            assert 0.29 < time.monotonic() - start < 3
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(ran) >= 6


def test_a_whole_wait_is_taken_as_it_is(ring: int) -> None:
    limit = Timespec(0, 10_000_000).to_bytes()
    whole = pysyscall.IoUringGeteventsArg(ts=limit)
    flag = flags.IORING_ENTER_GETEVENTS | flags.IORING_ENTER_EXT_ARG
    with pytest.raises(OSError, match="Timer expired"):
        pysyscall.io_uring_enter(ring, 0, 1, flag, whole)
    for wrong in ("1", [], (1, 2)):
        with pytest.raises(TypeError, match=r"argument 'timeout' must be seconds"):
            pysyscall.io_uring_enter(ring, 0, 1, flag, wrong)  # type: ignore[call-overload]


@pytest.mark.parametrize("flag", [flags.IORING_ENTER_EXT_ARG, flags.IORING_ENTER_ABS_TIMER])
def test_waits_at_kernel_entry(flag: int) -> None:
    with stopped(pysyscall.io_uring_enter, 3, 1, 2, flag, 2.5, {1, 64}) as stop:
        mask, size, least, limit = struct.unpack("QIIQ", stop.read(stop.registers[4], 24))
        assert (size, least) == (8, 0)
        assert stop.read(limit, 16) == struct.pack("QQ", 2, 500_000_000)
        assert stop.read(mask, 8) == struct.pack("Q", 1 | 1 << 63)
        expected = [Word(3), Word(1), Word(2), Word(int(flag)), Pointer(align=8), Word(24)]
        assert compare(Sysno.io_uring_enter, expected, stop) == []
    with stopped(pysyscall.io_uring_enter, 3, 1, 2, flag) as stop:
        assert stop.read(stop.registers[4], 24) == bytes(24)


def test_interfaces_at_kernel_entry() -> None:
    with stopped(pysyscall.ioctl, 3, flags.SIOCGIFCONF) as stop:
        length, address = struct.unpack("i4xQ", stop.read(stop.registers[2], 16))
        assert length >= 40
        assert stop.writable(address, length)
