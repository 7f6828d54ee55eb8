"""Batches, prepared calls and helpers beside what they replace: as lines, as JSON, and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pysyscall.bench import plot
from pysyscall.bench.batch import OS, Result
from pysyscall.bench.report import times

NAME = 30
HEAD = (
    "Nanoseconds a call, file or chunk, and how many times as fast as each yardstick (quartiles).\n"
)


def lines(result: Result) -> list[str]:
    """A line a way."""
    job = result.job
    yardsticks = "".join(f"{f'beside {name}':>26}" for name in job.yardsticks)
    told = [f"{f'{job.name}, ns {job.unit}':{NAME + 8}}{'least':>9}{'median':>9}{yardsticks}"]
    for way, one in result.times.items():
        cells = ""
        for yardstick in job.yardsticks:
            low, ratio, high = result.ratio(way, yardstick)
            cells += f"{f'{ratio:.2f} ({low:.2f} to {high:.2f})':>26}"
        text = f"  {way:{NAME + 6}}{one.least:9.0f}{one.median:9.0f}{cells}"
        told.append(f"{text}  {one.trouble}".rstrip())
    return [*told, ""]


def as_json(results: Sequence[Result], facts: dict[str, str], interrupted: bool) -> dict[str, Any]:
    return {
        "benchmark": "batch",
        "conditions": facts,
        "interrupted": interrupted,
        "jobs": [
            {
                "name": result.job.name,
                "unit": result.job.unit,
                "trouble": result.trouble,
                "ways": {way: _way(result, way) for way in result.times},
            }
            for result in results
        ],
    }


def _way(result: Result, way: str) -> dict[str, Any]:
    return {
        **times(result.times[way]),
        "rounds": len(result.times[way].rounds),
        "beside": {
            yardstick: dict(
                zip(("low", "ratio", "high"), result.ratio(way, yardstick), strict=True)
            )
            for yardstick in result.job.yardsticks
        },
    }


def draw(results: Sequence[Result], suffix: str) -> bytes:
    """How many times as fast as os each way is."""
    ratios = {
        f"{result.job.name}, {way}": result.ratio(way, OS)[1]
        for result in results
        for way in result.times
        if way != OS
    }
    unit = "times as fast as os"
    return plot.groups(list(ratios), {unit: list(ratios.values())}, unit, suffix)
