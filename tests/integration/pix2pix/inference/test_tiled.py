"""Tiles through a real translator, its decoders and a real .keras file that gives its input back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixd.images import decode
from tests.support.children import TEXT, Child, Spec, digest_of, result_of, translate_spec
from tests.support.tensors import tensors_in

Start = Callable[..., Child]
MakeSpec = Callable[..., Spec]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with model/: 32 px, stock layers, whose output is its input."""
    import keras

    folder = tmp_path_factory.mktemp("identity")
    (folder / "model").mkdir()
    input_image = keras.Input((32, 32, 3), name="input_image")
    output = keras.layers.Activation("linear", name="gen_output")(input_image)
    keras.Model(input_image, output).save(folder / "model" / "generator.keras")
    (folder / "model" / "model.json").write_text("{}")
    return folder


def started(start: Start, folder: Path, models: Path, **recipe: Any) -> Child:
    spec = translate_spec(folder, models) | {"device": "cpu", "precision": "float32"}
    spec["recipe"] |= {"fit": "tile", **recipe}
    return start("translator", spec, folder)


def waves(width: int, height: int) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    channels = [
        128 + 70 * np.sin(x / 9 + y / 31), 128 + 70 * np.cos(y / 11), (x * 3 + y * 5) % 256,
        (x + y) % 256,
    ]  # fmt: skip
    return Image.fromarray(np.stack(channels, -1).astype(np.uint8))


def ask(child: Child, number: int, image: Path) -> None:
    child.ask(id=number, image=str(image), out=str(image.parent / f"{number}.png"), text=TEXT)


def pixels_of(path: Path) -> Any:
    with Image.open(path) as image:
        assert TEXT.items() <= image.info.items()
        return np.asarray(image)


SIZES = [(1, 1), (16, 16), (32, 32), (33, 20), (4000, 8), (8, 1200), (100, 90), (700, 500)]


def test_pictures_of_any_size_come_back_as_they_were(
    models: Path, start: Start, tmp_path: Path
) -> None:
    child = started(start, tmp_path, models, alpha="keep")
    paths = []
    for number, size in enumerate(SIZES):
        paths.append(tmp_path / f"in-{number}.{'png' if number % 2 else 'jpg'}")
        image = waves(*size)
        (image if number % 2 else image.convert("RGB")).save(paths[-1])
    (tmp_path / "bad.png").write_bytes(b"no image")
    child.until(event="ready")
    for number, path in enumerate([*paths, tmp_path / "bad.png", tmp_path / "gone.png"]):
        ask(child, number, path)
    answers: dict[int, dict[str, Any]] = {}
    for event in child.events():
        if event["event"] in {"done", "rejected", "failed"}:
            answers[event["id"]] = event
        if len(answers) == len(SIZES) + 2:
            break
    for number, (path, size) in enumerate(zip(paths, SIZES, strict=True)):
        assert (answers[number]["width"], answers[number]["height"]) == size
        made = pixels_of(tmp_path / f"{number}.png")
        source = decode.open_picture(path.read_bytes())
        assert np.array_equal(made[..., :3], np.asarray(source.rgb()))
        assert made.shape[2] == (4 if number % 2 else 3)
        if number % 2:
            assert np.array_equal(made[..., 3], np.asarray(source.alpha()))
    assert answers[len(SIZES)]["event"] == "rejected"
    assert answers[len(SIZES) + 1]["event"] == "failed"

    # Again, alone and in another order: the same bytes, and the translator is still well.
    for number in (6, 7, 3):
        ask(child, 100 + number, paths[number])
        assert child.until(event="done", id=100 + number)["sha256"] == answers[number]["sha256"]
    child.close()


@pytest.mark.alone
def test_a_small_image_does_not_wait_for_all_of_a_large_one(
    models: Path, start: Start, tmp_path: Path
) -> None:
    large, small = tmp_path / "large.png", tmp_path / "small.png"
    Image.new("RGB", (6000, 4000), (9, 99, 199)).save(large)
    Image.new("RGB", (40, 30), (1, 2, 3)).save(small)
    child = started(start, tmp_path, models)
    child.until(event="ready")
    ask(child, 1, large)
    step = child.until(event="progress", id=1)
    assert 0 < step["done"] < step["of"] == 250 * 167
    ask(child, 2, small)
    asked_at = time.monotonic()
    steps = []
    for event in child.events():
        if event.get("id") == 1:
            steps.append(event)
        if event.get("id") == 2:
            break
    assert event["event"] == "done"
    assert time.monotonic() - asked_at < 20
    assert all(step["event"] == "progress" for step in steps)
    child.close()


@pytest.mark.parametrize("output_size", ["model", "source"])
def test_an_image_as_one_square_keeps_its_alpha_too(
    models: Path, start: Start, tmp_path: Path, output_size: str
) -> None:
    waves(64, 48).save(tmp_path / "clear.png")
    waves(64, 48).convert("RGB").save(tmp_path / "opaque.png")
    child = started(start, tmp_path, models, fit="pad", output_size=output_size, alpha="keep")
    child.until(event="ready")
    for number, name in enumerate(("clear", "opaque")):
        ask(child, number, tmp_path / f"{name}.png")
        child.until(event="done", id=number)
    clear, opaque = (pixels_of(tmp_path / f"{number}.png") for number in (0, 1))
    assert opaque.shape[2] == 3
    assert clear.shape == ((48, 64, 4) if output_size == "source" else (32, 32, 4))
    if output_size == "source":
        assert np.array_equal(clear[..., 3], np.asarray(waves(64, 48))[..., 3])
    child.close()


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory, start: Start, make_spec: MakeSpec) -> Path:
    """Return the scratch folder of a training on pairs of several sizes, cut at their scale."""
    folder = tmp_path_factory.mktemp("native")
    listed = []
    for number, (width, height) in enumerate(
        [(90, 70), (40, 40), (32, 50), (20, 20), (64, 33)] * 3
    ):
        left = waves(width, height).convert("RGB")
        both = Image.new("RGB", (2 * width, height))
        both.paste(left, (0, 0))
        both.paste(Image.eval(left, lambda value: 255 - value), (width, 0))
        # Only some are twice as wide as high: these go as folders a/ and b/.
        for side, image in (("a", left), ("b", both.crop((width, 0, 2 * width, height)))):
            image.save(folder / f"{side}-{number}.png")
        paths = [str(folder / f"{side}-{number}.png") for side in ("a", "b")]
        digests = [digest_of(Path(path)) for path in paths]
        listed.append({"name": f"{number}.png", "images": paths, "digests": digests})
    spec = make_spec(folder, fit="tile", pairs="folders", steps=40)
    spec |= {"train": listed[:12], "held_out": listed[12:]}
    (folder / "spec-of-pairs.json").write_text(json.dumps(spec))
    child = start("train", spec, folder)
    assert child.ended() == 0, child.log.read_text()
    return folder


def test_a_killed_training_on_squares_goes_on_to_the_same_weights(
    native: Path, start: Start, tmp_path: Path
) -> None:
    spec = json.loads((native / "spec-of-pairs.json").read_text())
    spec |= {"scratch": str(tmp_path), "checkpoints": str(tmp_path / "checkpoints")}
    first = start("train", spec, tmp_path)
    first.until(event="checkpoint", step=16)
    first.process.kill()
    first.ended()
    second = start("train", spec, tmp_path)
    assert second.until(event="progress")["step"] > 16
    assert second.ended() == 0, second.log.read_text()
    undisturbed, resumed = result_of(native), result_of(tmp_path)
    assert undisturbed["state"] == resumed["state"] == "succeeded"
    assert undisturbed["metrics"]["l1"] == resumed["metrics"]["l1"]
    assert undisturbed["metrics"]["held_out"] == 3
    assert tensors_in(tmp_path) == tensors_in(native)


def test_a_trained_model_goes_over_a_large_picture(
    native: Path, start: Start, tmp_path: Path
) -> None:
    waves(300, 200).convert("RGB").save(tmp_path / "in.png")
    child = started(start, tmp_path, native)
    child.until(event="ready")
    shas = set()
    for number in range(2):
        ask(child, number, tmp_path / "in.png")
        shas.add(child.until(event="done", id=number)["sha256"])
    assert len(shas) == 1
    assert pixels_of(tmp_path / "0.png").shape == (200, 300, 3)
    child.close()


@pytest.mark.parametrize("image_size", [512, 1024])
def test_a_step_at_a_large_size_is_made(
    image_size: int, make_spec: MakeSpec, start: Start, tmp_path: Path
) -> None:
    spec = make_spec(tmp_path, image_size=image_size, steps=1, ngf=1, ndf=1, fit="tile")
    spec |= {"train": spec["train"][:1], "held_out": spec["held_out"][:1]}
    child = start("train", spec, tmp_path)
    assert child.ended() == 0, child.log.read_text()
    result = result_of(tmp_path)
    assert (result["state"], result["step"]) == ("succeeded", 1)
    card = json.loads((tmp_path / "model" / "model.json").read_text())
    assert (card["image_size"], card["fit"]) == (image_size, "tile")
