"""The command `pysyscall`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pysyscall
from pysyscall import table
from pysyscall.__main__ import main

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(pysyscall.__file__).parents[1])}
COMMAND = [sys.executable, "-m", "pysyscall"]
Captured = pytest.CaptureFixture[str]


def exit_status(*arguments: str) -> int:
    """What the command exits with: argparse exits by itself, the rest returns."""
    try:
        return main(list(arguments))
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1


def test_show_tells_all_about_a_call(capsys: Captured) -> None:
    assert exit_status("show", "openat2") == 0
    told = capsys.readouterr()
    assert told.err == ""
    info = table.lookup("openat2")
    assert told.out.splitlines()[0] == f"openat2: {info.doc}"
    for part in (
        "437 (0x1b5)",
        "Linux 5.6",
        "long openat2(int dfd, const char *filename, struct open_how *how, size_t usize)",
        "pysyscall.openat2(dirfd, path, how)",
        "files",
        " ".join(info.errnos),
        "openat2(2)",
    ):
        assert part in " ".join(told.out.split())
    for argument in info.arguments:
        line = next(line for line in told.out.splitlines() if f" {argument.register} " in line)
        assert argument.name in line
        assert argument.kind in line
    assert all(len(line) <= 100 for line in told.out.splitlines())


def test_names_and_numbers_show_the_same(capsys: Captured) -> None:
    assert exit_status("show", "write") == 0
    once = capsys.readouterr().out
    assert exit_status("show", "write", "1", "0x1", "0b1") == 0
    assert capsys.readouterr().out == "\n".join([once] * 4)


def test_every_call_can_be_shown(capsys: Captured) -> None:
    for info in table.calls():
        assert exit_status("show", info.name) == 0
        told = capsys.readouterr().out
        assert told.startswith(info.name)
        assert f"{info.number} (0x{info.number:x}) in rax" in told
        assert all(line == line.rstrip() for line in told.splitlines()), info.name


def test_an_alias_shows_the_call(capsys: Captured) -> None:
    assert exit_status("show", "pread") == 0
    assert capsys.readouterr().out.startswith("pread64: ")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("wirte", "pysyscall: there is no system call 'wirte'; did you mean write"),
        ("OPENAT", "pysyscall: there is no system call 'OPENAT'; did you mean openat"),
        ("qqqqqq", "pysyscall: there is no system call 'qqqqqq'\n"),
        ("9999", "pysyscall: there is no system call with the number 9999"),
        ("0x1ff", "pysyscall: there is no system call with the number 511"),
        ("", "pysyscall: there is no system call ''"),
    ],
)
def test_an_unknown_word_is_answered_with_the_nearest(
    capsys: Captured, word: str, message: str
) -> None:
    assert exit_status("show", word) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(message)


def test_known_words_are_shown_beside_unknown_ones(capsys: Captured) -> None:
    assert exit_status("show", "wirte", "read") == 1
    told = capsys.readouterr()
    assert "\nnumber      0 (0x0) in rax\n" in told.out
    assert "wirte" in told.err


def test_list_has_a_line_for_each_call(capsys: Captured) -> None:
    assert exit_status("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 386
    assert [int(line.split()[0]) for line in lines] == [info.number for info in table.calls()]
    assert lines[1].split(maxsplit=2) == ["1", "fast", "write(fd, buf)"]


@pytest.mark.parametrize("category", sorted({info.category for info in table.calls()} - {""}))
def test_list_of_a_category(capsys: Captured, category: str) -> None:
    assert exit_status("list", category) == 0
    numbers = [int(line.split()[0]) for line in capsys.readouterr().out.splitlines()]
    assert numbers
    assert all(table.lookup(number).category == category for number in numbers)


def test_list_of_an_unknown_category(capsys: Captured) -> None:
    assert exit_status("list", "nothing") == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "no category 'nothing'; there are async_io, clocks, events, files" in told.err


def test_version(capsys: Captured) -> None:
    assert exit_status("--version") == 0
    version = f"pysyscall {pysyscall.__version__}, table of Linux {table.KERNEL}\n"
    assert capsys.readouterr().out == version


@pytest.mark.parametrize("arguments", [["--help"], ["show", "--help"], ["list", "--help"]])
def test_help(capsys: Captured, arguments: list[str]) -> None:
    assert exit_status(*arguments) == 0
    assert capsys.readouterr().out.startswith("usage: pysyscall")


@pytest.mark.parametrize("arguments", [[], ["show"], ["nothing"], ["list", "files", "sockets"]])
def test_wrong_usage(capsys: Captured, arguments: list[str]) -> None:
    assert exit_status(*arguments) == 2
    assert capsys.readouterr().err.startswith("usage: pysyscall")


def test_the_command_in_a_process_of_its_own() -> None:
    ended = subprocess.run(
        [*COMMAND, "show", "wirte"], env=ENVIRONMENT, capture_output=True, text=True, timeout=10
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("pysyscall: there is no system call 'wirte'")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_gone_is_no_error(unbuffered: str) -> None:
    """As `pysyscall list | head -1`, with a reader that is gone from the start."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            [*COMMAND, "list"],
            env=ENVIRONMENT | {"PYTHONUNBUFFERED": unbuffered},
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=10,
        )
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_head_takes_the_first_line() -> None:
    ended = subprocess.run(
        ["sh", "-c", '"$0" -m pysyscall list | head -1', sys.executable],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=10,
    )
    assert ended.stdout.split(maxsplit=2) == ["0", "fast", "read(fd, buf)\n"]
    assert ended.stderr == ""


def test_output_that_cannot_be_written_is_told_in_a_line() -> None:
    ended = subprocess.run(
        ["sh", "-c", '"$0" -m pysyscall list >/dev/full', sys.executable],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=10,
    )
    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr
    assert "No space left on device" in ended.stderr


def test_no_output_is_no_error() -> None:
    """A closed descriptor 1, which Python has as `sys.stdout = None`."""
    ended = subprocess.run(
        ["sh", "-c", '"$0" -m pysyscall list >&-', sys.executable],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=10,
    )
    assert "Traceback" not in ended.stderr
