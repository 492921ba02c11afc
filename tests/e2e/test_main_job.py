"""The whole job through the real command line: pairs in, model, images in, translations out."""

from __future__ import annotations

import json
import signal
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.support.tiny import Tiny, picture


def test_pairs_and_inputs_dropped_at_once_become_a_model_and_outputs(trained: Tiny) -> None:
    part = trained.part()
    assert part["training"]["pairs"] == 12
    assert part["model"]["number"] == 1
    assert part["input"]["translated"] == 3
    outputs = trained.outputs()
    assert list(outputs) == ["in-000.png", "in-001.png", "in-002.png"]
    for data in outputs.values():
        with Image.open(BytesIO(data)) as image:
            assert image.size == (32, 32)
            assert image.mode == "RGB"


def test_an_output_says_what_made_it(trained: Tiny) -> None:
    with Image.open(trained.folder / "output" / "in-000.png") as image:
        text = image.text  # type: ignore[attr-defined]
    model = trained.shown("model@1")
    assert text["Software"].startswith("pixd ")
    assert text["pixd:model"] == model["digest"]
    assert text["pixd:dataset"] == model["version"]
    source = trained.shown(str(trained.folder / "input" / "in-000.png"))
    assert source["digest"] == "sha256:" + text["pixd:input-sha256"]
    assert trained.shown("training@1")["version"] == text["pixd:dataset"]


def test_nothing_changed_and_restarted_does_nothing(trained: Tiny) -> None:
    before, runs = trained.outputs(), trained.runs("translate")
    mtimes = {p: p.stat().st_mtime_ns for p in (trained.folder / "output").iterdir()}
    trained.once()
    assert trained.outputs() == before
    assert trained.runs("translate") == runs
    assert trained.runs("train") == 1
    assert {p: p.stat().st_mtime_ns for p in (trained.folder / "output").iterdir()} == mtimes


def test_the_same_image_under_another_name_is_published_without_work(trained: Tiny) -> None:
    runs = trained.runs("translate")
    source = trained.folder / "input" / "in-000.png"
    (trained.folder / "input" / "twin.png").write_bytes(source.read_bytes())
    trained.once()
    outputs = trained.outputs()
    assert outputs["twin.png"] == outputs["in-000.png"]
    assert trained.runs("translate") == runs


def test_a_deleted_output_comes_back_and_an_edited_one_is_left(trained: Tiny) -> None:
    outputs = trained.outputs()
    (trained.folder / "output" / "in-001.png").unlink()
    trained.once()
    assert trained.outputs() == outputs


def test_files_are_translated_at_once_beside_the_folders_and_recorded(
    trained: Tiny, tmp_path: Path
) -> None:
    picture(40).save(tmp_path / "photo.jpg")
    done = trained.pixd("translate", str(tmp_path / "photo.jpg"), "-o", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    made = tmp_path / "out" / "photo.jpg.png"
    assert done.stdout.strip() == str(made)
    runs = trained.shown(str(made))["made_by"]
    assert len(runs) == 1


def test_a_translation_replaces_a_translation_and_no_file_of_anybody_else(
    trained: Tiny, tmp_path: Path
) -> None:
    picture(41).save(tmp_path / "photo.png")
    command = ("translate", str(tmp_path / "photo.png"), "-o", str(tmp_path / "out"))
    assert trained.pixd(*command).returncode == 0
    again = trained.pixd(*command)
    assert again.returncode == 0, again.stderr
    made = tmp_path / "out" / "photo.png"
    for data in (b"somebody's", made.read_bytes() + b"edited"):
        made.write_bytes(data)
        refused = trained.pixd(*command)
        assert refused.returncode == 2
        assert f"{made} is there already, and pixd did not make" in refused.stderr
        assert made.read_bytes() == data


def test_the_model_is_exported_with_a_card(trained: Tiny, tmp_path: Path) -> None:
    done = trained.pixd("export", "live", str(tmp_path / "model"))
    assert done.returncode == 0, done.stderr
    card = json.loads((tmp_path / "model" / "model.json").read_text())
    assert card["image_size"] == 32
    assert (tmp_path / "model" / "generator.keras").is_file()
    assert (tmp_path / "model" / "saved_model" / "saved_model.pb").is_file()
    again = trained.pixd("export", "live", str(tmp_path / "model"))
    assert again.returncode == 1
    assert "there already" in again.stderr


def test_one_pair_more_means_a_version_a_model_and_every_output_anew(
    own: Tiny,
) -> None:
    tiny = own
    first = tiny.outputs()
    tiny.pairs(range(13))
    tiny.once()
    part = tiny.part()
    assert part["training"]["commit"] == 2
    assert part["model"]["number"] == 2
    assert part["model"]["dataset_commit"] == 2
    second = tiny.outputs()
    assert all(first[name] != second[name] for name in first)
    reason = tiny.shown("model@2")["training"]["reason"]
    assert reason == "+1 pair; goes on from model@1 with 19% of the steps"
    traced = json.loads(tiny.pixd("trace", "output/in-000.png", "--json").stdout)
    assert traced["outputs"][0]["model"]["started_from"][0]["path"] == "model@1"

    # Another setting: a retrain that says which.
    tiny.configure(l1_weight=50)
    tiny.once()
    assert "l1_weight 100 -> 50" in tiny.shown("model@3")["training"]["reason"]

    # As it was: the old model and the old outputs, without training or inference.
    trained, translated = tiny.runs("train"), tiny.runs("translate")
    (tiny.folder / "training" / "012.png").unlink()
    tiny.configure()
    tiny.once()
    assert tiny.part()["model"]["number"] == 1
    assert tiny.outputs() == first
    assert (tiny.runs("train"), tiny.runs("translate")) == (trained, translated)


def test_a_training_killed_in_the_middle_goes_on_from_its_checkpoint(tiny: Tiny) -> None:
    tiny.configure(steps=3000)
    tiny.pairs(range(6))
    tiny.inputs(range(1))
    tiny.start()
    tiny.until(lambda p: p["train"]["step"] > 20)
    assert tiny.stop(signal.SIGTERM) == 0
    log = (tiny.folder / "service.log").read_text()
    stopped_at = int(log.split("stopped at step ")[1].split(";")[0])
    tiny.start()
    part = tiny.until(lambda p: p["train"]["state"] == "running" and p["train"]["step"] > 0)
    assert part["train"]["step"] >= stopped_at
    tiny.stop(signal.SIGKILL)
    status = tiny.pixd("status")
    assert status.returncode == 3
    assert status.stdout.startswith("NOT RUNNING, last seen")


@pytest.mark.fresh  # as is what `trained` was copied from: nothing in another way than in use
def test_a_drop_into_the_running_service_is_translated_and_counted(trained: Tiny) -> None:
    trained.start()
    try:
        trained.until(lambda p: p["input"]["settling"] + p["input"]["queued"] == 0)
        picture(77).save(trained.folder / "input" / "late.png")
        (trained.folder / "input" / "bad.png").write_bytes(b"no image")
        done = trained.pixd("wait", "--timeout", "60")
        assert done.returncode == 0, done.stderr
        part = trained.part()
        assert (trained.folder / "output" / "late.png").exists()
        counts = part["input"]
        assert counts["rejected"] == 1
        assert counts["files"] == sum(
            counts[s] for s in ("settling", "queued", "translated", "rejected", "failed")
        )
    finally:
        assert trained.stop() == 0


def test_a_damaged_beginning_costs_one_attempt_and_the_next_is_from_scratch(ready: Tiny) -> None:
    tiny = ready
    (state,) = (tiny.folder / "store" / "checkpoints").glob("*/step-*/state.json")
    state.write_text("{")
    tiny.pairs(range(13))
    tiny.start()
    tiny.until(lambda part: part["model"]["number"] == 2)
    tiny.stop()
    assert "training state of model@1 is not kept" in tiny.shown("model@2")["training"]["reason"]
    ended = tiny.rows("SELECT state, reason FROM run WHERE kind = 'train' ORDER BY id")
    assert [state for state, _ in ended] == ["succeeded", "failed", "succeeded"]
    assert "training state of model@1 cannot be read" in ended[1][1]
