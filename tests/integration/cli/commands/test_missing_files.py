"""A file that is not there is told as that, by every command that takes one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pixd.cli import main
from pixd.cli.commands import translate
from pixd.system import errors
from tests.support.status_states import World, filled_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with filled_world(tmp_path / "facades", monkeypatch) as world:
        monkeypatch.chdir(world.folder)
        yield world


@pytest.mark.parametrize("command", ["trace", "recall"])
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("output/nope.png", "there is no file output/nope.png, and none of that name is recorded"),
        ("store", "store is a folder"),
    ],
)
def test_what_is_neither_there_nor_recorded_is_told_so(
    world: World, command: str, name: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main([command, name]) == errors.EXIT_USAGE
    assert capsys.readouterr().err.startswith(f"pixd: {told}\n")


def test_a_missing_file_is_not_called_a_folder(tmp_path: Path) -> None:
    (tmp_path / "some pictures").mkdir()
    for name, told, advice in (
        ("nope.png", "there is no file", "name image files that are there"),
        ("some pictures", "is a folder", "name the files in it: '"),
    ):
        with pytest.raises(errors.UsageError, match=told) as refused:
            translate._plan([str(tmp_path / name)], tmp_path / "out", 1)
        assert refused.value.advice.startswith(advice)
