"""Sets that look black say why: class ids, masks, unused bits. Nothing else is said of them then."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pixd.images import decode
from pixd.system.digests import digest_of
from pixd.training.dataset import findings, measures, pairs, value_findings
from pixd.training.dataset import split as kinship
from pixd.training.dataset.finding import LOOK, WRONG, Judgement, Setting
from pixd.training.dataset.near_duplicates import Part
from tests.support.images import facade

FOLDERS = Setting("folders", "AtoB", 64, 0.1)
Pixels = NDArray[np.uint8] | NDArray[np.uint16]


def part_of(picture: Image.Image | Pixels, bits: int = 16, kind: str = "PNG") -> Part:
    """Return what the inspector measures of a picture in a file."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    out = io.BytesIO()
    image.save(out, kind)
    opened = decode.open_picture(out.getvalue(), bits=bits)
    (measured,) = measures.measure(opened.rgb(), "single", opened)
    return Part.from_json(measured)


def photo(number: int) -> Image.Image:
    return facade(number)[1]


def ids(number: int, classes: int = 13) -> NDArray[np.uint8]:
    """Draw areas of classes, as a label map has them."""
    random = np.random.default_rng(number)
    made = np.zeros((64, 64), np.uint8)
    for value in range(1, classes):
        top, left = random.integers(0, 48, 2)
        made[top : top + 16, left : left + 16] = value
    return made


def grey16(number: int, low: int, high: int) -> NDArray[np.uint16]:
    grey = np.asarray(photo(number).convert("L"), np.float64)
    share = (grey - grey.min()) / (grey.max() - grey.min())
    return np.asarray(low + share * (high - low), np.uint16)


def judged(seen: Mapping[str, tuple[Part, ...]], setting: Setting = FOLDERS) -> Judgement:
    files = [
        (f"{half}/{name}", digest_of(f"{half}/{name}".encode()))
        for name in seen
        for half in "ab"[: len(next(iter(seen.values())))]
    ]
    if setting.pairs != "folders":
        files = [(name.partition("/")[2], digest) for name, digest in files]
    plan = pairs.pair_up(setting.pairs, files)
    by_digest = {pair.digest: seen[pair.name.removeprefix("a/")] for pair in plan.pairs}
    placing = kinship.Placing({})
    for digest, parts in by_digest.items():
        placing.meet(digest, parts)
    kin = placing.settle(1, by_digest.keys())
    split = kinship.split(plan.pairs, setting.validation, kin)
    anchors = {digest: one.anchor for digest, one in kin.items()}
    return findings.judge(setting, split, by_digest, anchors, {})


def set_of(make_a: Callable[[int], Pixels], count: int = 60) -> dict[str, tuple[Part, ...]]:
    return {f"{n:03d}.png": (part_of(make_a(n)), part_of(photo(n))) for n in range(count)}


def test_class_ids_are_one_finding_that_is_wrong_and_not_sixty_blank_halves() -> None:
    said = judged(set_of(ids))
    (found,) = said.findings
    assert (found.kind, found.level, len(found.groups)) == ("class-ids", WRONG, 60)
    assert (
        found.message == "the picture in a/ of 60 pairs uses 13 values, 0 to 12 of 255: class ids?"
    )
    assert "colour-labels" in found.advice


def test_class_ids_of_the_inputs_that_are_coloured_as_they_are_read_are_no_finding() -> None:
    seen = set_of(ids, 12)
    few = judged(seen, FOLDERS._replace(labels="ids")).findings
    assert [one.kind for one in few] == ["few"]
    coloured = {**seen, "000.png": (part_of(photo(3)), part_of(photo(0)))}
    found, _ = judged(coloured, FOLDERS._replace(labels="ids")).findings
    assert (found.level, found.groups) == (WRONG, (("a/000.png",),))


def test_a_class_that_is_void_is_255() -> None:
    def with_void(number: int) -> NDArray[np.uint8]:
        made = ids(number)
        made[:4] = 255
        return made

    (found,) = judged(set_of(with_void)).findings
    assert "13 values, 0 to 12 and 255 of 255: class ids?" in found.message


def test_a_mask_of_0_and_1_is_told_from_one_of_0_and_255() -> None:
    (found,) = judged(set_of(lambda n: ids(n, 2) if n % 3 else ids(0, 1))).findings
    assert (found.kind, found.level) == ("class-ids", WRONG)
    assert "2 near values, 0 and 1 of 255: a mask?" in found.message
    assert len(found.groups) == 40  # the empty masks are part of it, and nothing is said of them
    assert judged(set_of(lambda n: ids(n, 2) * np.uint8(255))).findings == ()


def test_one_black_half_among_pictures_is_still_blank() -> None:
    seen = {f"{n:03d}.png": tuple(map(part_of, facade(n))) for n in range(60)}
    seen["003.png"] = (part_of(np.zeros((64, 64), np.uint8)), seen["003.png"][1])
    (found,) = judged(seen).findings
    assert (found.kind, found.level, found.groups) == ("blank", WRONG, (("a/003.png",),))


@pytest.mark.parametrize(("least", "level"), [(60, LOOK), (0, WRONG)])
def test_ids_up_to_150_can_be_seen_but_where_a_picture_has_only_the_first_of_them(
    least: int, level: str
) -> None:
    def many(number: int) -> NDArray[np.uint8]:
        shift = np.random.default_rng(number).integers(least, 138)
        return np.asarray(np.where(ids(number) > 0, ids(number) + shift, 0), np.uint8)

    (found,) = judged(set_of(many, 50)).findings
    assert (found.kind, found.level, len(found.groups)) == ("class-ids", level, 50)


@pytest.mark.parametrize(
    ("first", "words"),
    [(100, "13 values, 100 to 112 of 255"), (240, "13 values, 240 to 252 of 255")],
)
def test_ids_that_begin_with_a_bright_one_look_the_same_too(first: int, words: str) -> None:
    found = judged(set_of(lambda n: ids(n) + np.uint8(first))).findings
    assert [(one.kind, one.level) for one in found] == [("class-ids", WRONG)]
    assert words in found[0].message


def test_one_picture_of_near_values_among_others_is_no_label_map() -> None:
    seen = {f"{n:03d}.png": tuple(map(part_of, facade(n))) for n in range(60)}
    seen["003.png"] = (part_of(ids(3) + np.uint8(200)), seen["003.png"][1])
    assert [one.kind for one in judged(seen).findings if one.kind == "class-ids"] == []


def test_many_classes_in_each_picture_are_seen_too() -> None:
    def street(number: int) -> NDArray[np.uint8]:
        areas = np.random.default_rng(number).integers(0, 151, (8, 8))
        return np.kron(areas, np.ones((8, 8), int)).astype(np.uint8)

    (found,) = judged(set_of(street, 50)).findings
    assert (found.kind, found.level) == ("class-ids", LOOK)
    assert "0 to 150 of 255: class ids?" in found.message


@pytest.mark.parametrize("kind", ["palette", "drawing", "jpeg"])
def test_labels_that_can_be_seen_are_let_be(kind: str) -> None:
    def visible(number: int) -> Part:
        if kind == "palette":
            image = Image.fromarray(ids(number))
            image.putpalette([p for n in range(13) for p in (20 * n, 255 - 20 * n, 90)])
            return part_of(image)
        if kind == "drawing":  # with smooth edges, so that all greys occur
            large = Image.fromarray(ids(number, 3) * np.uint8(127)).resize((640, 640))
            return part_of(large.resize((100, 100), Image.Resampling.BOX))
        return part_of(Image.fromarray(ids(number, 3) * np.uint8(127)), kind="JPEG")

    seen = {f"{n:03d}.png": (visible(n), part_of(photo(n))) for n in range(60)}
    assert [one.kind for one in judged(seen).findings if one.kind == "class-ids"] == []


@pytest.mark.parametrize(
    ("low", "high", "words", "bits"),
    [(0, 4095, "values up to 4095 of 65535: 12 bit?", 12), (200, 1100, "of 65535: 11 bit?", 11)],
)
def test_unused_bits_are_named_with_the_key_that_uses_them(
    low: int, high: int, words: str, bits: int
) -> None:
    def seen_with(read: int) -> dict[str, tuple[Part, ...]]:
        return {
            f"{n:02d}.png": (
                part_of(np.ascontiguousarray(grey16(n, low, high)[::-1]), read),
                part_of(grey16(n, low, high), read),
            )
            for n in range(24)
        }

    said = judged(seen_with(16))
    (found,) = (one for one in said.findings if one.level == WRONG)
    assert found.kind == "value-range"
    assert "the pictures of 24 pairs use" in found.message
    assert words in found.message
    assert f"`value_range: {bits}`" in found.advice
    assert {one.kind for one in said.findings} <= {"value-range", "few", "unjudged"}
    meant = judged(seen_with(16), FOLDERS._replace(value_range="full"))
    assert "value-range" not in {one.kind for one in meant.findings}
    mended = judged(seen_with(bits), FOLDERS._replace(value_range=str(bits)))
    assert {one.kind for one in mended.findings} <= {"few"}


def test_sixteen_bits_that_are_used_are_let_be() -> None:
    seen = {f"{n:03d}.png": (part_of(grey16(n, 0, 65535)), part_of(photo(n))) for n in range(60)}
    assert judged(seen).findings == ()


def test_files_of_two_depths_are_worth_a_look() -> None:
    seen = {
        f"{n:03d}.png": (part_of(grey16(n, 0, 4095 if n % 2 else 65535)), part_of(photo(n)))
        for n in range(60)
    }
    (found,) = (one for one in judged(seen).findings if one.kind == "value-range")
    assert (found.level, len(found.groups)) == (LOOK, 30)
    assert "30 others use up to 65535" in found.message


def test_values_above_the_range_that_was_set_are_named() -> None:
    seen = {f"{n:03d}.png": (part_of(grey16(n, 0, 9000), 12), part_of(photo(n))) for n in range(60)}
    (found,) = judged(seen, FOLDERS._replace(value_range="12")).findings
    assert (found.kind, found.level) == ("clipped", LOOK)
    assert "`value_range: 14`" in found.advice


def test_pictures_that_are_nearly_black_are_not_called_blank() -> None:
    seen = {
        f"{n:03d}.png": (part_of(np.asarray(photo(n)) // np.uint8(6)), part_of(photo(n)))
        for n in range(60)
    }
    (found,) = judged(seen).findings
    assert (found.kind, found.level) == ("dark", WRONG)


def test_what_an_earlier_pixd_measured_says_nothing_about_values() -> None:
    old = part_of(ids(1))._replace(values=None)
    explained = value_findings.explain([("a", (old, old))], ("a", "b"), value_range="auto")
    assert explained.told == ()


def test_single_pictures_are_judged_too() -> None:
    singles = Setting("grayscale", "AtoB", 64, 0.1)
    seen = {f"{n:03d}.png": (part_of(grey16(n, 0, 4095)),) for n in range(60)}
    found = judged(seen, singles).findings[0]
    assert found.message == "60 pictures use values up to 4095 of 65535: 12 bit?"
