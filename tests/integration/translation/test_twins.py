"""Two inputs that want one output's name: x.jpg.png gets it, and x.jpg has it while it is alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pixd.folders import scan
from pixd.folders.recorder import Recorder
from pixd.folders.settle import Ready
from pixd.store.file_rows import DueInput
from pixd.translation.intents import Made
from tests.support.store_world import World

REFUSED = "its output's name x.jpg.png belongs to the input of that name: rename one of them"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    (world.watched("p", "training") / "a.png").write_bytes(b"pairs")
    world.record("p", "training")
    world.start_training("p", 0)
    world.finish_training("p", 0)
    yield world
    world.close()


def inputs(world: World, *names: str) -> None:
    """Make these the only files of the input folder, and let all be done that follows.

    Only what comes and goes is recorded, as the service does: what is done stays done.
    """
    root, store, repo = world.watched("p", "input"), world.store, world.repo("p", "input")
    known = store.working.load(repo)
    recorder = Recorder(store, "p", "input", known)
    for name in set(names) - known.keys():
        (root / name).write_bytes(f"content of {name}".encode())
        stamp = scan.scan(root).files[name]
        store.working.mark_settling(repo, [name])
        recorder.read(root, Ready(name, stamp, early=False), is_racy=False)
    for name in known.keys() - set(names):
        (root / name).unlink()
    recorder.commit(dict.fromkeys(known.keys() - set(names), ""))
    world.tidy()
    world.translate("p")


def states(world: World) -> dict[str, tuple[str, str]]:
    rows = world.store.db.conn.execute(
        "SELECT path, state, reason FROM file WHERE repo_id = ?", (world.repo("p", "input"),)
    )
    return {path: (state, reason) for path, state, reason in rows}


def made_of(world: World) -> str:
    """Return the input whose output stands as x.jpg.png, and check the file."""
    standing = world.store.outputs.standing("p", "x.jpg.png")
    assert standing is not None
    assert world.output_files()["p", "x.jpg.png"] == standing.digest
    return standing.input_path


def test_a_twin_that_comes_later_takes_the_name_and_the_first_is_refused(world: World) -> None:
    inputs(world, "x.jpg")
    assert made_of(world) == "x.jpg"
    inputs(world, "x.jpg", "x.jpg.png")
    assert made_of(world) == "x.jpg.png"
    assert states(world) == {"x.jpg": ("rejected", REFUSED), "x.jpg.png": ("translated", "")}


@pytest.mark.parametrize("later", [(), ("z.png",)])
def test_the_refusal_ends_when_the_twin_is_removed_or_renamed(
    world: World, later: tuple[str, ...]
) -> None:
    inputs(world, "x.jpg", "x.jpg.png")
    assert states(world)["x.jpg"] == ("rejected", REFUSED)
    inputs(world, "x.jpg", *later)
    assert states(world) == dict.fromkeys(("x.jpg", *later), ("translated", ""))
    assert made_of(world) == "x.jpg"


def test_an_answer_for_the_first_that_comes_late_replaces_nothing_of_the_twin(
    world: World,
) -> None:
    inputs(world, "x.jpg", "x.jpg.png")
    publisher = world.translations["p"].publisher
    run = world.store.db.conn.execute("SELECT run_id, digest, recipe FROM output").fetchone()
    first = world.store.working.find(world.repo("p", "input"), "x.jpg")
    assert first is not None
    assert first.digest is not None
    late = DueInput("x.jpg", first.digest, 0, "", 0)
    model = world.store.models.live("p")
    assert model is not None
    made = Made(run[0], run[1], (late,), 1)
    publisher.publish([made], model_digest=model.digest, recipes=[run[2]])
    assert made_of(world) == "x.jpg.png"
    assert states(world)["x.jpg"] == ("rejected", REFUSED)
