"""What every word of a signature means: the one place that answers five questions about a value.

What does Python give, what goes into the register, what comes back, when does a tracer copy it,
and how is it shown? A kind that the C engine converts names its conversion; a call all of whose
kinds do can be `fast`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from tables.grammar import GrammarError, Kind

S32 = (-(2**31), 2**31 - 1)
U32 = (0, 2**32 - 1)
S64 = (-(2**63), 2**63 - 1)
U64 = (0, 2**64 - 1)

# The kernel's integer types. `umode_t` has 16 bits, and the kernel cuts off the rest silently.
C_RANGES: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("int", "pid_t", "clockid_t", "key_t", "timer_t", "mqd_t", "rwf_t"), S32),
    **dict.fromkeys(("qid_t", "key_serial_t", "__s32", "enum landlock_rule_type"), S32),
    **dict.fromkeys(("unsigned int", "unsigned", "u32", "__u32", "uid_t", "gid_t"), U32),
    **dict.fromkeys(("long", "loff_t", "off_t"), S64),
    **dict.fromkeys(("unsigned long", "size_t", "__u64", "aio_context_t"), U64),
    "umode_t": (0, 2**16 - 1),
}

# What a command's integer is: the call's own C type is a word that holds anything.
C_OF_CELL = {"s32": "int", "u32": "unsigned int", "s64": "long", "u64": "unsigned long"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One word of the language, for one direction where the direction matters."""

    accepts: str
    """What Python gives, in words: the end of "must be ..." and the start of a docs line."""
    annotation: str = ""
    """The type of the Python parameter; empty where Python gives nothing."""
    returns: str = ""
    """The type of what comes back; empty where nothing does."""
    engine: str = ""
    """The C conversion (`enum kind` of csrc/signature.h); empty where there is none yet."""
    pointer: bool = False
    copied: Literal["", "entry", "exit", "both"] = ""
    """When a tracer reads what the register points at."""
    shown: str = "decimal"
    """How the value is displayed."""
    range: tuple[int, int] | None = None
    """Of an integer, where the kind knows better than the C type."""
    none: int | None = None
    """What None stands for."""
    cell: str = ""
    """The integer type behind a pointer to this word: `s32`, `u32`, `s64`, `u64`."""
    counted: bool = False
    """Needs a count in brackets."""


def _word(accepts: str, **changes: object) -> Rule:
    settings: dict[str, object] = {
        "annotation": "int",
        "returns": "int",
        "engine": "KIND_INT",
        "cell": "s32",
        **changes,
    }
    return Rule(accepts, **settings)  # type: ignore[arg-type]


_FD = "an int or an object with fileno()"
_FD_LIKE = "FileDescriptorLike"

WORDS: dict[str, Rule] = {
    "fd": _word(_FD, annotation=_FD_LIKE, engine="KIND_FD", range=S32, shown="fd"),
    "dirfd": _word(
        _FD, annotation=f"{_FD_LIKE} | None", engine="KIND_FD", range=S32, none=-100, shown="fd"
    ),
    "pidfd": _word(_FD, annotation=_FD_LIKE, engine="KIND_FD", range=S32, shown="fd"),
    "pid": _word("an int", range=S32),
    "tid": _word("an int", range=S32),
    "uid": _word("an int", range=(-1, U32[1]), cell="u32"),
    "gid": _word("an int", range=(-1, U32[1]), cell="u32"),
    "int": _word("an int"),
    "uint": _word("an int", cell="u32"),
    "long": _word("an int", cell="s64"),
    "ulong": _word("an int", cell="u64"),
    "size": _word("an int", cell="u64"),
    "off": _word("an int", range=S64, cell="s64"),
    "u32": _word("an int", range=U32, cell="u32"),
    "s32": _word("an int", range=S32),
    "u64": _word("an int", range=U64, cell="u64"),
    "s64": _word("an int", range=S64, cell="s64"),
    "id": _word("an int", range=S32),
    "dev": _word("an int", cell="u64", shown="major:minor"),
    "msec": _word("an int of milliseconds", annotation="int | None", range=S32, none=-1),
    # A context of asynchronous requests: what is submitted to it is kept until it has ended.
    "aio": _word("an int", range=U64, cell="u64"),
    # A `size` right after it is the length of the memory, and a Mapping must be as long; after
    # `address?`, where new memory shall go, it is not.
    "address": _word(
        "an int, a Mapping, or a tuple of a Mapping and an offset",
        annotation="_Address",
        engine="KIND_ADDRESS",
        range=U64,
        cell="u64",
        shown="hex",
    ),
    # How many bytes of control messages there is room for: no argument of the kernel's, but a part
    # of a message.
    "room": _word("an int", engine="KIND_CONTROL_ROOM", range=(0, S32[1])),
    # Memory that a Mapping owns; what takes it away from the Mapping takes no bare address.
    "mapping": _word(
        "a Mapping (pysyscall.raw alone takes a bare address)",
        annotation="Mapping",
        engine="KIND_MAPPING",
        range=U64,
        shown="hex",
    ),
    "break": _word(
        "an int", annotation="SupportsIndex", engine="KIND_BREAK", range=U64, shown="hex"
    ),
}
"""Values that stand in the register itself; with a direction, integers behind a pointer."""

_SENT = "Message[Any] | ReadableBuffer | Iterable[ReadableBuffer]"
_ROOM = "an int (how many bytes), a writable buffer or an iterable of them"
_FILLED = "WriteableBuffer | Iterable[WriteableBuffer]"

POINTERS: dict[tuple[str, str], Rule] = {
    ("path", ""): Rule(
        "a str, bytes or os.PathLike",
        annotation="StrOrBytesPath",
        engine="KIND_PATH",
        copied="entry",
        shown="string",
    ),
    ("path", "out"): Rule(
        "", returns="str", engine="KIND_PATH_OUT", copied="exit", shown="string", counted=True
    ),
    ("string", ""): Rule(
        "a str or bytes",
        annotation="str | bytes",
        engine="KIND_STRING",
        copied="entry",
        shown="string",
    ),
    ("text", "out"): Rule(
        "", returns="str", engine="KIND_TEXT_OUT", copied="exit", shown="string", counted=True
    ),
    # Without the NUL at its end, which a `string` with a length counts.
    ("name", ""): Rule(
        "a str or bytes",
        annotation="str | bytes",
        engine="KIND_NAME",
        copied="entry",
        shown="string",
        counted=True,
    ),
    ("bytes", "in"): Rule(
        "a bytes-like object",
        annotation="ReadableBuffer",
        engine="KIND_BYTES_IN",
        copied="entry",
        shown="bytes",
        counted=True,
    ),
    ("bytes", "out"): Rule(
        "an int (how many bytes) or a writable buffer",
        annotation="int | WriteableBuffer",
        returns="bytes | int",
        engine="KIND_BYTES_OUT",
        copied="exit",
        shown="bytes",
        counted=True,
    ),
    ("bytes", "inout"): Rule(
        "a writable buffer",
        annotation="WriteableBuffer",
        copied="both",
        shown="bytes",
        counted=True,
    ),
    ("option", "in"): Rule(
        "an int (a C int) or a bytes-like object",
        annotation="int | ReadableBuffer",
        engine="KIND_OPTION_IN",
        copied="entry",
        shown="option",
        counted=True,
    ),
    ("option", "out"): Rule(
        "None (a C int), an int (how many bytes), a struct's type or a writable buffer",
        annotation="int | type[_StructT] | WriteableBuffer | None",
        returns="int | bytes | _StructT",
        engine="KIND_OPTION_OUT",
        copied="exit",
        shown="option",
        counted=True,
    ),
    ("iovec", "in"): Rule(
        "a sequence of bytes-like objects",
        annotation="Iterable[ReadableBuffer]",
        engine="KIND_IOVEC_IN",
        copied="entry",
        shown="iovec",
        counted=True,
    ),
    ("iovec", "out"): Rule(
        "a sequence of writable buffers",
        annotation="Iterable[WriteableBuffer]",
        engine="KIND_IOVEC_OUT",
        copied="exit",
        shown="iovec",
        counted=True,
    ),
    ("msghdr", "in"): Rule(
        "a Message, a bytes-like object or an iterable of them",
        annotation=_SENT,
        engine="KIND_MSGHDR_IN",
        copied="entry",
        shown="msghdr",
    ),
    # Read at entry too: it says where data, address and control messages are to go.
    ("msghdr", "out"): Rule(
        f"{_ROOM} to fill",
        annotation=f"int | {_FILLED}",
        returns="Message[Any]",
        engine="KIND_MSGHDR_OUT",
        copied="both",
        shown="msghdr",
    ),
    # The kernel writes how much of each was sent.
    ("mmsghdr", "inout"): Rule(
        "an iterable of messages",
        annotation=f"Iterable[{_SENT}]",
        returns="list[int]",
        engine="KIND_MMSGHDR_INOUT",
        copied="both",
        shown="mmsghdr",
        counted=True,
    ),
    ("mmsghdr", "out"): Rule(
        f"an iterable of what each message goes to: {_ROOM}",
        annotation=f"Iterable[int | {_FILLED}]",
        returns="list[Message[Any]]",
        engine="KIND_MMSGHDR_OUT",
        copied="both",
        shown="mmsghdr",
        counted=True,
    ),
    ("sockaddr", "in"): Rule(
        "a socket address such as SockaddrIn",
        annotation="_SocketAddress",
        engine="KIND_SOCKADDR_IN",
        copied="entry",
        shown="sockaddr",
        counted=True,
    ),
    ("sockaddr", "out"): Rule(
        "",
        returns="_SocketAddress | None",
        engine="KIND_SOCKADDR_OUT",
        copied="exit",
        shown="sockaddr",
        counted=True,
    ),
    ("timespec", "in"): Rule(
        "seconds (an int or a float) or a Timespec",
        annotation="float | Timespec",
        engine="KIND_TIMESPEC_IN",
        copied="entry",
        shown="struct",
    ),
    ("timespec", "inout"): Rule(
        "seconds (an int or a float) or a Timespec",
        annotation="float | Timespec",
        returns="Timespec | None",
        engine="KIND_TIME_INOUT",
        copied="both",
        shown="struct",
    ),
    ("timeval", "inout"): Rule(
        "seconds (an int or a float) or a Timeval",
        annotation="float | Timeval",
        returns="Timeval | None",
        engine="KIND_TIME_INOUT",
        copied="both",
        shown="struct",
    ),
    ("sigset", "in"): Rule(
        "an iterable of signals",
        annotation="Iterable[int]",
        engine="KIND_SIGSET_IN",
        copied="entry",
        shown="sigset",
    ),
    # The two halves of IORING_ENTER_EXT_ARG's struct, in the registers of its address and size.
    ("waiting", "in"): Rule(
        "seconds (an int or a float), a Timespec or an IoUringGeteventsArg",
        annotation="float | Timespec | IoUringGeteventsArg",
        engine="KIND_WAITING_IN",
        copied="entry",
        shown="struct",
    ),
    ("waitmask", "in"): Rule(
        "an iterable of signals",
        annotation="Iterable[int]",
        engine="KIND_WAITMASK_IN",
    ),
    ("sigset", "out"): Rule(
        "", returns="set[Signal | int]", engine="KIND_SIGSET_OUT", copied="exit", shown="sigset"
    ),
    # What is known of a signal: which struct it is follows from the signal and its code.
    ("siginfo", "in"): Rule(
        "a Siginfo struct such as SiginfoQueue",
        annotation="_Siginfo | Siginfo",
        engine="KIND_SIGINFO_IN",
        copied="entry",
        shown="siginfo",
    ),
    ("siginfo", "out"): Rule(
        "", returns="_Siginfo", engine="KIND_SIGINFO_OUT", copied="exit", shown="siginfo"
    ),
    ("fprog", "in"): Rule(
        "a sequence of SockFilter, or of tuples of its fields, or their bytes",
        annotation="Iterable[SockFilter | tuple[Any, ...]] | ReadableBuffer",
        engine="KIND_FPROG_IN",
        copied="entry",
        shown="fprog",
    ),
    # A pointer to a pointer to a set and its size: where a sixth argument has to be two.
    ("sigset_argpack", "in"): Rule(
        "an iterable of signals",
        annotation="Iterable[int]",
        engine="KIND_SIGSET_PACK",
        copied="entry",
        shown="sigset",
    ),
    ("argv", ""): Rule(
        "a sequence of str or bytes",
        annotation="Sequence[StrOrBytesPath]",
        engine="KIND_ARGV",
        copied="entry",
        shown="strings",
    ),
    ("envp", ""): Rule(
        "a mapping of str or bytes",
        annotation="_Mapping[str, str] | _Mapping[bytes, bytes]",
        engine="KIND_ENVP",
        copied="entry",
        shown="strings",
    ),
    ("cpuset", "in"): Rule(
        "an iterable of CPU numbers",
        annotation="Iterable[int]",
        engine="KIND_CPUSET_IN",
        copied="entry",
        shown="set",
        counted=True,
    ),
    ("cpuset", "out"): Rule(
        "", returns="set[int]", engine="KIND_CPUSET_OUT", copied="exit", shown="set", counted=True
    ),
    ("msgbuf", "in"): Rule(
        "a tuple of a type and a bytes-like object",
        annotation="tuple[int, ReadableBuffer]",
        engine="KIND_MSGBUF_IN",
        copied="entry",
        shown="msgbuf",
    ),
    ("msgbuf", "out"): Rule(
        "an int (how many bytes)",
        annotation="int",
        returns="Msgbuf",
        engine="KIND_MSGBUF_OUT",
        copied="exit",
        shown="msgbuf",
    ),
    # One u16 for each semaphore of the set: only the kernel knows how many.
    ("semvals", "in"): Rule(
        "an iterable of ints",
        annotation="Iterable[int]",
        engine="KIND_SEMVALS_IN",
        copied="entry",
        shown="list",
    ),
    ("semvals", "out"): Rule(
        "", returns="list[int]", engine="KIND_SEMVALS_OUT", copied="exit", shown="list"
    ),
    # As many interfaces as there are, behind a struct ifconf.
    ("ifconf", "out"): Rule(
        "", returns="list[IfreqAddr]", engine="KIND_IFCONF_OUT", copied="both", shown="structs"
    ),
    ("nodemask", "in"): Rule(
        "an iterable of NUMA nodes",
        annotation="Iterable[int]",
        engine="KIND_NODEMASK_IN",
        copied="entry",
        shown="set",
        counted=True,
    ),
    ("nodemask", "out"): Rule(
        "",
        returns="set[int]",
        engine="KIND_NODEMASK_OUT",
        copied="exit",
        shown="set",
        counted=True,
    ),
    ("fdset", "inout"): Rule(
        "an iterable of descriptors",
        annotation=f"Iterable[{_FD_LIKE}]",
        returns="list[int]",
        engine="KIND_FDSET",
        copied="both",
        shown="set",
        counted=True,
    ),
    ("data", "out"): Rule(
        "", returns="bytes", engine="KIND_DATA_OUT", copied="exit", shown="bytes", counted=True
    ),
    ("names", "out"): Rule(
        "",
        returns="list[str]",
        engine="KIND_NAMES_OUT",
        copied="exit",
        shown="strings",
        counted=True,
    ),
    ("wait_status", "out"): Rule(
        "",
        returns="WaitStatus",
        engine="KIND_STATUS_OUT",
        copied="exit",
        shown="wait status",
        cell="s32",
    ),
    ("remaining", ""): Rule("", engine="KIND_REMAINING", copied="exit", shown="struct"),
    ("null", ""): Rule("", engine="KIND_CONST", shown="hex"),
}
"""Pointers by (word, direction). Structs and cells follow rules of their own, below."""

DERIVED: dict[str, Rule] = {
    "len": Rule("", engine="KIND_DERIVED"),
    "size of": Rule("", engine="KIND_DERIVED"),
    "tail of": Rule("", engine="KIND_DERIVED"),
    "const": Rule("", engine="KIND_CONST"),
}
"""Values that follow from another argument, or from none."""

BULK = frozenset(
    f"KIND_{name}"
    for name in (
        *("BYTES_OUT", "STRUCTS_IN", "STRUCTS_INOUT", "STRUCTS_OUT", "ITEMS_IN", "ITEMS_OUT"),
        *("RECORDS_OUT", "DATA_OUT", "NAMES_OUT", "PATH_OUT", "CPUSET_IN", "CPUSET_OUT"),
        *("TEXT_OUT", "FPROG_IN", "SEMVALS_IN", "SEMVALS_OUT", "SIGINFO_OUT"),
        *("REGSET_IN", "REGSET_OUT", "PAGES_OUT", "FOLLOWED", "IFCONF_OUT", "WAITING_IN"),
        *("POINTERS_IN", "MSGBUF_IN", "MSGBUF_OUT"),
    )
)
VECTORS = frozenset(("KIND_IOVEC_IN", "KIND_IOVEC_OUT"))
"""Conversions that share one piece of memory each, so that a call can have only one of them."""

BY = Rule("what the command says", annotation="Any", shown="by command")
"""A value whose kind another argument decides."""

ANY = Rule(
    "an int or a bytes-like object",
    annotation="int | ReadableBuffer | None",
    engine="KIND_ANY",
    none=0,
    shown="hex",
)
"""A value that another argument would decide, of which the table knows nothing."""

UNUSED = Rule(
    "0 or left out", annotation="Literal[0] | None", engine="KIND_INT", range=(0, 0), none=0
)
"""A value that the command does not look at: os's functions are called with 0 there."""

RESULTS: dict[str, str] = {
    "none": "RESULT_NONE",
    "never": "RESULT_NONE",
    "true": "RESULT_TRUE",
    # How many bits of the sets are set: they tell more.
    "ready": "RESULT_NONE",
    "started": "RESULT_STARTED",
    "ended": "RESULT_ENDED",
    "fd": "RESULT_FD",
    **dict.fromkeys(("int", "count", "pid", "tid", "uid", "gid", "off", "FileMode"), "RESULT_INT"),
    "count of": "RESULT_COUNT_OF",
    "ready of": "RESULT_READY_OF",
    "signal of": "RESULT_SIGNAL_OF",
    "Signal": "RESULT_SIGNAL",
    "address": "RESULT_WORD",
    "nice20": "RESULT_NICE",
    "mapping": "RESULT_MAPPING",
    "break": "RESULT_BREAK",
    "owner": "RESULT_OWNER",
    **dict.fromkeys(("twice", "by", "errno32"), ""),
}
"""What the result register means, and what the C engine makes of it (empty: a wrapper does it)."""

SILENT = frozenset({"none", "ready", "started", "ended", "count of", "ready of", "signal of"})
"""Results of which Python gets nothing beside the out-arguments."""


@dataclass(frozen=True, slots=True)
class Names:
    """The enumerations and structs that a signature may speak of."""

    enums: frozenset[str] = field(default_factory=frozenset)
    structs: frozenset[str] = field(default_factory=frozenset)
    records: Mapping[str, str] = field(default_factory=dict)
    """Structs that the engine takes apart where many stand side by side, and what they become."""


def _struct_rule(kind: Kind) -> Rule:
    name, out = kind.word, kind.direction == "out"
    copied: Literal["entry", "exit", "both"] = (
        "entry" if kind.direction == "in" else "exit" if out else "both"
    )
    if kind.count:
        if out and not kind.count.isidentifier():
            # As many as there can be, or as a struct argument says.
            return Rule("", "", f"list[{name}]", "KIND_STRUCTS_OUT", True, copied, "structs")
        if out:
            return Rule(
                "an int (how many at most)",
                "int",
                f"list[{name}]",
                "KIND_STRUCTS_OUT",
                True,
                copied,
                "structs",
                counted=True,
            )
        return Rule(
            f"a sequence of {name}, or of tuples of its fields",
            f"Iterable[{name} | tuple[Any, ...]]",
            f"list[{name}]" if kind.direction == "inout" else "",
            "KIND_STRUCTS_INOUT" if kind.direction == "inout" else "KIND_STRUCTS_IN",
            True,
            copied,
            "structs",
            counted=True,
        )
    if out:
        given = ("a bool", "bool") if kind.asked else ("", "")
        return Rule(*given, name, "KIND_STRUCT_OUT", True, copied, "struct")
    engine = "KIND_STRUCT_IN" if kind.direction == "in" else "KIND_STRUCT_INOUT"
    returns = name if kind.direction == "inout" else ""
    return Rule(
        f"{'an' if name[0] in 'AEIO' else 'a'} {name}, or a tuple of its fields",
        f"{name} | tuple[Any, ...]",
        returns,
        engine,
        True,
        copied,
        "struct",
    )


def _followed_rule(kind: Kind, follower: Kind, names: Names) -> Rule:
    """A struct and the array behind it, whose length is a field of the struct."""
    head = _struct_rule(kind)
    items = _struct_rule(replace(follower, count="n"))
    if follower.word not in names.structs or not follower.count:
        raise GrammarError(f"'{kind}': behind the + stands an array of structs")
    given = follower.direction != "out"
    return replace(
        head,
        accepts=f"a tuple of {head.accepts.split(',')[0]} and {items.accepts.split(',')[0]}"
        if given
        else head.accepts,
        annotation=f"tuple[{head.annotation}, {items.annotation}]" if given else head.annotation,
        returns=f"tuple[{kind.word}, list[{follower.word}]]",
        engine="KIND_FOLLOWED",
        copied="both",
    )


def _cell_rule(kind: Kind, word: Rule) -> Rule:
    if kind.direction == "out" and kind.count.isidentifier():
        return Rule("", "", "list[int]", "KIND_ITEMS_OUT", True, "exit", "list", cell=word.cell)
    items = int(kind.count) if kind.count.isdigit() else 1
    returns = word.returns if items == 1 else f"tuple[{', '.join(['int'] * items)}]"
    if kind.direction == "out":
        return Rule("", "", returns, "KIND_CELLS_OUT", True, "exit", word.shown, cell=word.cell)
    if kind.direction == "in" and kind.count and not kind.count.isdigit():
        bounds = {"s32": S32, "u32": U32, "s64": S64, "u64": (0, S64[1])}[word.cell]
        return Rule(
            "a sequence of ints",
            "Iterable[int]",
            engine="KIND_ITEMS_IN",
            pointer=True,
            copied="entry",
            shown="list",
            range=bounds,
            cell=word.cell,
        )
    return Rule(
        f"a sequence of {items} ints" if items > 1 else word.accepts,
        "Iterable[int]" if items > 1 else word.annotation,
        "" if kind.direction == "in" else returns,
        "KIND_CELLS_IN" if kind.direction == "in" else "KIND_CELLS_INOUT",
        True,
        "entry" if kind.direction == "in" else "both",
        word.shown,
        range={"s32": S32, "u32": U32, "s64": S64, "u64": U64}[word.cell],
        cell=word.cell,
    )


def _regset_rule(kind: Kind) -> Rule:
    """One buffer behind a struct iovec, in which the kernel notes how much of it was used."""
    whole = POINTERS["bytes", kind.direction]
    return replace(whole, engine=f"KIND_REGSET_{kind.direction.upper()}", pointer=True)


def _check_use(kind: Kind, rule: Rule) -> Rule:
    if rule.counted and not kind.count:
        raise GrammarError(f"'{kind}' needs the name of its length in brackets")
    return rule


def rule_of(kind: Kind, names: Names) -> Rule:
    """The rule for one kind; GrammarError where the words don't go together."""
    if kind.word == "by":
        return BY
    if kind.asked and (kind.word not in names.structs or kind.count or kind.follower):
        raise GrammarError(f"'{kind}': only a single struct can be asked for")
    if kind.word in DERIVED:
        if kind.word == "len" and kind.direction == "inout":
            return Rule("", engine="KIND_DERIVED", pointer=True, copied="both")
        if kind.direction:
            raise GrammarError(f"'{kind}': a derived value takes no direction")
        return DERIVED[kind.word]
    if kind.word in names.structs:
        if not kind.direction:
            raise GrammarError(f"'{kind}': say `in`, `out` or `inout` before a struct")
        if kind.follower is not None:
            return _followed_rule(kind, kind.follower, names)
        return _struct_rule(kind)
    if kind.word in WORDS:
        word = WORDS[kind.word]
        return _cell_rule(kind, word) if kind.direction else word
    if kind.word in names.enums:
        word = _word("an int", annotation=f"{kind.word} | int", returns=kind.word, shown="enum")
        return _cell_rule(kind, word) if kind.direction else word
    if kind.word == "pages":
        if kind.direction != "out":
            raise GrammarError(f"'{kind}': pages takes `out`")
        return Rule(
            "",
            returns="list[bool]",
            engine="KIND_PAGES_OUT",
            pointer=True,
            copied="exit",
            shown="pages",
        )
    if kind.word in ("records", "pointers"):
        if kind.operand not in names.structs:
            raise GrammarError(f"'{kind}': there is no struct '{kind.operand}'")
        if kind.word == "records" and kind.direction == "out" and kind.operand in names.records:
            return Rule(
                "an int",
                "int",
                f"list[{names.records[kind.operand]}]",
                "KIND_RECORDS_OUT",
                True,
                "exit",
                "structs",
            )
        copied: Literal["entry", "exit"] = "exit" if kind.direction == "out" else "entry"
        return Rule(
            f"a sequence of {kind.operand}",
            annotation=f"Iterable[{kind.operand}]" if kind.direction == "in" else "",
            returns=f"list[{kind.operand}]" if kind.direction == "out" else "",
            engine="KIND_POINTERS_IN" if (kind.word, copied) == ("pointers", "entry") else "",
            pointer=True,
            copied=copied,
            shown="structs",
        )
    if kind.word == "iovec" and kind.count == "1":
        return _regset_rule(kind)
    rule = POINTERS.get((kind.word, kind.direction))
    if rule is not None:
        return _check_use(kind, _as_pointer(rule))
    directions = [direction for word, direction in POINTERS if word == kind.word]
    if directions:
        usable = " or ".join(f"`{direction or 'no direction'}`" for direction in directions)
        raise GrammarError(f"'{kind}': {kind.word} takes {usable}")
    raise GrammarError(f"'{kind.word}' is no kind, no enumeration and no struct")


def _as_pointer(rule: Rule) -> Rule:
    return replace(rule, pointer=True)
