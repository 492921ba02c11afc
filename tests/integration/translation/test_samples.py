"""Several outputs of one input, through the real store, stage and folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pixd.answers import why
from pixd.store import connection
from pixd.store.queries import files, status
from pixd.store.states import FileState
from pixd.system import crash_points
from pixd.system.children.warm_worker import Answer
from pixd.system.digests import digest_of
from pixd.system.errors import PixdError
from pixd.translation import translator, withdrawing
from pixd.translation.output_place import OutputPlace
from tests.support.store_world import InProcessTranslator, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    put(world, "training", a=b"pairs")
    world.start_training("p", 0)
    world.finish_training("p", 0)
    yield world
    world.close()


def put(world: World, kind: str, **files: bytes) -> None:
    """Make these the only files of a folder, and record them."""
    root = world.watched("p", kind)
    for left in root.iterdir():
        left.unlink()
    for name, data in files.items():
        (root / f"{name}.png").write_bytes(data)
    world.record("p", kind)


def ask_for(world: World, samples: int, **keep: Any) -> None:
    """Restart under another number of samples."""
    first, *others = world.settings.pipelines
    first = replace(first, sample=True, samples=samples, keep=replace(first.keep, **keep))
    world.settings = replace(world.settings, pipelines=(first, *others))
    world.restart()


def outputs(world: World) -> list[str]:
    return sorted(name for pipeline, name in world.output_files() if pipeline == "p")


def counts(world: World) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many inputs, and how many outputs, are in which state."""
    conn = world.store.db.conn
    inputs = {str(k): v for k, v in status.repo(conn, "p", "input").states.items()}
    return inputs, {str(k): v for k, v in status.outputs(conn, "p").items() if v}


def runs(world: World) -> int:
    (row,) = world.store.db.query("SELECT count(*) AS n FROM run WHERE kind = 'translate'")
    return int(row["n"])


def said(world: World, kind: str, name: str) -> str:
    reader = connection.open_reader(world.settings.store)
    found = why.of_file(reader, world.settings.store, world.pipeline("p"), kind, name)
    reader.close()
    return "\n".join(found["why"])


def due_now(world: World) -> int:
    """Return how many inputs lack an output, as `pixd plan` counts them."""
    pipeline, live = world.pipeline("p"), world.store.models.live("p")
    assert live is not None
    recipes = translator.prepare(world.store, world.settings, pipeline, live).recipes
    repo = world.repo("p", "input")
    return files.stale_inputs(world.store.db.conn, "p", repo, live.digest, recipes).inputs


def test_every_input_has_its_samples_and_the_counts_add_up(world: World) -> None:
    ask_for(world, 3)
    put(world, "input", a=b"one", b=b"two")
    world.translate("p")
    assert outputs(world) == [f"{name}.{n}.png" for name in "ab" for n in (1, 2, 3)]
    assert len(set(world.output_files().values())) == 6
    assert counts(world) == ({"translated": 2}, {"current": 6})
    assert runs(world) == 6
    assert due_now(world) == 0
    assert "output/a.2.png: made from input/a.png by model@1 in run@" in said(
        world, "input", "a.png"
    )
    assert said(world, "output", "a.2.png").startswith("made from input/a.png by model@1")
    assert " as sample 2" in said(world, "output", "a.2.png")
    # Nothing is due again after a restart, and a second name of the same content takes no work.
    world.restart()
    put(world, "input", a=b"one", b=b"two", c=b"one")
    world.translate("p")
    assert runs(world) == 6
    assert world.output_files()["p", "c.3.png"] == world.output_files()["p", "a.3.png"]


def test_more_samples_make_the_new_ones_alone(world: World) -> None:
    ask_for(world, 1)
    put(world, "input", a=b"one")
    world.translate("p")
    lone = world.output_files()["p", "a.png"]
    ask_for(world, 3)
    assert due_now(world) == 1
    world.translate("p")
    assert runs(world) == 3
    assert world.output_files()["p", "a.1.png"] == lone
    # The old name stays, as an output does that nothing asks for any more.
    assert outputs(world) == ["a.1.png", "a.2.png", "a.3.png", "a.png"]
    assert counts(world) == ({"translated": 1}, {"current": 3, "orphaned": 1})
    assert "outputs of other names now, with samples: 3" in said(world, "output", "a.png")

    # Fewer: no work, and what is too many is orphaned.
    ask_for(world, 1)
    assert due_now(world) == 1
    world.translate("p")
    assert runs(world) == 3
    assert counts(world)[1] == {"superseded": 1, "current": 1, "orphaned": 3}
    ask_for(world, 2)
    world.translate("p")
    assert runs(world) == 3
    assert counts(world)[1]["current"] == 2


def test_names_that_are_not_asked_for_go_where_orphans_may_not_stay(world: World) -> None:
    ask_for(world, 3, orphans=False)
    put(world, "input", a=b"one", b=b"two")
    world.translate("p")
    (world.folder / "output" / "p" / "b.2.png").write_bytes(b"retouched")
    ask_for(world, 1)
    for _ in range(2):
        world.translate("p")
        withdrawing.withdraw_orphans(world.store, world.pipeline("p"), world.repo("p", "input"))
    assert outputs(world) == ["a.png", "b.2.png", "b.png"]
    assert counts(world)[0] == {"translated": 2}
    assert "`keep.orphans` is false" in said(world, "output", "a.3.png")


def test_a_deleted_sample_comes_back_alone(world: World) -> None:
    ask_for(world, 3)
    put(world, "input", a=b"one")
    world.translate("p")
    before = world.output_files()
    (world.folder / "output" / "p" / "a.2.png").unlink()
    world.translate("p")
    assert world.output_files() == before
    assert runs(world) == 3
    assert counts(world) == ({"translated": 1}, {"current": 3, "superseded": 1})


def edit_a_sample(world: World) -> Path:
    """Retouch the second output of an input, and have a new model; return the file."""
    ask_for(world, 2)
    put(world, "input", a=b"one")
    world.translate("p")
    edited = world.folder / "output" / "p" / "a.2.png"
    edited.write_bytes(b"retouched")
    put(world, "training", a=b"other pairs")
    world.start_training("p", 0)
    world.finish_training("p", 0)
    world.translate("p")
    assert edited.read_bytes() == b"retouched"
    return edited


def test_an_edited_sample_is_kept_and_its_new_one_goes_beside_it(world: World) -> None:
    edited = edit_a_sample(world)
    assert counts(world) == ({"translated": 1}, {"current": 1, "edited": 1, "superseded": 1})
    assert "a.2.png was edited by hand" in said(world, "input", "a.png")
    done = world.perform("retry", pipeline="p", files=[["output", "a.2.png"]])
    assert done["beside"] == ["a.2.new.png"]
    assert (edited.parent / "a.2.new.png").read_bytes().endswith(b" sample 2")


@pytest.mark.parametrize("goes", ["before it is asked for", "while it is written"])
def test_beside_an_edited_sample_nothing_goes_into_the_mount_point_of_its_disk(
    world: World, monkeypatch: pytest.MonkeyPatch, goes: str
) -> None:
    folder = edit_a_sample(world).parent
    away = folder.with_name("away")
    mounts = {"/", str(folder)}
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) in mounts)
    assert OutputPlace(world.store, "p", folder).why_not() == ""  # it is remembered

    def unplug() -> None:
        folder.rename(away)
        folder.mkdir()  # the mount point, empty
        mounts.remove(str(folder))

    why_not = OutputPlace.why_not

    def asked(place: OutputPlace) -> str:
        said = why_not(place)
        unplug()
        return said

    if goes == "before it is asked for":
        unplug()
    else:
        monkeypatch.setattr(OutputPlace, "why_not", asked)
    with pytest.raises(PixdError, match=r"no disk is mounted|another folder than a moment ago"):
        world.perform("retry", pipeline="p", files=[["output", "a.2.png"]])
    assert not list(folder.iterdir())
    assert not (away / "a.2.new.png").exists()


def test_a_sample_whose_name_is_taken_waits_and_the_others_are_published(world: World) -> None:
    ask_for(world, 3)
    mine = world.folder / "output" / "p" / "a.2.png"
    mine.write_bytes(b"mine")
    (world.folder / "output" / "p" / "a.3.png").write_bytes(b"mine too")
    put(world, "input", a=b"one")
    world.translate("p")
    assert outputs(world) == ["a.1.png", "a.2.png", "a.3.png"]
    assert mine.read_bytes() == b"mine"
    found = world.store.working.find(world.repo("p", "input"), "a.png")
    assert found is not None
    assert (found.state, found.attempts) == (FileState.QUEUED, 1)
    mine.unlink()
    (mine.parent / "a.3.png").unlink()
    world.perform("retry", pipeline="p", files=[["input", "a.png"]])
    world.translate("p")
    assert counts(world) == ({"translated": 1}, {"current": 3})
    assert runs(world) == 3


def test_a_failure_of_the_translator_is_one_attempt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: InProcessTranslator, _now: float) -> None:
        for token, _ in self._asked:
            event = {"event": "failed", "reason": "no memory"}
            self._answers.append(Answer(token, event))
        self._asked.clear()

    ask_for(world, 3)
    put(world, "input", a=b"one")
    with monkeypatch.context() as patch:
        patch.setattr(InProcessTranslator, "step", fail)
        world.translate("p")
    found = world.store.working.find(world.repo("p", "input"), "a.png")
    assert found is not None
    assert (found.state, found.attempts) == (FileState.QUEUED, 1)
    states = [
        row["state"]
        for row in world.store.db.query("SELECT state FROM run WHERE kind = 'translate'")
    ]
    assert states == ["failed"] * 3


def test_a_cut_between_the_samples_leaves_the_input_due(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_for(world, 3)
    put(world, "input", a=b"one")
    left = 1

    def cut(name: str) -> None:
        nonlocal left
        if name == "after-publish":
            left -= 1
            if left == 0:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(crash_points, "crash_point", cut)
        with pytest.raises(KeyboardInterrupt):
            world.translate("p")
    (world.folder / "output" / "p" / "a.2.png").unlink()  # as if it had not come so far
    world.restart()
    assert counts(world)[0] == {"queued": 1}
    world.translate("p")
    assert counts(world) == ({"translated": 1}, {"current": 3})
    assert runs(world) == 3


def test_a_recall_takes_all_samples_and_the_surplus_with_them(world: World) -> None:
    ask_for(world, 1)
    put(world, "input", a=b"one", b=b"two")
    world.translate("p")
    ask_for(world, 2)
    world.translate("p")
    digest = digest_of(b"one")
    world.perform("recall", pipeline="p", mode="apply", digest=digest, name="a.png")
    assert outputs(world) == ["b.1.png", "b.2.png", "b.png"]
    assert world.perform("recall", pipeline="p", mode="proof", digest=digest)["outputs"] == []
    # An image that all of it learned from: no name of the old model's outputs is left behind.
    put(world, "training", a=b"other pairs")
    world.start_training("p", 0)
    world.finish_training("p", 0)
    digest = digest_of(b"pairs")
    done = world.perform("recall", pipeline="p", mode="apply", digest=digest, name="a.png")
    assert (done["replaced"], done["withdrawn"]) == (["b.1.png", "b.2.png"], ["b.png"])
    world.translate("p")
    assert outputs(world) == ["b.1.png", "b.2.png"]
    assert counts(world)[0] == {"translated": 1, "rejected": 1}


def test_inputs_of_one_output_name_are_refused_as_ever(world: World) -> None:
    ask_for(world, 2)
    root = world.watched("p", "input")
    for name in ("x.jpg", "x.jpg.png", "x.jpg.1.png"):
        (root / name).write_bytes(name.encode())
    world.record("p", "input")
    world.translate("p")
    assert outputs(world) == ["x.jpg.1.1.png", "x.jpg.1.2.png", "x.jpg.1.png", "x.jpg.2.png"]
    assert "names are those of the input x.jpg.png" in said(world, "input", "x.jpg")
    assert counts(world) == ({"translated": 2, "rejected": 1}, {"current": 4})


def test_only_a_whole_input_is_counted_as_published(world: World) -> None:
    ask_for(world, 3)
    put(world, "input", a=b"one", b=b"two")
    world.translate("p")
    tally = world.translations["p"]._tally
    assert tally.results["published"] == 2
    assert [count for _, count in tally.waits.cumulated()][-1] == 2
