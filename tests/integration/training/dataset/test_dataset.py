"""The training folder as a set, in a real store with the real inspector: sides, findings, old stores."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from PIL import Image

from pixd.answers import status
from pixd.config.load import load
from pixd.folders import scan
from pixd.folders.intake import Intake
from pixd.service import recall
from pixd.store import connection
from pixd.store.opening import open_store
from pixd.store.queries.training_set import kin_of, learned_of
from pixd.system.children.spawner import LocalSpawner
from pixd.system.digests import digest_of
from pixd.training.dataset import folder_check, pairs
from pixd.training.dataset import split as kinship
from pixd.training.dataset.dataset import Dataset
from pixd.training.dataset.finding import Setting
from pixd.training.dataset.inspector import inspector
from tests.support.commits import record
from tests.support.training_folder import CONFIG, jpeg, pair, png


class Set:
    """A training folder's repo, followed as the service does."""

    def __init__(self, folder: Path) -> None:
        (folder / "config.yaml").write_text(CONFIG)
        self.folder = folder
        self.settings = load(folder / "config.yaml")
        self.store = open_store(self.settings.store)
        (self.store.folder / "logs").mkdir(exist_ok=True)
        self.begin()

    def begin(self) -> None:
        """Start to follow it, as a service that has just started."""
        (self.pipeline,) = self.settings.pipelines
        self.repo = self.store.history.repo_id("p", "training")
        self.intake = SimpleNamespace(repo_id=self.repo, revision=0)
        self.inspector = inspector(
            self.store.scratch / "inspect",
            self.store.folder / "logs" / "inspect.log",
            spawner=LocalSpawner(),
            idle_s=60,
            answer_within_s=60,
        )
        self.dataset = Dataset(
            self.store, self.pipeline, cast("Intake", self.intake), self.inspector
        )

    def add(self, **files: bytes) -> None:
        record(self.store, self.repo, files, [])
        self.plan()

    def plan(self) -> kinship.Split:
        """Take steps until the set is paired up and has its sides."""
        self.intake.revision += 1
        ends_at = time.monotonic() + 120
        while True:
            now = time.monotonic()
            assert now < ends_at, self.inspector.trouble
            self.dataset.step(now)
            if self.dataset.plan is not None:
                return self.dataset.split
            self.inspector.step(now)
            for answer in self.inspector.collect():
                self.dataset.hear(answer, now)
            time.sleep(0.005)  # the inspector has need of the core

    def side(self, name: str) -> str:
        split = self.dataset.split
        return next(
            which
            for which, side in zip(split._fields, split, strict=True)
            if name in {one.name for one in side}
        )

    def found(self) -> Any:
        part = status.snapshot(self.settings)["pipelines"]["p"]["training"]
        return part["findings"]

    def close(self) -> None:
        self.inspector.stop()
        self.store.close()


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[Set]:
    one = Set(tmp_path)
    one.add(**{f"{n:03d}": png(pair(n)) for n in range(14)})
    yield one
    one.close()


def of_the_other_side(followed: Set, name: str, number: int) -> bytes:
    """Return the picture of a pair saved anew, with bytes that alone would be on the other side."""
    is_held = followed.side(name) == "held_out"
    for quality in range(60, 96):
        data = jpeg(pair(number), quality)
        digest = pairs.digest_of_files([digest_of(data)])
        if pairs.is_held_out(digest, 0.3) != is_held:
            return data
    raise AssertionError("no quality gives such bytes")


def test_a_pair_saved_anew_goes_to_the_side_of_the_one_that_was_there(followed: Set) -> None:
    sides = {f"{n:03d}": followed.side(f"{n:03d}") for n in range(14)}
    chosen = {side: int(next(n for n in sides if sides[n] == side)) for side in sides.values()}
    assert chosen.keys() == {"train", "held_out"}, "choose other numbers: both must be met"
    for side, number in chosen.items():
        data = of_the_other_side(followed, f"{number:03d}", number)
        followed.add(**{f"again-{number}": data})
        assert followed.side(f"again-{number}") == side
    assert {name: followed.side(name) for name in sides} == sides
    assert len(followed.dataset.key_inputs) == 2  # the sides are in the key: they are not plain


def test_sides_are_the_same_after_a_restart_and_nothing_is_looked_at_again(followed: Set) -> None:
    followed.add(again=of_the_other_side(followed, "000", 0))
    before, key = followed.dataset.split, followed.dataset.key_inputs
    followed.inspector.stop()
    followed.begin()
    assert followed.plan() == before
    assert followed.dataset.key_inputs == key
    assert followed.inspector.worker is None  # it was not even started


def test_status_has_what_is_wrong_as_of_the_last_commit(followed: Set) -> None:
    assert followed.found()["wrong"] == 0
    followed.add(swapped=png(pair(20, swapped=True)))
    found = followed.found()
    assert found["wrong"] == 1
    assert found["worst"].endswith("such as swapped")
    followed.add(notes=b"no picture at all", narrow=png(Image.new("RGB", (10, 40))))
    assert followed.found()["wrong"] == 3
    record(followed.store, followed.repo, {}, ["swapped", "notes", "narrow"])
    followed.plan()
    assert followed.found()["wrong"] == 0


def test_check_training_finds_what_the_service_finds(followed: Set) -> None:
    """Of every kind that a file can be wrong in, also a file that is not even read."""
    folder = followed.pipeline.training
    folder.mkdir()
    (folder / "link").symlink_to("elsewhere")
    files = {
        **{f"{n:03d}": png(pair(n)) for n in range(14)},
        "again": jpeg(pair(3), 70), "copy": png(pair(4)), "swapped": png(pair(20, swapped=True)),
        "notes": b"no picture at all", "narrow": png(Image.new("RGB", (10, 40))),
        "blank": png(Image.new("RGB", (128, 64))),
    }  # fmt: skip
    for name, data in files.items():
        (folder / name).write_bytes(data)
    checked = folder_check.check(folder, Setting.of(followed.pipeline), LocalSpawner())
    followed.store.working.refuse(followed.repo, dict(scan.scan(folder).special))
    followed.add(**{name: data for name, data in files.items() if not name.isdigit()})
    (body,) = followed.store.db.execute("SELECT body FROM care").fetchone()
    kept = json.loads(body)
    assert [one.told() for one in checked.judgement.findings] == [
        {**one, "groups": [list(group) for group in one["groups"]]} for one in kept["findings"]
    ]
    assert {one["kind"] for one in kept["findings"]} >= {"unusable", "aspect", "copy", "alike"}
    assert any("link" in name for one in kept["findings"] for (name, *_) in one["groups"])
    assert list(checked.judgement.notes) == kept["notes"]


def test_a_store_from_before_is_completed_and_its_pairs_keep_their_sides(followed: Set) -> None:
    before, key = followed.dataset.split, followed.dataset.key_inputs
    assert key == [pairs.dataset_digest(before.used)]  # as it was before there was kinship
    followed.close()
    database = sqlite3.connect(followed.store.folder / connection.DATABASE)
    for table in ("measure", "kin", "care"):
        database.execute(f"DROP TABLE {table}")
    database.execute("DELETE FROM _sqlite_migrations WHERE name = 'm006_care'")
    database.commit()
    database.close()
    followed.store = open_store(followed.settings.store)
    followed.begin()
    decided = followed.store.db.execute("SELECT count(*) FROM verdict").fetchone()[0]
    assert decided == 14
    assert followed.plan() == before
    assert followed.dataset.key_inputs == key
    assert followed.store.db.execute("SELECT count(*) FROM measure").fetchone()[0] == 14
    assert len(kin_of(followed.store.db.conn, "p", "side-by-side")) == 14


def test_what_was_measured_of_a_recalled_picture_is_forgotten(followed: Set) -> None:
    digest = followed.store.working.head(followed.repo)["003"].digest
    recall.apply(followed.store, followed.pipeline, digest, "003", "ada")
    asked = "SELECT count(*) FROM measure WHERE digest = ?"
    assert followed.store.db.execute(asked, (digest,)).fetchone()[0] == 0
    followed.begin()
    split = followed.plan()
    assert len(split.used) == 13
    followed.add(new=png(pair(30)))  # placed beside a pair whose measures are gone
    assert len(followed.dataset.split.used) == 14


def test_dark_pictures_that_an_earlier_pixd_measured_are_looked_at_again(tmp_path: Path) -> None:
    """Only these, since their values may say why they are dark; nobody is turned out by it."""
    one = Set(tmp_path)
    labels = Image.new("RGB", (128, 64), "white")
    for place in range(12):
        labels.paste((place, place, place), (5 * place, 0, 64, 64))
    photos = {f"{n:03d}": png(pair(n)) for n in range(2)}
    dark = {f"dark-{n}": png(_beside(labels, pair(n).crop((64, 0, 128, 64)))) for n in range(2)}
    one.add(**photos, **dark)
    before = one.dataset.split
    one.close()
    database = sqlite3.connect(one.store.folder / connection.DATABASE)
    database.execute("UPDATE measure SET body = json_remove(body, '$[0].values', '$[1].values')")
    database.execute("DELETE FROM care")
    database.commit()
    database.close()
    (one.store.folder / "logs" / "inspect.log").unlink(missing_ok=True)
    one.store = open_store(one.settings.store)
    one.begin()
    assert one.plan() == before
    rows = one.store.db.execute("SELECT body LIKE '%\"values\"%' FROM measure").fetchall()
    assert sorted(row[0] for row in rows) == [0, 0, 1, 1]
    assert "class ids?" in one.found()["worst"]
    again = one.store.db.execute("SELECT count(*) FROM measure").fetchone()[0]
    assert again == 4
    one.close()


def _beside(left: Image.Image, right: Image.Image) -> Image.Image:
    both = left.copy()
    both.paste(right, (64, 0))
    return both


def test_the_values_of_the_inputs_are_kept_with_the_findings(followed: Set) -> None:
    learned = learned_of(followed.store.db.conn, "p")
    assert learned is not None
    assert (learned["bits"], learned["labels"], learned["white"]) == (8, False, 65535)
    assert learned["high"] > 200
    assert learned_of(followed.store.db.conn, "q") is None
