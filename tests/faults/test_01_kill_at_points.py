"""Fault 1: kill -9 at every named point. Nothing lost, nothing twice, nothing cut off.

Points in the service are met by the real `pixd run` with stub children (`tests.faults.stubbed`);
points in children by the real translator and trainer.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest

import pixd
from pixd.config import PipelineSettings
from pixd.config.settings import TrainSettings
from pixd.system.children.spec import SCHEMA
from pixd.system.crash_points import CRASH_POINTS, CRASH_VARIABLE
from pixd.training import recipe
from tests.faults.conftest import Figure
from tests.faults.stubbed import ROOT, Stubbed, undisturbed
from tests.support.tiny import Tiny, pair, picture

CRASHES = 20  # at each point, at full size
KILLED = -signal.SIGKILL

# Where each point is met. A new one must be put here, and then it is tested.
WITH_AN_INPUT = (
    *("settled", "hashed", "object-written", "before-commit", "after-commit"),
    *("temp-written", "before-fsync", "after-fsync", "before-rename", "after-rename"),
    *("result-received", "before-publish", "after-publish"),
)
WITH_A_PAIR = ("before-run-row", "model-kept", "layout", "before-promotion", "after-promotion")
BY_A_COMMAND = ("trashed", "withdrawn")
AT_THE_START = ("migration",)
IN_A_TRANSLATOR = ("decode", "infer")
WITH_AN_EARLY_MODEL = ("early-kept",)
IN_A_TRAINER = ("checkpoint", "export")
IN_A_TRAINER_THAT_LEARNS = ("early-export",)  # only what is worth showing is exported


def test_every_point_is_called_and_has_its_test() -> None:
    package = Path(pixd.__file__).parent
    called: set[str] = set()
    for path in package.rglob("*.py"):
        called.update(re.findall(r'crash_point\("([^"]+)"\)', path.read_text()))
    assert called == set(CRASH_POINTS)
    tested = (
        *(*WITH_AN_INPUT, *WITH_A_PAIR, *BY_A_COMMAND),
        *(*AT_THE_START, *IN_A_TRANSLATOR, *IN_A_TRAINER),
        *(*WITH_AN_EARLY_MODEL, *IN_A_TRAINER_THAT_LEARNS),
    )
    assert sorted(tested) == sorted(CRASH_POINTS)


# -- in the service --------------------------------------------------------------------------


class Rounds:
    """One pipeline that gets new files and crashes, again and again."""

    def __init__(self, folder: Path) -> None:
        self.tiny = Stubbed(folder)
        for number in range(4):
            self.tiny.drop_pair(number)
        self.tiny.drop_input(0)
        assert self.tiny.run("run", "--once") == 0, self.tiny.log()
        self.dropped = 4
        self.crashes = 0

    def drop(self, point: str) -> None:
        self.dropped += 1
        if point in (*WITH_A_PAIR, *WITH_AN_EARLY_MODEL):  # which makes the one input due again
            self.tiny.drop_pair(self.dropped)
        else:
            self.tiny.drop_input(self.dropped)

    def crash(self, point: str, wanted: int) -> None:
        """Crash `wanted` times: at the first hit, the second and so on, as far as there are."""
        count = crashes = 0
        while crashes < wanted:
            count += 1
            self.drop(point)
            code = self.tiny.run("run", "--once", crash_at=f"{point}:{count}")
            if code == KILLED:
                crashes += 1
                assert not self.tiny.truncated(), point
            else:
                assert code == 0, self.tiny.log()
                assert count > 1, f"{point} is never met"
                count = 0
        self.crashes += crashes

    def end(self, control: Path) -> None:
        """Run to the end in peace, and compare with a pipeline that was never disturbed."""
        assert self.tiny.run("run", "--once") == 0, self.tiny.log()
        assert self.tiny.blemishes() == []
        assert self.tiny.state() == undisturbed(self.tiny, control)


def crash_at_each(points: Iterable[str], times: int, folder: Path) -> int:
    """Crash `times` times at each point, in one store for each if there are many."""
    crashes = 0
    rounds: Rounds | None = None
    for point in points:
        rounds = rounds or Rounds(folder / point)
        rounds.crash(point, times)
        if times > 1:
            rounds.end(folder / f"{point}-control")
            crashes, rounds = crashes + rounds.crashes, None
    if rounds:
        rounds.end(folder / "control")
        crashes += rounds.crashes
    return crashes


@pytest.mark.timeout(900)
def test_a_service_killed_anywhere_loses_nothing_and_does_nothing_twice(
    tmp_path: Path, figure: Figure, *, is_full_size: bool
) -> None:
    points = (*WITH_AN_INPUT, *WITH_A_PAIR)
    times = CRASHES if is_full_size else 1
    with ThreadPoolExecutor(2) as pool:  # the work is in the processes that it starts
        halves = [
            pool.submit(crash_at_each, points[half::2], times, tmp_path / str(half))
            for half in (0, 1)
        ]
        crashes = sum(half.result() for half in halves)
    figure(
        1,
        "kill -9 at every point of the service",
        pixd=f"{crashes} kills at {len(points)} points: 0 lost, 0 twice, 0 cut off, store intact",
        bar=f"{times} at each, the state of an undisturbed run",
        met=crashes == times * len(points),
    )


@pytest.mark.timeout(900)
def test_an_early_model_whose_taking_was_cut_off_is_taken_once(
    tmp_path: Path, figure: Figure, monkeypatch: pytest.MonkeyPatch, *, is_full_size: bool
) -> None:
    monkeypatch.setenv("PIXD_STUB_EARLY", "1")
    rounds = Rounds(tmp_path / "tiny")
    times = CRASHES if is_full_size else 1
    for point in WITH_AN_EARLY_MODEL:
        rounds.crash(point, times)
    rounds.end(tmp_path / "control")
    early = "SELECT count(*), count(DISTINCT key) FROM model JOIN run ON run.id = train_run"
    ((given, trainings),) = rounds.tiny.rows(f"{early} WHERE early_of > 0")
    assert given == trainings > 1
    figure(
        1.6,
        "kill -9 while an early model is taken",
        pixd=f"{times} kills: each taken once, the state of an undisturbed run",
        bar="the same",
    )


# -- in commands and migrations --------------------------------------------------------------


def crash_in_gc(tiny: Stubbed, number: int) -> int:
    for content in (number, number + 100):  # the first becomes garbage; pictures repeat after 256
        picture(content).save(tiny.folder / "changes.png")
        (tiny.folder / "changes.png").rename(tiny.folder / "input" / "changes.png")
        assert tiny.run("run", "--once") == 0, tiny.log()
    return tiny.run("gc", "--apply", crash_at="trashed")


def crash_in_recall(tiny: Stubbed, number: int) -> int:
    names = [f"in-{number:04d}.png", f"twin-{number:04d}.png"]  # two outputs of one content
    for name in names:
        picture(number).save(tiny.folder / "input" / name)
    assert tiny.run("run", "--once") == 0, tiny.log()
    code = tiny.run("recall", f"input/{names[0]}", "--yes", crash_at="withdrawn")
    assert tiny.run("run", "--once") == 0, tiny.log()
    assert not set(names) & set(tiny.outputs())
    return code


@pytest.mark.parametrize(
    ("point", "crash"), [("trashed", crash_in_gc), ("withdrawn", crash_in_recall)]
)
def test_a_command_killed_between_row_and_file_is_finished_at_the_next_start(
    tmp_path: Path,
    figure: Figure,
    point: str,
    crash: Callable[[Stubbed, int], int],
    *,
    is_full_size: bool,
) -> None:
    rounds = Rounds(tmp_path / "tiny")
    tiny, times = rounds.tiny, CRASHES if is_full_size else 2
    for number in range(100, 100 + times):
        assert crash(tiny, number) == KILLED, tiny.log()
        assert not tiny.truncated()
    assert tiny.run("run", "--once") == 0, tiny.log()
    assert tiny.blemishes() == []
    name = "gc" if point == "trashed" else "recall"
    figure(
        1.1 if point == "trashed" else 1.2,
        f"kill -9 within pixd {name}",
        pixd=f"{times} kills: finished at the next start, store intact",
        bar="the same",
    )


def test_a_store_killed_within_its_migration_is_migrated_at_the_next_start(
    tmp_path: Path, figure: Figure, *, is_full_size: bool
) -> None:
    tiny = Stubbed(tmp_path / "tiny")
    tiny.drop_pair(0)
    times = CRASHES if is_full_size else 2
    for _ in range(times):  # the first migration and the second, in turn, of a store never made
        for count in (1, 2):
            assert tiny.run("run", "--once", crash_at=f"migration:{count}") == KILLED
            assert not (tiny.folder / "store" / "lineage.db").exists()
    tiny.drop_input(0)
    assert tiny.run("run", "--once") == 0, tiny.log()
    assert tiny.blemishes() == []
    assert tiny.state() == undisturbed(tiny, tmp_path / "control")
    figure(1.3, "kill -9 within a migration", pixd=f"{2 * times} kills: then whole", bar="the same")


# -- in the real children --------------------------------------------------------------------


def kill_translators(template: Path, folder: Path, point: str, crashes: int) -> None:
    """Have one service's translators die at their third image until all images are made."""
    shutil.copytree(template, folder, symlinks=True)
    tiny = Tiny.at(folder)
    # Each child makes two images and dies at its third, so that so many need so many children.
    images = 2 * (crashes + 1)
    tiny.inputs(range(images))
    tiny.start(PIXD_CRASH_AT=f"{point}:3")
    try:
        tiny.until(lambda part: part["input"]["translated"] == images, 540)
    finally:
        tiny.stop()
    assert tiny.runs("translate") == images
    assert len(tiny.outputs()) == images
    assert tiny.pixd("verify").returncode == 0


def kill_trainers(folder: Path, crashes: int, *, has_control: bool) -> None:
    """Have a training die at its checkpoints, then at its exports, and go on each time.

    That weights are the same after a kill is tested on its own beside the trainer, too, and so is
    a death at the export of an early model (`IN_A_TRAINER_THAT_LEARNS`).
    """
    steps = 2 * crashes + 4
    killed = Trainer(folder / "killed", steps)
    # Two checkpoints are made, and the third is cut off; the next process makes it.
    for at in ("checkpoint:3", "export:1"):
        for number in range(crashes):
            assert killed.run(at) == KILLED, f"{at}, kill {number + 1}"
    assert killed.run() == 0
    weights = killed.weights()
    if has_control:
        control = Trainer(folder / "control", steps)
        assert control.run() == 0
        assert weights == control.weights()


@pytest.mark.timeout(900)
def test_children_killed_at_their_work_lose_nothing(
    template: Path, tmp_path: Path, figure: Figure, *, is_full_size: bool
) -> None:
    crashes = CRASHES if is_full_size else 1
    points = IN_A_TRANSLATOR if is_full_size else IN_A_TRANSLATOR[:1]
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(kill_trainers, tmp_path, crashes, has_control=is_full_size)]
        jobs += [
            pool.submit(kill_translators, template, tmp_path / point, point, crashes)
            for point in points
        ]
        for job in jobs:
            job.result()
    figure(
        1.4,
        "kill -9 of the translator at decode and infer",
        pixd=f"{crashes} kills at each of {len(points)}: every image made, each once",
        bar="0 lost, 0 twice",
    )
    figure(
        1.5,
        "kill -9 of the trainer at checkpoint and export",
        pixd=f"{crashes} kills at each of {len(IN_A_TRAINER)}: the same weights in the end",
        bar="the weights of an undisturbed run",
    )


class Trainer:
    """The real training child on a run spec of its own, without a service."""

    def __init__(self, folder: Path, steps: int) -> None:
        self.folder = folder
        (folder / "scratch").mkdir(parents=True)
        images = []
        for number in range(6):
            path = folder / f"{number}.png"
            pair(number).save(path)
            images.append({"name": path.name, "images": [str(path)], "digests": [path.name]})
        pipeline = PipelineSettings(
            name="tiny",
            training=folder,
            input=folder,
            output=folder,
            image_size=32,
            train=TrainSettings(epochs=None, steps=steps, ngf=4, ndf=4),
        )
        spec = {
            "schema": SCHEMA,
            "kind": "train",
            "run_id": "1",
            "scratch": str(folder / "scratch"),
            "device": "cpu",
            "checkpoint_every_s": 3600,
            "checkpoint_every_steps": 1,
            "recipe": recipe.train_recipe(pipeline, "float32"),
            "train": images[:5],
            "held_out": images[5:],
            "live_model": None,
            "checkpoints": str(folder / "checkpoints"),
        }
        (folder / "spec.json").write_text(json.dumps(spec))

    def run(self, crash_at: str = "") -> int:
        return subprocess.run(
            [sys.executable, "-m", "pixd.pix2pix.train", str(self.folder / "spec.json")],
            env={**os.environ, "PYTHONPATH": str(ROOT), CRASH_VARIABLE: crash_at},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        ).returncode

    def weights(self) -> dict[str, bytes]:
        """Return the generator's weights by name; the file around them holds times."""
        import h5py

        model = self.folder / "scratch" / "model" / "generator.keras"
        found: dict[str, bytes] = {}

        def keep(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset):
                found[name] = item[()].tobytes()

        with zipfile.ZipFile(model) as archive:
            weights = BytesIO(archive.read("model.weights.h5"))
        with h5py.File(weights) as file:
            file.visititems(keep)
        assert found
        return found
