"""Calls on extended attributes, against those of os."""

from __future__ import annotations

import array
import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conditions import needs, needs_root, skip_where
from refusal import complaint

import pysyscall

VALUES = [b"", b"value", b"\0\xff" * 100, bytearray(b"ab"), memoryview(b"abcdef")[1:3]]
VALUES.append(array.array("H", [1, 2]))
NAMES = ["user.pysyscall", b"user.bytes", "user.ünïcode", b"user.\xff"]
LISTXATTRAT = pytest.param("listxattrat", marks=needs("listxattrat"))
REMOVEXATTRAT = pytest.param("removexattrat", marks=needs("removexattrat"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.touch()
    (tmp_path / "link").symlink_to("file")
    with skip_where(lacking="no extended attributes here"):
        os.setxattr(path, "user.test", b"")
    os.removexattr(path, "user.test")
    return path


@pytest.fixture
def fd(file: Path, keep: Callable[[int], int]) -> int:
    return keep(os.open(file, os.O_RDWR))


def where(call: str, file: Path, fd: int) -> Any:
    """The file as the call takes it: by its own path, its link's, or its descriptor."""
    if call.startswith("f"):
        return fd
    return file if call.startswith("l") and not call.startswith("list") else file.parent / "link"


@pytest.mark.parametrize("call", ["setxattr", "lsetxattr", "fsetxattr"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_what_is_set_is_what_os_gets(
    file: Path, fd: int, call: str, name: str | bytes, value: Any
) -> None:
    assert getattr(pysyscall, call)(where(call, file, fd), name, value) is None
    assert os.getxattr(file, name) == bytes(value)
    assert os.listxattr(file) == [os.fsdecode(name)]


@pytest.mark.parametrize("call", ["getxattr", "lgetxattr", "fgetxattr"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [b"", b"value", b"\0\xff" * 100, b"x" * 2000])
def test_what_is_got_is_what_os_set(
    file: Path, fd: int, call: str, name: str | bytes, value: bytes
) -> None:
    os.setxattr(file, name, value)
    got = getattr(pysyscall, call)(where(call, file, fd), name)
    assert type(got) is bytes
    assert got == value


@pytest.mark.parametrize("call", ["listxattr", "llistxattr", "flistxattr", LISTXATTRAT])
def test_names_are_those_that_os_lists(file: Path, fd: int, call: str) -> None:
    function = getattr(pysyscall, call)
    given = (fd, "", pysyscall.AT_EMPTY_PATH)
    if call != "listxattrat":
        given = (where(call, file, fd),)
    assert function(*given) == []
    for name in (*NAMES, *(f"user.number{n}" for n in range(20))):
        os.setxattr(file, name, b"")
    names = function(*given)
    assert type(names) is list
    assert names == os.listxattr(file)
    assert len(names) == len(NAMES) + 20


@pytest.mark.parametrize("call", ["removexattr", "lremovexattr", "fremovexattr", REMOVEXATTRAT])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_removed_is_gone(file: Path, fd: int, call: str, name: str | bytes) -> None:
    os.setxattr(file, name, b"gone")
    os.setxattr(file, "user.kept", b"kept")
    if call == "removexattrat":
        result = pysyscall.removexattrat(fd, "", pysyscall.AT_EMPTY_PATH, name)
    else:
        result = getattr(pysyscall, call)(where(call, file, fd), name)
    assert result is None
    assert os.listxattr(file) == ["user.kept"]


@pytest.mark.parametrize("call", ["setxattr", "lsetxattr", "fsetxattr"])
def test_flags_say_whether_the_attribute_may_exist(file: Path, fd: int, call: str) -> None:
    function, target = getattr(pysyscall, call), where(call, file, fd)
    path = None if call == "fsetxattr" else target
    with pytest.raises(OSError) as caught:
        function(target, "user.x", b"1", pysyscall.XATTR_REPLACE)
    assert (caught.value.errno, caught.value.filename) == (errno.ENODATA, path)
    function(target, "user.x", b"2", pysyscall.XATTR_CREATE)
    with pytest.raises(FileExistsError) as exists:
        function(target, "user.x", b"3", pysyscall.XATTR_CREATE)
    assert exists.value.filename == path
    function(target, "user.x", b"4", flags=pysyscall.XATTR_REPLACE)
    assert os.getxattr(file, "user.x") == b"4"


FAILING: dict[str, tuple[Callable[[Any, str], object], int]] = {
    "get none": (lambda m, file: m.getxattr(file, "user.none"), errno.ENODATA),
    "get of no file": (lambda m, file: m.getxattr(file + "/x", "user.x"), errno.ENOTDIR),
    "get without a namespace": (lambda m, file: m.getxattr(file, "x"), errno.EOPNOTSUPP),
    "get a long name": (lambda m, file: m.getxattr(file, "user." + "x" * 256), errno.ERANGE),
    "set without a namespace": (lambda m, file: m.setxattr(file, "x", b""), errno.EOPNOTSUPP),
    "set too much": (lambda m, file: m.setxattr(file, "user.x", bytes(65537)), errno.E2BIG),
    "set flags": (lambda m, file: m.setxattr(file, "user.x", b"", 4), errno.EINVAL),
    "set on no file": (lambda m, file: m.setxattr("/none", "user.x", b""), errno.ENOENT),
    "list of no file": (lambda m, file: m.listxattr(b"/none"), errno.ENOENT),
    "remove none": (lambda m, file: m.removexattr(file, "user.none"), errno.ENODATA),
}


@pytest.mark.parametrize(("call", "number"), FAILING.values(), ids=FAILING)
def test_fails_as_os_fails(file: Path, call: Callable[[Any, str], object], number: int) -> None:
    told = []
    for module in (pysyscall, os):
        with pytest.raises(OSError) as caught:
            call(module, str(file))
        error = caught.value
        told.append((type(error), error.errno, error.strerror, error.filename, error.filename2))
    assert told[0] == told[1]
    assert told[0][1] == number


@pytest.mark.parametrize(
    ("call", "number", "name"),
    [
        (lambda file: pysyscall.lgetxattr(file, "user.none"), errno.ENODATA, "file"),
        (lambda file: pysyscall.llistxattr("/none"), errno.ENOENT, "/none"),
        (lambda file: pysyscall.lremovexattr(file, "user.none"), errno.ENODATA, "file"),
        (lambda file: pysyscall.lsetxattr("/none", "user.x", b""), errno.ENOENT, "/none"),
        (lambda file: pysyscall.fgetxattr(-1, "user.x"), errno.EBADF, None),
        (lambda file: pysyscall.flistxattr(-1), errno.EBADF, None),
        (lambda file: pysyscall.fremovexattr(-1, "user.x"), errno.EBADF, None),
        (lambda file: pysyscall.fsetxattr(-1, "user.x", b""), errno.EBADF, None),
        pytest.param(
            lambda file: pysyscall.listxattrat(None, file, 1),
            errno.EINVAL,
            "file",
            marks=needs("listxattrat"),
        ),
        pytest.param(
            lambda file: pysyscall.removexattrat(-1, "x", 0, "user.x"),
            errno.EBADF,
            "x",
            marks=needs("removexattrat"),
        ),
    ],
)
def test_calls_that_os_lacks_fail_with_errno_and_name(
    file: Path, call: Callable[[Path], object], number: int, name: str | None
) -> None:
    with pytest.raises(OSError) as caught:
        call(file)
    assert caught.value.errno == number
    assert caught.value.filename == (file if name == "file" else name)


@needs_root
def test_a_link_has_attributes_of_its_own(file: Path) -> None:
    link, name = file.parent / "link", "trusted.pysyscall"
    pysyscall.lsetxattr(link, name, b"link")
    pysyscall.setxattr(link, name, b"file")
    assert os.getxattr(link, name, follow_symlinks=False) == b"link"
    assert os.getxattr(file, name) == b"file"
    assert (pysyscall.lgetxattr(link, name), pysyscall.getxattr(link, name)) == (b"link", b"file")
    pysyscall.removexattr(link, name)
    assert (pysyscall.listxattr(link), pysyscall.llistxattr(link)) == ([], [name])
    pysyscall.lremovexattr(link, name)
    assert pysyscall.llistxattr(link) == []


@needs_root
@needs("listxattrat")
def test_a_link_has_attributes_of_its_own_below_a_directory(
    file: Path, keep: Callable[[int], int]
) -> None:
    folder = keep(os.open(file.parent, os.O_RDONLY))
    os.setxattr(file, "user.file", b"")
    os.setxattr(file.parent / "link", "trusted.link", b"", follow_symlinks=False)
    alone = pysyscall.AT_SYMLINK_NOFOLLOW
    assert pysyscall.listxattrat(folder, "link") == ["user.file"]
    assert pysyscall.listxattrat(folder, b"link", alone) == ["trusted.link"]
    pysyscall.removexattrat(folder, "link", 0, "user.file")
    pysyscall.removexattrat(folder, "link", alone, b"trusted.link")
    assert os.listxattr(file) == os.listxattr(file.parent / "link", follow_symlinks=False) == []


def test_a_value_may_have_the_most_there_is() -> None:
    """Only memory files take as much on any system: 65536 bytes."""
    fd = pysyscall.memfd_create("large")
    value = os.urandom(65536)
    try:
        with skip_where(lacking="memory files have no such attributes here"):
            pysyscall.fsetxattr(fd, "user.large", value)
        assert pysyscall.fgetxattr(fd, "user.large") == value
        assert pysyscall.flistxattr(fd) == ["user.large"]
    finally:
        os.close(fd)


def test_arguments_are_checked(file: Path, fd: int) -> None:
    for call in (pysyscall.getxattr, pysyscall.removexattr):
        with pytest.raises(TypeError, match="argument 'path' must be"):
            call(fd, "user.x")
        with pytest.raises(ValueError, match="name"):
            call(file, "user.\0x")
    with pytest.raises(TypeError, match="argument 'value'"):
        pysyscall.setxattr(file, "user.x", "text")


# Below a directory, through a struct


AT = needs("setxattrat")


@AT
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_below_a_directory(file: Path, fd: int, name: str | bytes, value: Any) -> None:
    assert pysyscall.setxattrat(fd, "", pysyscall.AT_EMPTY_PATH, name, value) is None
    assert os.getxattr(file, name) == bytes(value)
    assert pysyscall.getxattrat(None, file, 0, name) == bytes(value)
    assert pysyscall.getxattrat(fd, b"", pysyscall.AT_EMPTY_PATH, name) == bytes(value)


@AT
@needs_root
def test_a_value_of_a_link_below_a_directory(file: Path, keep: Callable[[int], int]) -> None:
    folder = keep(os.open(file.parent, os.O_RDONLY))
    alone = pysyscall.AT_SYMLINK_NOFOLLOW
    pysyscall.setxattrat(folder, "link", alone, "trusted.a", b"link")
    pysyscall.setxattrat(folder, "link", 0, "trusted.a", b"file")
    assert pysyscall.getxattrat(folder, "link", alone, "trusted.a") == b"link"
    assert pysyscall.getxattrat(folder, "link", 0, "trusted.a") == b"file"


@AT
@pytest.mark.parametrize(
    ("call", "number"),
    [
        (lambda f: pysyscall.getxattrat(None, f, 0, "user.none"), errno.ENODATA),
        (lambda f: pysyscall.getxattrat(None, f, 1, "user.a"), errno.EINVAL),
        (lambda f: pysyscall.getxattrat(None, f, 0, "user." + "x" * 251), errno.ERANGE),
        (lambda f: pysyscall.setxattrat(None, f, 0, "user." + "x" * 251, b""), errno.ERANGE),
        (lambda f: pysyscall.setxattrat(None, f, 0, "user.a", b"", 4), errno.EINVAL),
        (lambda f: pysyscall.setxattrat(None, f, 0, "user.a", bytes(65537)), errno.E2BIG),
        (lambda f: pysyscall.setxattrat(None, f, 0, "user.b", b"", 2), errno.ENODATA),
    ],
)
def test_below_a_directory_fails(file: Path, call: Callable[[Path], object], number: int) -> None:
    with pytest.raises(OSError) as caught:
        call(file)
    assert (caught.value.errno, caught.value.filename) == (number, file)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda m: m.getxattrat("f", "f", 0, "user.a"),
            TypeError,
            "getxattrat dirfd: be an int or an object with fileno() or None, not str",
        ),
        (
            lambda m: m.getxattrat(None, 5, 0, "user.a"),
            TypeError,
            "getxattrat path: be a str, bytes or os.PathLike, not int",
        ),
        (
            lambda m: m.getxattrat(None, "a\0", 0, "user.a"),
            ValueError,
            "getxattrat path: not contain a NUL byte",
        ),
        (
            lambda m: m.getxattrat(None, "f", "0", "user.a"),
            TypeError,
            "getxattrat at_flags: be an int, not str",
        ),
        (
            lambda m: m.setxattrat(None, "f", 2**32, "user.a", b""),
            OverflowError,
            "setxattrat at_flags: be in [0, 4294967295], not 4294967296",
        ),
        (
            lambda m: m.setxattrat(None, "f", 0, None, b""),
            TypeError,
            "setxattrat name: be a str or bytes, not None",
        ),
        (
            lambda m: m.setxattrat(None, "f", 0, "user.a", "x"),
            TypeError,
            "setxattrat value: be a bytes-like object, not str",
        ),
        (
            lambda m: m.setxattrat(None, "f", 0, "user.a", memoryview(b"abc")[::2]),
            BufferError,
            "setxattrat value: be one contiguous block",
        ),
        (
            lambda m: m.setxattrat(None, "f", 0, "user.a", b"", -1),
            OverflowError,
            "setxattrat flags: be in [0, 4294967295], not -1",
        ),
        (
            lambda m: m.setxattrat(2**80, "f", 0, "user.a", b""),
            OverflowError,
            "setxattrat dirfd: be in [",
        ),
    ],
)
def test_below_a_directory_arguments_are_checked(
    call: Callable[[Any], object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        call(pysyscall)
    assert str(caught.value).startswith(complaint(text))


@AT
def test_a_value_is_locked_while_it_is_read(file: Path) -> None:
    value = bytearray(b"value")
    pysyscall.setxattrat(None, file, 0, "user.a", value)
    value.extend(b"more")
    assert os.getxattr(file, "user.a") == b"value"


def large_file() -> int:
    fd = pysyscall.memfd_create("large")
    try:
        pysyscall.fsetxattr(fd, "user.a", bytes(5000))
    except OSError as error:
        os.close(fd)
        pytest.skip(f"memory files have no large attributes here: {error}")
    return fd


@AT
def test_a_large_value_below_a_directory(keep: Callable[[int], int]) -> None:
    fd = keep(large_file())
    for size in (4095, 4096, 4097, 65536):
        value = os.urandom(size)
        pysyscall.setxattrat(fd, "", pysyscall.AT_EMPTY_PATH, "user.a", value)
        assert pysyscall.getxattrat(fd, "", pysyscall.AT_EMPTY_PATH, "user.a") == value


def test_values_that_change_their_size_while_they_are_read(keep: Callable[[int], int]) -> None:
    """Whatever its size is at a moment, it comes whole."""
    fd, stop = keep(large_file()), threading.Event()
    values = [bytes([k]) * size for k, size in enumerate((1, 4096, 4097, 65536, 0, 9000))]

    def change() -> None:
        while not stop.is_set():
            for value in values:
                os.setxattr(fd, "user.a", value)

    os.setxattr(fd, "user.a", values[0])
    thread = threading.Thread(target=change)
    thread.start()
    try:
        seen: set[bytes] = set()
        deadline = time.monotonic() + 30
        while len(seen) < len(values) and time.monotonic() < deadline:
            seen |= {pysyscall.fgetxattr(fd, "user.a") for _ in range(100)}
    finally:
        stop.set()
        thread.join()
    assert seen == set(values)


def test_many_names(keep: Callable[[int], int]) -> None:
    """More than fit in the room that is tried first."""
    fd = keep(large_file())
    names = [f"user.{number:03}{'x' * 200}" for number in range(100)]
    for name in names:
        pysyscall.fsetxattr(fd, name, b"")
    assert sorted(pysyscall.flistxattr(fd)) == sorted(["user.a", *names])
