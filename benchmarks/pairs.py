"""os's calls beside ours: `python benchmarks/pairs.py [--filter WORD] [--json FILE]`.

Both sides of a pair run in turns (A B A B) in one process on one CPU, with the garbage collector
off, in many short rounds. A call's time is the least of its rounds, as the machine's noise only
ever adds; the ratio is the median of those of neighbouring rounds, its spread their quartiles.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import platform
import resource
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pysyscall

ROUNDS = 60
CALLS = 1000


@dataclass(frozen=True, slots=True)
class Pair:
    """The same work by os (or its like) and by us."""

    name: str
    theirs: Callable[..., Any]
    ours: Callable[..., Any]
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """Nanoseconds a call at best, and how many times as fast ours is: median and quartiles."""

    name: str
    theirs: float
    ours: float
    ratio: float
    low: float
    high: float


def _pairs(folder: Path) -> list[Pair]:
    path = str(folder / "file")
    link = str(folder / "link")
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    os.write(file, bytes(4096))
    Path(link).symlink_to(path)
    null = os.open("/dev/null", os.O_RDWR)
    zero = os.open("/dev/zero", os.O_RDONLY)
    left, right = socket.socketpair()
    left_fd = left.fileno()
    buffer = bytearray(64)
    pid = os.getpid()

    os_open, os_close, our_open, our_close = os.open, os.close, pysyscall.open, pysyscall.close
    os_dup, our_dup = os.dup, pysyscall.dup

    def sent(x: socket.socket, y: socket.socket) -> bytes:
        x.send(b"x")
        return y.recv(1)

    def our_sent(x: socket.socket, y: socket.socket) -> Any:
        pysyscall.sendto(left_fd, b"x")
        return pysyscall.recvfrom(right_fd, 1)

    right_fd = right.fileno()
    many = folder / "many"
    many.mkdir()
    for number in range(200):
        (many / f"name {number}").touch()
    directory = os.open(many, os.O_RDONLY)

    def our_scandir(fd: int) -> list[str]:
        pysyscall.lseek(fd, 0, os.SEEK_SET)
        return [entry.d_name for entry in pysyscall.getdents64(fd)]

    return [
        Pair("write 1 B", os.write, pysyscall.write, (null, b"x")),
        Pair("read 1 B", os.read, pysyscall.read, (zero, 1)),
        Pair("read 4 KiB", os.read, pysyscall.read, (zero, 4096)),
        Pair("pread 64 B", os.pread, pysyscall.pread, (file, 64, 0)),
        Pair("pwrite 64 B", os.pwrite, pysyscall.pwrite, (file, bytes(64), 0)),
        Pair("readv", os.readv, pysyscall.readv, (zero, [buffer])),
        Pair("writev", os.writev, pysyscall.writev, (null, [buffer, buffer])),
        Pair("lseek", os.lseek, pysyscall.lseek, (file, 0, os.SEEK_SET)),
        Pair("fstat", os.fstat, pysyscall.fstat, (file,)),
        Pair("stat", os.stat, pysyscall.stat, (path,)),
        Pair("lstat", os.lstat, pysyscall.lstat, (link,)),
        Pair("access", os.access, pysyscall.access, (path, os.R_OK)),
        Pair("readlink", os.readlink, pysyscall.readlink, (link,)),
        Pair(
            "list 200 names",
            lambda fd: [entry.name for entry in os.scandir(fd)],
            our_scandir,
            (directory,),
        ),
        Pair("chmod", os.chmod, pysyscall.chmod, (path, 0o600)),
        Pair("ftruncate", os.ftruncate, pysyscall.ftruncate, (file, 4096)),
        Pair(
            "open + close",
            lambda path: os_close(os_open(path, 0)),
            lambda path: our_close(our_open(path, 0)),
            (path,),
        ),
        Pair(
            "dup + close",
            lambda fd: os_close(os_dup(fd)),
            lambda fd: our_close(our_dup(fd)),
            (null,),
        ),
        Pair("getcwd", os.getcwd, pysyscall.getcwd),
        Pair("umask", os.umask, pysyscall.umask, (0o022,)),
        Pair("getpid", os.getpid, pysyscall.getpid),
        Pair("getppid", os.getppid, pysyscall.getppid),
        Pair("getuid", os.getuid, pysyscall.getuid),
        Pair("getresuid", os.getresuid, pysyscall.getresuid),
        Pair("getgroups", os.getgroups, pysyscall.getgroups),
        Pair("getsid", os.getsid, pysyscall.getsid, (0,)),
        Pair("kill 0", os.kill, pysyscall.kill, (pid, 0)),
        Pair("sched_getaffinity", os.sched_getaffinity, pysyscall.sched_getaffinity, (0,)),
        Pair("getrusage", resource.getrusage, pysyscall.getrusage, (resource.RUSAGE_SELF,)),
        Pair("getrlimit", resource.getrlimit, pysyscall.getrlimit, (resource.RLIMIT_NOFILE,)),
        Pair("uname", os.uname, pysyscall.uname),
        Pair("times", os.times, pysyscall.times),
        Pair("clock_gettime", time.clock_gettime, pysyscall.clock_gettime, (time.CLOCK_MONOTONIC,)),
        Pair("clock_getres", time.clock_getres, pysyscall.clock_getres, (time.CLOCK_MONOTONIC,)),
        Pair("getrandom 16 B", os.getrandom, pysyscall.getrandom, (16,)),
        Pair("send + recv 1 B", sent, our_sent, (left, right)),
    ]


def _loop(count: int) -> Callable[..., int]:
    """A function that calls another with `count` arguments many times and tells the nanoseconds."""
    names = ", ".join(f"a{i}" for i in range(count))
    space: dict[str, Any] = {"clock": time.perf_counter_ns, "calls": range(CALLS)}
    exec(
        f"def run(f{', ' if names else ''}{names}):\n"
        f"    start = clock()\n"
        f"    for _ in calls: f({names})\n"
        f"    return clock() - start\n",
        space,
    )
    run: Callable[..., int] = space["run"]
    return run


def measure(pair: Pair) -> Result:
    """Run both sides in turns."""
    run = _loop(len(pair.arguments))
    theirs, ours = [], []
    for _ in range(ROUNDS):
        theirs.append(run(pair.theirs, *pair.arguments) / CALLS)
        ours.append(run(pair.ours, *pair.arguments) / CALLS)
    ratios = [a / b for a, b in zip(theirs, ours, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return Result(pair.name, min(theirs), min(ours), middle, low, high)


def conditions() -> dict[str, str]:
    """What the figures depend on."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(": ", 1)[1]
            break
    return {
        "pysyscall": pysyscall.__version__,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cpu": model,
        "cpus": str(os.cpu_count()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="os's calls beside ours, in one run.")
    parser.add_argument("--filter", default="", metavar="WORD", help="only pairs with WORD in them")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    gc.disable()
    facts = conditions()
    print(", ".join(f"{key} {value}" for key, value in facts.items()))
    print(f"{'':20}{'os':>10}{'ours':>10}{'ratio':>8}  spread\n{'':20}{'ns':>10}{'ns':>10}")
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for pair in _pairs(Path(folder)):
            if options.filter not in pair.name:
                continue
            result = measure(pair)
            results.append(result)
            print(
                f"{result.name:20}{result.theirs:10.0f}{result.ours:10.0f}{result.ratio:8.2f}"
                f"  {result.low:.2f} to {result.high:.2f}",
                flush=True,
            )
    if not results:
        print(f"no pair has {options.filter!r} in its name", file=sys.stderr)
        return 1
    mean = math.exp(statistics.fmean(math.log(result.ratio) for result in results))
    print(f"{'geometric mean':40}{mean:8.2f}")
    if options.json:
        figures = {"conditions": facts, "pairs": [asdict(result) for result in results]}
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
