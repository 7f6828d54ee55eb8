"""Every Linux system call of x86-64: typed, decoded and fast.

The typed calls and their structs are here under the kernel's names: `from pysyscall import write`.
So are all constants (`pysyscall.O_CREAT`) and their enumerations (`pysyscall.OpenFlag`); they are
loaded when they are first used. `pysyscall.table` tells what is known of each call, `pysyscall.raw`
makes any call without decoding.
"""

import os as _os
import sys as _sys

if _sys.platform != "linux" or _os.uname().machine != "x86_64" or _sys.maxsize < 2**32:
    raise ImportError(f"pysyscall supports Linux on x86-64 only, not {_sys.platform} here.")

from pysyscall._fast import *  # noqa: F403

__version__ = "0.1.0"

# Names that need another module, which is imported when the name is first used.
_LAZY = {
    "Sysno": ("pysyscall._generated.sysno", "Sysno"),
    "SyscallInfo": ("pysyscall.table", "SyscallInfo"),
    "lookup": ("pysyscall.table", "lookup"),
    "syscall": ("pysyscall.checked", "syscall"),
}
_SUBMODULES = ("checked", "flags", "raw", "table")


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _SUBMODULES:
        return import_module(f"pysyscall.{name}")
    if name in _LAZY:
        module, attribute = _LAZY[name]
        value = getattr(import_module(module), attribute)
    elif name == "__all__":
        from pysyscall._generated.names import EXPORTS

        value = [*EXPORTS, *_LAZY]
    elif name.startswith("_"):
        raise AttributeError(f"module 'pysyscall' has no attribute {name!r}")
    else:
        from pysyscall import flags
        from pysyscall._generated.names import STRUCTS, WRAPPED

        if name in WRAPPED:
            value = getattr(import_module(f"pysyscall.calls.{WRAPPED[name]}"), name)
        elif name in STRUCTS:
            value = getattr(import_module("pysyscall._fast"), name)
        else:
            value = getattr(flags, name, None)
        if value is None:
            raise AttributeError(f"module 'pysyscall' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    from pysyscall import flags
    from pysyscall._generated.names import STRUCTS, WRAPPED

    return sorted({*globals(), *_LAZY, *_SUBMODULES, *STRUCTS, *WRAPPED, *dir(flags)})
