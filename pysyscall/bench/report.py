"""The figures of a run: as lines for a reader, as JSON for a program, and beside an older run."""

from __future__ import annotations

import json
import math
import statistics
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pysyscall.bench.beside import Result
from pysyscall.bench.errors import BenchError
from pysyscall.bench.measure import Times
from pysyscall.bench.pairs import KINDS

NAME = 37
HEAD = f"{'':{NAME}}{'os':>9}{'ours':>9}{'ratio':>7}  quartiles"
UNITS = f"{'':{NAME}}{'ns':>9}{'ns':>9}"


def heading(facts: dict[str, str]) -> str:
    """The conditions of a run, wrapped."""
    lines = []
    for name, text in facts.items():
        lines += textwrap.wrap(
            f"{name:<15} {text}", 100, subsequent_indent=" " * 16, break_on_hyphens=False
        )
    return "\n".join(lines)


def mean(ratios: Iterable[float]) -> float:
    """The geometric mean, which does not depend on which side is called the first."""
    return math.exp(statistics.fmean(math.log(ratio) for ratio in ratios))


def line(result: Result, old: dict[str, Any] | None) -> str:
    """One pair's figures, and what the older run says of it."""
    text = (
        f"{result.pair.name:{NAME}}{result.theirs.least:9.0f}{result.ours.least:9.0f}"
        f"{result.ratio:7.2f}  {result.low:.2f} to {result.high:.2f}"
    )
    remarks = ["slower"] * result.slower + [result.trouble] * bool(result.trouble)
    if old is not None:
        change = (result.ours.least / old["ours"]["least"] - 1) * 100
        remarks.insert(0, f"was {old['ratio']:.2f}; ours {change:+.0f} %")
    return f"{text}  {'; '.join(remarks)}".rstrip()


def means(results: Sequence[Result], old: dict[str, dict[str, Any]] | None) -> list[str]:
    """The geometric mean of each kind and of all, over the same pairs in the older run too."""
    lines = []
    for kind, text in [*KINDS.items(), ("", "all")]:
        chosen = [result for result in results if not kind or result.pair.kind == kind]
        if not chosen:
            continue
        told = f"{text} ({len(chosen)})"
        told = f"{told:{NAME + 18}}{mean(result.ratio for result in chosen):7.2f}"
        both = [result for result in chosen if old and result.pair.name in old]
        if old and both:
            was = mean(old[result.pair.name]["ratio"] for result in both)
            now = mean(result.ratio for result in both)
            told += f"  {now:.2f} over {len(both)} that were {was:.2f}"
        lines.append(told)
    return lines


def warnings(troubles: Sequence[str], things: str) -> list[str]:
    """What the reader must know before he trusts the figures of so many things."""
    lines = []
    for trouble, meaning in [
        ("bimodal", "the rounds fall into two heaps, as where two machines take turns"),
        ("noisy", "half of the rounds took more than 1.5 times as long as the best"),
    ]:
        count = troubles.count(trouble)
        if count:
            lines.append(f"warning: {count} of {len(troubles)} {things} are {trouble}: {meaning}")
    return lines


def times(measured: Times) -> dict[str, float]:
    return {"least": round(measured.least, 2), "median": round(measured.median, 2)}


def pairs_json(
    results: Sequence[Result], skipped: dict[str, str], facts: dict[str, str], interrupted: bool
) -> dict[str, Any]:
    """The run as plain data; `compare` reads it again."""
    kinds = {result.pair.kind for result in results}
    return {
        "benchmark": "pairs",
        "conditions": facts,
        "interrupted": interrupted,
        "geometric_mean": mean(result.ratio for result in results) if results else None,
        "kinds": {
            kind: mean(result.ratio for result in results if result.pair.kind == kind)
            for kind in KINDS
            if kind in kinds
        },
        "pairs": [
            {
                "name": result.pair.name,
                "kind": result.pair.kind,
                "theirs": {"statement": result.pair.theirs, **times(result.theirs)},
                "ours": {"statement": result.pair.ours, **times(result.ours)},
                "ratio": round(result.ratio, 4),
                "low": round(result.low, 4),
                "high": round(result.high, 4),
                "rounds": len(result.ours.rounds),
                "trouble": result.trouble,
            }
            for result in results
        ],
        "skipped": skipped,
    }


def older(path: Path) -> dict[str, dict[str, Any]]:
    """The pairs of a run that was kept with --json, by name."""
    try:
        figures = json.loads(path.read_bytes())
        pairs = {pair["name"]: pair for pair in figures["pairs"]}
        for pair in pairs.values():
            if not (pair["ratio"] > 0 and pair["ours"]["least"] > 0):
                raise ValueError("a figure is not positive")
    except OSError as error:
        raise BenchError(f"can't read {path}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError) as error:
        told = error if isinstance(error, ValueError) else "it is of another form"
        raise BenchError(f"{path} is not what `bench pairs --json` writes: {told}") from None
    return pairs
