"""`python -m tables`: the table from a kernel source, and all generated code from the table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tables import calls, extract, generate, rows
from tables.rows import TableError


def _generate(check: bool) -> int:
    outputs = generate.outputs(calls.load())
    stale = [output for output in outputs if output.stale]
    left_over = generate.left_over(outputs)
    for output in stale:
        name = output.path.relative_to(generate.ROOT)
        if check:
            print(f"{name} is stale")
        else:
            output.path.parent.mkdir(parents=True, exist_ok=True)
            output.path.write_text(output.text)
            print(f"{name} written")
    for path in left_over:
        name = path.relative_to(generate.ROOT)
        if check:
            print(f"{name} is no longer generated")
        else:
            path.unlink()
            print(f"{name} removed")
    if check and (stale or left_over):
        print(f"run: {generate.COMMAND}")
        return 1
    print(f"{len(outputs)} generated files are up to date")
    return 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tables", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    extraction = commands.add_parser("extract", help="read a kernel source into tables/x86_64.tsv")
    extraction.add_argument("source", type=Path, metavar="KERNEL_SOURCE")
    extraction.add_argument("--output", type=Path, default=rows.TABLE, help="default: %(default)s")
    generation = commands.add_parser("generate", help="write all generated code")
    generation.add_argument(
        "--check", action="store_true", help="write nothing; fail if it is stale"
    )
    options = parser.parse_args(arguments)
    try:
        if options.command == "extract":
            extract.run(options.source, options.output)
            return 0
        return _generate(options.check)
    except (TableError, OSError) as error:
        print(f"tables: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
