"""Builds the two extensions: `_fast` from C, `_raw` by cffi. All else stands in pyproject.toml."""

import os
import platform
import sys
from pathlib import Path

from setuptools import Extension, setup

if sys.platform != "linux" or platform.machine() != "x86_64" or sys.maxsize < 2**32:
    sys.exit(
        "pysyscall supports Linux on x86-64 only, "
        f"not {platform.system()} on {platform.machine() or 'an unknown processor'}."
    )

FLAGS = ["-std=c11", "-O2", "-fvisibility=hidden"]
# Debug information, which many interpreters ask for, would take three quarters of the package.
FLAGS += ["-Wall", "-Wextra", "-Werror"] if os.environ.get("PYSYSCALL_DEV") else ["-g0"]
# One instance of the engine instead of one a call: built in seconds, for work on the C code.
if os.environ.get("PYSYSCALL_QUICK"):
    FLAGS += ["-DPYSYSCALL_INTERPRET"]
if sanitizers := os.environ.get("PYSYSCALL_SANITIZE"):
    FLAGS += [f"-fsanitize={sanitizers}", "-fno-omit-frame-pointer", "-g"]

setup(
    cffi_modules=["csrc/raw_build.py:ffibuilder"],
    ext_modules=[
        Extension(
            "pysyscall._fast",
            sources=sorted(str(path) for path in Path("csrc").glob("*.c")),
            depends=sorted(str(path) for path in Path("csrc").rglob("*.[hi]*")),
            include_dirs=["csrc"],
            extra_compile_args=FLAGS,
            extra_link_args=[flag for flag in FLAGS if flag.startswith("-fsanitize")],
        )
    ],
)
