"""Scans of real folders: files, links, pipes, odd names, and folders that are swapped."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import pytest

from pixd.folders import scan
from pixd.system import safe_open
from pixd.system.names import name_from_bytes

IS_ROOT = os.geteuid() == 0


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def read(root: Path, name: str) -> bytes:
    fd = safe_open.open_regular(root, name)
    try:
        return os.read(fd, 4096)
    finally:
        os.close(fd)


def test_every_file_is_found_with_its_stamp(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "sub/b.png", "sub/deep/er/c.png")
    found = scan.scan(tmp_path)
    assert set(found.files) == {"a.png", "sub/b.png", "sub/deep/er/c.png"}
    assert found.folders == 4
    about = (tmp_path / "a.png").stat()
    stamp = found.files["a.png"]
    numbers = (5, about.st_mtime_ns, about.st_ctime_ns, about.st_ino, about.st_dev)
    assert stamp.numbers == numbers
    assert stamp.size == 5
    assert scan.stamp(tmp_path, "a.png") == stamp


def test_ignored_names_are_counted_and_not_descended(tmp_path: Path) -> None:
    make(tmp_path, "a.png", ".git/x", ".git/y", "a.part", "sub/@eaDir/z/w.png")
    found = scan.scan(tmp_path)
    assert set(found.files) == {"a.png"}
    assert found.ignored == 3
    assert scan.stamp(tmp_path, ".git/x") is None
    assert scan.scan_under(tmp_path, "sub/@eaDir/z").files == {}


def test_an_overwrite_that_keeps_size_and_mtime_changes_the_stamp(tmp_path: Path) -> None:
    make(tmp_path, "a.png")
    before = scan.stamp(tmp_path, "a.png")
    assert before is not None
    deadline = time.monotonic() + 5
    while True:  # until the kernel's clock tick has passed
        (tmp_path / "a.png").write_bytes(b"b.png")
        os.utime(tmp_path / "a.png", ns=(before.mtime_ns, before.mtime_ns))
        after = scan.stamp(tmp_path, "a.png")
        if after != before:
            break
        assert time.monotonic() < deadline
    assert after is not None
    assert (after.size, after.mtime_ns) == (before.size, before.mtime_ns)


@pytest.mark.parametrize(
    "raw",
    [
        *(b"-rf.png", b"new\nline.png", b"\x1b[31m.png", b"latin-\xe9.png", b"back\\slash.png"),
        *(b" space .png", "ünï-日本.png".encode(), b"n" * 255),
    ],
)
def test_an_odd_name_is_found_and_opened(tmp_path: Path, raw: bytes) -> None:
    folder = os.fsencode(tmp_path) + b"/sub-\xff"
    Path(os.fsdecode(folder)).mkdir()
    Path(os.fsdecode(folder + b"/" + raw)).write_bytes(b"bytes")
    (name,) = scan.scan(tmp_path).files
    assert name == name_from_bytes(b"sub-\xff/" + raw)
    assert name.isprintable()
    assert scan.stamp(tmp_path, name) == scan.scan(tmp_path).files[name]
    assert read(tmp_path, name) == b"bytes"


def test_pipes_sockets_and_links_are_refused_with_the_reason(tmp_path: Path) -> None:
    root = tmp_path / "root"
    make(tmp_path, "outside/secret.png", "root/real.png", "root/folder/x.png")
    os.mkfifo(root / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket.png"))
    (root / "out.png").symlink_to(tmp_path / "outside/secret.png")
    (root / "out-folder").symlink_to(tmp_path / "outside")
    (root / "in-folder").symlink_to("folder")
    (root / "nothing.png").symlink_to("gone.png")
    (root / "circle.png").symlink_to("circle.png")
    (root / "device.png").symlink_to("/dev/zero")
    (root / "up").symlink_to(".")
    found = scan.scan(root)
    assert found.special == {
        "pipe.png": "a named pipe, not a file",
        "socket.png": "a socket, not a file",
        "out.png": "a symbolic link that leads out of the folder",
        "out-folder": "a symbolic link that leads out of the folder",
        "device.png": "a symbolic link that leads out of the folder",
        "in-folder": "a symbolic link to a folder",
        "up": "a symbolic link to a folder",
        "nothing.png": "a symbolic link to nothing",
        "circle.png": "a symbolic link that leads in a circle",
    }
    assert set(found.files) == {"real.png", "folder/x.png"}
    for name in found.special:
        assert scan.stamp(root, name) is None
        assert scan.scan_under(root, name).special == {name: found.special[name]}
        with pytest.raises((safe_open.NotRegularError, FileNotFoundError)):
            safe_open.open_regular(root, name)
    for name in ("out-folder/secret.png", "in-folder/x.png"):
        with pytest.raises((safe_open.NotRegularError, FileNotFoundError)):
            safe_open.open_regular(root, name)


def test_a_link_to_a_file_inside_counts_as_that_file(tmp_path: Path) -> None:
    make(tmp_path, "folder/real.png")
    (tmp_path / "relative.png").symlink_to("folder/real.png")
    (tmp_path / "absolute.png").symlink_to(tmp_path / "folder/real.png")
    (tmp_path / "link.png").symlink_to("relative.png")
    found = scan.scan(tmp_path)
    assert found.special == {}
    assert len(set(found.files.values())) == 1
    assert {read(tmp_path, name) for name in found.files} == {b"folder/real.png"}


def test_the_root_may_itself_be_a_link(tmp_path: Path) -> None:
    make(tmp_path, "real/a.png")
    (tmp_path / "real/l.png").symlink_to("a.png")
    (tmp_path / "root").symlink_to("real")
    assert set(scan.scan(tmp_path / "root").files) == {"a.png", "l.png"}
    assert read(tmp_path / "root", "l.png") == b"real/a.png"


def test_a_link_swapped_in_again_and_again_never_leads_out(tmp_path: Path) -> None:
    root = tmp_path / "root"
    make(tmp_path, "outside/f.png", "root/sub/f.png")
    (tmp_path / "outside/f.png").write_bytes(b"SECRET")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            (root / "sub").rename(root / "kept")
            (root / "sub").symlink_to(tmp_path / "outside")
            (root / "sub").unlink()
            (root / "kept").rename(root / "sub")
            stop.wait(0.0001)  # let the reader see it whole now and then

    swapper = threading.Thread(target=swap)
    swapper.start()
    opened = 0
    try:
        for _ in range(3000):
            try:
                assert read(root, "sub/f.png") == b"root/sub/f.png"
                opened += 1
            except (FileNotFoundError, safe_open.NotRegularError):
                pass
            files = scan.scan(root).files
            assert all(stamp.size == len("root/sub/f.png") for stamp in files.values())
    finally:
        stop.set()
        swapper.join()
    assert opened


def test_a_missing_file_and_a_missing_folder_raise_file_not_found(tmp_path: Path) -> None:
    make(tmp_path, "a.png")
    for name in ("none.png", "none/b.png", "a.png/b.png"):
        with pytest.raises(FileNotFoundError):
            safe_open.open_regular(tmp_path, name)
        assert scan.stamp(tmp_path, name) is None
        assert scan.scan_under(tmp_path, name).files == {}


@pytest.mark.parametrize("what", ["missing", "file", "dangling link"])
def test_a_root_that_is_gone_is_said_and_not_taken_for_empty(tmp_path: Path, what: str) -> None:
    root = tmp_path / "root"
    if what == "file":
        root.write_bytes(b"")
    elif what == "dangling link":
        root.symlink_to("none")
    for call in (scan.scan, scan.root_identity):
        with pytest.raises(safe_open.RootGoneError, match="root"):
            call(root)
    for named in (scan.stamp, scan.scan_under, safe_open.open_regular):
        with pytest.raises(safe_open.RootGoneError):
            named(root, "a.png")


@pytest.mark.skipif(IS_ROOT, reason="root may read everything")
def test_an_unreadable_sub_folder_hides_its_files_and_says_so(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "shut/b.png")
    (tmp_path / "shut").chmod(0)
    try:
        found = scan.scan(tmp_path)
    finally:
        (tmp_path / "shut").chmod(0o755)
    assert set(found.files) == {"a.png"}
    assert found.unreadable == {"shut": "cannot be read: Permission denied"}
    assert found.hides("shut/b.png")


def test_a_folder_hint_gives_all_below_it(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "sub/b.png", "sub/deep/c.png", "sub/.x/d.png")
    found = scan.scan_under(tmp_path, "sub")
    assert set(found.files) == {"sub/b.png", "sub/deep/c.png"}
    assert found.files == {n: s for n, s in scan.scan(tmp_path).files.items() if "/" in n}
    assert set(scan.scan_under(tmp_path, "a.png").files) == {"a.png"}


def test_a_folder_made_again_is_another_folder(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    before = scan.root_identity(tmp_path / "root")
    (tmp_path / "root").rename(tmp_path / "old")
    (tmp_path / "root").mkdir()
    assert scan.root_identity(tmp_path / "root") != before


def test_a_tree_deeper_than_the_descriptor_limit_and_longer_than_a_path_is_walked(
    tmp_path: Path,
) -> None:
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(tmp_path)
        for _ in range(300):
            Path("d" * 20).mkdir()
            os.chdir("d" * 20)
        Path("leaf.png").write_bytes(b"leaf")
    finally:
        os.fchdir(here)
        os.close(here)
    before = open_descriptors()
    (name,) = scan.scan(tmp_path).files
    assert len(name) > 4096
    assert read(tmp_path, name) == b"leaf"
    assert open_descriptors() == before
