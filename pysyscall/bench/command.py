"""The command `pysyscall bench`: its arguments, and a function for each benchmark."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pysyscall.bench.errors import BenchError


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, 1 or more, not {text!r}")
    return number


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"must be seconds, more than 0, not {text!r}")
    return seconds


def _picture(text: str) -> Path:
    path = Path(text)
    if path.suffix not in (".svg", ".png"):
        raise argparse.ArgumentTypeError(f"must end in .svg or .png, not {text!r}")
    return path


def declare(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `pysyscall bench` its benchmarks."""
    names = parser.add_subparsers(dest="benchmark", required=True, metavar="BENCHMARK")

    def add(name: str, text: str, rounds: int) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = names.add_parser(name, help=text, description=text)
        made.add_argument(
            "--rounds",
            type=_positive,
            default=rounds,
            metavar="N",
            help=f"measure each thing so many times (default: {rounds})",
        )
        made.add_argument("--json", type=Path, metavar="FILE", help="keep the figures in FILE")
        made.add_argument("--plot", type=_picture, metavar="FILE.svg|png", help="draw them")
        return made

    pairs = add("pairs", "the standard library's calls beside ours, in turns", 200)
    pairs.add_argument(
        "--filter", metavar="WORD", default="", help="only pairs with WORD in name or kind"
    )
    pairs.add_argument(
        "--compare", type=Path, metavar="OLD.json", help="beside the figures of an older run"
    )
    layers = add("layers", "what a call costs, layer by layer", 200)
    layers.add_argument("call", nargs="?", metavar="CALL", help="write, stat ... (default: write)")
    layers.add_argument(
        "--all", action="store_true", help="ours and os beside the floor, for calls of all shapes"
    )
    curve = add("curve", "how the cost of a call grows with the size", 60)
    curve.add_argument("call", choices=["read", "write"])
    batch = add("batch", "batches, prepared calls and helpers beside what they replace", 200)
    batch.add_argument("--filter", metavar="WORD", default="", help="only jobs with WORD in name")
    for measured in (pairs, layers, curve, batch):
        measured.add_argument(
            "--seconds", type=_seconds, metavar="S", help="end after S seconds, about"
        )
        measured.add_argument(
            "--cpu", type=int, metavar="N", help="run on this CPU (default: the last allowed)"
        )
        measured.add_argument(
            "--second-thread",
            action="store_true",
            help="beside a thread that sleeps, for which calls release the GIL",
        )
    add("threads", "whether calls let other threads run", 3)


def run(options: argparse.Namespace) -> int:
    """Run the chosen benchmark; 1 after an error, 130 after Ctrl-C."""
    try:
        return _RUN[options.benchmark](options)
    except BenchError as error:
        print(f"pysyscall bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("pysyscall bench: interrupted", file=sys.stderr)
        return 130


class _Kept:
    """The files that the user asked for, held ready from the start, and whether Ctrl-C came."""

    def __init__(self, options: argparse.Namespace) -> None:
        from pysyscall.bench.output import Output

        if options.plot:
            from pysyscall.bench import plot

            plot.check()
        self.interrupted = False
        self.json = Output(options.json) if options.json else None
        try:
            self.plot = Output(options.plot) if options.plot else None
        except BenchError:
            self.discard()
            raise
        self.suffix = options.plot.suffix[1:] if options.plot else ""

    def write(self, figures: dict[str, Any], draw: Callable[[str], bytes]) -> None:
        if self.json:
            self.json.write(json.dumps(figures, indent=1).encode() + b"\n")
        if self.plot:
            self.plot.write(draw(self.suffix))

    def discard(self) -> None:
        for output in (self.json, getattr(self, "plot", None)):
            if output:
                output.discard()

    @contextmanager
    def until_interrupted(self) -> Iterator[None]:
        """Ctrl-C ends the measuring; what was measured so far is told."""
        try:
            yield
        except KeyboardInterrupt:
            self.interrupted = True


@contextmanager
def _kept(options: argparse.Namespace) -> Iterator[_Kept]:
    kept = _Kept(options)
    try:
        yield kept
    finally:
        kept.discard()


@contextmanager
def _quiet_ground(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One CPU, no garbage collection, and the things that statements work on."""
    from pysyscall.bench.ground import ground
    from pysyscall.bench.measure import quiet

    with quiet(options.cpu), ground() as space:
        yield space


def _facts(options: argparse.Namespace) -> dict[str, str]:
    """The conditions, told at the start."""
    from pysyscall.bench.environment import conditions
    from pysyscall.bench.report import heading

    if getattr(options, "second_thread", False):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    facts = conditions()
    if "cpu" in options:
        allowed = os.sched_getaffinity(0)
        cpu = max(allowed) if options.cpu is None else options.cpu
        if cpu not in allowed:
            raise BenchError(
                f"--cpu {cpu} is none of the CPUs this process may use: "
                f"{', '.join(map(str, sorted(allowed)))}"
            )
        facts["affinity"] += f", measured on {cpu}"
    print(heading(facts), end="\n\n", flush=True)
    return facts


def _limits(options: argparse.Namespace, things: int) -> Any:
    from pysyscall.bench.measure import Limits

    return Limits(options.rounds, options.seconds and options.seconds / things)


def _pairs(options: argparse.Namespace) -> int:
    from pysyscall.bench import beside, pairs, plot, report
    from pysyscall.bench.errors import Skip
    from pysyscall.bench.progress import Progress

    word = options.filter
    chosen = [pair for pair in pairs.PAIRS if word in pair.name or word == pair.kind]
    if not chosen:
        raise BenchError(
            f"no pair has {word!r} in its name; the kinds are {', '.join(pairs.KINDS)}"
        )
    old = report.older(options.compare) if options.compare else None
    results: list[beside.Result] = []
    skipped: dict[str, str] = {}
    with _kept(options) as kept:
        facts = _facts(options)
        limits = _limits(options, len(chosen))
        print(report.HEAD, report.UNITS, sep="\n", flush=True)
        with (
            kept.until_interrupted(),
            _quiet_ground(options) as space,
            Progress(len(chosen)) as bar,
        ):
            for pair in chosen:
                bar.step(pair.name)
                try:
                    if options.second_thread and pair.of_one_thread:
                        raise Skip("beside other threads libc's does more: they all follow")
                    results.append(beside.measure(pair, space, limits))
                except Skip as error:
                    skipped[pair.name] = str(error)
                    continue
                bar.clear()
                line = report.line(results[-1], old.get(pair.name) if old else None)
                print(line, flush=True)
        lines = [f"skipped: {name}: {why}" for name, why in skipped.items()]
        if results:
            lines = ["", "geometric means", *report.means(results, old), *lines]
            lines += report.warnings([result.trouble for result in results], "pairs")
        if old:
            gone = sorted(old.keys() - {pair.name for pair in pairs.PAIRS})
            lines += [f"only in {options.compare}: {name}" for name in gone]
        if kept.interrupted:
            done = len(results) + len(skipped)
            lines.append(f"interrupted after {done} of {len(chosen)} pairs")
        print("\n".join(lines), flush=True)
        figures = report.pairs_json(results, skipped, facts, kept.interrupted)
        if results:
            kept.write(figures, lambda suffix: plot.pairs(results, suffix))
    if kept.interrupted:
        return 130
    if not results:
        raise BenchError("none of these pairs can be measured here")
    return 0


def _layers(options: argparse.Namespace) -> int:
    from pysyscall.bench import layers, layers_report
    from pysyscall.bench.progress import Progress
    from pysyscall.bench.shapes import SHAPES

    known = {shape.name: shape for shape in SHAPES}
    if options.all and options.call:
        raise BenchError("either --all or the name of a call")
    name = options.call or "write"
    if name not in known:
        raise BenchError(f"no layers are known of {name!r}, but of {', '.join(known)}")
    chosen = SHAPES if options.all else [known[name]]
    measured: list[layers.Layers] = []
    with _kept(options) as kept:
        facts = _facts(options)
        limits = _limits(options, len(chosen))
        if options.all:
            print(layers_report.HEAD, flush=True)
        with (
            kept.until_interrupted(),
            _quiet_ground(options) as space,
            Progress(len(chosen)) as bar,
        ):
            for shape in chosen:
                bar.step(shape.name)
                measured.append(layers.measure(shape, space, limits, core=options.all))
                bar.clear()
                if options.all:
                    print(layers_report.line(measured[-1]), flush=True)
        if measured:
            lines = layers_report.legend() if options.all else layers_report.full(measured[0])
            print("\n".join(lines), flush=True)
            figures = layers_report.as_json(measured, facts, kept.interrupted)
            kept.write(figures, lambda suffix: layers_report.draw(measured, suffix))
        if kept.interrupted:
            print(f"interrupted after {len(measured)} of {len(chosen)} calls")
    return 130 if kept.interrupted else 0


def _curve(options: argparse.Namespace) -> int:
    from pysyscall.bench import curve, plot, report
    from pysyscall.bench.progress import Progress

    points: list[curve.Point] = []
    ways = list(curve.WAYS[options.call])
    with _kept(options) as kept:
        facts = _facts(options)
        limits = _limits(options, len(curve.SIZES))
        print(f"{'bytes':>8}" + "".join(f"{way:>17}" for way in ways) + f"{'os/ours':>9}")
        with (
            kept.until_interrupted(),
            _quiet_ground(options) as space,
            Progress(len(curve.SIZES)) as bar,
        ):
            for point in curve.measure(options.call, space, limits, bar.step):
                points.append(point)
                bar.clear()
                least = [point.times[way].least for way in ways]
                numbers = "".join(f"{ns:14.0f} ns" for ns in least)
                print(f"{point.size:>8}{numbers}{least[0] / least[1]:9.2f}", flush=True)
        figures = {
            "benchmark": f"curve {options.call}",
            "conditions": facts,
            "interrupted": kept.interrupted,
            "points": [
                {"size": point.size}
                | {way: report.times(times) for way, times in point.times.items()}
                for point in points
            ],
        }
        if points:
            sizes = [point.size for point in points]
            lines = {way: [point.times[way].least for point in points] for way in ways}
            title = f"{options.call}: size against cost"
            kept.write(figures, lambda suffix: plot.curves(sizes, lines, title, suffix))
        if kept.interrupted:
            print(f"interrupted after {len(points)} of {len(curve.SIZES)} sizes")
    return 130 if kept.interrupted else 0


def _threads(options: argparse.Namespace) -> int:
    from pysyscall.bench import plot, threads
    from pysyscall.bench.ground import ground
    from pysyscall.bench.progress import Progress

    results: list[threads.Throughput] = []
    beside: list[threads.Beside] = []
    with _kept(options) as kept:
        facts = _facts(options)
        head = "".join(f"{side} {n}".rjust(10) for side in ("os", "ours") for n in threads.COUNTS)
        print(f"{'throughput of so many threads':45}{head}")
        with (
            kept.until_interrupted(),
            ground() as space,
            Progress(len(threads.JOBS) + 1) as bar,
        ):
            for result in threads.throughput(space, options.rounds, bar.step):
                results.append(result)
                bar.clear()
                values = [*result.theirs.values(), *result.ours.values()]
                name = f"{result.job.name}, {result.job.unit}"
                print(f"{name:45}" + "".join(f"{value:10.0f}" for value in values), flush=True)
            bar.step("work beside waiting threads")
            beside += threads.beside_waiting(space, options.rounds)
        if beside:
            for side in ("os", "ours"):
                print(f"\nA thread that computes, beside others that wait in {side}'s read:")
                for one in beside:
                    share = one.ours if side == "ours" else one.theirs
                    print(f"  {one.threads} waiting: {share:4.0%} of its speed alone")
        figures = {
            "benchmark": "threads",
            "conditions": facts,
            "interrupted": kept.interrupted,
            "throughput": [
                {
                    "job": result.job.name,
                    "unit": result.job.unit,
                    "theirs": {str(n): value for n, value in result.theirs.items()},
                    "ours": {str(n): value for n, value in result.ours.items()},
                }
                for result in results
            ],
            "beside_waiting": [
                {"threads": one.threads, "theirs": one.theirs, "ours": one.ours} for one in beside
            ],
        }
        if results:
            labels = [
                f"{result.job.name}, threads: {n}" for result in results for n in threads.COUNTS
            ]
            series = {
                "os": [v / r.theirs[1] for r in results for v in r.theirs.values()],
                "ours": [v / r.theirs[1] for r in results for v in r.ours.values()],
            }
            unit = "times os's throughput with one thread"
            kept.write(figures, lambda suffix: plot.groups(labels, series, unit, suffix))
        if kept.interrupted:
            print("interrupted")
    return 130 if kept.interrupted else 0


def _batch(options: argparse.Namespace) -> int:
    from pysyscall.bench import batch, batch_report, report
    from pysyscall.bench.ground import ground
    from pysyscall.bench.measure import quiet, uncollected
    from pysyscall.bench.progress import Progress

    known = batch.jobs()
    chosen = [job for job in known if options.filter in job.name]
    if not chosen:
        names = ", ".join(job.name.partition(":")[0] for job in known)
        raise BenchError(f"no job has {options.filter!r} in its name; they are {names}")
    results: list[batch.Result] = []
    with _kept(options) as kept:
        facts = _facts(options)
        print(batch_report.HEAD, flush=True)
        with kept.until_interrupted(), ground() as space, Progress(len(chosen)) as bar:
            for job in chosen:
                bar.step(job.name)
                limits = _limits(options, len(chosen))
                with quiet(options.cpu) if job.alone else uncollected():
                    results.append(batch.measure(job, space, limits))
                bar.clear()
                print("\n".join(batch_report.lines(results[-1])), flush=True)
        lines = report.warnings([result.trouble for result in results], "jobs")
        if kept.interrupted:
            lines.append(f"interrupted after {len(results)} of {len(chosen)} jobs")
        if lines:
            print("\n".join(lines))
        if results:
            figures = batch_report.as_json(results, facts, kept.interrupted)
            kept.write(figures, lambda suffix: batch_report.draw(results, suffix))
    return 130 if kept.interrupted else 0


_RUN: dict[str, Callable[[argparse.Namespace], int]] = {
    "pairs": _pairs,
    "layers": _layers,
    "curve": _curve,
    "threads": _threads,
    "batch": _batch,
}
