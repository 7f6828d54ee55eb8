"""The rows against the kernel's, the refusals of the reader, and the generator."""

import subprocess
import sys

import pytest

from tables import calls, families, generate, siginfo
from tables.__main__ import main
from tables.generate import docs, stubs
from tables.rows import TableError

TABLE = calls.load()


def row(text, name="read", binding="fast", **more):
    """One row, as a TOML file has it."""
    lines = [f"[{name}]", f'signature = "{text}"', 'doc = "x"', f'binding = "{binding}"']
    lines += [f"{key} = {value}" for key, value in more.items()]
    return "\n".join(lines) + "\n"


def load(tmp_path, text):
    (tmp_path / "files.toml").write_text(text)
    return calls.load(tmp_path)


@pytest.mark.parametrize("call", TABLE.calls.values(), ids=lambda call: call.name)
def test_row_agrees_with_kernel(call):
    assert len(call.values) == len(call.kernel.args)
    for value in call.values:
        low, high = value.range
        assert low <= high
        if value.default and value.parameter:
            assert (
                value.rule.none is not None or value.rule.pointer or low <= value.fallback <= high
            )
    assert call.errors or call.signature.result.word != "fd"
    assert not call.doc.endswith(".")
    assert call.doc.isascii()


READ = "(fd: fd, buf: out bytes[count], count: len) -> count of buf"


def test_good_row(tmp_path):
    table = load(tmp_path, row(READ))
    assert table.calls["read"].text == "read(fd, buf)"


def test_a_struct_that_python_asks_for(tmp_path):
    text = "(who: RusageWho, usage: out Rusage?) -> none"
    call = load(tmp_path, row(text, name="getrusage")).calls["getrusage"]
    assert call.text == "getrusage(who, usage)"
    start = "@overload\ndef getrusage(who: RusageWho | int, usage: "
    assert stubs.declaration(call, TABLE) == (
        f"{start}Literal[False] = False) -> None: ...\n"
        f"{start}Literal[True]) -> Rusage: ...\n"
        f"{start}bool) -> None | Rusage: ...\n"
    )
    told = docs.docstring(call)
    assert "usage: whether to ask for a `Rusage`, too (a bool).\n" in told
    assert "Returns:\n    A `Rusage` where it is asked for.\n" in told


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            row("(fd: fd) -> none"),
            "files.toml: read: the signature has 1 arguments, the kernel's has 3",
        ),
        (
            row("(fd: fd, buf: int, count: size) -> none"),
            "read: argument 'buf': 'int', but the kernel's",
        ),
        (row("(fd: fd, buf: out Stat, count: path) -> none"), "argument 'count': 'path', but"),
        (row("(fd: fd, buf: out Nothing, count: size) -> none"), "'Nothing' is no kind"),
        (row("(fd: fd, buf: out bytes[n], count: len) -> none"), "there is no argument 'n'"),
        (row("(fd: fd, buf: out bytes[fd], count: size) -> none"), "its kind must be `len`"),
        (
            row("(fd: fd, buf: out Stat, count: len) -> none"),
            "is a length, but no argument names it",
        ),
        (row("(fd: fd, buf: out Stat, count: size of nothing) -> none"), "no argument 'nothing'"),
        (row(READ.replace("count of buf", "nonsense")), "'nonsense' is no result"),
        (row(READ, name="raed"), "the kernel has no such call"),
        (row("() -> none", name="uselib"), "no entry point any more"),
        (row(READ, colour='"red"'), "unknown key 'colour'"),
        (row(READ, blocks='"yes"'), "'blocks' must be a bool"),
        (row(READ, blocks_above="{ nothing = 1 }"), "no argument 'nothing'"),
        (row(READ, blocks_above='{ count = "1" }'), "blocks_above: one argument and the number"),
        (row(READ, blocks_above="{ count = 1, fd = 1 }"), "blocks_above: one argument"),
        (row(READ, blocks="false", blocks_above="{ count = 1 }"), "blocks_above: one argument"),
        (row(READ, eintr='"never"'), "'never' is not retry"),
        (row(READ, errors='["ENOTHING"]'), "'ENOTHING' is no errno"),
        (row(READ, explain='{ EINVAL = "x" }'), "explain: says something of one of the `errors`"),
        (
            row("(fd: fd, buf: in Dirent, count: size of buf) -> none"),
            "argument 'buf': a record only stands in `records`",
        ),
        (row("(fd: fd, buf: out records Stat[count], count: len) -> none"), "has no 'out records"),
        (row(READ, replaced_by='"nothing"'), "there is no call 'nothing'"),
        (row(READ, binding="slow"), "'slow' is not fast"),
        (row(READ, binding="raw_only"), "`reason` goes with"),
        (
            row("(fd: fd = 0, buf: out bytes[count], count: len) -> none"),
            "follows one that has one",
        ),
        (
            row("(fd: fd = O_NONSENSE, buf: out Stat, count: size) -> none"),
            "no constant 'O_NONSENSE'",
        ),
        (
            row("(fd: fd, buf: in records LsmCtx, count: const 8) -> none"),
            "the C engine has no 'in records LsmCtx'",
        ),
        (row("(fd: fd; more: room, buf: room = 0) -> none"), "1 arguments, the kernel's has 3"),
        (
            row("(fd: fd, buf: out Stat, count: size; more: room) -> none"),
            "option 'more': an option needs a default",
        ),
        (
            row("(fd: fd, buf: out Stat? = True, count: size) -> none"),
            "argument 'buf': 'out Stat?' has its default already: False",
        ),
        (row("(fd: fd, buf: out Stat?, count: size) -> none"), "follows one that has one"),
        (row(READ, adds='{ fd = "O_CLOEXEC" }'), "'fd' is no argument that takes flags"),
        (
            row("(fd: fd, buf: out Stat, count: OpenFlag) -> none", adds='{ count = "O_CLOEXEC" }'),
            "`adds` goes with an option",
        ),
        ("[read]\ndoc = 'x'\nbinding = 'fast'\n", "'signature' is missing"),
        ("[read\n", "files.toml: "),
    ],
)
def test_refused(tmp_path, text, complaint):
    with pytest.raises(TableError) as error:
        load(tmp_path, text)
    assert complaint in str(error.value)


FCNTL = "(fd: fd, cmd: Whence, arg: by cmd) -> by cmd"


def family(when, signature):
    """A family of calls with one command; Whence stands in for its enumeration."""
    command = f'[[fcntl.command]]\nwhen = "{when}"\nsignature = "{signature}"\n'
    return row(FCNTL, name="fcntl", binding="wrapped") + command


def test_family(tmp_path):
    call = load(tmp_path, family("SEEK_SET", "(lock: in Rlimit) -> none")).calls["fcntl"]
    (command,) = call.commands
    assert command.when == "SEEK_SET"
    (value,) = command.values
    assert (value.index, value.struct.name, value.rule.copied) == (2, "Rlimit", "entry")


def test_what_a_command_needs_makes_what_stands_before_it_needed(tmp_path):
    text = row("(fd: fd = 0, cmd: Whence = 0, arg: by cmd = 0) -> by cmd", name="fcntl")
    command = '[[fcntl.command]]\nwhen = "SEEK_SET"\nsignature = "{}"\n'
    table = load(tmp_path, text.replace('"fast"', '"wrapped"') + command.format("(a: s32) -> none"))
    ((_, made),) = families.variants(table.calls["fcntl"])
    assert [value.default for value in made.parameters] == ["", "", ""]
    table = load(tmp_path, text.replace('"fast"', '"wrapped"') + command.format("() -> none"))
    ((_, made),) = families.variants(table.calls["fcntl"])
    assert [value.default for value in made.parameters] == ["0", "0", "0"]


def test_two_arguments_in_one_register(tmp_path):
    settings = 'shift = 8\npacked = "whose: QuotaType"\n'
    text = family("SEEK_SET", "() -> none").replace("[[", settings + "[[", 1)
    call = load(tmp_path, text).calls["fcntl"]
    assert call.text == "fcntl(fd, cmd, whose, arg)"
    assert call.packed.range == (0, 255)
    ((_, made),) = families.variants(call)
    assert made.text == "fcntl(fd, SEEK_SET, whose, arg)"


def test_settings_of_a_command(tmp_path):
    for setting in ("hot = 1", "blocks = 'no'", "nonsense = true"):
        with pytest.raises(TableError, match="command SEEK_SET: "):
            load(tmp_path, family("SEEK_SET", "() -> none") + setting)


@pytest.mark.parametrize(
    ("when", "signature", "complaint"),
    [
        ("F_NONSENSE", "() -> none", "command F_NONSENSE: `when` is no member of Whence"),
        ("SEEK_SET", "(a: int, b: int) -> none", "2 arguments, but cmd decides 1"),
        ("SEEK_SET", "(a: out Nothing) -> none", "command SEEK_SET: 'Nothing' is no kind"),
    ],
)
def test_family_refused(tmp_path, when, signature, complaint):
    with pytest.raises(TableError) as error:
        load(tmp_path, family(when, signature))
    assert complaint in str(error.value)


def test_call_in_two_files(tmp_path):
    (tmp_path / "memory.toml").write_text(row(READ))
    with pytest.raises(TableError, match=r"memory.toml: read: the call stands in files.toml too"):
        load(tmp_path, row(READ))


def test_generated_code_is_up_to_date():
    outputs = generate.outputs(TABLE)
    assert [str(output.path) for output in outputs if output.stale] == []
    assert generate.left_over(outputs) == []
    for output in outputs:
        assert generate.COMMAND in output.text.splitlines()[0]


def test_check_notices(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate.outputs, "__defaults__", (tmp_path,))
    monkeypatch.setattr(generate.left_over, "__defaults__", (tmp_path,))
    assert main(["generate", "--check"]) == 1
    assert "csrc/generated/calls.inc is stale" in capsys.readouterr().out
    assert main(["generate"]) == 0
    assert main(["generate", "--check"]) == 0
    left = tmp_path / "pysyscall/_generated/flags_gone.py"
    left.write_text(f"# generated by: {generate.COMMAND}; do not edit\n")
    (tmp_path / "csrc/generated/calls.inc").write_text("edited\n")
    capsys.readouterr()
    assert main(["generate", "--check"]) == 1
    said = capsys.readouterr().out
    assert "calls.inc is stale" in said and "flags_gone.py is no longer generated" in said
    assert main(["generate"]) == 0 and not left.exists()


def test_one_more_call_is_one_entry(tmp_path):
    """A call of known kinds: its row alone makes C code, stub, export and docs."""
    for path in calls.FOLDER.glob("*.toml"):
        (tmp_path / path.name).write_text(path.read_text())
    complete = (tmp_path / "files.toml").read_text()
    start = complete.index("[syncfs]\n")
    end = complete.index("\n[", start) + 1
    traces = {
        "calls.inc": ".nr = NR_syncfs,",
        "methods.inc": "METHOD(syncfs,",
        "entries.inc": "CALL(syncfs)",
        "batch.pyi": "def syncfs(self, fd: FileDescriptorLike | Result[int]) -> Result[None]: ...",
        "_fast.pyi": "def syncfs(fd: FileDescriptorLike) -> None: ...",
        "names.py": '"syncfs",',
        "files.md": "pysyscall.syncfs",
    }
    for text, there in ((complete[:start] + complete[end:], False), (complete, True)):
        texts = {output.path.name: output.text for output in generate.outputs(load(tmp_path, text))}
        assert {name: trace in texts[name] for name, trace in traces.items()} == dict.fromkeys(
            traces, there
        )


def test_command_line(capsys):
    assert main(["generate", "--check"]) == 0
    assert main(["extract", "/nonexistent"]) == 1
    assert "tables: " in capsys.readouterr().err
    run = subprocess.run([sys.executable, "-m", "tables", "--help"], capture_output=True, text=True)
    assert run.returncode == 0 and "extract" in run.stdout


# What tells of a signal


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('default = "Siginfo"\ncases = [{ struct = "Nothing", codes = ["SI_USER"] }]', "'Nothing'"),
        ('default = "Nothing"\ncases = []', "'Nothing'"),
        ('default = "Siginfo"\ncases = [{ struct = "Siginfo", codes = ["SI_NONE"] }]', "'SI_NONE'"),
        (
            'default = "Siginfo"\ncases = [{ struct = "S", signals = ["SIGNONE"], codes = [] }]',
            "'SIGNONE'",
        ),
        ('default = "Siginfo"', "'cases'"),
    ],
)
def test_bad_cases_of_siginfo(tmp_path, monkeypatch, text, complaint):
    file = tmp_path / "siginfo.toml"
    file.write_text(text)
    monkeypatch.setattr(siginfo, "SOURCE", file)
    with pytest.raises(TableError, match=rf"^siginfo\.toml: there is no .*{complaint}"):
        siginfo.load(TABLE.enums, frozenset(TABLE.structs))


def test_cases_of_siginfo():
    cases = TABLE.siginfo.cases
    assert siginfo.Case(17, 1, 6, "SiginfoChild") in cases
    assert siginfo.Case(0, -(2**31), -1, "SiginfoQueue") in cases
    assert {name for name in TABLE.structs if name.startswith("Siginfo")} == {
        *TABLE.siginfo.structs,
        siginfo.GENERAL,
    }
    assert all(TABLE.structs[name].size == 128 for name in TABLE.siginfo.structs)
