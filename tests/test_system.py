"""Calls on the system as a whole, and what becomes of a call that the kernel lacks."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pysyscall
from pysyscall import Sysinfo, Utsname


def test_uname_tells_what_os_tells() -> None:
    told, expected = pysyscall.uname(), os.uname()
    assert type(told) is Utsname
    assert tuple(told) == tuple(expected)
    for name in ("sysname", "nodename", "release", "version", "machine"):
        assert getattr(told, name) == getattr(expected, name)
    assert told.domainname == Path("/proc/sys/kernel/domainname").read_text().strip()
    system, _, _, _, machine = told
    assert (system, machine) == ("Linux", "x86_64")


def test_sysinfo_tells_what_proc_tells() -> None:
    told = pysyscall.sysinfo()
    assert type(told) is Sysinfo
    words = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    memory = {word[0].rstrip(":"): int(word[1]) * 1024 for word in words}
    assert told.totalram * told.mem_unit == memory["MemTotal"]
    assert told.totalswap * told.mem_unit == memory["SwapTotal"]
    assert 0 < told.freeram <= told.totalram
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert abs(told.uptime - uptime) <= 1
    average = float(Path("/proc/loadavg").read_text().split()[0])
    assert len(told.loads) == 3
    assert told.loads[0] / 65536 == pytest.approx(average, abs=0.5)
    assert told.procs > 0


@pytest.mark.parametrize("size", [0, 1, 256, 100_000])
@pytest.mark.parametrize("flags", [(), (pysyscall.GRND_NONBLOCK,), (pysyscall.GRND_RANDOM,)])
def test_getrandom(size: int, flags: tuple[int, ...]) -> None:
    data = pysyscall.getrandom(size, *flags)
    expected = os.getrandom(size, *flags)
    assert type(data) is type(expected)
    assert len(data) == len(expected) == size
    if size >= 256:
        assert data != expected
        assert len(set(data)) > 100


def test_getrandom_fills_a_buffer() -> None:
    buffer = bytearray(300)
    assert pysyscall.getrandom(memoryview(buffer)[100:]) == 200
    assert buffer[:100] == bytes(100)
    assert any(buffer[100:])


def test_getrandom_refuses_unknown_flags() -> None:
    with pytest.raises(OSError) as caught:
        pysyscall.getrandom(1, 1 << 10)
    assert caught.value.errno == errno.EINVAL


# A kernel without a call: here a seccomp filter that answers for it with ENOSYS.
LACKING = """
import array, errno, json, struct, sys
import pysyscall
from pysyscall import OpenHow, lookup, raw

calls = {
    "openat2": lambda: pysyscall.openat2(None, "/", OpenHow()),
    "close_range": lambda: pysyscall.close_range(900, 900),
    "faccessat2": lambda: pysyscall.faccessat2(None, "/", 0),
    "preadv2": lambda: pysyscall.preadv2(0, []),
    "renameat2": lambda: pysyscall.renameat2(None, "/none", None, "/nothing"),
    "memfd_create": lambda: pysyscall.memfd_create("x"),
}
def filter(code, true, false, k):
    return struct.pack("=HBBI", code, true, false, k)

LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERROR = 0x7fff0000, 0x00050000
program = filter(LOAD, 0, 0, 0)
for name in calls:
    program += filter(EQUAL, 0, 1, lookup(name).number)
    program += filter(RETURN, 0, 0, ERROR | errno.ENOSYS)
program = array.array("B", program + filter(RETURN, 0, 0, ALLOW))
address, size = program.buffer_info()
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
pysyscall.syscall("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
try:
    fprog = struct.pack("=H6xQ", size // 8, address)
    pysyscall.syscall("prctl", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, fprog)
except OSError as error:
    sys.exit(f"no filter: {error}")
told = {}
for name, call in calls.items():
    try:
        call()
    except OSError as error:
        told[name] = (type(error).__name__, error.errno, error.strerror, error.filename)
print(json.dumps(told))
"""


def test_a_call_that_the_kernel_lacks_tells_since_when_there_is_one() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LACKING],
        env=os.environ | {"PYTHONPATH": str(Path(pysyscall.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=10,
    )
    if ended.stderr.startswith("no filter"):
        pytest.skip(ended.stderr)
    assert ended.stderr == ""
    told = json.loads(ended.stdout)
    assert len(told) == 6
    for name, (kind, number, message, filename) in told.items():
        assert (kind, number, filename) == ("OSError", errno.ENOSYS, None)
        since = pysyscall.lookup(name).since
        assert message == (
            f"Function not implemented: {name}() is in Linux since {since}, or a filter forbids it"
        )
    assert told["openat2"][2].count("5.6") == 1
