"""What is said of a long wait where no terminal shows a line that changes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pixd.cli.terminal import Progress, bar


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("pixd.cli.terminal.time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_without_a_terminal_a_line_comes_now_and_then_and_with_each_phase(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    progress = Progress(every_s=60)
    progress.show("waiting, 0 s", phase="waiting")
    clock[0] += 59
    progress.show("waiting, 59 s", phase="waiting")
    clock[0] += 1
    progress.show("waiting, 60 s", phase="waiting")
    progress.show(f"training {bar(1, 8)} step 1 of 8", phase="training")
    progress.clear()
    progress.show(f"training {bar(2, 8)} step 2 of 8", phase="training")
    assert capsys.readouterr().err.splitlines() == [
        "waiting, 0 s",
        "waiting, 60 s",
        "training step 1 of 8",
    ]


def test_what_is_soon_done_and_has_no_phases_says_nothing_on_the_way(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    progress = Progress(every_s=60)
    progress.show("5 files so far")
    assert capsys.readouterr().err == ""


def test_a_progress_without_a_time_is_for_terminals_alone(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    progress = Progress()
    clock[0] += 1e6
    progress.show("waiting", phase="waiting")
    assert capsys.readouterr().err == ""
