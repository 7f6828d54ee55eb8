"""`control.toml`: the names in it, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

import pysyscall
from pysyscall._generated.control import NAMES
from tables import calls, control
from tables.rows import TableError

CONSTANTS = {"SOL_SOCKET": 1, "SCM_RIGHTS": 1, "SCM_PIDFD": 4, "OTHER": 1}


def test_each_level_and_type_has_its_names() -> None:
    messages = calls.load().control
    assert {message.key: (message.level, message.type) for message in messages} == NAMES
    for (level, kind), names in NAMES.items():
        assert [getattr(pysyscall, name) for name in names] == [level, kind]
    assert [message.key for message in messages] == sorted(NAMES)


def test_what_is_not_written_is_bytes(tmp_path: Path) -> None:
    file = tmp_path / "control.toml"
    file.write_text('[SOL_SOCKET]\nSCM_PIDFD = { received = "fd" }\nSCM_RIGHTS = "fds"\n')
    rights, pidfd = control.load(CONSTANTS, frozenset(), file)
    assert (rights.received, rights.sent) == ("fds", "fds")
    assert (pidfd.received, pidfd.sent) == ("fd", "bytes")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[SOL_OTHER]\nSCM_RIGHTS = "fds"', "there is no constant 'SOL_OTHER'"),
        ('[SOL_SOCKET]\nSCM_NOTHING = "fds"', "there is no constant 'SCM_NOTHING'"),
        ('[SOL_SOCKET]\nSCM_RIGHTS = "Nothing"', "'Nothing' is no form and no struct"),
        ('[SOL_SOCKET]\nSCM_RIGHTS = { both = "fds" }', "unknown key 'both'"),
        ('[SOL_SOCKET]\nSCM_RIGHTS = "fds"\nOTHER = "fd"', "it has the number of SCM_RIGHTS"),
    ],
)
def test_refused(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "control.toml"
    file.write_text(text)
    with pytest.raises(TableError, match=f"control.toml: .*{complaint}"):
        control.load(CONSTANTS, frozenset(), file)
