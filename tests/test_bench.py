"""The benchmarks: what they run, print and keep. How long anything takes is not tested."""

from __future__ import annotations

import ast
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from isolated.child import python

from pysyscall import table
from pysyscall.__main__ import main
from pysyscall.bench import (
    batch,
    curve,
    floor,
    layers,
    measure,
    native,
    output,
    plot,
    progress,
    shapes,
    threads,
)
from pysyscall.bench.beside import Result
from pysyscall.bench.errors import BenchError, Skip
from pysyscall.bench.ground import ground
from pysyscall.bench.pairs import KINDS, PAIRS, Pair
from pysyscall.bench.statements import Absent, loop, value

ROOT = Path(__file__).parents[1]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
COMMAND = [sys.executable, "-m", "pysyscall", "bench"]
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def space() -> Iterator[dict[str, Any]]:
    with ground() as names:
        yield names


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds of a few calls."""
    monkeypatch.setattr(measure, "ROUND", 2000)
    monkeypatch.setattr(threads, "SLICE", 0.001)
    monkeypatch.setattr(batch, "FILES", 20)
    monkeypatch.setattr(batch, "CHUNKS", 20)


def exit_status(*arguments: str) -> int:
    try:
        return main(["bench", *arguments])
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1


# --- the pairs: both sides do the same


def first(found: Any) -> Any:
    return found[0]


def seconds(stamp: Any) -> float:
    parts = tuple(getattr(stamp, name) for name in stamp.__match_args__)
    return float(parts[0]) + float(parts[1]) / (1e9 if "tv_nsec" in stamp.__match_args__ else 1e6)


def same_fields(theirs: Any, ours: Any, *names: str) -> None:
    assert [getattr(ours, name) for name in names] == [getattr(theirs, name) for name in names]


STAT = ["st_mode", "st_ino", "st_dev", "st_nlink", "st_uid", "st_size", "st_mtime_ns"]

SAME: dict[str, Callable[[Any, Any], None]] = {
    **dict.fromkeys(
        ("fstat", "stat", "stat, not ASCII", "lstat", "newfstatat"),
        lambda theirs, ours: same_fields(theirs, ours, *STAT),
    ),
}


def check(name: str) -> Callable[[Callable[[Any, Any], None]], None]:
    """Registers how to compare the results of these pairs, where `==` does not do."""

    def keep(function: Callable[[Any, Any], None]) -> None:
        for one in name.split("; "):
            SAME[one] = function

    return keep


@check("statfs; fstatfs")
def _(theirs: Any, ours: Any) -> None:
    same_fields(theirs, ours, "f_bsize", "f_blocks", "f_files")


@check("uname")
def _(theirs: Any, ours: Any) -> None:
    same_fields(theirs, ours, "sysname", "nodename", "release", "version", "machine")


@check("times")
def _(theirs: Any, ours: Any) -> None:
    ticks, spent = ours
    hertz = os.sysconf("SC_CLK_TCK")
    assert abs(ticks / hertz - theirs.elapsed) < 60
    assert abs(spent.tms_utime / hertz - theirs.user) < 60


@check("getrusage")
def _(theirs: Any, ours: Any) -> None:
    assert abs(ours.ru_utime - theirs.ru_utime) < 60
    assert ours.ru_maxrss >= theirs.ru_maxrss


@check("getrlimit; prlimit64, get; prlimit64, set")
def _(theirs: Any, ours: Any) -> None:
    unlimited = 2**64 - 1
    assert [ours.rlim_cur, ours.rlim_max] == [n if n >= 0 else unlimited for n in theirs]


@check("sched_getparam")
def _(theirs: Any, ours: Any) -> None:
    same_fields(theirs, ours, "sched_priority")


@check("sched_rr_get_interval; clock_getres")
def _(theirs: Any, ours: Any) -> None:
    assert seconds(ours) == pytest.approx(theirs)


@check("clock_gettime; clock_gettime, by the kernel; gettimeofday")
def _(theirs: Any, ours: Any) -> None:
    assert 0 <= seconds(ours) - theirs + 1e-5 < 60


@check("clock_gettime, ns")
def _(theirs: Any, ours: Any) -> None:
    assert 0 <= ours.tv_sec * 10**9 + ours.tv_nsec - theirs < 60 * 10**9


@check("wait4")
def _(theirs: Any, ours: Any) -> None:
    assert ours[:2] == theirs[:2] == (0, 0)


@check("waitid, none has ended")
def _(theirs: Any, ours: Any) -> None:
    assert theirs is None
    assert ours.si_pid == 0


@check("waitid")
def _(theirs: Any, ours: Any) -> None:
    same_fields(theirs, ours, "si_pid", "si_uid", "si_signo", "si_status", "si_code")


@check("getitimer; setitimer")
def _(theirs: Any, ours: Any) -> None:
    assert (seconds(ours.it_value), seconds(ours.it_interval)) == theirs


@check("timerfd_gettime; timerfd_settime")
def _(theirs: Any, ours: Any) -> None:
    assert (seconds(ours.it_value), seconds(ours.it_interval)) == theirs


@check("getsockname, Unix; getpeername, Unix")
def _(theirs: Any, ours: Any) -> None:
    assert ours.sun_path == theirs


@check("getsockname, IPv4")
def _(theirs: Any, ours: Any) -> None:
    assert (ours.sin_addr, ours.sin_port) == theirs


@check("ioctl TIOCGWINSZ")
def _(theirs: Any, ours: Any) -> None:
    assert (ours.ws_col, ours.ws_row) == theirs


@check("ioctl FIONREAD")
def _(theirs: Any, ours: Any) -> None:
    assert ours == int.from_bytes(theirs, sys.byteorder)


@check("getrandom; getrandom, urandom")
def _(theirs: Any, ours: Any) -> None:
    assert (type(ours), len(ours)) == (type(theirs), len(theirs))


@check("send and recv 1 B; send and recv, in place; send and recvfrom")
def _(theirs: Any, ours: Any) -> None:
    assert ours[0] == (theirs[0] if isinstance(theirs, tuple) else theirs)


@check("epoll_wait")
def _(theirs: Any, ours: Any) -> None:
    assert [event.events for event in ours] == [events for _, events in theirs]


@check("poll")
def _(theirs: Any, ours: Any) -> None:
    assert [(one.fd, one.revents) for one in ours] == theirs


@check("select")
def _(theirs: Any, ours: Any) -> None:
    assert ours[:3] == theirs


@check("stat and four fields")
def _(theirs: Any, ours: Any) -> None:
    assert ours == theirs


@check(
    "fcntl F_SETFD; rt_sigaction; tgkill and rt_sigtimedwait; sendmsg and recvmsg; fork and wait"
)
def _(theirs: Any, ours: Any) -> None:
    """One tells more than the other; that neither raises is what is seen here."""


@check("getdents64, with the rest of listdir")
def _(theirs: Any, ours: Any) -> None:
    assert len(theirs) == 20


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_both_sides_of_a_pair_do_the_same(pair: Pair, space: dict[str, Any]) -> None:
    try:
        theirs = value(pair.theirs, space)
        ours = value(pair.ours, space)
    except Skip as error:
        if missing := re.fullmatch(r"there is no pysyscall\.(\w+)", str(error)):
            assert table.lookup(missing[1]).binding == "untyped"
        pytest.skip(str(error))
    if pair.name in SAME:
        SAME[pair.name](theirs, ours)
    else:
        assert ours == theirs


def test_the_pairs_are_many_and_told_apart() -> None:
    assert len(PAIRS) >= 80
    assert len({pair.name for pair in PAIRS}) == len(PAIRS)
    assert {pair.kind for pair in PAIRS} == set(KINDS)
    assert set(SAME) <= {pair.name for pair in PAIRS}


def test_each_side_calls_what_it_should() -> None:
    for pair in PAIRS:
        owners = [
            {
                node.value.id
                for node in ast.walk(ast.parse(side))
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
            }
            for side in (pair.theirs, pair.ours)
        ]
        assert "ps" not in owners[0]
        assert "ps" in owners[1]


def test_a_run_leaves_the_process_as_it_was() -> None:
    def state() -> list[object]:
        mask = os.umask(0)
        os.umask(mask)
        return [
            mask,
            Path.cwd(),
            os.sched_getaffinity(0),
            signal.pthread_sigmask(signal.SIG_BLOCK, []),
            signal.getsignal(signal.SIGUSR2),
            len(list(Path("/proc/self/fd").iterdir())),
        ]

    before = state()
    with measure.quiet(), ground() as names:
        for statement in ("os.chdir(folder)", "os.umask(0o022)"):
            value(statement, names)
    assert state() == before


# --- statements


def test_a_loop_runs_its_statement_so_many_times() -> None:
    seen: list[int] = []
    run = loop("seen.append(1)", {"seen": seen})
    assert run(7) >= 0
    assert len(seen) == 7


def test_attributes_are_looked_up_before_the_loop() -> None:
    class Owner:
        asked = 0

        def __getattr__(self, name: str) -> Any:
            Owner.asked += 1
            return int

    run = loop("owner.make('1')", {"owner": Owner()})
    run(5)
    assert Owner.asked == 1


@pytest.mark.parametrize(
    ("statement", "result"),
    [("1 + 1", 2), ("x = 3; x + 1", 4), ("a, b = pair; b", 2), ("x = 1", None)],
)
def test_value_is_that_of_the_last_line(statement: str, result: object) -> None:
    assert value(statement, {"pair": (1, 2)}) == result


def test_what_is_missing_is_told() -> None:
    with pytest.raises(Skip, match=r"there is no os\.nothing_like_it"):
        loop("os.nothing_like_it()", {"os": os})
    with pytest.raises(Skip, match="no terminals here"):
        loop("os.fstat(terminal)", {"os": os, "terminal": Absent("no terminals here")})
    with pytest.raises(NameError, match="'unknown'"):
        loop("unknown(1)", {})


# --- figures


def test_two_heaps_are_bimodal() -> None:
    one = [100 + i % 7 for i in range(100)]
    assert measure.bimodal(one[:50] + [150 + i % 7 for i in range(50)])
    assert not measure.bimodal(one)
    assert not measure.bimodal([100 + i for i in range(100)])
    assert not measure.bimodal([*one, *[500] * 5])
    assert not measure.bimodal([100.0] * 100)
    assert not measure.bimodal([])


def test_times_tell_of_trouble() -> None:
    assert measure.Times((100.0,) * 50).trouble == ""
    assert measure.Times((100.0,) * 25 + (200.0,) * 25).trouble == "bimodal"
    assert measure.Times((100.0, *(200.0 + i % 3 for i in range(49)))).trouble == "noisy"


def test_quartiles_are_those_of_neighbouring_rounds() -> None:
    ours = measure.Times((1.0, 2.0, 4.0, 8.0))
    theirs = measure.Times(tuple(2 * time for time in ours.rounds))
    assert measure.quartiles(theirs, ours) == (2, 2, 2)
    assert measure.quartiles(measure.Times((3.0,)), measure.Times((2.0,))) == (1.5, 1.5, 1.5)


def test_measuring_ends_when_its_time_is_over(short: None) -> None:
    run = loop("pass", {})
    some = measure.in_turns([run, run], measure.Limits(rounds=10**9, seconds=0.01))
    assert measure.FEWEST_ROUNDS <= len(some[0].rounds) == len(some[1].rounds) < 10**9
    few = measure.in_turns([run], measure.Limits(rounds=3))
    assert len(few[0].rounds) == 3


def test_a_pair_is_slower_only_beyond_its_spread() -> None:
    times = measure.Times((1.0,))
    assert Result(PAIRS[0], times, times, 0.8, 0.9, 0.99).slower
    assert not Result(PAIRS[0], times, times, 0.8, 0.9, 1.0).slower


# --- the command


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "BENCHMARK"),
        (["speed"], "speed"),
        (["pairs", "--rounds", "0"], "must be a whole number, 1 or more, not '0'"),
        (["pairs", "--rounds", "many"], "must be a whole number, 1 or more, not 'many'"),
        (["pairs", "--seconds", "-1"], "must be seconds, more than 0, not '-1'"),
        (["pairs", "--seconds", "nan"], "must be seconds, more than 0, not 'nan'"),
        (["pairs", "--plot", "x.gif"], "must end in .svg or .png, not 'x.gif'"),
        (["pairs", "--cpu", "first"], "invalid int value: 'first'"),
        (["curve"], "call"),
        (["curve", "openat"], "'openat'"),
        (["threads", "--cpu", "0"], "--cpu"),
    ],
)
def test_wrong_arguments_are_refused(capsys: Captured, arguments: list[str], message: str) -> None:
    assert exit_status(*arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pairs", "--filter", "nothing"], "no pair has 'nothing' in its name; the kinds are numb"),
        (["pairs", "--filter", "getpid", "--cpu", "4095"], "--cpu 4095 is none of the CPUs"),
        (["pairs", "--compare", "/no/such/file"], "can't read /no/such/file: No such file"),
        (["batch", "--filter", "nothing"], "no job has 'nothing' in its name; they are getppid, "),
        (["batch", "--cpu", "4095"], "--cpu 4095 is none of the CPUs"),
        (["layers", "wirte"], "no layers are known of 'wirte', but of getppid, "),
        (["layers", "--all", "write"], "either --all or the name of a call"),
        (["pairs", "--json", "/no/such/folder/x"], "can't write /no/such/folder/x: No such file"),
        (["pairs", "--json", "/dev/full"], "can't write /dev/full: No space left on device"),
        (["pairs", "--json", "/"], "can't write /: Is a directory"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(
    capsys: Captured, arguments: list[str], message: str
) -> None:
    assert exit_status(*arguments) == 1
    told = capsys.readouterr()
    assert told.err.startswith(f"pysyscall bench: {message}")
    assert told.out == "", "it was found out late"


@pytest.mark.parametrize("benchmark", ["pairs", "layers", "curve", "threads", "batch"])
def test_help(capsys: Captured, benchmark: str) -> None:
    assert exit_status(benchmark, "--help") == 0
    assert "--json" in capsys.readouterr().out


def test_pairs_are_printed_and_kept(capsys: Captured, short: None, tmp_path: Path) -> None:
    kept = tmp_path / "new.json"
    arguments = ["pairs", "--filter", "getp", "--rounds", "3", "--json", str(kept)]
    assert exit_status(*arguments) == 0
    told = capsys.readouterr()
    assert told.err == ""
    figures = json.loads(kept.read_text())
    chosen = [pair.name for pair in PAIRS if "getp" in pair.name]
    assert [pair["name"] for pair in figures["pairs"]] == chosen
    assert set(figures) == {
        *("benchmark", "conditions", "interrupted", "geometric_mean", "kinds", "pairs", "skipped")
    }
    assert figures["interrupted"] is False
    assert {"kernel", "cpu", "mitigations", "virtualisation", "python", "affinity"} <= set(
        figures["conditions"]
    )
    for pair in figures["pairs"]:
        assert pair["rounds"] == 3
        assert 0 < pair["low"] <= pair["ratio"] <= pair["high"]
        for side in ("theirs", "ours"):
            assert 0 < pair[side]["least"] <= pair[side]["median"]
        assert any(line.startswith(pair["name"] + " ") for line in told.out.splitlines())
    assert "geometric means" in told.out
    assert figures["conditions"]["kernel"].split()[0] in told.out

    assert exit_status("pairs", "--filter", "getppid", "--rounds", "2", "--compare", str(kept)) == 0
    assert re.search(r"was \d+\.\d\d; ours [+-]\d+ %", capsys.readouterr().out)


@pytest.mark.parametrize(("options", "threads"), [((), 1), (("--second-thread",), 2)])
def test_pairs_alone_and_beside_a_thread(options: tuple[str, ...], threads: int) -> None:
    told = python(
        "-m", "pysyscall", *["bench", "pairs", "--filter", "getppid", "--rounds", "1"], *options
    )
    assert re.search(rf"^threads +{threads}$", told, re.MULTILINE)


def test_beside_a_thread_libc_does_more() -> None:
    """Pairs whose sides don't do the same there are left out."""
    bench = ("-m", "pysyscall", "bench", "pairs", "--rounds", "1", "--filter", "setr")
    alone, beside = python(*bench), python(*bench, "--second-thread")
    assert re.search(r"^setresuid ", alone, re.MULTILINE)
    assert "skipped: setresuid: beside other threads" in beside
    assert re.search(r"^setrlimit ", beside, re.MULTILINE)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"pairs": 3}',
        '{"pairs": [{}]}',
        "\xff",
        '{"pairs": [{"name": "getpid", "ratio": 0, "ours": {"least": 1}}]}',
    ],
)
def test_a_file_that_is_no_older_run_is_refused(
    capsys: Captured, tmp_path: Path, content: str
) -> None:
    old = tmp_path / "old.json"
    old.write_bytes(content.encode("latin-1"))
    assert exit_status("pairs", "--compare", str(old)) == 1
    assert f"{old} is not what `bench pairs --json` writes" in capsys.readouterr().err


def test_pairs_that_this_system_lacks_are_skipped(
    capsys: Captured, short: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "getppid")
    kept = tmp_path / "figures.json"
    arguments = ["--filter", "getp", "--rounds", "1", "--json", str(kept)]
    assert exit_status("pairs", *arguments) == 0
    assert "skipped: getppid: there is no os.getppid" in capsys.readouterr().out
    assert json.loads(kept.read_text())["skipped"] == {"getppid": "there is no os.getppid"}
    assert exit_status("pairs", "--filter", "getppid") == 1
    assert "none of these pairs can be measured here" in capsys.readouterr().err


def test_layers_of_a_call(capsys: Captured, short: None, tmp_path: Path) -> None:
    kept = tmp_path / "layers.json"
    assert exit_status("layers", "read", "--rounds", "2", "--json", str(kept)) == 0
    told = capsys.readouterr().out
    (call,) = json.loads(kept.read_text())["calls"]
    assert call["name"] == "read"
    assert call["releases_gil"] is True
    for name in (
        *(layers.EMPTY, layers.NOTHING, layers.DOOR, layers.NATIVE, layers.FLOOR, layers.RELEASED),
        *(layers.OURS, layers.WRAPPED, layers.RAW, layers.THEIRS, layers.CFFI, layers.CTYPES),
    ):
        assert call["layers"][name]["least"] > 0
        assert name in told
    for name in layers.FILTERS:
        assert (name in call["filtered"]) != (name in call["missing"])
    assert layers.INT80 in call["layers"] or layers.INT80 in call["missing"]
    assert "# the door to the kernel" in told


def test_all_shapes_have_a_floor(capsys: Captured, short: None, tmp_path: Path) -> None:
    kept = tmp_path / "layers.json"
    assert exit_status("layers", "--all", "--rounds", "1", "--json", str(kept)) == 0
    calls = json.loads(kept.read_text())["calls"]
    assert [call["name"] for call in calls] == [shape.name for shape in shapes.SHAPES]
    assert len({call["shape"] for call in calls}) >= 8
    assert {call["releases_gil"] for call in calls} == {True, False}
    for call in calls:
        assert call["ours_to_floor"]["ratio"] > 0


def test_the_floor_makes_the_call(space: dict[str, Any]) -> None:
    """The registers are those of the call: its result and what it writes are the same."""
    the = {shape.name: shape for shape in shapes.SHAPES}
    module = floor.load()

    def result(name: str) -> int:
        with shapes.registers(the[name], space) as words:
            module.set_call(the[name].info.number, *words, *[0] * (6 - len(words)))
            answer: int = module.once()
            return answer

    assert result("getppid") == os.getppid()
    assert result("write") == 1
    assert result("read") == 64
    assert result("readlink") == len("file")
    assert result("writev") == result("readv") == 128
    assert result("epoll_wait") == 1
    for name in ("stat", "fstat", "uname", "prlimit64", "getresuid", "access", "lseek", "wait4"):
        assert result(name) == 0, name


def test_without_a_compiler_layers_tell_what_is_missing(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor.load.cache_clear()
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CC", "")
    assert exit_status("layers") == 1
    assert "there is no C compiler; install one" in capsys.readouterr().err


def test_a_compiler_that_fails_is_heard(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.c"
    broken.write_text("this is no C\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(BenchError, match=r"can't build what the benchmark needs.*\n.*error"):
        native.load("broken", [broken])


def test_curve(capsys: Captured, short: None, tmp_path: Path) -> None:
    for call, ways in curve.WAYS.items():
        kept = tmp_path / f"{call}.json"
        assert exit_status("curve", call, "--rounds", "1", "--json", str(kept)) == 0
        points = json.loads(kept.read_text())["points"]
        assert [point["size"] for point in points] == curve.SIZES
        assert (curve.SIZES[0], curve.SIZES[-1]) == (1, 2**20)
        assert all(point[way]["least"] > 0 for point in points for way in ways)
        assert "1048576" in capsys.readouterr().out


def test_threads(capsys: Captured, short: None, tmp_path: Path) -> None:
    kept = tmp_path / "threads.json"
    assert exit_status("threads", "--rounds", "1", "--json", str(kept)) == 0
    figures = json.loads(kept.read_text())
    assert [result["job"] for result in figures["throughput"]] == [job.name for job in threads.JOBS]
    for result in figures["throughput"]:
        for side in ("theirs", "ours"):
            assert set(result[side]) == {"1", "2", "4"}
            assert all(amount > 0 for amount in result[side].values())
    assert [one["threads"] for one in figures["beside_waiting"]] == [1, 2, 4]
    assert "of its speed alone" in capsys.readouterr().out


def test_batch(capsys: Captured, short: None, tmp_path: Path) -> None:
    kept = tmp_path / "batch.json"
    assert exit_status("batch", "--rounds", "2", "--json", str(kept)) == 0
    told = capsys.readouterr()
    assert told.err == ""
    jobs = json.loads(kept.read_text())["jobs"]
    assert [job["name"].partition(":")[0] for job in jobs] == [
        *(*batch.CALLS, "read 20 small files", "stat 20 files", "write 20 chunks")
    ]
    calls = {batch.NATIVE, batch.BATCH, batch.DECODED, batch.PREPARED, batch.PLAIN, batch.OS}
    for job in jobs:
        assert (set(job["ways"]) == calls) == (job["unit"] == "a call")
        for way, one in job["ways"].items():
            assert 0 < one["least"] <= one["median"]
            assert f"  {way} " in told.out
            for yardstick, ratio in one["beside"].items():
                assert 0 < ratio["low"] <= ratio["ratio"] <= ratio["high"]
                assert yardstick != way or ratio["ratio"] == 1
    for job, helper in zip(jobs[-3:], ("read_files, 1", "stat_many, 1", "write_all"), strict=True):
        assert any(way.startswith(helper) for way in job["ways"])


@pytest.mark.parametrize("job", batch.jobs(), ids=lambda job: job.name)
def test_each_way_of_a_job_leaves_nothing(
    job: batch.Job, short: None, space: dict[str, Any]
) -> None:
    def state() -> list[object]:
        fds, names = (
            sorted(entry.name for entry in Path(folder).iterdir())
            for folder in ("/proc/self/fd", space["folder"])
        )
        return [fds, os.fstat(space["memory_file"]).st_size, names]

    before = state()
    with job.ways(space) as ways:
        for run in ways.values():
            assert run(3) > 0
    assert state() == before


# --- pictures


def test_without_matplotlib_plot_tells_what_to_install(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    picture = tmp_path / "pairs.svg"
    assert exit_status("pairs", "--plot", str(picture)) == 1
    told = capsys.readouterr()
    assert "--plot needs matplotlib" in told.err
    assert told.out == ""
    assert not picture.exists()


@pytest.mark.parametrize("suffix", ["svg", "png"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["pairs", "--filter", "getp"],
        ["layers", "umask"],
        ["layers", "--all"],
        ["curve", "write"],
        ["threads"],
        ["batch"],
    ],
    ids=" ".join,
)
def test_pictures(short: None, tmp_path: Path, suffix: str, arguments: list[str]) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / f"picture.{suffix}"
    assert exit_status(*arguments, "--rounds", "1", "--plot", str(picture)) == 0
    content = picture.read_bytes()
    assert content.startswith({"svg": b"<?xml", "png": b"\x89PNG"}[suffix])
    assert plot.library().get_fignums() == []


# --- files


def test_a_file_keeps_its_content_until_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "figures"
    path.write_bytes(b"a long old content")
    kept = output.Output(path)
    assert path.read_bytes() == b"a long old content"
    kept.write(b"new")
    kept.discard()
    assert path.read_bytes() == b"new"


def test_a_file_that_is_not_written_is_as_before(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"old")
    for path in (old, new):
        output.Output(path).discard()
    assert old.read_bytes() == b"old"
    assert old.stat().st_blocks * 512 < output.ROOM
    assert not new.exists()


def test_a_full_disk_is_found_out_at_once(tmp_path: Path) -> None:
    """On a file system of 64 KiB, in a child with its own mounts."""
    script = (
        "import sys, pysyscall as ps, pysyscall.bench.output as output\n"
        "from pathlib import Path\n"
        "folder = sys.argv[1]\n"
        "try:\n"
        "    uid, gid = ps.getuid(), ps.getgid()\n"
        "    ps.unshare(ps.CLONE_NEWUSER | ps.CLONE_NEWNS)\n"
        "    Path('/proc/self/uid_map').write_text(f'0 {uid} 1')\n"
        "    Path('/proc/self/setgroups').write_text('deny')\n"
        "    Path('/proc/self/gid_map').write_text(f'0 {gid} 1')\n"
        "    ps.mount('none', folder, 'tmpfs', 0, 'size=64k')\n"
        "except OSError as error:\n"
        "    sys.exit(f'skip: {error}')\n"
        "try:\n"
        "    output.Output(Path(folder, 'figures'))\n"
        "except output.BenchError as error:\n"
        "    print(error, list(Path(folder).iterdir()))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    if ended.stderr.startswith("skip: "):
        pytest.skip(ended.stderr)
    assert ended.stdout == f"can't write {tmp_path / 'figures'}: No space left on device []\n"


# --- progress and interruption


def test_progress_is_for_terminals(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    with progress.Progress(2) as bar:
        bar.step("one")
    assert capsys.readouterr().err == ""
    master, slave = pty.openpty()
    with os.fdopen(master, "rb", buffering=0) as reader, os.fdopen(slave, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with progress.Progress(2) as bar:
            bar.step("one")
            bar.step("two")
        shown = b""
        while not shown.endswith(b"\r\x1b[K") or b"two" not in shown:
            shown += reader.read(4096)
    assert b"0/2 one" in shown
    assert b"1/2 two" in shown


@pytest.mark.parametrize(
    ("arguments", "end"),
    [
        (["pairs", "--filter", "get"], r"interrupted after \d+ of \d+ pairs"),
        (["layers", "--all"], r"interrupted after \d+ of \d+ calls"),
        (["batch"], r"interrupted after \d+ of \d+ jobs"),
    ],
    ids=["pairs", "layers", "batch"],
)
def test_ctrl_c_prints_what_was_measured(tmp_path: Path, arguments: list[str], end: str) -> None:
    kept = tmp_path / "figures.json"
    with subprocess.Popen(
        [*COMMAND, *arguments, "--rounds", "60", "--json", str(kept)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        lines = []
        for line in running.stdout:
            lines.append(line)
            if line.startswith("get") and len(lines[-1].split()) > 4:
                break
        running.send_signal(signal.SIGINT)
        rest, complaints = running.communicate(timeout=30)
    assert running.returncode == 130
    assert re.search(end, rest)
    assert "Traceback" not in complaints
    figures = json.loads(kept.read_text())
    assert figures["interrupted"] is True
    assert figures[{"pairs": "pairs", "layers": "calls", "batch": "jobs"}[arguments[0]]]


def test_a_reader_that_has_gone_ends_the_run(tmp_path: Path) -> None:
    kept = tmp_path / "figures.json"
    ended = subprocess.run(
        [
            "sh",
            "-c",
            f'"$0" -m pysyscall bench pairs --rounds 1 --json {kept} | head -1',
            sys.executable,
        ],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.stdout.startswith("pysyscall ")
    assert ended.stderr == ""
    assert not kept.exists()


def test_instructions_need_valgrind() -> None:
    ended = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "instructions.py")],
        env=ENVIRONMENT | {"PATH": ""},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode == 2
    assert "valgrind counts the instructions, and is not installed" in ended.stderr
