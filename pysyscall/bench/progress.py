"""A bar on stderr while something long runs, for a terminal only."""

from __future__ import annotations

import shutil
import sys
from types import TracebackType
from typing import Self


class Progress:
    """`with Progress(total) as bar: bar.step("write")`. Silent where stderr is no terminal."""

    def __init__(self, total: int) -> None:
        self.total = max(total, 1)
        self.done = 0
        self.shown = sys.stderr is not None and sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()

    def step(self, what: str) -> None:
        """Show what is being done now."""
        if self.shown:
            width = min(30, shutil.get_terminal_size().columns // 3)
            full = width * self.done // self.total
            bar = "#" * full + "." * (width - full)
            text = f"[{bar}] {self.done}/{self.total} {what}"
            sys.stderr.write(f"\r\x1b[K{text[: shutil.get_terminal_size().columns - 1]}")
            sys.stderr.flush()
        self.done += 1

    def clear(self) -> None:
        """Leave the line empty, for what is printed next."""
        if self.shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
