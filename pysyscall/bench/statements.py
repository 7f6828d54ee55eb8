"""Statements as loops: what is timed is the text, with each name a local variable.

An attribute of a known object (`os.read`, `ps.read`, `sock.send`, `os.O_RDONLY`) is looked up once,
before the loop, so that both sides of a pair pay for the call alone.
"""

from __future__ import annotations

import ast
import builtins
import textwrap
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Any, TypeAlias

from pysyscall.bench.errors import Skip

Space: TypeAlias = Mapping[str, Any]
Loop: TypeAlias = Callable[[int], int]
"""Runs a statement so many times and tells the nanoseconds."""


@dataclass(frozen=True, slots=True)
class Absent:
    """Stands for a thing that can't be had here."""

    reason: str


class _Hoist(ast.NodeTransformer):
    """Replaces `known.attribute` by one name, and collects what all names stand for."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.found: dict[str, Any] = {}
        self.stored: set[str] = set()

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """The value first, and then the names that get it, as Python does."""
        node.value = self.visit(node.value)
        node.targets = [self.visit(target) for target in node.targets]
        return node

    def known(self, name: str) -> Any:
        value = self.space[name]
        if isinstance(value, Absent):
            raise Skip(value.reason)
        return value

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if not (isinstance(node.value, ast.Name) and node.value.id in self.space):
            return self.generic_visit(node)
        name, owner = f"{node.value.id}_{node.attr}", self.known(node.value.id)
        try:
            self.found[name] = getattr(owner, node.attr)
        except AttributeError:
            whose = getattr(owner, "__name__", node.value.id)
            raise Skip(f"there is no {whose}.{node.attr}") from None
        return ast.Name(name, node.ctx)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self.space:
            self.found[node.id] = self.known(node.id)
        elif isinstance(node.ctx, ast.Store):
            self.stored.add(node.id)
        elif node.id not in self.stored and not hasattr(builtins, node.id):
            raise NameError(f"a benchmark's statement names {node.id!r}, which is unknown")
        return node


def _hoisted(statement: str, space: Space) -> tuple[ast.Module, dict[str, Any]]:
    hoist = _Hoist(space)
    tree = hoist.visit(ast.parse(statement))
    return ast.fix_missing_locations(tree), hoist.found


def loop(statement: str, space: Space) -> Loop:
    """The statement in a loop; Skip if something it names is missing here."""
    tree, found = _hoisted(statement, space)
    body = textwrap.indent(ast.unparse(tree), " " * 8)
    names = ["clock", "repeat", *found]
    source = (
        f"def make({', '.join(names)}):\n"
        f"  def run(count, {', '.join(f'{name}={name}' for name in names)}):\n"
        f"    start = clock()\n"
        f"    for _ in repeat(None, count):\n{body}\n"
        f"    return clock() - start\n"
        f"  return run\n"
    )
    made: dict[str, Any] = {}
    exec(compile(source, f"<{statement}>", "exec"), made)
    run: Loop = made["make"](time.perf_counter_ns, repeat, *found.values())
    return run


def value(statement: str, space: Space) -> Any:
    """Run the statement once; what its last line is worth, None if that is no expression."""
    tree, found = _hoisted(statement, space)
    last = tree.body[-1]
    if not isinstance(last, ast.Expr):
        exec(compile(tree, f"<{statement}>", "exec"), found)
        return None
    first = ast.Module(tree.body[:-1], [])
    exec(compile(first, f"<{statement}>", "exec"), found)
    return eval(compile(ast.Expression(last.value), f"<{statement}>", "eval"), found)
