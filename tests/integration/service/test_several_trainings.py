"""How much trains at the same time, pipelines and variants: as much as the engine lets, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.conftest import WaitUntil
from tests.faults.stubbed import Stubbed
from tests.support.tiny import pair

NAMES = ("a", "b", "c")


def three_pipelines(folder: Path, *, are_alike: bool = False) -> Stubbed:
    """Return pipelines with three pairs each, their own or the same ones."""
    stubbed = Stubbed(folder)
    tree = yaml.safe_load((folder / "config.yaml").read_text())
    common = tree["pipelines"].pop("tiny")
    for first, name in zip((0, 0, 0) if are_alike else (0, 3, 6), NAMES, strict=True):
        folders = {kind: f"./{name}/{kind}" for kind in ("training", "input", "output")}
        tree["pipelines"][name] = {**common, **folders}
        for kind in folders.values():
            (folder / kind).mkdir(parents=True)
        for number in range(first, first + 3):
            pair(number).save(folder / name / "training" / f"{number}.png")
    (folder / "config.yaml").write_text(yaml.safe_dump(tree))
    return stubbed


def most_at_once(stubbed: Stubbed, count: int = len(NAMES)) -> int:
    """Return how many of `count` trainings overlapped."""
    spans = stubbed.ask(
        "SELECT started_at, finished_at FROM run WHERE kind = 'train' AND state = 'succeeded'"
    )
    assert len(spans) == count, stubbed.log()
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


def test_the_same_training_is_not_made_twice_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    """Two of them would write the same checkpoints; one after the other, the second makes no step."""
    stubbed = three_pipelines(tmp_path / "three", are_alike=True)
    monkeypatch.setenv("PIXD_STUB_TRAIN_S", "1")
    monkeypatch.setenv("PIXD_STUB_TRAININGS", "3")
    stubbed.spawn()
    waiting = " trains on the same pairs with the same settings"
    try:
        wait_until(lambda: waiting in stubbed.pixd("status").stdout)
        wait_until(lambda: stubbed.ask("SELECT count(*) FROM model") == [(3,)])
    finally:
        stubbed.stop()
    assert most_at_once(stubbed) == 1
    assert len(set(stubbed.ask("SELECT key FROM run WHERE kind = 'train'"))) == 1
    assert len(set(stubbed.ask("SELECT digest FROM model"))) == 1


@pytest.mark.parametrize("allowed", [1, 2])
def test_so_many_variants_are_trained_side_by_side_as_the_engine_lets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    stubbed = Stubbed(tmp_path / "one")
    for number in range(3):
        pair(number).save(stubbed.folder / "training" / f"{number}.png")
    assert stubbed.run("run", "--once") == 0, stubbed.log()
    monkeypatch.setenv("PIXD_STUB_TRAIN_S", "1")
    monkeypatch.setenv("PIXD_STUB_TRAININGS", str(allowed))
    stubbed.run("try", "--set", "train.ngf=8,16,32", "--no-open")
    assert stubbed.run("run", "--once") == 0, stubbed.log()
    assert most_at_once(stubbed, 4) == allowed
    made = stubbed.ask("SELECT number, model FROM variant ORDER BY number")
    assert [number for number, _ in made] == [1, 2, 3]
    assert sorted(model for _, model in made) == [2, 3, 4]
    assert stubbed.ask("SELECT ended_at IS NOT NULL FROM sweep") == [(1,)]
    assert list((stubbed.folder / "store" / "previews").iterdir()) == []


def test_pairs_of_another_pipeline_go_before_the_next_variant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    stubbed = three_pipelines(tmp_path / "three")
    waiting = stubbed.folder / "b" / "training", stubbed.folder / "waiting"
    waiting[0].rename(waiting[1])
    waiting[0].mkdir()
    assert stubbed.run("run", "--once") == 0, stubbed.log()
    monkeypatch.setenv("PIXD_STUB_TRAIN_S", "2")
    stubbed.run("try", "-p", "a", "--set", "train.ngf=8,16,32,64", "--no-open")
    stubbed.spawn()
    variants = "SELECT count(*) FROM variant_run"
    try:
        wait_until(lambda: stubbed.ask(variants) == [(1,)])
        for path in waiting[1].iterdir():
            path.rename(waiting[0] / path.name)
        wait_until(lambda: stubbed.ask("SELECT count(*) FROM model WHERE pipeline = 'b'") == [(1,)])
        assert stubbed.ask(variants)[0][0] <= 3  # one may have begun before b's folder was still
    finally:
        stubbed.stop()
