"""When a training begins from the live model, with how many steps, and why not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pixd.config import PipelineSettings, TrainSettings
from pixd.store.edges import Edge
from pixd.store.opening import open_store
from pixd.store.queries import lineage
from pixd.store.runs import run_key
from pixd.store.states import RunState
from pixd.store.store import Store
from pixd.system.digests import canonical_json, digest_of
from pixd.training import recipe as recipes
from pixd.training import snapshot, warm_start
from pixd.training.dataset import pairs, sides
from pixd.training.dataset import split as kinship
from tests.support.commits import record

SETTINGS = PipelineSettings(name="p", training=Path("t"), input=Path("i"), output=Path("o"))
RECIPE = recipes.train_recipe(SETTINGS, "float32")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path / "store")
    record(store, store.history.repo_id("p", "training"), {"a": b"x"}, [])
    yield store
    store.close()


def made(*numbers: int) -> list[pairs.Pair]:
    names = [f"{number}.png" for number in numbers]
    files = [(name, digest_of(name.encode())) for name in names]
    return list(pairs.pair_up("side-by-side", files).pairs)


def trained_on(plan: list[pairs.Pair], store: Store, *, share: float = 0.1) -> str:
    """Write a live model that was trained on `plan`, and its last checkpoint."""
    sides = kinship.split(plan, share, {})[:2]
    listing = {
        name: [[pair.name, [list(file) for file in pair.files]] for pair in side]
        for name, side in zip(("train", "held_out"), sides, strict=True)
    }
    listed = store.objects.add(canonical_json(listing).encode())
    export = store.objects.add(b"model of " + listed.digest.encode())
    store.objects.flush()
    recipe = store.runs.add_recipe("train", RECIPE)
    key = run_key("train", recipes.TRAIN_REVISION, recipe, [pairs.dataset_digest(plan)])
    with store.transaction():
        store.history.add_objects([listed, export], "application/json")
        run = store.runs.queue(
            "p", "train", key, change_id="c", recipe=recipe, reason="", state=RunState.RUNNING,
            inputs=[Edge("pairs", "pairs", listed.digest)],
        )  # fmt: skip
        store.runs.move(run, (RunState.RUNNING,), RunState.SUCCEEDED)
        version = store.db.execute('SELECT version FROM "commit"').fetchone()[0]
        model = store.models.add(
            "p", export.digest, train_run=run, export_run=run, version=version, commit_seq=1,
            steps=1, metrics={}, verdict='{"promote": true, "why": ""}',
        )  # fmt: skip
        store.models.promote(model, who="test", why="", change_id="c")
    folder = warm_start.checkpoints_of(store.db.conn, store.folder, run)
    (folder / "step-00000100").mkdir(parents=True)
    return export.digest


def chosen(
    store: Store, plan: list[pairs.Pair], settings: PipelineSettings = SETTINGS
) -> warm_start.WarmStart | str:
    recipe = recipes.train_recipe(settings, "float32")
    split = kinship.split(plan, settings.train.validation, {})
    return warm_start.choose(store.db.conn, store.folder, settings, recipe, split)


def test_a_tenth_of_new_pairs_begins_from_the_live_model_with_a_quarter_of_the_steps(
    store: Store,
) -> None:
    digest = trained_on(made(*range(360)), store)
    begin = chosen(store, made(*range(400)))
    assert isinstance(begin, warm_start.WarmStart)
    assert (begin.model, begin.digest, begin.steps) == ("model@1", digest, 0.25)
    assert begin.told == "goes on from model@1 with 25% of the steps"


def test_one_new_pair_still_gets_a_tenth_of_the_steps(store: Store) -> None:
    trained_on(made(*range(400)), store)
    begin = chosen(store, made(*range(401)))
    assert isinstance(begin, warm_start.WarmStart)
    assert begin.steps == 0.1


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        (range(1, 101), "taken away"),
        (range(140), "40 of 140 pairs are new"),
        (range(100), ""),
    ],
)
def test_whatever_is_more_than_some_added_pairs_starts_from_scratch(
    store: Store, plan: range, why: str
) -> None:
    trained_on(made(*range(100)), store)
    begin = chosen(store, made(*plan))
    assert isinstance(begin, str)
    assert why in begin
    assert bool(why) == bool(begin)


def test_no_pair_that_was_trained_on_becomes_one_to_judge_by(store: Store) -> None:
    few = made(*range(9))  # none held out: they are too few
    trained_on(few, store)
    more = made(*range(11))
    held_out = {pair.digest for pair in kinship.split(more, 0.1, {})[1]}
    crossing = held_out & {pair.digest for pair in few}
    begin = chosen(store, more)
    assert isinstance(begin, str) == bool(crossing)
    assert crossing, "choose other numbers: this test must meet the case"
    assert "held out from now on" in str(begin)


def test_changed_settings_start_from_scratch(store: Store) -> None:
    trained_on(made(*range(100)), store)
    changed = replace(SETTINGS, train=replace(SETTINGS.train, l1_weight=50.0))
    assert chosen(store, made(*range(101)), changed) == ""


def test_never_means_never(store: Store) -> None:
    trained_on(made(*range(100)), store)
    never = replace(SETTINGS, train=TrainSettings(warm_start="never"))
    assert chosen(store, made(*range(101)), never) == ""


def test_a_training_state_that_is_gone_is_said(store: Store) -> None:
    trained_on(made(*range(100)), store)
    shutil.rmtree(next(store.checkpoints.iterdir()))
    assert "training state of model@1 is not kept" in str(chosen(store, made(*range(101))))


def test_two_beginnings_never_share_checkpoints(tmp_path: Path) -> None:
    folders = {
        warm_start.checkpoints_folder(tmp_path, "sha256:" + "k" * 64, begun_from)
        for begun_from in ("", "sha256:" + "a" * 64, "sha256:" + "b" * 64)
    }
    assert len(folders) == 3


def test_the_state_of_the_live_model_outlives_others(store: Store) -> None:
    trained_on(made(*range(100)), store)
    trained_on(made(*range(101)), store)
    trained_on(made(*range(102)), store)
    assert len(list(store.checkpoints.iterdir())) == 3
    warm_start.drop_what_none_begins_from(store, "p", newest=2)
    assert len(list(store.checkpoints.iterdir())) == 2  # the newest one's and the live one's
    assert isinstance(chosen(store, made(*range(103))), warm_start.WarmStart)


def cut_off(store: Store, key: str, pipeline: str = "p", *, of_sweep: int = 0) -> Path:
    """Write a training that ended before its last step, and its checkpoint."""
    recipe = store.runs.add_recipe("train", RECIPE)
    with store.transaction():
        run = store.runs.queue(
            pipeline, "train", key, change_id="c", recipe=recipe, reason="", inputs=[],
            state=RunState.RUNNING,
        )  # fmt: skip
        store.runs.move(run, (RunState.RUNNING,), RunState.CANCELLED)
        if of_sweep:
            store.sweeps.note_run(run, of_sweep, 1)
    folder = warm_start.checkpoints_of(store.db.conn, store.folder, run)
    (folder / "step-00000100").mkdir(parents=True, exist_ok=True)
    return folder


def sweep(store: Store) -> int:
    recipe = store.runs.add_recipe("train", RECIPE)
    with store.transaction():
        return store.sweeps.add("p", [({}, recipe)], who="ada", change_id="c")


def test_a_training_that_was_cut_off_is_kept_until_another_one_has_finished(store: Store) -> None:
    of_another_sweep = cut_off(store, "sha256:one", of_sweep=sweep(store))
    last_asked = cut_off(store, "sha256:two", of_sweep=sweep(store))
    mine = cut_off(store, "sha256:three")
    shared = cut_off(store, "sha256:four")
    assert cut_off(store, "sha256:four", "q") == shared
    trained_on(made(*range(100)), store)
    newest = store.db.execute("SELECT max(id) FROM run").fetchone()[0]
    later = cut_off(store, "sha256:five")
    every = {*store.checkpoints.iterdir()}

    warm_start.drop_what_none_begins_from(store, "p", newest, is_variant=True)
    assert {*store.checkpoints.iterdir()} == every
    warm_start.drop_what_none_begins_from(store, "p", newest)
    assert {*store.checkpoints.iterdir()} == every - {of_another_sweep, mine}
    assert last_asked.exists()
    assert later.exists()


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_lost_list_of_the_live_models_pairs_means_from_scratch(
    store: Store, *, is_gone: bool
) -> None:
    trained_on(made(*range(40)), store)
    listing = lineage.object_path(store.folder, lineage.listing_digest(store.db.conn, 1))
    listing.unlink()
    if not is_gone:
        listing.write_bytes(b"[damaged")
    sides.split_of_listing.cache_clear()
    told = chosen(store, made(*range(41)))
    assert isinstance(told, str)
    assert told.startswith("from scratch, because the list of the pairs of model@1 cannot be read")
    listed = snapshot.listing_of(made(*range(41)))
    changes = snapshot.changes_since_live(store.db.conn, store.folder, "p", RECIPE, listed)
    assert changes == ["nobody can tell which pairs changed"]
    assert warm_start.held_out_before(store.db.conn, store.folder, 1) == frozenset()
