"""Recalls in the orders that once left something of the image behind."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pixd.answers import status
from pixd.service.loop import Service
from pixd.store import gc
from pixd.system.digests import digest_of
from pixd.system.errors import PixdError
from pixd.translation import output_files, output_place, removing, withdrawing
from tests.support.store_world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
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


def train(world: World, seed: int = 0) -> None:
    world.start_training("p", seed)
    world.finish_training("p", seed)


def recall(world: World, image: bytes) -> dict[str, Any]:
    digest = digest_of(image)
    return world.perform("recall", pipeline="p", mode="apply", digest=digest, name="it")


def live(world: World) -> int | None:
    model = world.store.models.live("p")
    return model.number if model else None


def outputs(world: World) -> list[str]:
    return sorted(name for _, name in world.output_files())


@pytest.fixture
def old_and_new(world: World) -> World:
    """Have model@1 of an old image and model@2 of a new one, and outputs of model@1."""
    put(world, "input", gone=b"gone", stays=b"stays")
    put(world, "training", a=b"old")
    train(world)
    world.translate("p")
    put(world, "training", a=b"new")
    train(world)
    return world


def test_a_recall_withdraws_the_outputs_whose_inputs_are_gone(old_and_new: World) -> None:
    put(old_and_new, "input", stays=b"stays")
    planned = recall(old_and_new, b"old")
    assert (planned["replaced"], planned["withdrawn"]) == (["stays.png"], ["gone.png"])
    assert outputs(old_and_new) == ["stays.png"]


def test_an_output_that_waits_to_be_replaced_goes_with_its_input(old_and_new: World) -> None:
    assert recall(old_and_new, b"old")["withdrawn"] == []
    put(old_and_new, "input", stays=b"stays")
    assert outputs(old_and_new) == ["stays.png"]


def test_a_second_recall_withdraws_what_the_first_left_to_be_replaced(old_and_new: World) -> None:
    recall(old_and_new, b"old")
    recall(old_and_new, b"new")
    assert live(old_and_new) is None
    assert outputs(old_and_new) == []


def test_an_edited_output_of_a_recalled_input_stays_edited_when_the_input_goes(
    old_and_new: World,
) -> None:
    world = old_and_new
    (world.folder / "output" / "p" / "gone.png").write_bytes(b"by hand")
    recall(world, b"gone")
    put(world, "input", stays=b"stays")
    digest = digest_of(b"gone")
    proof = world.perform("recall", pipeline="p", mode="proof", digest=digest)
    assert (proof["outputs"], proof["edited"]) == ([], ["gone.png"])


def test_a_model_trained_twice_over_is_recalled_under_both_numbers(world: World) -> None:
    put(world, "training", a=b"a")
    train(world)
    train(world)
    assert [m["name"] for m in recall(world, b"a")["models"]] == ["model@1", "model@2"]
    assert live(world) is None


def test_a_recall_cut_off_before_its_files_are_gone_is_finished_at_the_next_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(world, "input", a=b"in", b=b"in too")
    put(world, "training", a=b"a")
    train(world)
    world.translate("p")

    def cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", cut)
        with pytest.raises(KeyboardInterrupt):
            recall(world, b"a")
    assert outputs(world) == ["a.png", "b.png"]
    world.restart()
    assert outputs(world) == []


@pytest.mark.parametrize("is_another_live", [False, True])
def test_what_a_recalled_model_was_asked_before_is_not_published(
    world: World, *, is_another_live: bool
) -> None:
    if is_another_live:
        put(world, "training", b=b"b")
        train(world)
    put(world, "training", a=b"a")
    train(world, seed=1)
    put(world, "input", x=b"x")
    world.now += 100.0
    world.translations["p"].step(world.now)  # asks; the next step hears
    recall(world, b"a")
    world.translate("p")
    made_by = world.store.db.execute(
        "SELECT model.number FROM output JOIN model ON model.digest = model_digest"
    )
    assert made_by.fetchall() == ([(1,)] if is_another_live else [])
    assert outputs(world) == (["x.png"] if is_another_live else [])


@pytest.fixture
def translated(world: World) -> World:
    """Have a model of the image "a", and its outputs of two inputs."""
    put(world, "input", x=b"x", y=b"y")
    put(world, "training", a=b"a")
    train(world)
    world.translate("p")
    return world


@contextlib.contextmanager
def away(world: World) -> Iterator[Path]:
    """Have the disk of the output folder away; its files are at the path that is yielded."""
    place = world.folder / "store" / output_place.FILE
    was = place.read_text()
    output, there = world.folder / "output" / "p", world.folder / "disk"
    place.write_text(json.dumps({"p": [str(output), str(there)]}))
    output.rename(there)
    output.mkdir()
    yield there
    output.rmdir()
    there.rename(output)
    place.write_text(was)


def prove(world: World, image: bytes) -> dict[str, Any]:
    return world.perform("recall", pipeline="p", mode="proof", digest=digest_of(image))


def last_event(world: World) -> str:
    told = world.store.db.execute("SELECT message FROM event ORDER BY id DESC LIMIT 1")
    return str(told.fetchone()[0])


def test_an_output_on_a_disk_that_is_away_is_removed_when_the_disk_is_back(
    translated: World,
) -> None:
    with away(translated):
        assert "no disk is mounted" in recall(translated, b"x")["to_remove"]["x.png"]
        assert "x.png: the output folder" in last_event(translated)
        assert prove(translated, b"x")["outputs"] == ["x.png"]
        translated.restart()
        assert prove(translated, b"x")["outputs"] == ["x.png"]
    translated.tidy()
    assert outputs(translated) == ["y.png"]
    assert (prove(translated, b"x")["outputs"], prove(translated, b"x")["to_remove"]) == ([], {})
    assert "could not be removed before" in last_event(translated)


def test_an_output_that_was_edited_while_its_disk_was_away_is_left(translated: World) -> None:
    with away(translated) as disk:
        recall(translated, b"x")
        (disk / "x.png").write_bytes(b"by hand")
    translated.tidy()
    proof = prove(translated, b"x")
    assert (proof["outputs"], proof["edited"]) == ([], ["x.png"])
    assert outputs(translated) == ["x.png", "y.png"]


@pytest.mark.parametrize("refused", ["unlink", "open"])
def test_a_recall_is_done_where_the_folder_cannot_be_read_or_written(
    translated: World, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    owner, name = (Path, "unlink") if refused == "unlink" else (output_files, "hash_file")
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, refuse)
        told = recall(translated, b"a")
        assert told["to_remove"] == dict.fromkeys(["x.png", "y.png"], "Permission denied")
        assert prove(translated, b"a")["outputs"] == ["x.png", "y.png"]
        assert live(translated) is None
        with pytest.raises(PixdError, match="recalled already"):
            recall(translated, b"a")
    translated.tidy()
    assert (prove(translated, b"a")["outputs"], outputs(translated)) == ([], [])


def test_the_service_removes_by_itself_what_could_not_be_removed(translated: World) -> None:
    translated.perform("pause", pipeline="p")
    with away(translated):
        recall(translated, b"a")
        translated.store.close()
        service = Service(translated.settings, lambda _: None)
        service.step(100.0)
        told = status.snapshot(translated.settings)
        assert told["pipelines"]["p"]["output"]["to_remove"]["files"] == 2
        assert service.pipelines.has_failures()
    service.step(101.0)
    assert outputs(translated) == ["x.png", "y.png"]  # it is not tried again at every step
    service.step(100.0 + removing.RETRY_S)
    assert outputs(translated) == []
    assert not service.pipelines.has_failures()
    service.shut_down()
    translated.open()


def test_an_output_that_a_person_puts_back_is_not_removed_at_the_next_start(
    translated: World,
) -> None:
    output = translated.folder / "output" / "p" / "x.png"
    kept = output.read_bytes()
    put(translated, "input", y=b"y")
    pipeline, repo = translated.pipeline("p"), translated.repo("p", "input")
    withdrawing.withdraw_orphans(translated.store, pipeline, repo)
    assert outputs(translated) == ["y.png"]
    output.write_bytes(kept)
    translated.restart()
    assert outputs(translated) == ["x.png", "y.png"]


def test_what_could_not_be_removed_is_replaced_where_the_recall_is_undone(
    translated: World,
) -> None:
    with away(translated):
        recall(translated, b"x")
        translated.perform("recall", pipeline="p", mode="undo", digest=digest_of(b"x"))
        translated.record("p", "input")
    translated.translate("p")
    translated.restart()
    assert outputs(translated) == ["x.png", "y.png"]
    assert not translated.store.removals.has("p")


PAIR = b"the taught pair"


@pytest.fixture
def taught(translated: World) -> World:
    """Have a pair that was taught from the output of the input "x"."""
    output = translated.store.outputs.standing("p", "x.png")
    assert output is not None
    digest = digest_of(PAIR)
    translated.perform(
        "teach",
        pipeline="p",
        files=[{"name": "taught.png", "digest": digest}],
        input_path="x.png",
        input_digest=output.input_digest,
        output_path="x.png",
        output_digest=output.digest,
        model_digest=output.model_digest,
        target_digest=digest,
    )
    put(translated, "training", a=b"a", taught=PAIR)
    return translated


def undo(world: World, image: bytes) -> dict[str, Any]:
    done = world.perform("recall", pipeline="p", mode="undo", digest=digest_of(image))
    world.record("p", "training")
    return done


def is_out(world: World) -> tuple[bool, bool]:
    """Tell whether the input and the pair that was taught from it are excluded."""
    excluded = world.store.exclusions.of("p")
    return digest_of(b"x") in excluded, digest_of(PAIR) in excluded


def test_a_pair_that_was_recalled_with_its_input_is_let_in_with_it_alone(taught: World) -> None:
    recall(taught, b"x")
    with pytest.raises(PixdError, match="recalled with it, which it was taught from"):
        undo(taught, PAIR)
    assert is_out(taught) == (True, True)
    undo(taught, b"x")
    assert is_out(taught) == (False, False)


@pytest.mark.parametrize("order", [(PAIR, b"x"), (b"x", PAIR)])
def test_each_of_two_recalls_is_undone_by_itself(taught: World, order: tuple[bytes, bytes]) -> None:
    for image in order:
        recall(taught, image)
    assert undo(taught, PAIR)["kept_by"] == ["it"]
    assert is_out(taught) == (True, True)
    recall(taught, PAIR)
    assert undo(taught, b"x")["kept_by"] == []
    assert is_out(taught) == (False, True)
    assert undo(taught, PAIR)["kept_by"] == []
    assert is_out(taught) == (False, False)


def test_bytes_that_a_crash_left_without_a_row_do_not_let_restore_remove_a_file(
    world: World,
) -> None:
    put(world, "training", a=b"recorded")
    head = world.store.history.head(world.repo("p", "training"))
    assert head is not None
    file = world.watched("p", "training") / "a.png"
    file.write_bytes(b"never recorded")
    world.store.objects.add(b"never recorded")
    world.store.objects.flush()
    world.restore("p", "training", head.version)
    assert file.read_bytes() == b"never recorded"


def test_the_card_of_a_model_outlives_its_bytes(world: World) -> None:
    put(world, "training", a=b"a")
    for seed in range(2 * gc.RECENT_REFS):
        train(world, seed)
    taken = {one["name"] for one in world.perform("gc", mode="apply")["garbage"]}
    assert "p/model@1 (generator)" in taken
    assert not [name for name in taken if "card" in name]
    with pytest.raises(PixdError, match="the bytes of model@1"):
        world.perform("promote", pipeline="p", number=1)


def test_the_newest_of_two_batches_of_one_second_comes_back_first(world: World) -> None:
    batches = []
    for image in (b"1", b"2", b"3", b"4", b"5", b"6"):
        put(world, "training", a=image)
        put(world, "training")
        batches.append(world.perform("gc", mode="apply")["batch"])
    for batch in reversed(batches):
        assert world.perform("gc", mode="undo")["batch"] == batch


def cannot_be_read(output: Path) -> None:
    """Put a file in its place that nobody can read, not even root."""
    output.unlink()
    output.symlink_to(output.name)


def warnings(world: World) -> list[str]:
    rows = world.store.db.conn.execute("SELECT message FROM event WHERE level = 'warning'")
    return [message for (message,) in rows if "cannot be removed yet" in message]


def test_an_output_that_cannot_be_read_is_left_and_said_once(old_and_new: World) -> None:
    put(old_and_new, "input", stays=b"stays")
    cannot_be_read(old_and_new.folder / "output" / "p" / "gone.png")
    assert list(recall(old_and_new, b"old")["to_remove"]) == ["gone.png"]
    assert outputs(old_and_new) == ["stays.png"]  # as a link, it is not counted
    old_and_new.restart()
    assert (old_and_new.folder / "output" / "p" / "gone.png").is_symlink()
    (told,) = warnings(old_and_new)
    assert "such as gone.png: " in told


def test_an_orphan_that_cannot_be_read_keeps_no_other_from_going(world: World) -> None:
    put(world, "training", a=b"old")
    train(world)
    put(world, "input", a=b"a", b=b"b", c=b"c")
    world.translate("p")
    put(world, "input", c=b"c")
    cannot_be_read(world.folder / "output" / "p" / "a.png")
    for _ in range(2):
        withdrawing.withdraw_orphans(world.store, world.pipeline("p"), world.repo("p", "input"))
    assert sorted(p.name for p in (world.folder / "output" / "p").iterdir()) == ["a.png", "c.png"]
    (told,) = warnings(world)
    assert "such as a.png: " in told
