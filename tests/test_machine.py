"""Calls that act on the whole system: they reach the kernel, which refuses most of them."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from children import give_up_rights, in_child
from conditions import needs_root

import pysyscall


def as_nobody(call: Callable[[], object]) -> OSError:
    """The error of a call that a user without rights makes."""

    def attempt() -> object:
        give_up_rights()
        return call()

    with pytest.raises(OSError) as caught:
        in_child(attempt)
    return caught.value


def test_vhangup_needs_rights() -> None:
    assert as_nobody(pysyscall.vhangup).errno == errno.EPERM


@needs_root
def test_vhangup_without_a_terminal_does_nothing() -> None:
    def hang_up() -> object:
        os.setsid()
        return pysyscall.vhangup()

    assert in_child(hang_up) is None


# A kernel without modules lacks the three calls, and says so before it looks at anything else.
MODULES = {
    "init_module": lambda: pysyscall.init_module(b"no module", ""),
    "finit_module": lambda: pysyscall.finit_module(0, "", pysyscall.MODULE_INIT_IGNORE_VERMAGIC),
    "delete_module": lambda: pysyscall.delete_module("no_module"),
}


@pytest.mark.parametrize("name", MODULES)
def test_modules_need_rights(name: str) -> None:
    error = as_nobody(MODULES[name])
    if Path("/proc/modules").exists():
        assert error.errno == errno.EPERM
    else:
        since = pysyscall.lookup(name).since
        assert error.errno == errno.ENOSYS
        assert error.strerror.endswith(
            f"{name}() is in Linux since {since}, or a filter forbids it"
        )


@pytest.mark.parametrize(
    "call",
    [
        lambda: pysyscall.init_module("text", ""),  # type: ignore[arg-type]
        lambda: pysyscall.init_module(b"", None),  # type: ignore[arg-type]
        lambda: pysyscall.finit_module(b"0", ""),  # type: ignore[arg-type]
        lambda: pysyscall.delete_module(0),  # type: ignore[arg-type]
    ],
)
def test_other_types_do_not_reach_the_kernel(call: Callable[[], object]) -> None:
    with pytest.raises(TypeError):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: pysyscall.init_module(b"", "x\0y"),
        lambda: pysyscall.finit_module(0, b"x\0y"),
        lambda: pysyscall.delete_module("x\0y"),
    ],
)
def test_a_string_has_no_nul(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="must not contain a NUL byte"):
        call()


# Names


def in_new_namespace(function: Callable[[], object]) -> object:
    """What the function returns in a child whose machine has names of its own."""

    def run() -> object:
        pysyscall.unshare(pysyscall.CLONE_NEWUTS)
        return function()

    try:
        return in_child(run)
    except PermissionError:
        pytest.skip("no right to make a UTS namespace")


@pytest.mark.parametrize("name", ["a-name", b"bytes", "n" * 64, "", "\xe9"])
def test_the_machines_names(name: str | bytes) -> None:
    def change() -> object:
        assert pysyscall.sethostname(name) is None
        assert pysyscall.setdomainname(name) is None
        told = pysyscall.uname()
        return told.nodename, told.domainname

    before = pysyscall.uname()
    assert in_new_namespace(change) == (os.fsdecode(name),) * 2
    assert pysyscall.uname() == before


@pytest.mark.parametrize("call", [pysyscall.sethostname, pysyscall.setdomainname])
def test_names_that_are_refused(call: Callable[[Any], None]) -> None:
    def too_long() -> object:
        with pytest.raises(OSError) as caught:
            call("x" * 65)
        assert caught.value.filename is None
        return caught.value.errno

    assert in_new_namespace(too_long) == errno.EINVAL
    assert as_nobody(lambda: call("name")).errno == errno.EPERM
    with pytest.raises(ValueError, match="'name' must not contain a NUL byte"):
        call("a\0b")
    with pytest.raises(TypeError, match="'name' must be a str or bytes, not int"):
        call(5)


# Another kernel: what has no rights, or is nonsense, changes nothing.


def test_kexec_needs_rights() -> None:
    for call in (
        lambda: pysyscall.kexec_load(0, [(b"x", 0, 4096)]),
        lambda: pysyscall.kexec_file_load(-1, -1, "quiet"),
    ):
        assert as_nobody(call).errno in (errno.EPERM, errno.ENOSYS)


@pytest.mark.parametrize(
    ("args", "error", "complaint"),
    [
        (("0", []), TypeError, "'entry' must be an int, not str"),
        ((-1, []), OverflowError, "'entry' must be in [0, 2**64 - 1], not -1"),
        ((0, 5), TypeError, "'segments' must be an iterable, not int"),
        ((0, [b"x"]), TypeError, "'segments' item 0 must be a tuple (bytes-like object, physical"),
        ((0, [(b"x", 0, 0), (5, 0, 0)]), TypeError, "'segments' item 1: "),
        ((0, [(b"x", "0", 0)]), TypeError, "'segments' item 0 must be an int, not str"),
        ((0, [(b"x", 0, 2**64)]), OverflowError, "'segments' item 0 must be in [0, 2**64 - 1]"),
        ((0, [(memoryview(b"xyz")[::2], 0, 0)]), BufferError, "'segments' item 0: "),
        ((0, [], 1.5), TypeError, "'flags' must be an int, not float"),
    ],
)
def test_what_is_no_kernel(args: Any, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error) as caught:
        pysyscall.kexec_load(*args)
    assert str(caught.value).startswith(f"kexec_load() argument {complaint}")
