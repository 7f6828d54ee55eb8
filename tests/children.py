"""Child processes: for what would do harm in this one, and for others to act on."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conditions import ROOT

import pysyscall

NO_PROCESS = 2**22  # beyond the largest pid that the kernel gives
NOBODY = 65534


def in_child(function: Callable[[], Any]) -> Any:
    """What `function` returns or raises in a forked child, which then ends."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            try:
                answer = pickle.dumps((function(), None))
            except BaseException as error:
                error.add_note(traceback.format_exc())
                answer = pickle.dumps((None, error))
            os.write(writer, answer)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        result, error = pickle.loads(pipe.read())
    os.waitpid(pid, 0)
    if error is not None:
        raise error
    return result


def child(function: Callable[[], Any]) -> int:
    """Forks a child that calls the function and ends with what that returns, or with 99."""
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            status = function() or 0
        finally:
            os._exit(status)
    return pid


def python(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a script that may be indented."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(pysyscall.__file__).parents[1])} | environment,
        timeout=60,
    )


def give_up_rights() -> None:
    if ROOT:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


def enter_namespaces() -> None:
    """Become root of a new user namespace, with mounts of one's own."""
    ids = {"uid_map": os.geteuid(), "gid_map": os.getegid()}
    pysyscall.unshare(pysyscall.CLONE_NEWUSER | pysyscall.CLONE_NEWNS)
    Path("/proc/self/setgroups").write_text("deny")
    for name, number in ids.items():
        Path("/proc/self", name).write_text(f"0 {number} 1")


def among_own_mounts(function: Callable[[], Any]) -> Any:
    """What `function` returns or raises in a child that has mounts of its own."""

    def work() -> Any:
        try:
            enter_namespaces()
        except OSError as error:
            return str(error), None
        pysyscall.mount(None, "/", None, pysyscall.MS_REC | pysyscall.MS_PRIVATE)
        return "", function()

    refused, result = in_child(work)
    if refused:
        pytest.skip(f"no namespaces here: {refused}")
    return result
