"""Calls that act on the whole system: they reach the kernel, which refuses them."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from test_processes import in_child

import pysyscall

NOBODY = 65534


def as_nobody(call: Callable[[], object]) -> OSError:
    """The error of a call that a user without rights makes."""

    def attempt() -> object:
        if os.geteuid() == 0:
            os.setresuid(NOBODY, NOBODY, NOBODY)
        return call()

    with pytest.raises(OSError) as caught:
        in_child(attempt)
    return caught.value


def test_vhangup_needs_rights() -> None:
    assert as_nobody(pysyscall.vhangup).errno == errno.EPERM


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may do it")
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
