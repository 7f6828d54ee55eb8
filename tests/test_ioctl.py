"""ioctl against the real kernel: terminals, files, disks, sockets, namespaces, processes."""

from __future__ import annotations

import errno
import fcntl as library
import os
import pty
import signal
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable, Iterator
from ctypes import addressof, c_char
from mmap import mmap
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from children import in_child
from conditions import ROOT, needs_root, skip_where

import pysyscall
from pysyscall import Fiemap, FileDedupeRange, FileDedupeRangeInfo, flags, ioctl
from tables import calls, families

Keep: TypeAlias = Callable[[int], int]


@pytest.fixture
def terminal(keep: Keep) -> tuple[int, int]:
    """Both ends of a pseudoterminal, master first."""
    master, slave = pty.openpty()
    return keep(master), keep(slave)


@pytest.fixture
def file(tmp_path: Path, keep: Keep) -> int:
    fd = keep(os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT))
    os.write(fd, bytes(100_000))
    os.fsync(fd)
    return fd


@pytest.fixture
def link(keep: Keep) -> int:
    """A socket to ask about the interface lo."""
    return keep(socket.socket(socket.AF_INET, socket.SOCK_DGRAM).detach())


def device(keep: Keep) -> int:
    """The disk that the root directory is on."""
    major_minor = Path("/").stat().st_dev
    path = f"/dev/block/{os.major(major_minor)}:{os.minor(major_minor)}"
    with skip_where(lacking="there is no disk to ask"):
        made = Path("/sys/dev/block", path.rpartition("/")[2]).resolve(strict=True)
        return keep(os.open(f"/dev/{made.name}", os.O_RDONLY))


def or_skip(*args: Any) -> Any:
    """What a request tells, unless the kernel or the file system does not know it."""
    with skip_where(errno.ENOTTY, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
        return ioctl(*args)


# Any file


def test_requests_that_any_file_knows() -> None:
    reader, writer = os.pipe()
    try:
        ioctl(reader, flags.FIONCLEX)
        assert os.get_inheritable(reader)
        ioctl(reader, flags.FIOCLEX)
        assert not os.get_inheritable(reader)
        ioctl(reader, flags.FIONBIO, 1)
        assert not os.get_blocking(reader)
        ioctl(reader, flags.FIONBIO, 0)
        assert os.get_blocking(reader)
        os.write(writer, b"12345")
        assert ioctl(reader, flags.FIONREAD) == 5
        ioctl(reader, flags.FIOASYNC, 1)
        assert library.fcntl(reader, library.F_GETFL) & os.O_ASYNC
    finally:
        os.close(reader)
        os.close(writer)


# Terminals


def test_terminal_modes(terminal: tuple[int, int]) -> None:
    modes = ioctl(terminal[1], flags.TCGETS)
    assert [modes.c_iflag, modes.c_oflag, modes.c_cflag, modes.c_lflag] == termios.tcgetattr(
        terminal[1]
    )[:4]
    quiet = modes.replace(c_lflag=modes.c_lflag & ~flags.ECHO)
    for request in (flags.TCSETS, flags.TCSETSW, flags.TCSETSF):
        assert ioctl(terminal[1], request, quiet) is None
        assert termios.tcgetattr(terminal[1])[3] == quiet.c_lflag
        ioctl(terminal[1], flags.TCSETS, modes)
    with_speeds = ioctl(terminal[1], flags.TCGETS2)
    assert with_speeds.c_ospeed == 38400
    for request in (flags.TCSETS2, flags.TCSETSW2, flags.TCSETSF2):
        ioctl(terminal[1], request, with_speeds.replace(c_oflag=0))
        assert ioctl(terminal[1], flags.TCGETS).c_oflag == 0
        ioctl(terminal[1], flags.TCSETS, modes)
    assert ioctl(terminal[1], flags.TIOCGLCKTRMIOS).c_iflag == 0


def test_terminal_sizes(terminal: tuple[int, int]) -> None:
    ioctl(terminal[1], flags.TIOCSWINSZ, (24, 80, 1, 2))
    assert tuple(ioctl(terminal[0], flags.TIOCGWINSZ)) == (24, 80, 1, 2)
    assert os.get_terminal_size(terminal[1]) == (80, 24)


def test_terminal_queues(terminal: tuple[int, int]) -> None:
    os.write(terminal[0], b"line\n")
    until = time.monotonic() + 10
    while ioctl(terminal[1], flags.FIONREAD) < 5 and time.monotonic() < until:
        time.sleep(0.01)
    assert ioctl(terminal[1], flags.FIONREAD) == 5
    ioctl(terminal[1], flags.TCFLSH, flags.TCIFLUSH)
    assert ioctl(terminal[1], flags.FIONREAD) == 0
    ioctl(terminal[1], flags.TCXONC, flags.TCOOFF)
    ioctl(terminal[1], flags.TCXONC, flags.TCOON)
    assert ioctl(terminal[1], flags.TIOCOUTQ) == 0
    ioctl(terminal[1], flags.TCSBRK, 1)
    ioctl(terminal[1], flags.TCSBRKP, 1)
    # A pseudoterminal has no line to break, and takes the request all the same.
    ioctl(terminal[1], flags.TIOCSBRK)
    ioctl(terminal[1], flags.TIOCCBRK)


def test_lines_and_disciplines(terminal: tuple[int, int]) -> None:
    assert ioctl(terminal[1], flags.TIOCGETD) is flags.N_TTY
    ioctl(terminal[1], flags.TIOCSETD, flags.N_TTY)
    assert ioctl(terminal[1], flags.TIOCGSOFTCAR) in (0, 1)
    ioctl(terminal[1], flags.TIOCSSOFTCAR, 1)
    assert ioctl(terminal[1], flags.TIOCGSOFTCAR) == 1
    ioctl(terminal[1], flags.TIOCEXCL)
    assert ioctl(terminal[1], flags.TIOCGEXCL) == 1
    ioctl(terminal[1], flags.TIOCNXCL)
    assert ioctl(terminal[1], flags.TIOCGEXCL) == 0
    device = ioctl(terminal[1], flags.TIOCGDEV)
    assert (device >> 8 & 0xFF, device & 0xFF) == (
        os.major(os.fstat(terminal[1]).st_rdev),
        os.minor(os.fstat(terminal[1]).st_rdev),
    )


def test_pseudoterminals(keep: Keep) -> None:
    master = keep(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY))
    assert ioctl(master, flags.TIOCGPTLCK) == 1
    ioctl(master, flags.TIOCSPTLCK, 0)
    assert ioctl(master, flags.TIOCGPTLCK) == 0
    slave = keep(ioctl(master, flags.TIOCGPTPEER, flags.O_RDWR | flags.O_NOCTTY))
    assert os.ttyname(slave) == f"/dev/pts/{ioctl(master, flags.TIOCGPTN)}"
    assert ioctl(master, flags.TIOCGPKT) == 0
    ioctl(master, flags.TIOCPKT, 1)
    assert ioctl(master, flags.TIOCGPKT) == 1
    os.write(slave, b"x")
    assert os.read(master, 10) == bytes([flags.TIOCPKT_DATA]) + b"x"


def test_sessions_of_terminals(terminal: tuple[int, int]) -> None:
    def leader() -> list[object]:
        os.setsid()
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        ioctl(terminal[1], flags.TIOCSCTTY)
        told: list[object] = [ioctl(terminal[1], flags.TIOCGSID) == os.getpid()]
        ioctl(terminal[1], flags.TIOCSPGRP, os.getpid())
        told.append(ioctl(terminal[1], flags.TIOCGPGRP) == os.getpid())
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGWINCH})
        ioctl(terminal[0], flags.TIOCSIG, flags.SIGINT)
        told.append(signal.sigtimedwait({signal.SIGINT}, 10) is not None)
        ioctl(terminal[0], flags.TIOCSWINSZ, (7, 7))
        told.append(signal.sigtimedwait({signal.SIGWINCH}, 10) is not None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        ioctl(terminal[1], flags.TIOCNOTTY)
        with pytest.raises(OSError, match="Inappropriate"):
            ioctl(terminal[1], flags.TIOCGSID)
        return told

    assert in_child(leader) == [True] * 4


@needs_root
def test_a_byte_put_into_a_terminals_input(terminal: tuple[int, int]) -> None:
    try:
        ioctl(terminal[1], flags.TIOCSTI, b"q")
    except OSError as error:
        assert error.errno == errno.EIO  # switched off by dev.tty.legacy_tiocsti
    else:
        assert ioctl(terminal[1], flags.FIONREAD) == 0  # no line yet
    with pytest.raises(TypeError, match=r"argument 'byte' must be a bytes-like object"):
        ioctl(terminal[1], flags.TIOCSTI, "q")  # type: ignore[call-overload]


@needs_root
def test_hanging_up(terminal: tuple[int, int]) -> None:
    ioctl(terminal[1], flags.TIOCVHANGUP)
    assert os.read(terminal[1], 1) == b""


# Files and file systems


def test_where_data_is(file: int) -> None:
    wanted = Fiemap(fm_length=2**64 - 1, fm_flags=flags.FIEMAP_FLAG_SYNC, fm_extent_count=4)
    told, extents = or_skip(file, flags.FS_IOC_FIEMAP, wanted)
    assert told.fm_mapped_extents == len(extents) >= 1
    assert extents[0].fe_logical == 0
    assert sum(extent.fe_length for extent in extents) >= 100_000
    assert extents[-1].fe_flags & flags.FIEMAP_EXTENT_LAST
    counted, none = ioctl(file, flags.FS_IOC_FIEMAP, wanted.replace(fm_extent_count=0))
    assert (counted.fm_mapped_extents, none) == (len(extents), [])


def test_room_follows_from_the_count(file: int) -> None:
    """However many extents are asked for, the kernel writes to memory that is there."""
    wanted = Fiemap(fm_length=2**64 - 1, fm_extent_count=2**20)
    _, extents = or_skip(file, flags.FS_IOC_FIEMAP, wanted)
    assert len(extents) < 100
    with pytest.raises((MemoryError, OSError)):
        ioctl(file, flags.FS_IOC_FIEMAP, wanted.replace(fm_extent_count=2**32 - 1))


def test_sharing_data(tmp_path: Path, file: int, keep: Keep) -> None:
    """Most file systems can't; whether each number comes back is for the register test."""
    other = keep(os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT))
    for call in (
        lambda: ioctl(other, flags.FICLONE, file),
        lambda: ioctl(other, flags.FICLONERANGE, pysyscall.FileCloneRange(src_fd=file)),
    ):
        try:
            call()
        except OSError as error:
            assert error.errno in (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL)
        else:
            assert os.fstat(other).st_size == 100_000


def test_deduplication(tmp_path: Path, file: int, keep: Keep) -> None:
    other = keep(os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT))
    os.write(other, bytes(100_000))
    whole = FileDedupeRange(src_length=65536, dest_count=9)
    infos = [FileDedupeRangeInfo(dest_fd=other), FileDedupeRangeInfo(dest_fd=other)]
    try:
        told, results = ioctl(file, flags.FIDEDUPERANGE, (whole, infos))
    except OSError as error:
        assert error.errno in (errno.EOPNOTSUPP, errno.EINVAL)
    else:
        assert told.dest_count == len(results) == 2
        assert {result.status for result in results} <= {0, 1, -errno.EINVAL, -errno.EOPNOTSUPP}
    with pytest.raises(OSError, match="Cannot allocate memory"):
        ioctl(file, flags.FIDEDUPERANGE, (whole, infos * 100))
    with pytest.raises(ValueError, match="must hold at most 65535 items, not 70000"):
        ioctl(file, flags.FIDEDUPERANGE, (whole, infos * 35_000))
    for wrong in (whole, (whole,), (whole, 3), (whole, [3]), [whole, infos]):
        with pytest.raises(TypeError, match=r"ioctl\(\) argument 'range' "):
            ioctl(file, flags.FIDEDUPERANGE, wrong)  # type: ignore[call-overload]


def test_attributes(file: int) -> None:
    before = or_skip(file, flags.FS_IOC_GETFLAGS)
    ioctl(file, flags.FS_IOC_SETFLAGS, before | flags.FS_NODUMP_FL)
    assert ioctl(file, flags.FS_IOC_GETFLAGS) == before | flags.FS_NODUMP_FL
    extended = or_skip(file, flags.FS_IOC_FSGETXATTR)
    assert extended.fsx_xflags & flags.FS_XFLAG_NODUMP
    ioctl(file, flags.FS_IOC_FSSETXATTR, extended.replace(fsx_xflags=0))
    assert not ioctl(file, flags.FS_IOC_GETFLAGS) & flags.FS_NODUMP_FL


@needs_root
def test_generations(file: int) -> None:
    or_skip(file, flags.FS_IOC_GETVERSION)
    or_skip(file, flags.FS_IOC_SETVERSION, 77)
    assert ioctl(file, flags.FS_IOC_GETVERSION) == 77


def test_what_is_told_of_a_file_system(file: int) -> None:
    assert ioctl(file, flags.FIGETBSZ) == os.fstatvfs(file).f_bsize
    uuid = or_skip(file, flags.FS_IOC_GETFSUUID)
    assert uuid.len == len(uuid.uuid) == 16
    assert isinstance(or_skip(file, flags.FS_IOC_GETFSLABEL).label, str)
    path = or_skip(file, flags.FS_IOC_GETFSSYSFSPATH)
    assert len(path.name) == path.len
    assert Path("/sys/fs", path.name).exists()


@needs_root
def test_blocks_of_files(file: int) -> None:
    assert or_skip(file, flags.FIBMAP, 0) > 0


def test_sizes_of_directories(tmp_path: Path, keep: Keep) -> None:
    fd = keep(os.open(tmp_path, os.O_RDONLY))
    assert or_skip(fd, flags.FIOQSIZE) >= 0


# Disks


@needs_root
def test_disks(keep: Keep) -> None:
    fd = device(keep)
    size = ioctl(fd, flags.BLKGETSIZE64)
    assert size == os.lseek(fd, 0, os.SEEK_END)
    assert ioctl(fd, flags.BLKGETSIZE) == size // 512
    assert ioctl(fd, flags.BLKSSZGET) in (512, 4096)
    assert ioctl(fd, flags.BLKPBSZGET) >= ioctl(fd, flags.BLKSSZGET)
    assert ioctl(fd, flags.BLKIOMIN) >= 512
    assert ioctl(fd, flags.BLKIOOPT) >= 0
    assert ioctl(fd, flags.BLKALIGNOFF) == 0
    assert 0 < ioctl(fd, flags.BLKSECTGET) < 2**16
    assert ioctl(fd, flags.BLKROTATIONAL) in (0, 1)
    assert ioctl(fd, flags.BLKROGET) == 0
    assert ioctl(fd, flags.BLKRAGET) == ioctl(fd, flags.BLKFRAGET) >= 0
    assert ioctl(fd, flags.BLKDISCARDZEROES) == 0
    assert ioctl(fd, flags.BLKGETDISKSEQ) > 0
    assert ioctl(fd, flags.BLKGETZONESZ) == ioctl(fd, flags.BLKGETNRZONES) == 0
    assert ioctl(fd, flags.BLKBSZGET) in (512, 1024, 2048, 4096)


@pytest.fixture
def loop(tmp_path: Path, keep: Keep) -> Iterator[tuple[int, Path]]:
    """A loop device that nobody else uses, over a file of 1 MiB."""
    if not ROOT:
        pytest.skip("only root may do it")
    backing = tmp_path / "disk"
    backing.write_bytes(bytes(range(256)) * 4096)
    with skip_where(lacking="there is no loop device"):
        control = keep(os.open("/dev/loop-control", os.O_RDWR))
        number = ioctl(control, flags.LOOP_CTL_GET_FREE)
        fd = keep(os.open(f"/dev/loop{number}", os.O_RDWR))
    info = pysyscall.LoopInfo64(lo_flags=flags.LO_FLAGS_AUTOCLEAR, lo_offset=512)
    behind = keep(os.open(backing, os.O_RDWR))
    ioctl(fd, flags.LOOP_CONFIGURE, pysyscall.LoopConfig(fd=behind, block_size=512, info=info))
    yield fd, backing
    ioctl(fd, flags.LOOP_CLR_FD)


def test_loop_devices(loop: tuple[int, Path]) -> None:
    fd, backing = loop
    info = ioctl(fd, flags.LOOP_GET_STATUS64)
    assert (info.lo_inode, info.lo_offset) == (backing.stat().st_ino, 512)
    assert ioctl(fd, flags.BLKGETSIZE64) == 2**20 - 512
    ioctl(fd, flags.LOOP_SET_STATUS64, info.replace(lo_offset=1024))
    assert ioctl(fd, flags.BLKGETSIZE64) == 2**20 - 1024
    os.truncate(backing, 2**21)
    ioctl(fd, flags.LOOP_SET_CAPACITY)
    assert ioctl(fd, flags.BLKGETSIZE64) == 2**21 - 1024
    ioctl(fd, flags.LOOP_SET_BLOCK_SIZE, 1024)
    assert ioctl(fd, flags.BLKSSZGET) == 1024
    ioctl(fd, flags.LOOP_SET_DIRECT_IO, 0)
    ioctl(fd, flags.BLKROSET, 1)
    assert ioctl(fd, flags.BLKROGET) == 1
    ioctl(fd, flags.BLKROSET, 0)
    ioctl(fd, flags.BLKRASET, 64)
    assert ioctl(fd, flags.BLKRAGET) == 64
    ioctl(fd, flags.BLKFRASET, 32)
    ioctl(fd, flags.BLKFLSBUF)
    ioctl(fd, flags.BLKZEROOUT, (0, 4096))
    assert os.pread(fd, 4097, 0).startswith(bytes(4096))
    assert backing.read_bytes()[1024 + 4096 : 1024 + 4100] == b"\0\1\2\3"
    try:
        ioctl(fd, flags.BLKDISCARD, (4096, 4096))
    except OSError as error:
        assert error.errno == errno.EOPNOTSUPP
    ioctl(fd, flags.BLKBSZSET, 1024)
    assert ioctl(fd, flags.BLKBSZGET) == 1024


# Randomness


def test_randomness(keep: Keep) -> None:
    fd = keep(os.open("/dev/random", os.O_RDONLY))
    assert 0 <= ioctl(fd, flags.RNDGETENTCNT) <= 4096


# Sockets and interfaces


def test_sockets(keep: Keep) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        with client, server.accept()[0] as peer:
            client.send(b"abc")
            client.send(b"!", socket.MSG_OOB)
            for _ in range(200):
                if ioctl(peer, flags.FIONREAD) >= 3 and not ioctl(client, flags.SIOCOUTQNSD):
                    break
                time.sleep(0.01)
            assert ioctl(peer, flags.FIONREAD) == 3
            assert ioctl(peer, flags.SIOCATMARK) == 0
            assert peer.recv(10) == b"abc"
            assert ioctl(peer, flags.SIOCATMARK) == 1
            assert ioctl(client, flags.SIOCOUTQNSD) == 0
            for setting, getting in (
                (flags.FIOSETOWN, flags.FIOGETOWN),
                (flags.SIOCSPGRP, flags.SIOCGPGRP),
            ):
                ioctl(peer, setting, -os.getpgrp())
                assert ioctl(peer, getting) == -os.getpgrp()
                ioctl(peer, setting, 0)


def test_when_a_packet_came() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        with pytest.raises(FileNotFoundError):
            ioctl(receiver, flags.SIOCGSTAMP)
        receiver.sendto(b"x", receiver.getsockname())
        receiver.recv(10)
        for request in (flags.SIOCGSTAMP, flags.SIOCGSTAMP_NEW):
            assert abs(ioctl(receiver, request).tv_sec - time.time()) < 60
        for exact in (flags.SIOCGSTAMPNS, flags.SIOCGSTAMPNS_NEW):
            assert abs(ioctl(receiver, exact).tv_sec - time.time()) < 60


def test_the_interface_lo(link: int) -> None:
    index = ioctl(link, flags.SIOCGIFINDEX, pysyscall.IfreqIndex(ifr_name="lo")).ifr_ifindex
    assert index == socket.if_nametoindex("lo")
    named = ioctl(link, flags.SIOCGIFNAME, pysyscall.IfreqIndex(ifr_ifindex=index))
    assert named.ifr_name == "lo"
    told = ioctl(link, flags.SIOCGIFFLAGS, ("lo",))
    assert flags.IFF_LOOPBACK & told.ifr_flags
    assert ioctl(link, flags.SIOCGIFMTU, ("lo",)).ifr_mtu == int(
        Path("/sys/class/net/lo/mtu").read_text()
    )
    assert ioctl(link, flags.SIOCGIFHWADDR, ("lo",)).sa_family == flags.ARPHRD_LOOPBACK
    assert ioctl(link, flags.SIOCGIFTXQLEN, ("lo",)).ifr_qlen == 1000
    assert ioctl(link, flags.SIOCGIFMETRIC, ("lo",)).ifr_metric == 0
    assert ioctl(link, flags.SIOCGIFMAP, ("lo",)).mem_start == 0
    with pytest.raises(OSError, match="No such device"):
        ioctl(link, flags.SIOCGIFFLAGS, ("nowhere",))


@needs_root
def test_setting_up_an_interface() -> None:
    """In a network namespace of its own, where lo is down and has no address."""

    def within() -> None:
        pysyscall.unshare(flags.CLONE_NEWNET)
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM).detach()
        assert ioctl(link, flags.SIOCGIFCONF) == []
        up = ioctl(link, flags.SIOCGIFFLAGS, ("lo",))
        ioctl(link, flags.SIOCSIFFLAGS, up.replace(ifr_flags=up.ifr_flags | flags.IFF_UP))
        names = ["lo", *(f"lo:{k}" for k in range(150))]
        for k, name in enumerate(names, 1):
            address = pysyscall.SockaddrIn(f"127.0.1.{k}", 0)
            ioctl(link, flags.SIOCSIFADDR, (name, address))
        listed = {i.ifr_name: i.ifr_addr.sin_addr for i in ioctl(link, flags.SIOCGIFCONF)}
        # More than there is room for at first.
        assert listed == {name: f"127.0.1.{k}" for k, name in enumerate(names, 1)}
        mask = pysyscall.SockaddrIn("255.255.0.0", 0)
        ioctl(link, flags.SIOCSIFNETMASK, ("lo", mask))
        assert ioctl(link, flags.SIOCGIFNETMASK, ("lo",)).ifr_addr.sin_addr == "255.255.0.0"
        assert ioctl(link, flags.SIOCGIFADDR, ("lo",)).ifr_addr.sin_addr == "127.0.1.1"
        assert ioctl(link, flags.SIOCGIFDSTADDR, ("lo",)).ifr_addr.sin_addr == "127.0.1.1"
        assert ioctl(link, flags.SIOCGIFBRDADDR, ("lo",)).ifr_addr.sin_addr == "0.0.0.0"
        ioctl(link, flags.SIOCSIFMTU, ("lo", 9000))
        assert ioctl(link, flags.SIOCGIFMTU, ("lo",)).ifr_mtu == 9000
        ioctl(link, flags.SIOCSIFTXQLEN, ("lo", 50))
        assert ioctl(link, flags.SIOCGIFTXQLEN, ("lo",)).ifr_qlen == 50
        namespace = ioctl(link, flags.SIOCGSKNS)
        assert os.fstat(namespace).st_ino == Path("/proc/self/ns/net").stat().st_ino

    in_child(within)


# Namespaces and processes


def test_namespaces(keep: Keep) -> None:
    net = keep(os.open("/proc/self/ns/net", os.O_RDONLY))
    user = keep(ioctl(net, flags.NS_GET_USERNS))
    assert os.fstat(user).st_ino == Path("/proc/self/ns/user").stat().st_ino
    assert ioctl(net, flags.NS_GET_NSTYPE) == flags.CLONE_NEWNET
    assert ioctl(user, flags.NS_GET_OWNER_UID) == 0
    with pytest.raises(PermissionError):
        ioctl(user, flags.NS_GET_PARENT)
    pids = keep(os.open("/proc/self/ns/pid", os.O_RDONLY))
    for request in (flags.NS_GET_TGID_FROM_PIDNS, flags.NS_GET_TGID_IN_PIDNS):
        assert or_skip(pids, request, os.getpid()) == os.getpid()
    for request in (flags.NS_GET_PID_FROM_PIDNS, flags.NS_GET_PID_IN_PIDNS):
        assert ioctl(pids, request, threading.get_native_id()) == threading.get_native_id()
    mounts = keep(os.open("/proc/self/ns/mnt", os.O_RDONLY))
    info = or_skip(mounts, flags.NS_MNT_GET_INFO)
    assert info.mnt_ns_id == ioctl(mounts, flags.NS_GET_MNTNS_ID)
    assert info.nr_mounts == len(Path("/proc/self/mountinfo").read_text().splitlines())


def test_namespaces_of_a_process(keep: Keep) -> None:
    pidfd = keep(os.pidfd_open(os.getpid()))
    for name in ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"):
        fd = keep(or_skip(pidfd, flags.IoctlRequest[f"PIDFD_GET_{name.upper()}_NAMESPACE"]))
        assert os.fstat(fd).st_ino == Path(f"/proc/self/ns/{name}").stat().st_ino
    info = or_skip(pidfd, flags.PIDFD_GET_INFO, pysyscall.PidfdInfo(mask=flags.PIDFD_INFO_PID))
    assert (info.pid, info.tgid, info.ppid) == (os.getpid(), os.getpid(), os.getppid())


# What other calls make


def test_epoll_inotify_and_timers(keep: Keep, tmp_path: Path) -> None:
    timer = keep(pysyscall.timerfd_create(flags.CLOCK_MONOTONIC, 0))
    try:
        ioctl(timer, flags.TFD_IOC_SET_TICKS, 7)
        assert os.read(timer, 8) == struct.pack("Q", 7)
    except OSError as error:
        assert error.errno == errno.ENOTTY
    watch = keep(pysyscall.inotify_init1(0))
    or_skip(watch, flags.INOTIFY_IOC_SETNEXTWD, 123)
    assert pysyscall.inotify_add_watch(watch, tmp_path, flags.IN_CREATE) == 123


def test_epoll_parameters(keep: Keep) -> None:
    fd = keep(pysyscall.epoll_create1(0))
    params = or_skip(fd, flags.EPIOCGPARAMS)
    assert params.busy_poll_usecs == 0
    ioctl(fd, flags.EPIOCSPARAMS, params.replace(busy_poll_usecs=50, prefer_busy_poll=1))
    assert ioctl(fd, flags.EPIOCGPARAMS).busy_poll_usecs == 50


def test_faults_in_user_space(keep: Keep) -> None:
    with skip_where(lacking="no userfaultfd"):
        fd = keep(pysyscall.userfaultfd(flags.UFFD_USER_MODE_ONLY | flags.O_CLOEXEC))
    api = ioctl(fd, flags.UFFDIO_API, (flags.UFFD_API,))
    assert api.ioctls >> 0 & 1
    memory = mmap(-1, 4096 * 4)
    start = addressof(c_char.from_buffer(memory))
    area = pysyscall.UffdioRange(start, 4096 * 4)
    registered = ioctl(fd, flags.UFFDIO_REGISTER, (area, flags.UFFDIO_REGISTER_MODE_MISSING))
    assert registered.ioctls
    page = b"page" * 1024
    copied = ioctl(fd, flags.UFFDIO_COPY, pysyscall.UffdioCopy(dst=start, src=page, len=4096))
    assert copied.copy == 4096
    zeroed = ioctl(fd, flags.UFFDIO_ZEROPAGE, pysyscall.UffdioZeropage(range=(start + 4096, 4096)))
    assert zeroed.zeropage == 4096
    assert memory[:8192] == page + bytes(4096)
    ioctl(fd, flags.UFFDIO_WAKE, area)
    ioctl(fd, flags.UFFDIO_UNREGISTER, area)
    assert memory[8192:] == bytes(8192)
    with pytest.raises(OSError, match="Invalid argument"):
        ioctl(fd, flags.UFFDIO_WAKE, (start + 1, 4096))


def test_performance_events(keep: Keep) -> None:
    attr = pysyscall.PerfEventAttr(
        type=flags.PERF_TYPE_SOFTWARE, config=flags.PERF_COUNT_SW_TASK_CLOCK
    )
    with skip_where(lacking="no events"):
        fd = keep(pysyscall.perf_event_open(attr, 0, -1))
    assert ioctl(fd, flags.PERF_EVENT_IOC_ID) > 0
    ioctl(fd, flags.PERF_EVENT_IOC_DISABLE)
    ioctl(fd, flags.PERF_EVENT_IOC_RESET)
    assert os.read(fd, 8) == bytes(8)
    ioctl(fd, flags.PERF_EVENT_IOC_ENABLE)
    assert struct.unpack("Q", os.read(fd, 8))[0] > 0


# Requests that the table does not know


def test_small_buffers_have_room_behind_them(terminal: tuple[int, int]) -> None:
    """TCGETA writes 18 bytes, however few are asked for."""
    modes = ioctl(terminal[1], flags.TCGETS)
    for size in (0, 2, 18, 5000):
        own = bytearray(b"\xee" * size)
        assert ioctl(terminal[1], flags.TCGETA, own) == 0
        wanted = struct.pack(
            "HHHHB",
            modes.c_iflag,
            modes.c_oflag,
            modes.c_cflag & 0xFFFF,
            modes.c_lflag,
            modes.c_line,
        )
        assert own[:9] == wanted[:size]
        assert own[18:] == b"\xee" * (size - 18)
    # Of what can't be written to the kernel gets a copy.
    constant = b"12"
    assert ioctl(terminal[1], flags.TCGETA, constant) == 0
    assert constant == b"12"


def test_a_struct_without_a_type_of_its_own(keep: Keep) -> None:
    """PROCMAP_QUERY, whose request says that it moves 104 bytes, asks for the stack's mapping."""
    fd = keep(os.open("/proc/self/maps", os.O_RDONLY))
    query = bytearray(struct.pack("QQQ", 104, 0x10, 0).ljust(104, b"\0"))
    assert or_skip(fd, flags.PROCMAP_QUERY, query) == 0
    start, end = struct.unpack_from("QQ", query, 24)
    lines = Path("/proc/self/maps").read_text().splitlines()
    assert f"{start:08x}-{end:08x}" in {line.split()[0] for line in lines}
    with pytest.raises(ValueError, match="must have the 104 bytes that the request moves, not 103"):
        ioctl(fd, flags.PROCMAP_QUERY, query[:103])


CALL = calls.load().calls["ioctl"]


def test_memory_is_as_large_as_requests_say() -> None:
    """The size that stands in a request is that of the struct; a cell has room for 16 bytes."""
    for command, variant in families.variants(CALL):
        assert command.choice is not None
        direction, size = command.choice[1] >> 30, command.choice[1] >> 16 & 0x3FFF
        value = variant.values[2]
        if direction and value.struct is not None:
            assert value.struct.size == size, command.when
        elif direction and value.rule.cell and value.rule.pointer:
            assert size <= 16, command.when
