"""Builds small extension modules with this interpreter's compiler when they are first needed."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sysconfig
import tempfile
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from typing import Any

from pysyscall.bench.errors import BenchError

# A push in the assembly would overwrite the red zone.
FLAGS = ["-std=gnu11", "-O2", "-fPIC", "-shared", "-mno-red-zone"]


def compiler() -> list[str]:
    """The command that compiles C for this interpreter."""
    chosen = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    for command in (shlex.split(chosen), ["cc"], ["gcc"]):
        if command and shutil.which(command[0]):
            return command
    raise BenchError(
        "this benchmark builds a few functions in C, and there is no C compiler; "
        "install one (Debian: apt-get install gcc)"
    )


def run(command: list[str], given: str = "") -> str:
    """What a compiler's command prints; BenchError with what it complains about."""
    try:
        ended = subprocess.run(command, input=given, capture_output=True, text=True)
    except OSError as error:
        raise BenchError(f"can't run {command[0]}: {error.strerror}") from None
    if ended.returncode:
        told = "\n".join(ended.stderr.splitlines()[:5])
        raise BenchError(f"can't build what the benchmark needs; {command[0]} said\n{told}")
    return ended.stdout


def _cache() -> Path:
    """A folder for what is built, private to the user; a temporary one if that can't be had."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        folder = (Path(base) if base.startswith("/") else Path.home() / ".cache") / "pysyscall"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except (OSError, RuntimeError):
        return Path(tempfile.mkdtemp(prefix="pysyscall-"))


def load(name: str, sources: list[Path]) -> Any:
    """The extension module of that name, made from the first source, which includes the others."""
    include = sysconfig.get_path("include")
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    command = [*compiler(), *FLAGS]
    if not Path(include, "Python.h").exists():
        raise BenchError(
            f"this benchmark builds a few functions in C, and CPython's headers are not in "
            f"{include}; install them (Debian: apt-get install python3-dev)"
        )
    known = hashlib.sha256(repr((command, suffix)).encode())
    for source in sources:
        known.update(source.read_bytes())
    folder = _cache()
    built = folder / f"{name}-{known.hexdigest()[:16]}{suffix}"
    if not built.exists():
        with tempfile.TemporaryDirectory(dir=folder) as work:
            new = Path(work, "new.so")
            run([*command, f"-I{include}", str(sources[0]), "-o", str(new), "-ldl"])
            new.replace(built)
    loader = ExtensionFileLoader(name, str(built))
    spec = importlib.util.spec_from_file_location(name, built, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
