"""The pure parts of `pixd prepare`: pixels, seals, names."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixd.cli import arguments
from pixd.images import decode, edges, fitting, png
from pixd.images.demo_set import facade_pair
from pixd.system.children.spec import MakeSpec, from_json, to_json
from pixd.system.errors import ImageRejectedError
from pixd.training.prepare import listing, maker_child, making, seal
from pixd.training.prepare.listing import Ignored, Job, Problem
from pixd.training.prepare.recipe import SETS, Recipe, Task

SIZES = st.tuples(st.integers(1, 90), st.integers(1, 90))


def noise(size: tuple[int, int]) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


# -- fitting ---------------------------------------------------------------------------------


@given(size=SIZES, side=st.integers(1, 70), fit=st.sampled_from(["pad", "crop", "stretch"]))
def test_a_square_is_made_as_training_makes_it(size: tuple[int, int], side: int, fit: str) -> None:
    image = noise(size)
    ours = np.asarray(making.fitted(image, (side, side), fit))
    assert np.array_equal(ours, fitting.to_model(image, side, fit)[0])


@given(size=SIZES, shape=SIZES, wanted=SIZES, fit=st.sampled_from(["pad", "crop", "stretch"]))
def test_whatever_the_shapes_the_size_is_what_was_asked_for(
    size: tuple[int, int], shape: tuple[int, int], wanted: tuple[int, int], fit: str
) -> None:
    assert making.fitted(noise(size), wanted, fit, shape=shape).size == wanted


@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_a_larger_picture_of_nearly_the_same_shape_lies_on_its_partner(fit: str) -> None:
    a = facade_pair(5, 240)[1].crop((0, 30, 240, 240))
    b = a.resize((485, 420), Image.Resampling.BICUBIC)  # a per cent too wide
    left, right = making.pairable(a, b, Recipe("combine", (128, 128), fit, is_pair=True))
    apart = np.abs(np.asarray(left, float) - np.asarray(right, float)).mean()
    shifted = np.abs(np.asarray(left, float)[:, 2:] - np.asarray(right, float)[:, :-2]).mean()
    assert apart < shifted / 2


def test_shapes_further_apart_than_rounding_are_refused() -> None:
    recipe = Recipe("combine", (64, 64), "pad", is_pair=True)
    making.pairable(noise((100, 100)), noise((104, 100)), recipe)
    with pytest.raises(ImageRejectedError, match="100 x 100 beside 106 x 100"):
        making.pairable(noise((100, 100)), noise((106, 100)), recipe)


# -- seals -----------------------------------------------------------------------------------


def test_a_seal_is_known_again_and_any_changed_byte_breaks_it(tmp_path: Path) -> None:
    data = seal.sealed(png.encode_png(noise((5, 4)), {seal.RECIPE: "{}"}))
    path = tmp_path / "x.png"
    path.write_bytes(data)
    found = seal.read(path)
    assert found is not None
    assert found[seal.RECIPE] == "{}"
    assert decode.decode(data).size == (5, 4)  # a PNG like any other
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert seal.read(path) is None, at
    for end in range(len(data)):
        path.write_bytes(data[:end])
        assert seal.read(path) is None, end


def test_what_is_no_png_cannot_be_sealed() -> None:
    with pytest.raises(ValueError, match="no PNG"):
        seal.sealed(b"GIF89a")


@pytest.mark.parametrize(
    "other",
    [
        Recipe("edges", (64, 64), strength=0.6),
        Recipe("edges", (64, 32)),
        Recipe("edges", (64, 64), fit="crop"),
        Recipe("edges", (64, 64), is_pair=True),
        Recipe("blank", (64, 64)),
        Recipe("edges", None),
    ],
)
def test_every_setting_that_changes_the_picture_is_in_the_text(other: Recipe) -> None:
    assert other.text() != Recipe("edges", (64, 64)).text()


def test_settings_that_change_nothing_make_nothing_anew() -> None:
    assert Recipe("blank", None, "crop", 0.1).text() == Recipe("blank", None, "pad", 0.9).text()


def test_the_usual_strength_is_that_of_training() -> None:
    assert Recipe("edges").strength == edges.STRENGTH
    args = arguments.parser().parse(["prepare", "edges", "in", "out"])
    assert args.strength == edges.STRENGTH


def test_a_task_arrives_as_it_was_sent(tmp_path: Path) -> None:
    task = Task((tmp_path / "a\udcff", tmp_path), tmp_path / "out", Recipe("edges", (3, 4)))
    assert Task.of(from_json(json.loads(json.dumps(to_json(task.spec()))), MakeSpec)) == task


# -- sets ------------------------------------------------------------------------------------


def test_a_set_has_about_its_share_and_growing_shares_only_add() -> None:
    digests = [[f"sha256:{number:064x}"] for number in range(2000)]
    counts = dict.fromkeys(SETS, 0)
    for digest in digests:
        counts[maker_child.set_of(digest, (0.7, 0.2, 0.1))] += 1
    assert [round(counts[name] / 2000, 1) for name in SETS] == [0.7, 0.2, 0.1]
    trains = [
        {tuple(d) for d in digests if maker_child.set_of(d, (share, 1 - share, 0.0)) == "train"}
        for share in (0.0, 0.3, 0.6, 1.0)
    ]
    assert not trains[0]
    assert len(trains[-1]) == 2000
    assert all(less < more for less, more in pairwise(trains))


# -- listing ---------------------------------------------------------------------------------


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_files_are_found_folder_by_folder_without_what_is_ignored(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg", "a.png", "sub/deep/c", "sub/.hidden", "x.part", "Thumbs.db")
    assert list(listing.singles(tmp_path)) == [
        Ignored(2), Job(("a.png",), "a.png"), Job(("b.jpg",), "b.png"), Ignored(1),
        Job(("sub/deep/c",), "sub/deep/c.png"),
    ]  # fmt: skip


def test_pairs_are_found_by_stem_in_the_same_place_alone(tmp_path: Path) -> None:
    a = touch(tmp_path / "a", "x.png", "s/y.jpg", "z.png", "twice.png")
    b = touch(tmp_path / "b", "x.webp", "s/y.png", "t/z.png", "twice.jpg", "twice.gif")
    found = list(listing.pairs([a, b]))
    assert [item for item in found if isinstance(item, Job)] == [
        Job(("x.png", "x.webp"), "x.png"), Job(("s/y.jpg", "s/y.png"), "s/y.png"),
    ]  # fmt: skip
    problems = {(p.folder, p.name): p.reason for p in found if isinstance(p, Problem)}
    assert problems == {
        (0, "twice.png"): f"2 files in {b} are called twice: keep one",
        (1, "twice.gif"): "2 files are called twice: keep one",
        (1, "twice.jpg"): "2 files are called twice: keep one",
        (0, "z.png"): f"no partner: z with any suffix is missing in {b}",
        (1, "t/z.png"): f"no partner: z with any suffix is missing in {a}",
    }
