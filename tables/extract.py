"""Read a kernel source tree into the rows of `x86_64.tsv`.

The kernel's own table gives number, ABI, name and entry point; the SYSCALL_DEFINEn of that entry
point gives the C arguments. Several definitions may share an entry point: the preprocessor and
Makefile conditions around each decide which of them x86-64 builds. What is left of the
conditions, the options that a kernel may be built without, is written to the row.
"""

from __future__ import annotations

import ast
import itertools
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from tables.rows import SINCE, CArg, KernelRow, Since, TableError, load_since, render

_SYSCALL_TABLE = "arch/x86/entry/syscalls/syscall_64.tbl"
_ARCH_MACROS = "arch/x86/include/asm/unistd.h"
_NO_CALL = ("", "sys_ni_syscall")

# Not in an x86-64 kernel; arch/x86/um is User-mode Linux, an architecture of its own.
_SKIPPED = {"Documentation", "samples", "scripts", "tools", "usr", "arch/x86/um"}

# The top-level Kbuild's conditions on whole directories; trees of mere sources lack that file.
_DIRECTORIES = {"block": "CONFIG_BLOCK", "io_uring": "CONFIG_IO_URING", "net": "CONFIG_NET"}

# What is the same in every x86-64 kernel. Kconfig would tell, but only if evaluated whole.
_ON = ("CONFIG_64BIT", "CONFIG_MMU", "CONFIG_X86", "CONFIG_X86_64", "__KERNEL__", "__x86_64__")
_OFF = (
    *("CONFIG_CLONE_BACKWARDS", "CONFIG_CLONE_BACKWARDS2", "CONFIG_CLONE_BACKWARDS3"),
    *("CONFIG_ARCH_SPLIT_ARG64", "CONFIG_ODD_RT_SIGACTION", "CONFIG_UML", "CONFIG_X86_32"),
)


# Conditions: sums of products of literals such as "CONFIG_NET" and "!CONFIG_POSIX_TIMERS".

Condition = frozenset[frozenset[str]]
Macros = Mapping[str, Condition]
_ALWAYS: Condition = frozenset({frozenset()})
_NEVER: Condition = frozenset()
_FIXED: Macros = dict.fromkeys(_ON, _ALWAYS) | dict.fromkeys(_OFF, _NEVER)


def _literal(text: str) -> Condition:
    return frozenset({frozenset({text})})


def _opposite(literal: str) -> str:
    return literal[1:] if literal.startswith("!") else "!" + literal


def _both(a: Condition, b: Condition) -> Condition:
    return _shortest(x | y for x in a for y in b)


def _either(a: Condition, b: Condition) -> Condition:
    return _shortest(a | b)


def _negated(condition: Condition) -> Condition:
    sums = (frozenset(frozenset({_opposite(literal)}) for literal in term) for term in condition)
    return reduce(_both, sums, _ALWAYS)


def _shortest(terms: Iterable[frozenset[str]]) -> Condition:
    """Without contradictions, and without what other terms cover: A || !A && B is A || B."""
    kept = {term for term in terms if not any(_opposite(literal) in term for literal in term)}
    while True:
        for a, b in itertools.permutations(sorted(kept, key=sorted), 2):
            spare = {x for x in b if _opposite(x) in a and a - {_opposite(x)} <= b}
            if a <= b or spare:
                kept.remove(b)
                kept.update({b - spare} if spare else ())
                break
        else:
            return frozenset(kept)


def _text(condition: Condition) -> str:
    if condition in (_ALWAYS, _NEVER):
        return "" if condition else "never"
    products = (sorted(term, key=lambda literal: literal.lstrip("!")) for term in condition)
    return " || ".join(sorted(" && ".join(literals) for literals in products))


def _macro(name: str, macros: Macros) -> Condition:
    """Options that x86-64 leaves open stay open; a macro nobody has defined is off."""
    return macros.get(name, _literal(name) if name.startswith("CONFIG_") else _NEVER)


def _evaluate(expression: str, macros: Macros) -> Condition:
    """The condition of an #if; what cannot be evaluated becomes a literal of its own."""
    text = re.sub(r"\b(?:defined|IS_[A-Z]+)(?:\s*\(\s*(\w+)\s*\)|\s+(\w+))", r" \1\2", expression)
    text = text.replace("&&", " and ").replace("||", " or ")
    text = re.sub(r"!(?!=)", " not ", text)

    def condition(node: ast.expr) -> Condition:
        match node:
            case ast.BoolOp(op, values):
                return reduce(_both if isinstance(op, ast.And) else _either, map(condition, values))
            case ast.UnaryOp(ast.Not(), operand):
                return _negated(condition(operand))
            case ast.Compare(ast.Name("BITS_PER_LONG"), [ast.Eq()], [ast.Constant(bits)]):
                return _ALWAYS if bits == 64 else _NEVER
            case ast.Constant(int(number)):
                return _ALWAYS if number else _NEVER
            case ast.Name(name):
                return _macro(name, macros)
        return _literal(ast.unparse(node))

    try:
        return condition(ast.parse(text.strip(), mode="eval").body)
    except SyntaxError:
        return _literal(" ".join(expression.split()))


class _Guard:
    """The #if or ifdef blocks that a line stands in."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._blocks: list[tuple[Condition, Condition]] = []  # this branch, those before it

    def begin(self, condition: Condition) -> None:
        self._blocks.append((condition, _NEVER))

    def otherwise(self, condition: Condition = _ALWAYS) -> None:
        before = _either(*self.end())
        self._blocks.append((_both(condition, _negated(before)), before))

    def end(self) -> tuple[Condition, Condition]:
        if not self._blocks:
            raise TableError(f"{self._file}: an else or endif without its if")
        return self._blocks.pop()

    @property
    def condition(self) -> Condition:
        return reduce(_both, (branch for branch, _ in self._blocks), _ALWAYS)


# C files

_NOT_CODE = re.compile(
    r"""/\*.*?\*/|//[^\n]*|("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""", re.DOTALL
)
_EVENT = re.compile(
    r"^[ \t]*\#[ \t]*(?P<directive>\w+)(?P<rest>[^\n]*)"
    r"|\bSYSCALL_DEFINE(?P<arity>[0-6])\s*\((?P<arguments>[^()]*)\)",
    re.MULTILINE,
)


def _events(path: Path, macros: dict[str, Condition]) -> Iterator[tuple[re.Match[str], Condition]]:
    """A C file's definitions and includes, each with its condition; #defines go to `macros`."""
    text = path.read_text(encoding="utf-8", errors="replace").replace("\\\n", " ")
    guard = _Guard(path)
    for event in _EVENT.finditer(_NOT_CODE.sub(lambda match: match[1] or " ", text)):
        rest = (event["rest"] or "").strip()
        match event["directive"]:
            case "if":
                guard.begin(_evaluate(rest, macros))
            case "ifdef":
                guard.begin(_macro(rest, macros))
            case "ifndef":
                guard.begin(_negated(_macro(rest, macros)))
            case "elif":
                guard.otherwise(_evaluate(rest, macros))
            case "else":
                guard.otherwise()
            case "endif":
                guard.end()
            case "define":
                name = re.split(r"\W", rest, maxsplit=1)[0]
                macros[name] = _either(macros.get(name, _NEVER), guard.condition)
            case "include" | None:
                yield event, guard.condition


def _definitions(path: Path, macros: Macros) -> Iterator[tuple[str, tuple[CArg, ...], Condition]]:
    """The calls that a C file defines, named as their entry points are after `sys_`."""
    for event, condition in _events(path, dict(macros)):
        if event["arity"]:
            name, *words = event["arguments"].split(",")
            if len(words) != 2 * int(event["arity"]):
                text = " ".join(event[0].split())
                raise TableError(f"{path}: {text} does not have {event['arity']} arguments")
            pairs = zip(words[::2], words[1::2], strict=True)
            args = tuple(CArg(_ctype(ctype), argument.strip()) for ctype, argument in pairs)
            yield name.strip(), args, condition


def _ctype(text: str) -> str:
    """The kernel's type without `__user`, in one spelling: `const char *const *`."""
    words = (word for word in re.findall(r"\w+|\*", text) if word != "__user")
    return " ".join(words).replace("* ", "*")


# Makefiles

_ASSIGNMENT = re.compile(r"\s*([\w-]+)-(?:y|objs|\$[({](\w+)[)}])\s*(\+=|:?=)(.*)")
_CONDITIONAL = re.compile(r" *(else\b)? *(?:(ifn?def|ifn?eq)\b *(.*)|(endif)\b.*)?")
_TEST = re.compile(r"(?:\(\$\()?(CONFIG_\w+)(?:\), *(y?)\))?")
Lists = dict[str, dict[str, Condition]]


class _Makefiles:
    """When an x86-64 kernel is built with a file, as the Makefiles above the file say."""

    def __init__(self, source: Path, macros: Macros) -> None:
        self._source = source
        self._macros = macros
        self._parsed: dict[Path, Lists] = {}

    def condition(self, file: Path) -> Condition:
        condition = self._takes(file.parent, f"{file.stem}.o")
        if condition is None:
            condition = self._included(file)
        for child, parent in itertools.pairwise(file.parents):
            above = self._takes(parent, f"{child.name}/")
            condition = _both(condition, _ALWAYS if above is None else above)
        return condition

    def _takes(self, directory: Path, word: str) -> Condition | None:
        """When the directory's Makefile takes in `word`; None where it does not name it."""
        if directory == Path():
            option = _DIRECTORIES.get(word.rstrip("/"))
            return _literal(option) if option else None
        found = []
        for name, members in self._lists(directory).items():
            if word in members and word != f"{name}.o":
                # obj-y is the root; another list enters it as name.o or as $(name-y)
                goals = () if name == "obj" else (f"{name}.o", f"$({name}-y)")
                above = [c for goal in goals if (c := self._takes(directory, goal)) is not None]
                found.append(_both(members[word], reduce(_either, above) if above else _ALWAYS))
        return reduce(_either, found) if found else None

    def _included(self, file: Path) -> Condition:
        """When another C file of the directory includes this one; always, where none does."""
        for other in sorted((self._source / file.parent).glob("*.c")):
            for event, condition in _events(other, dict(self._macros)):
                if event["rest"] and event["rest"].strip() == f'"{file.name}"':
                    return condition
        return _ALWAYS

    def _lists(self, directory: Path) -> Lists:
        """Each list (`obj` of obj-y and obj-$(CONFIG_X)): its words and their conditions."""
        if directory not in self._parsed:
            path = self._source / directory / "Makefile"
            self._parsed[directory] = self._parse(path) if path.exists() else {}
        return self._parsed[directory]

    def _parse(self, path: Path) -> Lists:
        lists: Lists = defaultdict(dict)
        guard = _Guard(path)
        text = path.read_text(encoding="utf-8", errors="replace").replace("\\\n", " ")
        for line in re.sub(r"#.*", "", text).splitlines():
            if assignment := _ASSIGNMENT.match(line):
                name, option, operator, words = assignment.groups()
                condition = _macro(option, self._macros) if option else _ALWAYS
                condition = _both(guard.condition, condition)
                if operator != "+=":  # what the list held stays where this line does not apply
                    rest = _negated(condition)
                    lists[name] = {word: _both(c, rest) for word, c in lists[name].items()}
                for word in words.split():
                    lists[name][word] = _either(lists[name].get(word, _NEVER), condition)
            elif conditional := _CONDITIONAL.match(line):
                otherwise, keyword, expression, end = conditional.groups()
                if end:
                    guard.end()
                elif keyword:
                    (guard.otherwise if otherwise else guard.begin)(self._test(keyword, expression))
                elif otherwise:
                    guard.otherwise()
        return lists

    def _test(self, keyword: str, expression: str) -> Condition:
        """The condition of `ifdef CONFIG_X`, `ifeq ($(CONFIG_X),y)`, `ifneq ($(CONFIG_X),)`."""
        test = _TEST.fullmatch(expression.strip())
        condition = _macro(test[1], self._macros) if test else _literal(expression.strip())
        unset = test is not None and test[2] == ""
        return _negated(condition) if keyword.startswith("ifn") != unset else condition


# The tree


@dataclass(frozen=True, slots=True)
class _Definition:
    """A SYSCALL_DEFINEn, and the condition under which an x86-64 kernel has it."""

    file: str
    args: tuple[CArg, ...]
    condition: Condition

    def with_every_option(self) -> bool:
        return any(not any(x.startswith("!") for x in term) for term in self.condition)


def kernel_version(source: Path) -> str:
    """The version in the tree's top Makefile, such as 7.3.4."""
    if not source.is_dir():
        raise TableError(f"{source}: no such directory; give the top of a kernel source tree")
    lines = re.finditer(r"(?m)^([A-Z]+) *= *(\S*)$", _read(source, "Makefile"))
    found = {line[1]: line[2] for line in lines}
    numbers = [found.get(name, "") for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL")]
    if not all(number.isdecimal() for number in numbers):
        raise TableError(f"{source / 'Makefile'}: states no VERSION, PATCHLEVEL and SUBLEVEL")
    return ".".join(numbers) + found.get("EXTRAVERSION", "")


def extract(source: Path, since: Path = SINCE) -> list[KernelRow]:
    """The rows of the native calls (ABI common and 64), by number."""
    numbers = sorted(_numbers(source))
    versions = load_since(since)
    _check_since(since, versions, numbers)
    entries = {entry for *_, entry in numbers if entry not in _NO_CALL}
    definitions = _find(source, {entry.removeprefix("sys_") for entry in entries})
    rows = []
    for number, abi, name, entry in numbers:
        version = versions[number].since if number in versions else ""
        if entry in _NO_CALL:
            rows.append(KernelRow(number, abi, name, entry, "dead", (), "", version, ""))
            continue
        call = f"{name} ({number}), entry point {entry}"
        chosen = _chosen(call, definitions[entry.removeprefix("sys_")])
        config = _text(chosen.condition)
        rows.append(
            KernelRow(number, abi, name, entry, "live", chosen.args, chosen.file, version, config)
        )
    return rows


def write(version: str, rows: Iterable[KernelRow], output: Path) -> None:
    output.write_text(render(version, rows), encoding="utf-8", newline="\n")


def run(source: Path, output: Path) -> None:
    """Make the table at `output` from the kernel tree at `source`."""
    version = kernel_version(source)
    write(version, extract(source), output)


def _numbers(source: Path) -> Iterator[tuple[int, str, str, str]]:
    """Number, ABI, name and entry point (empty where there is none) from the kernel's table."""
    seen: dict[int, str] = {}
    for index, line in enumerate(_read(source, _SYSCALL_TABLE).splitlines(), 1):
        fields = line.partition("#")[0].split()
        if not fields or fields[1:2] == ["x32"]:
            continue
        where = f"{source / _SYSCALL_TABLE}, line {index}"
        if len(fields) < 3 or not fields[0].isdecimal() or fields[1] not in ("common", "64"):
            raise TableError(f"{where}: {line!r} is not a number, ABI (common, 64, x32) and name")
        number, abi, name = int(fields[0]), fields[1], fields[2]
        if number in seen:
            raise TableError(f"{where}: {number} is both {seen[number]} and {name}")
        seen[number] = name
        yield number, abi, name, fields[3] if len(fields) > 3 else ""


def _check_since(
    path: Path, versions: Mapping[int, Since], numbers: Iterable[tuple[int, str, str, str]]
) -> None:
    missing = []
    for number, _, name, entry in numbers:
        known = versions.get(number, Since(name, "", ""))
        live = entry not in _NO_CALL
        if known.name != name:
            raise TableError(f"{path}: {number} is {known.name}, but {name} in the kernel's table")
        if live and known.gone:
            raise TableError(f"{path}: {name} ({number}) is gone since {known.gone}, but is live")
        if live and not known.since:
            missing.append(f"{name} ({number})")
    if missing:
        raise TableError(
            f"{path}: no first kernel version for {', '.join(missing)}; add a line for each:"
            " number, name, version and an empty field, with tabs between them"
        )


def _find(source: Path, wanted: set[str]) -> Mapping[str, list[_Definition]]:
    """All definitions of the wanted calls in the tree."""
    macros = dict(_FIXED)
    _read(source, _ARCH_MACROS)
    for _ in _events(source / _ARCH_MACROS, macros):
        pass  # read for its #defines
    makefiles = _Makefiles(source, macros)
    found: defaultdict[str, list[_Definition]] = defaultdict(list)
    for path in _c_files(source):
        if b"SYSCALL_DEFINE" in path.read_bytes():
            file = path.relative_to(source)
            built = makefiles.condition(file)
            for name, args, condition in _definitions(path, macros):
                if name in wanted:
                    condition = _both(built, condition)
                    found[name].append(_Definition(file.as_posix(), args, condition))
    return found


def _chosen(call: str, candidates: list[_Definition]) -> _Definition:
    """The definition that x86-64 builds.

    Where options leave several, it is the one of a kernel with every option on: the others are
    stubs for kernels without.
    """
    possible = [candidate for candidate in candidates if candidate.condition]
    chosen = possible
    if len(possible) > 1:
        chosen = [candidate for candidate in possible if candidate.with_every_option()]
    if len(chosen) != 1:
        problem = "several definitions apply" if possible else "no SYSCALL_DEFINEn applies"
        places = [f"{d.file} ({_text(d.condition) or 'always'})" for d in candidates]
        in_tree = ", ".join(places) or "none"
        raise TableError(f"{call}: {problem} to x86-64; in the tree: {in_tree}")
    for literal in sorted(frozenset().union(*chosen[0].condition)):
        if not re.fullmatch(r"!?CONFIG_\w+", literal):
            raise TableError(f"{call}: {chosen[0].file}: cannot evaluate the condition {literal!r}")
    return chosen[0]


def _c_files(source: Path) -> Iterator[Path]:
    """The tree's C files that may be part of an x86-64 kernel; tells a terminal how far it is."""
    progress = sys.stderr.isatty()
    count = 0
    for directory, directories, files in os.walk(source):
        relative = Path(directory).relative_to(source)
        directories[:] = sorted(d for d in directories if not _skipped((relative / d).as_posix()))
        for file in sorted(files):
            if file.endswith(".c"):
                count += 1
                if progress and count % 200 == 0:
                    sys.stderr.write(f"\r{count} files read, now in {str(relative)[:40]:<40}")
                yield Path(directory, file)
    if progress:
        sys.stderr.write(f"\r{count} files read{'':<49}\n")


def _skipped(directory: str) -> bool:
    """Whether a directory is no part of an x86-64 kernel."""
    parts = directory.split("/")
    return directory in _SKIPPED or (parts[0] == "arch" and parts[1:2] not in ([], ["x86"]))


def _read(source: Path, file: str) -> str:
    try:
        return (source / file).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise TableError(
            f"{source / file}: no such file; {source} is not the top of a kernel source tree"
        ) from None
