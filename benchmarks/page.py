"""Fills the tables and pictures of docs/speed.md from a run on this machine: some minutes long.

Each table stands between two comments that name it. `--keep FOLDER` keeps the figures, and takes
those that are there already instead of measuring again.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pysyscall.bench import batch
from pysyscall.bench.layers import FLOOR, MADE, NATIVE, OURS, RELEASED, THEIRS
from pysyscall.bench.pairs import KINDS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "speed.md"
BENCH = ["-m", "pysyscall", "bench"]
RUNS = {
    "pairs": [*BENCH, "pairs"],
    "pairs_beside": [*BENCH, "pairs", "--second-thread"],
    "layers": [*BENCH, "layers", "write"],
    "floors": [*BENCH, "layers", "--all"],
    "floors_beside": [*BENCH, "layers", "--all", "--second-thread"],
    "curve": [*BENCH, "curve", "read"],
    "threads": [*BENCH, "threads"],
    "batch": [*BENCH, "batch"],
    "instructions": [str(Path(__file__).with_name("instructions.py"))],
}
PICTURES = ("pairs", "layers", "curve")

Rows = Iterable[Iterable[object]]


def table(head: Iterable[str], rows: Rows) -> str:
    """Markdown, with all columns but the first to the right."""
    names = list(head)
    lines = [names, [":---", *["---:"] * (len(names) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def mean(values: Iterable[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, values)))


def by_name(measured: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in measured}


def conditions(figures: dict[str, Any]) -> str:
    facts = figures["pairs"]["conditions"]
    names = ("python", "kernel", "cpu", "virtualisation", "mitigations", "load")
    return table(("", ""), ((name, facts[name]) for name in names)).replace("---:", ":---")


def kinds(figures: dict[str, Any]) -> str:
    """A line a kind: times as fast, alone and beside a thread; the share of instructions."""
    beside, counted = (by_name(figures[run]["pairs"]) for run in ("pairs_beside", "instructions"))
    rows = []
    for kind, text in [*KINDS.items(), ("", "all")]:
        chosen = [p for p in figures["pairs"]["pairs"] if not kind or p["kind"] == kind]
        if not chosen:
            continue
        shares = [
            counted[p["name"]]["ours"] / counted[p["name"]]["theirs"]
            for p in chosen
            if p["name"] in counted
        ]
        share = f"{mean(shares):.2f}" if shares else "-"
        slowest = min(chosen, key=lambda p: float(p["ratio"]))
        ratio = f"{mean(p['ratio'] for p in chosen):.2f}"
        slow = f"{slowest['ratio']:.2f} {slowest['name']}"
        two = f"{mean(beside[p['name']]['ratio'] for p in chosen if p['name'] in beside):.2f}"
        rows.append((text, len(chosen), ratio, slow, two, share))
    head = (
        *("", "pairs", "times as fast", "the slowest of them", "beside a thread"),
        "share of os's instructions",
    )
    return table(head, rows)


def pairs(figures: dict[str, Any]) -> str:
    """Every pair."""
    beside, counted = (by_name(figures[run]["pairs"]) for run in ("pairs_beside", "instructions"))
    rows = []
    for pair in figures["pairs"]["pairs"]:
        count = counted.get(pair["name"])
        rows.append(
            (
                pair["name"],
                f"{pair['theirs']['least']:.0f}",
                f"{pair['ours']['least']:.0f}",
                f"{pair['ratio']:.2f}",
                f"{pair['low']:.2f} to {pair['high']:.2f}",
                f"{beside[pair['name']]['ratio']:.2f}" if pair["name"] in beside else "-",
                f"{count['theirs']:.0f}" if count else "-",
                f"{count['ours']:.0f}" if count else "-",
            )
        )
    head = (
        *("", "os, ns", "ours, ns", "times as fast", "quartiles", "beside a thread"),
        *("os, instr.", "ours, instr."),
    )
    return table(head, rows)


def layers(figures: dict[str, Any]) -> str:
    (call,) = figures["layers"]["calls"]
    rows = [(name, f"{times['least']:.0f}") for name, times in call["layers"].items()]
    for name, ways in call["filtered"].items():
        rows += [(f"{way}, {name}", f"{ns:.0f}") for way, ns in ways.items()]
    return table(("`write` of one byte to /dev/null", "ns"), rows)


def floors(figures: dict[str, Any]) -> str:
    beside = by_name(figures["floors_beside"]["calls"])
    rows = []
    for call in figures["floors"]["calls"]:
        least = {name: times["least"] for name, times in call["layers"].items()}
        columns = [f"{least[name]:.0f}" for name in (NATIVE, FLOOR, MADE, OURS, THEIRS)]
        ratios = [f"{one['ours_to_floor']['ratio']:.2f}" for one in (call, beside[call["name"]])]
        if RELEASED not in least:
            ratios[1] = "-"
        ratios += [f"{least[way] / least[MADE]:.2f}" for way in (OURS, THEIRS)]
        rows.append((f"{call['name']}: {call['shape']}", *columns, *ratios))
    head = (
        *("", "C loop", "floor", "with a result", "ours", "os", "ours / floor"),
        *("beside a thread", "ours / with a result", "os / with a result"),
    )
    return table(head, rows)


def curve(figures: dict[str, Any]) -> str:
    points = figures["curve"]["points"]
    ways = [way for way in points[0] if way != "size"]
    rows = [(p["size"], *(f"{p[way]['least']:.0f}" for way in ways)) for p in points]
    return table(("bytes", *(f"{way}, ns" for way in ways)), rows)


def threads(figures: dict[str, Any]) -> str:
    rows = [
        (
            f"{one['job']}, {one['unit']}",
            *(f"{n:.0f}" for side in ("theirs", "ours") for n in one[side].values()),
        )
        for one in figures["threads"]["throughput"]
    ]
    counts = [*figures["threads"]["throughput"][0]["theirs"]]
    return table(("", *(f"{side} {n}" for side in ("os", "ours") for n in counts)), rows)


def operations(figures: dict[str, Any]) -> str:
    """One call by each way, and the batch beside the loop in C."""
    rows = []
    jobs = [job for job in figures["batch"]["jobs"] if batch.NATIVE in job["ways"]]
    for job in jobs:
        least = (f"{one['least']:.0f}" for one in job["ways"].values())
        ratio = 1 / job["ways"][batch.BATCH]["beside"][batch.NATIVE]["ratio"]
        rows.append((job["name"], *least, f"{ratio:.2f}"))
    return table(("ns a call", *jobs[0]["ways"], "a batch / C loop"), rows)


def bulk(figures: dict[str, Any]) -> str:
    """Many files or chunks by each way."""
    rows = []
    jobs = [job for job in figures["batch"]["jobs"] if batch.NATIVE not in job["ways"]]
    for job in jobs:
        for way, one in job["ways"].items():
            beside = [
                f"{one['beside'][yardstick]['ratio']:.2f}" if yardstick in one["beside"] else "-"
                for yardstick in (batch.OS, batch.PATHLIB)
            ]
            rows.append((f"{job['name']}: {way}", f"{one['least']:.0f}", *beside))
    return table(("", "ns each", "times as fast as os", "times as fast as pathlib"), rows)


SECTIONS = (conditions, kinds, pairs, layers, floors, curve, threads, operations, bulk)
TABLES: dict[str, Callable[[dict[str, Any]], str]] = {one.__name__: one for one in SECTIONS}


def measured(folder: Path) -> dict[str, Any]:
    """The figures of all runs, by name."""
    figures = {}
    for name, command in RUNS.items():
        kept = folder / f"{name}.json"
        if not kept.exists():
            print(f"{name} ...", flush=True)
            run = [sys.executable, *command, "--json", str(kept)]
            if name in PICTURES:
                run += ["--plot", str(ROOT / "docs" / "pictures" / f"speed_{name}.svg")]
            status = subprocess.run(run, stdout=subprocess.DEVNULL).returncode
            if not kept.exists():
                sys.exit(f"{' '.join(run)} ended with {status}")
        figures[name] = json.loads(kept.read_text())
    return figures


def fill(text: str, figures: dict[str, Any]) -> str:
    """The page with its tables made anew."""
    for name, make in TABLES.items():
        block = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        parts = block.split(text)
        if len(parts) != 4:
            sys.exit(f"{PAGE} must have one place for the table {name!r}")
        before, begin, end, after = parts
        text = f"{before}{begin}\n{make(figures)}\n\n{end}{after}"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description="Fill docs/speed.md with this machine's figures.")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the figures stay")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(fill(PAGE.read_text(), measured(folder)))


if __name__ == "__main__":
    main()
