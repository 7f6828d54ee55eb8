"""README and docs: a page's `pycon` blocks, run as one session, print what they show."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
    if "```pycon" in page.read_text()
]

# Prints a session as the interactive interpreter shows it; statements are read from its input.
SESSION = r"""
import sys, traceback
def show(value):
    if value is not None:
        print(repr(value))
sys.displayhook = show
names = {"__name__": "__main__"}
for statement in sys.stdin.read().split("\0"):
    print(">>> " + statement.rstrip("\n").replace("\n", "\n... "), flush=True)
    try:
        exec(compile(statement + "\n", "<stdin>", "single"), names)
    except Exception as error:
        print('Traceback (most recent call last):\n  File "<stdin>", line 1, in <module>')
        print("".join(traceback.format_exception_only(error)), end="")
    sys.stdout.flush()
"""


def session_of(page: Path) -> str:
    return "".join(re.findall(r"(?m)^```pycon\n(.*?)^```$", page.read_text(), re.DOTALL))


def statements_of(session: str) -> list[str]:
    found = re.findall(r"(?m)^>>> .*\n(?:^\.\.\..*\n)*", session)
    return [re.sub(r"(?m)^(>>>|\.\.\.) ?", "", statement).rstrip("\n") for statement in found]


def comparable(session: str) -> str:
    """Without what differs from run to run: times, ports and other long numbers."""
    return re.sub(r"\d{4,}(\.\d+)?", "N", session)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples(page: Path, tmp_path: Path) -> None:
    session = session_of(page)
    run = subprocess.run(
        [sys.executable, "-c", SESSION],
        input="\0".join(statements_of(session)),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        umask=0o022,
        timeout=60,
    )
    assert run.stderr == ""
    assert comparable(run.stdout) == comparable(session)
