"""The command `pysyscall`: what the table knows, as plain text, and the benchmarks."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

from pysyscall import __version__, table
from pysyscall.bench.command import declare as declare_bench
from pysyscall.bench.command import run as run_bench
from pysyscall.table import SyscallInfo

_RESULTS = {"twice": "returns twice", "never": "does not return", "none": "0"}


def _word(text: str) -> str | int:
    """A number in any of Python's notations, else a name."""
    try:
        return int(text, 0)
    except ValueError:
        return text


def _show(info: SyscallInfo) -> list[str]:
    title = f"{info.name}: {info.doc}" if info.doc else info.name
    lines = [title, "", f"number      {info.number} (0x{info.number:x}) in rax"]
    if info.binding == "dead":
        return [*lines, "            the kernel has no such call"]
    if info.aliases:
        lines.append(f"also        {', '.join(info.aliases)}")
    lines.append(f"since       Linux {info.since}")
    lines.append(f"kernel      {info.prototype}")
    if info.signature:
        lines.append(f"Python      pysyscall.{info.signature}")
    else:
        lines.append(
            f'Python      pysyscall.syscall("{info.name}", ...): there is no typed function'
        )
    lines.append(f"binding     {info.binding}" + (f": {info.reason}" if info.reason else ""))
    if info.category:
        lines.append(f"category    {info.category}")
    if info.arguments:
        lines.append("arguments")
        width = max(len(f"{a.name}: {a.c_type}") for a in info.arguments)
        lines += [
            f"  {a.register:<4}{f'{a.name}: {a.c_type}':<{width}}  {a.kind}".rstrip()
            for a in info.arguments
        ]
    else:
        lines.append("arguments   none")
    if info.result:
        lines.append(f"result      {_RESULTS.get(info.result, info.result)} in rax")
    if info.commands:
        lines.append("commands")
        for command in info.commands:
            lines += [f"  {command}", f"      {command.doc}"]
    if info.errnos:
        lines += _wrapped("errors", " ".join(info.errnos))
    if info.blocks is not None:
        where = "".join(f", where {name} > {n}" for name, n in info.blocks_above.items())
        can = f"it can{where}: other threads get the GIL{' then' if where else ''}"
        lines.append("blocks      " + (can if info.blocks else "never"))
    if info.vdso:
        lines.append("vDSO        answered in user space where the kernel offers it")
    if info.replaced_by:
        lines.append(f"see         {info.replaced_by}, which does the same and more")
    if info.danger:
        lines += _wrapped("danger", info.danger)
    if info.note:
        lines += _wrapped("note", info.note)
    if info.config:
        lines += _wrapped("config", info.config)
    lines.append(f"man page    {info.man or 'none'}")
    return lines


def _wrapped(label: str, text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(
        text, 88, initial_indent=f"{label:<12}", subsequent_indent=" " * 12, break_on_hyphens=False
    )


def show(words: list[str]) -> int:
    """Print what is known of each call; 1 if one is unknown."""
    failed = 0
    for i, word in enumerate(words):
        if i:
            print()
        try:
            print("\n".join(_show(table.lookup(_word(word)))))
        except LookupError as error:
            print(f"pysyscall: {error.args[0]}", file=sys.stderr)
            failed = 1
    return failed


def list_calls(category: str | None) -> int:
    """Print a line a call; 1 if there is no such category."""
    infos = list(table.calls())
    categories = sorted({info.category for info in infos if info.category})
    if category is not None and category not in categories:
        known = ", ".join(categories)
        print(f"pysyscall: there is no category {category!r}; there are {known}", file=sys.stderr)
        return 1
    for info in infos:
        if category is None or info.category == category:
            text = info.signature or (info.prototype and info.prototype.removeprefix("long "))
            print(f"{info.number:>3}  {info.binding:<8}  {text or info.name}")
    return 0


_RUN: dict[str, Callable[[argparse.Namespace], int]] = {
    "show": lambda options: show(options.call),
    "list": lambda options: list_calls(options.category),
    "bench": run_bench,
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="pysyscall", description="Tell what is known of the Linux system calls of x86-64."
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"pysyscall {__version__}, table of Linux {table.KERNEL}",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    shown = commands.add_parser("show", help="tell all about one call or more")
    shown.add_argument("call", nargs="+", help="a name or a number (write, 1, 0x1)")
    listed = commands.add_parser("list", help="list the calls, a line each")
    listed.add_argument(
        "category", nargs="?", help="only those of one category (files, sockets ...)"
    )
    declare_bench(commands.add_parser("bench", help="measure the calls beside those of os"))
    options = parser.parse_args(arguments)
    if sys.stdout is None:
        return 1
    try:
        result = _RUN[options.command](options)
        sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer can't be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # the reader (head, less) has seen enough
            return 0
        print(f"pysyscall: can't write: {error.strerror}", file=sys.stderr)
        return 1
    return result


if __name__ == "__main__":
    sys.exit(main())
