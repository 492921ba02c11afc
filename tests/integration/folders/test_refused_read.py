"""A file that was read and refused is not read again until it changes, or pixd starts anew."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pixd.answers import unread
from pixd.config import PipelineSettings
from pixd.folders.recorder import REFUSED
from pixd.store import connection
from pixd.system.digests import digest_of
from tests.support.watched import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    """Return a folder of three files that are taken and two that are refused as they are read."""
    one = Folder(tmp_path, "input")
    one.fill(3)
    (one.root / "README.md").write_text("about these pictures")
    with (one.root / "holes.jpg").open("wb") as file:
        file.write(b"\xff\xd8\xff\xe0" + bytes(range(256)) * 300)
        file.truncate(400_000)
    one.settle()
    assert [one.states()[name][0] for name in ("README.md", "holes.jpg")] == ["rejected"] * 2
    yield one
    one.close()


def warnings(folder: Folder) -> int:
    found = "SELECT count(*) FROM event WHERE level = 'warning' AND message LIKE 'holes.jpg%'"
    return int(folder.store.db.execute(found).fetchone()[0])


def not_read(folder: Folder, tmp_path: Path) -> tuple[tuple[str, ...], ...]:
    """Return what `pixd plan` finds new, changed and gone."""
    pipeline = PipelineSettings(name="p", training=tmp_path, input=folder.root, output=tmp_path)
    with contextlib.closing(connection.open_reader(folder.store.folder)) as reader:
        found = unread.look(reader, folder.store.folder, pipeline, "input", lambda _d, _t: None)
    return found.added, found.changed, found.removed


def test_a_command_reads_it_not_again_and_warns_not_again(folder: Folder) -> None:
    changed_at = folder.intake.last_change_at
    for _ in range(3):
        folder.intake.reload()
        folder.settle()
    assert warnings(folder) == 1
    assert folder.intake.last_change_at == changed_at


def test_a_plan_does_not_take_it_for_work(folder: Folder, tmp_path: Path) -> None:
    assert not_read(folder, tmp_path) == ((), (), ())
    folder.restart()
    folder.settle()
    assert not_read(folder, tmp_path) == ((), (), ())
    (folder.root / "README.md").write_text("more about these pictures")
    assert not_read(folder, tmp_path) == ((), ("README.md",), ())


def test_a_start_reads_no_recalled_file_anew(folder: Folder) -> None:
    with folder.store.transaction():
        folder.store.exclusions.add(
            "p", digest_of(b"1"), recalled=digest_of(b"1"), name="001.png", why="w", change_id="c"
        )
    (folder.root / "copy.png").write_bytes(b"1")
    folder.settle()
    assert folder.states()["copy.png"][0] == "rejected"
    stamp = folder.store.working.load(folder.intake.repo_id)["copy.png"]
    folder.restart()
    assert folder.intake._files.known["copy.png"] == stamp
    assert folder.intake._files.known["README.md"] == REFUSED


def test_a_start_reads_it_anew_and_so_does_a_change(folder: Folder) -> None:
    folder.restart()
    folder.settle()
    assert warnings(folder) == 2
    (folder.root / "holes.jpg").write_bytes(b"whole now")
    folder.settle()
    assert folder.states()["holes.jpg"] == ("queued", "")
