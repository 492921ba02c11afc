"""How many pipelines train at the same time: as many as the engine lets, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.faults.stubbed import Stubbed
from tests.support.tiny import pair

NAMES = ("a", "b", "c")


def three_pipelines(folder: Path) -> Stubbed:
    """Return pipelines with pairs each, whose trainings take a second."""
    stubbed = Stubbed(folder)
    tree = yaml.safe_load((folder / "config.yaml").read_text())
    common = tree["pipelines"].pop("tiny")
    for name in NAMES:
        folders = {kind: f"./{name}/{kind}" for kind in ("training", "input", "output")}
        tree["pipelines"][name] = {**common, **folders}
        for kind in folders.values():
            (folder / kind).mkdir(parents=True)
        for number in range(3):
            pair(number).save(folder / name / "training" / f"{number}.png")
    (folder / "config.yaml").write_text(yaml.safe_dump(tree))
    return stubbed


def most_at_once(stubbed: Stubbed) -> int:
    """Return how many trainings overlapped."""
    spans = stubbed.ask(
        "SELECT started_at, finished_at FROM run WHERE kind = 'train' AND state = 'succeeded'"
    )
    assert len(spans) == len(NAMES), stubbed.log()
    return max(int(sum(began <= at < ended for began, ended in spans)) for at, _ in spans)


@pytest.mark.parametrize("allowed", [1, 2])
def test_so_many_train_as_the_engine_lets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    stubbed = three_pipelines(tmp_path / "three")
    monkeypatch.setenv("PIXD_STUB_TRAIN_S", "1")
    monkeypatch.setenv("PIXD_STUB_TRAININGS", str(allowed))
    assert stubbed.run("run", "--once") == 0, stubbed.log()
    assert most_at_once(stubbed) == allowed
