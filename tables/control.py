"""Read `control.toml`: what the data of a control message are, by its level and type.

A form is `fds` (descriptors), `fd` (one), an integer (`u8`, `s32` ...), a struct, or `error`: a
SockExtendedErr with the address of who told it. What is not listed is bytes.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from tables.rows import TableError

FILE = Path(__file__).with_name("control.toml")

INTEGERS = {"u8": 1, "u16": 2, "u32": 4, "s32": 4, "u64": 8}
WORDS = frozenset({"fds", "fd", "error", "bytes", *INTEGERS})


@dataclass(frozen=True, slots=True)
class ControlMessage:
    """One level and type, by name and by number."""

    level: str
    type: str
    key: tuple[int, int]
    received: str
    """The form of the data that the kernel hands out; `bytes` where it hands out none."""
    sent: str
    """The form of the data that it takes."""


def load(
    constants: dict[str, int], structs: frozenset[str], file: Path = FILE
) -> tuple[ControlMessage, ...]:
    """All that are known, by number; TableError for a name or a form that there is not."""
    found: dict[tuple[int, int], ControlMessage] = {}
    for level, types in tomllib.loads(file.read_text()).items():
        for name, forms in types.items():
            where = f"{file.name}: {level}: {name}"
            for constant in (level, name):
                if constant not in constants:
                    raise TableError(f"{where}: there is no constant '{constant}'")
            if isinstance(forms, str):
                forms = {"received": forms, "sent": forms}
            if unknown := forms.keys() - {"received", "sent"}:
                raise TableError(f"{where}: unknown key '{min(unknown)}'")
            for form in forms.values():
                if form not in WORDS and form not in structs:
                    raise TableError(f"{where}: '{form}' is no form and no struct")
            key = (constants[level], constants[name])
            if key in found:
                raise TableError(f"{where}: it has the number of {found[key].type}")
            received, sent = forms.get("received", "bytes"), forms.get("sent", "bytes")
            found[key] = ControlMessage(level, name, key, received, sent)
    return tuple(found[key] for key in sorted(found))
