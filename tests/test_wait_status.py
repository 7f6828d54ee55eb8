"""WaitStatus: what the status of a child tells."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

import pysyscall
from pysyscall import WaitStatus

# A thread that was joined can still be there for a moment, and be warned of.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


@pytest.mark.parametrize(
    ("number", "told", "shown"),
    [
        (0, {"exited": True, "exit_code": 0}, "exit_code=0"),
        (7 << 8, {"exited": True, "exit_code": 7}, "exit_code=7"),
        (255 << 8, {"exited": True, "exit_code": 255}, "exit_code=255"),
        (15, {"signaled": True, "term_signal": 15}, "term_signal=15"),
        (
            11 | 0x80,
            {"signaled": True, "term_signal": 11, "core_dumped": True},
            "term_signal=11, core_dumped",
        ),
        (19 << 8 | 0x7F, {"stopped": True, "stop_signal": 19}, "stop_signal=19"),
        (0xFFFF, {"continued": True}, "continued"),
        # A tracer is told of an event in the upper half.
        (3 << 16 | 5 << 8 | 0x7F, {"stopped": True, "stop_signal": 5}, "stop_signal=5"),
    ],
)
def test_wait_status(number: int, told: dict[str, object], shown: str) -> None:
    status = WaitStatus(number)
    nothing: dict[str, object] = {
        **dict.fromkeys(("exited", "signaled", "stopped", "continued", "core_dumped"), False),
        **dict.fromkeys(("exit_code", "term_signal", "stop_signal"), None),
    }
    assert {name: getattr(status, name) for name in nothing} == nothing | told
    assert repr(status) == f"<WaitStatus: {shown}>"
    assert (status, hash(status), str(status), f"{status:x}") == (
        number,
        hash(number),
        str(number),
        f"{number:x}",
    )
    assert type(status + 0) is int
    assert os.WIFEXITED(status) is status.exited
    assert os.WIFSIGNALED(status) is status.signaled


def test_wait_status_is_what_comes_back() -> None:
    import copy
    import pickle

    if (pid := os.fork()) == 0:
        os._exit(3)
    _, status, _ = pysyscall.wait4(pid)
    assert type(status) is WaitStatus
    for other in (pickle.loads(pickle.dumps(status)), copy.copy(status)):
        assert (type(other), other.exit_code) == (WaitStatus, 3)
    with pytest.raises(AttributeError):
        status.exit_code = 4  # type: ignore[misc]
    with pytest.raises(TypeError):
        WaitStatus("x", "y")  # type: ignore[call-overload]


@pytest.mark.parametrize("number", [0, 7 << 8, 15, 0x8B, 19 << 8 | 0x7F, 0xFFFF])
def test_wait_status_from_siginfo(number: int) -> None:
    wanted = WaitStatus(number)
    code = next(
        name
        for name, holds in (
            ("CLD_EXITED", wanted.exited),
            ("CLD_DUMPED", wanted.core_dumped),
            ("CLD_KILLED", wanted.signaled),
            ("CLD_STOPPED", wanted.stopped),
            ("CLD_CONTINUED", wanted.continued),
        )
        if holds
    )
    values = (wanted.exit_code, wanted.term_signal, wanted.stop_signal, signal.SIGCONT)
    value = next(value for value in values if value is not None)
    info = pysyscall.SiginfoChild(si_code=getattr(pysyscall, code), si_status=value)
    assert WaitStatus.from_siginfo(info) == wanted


@pytest.mark.parametrize("info", [None, 7, pysyscall.SiginfoChild()])
def test_wait_status_from_no_siginfo(info: Any) -> None:
    with pytest.raises((AttributeError, ValueError)):
        WaitStatus.from_siginfo(info)
