"""The C side of control messages: what the data of each level and type are."""

from __future__ import annotations

import json

from tables import control
from tables.calls import Table
from tables.control import ControlMessage

_KINDS = {"fds": "FDS", "fd": "FD", "error": "ERROR", "bytes": "BYTES"}
_SAYS = {
    "fds": "an iterable of descriptors",
    "fd": "an int or an object with fileno()",
    "error": "a tuple of a SockExtendedErr and an address or None",
    "bytes": "a bytes-like object",
}


def messages(table: Table) -> str:
    """All that are known, by number."""
    rows = "".join(_row(message) for message in table.control)
    return f"static const control_info control_table[] = {{\n{rows}}};\n"


def _row(message: ControlMessage) -> str:
    level, type = message.key
    return (
        f"    /* {message.level}, {message.type} */\n"
        f"    {{{level}, {type}, {_form(message.received)},\n     {_form(message.sent)}}},\n"
    )


def _form(form: str) -> str:
    if form in control.INTEGERS:
        signed = str(form[0] == "s").lower()
        return (
            f"{{.kind = CONTROL_INTEGER, .size = {control.INTEGERS[form]}, .is_signed = {signed}, "
            '.says = "an int"}'
        )
    if form in _KINDS:
        return f"{{.kind = CONTROL_{_KINDS[form]}, .says = {json.dumps(_SAYS[form])}}}"
    says = f"{'an' if form[0] in 'AEIO' else 'a'} {form}, or a tuple of its fields"
    return f"{{.kind = CONTROL_STRUCT, .type = STRUCT_{form}, .says = {json.dumps(says)}}}"
