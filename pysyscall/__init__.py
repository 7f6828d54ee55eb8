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

_SUBMODULES = ("all_threads", "batch", "checked", "flags", "raw", "table")


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _SUBMODULES:
        return import_module(f"pysyscall.{name}")
    if name == "__all__":
        from pysyscall._generated.names import EXPORTS

        value: object = EXPORTS
    elif name.startswith("_"):
        raise AttributeError(f"module 'pysyscall' has no attribute {name!r}")
    else:
        from pysyscall import flags
        from pysyscall._generated.names import MODULES, STRUCTS

        if name in MODULES:
            value = getattr(import_module(MODULES[name]), name)
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
    from pysyscall._generated.names import MODULES, STRUCTS

    return sorted({*globals(), *_SUBMODULES, *STRUCTS, *MODULES, *dir(flags)})
