"""`pixd try` where no service runs: what is asked for is kept, and the command says so."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from pixd.cli import main
from pixd.cli.commands import try_settings
from pixd.store import connection
from pixd.store.queries import sweeps
from pixd.system.errors import EXIT_NOT_RUNNING, EXIT_OK
from tests.support.trained_folder import Folder

KEPT = "they stay asked for: `pixd run` trains them"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with pairs in its store, and no service."""
    monkeypatch.setattr(try_settings, "ABSENT_S", 0.0)
    Folder(tmp_path).store.close()
    (tmp_path / "config.yaml").write_text(
        "store: store\npipelines: {p: {training: t, input: i, output: o}}\n"
    )
    return tmp_path


def tried(project: Path, *words: str) -> int:
    return main.main(["--config", str(project / "config.yaml"), "try", *words])


def asked_for(project: Path) -> int:
    """Return how many variants are still to be trained."""
    with contextlib.closing(connection.open_reader(project / "store")) as reader:
        sweep = sweeps.under_way(reader, "p")
        return len(sweep.left) if sweep else 0


def test_who_waits_is_told_that_nobody_trains_and_that_nothing_need_be_asked_again(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tried(project, "--set", "train.ngf=8,16") == EXIT_NOT_RUNNING
    said = capsys.readouterr().err
    assert "0 of 2 variants are trained, and no service runs" in said
    assert KEPT in said
    assert asked_for(project) == 2
    assert tried(project) == EXIT_NOT_RUNNING
    assert tried(project, "--stop") == EXIT_OK
    assert asked_for(project) == 0


def test_who_does_not_wait_has_asked_and_is_told_the_same(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tried(project, "--set", "train.ngf=8", "--no-wait") == EXIT_OK
    told = capsys.readouterr()
    assert told.out == "1 variant asked for: the service trains, and makes none live\n"
    assert KEPT in told.err
    assert asked_for(project) == 1
