"""Processes and threads that begin and end, and the table of a process's own segments."""

from __future__ import annotations

import sys
import threading
from array import array
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from pysyscall import _fast
from pysyscall._fast import CloneArgs, UserDesc
from pysyscall._generated.wrapped import CALLS
from pysyscall.calls._arguments import address_of, integer, refusal
from pysyscall.calls._kernel import enter, error_of
from pysyscall.flags import CloneFlag, ModifyLdtFunc, Signal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from _typeshed import StrOrBytesPath

_REFUSED = {
    CloneFlag.CLONE_VM: "two processes would run one interpreter on the same memory",
    CloneFlag.CLONE_VFORK: "the caller would hold the GIL until the child executes a program; "
    "vfork_exec does both",
    CloneFlag.CLONE_THREAD: "neither libc nor Python would know of the thread",
    CloneFlag.CLONE_SIGHAND: "it goes with CLONE_VM alone, and that would share the interpreter",
    CloneFlag.CLONE_SETTLS: "libc keeps the thread's own data there",
    CloneFlag.CLONE_CHILD_SETTID: "the id has its place in libc's data, which is set in any case",
    CloneFlag.CLONE_CHILD_CLEARTID: "the id has its place in libc's data, which is set in any case",
}
_EMPTY = {
    "pidfd": "its place is made here",
    "child_tid": "the id has its place in libc's data",
    "parent_tid": "the process id comes back",
    "stack": "the child goes on with a copy of the caller's stack",
    "stack_size": "the child goes on with a copy of the caller's stack",
    "tls": "libc keeps the thread's own data there",
    "set_tid": "ids are given by name: set_tid=(7,)",
    "set_tid_size": "ids are given by name: set_tid=(7,)",
}

_FORK, _CLONE, _CLONE3 = (CALLS[name][0] for name in ("fork", "clone", "clone3"))


class Child(NamedTuple):
    """What `clone` and `clone3` return, in the parent and in the child."""

    pid: int
    """The child's process id; 0 in the child."""
    pidfd: int
    """The child's pidfd with CLONE_PIDFD, in the parent; else -1."""


def _made(name: str, result: int) -> int:
    if result < 0:
        raise error_of(name, -result, CALLS[name][1])
    return result


def _refuse_flags(name: str, argument: str, flags: int) -> None:
    for flag, reason in _REFUSED.items():
        if flags & flag:
            raise ValueError(f"{name}() argument '{argument}' can't have {flag.name}: {reason}")


def fork() -> int:
    """`fork()`: make a child process, a copy of the caller.

    Returns:
        The child's process id, an int; 0 in the child.

    Raises:
        OSError: EAGAIN, ENOMEM, ENOSYS.
        RuntimeError: the interpreter is about to end, or it is not the main one.

    Python's hooks run before and after it (`os.register_at_fork`). The child has one thread, a
    copy of the caller's.

    While there are other threads libc's fork makes the child, by the system call `clone`: libc
    alone can free the locks of its own that they hold. Only then handlers of C libraries run, too
    (pthread_atfork).

    Danger:
        Other locks that other threads hold stay held in the child for ever: a DeprecationWarning
        says so. All that is buffered is written twice if the child ends as usual, not by
        `exit_group`.

    Source: the man page fork(2).
    """
    # No more Python code than this: each page that it touches is copied anew after a fork.
    result = _fast._fork("fork", _FORK)
    return result if result >= 0 else _made("fork", result)


def clone(flags: CloneFlag | int = Signal.SIGCHLD) -> Child:
    """`clone(flags=SIGCHLD)`: make a child process that shares with the caller what the flags say.

    Args:
        flags: `CloneFlag`, and in the low 8 bits the signal that the child's end sends: SIGCHLD
            for a child to wait for (an int).

    Returns:
        A `Child`: its process id (0 in the child), and its pidfd with CLONE_PIDFD, else -1.

    Raises:
        OSError: EAGAIN, EINVAL, ENOMEM, ENOSPC, EPERM, EUSERS.
        ValueError: flags that would share the interpreter's memory or its stack.
        RuntimeError: the interpreter is about to end, or it is not the main one.

    The child goes on where the caller does: the kernel's call takes no function. Python's hooks
    run before and after it. With CLONE_PARENT_SETTID nothing more comes back.

    Danger:
        A child made while there are other threads can wait for ever in libc: locks that they hold,
        malloc's among them, stay held in the child. A DeprecationWarning says so.

    Source: the man page clone(2).
    """
    word = integer("clone", "flags", flags, "u32")
    _refuse_flags("clone", "flags", word)
    sys.audit("pysyscall.call", "clone", (flags,))
    pidfd = array("i", [-1])
    return Child(
        _made("clone", _fast._fork("clone", _CLONE, word, 0, address_of(pidfd))), _told(pidfd, word)
    )


def clone3(cl_args: CloneArgs | tuple[Any, ...], *, set_tid: Iterable[int] = ()) -> Child:
    """`clone3(cl_args, *, set_tid=())`: make a child process as a struct says.

    Args:
        cl_args: flags, the signal that the child's end sends, a cgroup (a `CloneArgs` or a tuple
            of its fields). All other fields must be 0.
        set_tid: process ids for the child, that in the innermost PID namespace first (ints).

    Returns:
        A `Child`: its process id (0 in the child), and its pidfd with CLONE_PIDFD, else -1.

    Raises:
        OSError: E2BIG, EACCES, EAGAIN, EBUSY, EEXIST, EINVAL, ENOMEM, ENOSPC, EOPNOTSUPP, EPERM,
            EUSERS.
        ValueError: flags or addresses that would share the interpreter's memory or its stack.
        RuntimeError: the interpreter is about to end, or it is not the main one.

    The child goes on where the caller does. Python's hooks run before and after it.

    Danger:
        A child made while there are other threads can wait for ever in libc: locks that they hold,
        malloc's among them, stay held in the child. A DeprecationWarning says so.

    Source: the man page clone(2).
    """
    args = CloneArgs(*cl_args) if type(cl_args) is tuple else cl_args
    if not isinstance(args, CloneArgs):
        raise refusal("clone3", "cl_args", "a CloneArgs, or a tuple of its fields", cl_args)
    _refuse_flags("clone3", "cl_args", args.flags)
    for name, reason in _EMPTY.items():
        if getattr(args, name):
            raise ValueError(f"clone3() argument 'cl_args' must have a {name} of 0: {reason}")
    tids = [integer("clone3", "set_tid", tid, "int") for tid in set_tid]
    sys.audit("pysyscall.call", "clone3", (cl_args, tids))
    pidfd, ids = array("i", [-1]), array("i", tids)
    if args.flags & CloneFlag.CLONE_PIDFD:
        args = args.replace(pidfd=address_of(pidfd))
    if tids:
        args = args.replace(set_tid=address_of(ids), set_tid_size=len(tids))
    pid = _made("clone3", _fast._fork("clone3", _CLONE3, address_of(args), len(memoryview(args))))
    return Child(pid, _told(pidfd, args.flags))


def _told(pidfd: array[int], flags: int) -> int:
    """The pidfd that the kernel wrote. In the child, which has it not, the kernel wrote nothing."""
    return pidfd[0] if flags & CloneFlag.CLONE_PIDFD else -1


def vfork_exec(
    path: StrOrBytesPath,
    argv: Sequence[StrOrBytesPath],
    envp: Mapping[str, str] | Mapping[bytes, bytes],
) -> int:
    """`vfork_exec(path, argv, envp)`: make a child process that executes a program, by `vfork`.

    The child borrows the caller's memory until the program runs, so nothing is copied and it takes
    no longer in a large process than in a small one. All of it happens in C; only the calling
    thread stands still meanwhile.

    Args:
        path: the program; no directory is searched for it (a str, bytes or os.PathLike).
        argv: its arguments, of which the first is its name by custom (a sequence of str or bytes).
        envp: its environment (a mapping of str or bytes).

    Returns:
        The child's process id, an int.

    Raises:
        OSError: what `execve` could not do, with the path, or `vfork` (EAGAIN, ENOMEM).

    The program inherits descriptors that are not closed on execution, and the caller's blocked and
    ignored signals; SIGPIPE and SIGXFSZ, which Python ignores, act as usual. No hooks run.

    Source: the man pages vfork(2) and execve(2).
    """
    return _fast._vfork_exec(path, argv, envp)


def exit(status: int, *, forced: bool = False) -> NoReturn:
    """`exit(status, *, forced=False)`: end the calling thread alone.

    Args:
        status: the exit status; where it was the last thread, the low 8 bits reach the parent.
        forced: do it though what the thread's frames hold is lost.

    Returns:
        Never.

    Raises:
        RuntimeError: it is not forced.

    A thread ends well by SystemExit, the process by `exit_group`, which is what libc's _exit makes.

    Danger:
        Forced, no `finally` runs, nothing that the thread's frames refer to is freed, and neither
        is libc's memory for the thread. The GIL goes to the other threads, and `join` returns; but
        the interpreter's end may wait for ever for a thread that is no daemon. In the main thread
        no Python signal handler runs any more, and nothing ends the interpreter as usual: the
        process ends with its last thread.

    Source: the man page _exit(2).
    """
    word = integer("exit", "status", status, "int")
    main = threading.get_ident() == threading.main_thread().ident
    if not forced:
        reason = (
            "would leave the process without its main thread; exit_group() ends the process"
            if main
            else "would lose what the thread's frames hold; SystemExit ends a thread"
        )
        raise RuntimeError(f"exit() {reason}; forced=True does it all the same")
    sys.audit("pysyscall.call", "exit", (status,))
    # Since 3.13 nothing else tells those who wait in join().
    handle = getattr(threading.current_thread(), "_handle", None)
    set_done = getattr(handle, "_set_done", None)
    if set_done is not None and not main:
        set_done()
    _fast._exit(word, main)


def modify_ldt(
    func: ModifyLdtFunc | int, ptr: int | UserDesc | tuple[int, ...] = 65536
) -> bytes | None:
    """`modify_ldt(func, ptr=65536)`: read the table of the process's own segments, or write an
    entry of it.

    Args:
        func: LDT_READ, LDT_READ_DEFAULT, LDT_WRITE or LDT_WRITE_OLD (`ModifyLdtFunc` or an int).
        ptr: how many bytes to read (an int), or the entry to write (a `UserDesc` or a tuple of its
            fields).

    Returns:
        The table's bytes, 8 an entry, where it is read; None where it is written.

    Raises:
        OSError: EFAULT, EINVAL, ENOMEM, ENOSYS.

    Danger:
        A segment register that a changed entry is loaded in makes the process fail with SIGSEGV.

    Source: the man page modify_ldt(2).
    """
    number = integer("modify_ldt", "func", func, "int")
    writes = number in (ModifyLdtFunc.LDT_WRITE, ModifyLdtFunc.LDT_WRITE_OLD)
    entry = UserDesc(*ptr) if type(ptr) is tuple else ptr
    if writes:
        if not isinstance(entry, UserDesc):
            raise refusal("modify_ldt", "ptr", "a UserDesc, or a tuple of its fields", ptr)
        room = bytearray(entry)
    else:
        size = integer("modify_ldt", "ptr", entry, "u32")
        room = bytearray(size)
    result = enter("modify_ldt", number, room, len(room))
    # The kernel's error has 32 bits here.
    if result > 2**32 - 4096:
        raise error_of("modify_ldt", 2**32 - result, CALLS["modify_ldt"][1])
    return None if writes else bytes(memoryview(room)[:result])
