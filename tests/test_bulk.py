"""read_files, stat_many, write_all: results, errors in their place, signals, lost descriptors."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alarms import Interrupted, alarm, interrupt
from isolated.child import SANITIZED, python
from this_process import descriptors

import pysyscall
from pysyscall import read_files, stat_many, write_all

THREADS = pytest.mark.parametrize("threads", [1, 2, 5, None])


@pytest.fixture(autouse=True)
def no_descriptor_is_lost() -> Iterator[None]:
    before = descriptors()
    yield
    assert descriptors() == before


# --- read_files ---


@THREADS
def test_files_of_all_sizes(tmp_path: Path, threads: int | None) -> None:
    sizes = [0, 1, 16383, 16384, 16385, 32768, 100_000, 5_000_000, *range(3000)]
    paths: list[str | bytes | Path] = []
    for k, size in enumerate(sizes):
        file = tmp_path / f"{k}"
        file.write_bytes(bytes([k % 251]) * size)
        paths.append((file, str(file), bytes(file))[k % 3])
    found = read_files(paths, threads=threads)
    assert found == [bytes([k % 251]) * size for k, size in enumerate(sizes)]


def test_files_of_unknown_size() -> None:
    names = ["/proc/version", "/dev/null", "/proc/kallsyms", "/sys/kernel/mm/ksm/run"]
    names = [name for name in names if Path(name).exists()]
    for name, data in zip(names, read_files(names), strict=True):
        assert data == Path(name).read_bytes(), name


@THREADS
def test_errors_are_in_their_place(tmp_path: Path, threads: int | None) -> None:
    (tmp_path / "file").write_bytes(b"x")
    paths = [tmp_path / "file", tmp_path / "missing", tmp_path, tmp_path / "file/x"] * 200
    found = read_files(iter(paths), threads=threads)
    for k in range(0, 800, 4):
        data, missing, folder, below = found[k : k + 4]
        assert data == b"x"
        assert isinstance(missing, FileNotFoundError) and missing.filename is paths[k + 1]
        assert isinstance(folder, IsADirectoryError) and folder.filename is paths[k + 2]
        assert isinstance(below, NotADirectoryError) and below.errno == errno.ENOTDIR


def test_a_fifo_waits_for_its_writer(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    (tmp_path / "file").write_bytes(b"x")

    def write() -> None:
        time.sleep(0.05)
        with fifo.open("wb", buffering=0) as file:
            for _ in range(10):
                file.write(bytes(20_000))
                time.sleep(0.005)

    thread = threading.Thread(target=write)
    thread.start()
    assert read_files([tmp_path / "file", fifo, tmp_path / "file"]) == [b"x", bytes(200_000), b"x"]
    thread.join()


def test_a_fifo_that_has_a_writer(tmp_path: Path) -> None:
    """It is not opened twice: what was read at first is part of the result."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    both = os.open(fifo, os.O_RDWR)
    writer = os.open(fifo, os.O_WRONLY)
    os.write(writer, b"begun, ")
    os.close(both)

    def end() -> None:
        time.sleep(0.1)
        os.write(writer, b"ended")
        os.close(writer)

    thread = threading.Thread(target=end)
    thread.start()
    assert read_files([fifo]) == [b"begun, ended"]
    thread.join()


def test_few_descriptors(tmp_path: Path) -> None:
    script = f"""
import resource
from pathlib import Path
from typing import Any
from pysyscall import read_files
paths = [Path({str(tmp_path)!r}) / str(k) for k in range(200)]
for k, path in enumerate(paths):
    path.write_bytes(bytes(k * 500))
resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))
assert [len(data) for data in read_files(paths, threads=4)] == [k * 500 for k in range(200)]
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
assert {{error.errno for error in read_files(paths)}} == {{24}}
"""
    python("-c", script)


def test_reading_a_fifo_can_be_interrupted(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    both = os.open(tmp_path / "fifo", os.O_RDWR)
    for keep in (True, False):
        with alarm(0.05, interrupt), pytest.raises(Interrupted):
            read_files([os.devnull, tmp_path / "fifo"])
        if keep:
            os.close(both)


@THREADS
def test_reading_much_can_be_interrupted(tmp_path: Path, threads: int | None) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(2**32)
    (tmp_path / "small").write_bytes(b"x")
    start = time.monotonic()
    with alarm(0.1, interrupt), pytest.raises(Interrupted):
        read_files([tmp_path / "small"] * 200 + [large], threads=threads)
    assert time.monotonic() - start < 5


def test_others_run_meanwhile(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    found: list[object] = []
    reader = threading.Thread(target=lambda: found.extend(read_files([tmp_path / "fifo"])))
    reader.start()
    (tmp_path / "fifo").write_bytes(b"x")
    reader.join()
    assert found == [b"x"]


def test_files_that_grow_and_shrink(tmp_path: Path) -> None:
    """Whatever is there while they are read, which the kernel cuts off with zeros: never more."""
    file = tmp_path / "file"
    file.write_bytes(b"x" * 100_000)
    ended = threading.Event()

    def change() -> None:
        with file.open("r+b", buffering=0) as writer:
            while not ended.is_set():
                for size in (0, 100, 50_000, 200_000, 100_000):
                    writer.truncate(min(size, os.fstat(writer.fileno()).st_size))
                    os.pwrite(writer.fileno(), b"x" * size, 0)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(30):
            for data in read_files([file] * 40, threads=2):
                assert isinstance(data, bytes) and len(data) <= 200_000
                assert not data.strip(b"x\0")
    finally:
        ended.set()
        thread.join()


@pytest.mark.skipif(SANITIZED, reason="ASan needs all the address space")
def test_files_that_fit_no_memory(tmp_path: Path) -> None:
    """They have an error in their place, and the others are read."""
    for name, size in (("large", 5 << 30), ("largest", 2**63 - 1)):
        with (tmp_path / name).open("wb") as file:
            try:
                file.truncate(size)
            except OSError:
                file.truncate(1 << 40)
    (tmp_path / "small").write_bytes(b"x")
    script = f"""
import os, resource
from pysyscall import read_files
os.chdir({str(tmp_path)!r})
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
free = os.dup(0)
os.close(free)
for threads in (1, 2, None):
    found = read_files(["small", "large", "small", "largest"] * 50, threads=threads)
    for k, data in enumerate(found):
        if k % 2:
            assert type(data) is OSError and data.errno == 12, data
            assert data.filename == ("large" if k % 4 == 1 else "largest")
        else:
            assert data == b"x"
os.close(second := os.dup(0))
assert second == free
"""
    python("-c", script)


NAMES: list[Any] = ["plain", "\xfc", "\udcff\udc80", b"\xff\x81", "new\nline", "x" * 255]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_all_kinds(tmp_path: Path, name: str | bytes) -> None:
    class Named:
        def __fspath__(self) -> str | bytes:
            return path

    path: Any = os.path.join(os.fsencode(tmp_path), os.fsencode(name))  # noqa: PTH118
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(b"content")
    kinds = [path, os.fsdecode(path), Path(os.fsdecode(path)), Named()]
    assert read_files(kinds) == [b"content"] * 4
    found = stat_many(kinds)
    assert [each.stx_size for each in found if isinstance(each, pysyscall.Statx)] == [7] * 4


@pytest.mark.parametrize("function", [read_files, stat_many])
def test_paths_that_cannot_be(function: Any) -> None:
    found = function(["", "x" * 256, "x/" * 3000, "/dev/null/x"])
    assert [error.errno for error in found] == [
        *(errno.ENOENT, errno.ENAMETOOLONG, errno.ENAMETOOLONG, errno.ENOTDIR)
    ]
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        function(["/", "\ud800"])
    for path in ("a\0b", b"a\0b", Path("a\0b")):
        with pytest.raises(ValueError, match=r"'paths\[1\]' must not contain a NUL"):
            function(["/", path])

    class Wrong:
        def __fspath__(self) -> Any:
            return 7

    class Raising:
        def __fspath__(self) -> str:
            raise ZeroDivisionError

    with pytest.raises(TypeError):
        function(["/", Wrong()])
    with pytest.raises(ZeroDivisionError):
        function(["/", Raising()])

    def paths() -> Iterator[str]:
        yield "/"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        function(paths())


@pytest.mark.parametrize("function", [read_files, stat_many])
def test_a_list_that_changes_meanwhile(function: Any) -> None:
    """It was taken as it was before the first path was looked at."""

    class Sly:
        def __fspath__(self) -> str:
            paths.clear()
            paths.append("/missing")
            return "/dev/null"

    paths: list[Any] = [Sly(), "/dev/null", Sly()]
    assert not any(isinstance(each, OSError) for each in function(paths))
    assert paths == ["/missing"]


def test_ctrl_c(tmp_path: Path) -> None:
    """With the interpreter's own handler: no descriptor stays open, and the next call works."""
    (tmp_path / "large").write_bytes(bytes(30_000))
    script = f"""
import os, signal, threading
from pysyscall import read_files, stat_many, write_all
paths = [{str(tmp_path / "large")!r}] * 20_000
os.close(free := os.dup(0))
reader, writer = os.pipe()
for use in (
    lambda: read_files(paths),
    lambda: read_files(paths, threads=1),
    lambda: stat_many(paths),
    lambda: write_all(writer, iter([bytes(1000)] * 10_000)),
):
    threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        while True:
            use()
    except KeyboardInterrupt as error:
        print(*getattr(error, "__notes__", ()))
os.close(reader), os.close(writer)
os.close(second := os.dup(0))
assert second == free
assert read_files(paths[:2]) == [bytes(30_000)] * 2
"""
    assert python("-c", script) == "\n\n\nwrite_all() had written 65536 bytes\n"


# --- stat_many ---


@THREADS
def test_stats(tmp_path: Path, threads: int | None) -> None:
    for k in range(500):
        (tmp_path / f"{k}").write_bytes(bytes(k))
    (tmp_path / "link").symlink_to("499")
    paths = [tmp_path / f"{k}" for k in range(500)] + [tmp_path / "link", tmp_path / "missing"]
    found = stat_many(paths, threads=threads)
    assert found[:500] == [pysyscall.statx(None, path) for path in paths[:500]]
    assert found[500] == found[499]
    assert isinstance(found[501], FileNotFoundError) and found[501].filename is paths[501]
    folder = os.open(tmp_path, os.O_PATH)
    told = stat_many(["link", b"0"], dirfd=folder, flags=pysyscall.AT_SYMLINK_NOFOLLOW)
    os.close(folder)
    kinds = [stat.S_IFMT(each.stx_mode) for each in told if isinstance(each, pysyscall.Statx)]
    assert kinds == [stat.S_IFLNK, stat.S_IFREG]


def test_a_mask(tmp_path: Path) -> None:
    (made,) = stat_many([tmp_path], pysyscall.STATX_BTIME)
    assert isinstance(made, pysyscall.Statx) and made.stx_mask & pysyscall.STATX_BTIME
    (wrong,) = stat_many([tmp_path], 1 << 31)
    assert isinstance(wrong, OSError) and wrong.errno == errno.EINVAL


def test_stats_can_be_interrupted(tmp_path: Path) -> None:
    paths = [str(tmp_path)] * 100_000
    with alarm(0.05, interrupt), pytest.raises(Interrupted):
        for _ in range(1000):
            stat_many(paths)


# --- write_all ---


def test_more_than_the_kernel_takes_at_once(tmp_path: Path) -> None:
    chunks = [bytes([k % 256]) * (k % 7) for k in range(5000)]
    with (tmp_path / "file").open("wb") as file:
        assert write_all(file, iter(chunks)) == sum(map(len, chunks))
        assert write_all(file.fileno(), [memoryview(b"a"), bytearray(b"b"), b""]) == 2
        assert write_all(file, []) == 0
    assert (tmp_path / "file").read_bytes() == b"".join(chunks) + b"ab"


def test_partial_writes_are_continued(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    got = bytearray()

    def read() -> None:
        while len(got) < 3_000_000:
            got.extend(os.read(reader, 10_000))

    thread = threading.Thread(target=read)
    thread.start()
    chunks = [os.urandom(1000) for _ in range(3000)]
    assert write_all(writer, chunks) == 3_000_000
    thread.join()
    assert got == b"".join(chunks)


def test_a_full_pipe(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    with pytest.raises(BlockingIOError) as caught:
        write_all(pipe[1], [bytes(50_000)] * 3)
    assert caught.value.characters_written == 65536
    assert caught.value.__notes__ == ["write_all() had written 65536 bytes"]


def test_a_reader_that_has_gone(pipe: tuple[int, int]) -> None:
    reader = os.dup(pipe[0])
    os.close(pipe[0])

    def read() -> None:
        left = 100_000
        while left > 0:
            left -= len(os.read(reader, left))
        os.close(reader)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        with pytest.raises(BrokenPipeError) as caught:
            write_all(pipe[1], [bytes(1000)] * 200)
    finally:
        thread.join()
        os.dup2(pipe[1], pipe[0])
    (note,) = caught.value.__notes__
    assert 100_000 <= int(note.split()[3]) < 200_000


def test_a_full_device() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OSError, match="No space left") as caught:
        write_all(full, [b"x"])
    os.close(full)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.__notes__ == ["write_all() had written 0 bytes"]


def test_a_full_disk(tmp_path: Path) -> None:
    """64 KiB, in a child with its own mounts: what was written is told, and there."""
    script = f"""
import os, sys, pysyscall as ps
folder = {str(tmp_path)!r}
try:
    uid, gid = ps.getuid(), ps.getgid()
    ps.unshare(ps.CLONE_NEWUSER | ps.CLONE_NEWNS)
    maps = {{"uid_map": f"0 {{uid}} 1", "setgroups": "deny", "gid_map": f"0 {{gid}} 1"}}
    for name, text in maps.items():
        open(f"/proc/self/{{name}}", "w").write(text)
    ps.mount("none", folder, "tmpfs", 0, "size=64k")
except OSError as error:
    print("skip", error)
    sys.exit()
with open(folder + "/file", "wb") as file:
    try:
        ps.write_all(file, (bytes([k % 256]) * 1000 for k in range(3000)))
    except OSError as error:
        print(error.errno, *error.__notes__)
print(open(folder + "/file", "rb").read() == b"".join(bytes([k]) * 1000 for k in range(66))[:65536])
"""
    told = python("-c", script)
    if told.startswith("skip"):
        pytest.skip(told)
    assert told == "28 write_all() had written 65536 bytes\nTrue\n"


def test_writing_can_be_interrupted(pipe: tuple[int, int]) -> None:
    with alarm(0.05, interrupt), pytest.raises(Interrupted) as caught:
        write_all(pipe[1], [bytes(100_000)])
    assert caught.value.__notes__ == ["write_all() had written 65536 bytes"]


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    script = f"""
import resource, signal
from pysyscall import write_all
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_all(open({str(tmp_path / "file")!r}, "wb"), [bytes(600)] * 3)
except OSError as error:
    print(error.errno, *error.__notes__)
"""
    assert python("-c", script) == "27 write_all() had written 1000 bytes\n"


def test_a_generator_that_raises(pipe: tuple[int, int]) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(2000):
            yield b"x"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        write_all(pipe[1], chunks())
    assert caught.value.__notes__ == ["write_all() had written 1024 bytes"]
    assert len(os.read(pipe[0], 10_000)) == 1024


# --- refused ---


def closed() -> Any:
    with Path("/dev/null").open("wb") as file:
        return file


REFUSED: list[tuple[str, type[Exception], Callable[[], object]]] = [
    ("read_files.. argument 'paths' must be an it", TypeError, lambda: read_files("path")),
    ("read_files.. argument 'paths' must be an it", TypeError, lambda: read_files(7)),  # type: ignore[arg-type]
    ("'paths.1.' must be a str, bytes", TypeError, lambda: read_files(["/", 7])),  # type: ignore[list-item]
    ("'paths.2.' must not contain a NUL", ValueError, lambda: read_files(["/", "/", "a\0"])),
    ("must be in .1, 64.", ValueError, lambda: read_files([], threads=0)),
    ("must be in .1, 64.", ValueError, lambda: stat_many([], threads=2**70)),
    ("must be in .1, 64.", ValueError, lambda: read_files([], threads=-1)),
    ("must be in .1, 64.", ValueError, lambda: read_files(["/"], threads=1000)),
    ("'threads' must be an int", TypeError, lambda: stat_many([], threads="2")),  # type: ignore[arg-type]
    ("stat_many.. argument 'paths' must be an it", TypeError, lambda: stat_many(b"path")),  # type: ignore[arg-type]
    ("stat_many.. argument 'mask' must be in", OverflowError, lambda: stat_many([], -1)),
    ("stat_many.. argument 'dirfd' must be", TypeError, lambda: stat_many([], dirfd="x")),  # type: ignore[arg-type]
    ("stat_many.. argument 'flags' must be in", OverflowError, lambda: stat_many([], flags=2**32)),
    ("'chunks' must be an iterable of bytes", TypeError, lambda: write_all(1, b"data")),  # type: ignore[arg-type]
    ("not iterable|must be an iterable", TypeError, lambda: write_all(1, 7)),  # type: ignore[arg-type]
    ("closed file", ValueError, lambda: write_all(closed(), [b"x"])),
    ("'chunks' item 1 must be a bytes-like", TypeError, lambda: write_all(1, [b"", "x"])),  # type: ignore[list-item]
    ("item 0 must be one contiguous", BufferError, lambda: write_all(1, [memoryview(b"abc")[::2]])),
    ("write_all.. argument 'fd' must be", TypeError, lambda: write_all(None, [])),  # type: ignore[arg-type]
    ("Bad file descriptor", OSError, lambda: write_all(-1, [b"x"])),
]


@pytest.mark.parametrize(("text", "kind", "use"), REFUSED)
def test_refused(text: str, kind: type[Exception], use: Callable[[], object]) -> None:
    with pytest.raises(kind, match=text):
        use()


def test_nothing() -> None:
    assert read_files([]) == [] and stat_many(()) == [] and write_all(1, iter(())) == 0


def test_where_no_thread_can_be_started() -> None:
    """The calling thread does it all by itself."""
    script = """
import os, resource
from pysyscall import read_files
os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
assert read_files(["/etc/passwd"] * 500, threads=4) == [open("/etc/passwd", "rb").read()] * 500
"""
    if os.getuid() == 0:
        python("-c", script)
