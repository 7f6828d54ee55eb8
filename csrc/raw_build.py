"""Builds `pysyscall._raw`: the bare system-call instruction for Python, through cffi's API mode.

cffi releases the GIL around each function.
"""

from cffi import FFI

ARGUMENTS = ["", *(", ".join(f"long a{i}" for i in range(1, n + 1)) for n in range(1, 7))]

ffibuilder = FFI()
ffibuilder.cdef(
    "".join(
        f"long syscall{n}(long nr{', ' if arguments else ''}{arguments});\n"
        for n, arguments in enumerate(ARGUMENTS)
    )
)
ffibuilder.set_source("pysyscall._raw", '#include "syscall_arch.h"', include_dirs=["csrc"])
