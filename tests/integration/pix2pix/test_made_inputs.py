"""Training, translating and exporting where pixd makes the inputs itself, with real children."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pixd.config.pair_kinds import KINDS
from pixd.images import fitting, input_makers, lab, pair_files
from pixd.system.children.spec import SCHEMA
from tests.support.children import TEXT, Child, Spec, result_of, translate_spec

Start = Callable[..., Child]
MakeSpec = Callable[..., Spec]
Pixels = NDArray[np.uint8]

MADE = [name for name, kind in KINDS.items() if kind.is_made]
LEARNING = {"steps": 120, "ngf": 8, "ndf": 8, "learning_rate": 2e-3, "gan_weight": 0.1}
PALETTE = ((25, 20, 130), (50, 70, 150), (125, 120, 120), (200, 175, 80), (250, 220, 50))
"""Colours that follow from how light they are: dark ones are blue, light ones yellow."""
WIDE = (60, 40)


class Trained(NamedTuple):
    """The scratch folders of the runs, and the pictures of the last one held out."""

    folders: dict[str, Path]
    pictures: list[Path]


def picture(number: int) -> Pixels:
    random = np.random.default_rng(number)
    pixels = np.empty((WIDE[1], WIDE[0], 3), np.uint8)
    pixels[:] = PALETTE[number % len(PALETTE)]
    for _ in range(6):
        top, left = random.integers(0, WIDE[1] - 10), random.integers(0, WIDE[0] - 14)
        pixels[top : top + 10, left : left + 14] = PALETTE[random.integers(len(PALETTE))]
    return pixels


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, start: Start, make_spec: MakeSpec) -> Trained:
    """Return runs of all modes; they are trained at the same time, as most is starting up."""
    root = tmp_path_factory.mktemp("made")
    paths = []
    for number in range(20):
        paths.append(root / f"{number:02d}.png")
        Image.fromarray(picture(number)).save(paths[-1])
    listed = [{"name": path.name, "images": [str(path)], "digests": [path.name]} for path in paths]
    children = {}
    for pairs in MADE:
        changes = LEARNING if pairs == "colorization" else {"steps": 3}
        spec = make_spec(root / pairs, **changes, pairs=pairs)
        spec |= {"train": listed[:16], "held_out": listed[16:]}
        children[pairs] = start("train", spec, root / pairs)
    for child in children.values():
        assert child.ended() == 0, child.log.read_text()
    return Trained({pairs: root / pairs for pairs in MADE}, paths[16:])


@pytest.mark.parametrize("mode", MADE)
def test_a_training_scores_pictures_beside_the_input_that_was_made(
    trained: Trained, mode: str
) -> None:
    result = result_of(trained.folders[mode])
    assert result["state"] == "succeeded"
    metrics = result["metrics"]
    expected = []
    for path in trained.pictures:
        made, target = pair_files.load_pair([path], mode, "AtoB", 32, "pad")
        expected.append(np.abs(made.astype(float) - target).mean())
    assert metrics["baselines"]["identity"]["l1"] == pytest.approx(np.mean(expected))
    assert metrics["held_out"] == 4


def test_colours_are_learned_from_lightness(trained: Trained) -> None:
    metrics = result_of(trained.folders["colorization"])["metrics"]
    grey, mean = (metrics["baselines"][name]["l1"] for name in ("identity", "mean_target"))
    # What knows no colour gives grey; what knows no picture gives the mean.
    assert metrics["l1"] < 0.5 * min(grey, mean)
    assert not metrics["identity_like"]
    assert not metrics["collapsed"]


def test_the_samples_are_what_the_networks_mean_in_colours(trained: Trained) -> None:
    """Also where a network gives a* and b* alone: they lie under the lightness of the input."""
    for mode, folder in trained.folders.items():
        (column,) = (folder / "checkpoints/previews").glob(
            f"column-{result_of(folder)['step']:08d}.png"
        )
        tiles = np.split(pixels_of(column), len(trained.pictures))
        for tile, path in zip(tiles, trained.pictures, strict=True):
            made, _ = pair_files.load_pair([path], mode, "AtoB", 32, "pad")
            assert tile.shape == made.shape
            assert not np.array_equal(tile, made)
            if mode == "colorization":
                difference = np.abs(lab.from_rgb(tile)[..., 0] - lab.from_rgb(made)[..., 0])
                assert np.median(difference) < 1
                assert np.abs(np.ptp(tile.astype(int), axis=-1)).mean() > 5  # not grey
        assert pixels_of(folder / "samples.png").ndim == 3


def test_a_translator_makes_of_what_is_dropped_what_the_training_made(
    trained: Trained, start: Start, tmp_path: Path
) -> None:
    """A picture, and the input made from it by hand, are translated to the same pixels."""
    children = {}
    source = Image.fromarray(picture(19)).resize((240, 160), Image.Resampling.NEAREST)
    source.putpixel((3, 4), (0, 0, 0))  # too small to be seen at the model's size
    for mode in MADE:
        spec = translate_spec(tmp_path / mode, trained.folders[mode])
        spec |= {"device": "cpu"}
        # Only where colours are laid over the source does its size make another picture.
        spec["recipe"]["output_size"] = "source" if mode == "colorization" else "model"
        if mode != "edges":
            spec["recipe"]["pairs"] = mode
        children[mode] = start("translator", spec, tmp_path / mode)
    for mode, child in children.items():
        folder = tmp_path / mode
        by_hand = input_makers.input_of(np.asarray(source), mode)
        dropped = Image.fromarray(by_hand) if mode == "edges" else source
        square = fitting.to_model(dropped, 32, "pad")[0]
        if mode != "colorization":
            by_hand = input_makers.input_for_translation(square, mode)
        dropped.save(folder / "dropped.png")
        Image.fromarray(by_hand).save(folder / "by-hand.png")
        (folder / "bad.png").write_bytes(b"no image")
        child.until(event="ready")
        ended = translated(child, folder, ["dropped", "by-hand", "bad"])
        assert ended == {0: "done", 1: "done", 2: "rejected"}
        child.close()
    for mode in MADE:
        one, other = (pixels_of(tmp_path / mode / f"out-{n}.png") for n in ("dropped", "by-hand"))
        assert one.shape == ((160, 240, 3) if mode == "colorization" else (32, 32, 3))
        if mode != "colorization":
            assert np.array_equal(one, other)
        else:
            # Greyed before or after it was made small: not quite the same input.
            assert np.abs(one.astype(int) - other).mean() < 2
            assert_coloured_at_its_own_size(one, np.asarray(source))


def translated(child: Child, folder: Path, names: list[str]) -> dict[int, str]:
    """Have pictures translated at once; return by number how each ended."""
    for number, name in enumerate(names):
        image, out = str(folder / f"{name}.png"), str(folder / f"out-{name}.png")
        child.ask(id=number, image=image, out=out, text=TEXT)
    ended: dict[int, str] = {}
    for event in child.events():
        if "id" in event:
            ended[event["id"]] = event["event"]
        if len(ended) == len(names):
            break
    return ended


def assert_coloured_at_its_own_size(made: Pixels, source: Pixels) -> None:
    """The lightness of the source to the pixel, the colours near those that it had."""
    difference = np.abs(lab.from_rgb(made)[..., 0] - lab.from_rgb(source)[..., 0])
    assert difference.mean() < 1.5
    assert np.quantile(difference, 0.99) < 6  # colours that had to be clipped are off by some
    assert made[4, 3].max() < 60 < made[4, 5].max()
    grey = input_makers.lightness(source)
    error, of_grey = (np.abs(one.astype(float) - source).mean() for one in (made, grey))
    assert error < 0.6 * of_grey


def pixels_of(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image)


def test_a_card_says_how_each_model_is_called_and_that_is_right(
    trained: Trained, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = {"schema": SCHEMA, "kind": "export", "scratch": str(tmp_path), "files": {}}
    spec["model"] = str(trained.folders["colorization"] / "model")
    child = start("export", spec, tmp_path)
    cards = {
        pairs: json.loads((folder / "model/model.json").read_text())
        for pairs, folder in trained.folders.items()
    }
    for pairs, card in cards.items():
        channels = (1, 2) if pairs == "colorization" else (3, 3)
        assert (card["input_channels"], card["output_channels"]) == channels
        assert card["input_shape"] == [None, 32, 32, channels[0]]
        assert card["pairs"] == pairs
    assert "L*" in cards["colorization"]["colour"]

    from pixd.pix2pix.network import generator as generation

    target = fitting.to_model(Image.fromarray(picture(18)), 32, "pad")[0]
    for mode, folder in trained.folders.items():
        generate = generation.make_generate(generation.load_generator(folder / "model"))
        (expected,) = generate([input_makers.input_for_translation(target, mode)])
        monkeypatch.chdir(folder / "model")
        scope: dict[str, Any] = {"pixels_uint8": target[None]}
        exec("\n".join(cards[mode]["usage"]), scope)  # noqa: S102 - what the card says
        difference = np.abs(scope["y"][0].astype(int) - expected)
        # OpenCV's L*a*b* is made of tables, and its L* did not go through 8 bits.
        allowed = 4 if mode == "colorization" else 1
        assert difference.mean() < allowed / 4
        assert np.quantile(difference, 0.98) <= allowed

    assert child.ended() == 0, child.log.read_text()
    assert result_of(tmp_path)["metrics"]["largest_difference"] < 1e-5
    readme = (tmp_path / "export/README.md").read_text()
    assert "| in | 1 | L* / 50 - 1 |" in readme
    assert "| out | 2 | a* / 110, b* / 110 |" in readme


def test_the_networks_have_the_channels_of_their_pictures() -> None:
    from pixd.pix2pix.network import models

    generator = models.build_generator(32, 4, channels=(1, 2))
    discriminator = models.build_discriminator(32, 4, channels=(1, 2))
    rgb = models.build_generator(32, 4), models.build_discriminator(32, 4)
    assert generator.input_shape == (None, 32, 32, 1)
    assert generator.output_shape == (None, 32, 32, 2)
    # Kernel 4: the first layer has two channels less, and the last one less with its bias.
    fewer = [
        models.parameter_count(three) - models.parameter_count(other)
        for three, other in zip(rgb, (generator, discriminator), strict=True)
    ]
    assert fewer == [16 * 2 * 4 + 16 * 1 * 8 + 1, 16 * 3 * 4]
