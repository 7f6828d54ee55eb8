"""unshare and setns: namespaces and what threads share, in a child."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from children import in_child
from conditions import needs_root

import pysyscall
from pysyscall import CLONE_FILES, CLONE_FS, CLONE_NEWUSER, CLONE_NEWUTS


def namespaces() -> dict[str, int]:
    """The caller's; one that has no process yet isn't there."""
    paths = Path("/proc/thread-self/ns").iterdir()
    return {path.name: path.stat().st_ino for path in paths if path.exists()}


@pytest.mark.parametrize("name", ["uts", "ipc", "mnt", "net", "cgroup", "user", "pid", "time"])
def test_unshare_makes_a_namespace(name: str) -> None:
    flag = getattr(pysyscall, f"CLONE_NEW{'NS' if name == 'mnt' else name.upper()}")

    def leave() -> object:
        before = namespaces()
        assert pysyscall.unshare(flag | CLONE_NEWUSER) is None
        after = namespaces()
        return {kind for kind in before if before[kind] != after.get(kind)}

    try:
        changed = in_child(leave)
    except PermissionError:
        pytest.skip("no namespaces for this user")
    if name in ("pid", "time"):
        name += "_for_children"
    assert changed == {name, "user"}


def test_unshare_gives_a_thread_its_own_directory_and_descriptors(tmp_path: Path) -> None:
    def leave() -> object:
        told: list[object] = []
        before = Path.cwd()
        reader, writer = os.pipe()

        def thread() -> None:
            pysyscall.unshare(CLONE_FS | CLONE_FILES)
            os.chdir(tmp_path)
            os.close(reader)
            told.append(Path.cwd())

        worker = threading.Thread(target=thread)
        worker.start()
        worker.join()
        os.write(writer, b"x")
        return told, Path.cwd() == before, os.read(reader, 1)

    assert in_child(leave) == ([tmp_path], True, b"x")


@needs_root
@pytest.mark.parametrize("by", ["file", "pidfd"])
def test_setns(sleeper: int, by: str) -> None:
    def move() -> object:
        start = namespaces()["uts"]
        pysyscall.unshare(CLONE_NEWUTS)
        own = namespaces()["uts"]
        if by == "file":
            fd = os.open(f"/proc/{sleeper}/ns/uts", os.O_RDONLY)
        else:
            fd = os.pidfd_open(sleeper)
        assert pysyscall.setns(fd, CLONE_NEWUTS) is None
        return own != start, namespaces()["uts"] == start

    try:
        assert in_child(move) == (True, True)
    except PermissionError:
        pytest.skip("no namespaces for this user")


def test_setns_checks_the_kind(keep: Callable[[int], int]) -> None:
    fd = keep(os.open("/proc/self/ns/uts", os.O_RDONLY))
    for arguments in ((fd, pysyscall.CLONE_NEWNET), (keep(os.open("/", os.O_RDONLY)),)):
        with pytest.raises(OSError) as caught:
            in_child(lambda arguments=arguments: pysyscall.setns(*arguments))
        assert caught.value.errno == errno.EINVAL
