"""How the calls live with the interpreter: the GIL, audit hooks, interpreters, threads, its end."""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from interpreters import INTERPRETERS, interpreters
from isolated.child import python

import pysyscall
from pysyscall import _fast, table


@pytest.fixture
def one_thread_at_a_time() -> Iterator[None]:
    """The interpreter takes the GIL from nobody; a thread has it until it gives it up."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(before)


def lets_others_run(call: Callable[[], object]) -> bool:
    """Whether a thread that wants the GIL gets it while `call` is made again and again."""
    ran: list[bool] = []

    def other() -> None:
        time.sleep(0.005)
        ran.append(True)

    thread = threading.Thread(target=other)
    thread.start()
    end = time.monotonic() + 0.05
    while time.monotonic() < end and not ran:
        call()
    result = bool(ran)
    thread.join()
    return result


@pytest.mark.usefixtures("one_thread_at_a_time")
@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("getpid", ()),
        ("getresuid", ()),
        ("umask", (0o022,)),
        ("uname", ()),
        ("clock_gettime", (1,)),
        ("getrusage", (0,)),
        ("sched_getaffinity", (0,)),
        ("getgroups", ()),
    ],
)
def test_calls_that_cannot_block_keep_the_gil(name: str, args: tuple[Any, ...]) -> None:
    assert table.lookup(name).blocks is False
    # On a busy machine the other thread may be first, before any call is made.
    assert not all(lets_others_run(lambda: getattr(pysyscall, name)(*args)) for _ in range(20))


@pytest.mark.usefixtures("one_thread_at_a_time")
@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("nanosleep", (0.001,)),
        ("clock_nanosleep", (1, 0, 0.001)),
        ("poll", ([], 1)),
        ("fstat", (0,)),
        ("stat", ("/",)),
        ("getrandom", (1000,)),
    ],
)
def test_calls_that_can_block_release_the_gil(name: str, args: tuple[Any, ...]) -> None:
    assert table.lookup(name).blocks is True
    # Where the call is quick, it may have the GIL back before the other thread wakes.
    assert any(lets_others_run(lambda: getattr(pysyscall, name)(*args)) for _ in range(20))


def test_threads_that_share_objects(tmp_path: Path) -> None:
    """No call and no field is disturbed by others on the same descriptors and structs."""
    file = tmp_path / "file"
    file.write_bytes(bytes(range(100)))
    fd = os.open(file, os.O_RDONLY)
    told = pysyscall.statx(None, file)
    address = pysyscall.SockaddrIn6("::1", 80)
    wrong: list[object] = []
    end = time.monotonic() + 0.15

    def work(seed: int) -> None:
        buffer = bytearray(10)
        while time.monotonic() < end:
            offset = seed % 90
            seed += 7
            if pysyscall.pread64(fd, 10, offset) != bytes(range(offset, offset + 10)):
                wrong.append("pread64")
            if pysyscall.preadv2(fd, [buffer], offset) != 10 or buffer[0] != offset:
                wrong.append("preadv2")
            now = pysyscall.statx(None, file)
            if (now.stx_ino, now.stx_mtime, told.stx_size) != (told.stx_ino, told.stx_mtime, 100):
                wrong.append("statx")
            if repr(address) != repr(address.replace(sin6_port=80)):
                wrong.append("repr")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.close(fd)
    assert not wrong


AUDIT = """
import os, sys
import pysyscall
seen = []
def hook(event, args):
    if event == "pysyscall.call":
        seen.append(args)
        if args[0] == "mkdir":
            raise PermissionError("no folders today")
sys.addaudithook(hook)
def told():
    result = seen[:]
    seen.clear()
    return result
"""


def audited(code: str) -> str:
    return python("-c", AUDIT + code)


def test_an_audit_hook_sees_name_and_arguments() -> None:
    audited("""
pysyscall.getpid()
assert told() == [("getpid", ())]
data = bytearray(b"")
pysyscall.write(1, data)
[(name, args)] = told()
assert name == "write" and args[0] == 1 and args[1] is data
pysyscall.write(buf=data, fd=1)
assert told() == [("write", (1, data))]
pysyscall.openat(None, ".", os.O_RDONLY)
assert told() == [("openat", (None, ".", os.O_RDONLY, None))]
path = object()
try:
    pysyscall.stat(path)
except TypeError:
    assert told() == [("stat", (path,))]
try:
    pysyscall.splice(-1, None, 1, None, 9)
except OSError:
    assert told() == [("splice", (-1, None, 1, None, 9, None))]
for given in ((), (False,), (True,)):
    try:
        pysyscall.waitid(1, 2**22, 4, *given)
    except ChildProcessError:
        assert told() == [("waitid", (1, 2**22, 4, *(given or (None,))))]
""")


def test_results_where_the_constants_are_out_of_reach() -> None:
    """A call that was made gives its plain number, as after a chroot, and a member when it can."""
    python(
        "-c",
        """
import sys
from pysyscall import fcntl, rt_sigprocmask
assert "pysyscall.flags" not in sys.modules
sys.modules["pysyscall.flags"] = None  # which makes an import of it fail
assert type(fcntl(0, 3)) is int
assert rt_sigprocmask(0, {10}) == set()
assert {type(number) for number in rt_sigprocmask(0, None)} == {int}
del sys.modules["pysyscall.flags"]
assert type(fcntl(0, 3)).__name__ == "OpenFlag"
""",
    )


def test_each_call_is_audited() -> None:
    """The table's order of parameters is the order in which a hook sees them."""
    audited("""
from pysyscall import table
class Unusable:
    pass
for call in table.calls():
    names = [a.parameter for a in call.parameters]
    # Where a command stands for all that is unknown, its arguments have its own names.
    own = any(command.when == "else" for command in call.commands)
    # A hook sees the command and what is packed into it as the one number that they are.
    own = own or call.packed is not None
    if call.binding != "fast" or not names or own:
        continue
    given = {name: Unusable() for name in names}
    try:
        getattr(pysyscall, call.name)(**given)
    except (TypeError, PermissionError):
        pass
    assert told() == [(call.name, tuple(given.values()))], call.name
""")


def test_hooks_of_the_process_and_of_another_interpreter() -> None:
    """A hook may be added from C, for all interpreters, or for one of them, at any time."""
    code = """
import ctypes
seen = []
@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.py_object, ctypes.c_void_p)
def hook(event, args, data):
    if event == b"pysyscall.call":
        seen.append(args[0])
    return 0
import pysyscall
pysyscall.getpid()
other = create(own_gil=False)
run(other, '''
import sys, pysyscall
pysyscall.getppid()
heard = []
sys.addaudithook(lambda event, args: event == "pysyscall.call" and heard.append(args[0]))
pysyscall.getppid()
assert heard == ["getppid"], heard
''')
pysyscall.gettid()
run(other, "pysyscall.gettid(); assert heard == ['getppid', 'gettid'], heard")
destroy(other)
assert seen == []
add = ctypes.pythonapi.PySys_AddAuditHook
add.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
assert add(ctypes.cast(hook, ctypes.c_void_p), None) == 0
pysyscall.getpid()
assert seen == ["getpid"], seen
os._exit(0)  # the hook would be told of more until the very end, when it can't run any more
"""
    python("-c", INTERPRETERS.split("CODE =")[0] + code)


def test_a_hook_that_raises_stops_the_call() -> None:
    audited("""
import tempfile
with tempfile.TemporaryDirectory() as folder:
    path = folder + "/new"
    try:
        pysyscall.mkdir(path)
    except PermissionError as error:
        assert str(error) == "no folders today"
    else:
        raise AssertionError
    assert not os.path.exists(path)
    pysyscall.mkdirat(None, path)
    assert os.path.exists(path)
""")


def test_a_call_with_a_wrong_number_of_arguments_is_none() -> None:
    audited("""
for wrong in ((), (1, 2, 3)):
    try:
        pysyscall.write(*wrong)
    except TypeError:
        pass
assert told() == []
""")


@interpreters
def test_in_other_interpreters(own_gil: bool) -> None:
    """Those come and go, one after the other and at once; the first goes on unharmed."""
    code = f"""
import pysyscall
kept = pysyscall.statx(None, "/")
for _ in range(3):
    interpreter = create({own_gil})
    run(interpreter, CODE)
    destroy(interpreter)
together = [create({own_gil}) for _ in range(4)]
threads = [threading.Thread(target=run, args=(each, CODE)) for each in together]
failures = []
threading.excepthook = failures.append
for thread in threads: thread.start()
exec(CODE, {{}})
for thread in threads: thread.join()
for interpreter in together: destroy(interpreter)
assert not failures, failures
assert type(kept.stx_mtime) is pysyscall.StatxTimestamp
print(kept == pysyscall.statx(None, "/") and "done")
"""
    assert python("-c", INTERPRETERS + code) == "done\n"


def another_fast() -> Any:
    """The extension once more, as a module of its own."""
    spec = importlib.util.spec_from_file_location("pysyscall._fast", _fast.__file__)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_second_import_has_types_of_its_own() -> None:
    other = another_fast()
    assert other is not _fast
    assert other.Timespec is not _fast.Timespec
    other.nanosleep(other.Timespec(0, 1))
    with pytest.raises(TypeError, match=r"must be seconds .* or a Timespec"):
        other.nanosleep(_fast.Timespec(0, 1))
    with pytest.raises(TypeError, match=r"must be seconds .* or a Timespec"):
        _fast.nanosleep(other.Timespec(0, 1))
    assert other.Timespec(1, 2) != _fast.Timespec(1, 2)
    assert other.Timespec(1, 2).to_bytes() == _fast.Timespec(1, 2).to_bytes()


def test_objects_outlive_their_module() -> None:
    other = another_fast()
    told, call = other.statx(None, "/"), other.stat
    del other
    gc.collect()
    assert told.stx_mtime.ns == told.stx_mtime.tv_sec * 10**9 + told.stx_mtime.tv_nsec
    assert type(told)().stx_size == 0
    assert call("/").st_ino == told.stx_ino


def test_modules_are_freed() -> None:
    """With the types that they made: less stays than a small one of each would take."""
    count = 50

    def use() -> None:
        module = another_fast()
        told = module.statx(None, "/"), module.uname(), module.poll([(-1, 1)], 0)
        assert told[0].stx_mtime
        assert module.SockaddrIn().sin_port == 0

    for _ in range(2):
        use()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(count):
        use()
    gc.collect()
    assert (sys.getallocatedblocks() - before) / count < 12


def test_calls_while_the_interpreter_ends() -> None:
    """Destructors still find everything they need, or an error, but never a crash."""
    code = """
import pysyscall, sys
class Late:
    def __init__(self):
        self.told = pysyscall.statx(None, "/")
        self.calls = pysyscall.statx, pysyscall.write
    def __del__(self):
        statx, write = self.calls
        assert self.told.stx_mtime == statx(None, "/").stx_mtime
        write(1, b"late\\n")
late = Late()
sys.late = Late()
cycle = [Late()]
cycle.append(cycle)
pysyscall.late = Late()
pysyscall._fast.late = Late()
"""
    assert python("-c", code) == "late\n" * 5


def test_a_thread_in_a_call_does_not_keep_the_interpreter() -> None:
    code = """
import pysyscall, threading
reader, writer = pysyscall.pipe()
for _ in range(3):
    threading.Thread(target=pysyscall.read, args=(reader, bytearray(10)), daemon=True).start()
pysyscall.nanosleep(0.02)
pysyscall.write(1, b"the end\\n")
"""
    assert python("-c", code, timeout=20) == "the end\n"
