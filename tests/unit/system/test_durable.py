"""Files that are the old bytes or the new ones, and the named crash points."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pixd.system import crash_points, durable


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_written_file_holds_the_new_bytes_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    target.write_bytes(b"old")
    durable.write_file(target, b"new")
    assert target.read_bytes() == b"new"
    assert names_in(tmp_path) == ["a.json"]


def test_a_written_file_has_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    durable.write_file(tmp_path / "secret", b"", mode=0o600)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("size", [0, 1, 4096, 3_000_001])
def test_a_published_file_is_a_copy_in_folders_made_for_it(tmp_path: Path, size: int) -> None:
    source = tmp_path / "object"
    source.write_bytes(os.urandom(size))
    source.chmod(0o444)
    target = tmp_path / "out" / "sub" / "a.png"
    durable.publish(source, target)
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_ino != source.stat().st_ino
    assert target.stat().st_mode & 0o200, "its owner may edit it"
    assert names_in(target.parent) == ["a.png"]


def test_a_name_of_255_bytes_can_be_published(tmp_path: Path) -> None:
    source = tmp_path / "object"
    source.write_bytes(b"x")
    target = tmp_path / ("n" * 251 + ".png")
    durable.publish(source, target)
    assert target.read_bytes() == b"x"


def test_a_copy_that_the_kernel_cannot_make_is_made_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object) -> int:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", cannot)
    source = tmp_path / "object"
    source.write_bytes(os.urandom(2_500_000))
    durable.publish(source, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("call", ["write", "fsync", "rename", "link", "open", "copy_file_range"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_failing_call_leaves_the_old_file_and_no_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    source = tmp_path / "object"
    source.write_bytes(b"new")
    folder = tmp_path / "out"
    folder.mkdir()
    target = folder / "a.png"
    real = getattr(os, call)
    for nth in range(1, 20):
        target.write_bytes(b"old")
        hits = 0

        def fail(*args: object, nth: int = nth, **kwargs: object) -> object:
            nonlocal hits
            hits += 1
            if hits == nth:
                raise OSError(number, os.strerror(number))
            return real(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with contextlib.suppress(OSError):
                durable.publish(source, target)
                durable.write_file(target, b"new")
        assert names_in(folder) == ["a.png"]
        assert target.read_bytes() in {b"old", b"new"}
        if hits < nth:
            assert target.read_bytes() == b"new"
            return
    pytest.fail("it never went through")


def test_syncs_answer_for_a_real_folder(tmp_path: Path) -> None:
    durable.sync_folder(tmp_path)
    durable.sync_filesystem(tmp_path)
    with pytest.raises(FileNotFoundError):
        durable.sync_folder(tmp_path / "none")


# -- crash points ----------------------------------------------------------------------------


def run_with_crash(wanted: str, code: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [
            sys.executable,
            "-c",
            f"from pixd.system import durable\nfrom pathlib import Path\n{code}",
        ],
        env={**os.environ, "PIXD_CRASH_AT": wanted, "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=folder,
        capture_output=True,
        check=False,
        timeout=30,
    )


def test_the_count_th_hit_ends_the_process(tmp_path: Path) -> None:
    code = "for n in range(5):\n print(n, flush=True)\n durable.crash_point('hashed')"
    ended = run_with_crash("hashed:3", code, tmp_path)
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout.split() == [b"0", b"1", b"2"]


@pytest.mark.parametrize("wanted", ["no-such-point:1", "hashed:0", "hashed:often"])
def test_a_wrong_request_for_a_crash_is_an_error(wanted: str, tmp_path: Path) -> None:
    ended = run_with_crash(wanted, "durable.crash_point('settled')", tmp_path)
    assert ended.returncode == 1
    assert b"PIXD_CRASH_AT" in ended.stderr


def test_a_crash_point_that_is_not_listed_is_an_error() -> None:
    with pytest.raises(ValueError, match="no-such-point"):
        crash_points.crash_point("no-such-point")


@pytest.mark.parametrize(
    "point", ["temp-written", "before-fsync", "after-fsync", "before-rename", "after-rename"]
)
def test_a_crash_while_publishing_leaves_old_or_new_bytes(point: str, tmp_path: Path) -> None:
    (tmp_path / "object").write_bytes(b"new")
    (tmp_path / "a.png").write_bytes(b"old")
    ended = run_with_crash(point, "durable.publish(Path('object'), Path('a.png'))", tmp_path)
    assert ended.returncode == -signal.SIGKILL
    wanted = b"new" if point == "after-rename" else b"old"
    assert (tmp_path / "a.png").read_bytes() == wanted
    left = set(names_in(tmp_path)) - {"a.png", "object"}
    assert all(re.fullmatch(r"\.pixd-[0-9a-f]{12}\.tmp", name) for name in left)


def test_every_crash_point_in_the_code_is_listed() -> None:
    package = Path(durable.__file__).parent
    used = {
        name
        for path in package.rglob("*.py")
        for name in re.findall(r"crash_point\(\s*\"([^\"]+)\"", path.read_text("utf-8"))
    }
    assert used <= set(crash_points.CRASH_POINTS)


@pytest.mark.parametrize("count", [1, 3, durable.SYNC_APART + 3])
def test_of_many_files_one_that_cannot_be_placed_keeps_no_other_from_its_place(
    tmp_path: Path, count: int
) -> None:
    files = []
    for n in range(count):
        source = tmp_path / f"object-{n}"
        source.write_bytes(b"%d" % n)
        files.append((source, tmp_path / "out" / f"{n % 2}" / f"{n}.png"))
    refused = (files[0][0], tmp_path / "out" / "taken")
    refused[1].mkdir(parents=True)
    gone = (tmp_path / "no object", tmp_path / "out" / "gone.png")
    errors = durable.publish_each([refused, *files, gone])
    assert [type(error) for error in errors] == [
        IsADirectoryError,
        *[type(None)] * count,
        FileNotFoundError,
    ]
    assert all(target.read_bytes() == source.read_bytes() for source, target in files)
    assert not list(tmp_path.rglob(".pixd-*")), "no temporary file is left"


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_ctrl_c_leaves_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    source = tmp_path / "object"
    source.write_bytes(b"new")
    out = tmp_path / "out"
    monkeypatch.setattr(os, step, interrupt)
    with pytest.raises(KeyboardInterrupt):
        durable.publish_many([(source, out / f"{n}.png") for n in range(3)], lambda _: None)
    assert names_in(out) == []


def test_bytes_written_together_stand_each_for_itself(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    wanted = [
        (tmp_path / "new" / "a", b"one"),
        (tmp_path / "file" / "b", b"two"),  # no folder
        (tmp_path / "c", b"three"),
    ]
    errors = durable.write_each(wanted)
    assert [error is None for error in errors] == [True, False, True]
    assert (tmp_path / "new" / "a").read_bytes() == b"one"
    assert (tmp_path / "c").read_bytes() == b"three"
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a", "c", "file", "new"]
