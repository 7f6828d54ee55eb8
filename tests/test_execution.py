"""execve and execveat: what the new program gets, and what is not executed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from children import child, in_child

import pysyscall


def executed(call: Callable[[], object]) -> tuple[bytes, int]:
    """What a child writes that makes the call, and its exit status; 99 if the call came back."""
    reader, writer = os.pipe()

    def run() -> int:
        os.dup2(writer, 1)
        call()
        return 99

    pid = child(run)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        written = pipe.read()
    return written, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


SCRIPT = 'echo "$0 $1 $PYSYSCALL"; exit 3'


@pytest.mark.parametrize("path", ["/bin/sh", b"/bin/sh", Path("/bin/sh")])
@pytest.mark.parametrize("argv", [list, tuple])
def test_execve(path: Any, argv: Callable[[list[Any]], Any]) -> None:
    arguments = argv(["sh", "-c", SCRIPT, b"name", "\udcff"])
    told = executed(lambda: pysyscall.execve(path, arguments, {"PYSYSCALL": "ünïcode"}))
    assert told == (b"name \xff " + "ünïcode\n".encode(), 3)


def shell(environment: Any) -> Callable[..., None]:
    def call(dirfd: int | None, path: str, flags: int = 0) -> None:
        arguments = ["sh", "-c", SCRIPT, "a", "b"]
        pysyscall.execveat(dirfd, path, arguments, environment, flags)

    return call


@pytest.mark.parametrize("environment", [{"PYSYSCALL": "c"}, {b"PYSYSCALL": b"c"}])
@pytest.mark.parametrize(
    ("opened", "path", "flags"),
    [
        (None, "/bin/sh", 0),
        ("/bin", "sh", 0),
        ("/bin/sh", "", pysyscall.AT_EMPTY_PATH),
    ],
)
def test_execveat(
    keep: Callable[[int], int], environment: Any, opened: str | None, path: str, flags: int
) -> None:
    dirfd = None if opened is None else keep(os.open(opened, os.O_RDONLY))
    told = executed(lambda: shell(environment)(dirfd, path, flags))
    assert told == (b"a b c\n", 3)


def test_execveat_checks_only(tmp_path: Path) -> None:
    def check(path: str) -> None:
        pysyscall.execveat(None, path, ["x"], {}, pysyscall.AT_EXECVE_CHECK)

    try:
        assert in_child(lambda: check("/bin/sh")) is None
    except OSError as error:
        assert error.errno == errno.EINVAL, "a kernel before 6.14"
        return
    plain = tmp_path / "plain"
    plain.write_text("no program")
    with pytest.raises(PermissionError):
        in_child(lambda: check(str(plain)))


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("missing", errno.ENOENT),
        ("plain", errno.EACCES),
        ("text", errno.ENOEXEC),
        (".", errno.EACCES),
    ],
)
def test_what_is_not_executed(tmp_path: Path, path: str, error: int) -> None:
    (tmp_path / "plain").write_text("")
    (tmp_path / "text").write_text("no program")
    (tmp_path / "text").chmod(0o755)
    whole = str(tmp_path / path)
    for call in (
        lambda: pysyscall.execve(whole, ["x"], {}),
        lambda: pysyscall.execveat(None, whole, ["x"], {}),
    ):
        with pytest.raises(OSError) as caught:
            in_child(call)
        assert caught.value.errno == error
        assert caught.value.filename == whole


@pytest.mark.parametrize(
    ("argv", "envp", "error"),
    [
        (["a\0b"], {}, ValueError),
        (["a"], {"x": "a\0b"}, ValueError),
        (["a", 3], {}, TypeError),
        ("text", {}, TypeError),
        (["a"], None, TypeError),
        (["a"], {"x": 3}, TypeError),
    ],
)
def test_arguments_that_no_program_can_have(argv: Any, envp: Any, error: type[Exception]) -> None:
    for call in (
        lambda: pysyscall.execve("/bin/true", argv, envp),
        lambda: pysyscall.execveat(None, "/bin/true", argv, envp),
    ):
        with pytest.raises(error):
            in_child(call)


def test_too_many_arguments() -> None:
    with pytest.raises(OSError) as caught:
        in_child(lambda: pysyscall.execve("/bin/true", ["x" * 200_000], {}))
    assert caught.value.errno == errno.E2BIG
