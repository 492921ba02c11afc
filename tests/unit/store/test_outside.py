"""The note outside the store: written, read, held, and never in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixd.store import outside
from pixd.store.outside import Note, OutsideNote


def test_a_note_is_read_back_and_says_who_holds_it(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    assert outside.read(config) == (Note(), None)
    held = OutsideNote(config)
    note = Note(identity="one", path="/x/store", pid=7, at="2026-01-01", blocked="gone")
    held.write(note)
    assert outside.read(config) == (note, 7)
    assert OutsideNote(config).holder == 7
    held.close()
    assert outside.read(config) == (note, None)


def test_a_shorter_note_leaves_nothing_of_the_longer_one(tmp_path: Path) -> None:
    held = OutsideNote(tmp_path / "config.yaml")
    held.write(Note(blocked="x" * 9000))
    held.write(Note(identity="two"))
    held.close()
    assert outside.read(tmp_path / "config.yaml")[0] == Note(identity="two")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "7", "new": 1, "identity": 3}'])
def test_rubbish_is_no_note(tmp_path: Path, text: str) -> None:
    (tmp_path / ".config.yaml.pixd").write_text(text)
    assert outside.read(tmp_path / "config.yaml") == (Note(), None)


def test_where_the_folder_cannot_be_written_the_state_folder_has_the_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    monkeypatch.setattr(outside, "SYSTEM_STATE", tmp_path / "none")
    config = Path("/proc/config.yaml")  # a folder in which nobody can make a file
    held = OutsideNote(config)
    held.write(Note(identity="three"))
    held.close()
    assert [path.parent for path in (state / "pixd").iterdir()] == [state / "pixd"]
    assert outside.read(config)[0].identity == "three"


def test_a_project_that_is_away_gets_no_note_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(outside, "SYSTEM_STATE", tmp_path / "none")
    (tmp_path / "pixd").mkdir()
    held = OutsideNote(tmp_path / "gone" / "config.yaml")
    held.write(Note(identity="four"))
    held.close()
    assert list((tmp_path / "pixd").iterdir()) == []
