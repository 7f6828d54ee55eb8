"""The extractor on small kernel trees made here, and the properties of the table it made."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tables import extract, rows
from tables.rows import CArg, KernelRow, KernelTable, TableError

Tree = Callable[[dict[str, str]], Path]

MAKEFILE = "VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nEXTRAVERSION = -rc1\nNAME = None\n"
TABLE = "arch/x86/entry/syscalls/syscall_64.tbl"
UNISTD = "arch/x86/include/asm/unistd.h"
MACROS = """\
#ifndef _ASM_X86_UNISTD_H
#define _ASM_X86_UNISTD_H 1
# ifdef CONFIG_X86_32
#  define __ARCH_WANT_STAT64
# else
#  define __ARCH_WANT_SYS_TIME
# endif
# define __ARCH_WANT_NEW_STAT
# define __ARCH_WANT_SYS_CLONE
#endif
"""
CALL = "SYSCALL_DEFINE1(call, int, fd)\n{\n\treturn 0;\n}\n"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Write a kernel tree: the given files, and those that every tree needs."""

    def write(files: dict[str, str]) -> Path:
        source = tmp_path / "linux"
        for name, text in ({"Makefile": MAKEFILE, UNISTD: MACROS} | files).items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(text)
        return source

    return write


def read(source: Path, *, since: str | None = None) -> dict[str, KernelRow]:
    """Extract with a since.tsv that, unless given, knows each call of the tree's table."""
    path = source.parent / "since.tsv"
    if since is None:
        lines = [line.split() for line in (source / TABLE).read_text().splitlines() if line]
        since = "".join(f"{line[0]}\t{line[2]}\t2.6\t\n" for line in lines if line[0] != "#")
    path.write_text("# by hand\nnumber\tname\tsince\tgone\n" + since)
    return {row.name: row for row in extract.extract(source, path)}


def only(tree: Tree, files: dict[str, str]) -> KernelRow:
    """The row of a tree whose table holds one call, `call`."""
    return read(tree({TABLE: "0\tcommon\tcall\tsys_call\n"} | files))["call"]


def declared(row: KernelRow) -> list[str]:
    return [str(arg) for arg in row.args]


# The kernel's own table


def test_numbers_abis_and_entries(tree: Tree) -> None:
    source = tree(
        {
            TABLE: "# number abi name entry\n\n7 common call sys_call\n"
            "60\tcommon\texit\t\tsys_exit\t\t\t-\t\t\tnoreturn\n13 64 never\n"
            "15 64 gone sys_ni_syscall # left\n512 x32 call compat_sys_call\n",
            "kernel/a.c": CALL + "SYSCALL_DEFINE1(exit, int, error_code)\n{\n}\n",
        }
    )
    found = read(source)
    assert [(row.number, row.abi, row.name, row.entry) for row in found.values()] == [
        (7, "common", "call", "sys_call"),
        (13, "64", "never", ""),
        (15, "64", "gone", "sys_ni_syscall"),
        (60, "common", "exit", "sys_exit"),
    ]
    assert [row.status for row in found.values()] == ["live", "dead", "dead", "live"]
    assert found["call"].file == "kernel/a.c"
    assert found["call"].since == "2.6"
    assert (found["gone"].file, found["gone"].args) == ("", ())


def test_entry_point_decides_not_name(tree: Tree) -> None:
    found = read(
        tree(
            {
                TABLE: "4 common stat sys_newstat\n40 common sendfile sys_sendfile64\n",
                "fs/stat.c": "SYSCALL_DEFINE2(stat, const char __user *, filename,\n"
                "\t\tstruct __old_kernel_stat __user *, statbuf)\n{\n}\n"
                "#ifdef __ARCH_WANT_NEW_STAT\n"
                "SYSCALL_DEFINE2(newstat, const char __user *, filename,\n"
                "\t\tstruct stat __user *, statbuf)\n{\n}\n#endif\n"
                "SYSCALL_DEFINE1(sendfile, off_t __user *, offset)\n"
                "SYSCALL_DEFINE1(sendfile64, loff_t __user *, offset)\n",
            }
        )
    )
    assert declared(found["stat"]) == ["const char *filename", "struct stat *statbuf"]
    assert declared(found["sendfile"]) == ["loff_t *offset"]
    assert found["stat"].config == ""


# SYSCALL_DEFINEn


def test_c_types(tree: Tree) -> None:
    row = only(
        tree,
        {
            "kernel/a.c": "SYSCALL_DEFINE6(call, unsigned, flags,\n"
            "\tconst char __user *const __user *, argv, /* a (comment), here */\n"
            "\tstruct iocb __user * __user *, iocbpp, const  clockid_t, which,\n"
            "\tunsigned   int __user*, ptr, // (another\n"
            "\tconst void __user *const, attr)\n"
        },
    )
    assert declared(row) == [
        "unsigned flags",
        "const char *const *argv",
        "struct iocb **iocbpp",
        "const clockid_t which",
        "unsigned int *ptr",
        "const void *const attr",
    ]
    assert [arg.pointer for arg in row.args] == [False, True, True, False, True, True]


@pytest.mark.parametrize("ctype", ["cap_user_header_t", "const cap_user_data_t"])
def test_pointers_behind_typedefs(ctype: str) -> None:
    assert CArg(ctype, "header").pointer
    assert CArg.parse(f"{ctype} header") == CArg(ctype, "header")


def test_no_arguments(tree: Tree) -> None:
    assert only(tree, {"kernel/a.c": "SYSCALL_DEFINE0(call)\n{\n}\n"}).args == ()


def test_what_only_looks_like_a_definition(tree: Tree) -> None:
    row = only(
        tree,
        {
            "kernel/a.c": "/*\n * SYSCALL_DEFINE1(call, int, comment)\n */\n"
            "// SYSCALL_DEFINE1(call, int, line)\n"
            "#define NEW(x) \\\n\tSYSCALL_DEFINE1(call, int, macro)\n"
            "COMPAT_SYSCALL_DEFINE1(call, int, compat)\n"
            "SYSCALL32_DEFINE1(call, int, thirty_two)\n" + CALL
        },
    )
    assert declared(row) == ["int fd"]


@pytest.mark.parametrize(
    "file",
    ["arch/arm64/kernel/a.c", "arch/x86/um/a.c", "tools/a.c", "samples/a.c", "Documentation/a.c"],
)
def test_other_kernels_are_left_out(tree: Tree, file: str) -> None:
    other = "SYSCALL_DEFINE1(call, long, other)\n"
    assert only(tree, {"arch/x86/kernel/a.c": CALL, file: other}).file == "arch/x86/kernel/a.c"


# Preprocessor conditions


def test_clone_variants(tree: Tree) -> None:
    row = only(
        tree,
        {
            "kernel/fork.c": "#ifdef __ARCH_WANT_SYS_CLONE\n#ifdef CONFIG_CLONE_BACKWARDS\n"
            "SYSCALL_DEFINE1(call, int, one)\n#elif defined(CONFIG_CLONE_BACKWARDS2)\n"
            "SYSCALL_DEFINE1(call, int, two)\n#elif defined(CONFIG_CLONE_BACKWARDS3)\n"
            "SYSCALL_DEFINE2(call, int, three, int, extra)\n#else\n"
            "SYSCALL_DEFINE1(call, int, four)\n#endif\n{\n}\n#endif\n"
        },
    )
    assert declared(row) == ["int four"]
    assert row.config == ""


@pytest.mark.parametrize(
    ("condition", "config"),
    [
        ("ifdef CONFIG_A", "CONFIG_A"),
        ("ifndef CONFIG_A", "!CONFIG_A"),
        ("if defined(CONFIG_B) && IS_ENABLED(CONFIG_A)", "CONFIG_A && CONFIG_B"),
        ("if defined CONFIG_B || defined(CONFIG_X86_64)", ""),
        ("if defined(CONFIG_A) && \\\n\t!defined(CONFIG_X86_32)", "CONFIG_A"),
        ("if !(defined(CONFIG_A) && defined(CONFIG_B))", "!CONFIG_A || !CONFIG_B"),
        ("ifdef CONFIG_A /* why */", "CONFIG_A"),
        ("if !defined(__ARCH_WANT_STAT64) || 0", ""),
        ("ifdef __ARCH_WANT_SYS_TIME", ""),
        ("ifndef __alpha__", ""),
        ("if BITS_PER_LONG == 64", ""),
    ],
)
def test_condition(tree: Tree, condition: str, config: str) -> None:
    assert only(tree, {"kernel/a.c": f"#{condition}\n{CALL}#endif\n"}).config == config


def test_macro_that_the_file_itself_defines(tree: Tree) -> None:
    text = "#if defined(CONFIG_64BIT) || defined(CONFIG_A)\n# define WANTED 1\n#endif\n"
    assert only(tree, {"kernel/a.c": f"{text}#ifdef WANTED\n{CALL}#endif\n"}).config == ""


def test_macro_that_both_branches_define(tree: Tree) -> None:
    text = "#ifdef CONFIG_A\n#define WANTED 1\n#else\n#define WANTED 2\n#endif\n"
    assert only(tree, {"kernel/a.c": f"{text}#ifdef WANTED\n{CALL}#endif\n"}).config == ""


def test_stub_for_kernels_without_an_option(tree: Tree) -> None:
    stub = "SYSCALL_DEFINE1(call, int, stub)\n"
    row = only(tree, {"kernel/a.c": f"#ifndef CONFIG_A\n{stub}#else\n{CALL}#endif\n"})
    assert declared(row) == ["int fd"]
    assert row.config == "CONFIG_A"


# Makefile conditions


@pytest.mark.parametrize(
    ("makefile", "config"),
    [
        ("obj-y := other.o \\\n\ta.o\n", ""),
        ("obj-$(CONFIG_A) += a.o # and why\n", "CONFIG_A"),
        ("obj-$(CONFIG_A) += a.o\nobj-$(CONFIG_B) += a.o\n", "CONFIG_A || CONFIG_B"),
        ("ifdef CONFIG_A\n\tobj-$(CONFIG_B) += a.o\nendif\n", "CONFIG_A && CONFIG_B"),
        ("ifeq ($(CONFIG_A),y)\n obj-y += b.o\nelse\n obj-y += a.o\nendif\n", "!CONFIG_A"),
        ("ifneq ($(CONFIG_A),)\nobj-y += a.o\nendif\n", "CONFIG_A"),
        ("ifeq ($(CONFIG_A),)\nelse ifneq ($(CONFIG_B),y)\nobj-y += a.o\nendif\n",
         "CONFIG_A && !CONFIG_B"),
        ("obj-$(CONFIG_A) := whole.o\nwhole-y := part.o a.o\n", "CONFIG_A"),
        ("obj-$(CONFIG_A) += a.o\na-y := a.o part.o\n", "CONFIG_A"),
        ("list-$(CONFIG_A) := a.o\nobj-y := $(list-y)\n", "CONFIG_A"),
    ],
)  # fmt: skip
def test_makefile(tree: Tree, makefile: str, config: str) -> None:
    assert only(tree, {"kernel/a.c": CALL, "kernel/Makefile": makefile}).config == config


def test_directories_above(tree: Tree) -> None:
    row = only(
        tree,
        {
            "net/core/sub/a.c": f"#ifdef CONFIG_D\n{CALL}#endif\n",
            "net/Makefile": "obj-y += core/\n",
            "net/core/Makefile": "obj-$(CONFIG_B) += sub/\n",
            "net/core/sub/Makefile": "obj-$(CONFIG_C) += a.o\n",
        },
    )
    assert row.config == "CONFIG_B && CONFIG_C && CONFIG_D && CONFIG_NET"


def test_file_that_another_one_includes(tree: Tree) -> None:
    row = only(
        tree,
        {
            "kernel/part.c": CALL,
            "kernel/whole.c": '#ifdef CONFIG_A\n#include "part.c"\n#endif\n',
            "kernel/Makefile": "obj-y += whole.o\n",
        },
    )
    assert row.config == "CONFIG_A"


def test_list_that_a_later_line_replaces(tree: Tree) -> None:
    row = only(
        tree,
        {
            "mm/mmap.c": CALL,
            "mm/nommu.c": "SYSCALL_DEFINE1(call, long, nommu)\n",
            "mm/Makefile": "mmu-y := nommu.o\nmmu-$(CONFIG_MMU) := mmap.o\nobj-y := $(mmu-y)\n",
        },
    )
    assert (row.file, row.config) == ("mm/mmap.c", "")


def test_stub_file(tree: Tree) -> None:
    row = only(
        tree,
        {
            "kernel/stubs.c": "SYSCALL_DEFINE1(call, long, stub)\n",
            "kernel/timers.c": CALL,
            "kernel/Makefile": "ifeq ($(CONFIG_TIMERS),y)\n obj-y += timers.o\n"
            "else\n obj-y += stubs.o\nendif\n",
        },
    )
    assert (row.file, row.config) == ("kernel/timers.c", "CONFIG_TIMERS")


# What is refused


def test_missing_tree(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"nowhere: no such directory; give the top of a kernel"):
        extract.run(tmp_path / "nowhere", tmp_path / "out.tsv")
    assert not (tmp_path / "out.tsv").exists()


@pytest.mark.parametrize("file", ["Makefile", TABLE, UNISTD])
def test_missing_file(tree: Tree, file: str) -> None:
    source = tree({TABLE: "0 common call sys_call\n", "kernel/a.c": CALL})
    (source / file).unlink()
    with pytest.raises(TableError, match=f"{file}: no such file; .* is not the top of a kernel"):
        extract.kernel_version(source)
        read(source, since="0\tcall\t2.6\t\n")


def test_makefile_without_version(tree: Tree) -> None:
    with pytest.raises(TableError, match="states no VERSION, PATCHLEVEL and SUBLEVEL"):
        extract.kernel_version(tree({"Makefile": "VERSION = 7\n"}))


def test_no_definition(tree: Tree) -> None:
    with pytest.raises(TableError, match=r"call \(0\), entry point sys_call: no SYSCALL.*: none"):
        only(tree, {"kernel/a.c": "int x;\n"})


def test_no_definition_for_x86_64(tree: Tree) -> None:
    text = f"#ifdef CONFIG_X86_32\n{CALL}#endif\n"
    with pytest.raises(TableError, match=r"no SYSCALL_DEFINEn .* tree: kernel/a\.c \(never\)"):
        only(tree, {"kernel/a.c": text})


def test_conflicting_definitions(tree: Tree) -> None:
    files = {"kernel/a.c": CALL, "mm/b.c": f"#ifdef CONFIG_A\n{CALL}#endif\n"}
    with pytest.raises(TableError, match=r"sys_call: several .*a\.c \(always\), mm/b\.c \(CONFIG"):
        only(tree, files)


def test_condition_that_cannot_be_evaluated(tree: Tree) -> None:
    with pytest.raises(TableError, match=r"call \(0\).*kernel/a\.c: .*'GCC_VERSION > 50000'"):
        only(tree, {"kernel/a.c": f"#if GCC_VERSION > 50000\n{CALL}#endif\n"})


def test_unbalanced_condition(tree: Tree) -> None:
    with pytest.raises(TableError, match=r"kernel/a\.c: an else or endif without its if"):
        only(tree, {"kernel/a.c": f"{CALL}#endif\n"})


def test_wrong_number_of_arguments(tree: Tree) -> None:
    with pytest.raises(TableError, match=r"SYSCALL_DEFINE2\(call, int, fd\) does not have 2"):
        only(tree, {"kernel/a.c": "SYSCALL_DEFINE2(call, int, fd)\n"})


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("0 common call sys_call", "line 2: 0 is both call and call"),
        ("1 i386 other sys_other", "line 2: '1 i386 other sys_other' is not a number, ABI"),
        ("1 common", "line 2: '1 common' is not a number, ABI"),
    ],
)
def test_bad_kernel_table(tree: Tree, line: str, problem: str) -> None:
    source = tree({TABLE: f"0 common call sys_call\n{line}\n", "kernel/a.c": CALL})
    with pytest.raises(TableError, match=problem):
        read(source, since="0\tcall\t2.6\t\n")


@pytest.mark.parametrize(
    ("since", "problem"),
    [
        ("", r"no first kernel version for call \(0\); add a line"),
        ("0\tcall\t\t\n", r"no first kernel version for call \(0\); add a line"),
        ("0\tother\t2.6\t\n", "0 is other, but call in the kernel's table"),
        ("0\tcall\t2.6\t6.1\n", r"call \(0\) is gone since 6.1, but is live"),
        ("0\tcall\tsoon\t\n", r"line 3 \(call\): 'soon' is not a kernel version"),
        ("0\tcall\t2.6\t\n0\tcall\t2.6\t\n", r"line 4 \(call\): 0 is call already"),
        ("zero\tcall\t2.6\t\n", r"line 3 \(call\): the number is 'zero'"),
        ("0\tcall\t2.6\n", "line 3: 3 fields where 4 belong"),
    ],
)
def test_since(tree: Tree, since: str, problem: str) -> None:
    source = tree({TABLE: "0 common call sys_call\n", "kernel/a.c": CALL})
    with pytest.raises(TableError, match=problem):
        read(source, since=since)


def test_dead_call_needs_no_version(tree: Tree) -> None:
    assert read(tree({TABLE: "0 64 call\n"}), since="")["call"].since == ""


# The file


@pytest.fixture
def written(tree: Tree, tmp_path: Path) -> Path:
    source = tree(
        {
            TABLE: "0 common call sys_call\n1 64 gone\n",
            "net/a.c": "SYSCALL_DEFINE2(call, const char __user *, path, unsigned, flags)\n",
        }
    )
    output = tmp_path / "out.tsv"
    found = read(source)
    extract.write(extract.kernel_version(source), found.values(), output)
    return output


def test_what_is_written_is_read_again(written: Path) -> None:
    table = rows.load(written)
    assert table.version == "7.3.4-rc1"
    assert table.rows == (
        KernelRow(
            number=0,
            abi="common",
            name="call",
            entry="sys_call",
            status="live",
            args=(CArg("const char *", "path"), CArg("unsigned", "flags")),
            file="net/a.c",
            since="2.6",
            config="CONFIG_NET",
        ),
        KernelRow(1, "64", "gone", "", "dead", (), "", "2.6", ""),
    )
    assert written.read_text().splitlines()[0] == (
        "# generated by: python -m tables extract KERNEL_SOURCE; do not edit"
    )
    assert f": {table.hash}\n" in written.read_text()


@pytest.mark.parametrize(
    ("old", "new"), [("unsigned flags", "int flags"), ("\t2.6\t", "\t2.4\t"), ("1\t64", "2\t64")]
)
def test_edit_by_hand_is_refused(written: Path, old: str, new: str) -> None:
    text = written.read_text()
    assert old in text
    written.write_text(text.replace(old, new))
    with pytest.raises(TableError, match=r"out\.tsv: edited by hand: .* or run python -m tables"):
        rows.load(written)


def test_appended_row_is_refused(written: Path) -> None:
    with written.open("a") as file:
        file.write("2\t64\tmore\t\tdead\t\t\t\t\n")
    with pytest.raises(TableError, match="edited by hand"):
        rows.load(written)


def test_missing_header_is_refused(written: Path) -> None:
    lines = written.read_text().splitlines(keepends=True)
    written.write_text("".join(lines[4:]))
    with pytest.raises(TableError, match="no header with kernel version and hash"):
        rows.load(written)


def test_missing_table(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"none\.tsv: no such file; make it with python -m"):
        rows.load(tmp_path / "none.tsv")


# The table of the project


@pytest.fixture(scope="module")
def table() -> KernelTable:
    return rows.load()


def test_numbers(table: KernelTable) -> None:
    numbers = [row.number for row in table.rows]
    assert len(numbers) == 386
    assert numbers == [*range(337), *range(424, 473)]
    assert {row.abi for row in table.rows} == {"common", "64"}
    assert len({row.name for row in table.rows}) == 386


def test_live_and_dead(table: KernelTable) -> None:
    dead = {row.number for row in table.rows if row.status == "dead"}
    assert dead == {134, 156, 174, 177, 178, *range(180, 186), 205, 211, 212, 214, 215, 236}
    assert sum(row.status == "live" for row in table.rows) == 369


def test_every_live_row_is_whole(table: KernelTable) -> None:
    for row in table.rows:
        live = row.status == "live"
        assert bool(row.file) == live, row.name
        assert row.entry.startswith("sys_") or not live, row.name
        assert row.since or not live, row.name
        assert len(row.args) <= 6, row.name
        assert not any("__user" in arg.ctype for arg in row.args), row.name


@pytest.mark.parametrize(
    ("name", "file", "config", "args"),
    [
        ("write", "fs/read_write.c", "", "unsigned int fd; const char *buf; size_t count"),
        ("uname", "kernel/sys.c", "", "struct new_utsname *name"),
        ("brk", "mm/mmap.c", "", "unsigned long brk"),
        ("timer_delete", "kernel/time/posix-timers.c", "CONFIG_POSIX_TIMERS", "timer_t timer_id"),
        ("getpid", "kernel/sys.c", "", ""),
        ("clone3", "kernel/fork.c", "", "struct clone_args *uargs; size_t size"),
        ("clone", "kernel/fork.c", "",
         ("unsigned long clone_flags; unsigned long newsp; "
          "int *parent_tidptr; int *child_tidptr; unsigned long tls")),
        ("capset", "kernel/capability.c", "CONFIG_MULTIUSER",
         "cap_user_header_t header; const cap_user_data_t data"),
        ("membarrier", "kernel/sched/membarrier.c", "CONFIG_MEMBARRIER",
         "int cmd; unsigned int flags; int cpu_id"),
    ],
)  # fmt: skip
def test_known_rows(table: KernelTable, name: str, file: str, config: str, args: str) -> None:
    (row,) = (row for row in table.rows if row.name == name)
    assert (row.file, row.config, "; ".join(map(str, row.args))) == (file, config, args)


def test_since_agrees(table: KernelTable) -> None:
    since = rows.load_since()
    assert {row.number: (row.name, row.since) for row in table.rows} == {
        number: (known.name, known.since) for number, known in since.items()
    }


def test_kernel_source_gives_this_table(tmp_path: Path) -> None:
    source = os.environ.get("PYSYSCALL_KERNEL_SOURCE")
    if not source:
        pytest.skip("PYSYSCALL_KERNEL_SOURCE names no kernel source tree")
    extract.run(Path(source), tmp_path / "x86_64.tsv")
    assert (tmp_path / "x86_64.tsv").read_bytes() == rows.TABLE.read_bytes()
