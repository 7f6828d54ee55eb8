"""Instructions in user space a call, by valgrind: `python benchmarks/instructions.py`.

Counts don't depend on the machine's load, and come out the same again. What is counted is the whole
statement as the interpreter runs it, less what an empty loop takes. The kernel's part is not in it.
Valgrind hides the vDSO, so that clock_gettime and its kin enter the kernel here on both sides.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pysyscall.bench import native, pairs
from pysyscall.bench.environment import conditions
from pysyscall.bench.errors import BenchError, Skip
from pysyscall.bench.ground import ground
from pysyscall.bench.output import Output
from pysyscall.bench.report import heading
from pysyscall.bench.statements import Loop, loop, value

CALLS = 200
WARM = 100
"""Calls before the counting: the interpreter adapts its code to them."""
REQUESTS = Path(__file__).with_name("requests.c")


def _requests() -> Any:
    """The extension that talks to valgrind."""
    try:
        return native.load("pysyscall_requests", [REQUESTS])
    except BenchError as error:
        if "callgrind.h" not in str(error):
            raise
        raise BenchError("valgrind's headers are missing (Debian: they are in valgrind)") from None


class Counter:
    """Inside valgrind: how many instructions a loop takes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests = _requests()
        self.empty = self._total(loop("pass", {}))

    def _total(self, run: Loop) -> int:
        """The lesser of two counts: the first may hold what is done once."""
        run(WARM)
        return min(self._counted(run), self._counted(run))

    def _counted(self, run: Loop) -> int:
        self.requests.zero()
        run(CALLS)
        self.requests.dump()
        # A dump is named out.PID.NUMBER; a child that ended has left one too.
        found = [file for file in self.folder.iterdir() if f".{os.getpid()}." in file.name]
        totals = [
            int(line.split()[1])
            for line in found[0].read_text().splitlines()
            if line.startswith("totals:")
        ]
        found[0].unlink()
        return totals[0]

    def count(self, statement: str, space: dict[str, Any]) -> float:
        """Instructions each time that the statement runs."""
        try:
            value(statement, space)
        except OSError as error:
            raise Skip(f"{statement} fails under valgrind: {error}") from None
        return (self._total(loop(statement, space)) - self.empty) / CALLS


def inside(folder: Path, word: str) -> None:
    """Under valgrind: a line of JSON for each pair."""
    gc.disable()
    counter = Counter(folder)
    with ground() as space:
        for pair in chosen(word):
            told: dict[str, Any] = {"name": pair.name, "kind": pair.kind}
            try:
                told["theirs"] = counter.count(pair.theirs, space)
                told["ours"] = counter.count(pair.ours, space)
            except Skip as error:
                told["skipped"] = str(error)
            print(json.dumps(told), flush=True)


def chosen(word: str) -> list[pairs.Pair]:
    found = [pair for pair in pairs.PAIRS if word in pair.name or word == pair.kind]
    if not found:
        raise BenchError(
            f"no pair has {word!r} in its name; the kinds are {', '.join(pairs.KINDS)}"
        )
    return found


def counted(word: str) -> Iterator[dict[str, Any]]:
    """Start this script under valgrind, and hear what it tells."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise BenchError(
            "valgrind counts the instructions, and is not installed (Debian: valgrind)"
        )
    _requests()
    with tempfile.TemporaryDirectory(prefix="pysyscall-instructions-") as folder:
        command = [valgrind, "--tool=callgrind", "-q", f"--callgrind-out-file={folder}/out.%p"]
        command += [sys.executable, __file__, "--inside", folder, "--filter", word]
        surroundings = {**os.environ, "PYTHONHASHSEED": "0"}
        with (
            tempfile.TemporaryFile("w+") as complaints,
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=complaints, text=True, env=surroundings
            ) as running,
        ):
            assert running.stdout is not None
            try:
                yield from map(json.loads, running.stdout)
            except BaseException:
                running.kill()
                raise
            if running.wait() != 0:
                complaints.seek(0)
                last = "\n".join(complaints.read().splitlines()[-5:])
                raise BenchError(f"the part under valgrind failed:\n{last}")


def report(word: str, kept: Output | None) -> int:
    """Print the table; 1 if a call of ours takes more instructions."""
    chosen(word)
    facts = conditions()
    print(heading(facts), f"\n{'':40}{'os':>9}{'ours':>9}{'ours/os':>9}", sep="\n", flush=True)
    results, skipped = [], []
    for told in counted(word):
        if "skipped" in told:
            skipped.append(told)
            continue
        results.append(told)
        share = told["ours"] / told["theirs"]
        more = "  more" if told["ours"] > told["theirs"] else ""
        print(
            f"{told['name']:40}{told['theirs']:9.0f}{told['ours']:9.0f}{share:9.2f}{more}",
            flush=True,
        )
    for told in skipped:
        print(f"skipped: {told['name']}: {told['skipped']}")
    if not results:
        raise BenchError("none of these pairs can be counted here")
    mean = math.exp(statistics.fmean(math.log(told["ours"] / told["theirs"]) for told in results))
    above = [told["name"] for told in results if told["ours"] > told["theirs"]]
    print(f"\ngeometric mean of {len(results)}: {mean:.2f} of the library's instructions")
    if above:
        print(f"more than the library's: {', '.join(above)}")
    if kept:
        figures = {
            "benchmark": "instructions",
            "conditions": facts,
            "geometric_mean": mean,
            "pairs": results,
            "skipped": {told["name"]: told["skipped"] for told in skipped},
        }
        kept.write(json.dumps(figures, indent=1).encode() + b"\n")
    return 1 if above else 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Count the instructions of each pair of calls.")
    parser.add_argument("--filter", default="", metavar="WORD", help="pairs with WORD in them")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures in FILE")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    try:
        if options.inside:
            inside(options.inside, options.filter)
            return 0
        kept = Output(options.json) if options.json else None
        try:
            return report(options.filter, kept)
        finally:
            if kept:
                kept.discard()
    except BenchError as error:
        print(f"instructions: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
