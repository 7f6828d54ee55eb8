"""Every enumeration (`OpenFlag`), and every constant under its own name (`O_CREAT`).

A constant is the member of its enumeration. Enumerations are loaded an area at a time, when one
of their names is first used.
"""

from enum import IntEnum, IntFlag
from importlib import import_module

from pysyscall._generated.names import CONSTANTS, ENUMS


def __getattr__(name: str) -> type[IntEnum] | type[IntFlag] | IntEnum | IntFlag:
    enum_name = CONSTANTS.get(name, name)
    if enum_name not in ENUMS:
        raise AttributeError(f"module 'pysyscall.flags' has no attribute {name!r}")
    module = import_module(f"pysyscall._generated.flags_{ENUMS[enum_name]}")
    enum: type[IntEnum] | type[IntFlag] = getattr(module, enum_name)
    value = enum[name] if name in CONSTANTS else enum
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*ENUMS, *CONSTANTS})
