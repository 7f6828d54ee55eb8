"""Pictures of a run, by matplotlib, which is imported only here and only when one is wanted."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from pysyscall.bench.beside import Result
from pysyscall.bench.errors import BenchError
from pysyscall.bench.pairs import KINDS

OURS, THEIRS = "#1f77b4", "#b0b0b0"
TICKS = (0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4, 6, 8, 12, 16)


def check() -> None:
    """Find out before the long run whether there is matplotlib.

    It is not loaded yet: numpy, which comes with it, starts threads.
    """
    if find_spec("matplotlib") is None:
        raise BenchError(
            "--plot needs matplotlib, which is not installed: pip install 'pysyscall[bench]'"
        )


def library() -> Any:
    """matplotlib without a display."""
    try:
        matplotlib: Any = import_module("matplotlib")
        matplotlib.use("agg")
        matplotlib.rcParams["svg.fonttype"] = "none"
        matplotlib.rcParams["svg.hashsalt"] = "pysyscall"
        return import_module("matplotlib.pyplot")
    except ImportError as error:
        raise BenchError(f"--plot can't load matplotlib: {error}") from None


def _content(figure: Any, suffix: str) -> bytes:
    kept = io.BytesIO()
    metadata = {"Date": None} if suffix == "svg" else None
    figure.savefig(kept, format=suffix, bbox_inches="tight", dpi=120, metadata=metadata)
    library().close(figure)
    return kept.getvalue()


def _bare(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def pairs(results: Sequence[Result], suffix: str) -> bytes:
    """How many times as fast each call is, with its spread, kind by kind."""
    ordered = [
        result
        for kind in KINDS
        for result in sorted(results, key=lambda result: -result.ratio)
        if result.pair.kind == kind
    ]
    figure, axes = library().subplots(figsize=(9, 1 + 0.19 * len(ordered)))
    colours = dict(zip(KINDS, library().get_cmap("tab10").colors, strict=False))
    for y, result in enumerate(ordered):
        axes.barh(y, result.ratio - 1, left=1, color=colours[result.pair.kind], height=0.7)
        axes.plot([result.low, result.high], [y, y], color="black", linewidth=0.8)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(ordered)), [result.pair.name for result in ordered], fontsize=7)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xscale("log", base=2)
    ticks = [tick for tick in TICKS if axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("times as fast as the standard library; the thin line is half of the rounds")
    kinds = {result.pair.kind for result in ordered}
    handles = [
        library().Rectangle((0, 0), 1, 1, color=colours[kind]) for kind in KINDS if kind in kinds
    ]
    axes.legend(handles, [kind for kind in KINDS if kind in kinds], fontsize=7)
    _bare(axes)
    return _content(figure, suffix)


def stacked(bars: Mapping[str, Mapping[str, float]], title: str, suffix: str) -> bytes:
    """Bars of nanoseconds, each made of named parts."""
    figure, axes = library().subplots(figsize=(9, 1 + 0.35 * len(bars)))
    parts = list(dict.fromkeys(part for bar in bars.values() for part in bar))
    left = dict.fromkeys(bars, 0.0)
    for part in parts:
        widths = [bar.get(part, 0.0) for bar in bars.values()]
        axes.barh(list(bars), widths, left=list(left.values()), label=part, height=0.7)
        left = {name: left[name] + bars[name].get(part, 0.0) for name in bars}
    axes.invert_yaxis()
    axes.set_xlabel("nanoseconds a call")
    axes.set_title(title)
    axes.legend(fontsize=8)
    _bare(axes)
    return _content(figure, suffix)


def curves(
    sizes: Sequence[int], lines: Mapping[str, Sequence[float]], title: str, suffix: str
) -> bytes:
    """Size against cost, both by powers."""
    figure, axes = library().subplots(figsize=(8, 4.5))
    for name, values in lines.items():
        axes.plot(sizes, values, marker=".", label=name)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("bytes")
    axes.set_ylabel("nanoseconds a call")
    axes.set_title(title)
    axes.legend()
    _bare(axes)
    return _content(figure, suffix)


def groups(
    labels: Sequence[str], series: Mapping[str, Sequence[float]], unit: str, suffix: str
) -> bytes:
    """Bars side by side, one colour for each of two series."""
    figure, axes = library().subplots(figsize=(8, 1 + 0.32 * len(labels)))
    height = 0.8 / len(series)
    for i, (name, values) in enumerate(series.items()):
        places = [y - 0.4 + height * (i + 0.5) for y in range(len(labels))]
        axes.barh(places, values, height, label=name, color=(THEIRS, OURS)[i % 2])
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    axes.legend()
    _bare(axes)
    return _content(figure, suffix)
