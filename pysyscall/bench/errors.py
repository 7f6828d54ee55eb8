"""What the benchmarks tell in one line instead of a traceback."""

from __future__ import annotations


class BenchError(Exception):
    """Something the user must know or change; the text says all."""


class Skip(Exception):
    """Why a statement can't be measured here."""
