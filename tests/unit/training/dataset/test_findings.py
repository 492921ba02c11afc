"""What is said of a training set: what is wrong with it is found, and a sound one is let be."""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pixd.config.pair_kinds import KINDS
from pixd.images import decode
from pixd.system.digests import digest_of
from pixd.training.dataset import findings, measures, near_duplicates, pairs, swapped_halves
from pixd.training.dataset import split as kinship
from pixd.training.dataset.finding import LOOK, WRONG, Finding, Judgement, Refused, Setting
from pixd.training.dataset.near_duplicates import Part, Parts
from tests.support.images import facade, gradient

SIDE_BY_SIDE = Setting("side-by-side", "AtoB", 64, 0.1)


def parts_of(*pictures: Image.Image) -> Parts:
    return tuple(
        Part.from_json(measured)
        for picture in pictures
        for measured in measures.measure(picture, "single")
    )


def jpeg(picture: Image.Image, quality: int = 85) -> Image.Image:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return decode.decode(out.getvalue())


def drawn(count: int, size: int = 64) -> dict[str, Parts]:
    return {f"{n:03d}.png": parts_of(*facade(n, size)) for n in range(count)}


@pytest.fixture(scope="module")
def sixty() -> dict[str, Parts]:
    return drawn(60)


def judged(
    seen: dict[str, Parts],
    setting: Setting = SIDE_BY_SIDE,
    refused: dict[str, Refused] | None = None,
) -> Judgement:
    plan = pairs.pair_up("side-by-side", [(n, digest_of(n.encode())) for n in seen])
    by_digest = {pair.digest: seen[pair.name] for pair in plan.pairs}
    placing = kinship.Placing({})
    for digest, parts in by_digest.items():
        placing.meet(digest, parts)
    kin = placing.settle(1, by_digest.keys())
    split = kinship.split(plan.pairs, setting.validation, kin)
    anchors = {digest: one.anchor for digest, one in kin.items()}
    return findings.judge(setting, split, by_digest, anchors, refused or {})


def only(found: Iterable[Finding], kind: str) -> Finding:
    (one,) = (finding for finding in found if finding.kind == kind)
    return one


def test_of_a_sound_set_nothing_is_found(sixty: dict[str, Parts]) -> None:
    said = judged(sixty)
    assert said.findings == ()
    assert said.worst == ""
    assert any("no pair has its halves swapped" in note for note in said.notes)


@pytest.mark.parametrize("number", range(0, 60, 7))
def test_the_one_pair_that_is_swapped_is_named_and_no_other(
    number: int, sixty: dict[str, Parts]
) -> None:
    name = f"{number:03d}.png"
    first, second = sixty[name]
    said = judged({**sixty, name: (second, first)})
    (found,) = said.findings
    assert (found.kind, found.level, found.groups) == ("swapped", WRONG, ((name,),))
    assert name in said.worst


def test_a_set_whose_halves_are_of_one_kind_is_not_judged_by_them(
    sixty: dict[str, Parts],
) -> None:
    names = list(sixty)
    alike = [(sixty[n][1], sixty[names[(i * 7 + 3) % 60]][1]) for i, n in enumerate(names)]
    assert swapped_halves.compare(alike).swapped is None


def test_few_pairs_have_no_majority(sixty: dict[str, Parts]) -> None:
    few = [(a, b) for a, b in list(sixty.values())[: swapped_halves.FEWEST_PAIRS - 1]]
    assert swapped_halves.compare(few).swapped is None


@pytest.mark.parametrize(("direction", "words"), [("AtoB", "as with maps"), ("BtoA", "AtoB")])
def test_the_direction_is_said_in_words(
    direction: str, words: str, sixty: dict[str, Parts]
) -> None:
    notes = judged(sixty, SIDE_BY_SIDE._replace(direction=direction)).notes
    (told,) = (note for note in notes if note.startswith("direction"))
    assert words in told


@pytest.mark.parametrize("quality", [50, 75, 95])
@pytest.mark.parametrize("scale", [0.5, 0.8, 1.0, 1.6])
def test_a_pair_saved_anew_at_another_size_is_found(
    quality: int, scale: float, sixty: dict[str, Parts]
) -> None:
    side = round(128 * scale)
    pair = facade(5, 128)
    again = [jpeg(picture.resize((side, side)), quality) for picture in pair]
    said = judged({**sixty, "005.png": parts_of(*pair), "again.jpg": parts_of(*again)})
    assert only(said.findings, "alike").groups == (("005.png", "again.jpg"),)
    assert only(said.findings, "alike").level == LOOK


def test_a_blank_half_is_wrong_and_many_are_only_worth_a_look(sixty: dict[str, Parts]) -> None:
    (white,) = parts_of(jpeg(Image.new("RGB", (64, 64), (255, 255, 254))))
    one = judged({**sixty, "003.png": (sixty["003.png"][0], white)})
    found = only(one.findings, "blank")
    assert (found.level, found.groups) == (WRONG, (("003.png",),))
    assert "right half" in found.message
    many = {name: (p[0], white) if n < 12 else p for n, (name, p) in enumerate(sixty.items())}
    assert only(judged(many).findings, "blank").level == LOOK


def test_a_thin_line_is_a_drawing_and_not_blank() -> None:
    line = Image.new("RGB", (256, 256), "white")
    line.paste((0, 0, 0), (40, 128, 216, 129))
    (part,) = parts_of(line)
    assert not findings._is_blank(part)


def test_halves_that_show_the_same_are_wrong(sixty: dict[str, Parts]) -> None:
    photo = facade(3, 64)[1]
    both = Image.new("RGB", (128, 64))
    both.paste(photo, (0, 0))
    both.paste(photo, (64, 0))
    parts = tuple(map(Part.from_json, measures.measure(jpeg(both, 80), "side-by-side")))
    found = only(judged({**sixty, "same.jpg": parts}).findings, "identical")
    assert (found.level, found.groups) == (WRONG, (("same.jpg",),))


def _noisy(picture: Image.Image) -> Image.Image:
    noise = np.random.default_rng(1).normal(0, 12, (picture.height, picture.width, 3))
    return Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    "changed",
    [
        _noisy,
        lambda p: p.filter(ImageFilter.GaussianBlur(1.5)),
        lambda p: p.convert("L").convert("RGB"),
        lambda p: p.point(lambda value: value * 0.8),
        lambda p: p.resize((64, 64)).resize(p.size),
    ],
    ids=["denoise", "deblur", "colour", "brighten", "enlarge"],
)
def test_a_picture_and_its_other_version_are_a_pair_to_learn_from(changed: object) -> None:
    assert callable(changed)
    photo = facade(3, 256)[1]
    assert not near_duplicates.are_the_same(*parts_of(changed(photo), photo))


def test_small_pairs_and_few_pairs_are_worth_a_look() -> None:
    said = judged(drawn(6, 32), SIDE_BY_SIDE._replace(image_size=256))
    assert {finding.kind for finding in said.findings} == {"few", "unjudged", "small"}
    assert said.count(WRONG) == 0
    assert "image_size: 32" in only(said.findings, "small").advice


def test_pairs_far_larger_than_the_square_are_named_with_the_command_that_mends_it(
    sixty: dict[str, Parts],
) -> None:
    def said(setting: Setting, side: int) -> list[Finding]:
        of_size = {
            name: tuple(part._replace(width=side, height=side) for part in parts)
            for name, parts in sixty.items()
        }
        return [f for f in judged(of_size, setting).findings if f.kind == "large"]

    setting = SIDE_BY_SIDE._replace(image_size=256)
    (large,) = said(setting, 3840)
    assert large.level == LOOK
    assert "60 pairs are 15 times as large as image_size 256" in large.message
    assert "`pixd prepare resize FOLDER SMALL --size 1024x512`" in large.advice
    assert large.groups[0] == ("000.png: 3840 px",)
    folders = setting._replace(pairs="folders", fit="crop")
    assert "--size 512 --fit crop`" in said(folders, 3840)[0].advice
    assert not said(setting, 2000)
    assert not said(folders._replace(fit="tile"), 3840)


def test_no_pair_at_all_is_wrong() -> None:
    assert only(judged({}).findings, "few").level == WRONG


def test_each_file_that_is_not_used_is_named_with_its_reason(sixty: dict[str, Parts]) -> None:
    refused = {
        "notes.txt": Refused("it is a text", "unusable"),
        "tall.png": Refused("this one is 10 x 30", "aspect"),
        "a/1.png": Refused("no partner: b/1", "unpaired"),
        "copy.png": Refused("the same bytes as 001.png", "copy"),
    }
    said = judged(sixty, refused=refused)
    assert [finding.kind for finding in said.findings] == ["unusable", "aspect", "unpaired", "copy"]
    assert said.count(WRONG) == 3
    assert all(finding.advice for finding in said.findings)
    assert said.findings[0].groups == (("notes.txt: it is a text",),)


def test_links_and_readmes_are_told_once_and_harm_nothing(sixty: dict[str, Parts]) -> None:
    link = Refused("a symbolic link that leads out of the folder", "special")
    text = Refused("left out", "companion")
    refused = {f"{n}.png": link for n in range(3)} | dict.fromkeys(["A.md", "b.csv", "c.txt"], text)
    said = judged(sixty, refused=refused)
    assert said.count(WRONG) == 0
    found = only(said.findings, "special")
    assert "3 files cannot be opened" in found.message
    assert "PNG" not in found.advice
    assert "3 files beside the pictures are left out: A.md, b.csv and 1 more" in said.notes


def test_halves_of_different_shape_do_not_fit_over_each_other(sixty: dict[str, Parts]) -> None:
    (wide,) = parts_of(gradient(96, 64))
    seen = {**sixty, "a/9.png": (sixty["009.png"][0], wide)}
    found = only(judged(seen, SIDE_BY_SIDE._replace(pairs="folders")).findings, "shape")
    assert found.groups == (("a/9.png: 64 x 64 and 96 x 64",),)


@pytest.mark.parametrize("mode", [name for name, kind in KINDS.items() if kind.is_made])
def test_single_pictures_have_the_checks_that_make_sense(mode: str) -> None:
    seen = {f"{n:03d}.png": parts_of(facade(n, 64)[1]) for n in range(60)}
    seen["grey.png"] = parts_of(jpeg(facade(90, 64)[1].convert("L")))
    seen["one.png"] = parts_of(Image.new("RGB", (64, 64), (120, 80, 90)))
    said = judged(seen, SIDE_BY_SIDE._replace(pairs=mode))
    assert only(said.findings, "blank").groups == (("one.png",),)
    grey = [finding.groups for finding in said.findings if finding.kind == "grey"]
    assert grey == ([(("grey.png",),)] if mode in {"grayscale", "colorization"} else [])


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (4000, 8), (3, 500), (65, 33)])
def test_a_picture_of_any_shape_is_measured(size: tuple[int, int]) -> None:
    (part,) = parts_of(gradient(*size))
    assert (part.width, part.height) == size
    assert 0 <= part.plain <= 100_000
