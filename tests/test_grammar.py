"""The language of signatures: what it reads and refuses, and that it reaches the hard calls."""

import pytest

from tables import enums, kinds, structs
from tables.grammar import Condition, GrammarError, Kind, parse, parse_kind


@pytest.fixture(scope="module")
def names():
    known = enums.load()
    return kinds.Names(frozenset(known), frozenset(structs.load(known)))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("fd", Kind("fd")),
        ("out bytes[count]", Kind("bytes", "out", count="count")),
        ("in Rlimit?", Kind("Rlimit", "in", optional=True)),
        ("size of how", Kind("size of", operand="how")),
        ("tail  of msgp", Kind("tail of", operand="msgp")),
        ("const -1", Kind("const", operand="-1")),
        ("out fd[2]", Kind("fd", "out", count="2")),
        ("out records Dirent[count]", Kind("records", "out", "Dirent", "count")),
        ("inout len", Kind("len", "inout")),
        ("by cmd", Kind("by", operand="cmd")),
        ("inout A + in B[n]", Kind("A", "inout", follower=Kind("B", "in", count="n"))),
        ("inout A + out B[m of n]", Kind("A", "inout", follower=Kind("B", "out", count="m of n"))),
    ],
)
def test_kind(text, kind):
    assert parse_kind(text) == kind
    assert parse_kind(str(kind)) == kind


@pytest.mark.parametrize(
    "text", ["", "in", "size of", "const", "fd fd", "bytes[]", "fd??", "out of order", "by", "3"]
)
def test_no_kind(text):
    with pytest.raises(GrammarError):
        parse_kind(text)


def test_signature():
    signature = parse(
        "(dirfd: dirfd, path: path, flags: OpenFlag, "
        "mode: FileMode = 0o777 if flags & (O_CREAT | O_TMPFILE)) -> fd"
    )
    assert [argument.name for argument in signature.arguments] == ["dirfd", "path", "flags", "mode"]
    mode = signature.arguments[3]
    assert mode.default == "0o777"
    assert mode.condition == Condition("flags", ("O_CREAT", "O_TMPFILE"))
    assert str(mode.condition) == "flags & (O_CREAT | O_TMPFILE)"
    assert signature.result == Kind("fd")
    assert parse("() -> pid").arguments == ()
    options = parse("(a: fd; b: room = 0, c: int = 1) -> none").options
    assert [(option.name, option.default) for option in options] == [("b", "0"), ("c", "1")]
    assert parse("(a: fd, b: uint = 0 if a & X) -> none").arguments[1].condition is not None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("read", "a signature is written"),
        ("(fd: fd)", "a signature is written"),
        ("(fd) -> none", "'fd' is not an argument"),
        ("(fd: fd, fd: fd) -> none", "'fd' stands there twice"),
        ("(fd: fd; fd: fd) -> none", "'fd' stands there twice"),
        ("(" + ", ".join(f"a{i}: int" for i in range(7)) + ") -> none", "six at most"),
        ("(fd: fd) -> count of", "needs something after it"),
    ],
)
def test_no_signature(text, complaint):
    with pytest.raises(GrammarError, match=complaint):
        parse(text)


# The calls on which other descriptions break: many calls in one, sizes by pointer, shared lengths,
# what is filled in only on return, a pointer that a flag gives its meaning. Names of enumerations
# and structs that later rows bring are replaced by ones that are here, as the shape is the point.
HARD = [
    "(args: in OpenHow, size: size of args) -> twice",
    "(fd: fd, cmd: uint, arg: by cmd) -> by cmd",
    "(sockfd: fd, msg: out msghdr, flags: MsgFlag = 0; control: room = 0) -> count of msg",
    "(fd: fd, to_submit: uint, min_complete: uint, flags: uint, arg: by flags, "
    "argsz: size of arg) -> count",
    "(option: int, arg2: by option, arg3: by option, arg4: by option, arg5: by option) "
    "-> by option",
    "(cmd: int, attr: by cmd, size: size of attr, common: in OpenHow?, "
    "size_common: size of common) -> by cmd",
    "(req: in OpenHow, buf: out bytes[bufsize], bufsize: len, flags: uint = 0) -> none",
    "(sig: Signal, act: in Timespec?, oact: out Timespec, sigsetsize: const 8) -> none",
    "(fds: inout PollFd[nfds], nfds: len, timeout: inout timespec?, sigmask: in sigset?, "
    "sigsetsize: const 8) -> ready of fds",
    "(nfds: len, readfds: inout fdset[nfds]?, writefds: inout fdset[nfds]?, "
    "exceptfds: inout fdset[nfds]?, timeout: inout timespec?, sigmask: in sigset?) -> count",
    "(fd: fd, dirp: out records Stat[count], count: len) -> count of dirp",
    "(ctx: address, nr: len, iocbpp: in pointers Stat[nr]) -> count",
    "(uaddr: address, op: int, val: u32, timeout: by op, uaddr2: by op, val3: by op) -> by op",
    "(attr: uint, ctx: out records Stat[size], size: inout len, flags: uint = 0) -> count of ctx",
    "(path: path, argv: argv, envp: envp) -> never",
    "(msqid: id, msgp: in Stat, msgsz: tail of msgp, msgflg: int = 0) -> none",
    "(pid: pid, status: out int, options: int, usage: out Rusage) -> pid",
    "(pid: pid, options: int, usage: out Rusage?) -> pid",
    "(mode: int, nodemask: in nodemask[maxnode], maxnode: len) -> none",
    "(addr: address, length: size, prot: uint, flags: uint, fd: fd = -1, offset: off = 0) "
    "-> mapping",
]


@pytest.mark.parametrize("text", HARD)
def test_hard_calls(text, names):
    signature = parse(text)
    for argument in signature.arguments:
        rule = kinds.rule_of(argument.kind, names)
        assert rule.shown
        if argument.kind.direction in ("out", "inout") and rule.pointer:
            assert rule.copied in ("exit", "both")
    assert signature.result.word in kinds.RESULTS


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Stat", "say `in`, `out` or `inout` before a struct"),
        ("in path", "path takes `no direction` or `out`"),
        ("out bytes", "needs the name of its length"),
        ("in nonsense", "'nonsense' is no kind, no enumeration and no struct"),
        ("out records Nonsense[n]", "there is no struct 'Nonsense'"),
        ("in size of x", "takes no direction"),
        ("out fd?", "only a single struct can be asked for"),
        ("out Stat[n]?", "only a single struct can be asked for"),
        ("out bytes[n]?", "only a single struct can be asked for"),
        ("inout Stat + in Nonsense[n]", "behind the \\+ stands an array of structs"),
        ("inout Stat + in Rlimit", "behind the \\+ stands an array of structs"),
    ],
)
def test_meaningless(text, complaint, names):
    with pytest.raises(GrammarError, match=complaint):
        kinds.rule_of(parse_kind(text), names)
