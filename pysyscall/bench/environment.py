"""What the figures depend on: kernel, processor, mitigations, virtualisation, Python."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import pysyscall
from pysyscall import table
from pysyscall.bench.ground import base

_VULNERABILITIES = Path("/sys/devices/system/cpu/vulnerabilities")
_CLOCK = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
_FIRMWARE = Path("/sys/class/dmi/id/product_name")


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _field(text: str, name: str) -> str:
    """The value after `name:` in a text such as /proc/cpuinfo."""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _mitigations() -> str:
    try:
        files = sorted(_VULNERABILITIES.iterdir())
    except OSError:
        return "unknown"
    told = {file.name: _read(file) for file in files}
    return "; ".join(f"{name}: {text}" for name, text in told.items() if text != "Not affected")


def conditions() -> dict[str, str]:
    """As text, ready to print and to keep beside the figures."""
    processor = _read(Path("/proc/cpuinfo"))
    status = _read(Path("/proc/self/status"))
    virtual = "hypervisor" in _field(processor, "flags").split()
    affinity = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    return {
        "pysyscall": f"{pysyscall.__version__}, table of Linux {table.KERNEL}",
        "python": f"{platform.python_implementation()} {platform.python_version()}, "
        f"{platform.python_compiler()}",
        "kernel": f"{platform.release()} {platform.version()}",
        "libc": " ".join(platform.libc_ver()),
        "cpu": f"{_field(processor, 'model name') or 'unknown'}, {os.cpu_count()} CPUs",
        "threads": _field(status, "Threads"),
        "affinity": f"CPUs {affinity} allowed",
        "virtualisation": f"a guest: {_read(_FIRMWARE) or 'unknown'}" if virtual else "none seen",
        "mitigations": _mitigations() or "none",
        "files": f"in {base()}",
        "clock": _read(_CLOCK) or "unknown",
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "seccomp": {"0": "no filter"}.get(_field(status, "Seccomp"), "a filter is on this process"),
        "watched": "traced" if _traced(status) else "no",
    }


def _traced(status: str) -> bool:
    return _field(status, "TracerPid") not in ("", "0") or sys.gettrace() is not None
