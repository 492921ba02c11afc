"""Layouts that people have: read where one reading is safe, else one sentence for all files."""

from __future__ import annotations

import pytest

from pixd.system.digests import digest_of
from pixd.training.dataset import findings, layouts, pairs
from pixd.training.dataset.finding import Refused, Setting
from pixd.training.dataset.split import Kin, split


def pair_up(names: list[str], kind: str = "folders") -> pairs.PairPlan:
    return pairs.pair_up(kind, [(name, digest_of(name.encode())) for name in names])


def numbered(*forms: str, count: int = 4) -> list[str]:
    return [form.format(f"{number:03}") for form in forms for number in range(count)]


def sets_of(plan: pairs.PairPlan) -> dict[str, int]:
    found: dict[str, int] = {}
    for pair in plan.pairs:
        found[pair.part] = found.get(pair.part, 0) + 1
    return found


@pytest.mark.parametrize(
    ("forms", "sets"),
    [
        (["a/{}.png", "b/{}.jpg"], {"": 4}),
        (["A/{}.png", "B/{}.jpg"], {"": 4}),
        (["photos/a/{}.png", "photos/b/{}.png"], {"": 4}),
        (["set/one/A/{}.png", "set/one/B/{}.png"], {"": 4}),
        (["{}_A.png", "{}_B.png"], {"": 4}),
        (["sub/{}_a.png", "sub/{}_b.png"], {"": 4}),
        (["a/img_{}.png", "b/mask_{}.png"], {"": 4}),
        (["a/{}_leftImg8bit.png", "b/{}_gtFine_color.png"], {"": 4}),
        (["A/train/{}.png", "B/train/{}.png", "A/test/{}.png", "B/test/{}.png"],
         {"train": 4, "test": 4}),
        (["train/a/{}.png", "train/b/{}.png", "val/a/{}.png", "val/b/{}.png"],
         {"train": 4, "val": 4}),
        (["trainA/{}.png", "trainB/{}.png", "testA/{}.png", "testB/{}.png"],
         {"train": 4, "test": 4}),
        (["data/train_A/{}.png", "data/train_B/{}.png"], {"train": 4}),
    ],
)  # fmt: skip
def test_a_layout_with_one_reading_is_taken(forms: list[str], sets: dict[str, int]) -> None:
    plan = pair_up(numbered(*forms))
    assert plan.problems == {}
    assert sets_of(plan) == sets
    for pair in plan.pairs:
        (first, _), (second, _) = pair.files
        assert first != second


@pytest.mark.parametrize("missing", ["a", "b"])
def test_a_side_without_a_file_leaves_the_other_unpaired(missing: str) -> None:
    there = {"a": "b", "b": "a"}[missing]
    names = numbered(there + "/{}.png")
    plan = pair_up(names)
    assert plan.pairs == ()
    assert set(plan.problems) == set(names)
    assert plan.outside == frozenset()


@pytest.mark.parametrize(
    ("forms", "hint"),
    [
        (["images/{}.png", "masks/{}.png"], "rename images to a and masks to b"),
        (["deep/images/{}.png", "deep/masks/{}.png"], "rename images to a and masks to b"),
        (["{}.png"], "or, if each picture is a whole pair, set `pairs: side-by-side`"),
        (["one/{}.png", "two/x{}.png", "three/{}.png"], "put the inputs into a/"),
    ],
)
def test_where_two_readings_are_possible_one_sentence_says_what_to_rename(
    forms: list[str], hint: str
) -> None:
    names = numbered(*forms)
    plan = pair_up(names)
    assert plan.pairs == ()
    assert hint in plan.hint
    assert plan.outside == set(names)
    assert all(hint in plan.problems[name] for name in names)
    refused = {name: Refused(why, "outside") for name, why in plan.problems.items()}
    setting = Setting("folders", "AtoB", 256, 0.1)
    judged = findings.judge(setting, split((), 0.1, {}), {}, {}, refused)
    (found,) = [one for one in judged.findings if one.kind == "outside"]
    assert found.groups == ()
    assert hint in found.advice


def test_what_lies_beside_a_and_b_is_told_where_to_go() -> None:
    plan = pair_up(["a/1.png", "b/1.png", "stray.png", "A/2.png"])
    assert len(plan.pairs) == 1
    assert plan.problems["stray.png"] == "outside a/ and b/: move it into one of them"
    assert "A/2.png" in plan.problems


def test_names_that_match_as_they_are_are_not_matched_otherwise() -> None:
    plan = pair_up(["a/img_1.png", "a/img_2.png", "b/img_1.png", "b/mask_2.png"])
    assert [pair.name for pair in plan.pairs] == ["a/img_1.png"]
    assert set(plan.problems) == {"a/img_2.png", "b/mask_2.png"}


def test_a_pair_is_never_of_two_sets() -> None:
    plan = pair_up(["a/train/1.png", "a/test/2.png", "b/train/2.png", "b/test/1.png"])
    assert plan.pairs == ()


def test_a_folder_called_test_alone_is_no_set() -> None:
    assert sets_of(pair_up(numbered("test/{}.png", "more/{}.png"), "side-by-side")) == {"": 8}
    both = pair_up(numbered("AB/train/{}.png", "AB/Test/{}.png"), "side-by-side")
    assert sets_of(both) == {"train": 4, "test": 4}


def test_of_two_copies_the_one_to_learn_from_is_used() -> None:
    files = [("test/1.png", digest_of(b"same")), ("train/1.png", digest_of(b"same"))]
    plan = pairs.pair_up("side-by-side", [*files, ("train/2.png", digest_of(b"other"))])
    assert {pair.name: pair.part for pair in plan.pairs} == {
        "train/1.png": "train", "train/2.png": "train",
    }  # fmt: skip
    assert "the same bytes as train/1.png" in plan.problems["test/1.png"]


# -- sides ------------------------------------------------------------------------------------


def test_test_is_left_out_and_val_is_held_out() -> None:
    plan = pair_up(numbered("train/{}.png", "val/{}.png", "test/{}.png"), "side-by-side")
    sides = split(plan.pairs, 0.1, {})
    assert {pair.part for pair in sides.train} == {"train"}
    assert {pair.part for pair in sides.held_out} == {"val"}
    assert {pair.part for pair in sides.left_out} == {"test"}
    assert len(sides.key_inputs(0.1)) == 2  # the sides are part of what a training is known by
    judged = findings.judge(Setting("side-by-side", "AtoB", 256, 0.1), sides, {}, {}, {})
    told = [one.message for one in judged.findings if one.kind == "sets"]
    assert told == [
        "4 pairs of the folder val are held out",
        "4 pairs of the folder test are left out",
    ]


def test_without_val_the_digests_decide_as_ever() -> None:
    names = numbered("train/{}.png", count=60)
    alone = split(pair_up(names, "side-by-side").pairs, 0.2, {})
    beside = pair_up([*names, *numbered("test/{}.png")], "side-by-side")
    sides = split(beside.pairs, 0.2, {})
    assert {p.digest for p in sides.held_out} == {p.digest for p in alone.held_out}
    assert sides.key_inputs(0.2) == alone.key_inputs(0.2)
    assert len(sides.left_out) == 4


def test_validation_0_leaves_val_out() -> None:
    plan = pair_up(numbered("train/{}.png", "val/{}.png"), "side-by-side")
    sides = split(plan.pairs, 0, {})
    assert (len(sides.train), sides.held_out, len(sides.left_out)) == (4, (), 4)


def test_what_is_near_to_a_training_pair_is_no_judge_of_it() -> None:
    plan = pair_up(numbered("train/{}.png", "val/{}.png"), "side-by-side")
    train, val = ([p for p in plan.pairs if p.part == part] for part in ("train", "val"))
    kin = {val[0].digest: Kin(train[0].digest), train[0].digest: Kin(train[0].digest)}
    kin[val[1].digest] = Kin(val[1].digest, (train[1].digest,))
    sides = split(plan.pairs, 0.1, kin)
    assert {p.digest for p in sides.left_out} == {val[0].digest, val[1].digest}
    assert len(sides.held_out) == 2


def test_two_folders_are_recognised_where_files_should_hold_both() -> None:
    assert layouts.is_two_folders(numbered("A/{}.png", "B/{}.png"))
    assert not layouts.is_two_folders(numbered("x/{}.png", "y/{}.png"))
