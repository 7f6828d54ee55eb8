"""The layers of calls: as lines, as stacked bars of text, as JSON, and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pysyscall.bench import plot
from pysyscall.bench.layers import FLOOR, MADE, NATIVE, OURS, RELEASED, THEIRS, Layers
from pysyscall.bench.report import times

NAME = 40
HEAD = (
    f"{'':23}{'':30}{'C loop':>8}{'floor':>8}{'ours':>8}{'os':>8}{'ours/floor':>12}  quartiles"
    f"{'with a result':>16}{'released':>10}"
)
LIMIT_HELD, LIMIT_RELEASED = 1.1, 1.25
"""What ours may cost beside the floor: calls that never release the GIL, and those that can."""
_SIGNS = "=-#:.*"
_WIDTH = 60


def line(measured: Layers) -> str:
    """One call beside its floor."""
    least = {name: one.least for name, one in measured.times.items()}
    releases = RELEASED in least
    low, ratio, high = measured.ratio(OURS, FLOOR)
    limit = LIMIT_RELEASED if releases else LIMIT_HELD
    columns = "".join(f"{least[name]:8.0f}" for name in (NATIVE, FLOOR, OURS, THEIRS))
    made = measured.ratio(OURS, MADE)[1]
    other = f"{measured.ratio(OURS, RELEASED)[1]:.2f}" if releases else "-"
    text = (
        f"{measured.shape.name:23}{measured.shape.shape:30}{columns}"
        f"{ratio:12.2f}  {low:.2f} to {high:.2f}{made:13.2f}{other:>10}"
    )
    return text + (f"  above {limit}" if ratio > limit else "")


def legend() -> list[str]:
    return [
        "",
        "Nanoseconds a call. The floor keeps the GIL and returns None. In the last columns it also",
        "makes the cheapest object that can hold the result, or it releases the GIL, as ours does",
        "where there are other threads. Ours should cost so many times the floor at most:",
        f"{LIMIT_HELD} where it never releases the GIL, {LIMIT_RELEASED} where it can.",
    ]


def full(measured: Layers) -> list[str]:
    """All layers of one call, and bars that show what each is made of."""
    shape = measured.shape
    lines = [f"{shape.name}, {shape.shape}: {shape.ours}", ""]
    lines.append(f"{'':{NAME}}{'least':>9}{'median':>9}  ns a call")
    lines += [
        f"{name:{NAME}}{one.least:9.1f}{one.median:9.1f}" for name, one in measured.times.items()
    ]
    for name, ways in measured.filtered.items():
        lines += ["", f"{name}:"]
        for way, ns in ways.items():
            more = ns - measured.times[way].least
            lines.append(f"  {way:{NAME - 2}}{ns:9.1f}{more:+9.1f} more than without")
    lines += [f"not measured: {name}: {why}" for name, why in measured.missing.items()]
    return [*lines, "", *_bars(measured.parts())]


def _bars(parts: dict[str, dict[str, float]]) -> list[str]:
    names = list(dict.fromkeys(part for bar in parts.values() for part in bar))
    signs = dict(zip(names, _SIGNS, strict=True))
    # The slowest ways would press the others together: they are cut off.
    longest = 2 * max(sum(parts[name].values()) for name in (OURS, THEIRS))
    lines = []
    for name, bar in parts.items():
        text, total = "", 0.0
        for part, ns in bar.items():
            total += ns
            text = text.ljust(round(total / longest * _WIDTH), signs[part])
        if len(text) > _WIDTH:
            text = text[:_WIDTH] + "..."
        lines.append(f"{name:{NAME}}{text} {total:.0f}")
    return [*lines, "", *(f"{sign} {name}" for name, sign in signs.items())]


def as_json(measured: Sequence[Layers], facts: dict[str, str], interrupted: bool) -> dict[str, Any]:
    return {
        "benchmark": "layers",
        "conditions": facts,
        "interrupted": interrupted,
        "calls": [
            {
                "name": one.shape.name,
                "shape": one.shape.shape,
                "releases_gil": bool(one.shape.info.blocks),
                "layers": {name: times(measured) for name, measured in one.times.items()},
                "filtered": one.filtered,
                "missing": one.missing,
                "ours_to_floor": dict(
                    zip(("low", "ratio", "high"), one.ratio(OURS, FLOOR), strict=True)
                ),
            }
            for one in measured
        ],
    }


def draw(measured: Sequence[Layers], suffix: str) -> bytes:
    """The stacked bar of one call; of several, ours and the standard library's on the floor."""
    if len(measured) == 1:
        shape = measured[0].shape
        return plot.stacked(measured[0].parts(), f"{shape.name}: {shape.ours}", suffix)
    bars = {}
    for one in measured:
        least = {name: times.least for name, times in one.times.items()}
        for side, way in (("ours", OURS), ("os", THEIRS)):
            bars[f"{one.shape.name}, {side}"] = {
                "the floor": least[FLOOR],
                "what it adds": max(0.0, least[way] - least[FLOOR]),
            }
    return plot.stacked(bars, "calls of all shapes on their floor", suffix)
