"""Pairs from names and contents: which files belong together, which do not, and why."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pixd.system.digests import digest_of
from pixd.training.dataset import pairs
from pixd.training.dataset import split as kinship


def _file(name: str, content: str | None = None) -> tuple[str, str]:
    return name, digest_of((content or name).encode())


def test_side_by_side_makes_a_pair_of_each_file() -> None:
    plan = pairs.pair_up("side-by-side", [_file("b.png"), _file("sub/a.jpg")])
    assert sorted(pair.name for pair in plan.pairs) == ["b.png", "sub/a.jpg"]
    assert plan.problems == {}


def test_folders_pair_by_stem_whatever_the_suffix_and_below_sub_folders() -> None:
    files = [_file("a/x/1.png"), _file("b/x/1.jpeg"), _file("a/2.webp"), _file("b/2.webp", "other")]
    plan = pairs.pair_up("folders", files)
    assert {tuple(name for name, _ in pair.files) for pair in plan.pairs} == {
        ("a/x/1.png", "b/x/1.jpeg"),
        ("a/2.webp", "b/2.webp"),
    }


def test_a_file_without_partner_is_told_what_is_missing() -> None:
    plan = pairs.pair_up("folders", [_file("a/1.png"), _file("b/2.png"), _file("3.png")])
    assert plan.pairs == ()
    assert "b/1" in plan.problems["a/1.png"]
    assert "a/2" in plan.problems["b/2.png"]
    assert "outside a/ and b/" in plan.problems["3.png"]


def test_a_candidate_that_differs_by_letter_case_is_named() -> None:
    plan = pairs.pair_up("folders", [_file("a/Cat.PNG"), _file("b/cat.png")])
    assert "b/cat.png differs in letter case: rename one" in plan.problems["a/Cat.PNG"]
    assert "a/Cat.PNG differs in letter case: rename one" in plan.problems["b/cat.png"]


def test_two_candidates_for_one_stem_are_both_refused() -> None:
    plan = pairs.pair_up("folders", [_file("a/1.png"), _file("a/1.jpg"), _file("b/1.png", "t")])
    assert plan.pairs == ()
    assert set(plan.problems) == {"a/1.png", "a/1.jpg", "b/1.png"}


def test_the_same_bytes_under_two_names_are_one_pair_and_said_so() -> None:
    plan = pairs.pair_up("side-by-side", [_file("one.png", "x"), _file("two.png", "x")])
    assert len(plan.pairs) == 1
    assert "one.png" in plan.problems["two.png"]


def test_renaming_changes_no_digest() -> None:
    before = pairs.pair_up("side-by-side", [_file("old.png", "x"), _file("c.png")])
    after = pairs.pair_up("side-by-side", [_file("new.png", "x"), _file("c.png")])
    assert pairs.dataset_digest(before.pairs) == pairs.dataset_digest(after.pairs)


names = st.lists(st.text("abcdef0123/._", min_size=1, max_size=8), unique=True, max_size=30)


@given(names, st.sampled_from(["side-by-side", "folders"]))
def test_every_file_is_in_a_pair_or_has_a_reason(found: list[str], layout: str) -> None:
    plan = pairs.pair_up(layout, [_file(name) for name in found])
    paired = {name for pair in plan.pairs for name, _ in pair.files}
    assert paired | set(plan.problems) == set(found)
    assert not paired & set(plan.problems)


@given(st.sets(st.integers(0, 10_000), min_size=11, max_size=200), st.integers(10_001, 20_000))
def test_a_pair_never_changes_sides_when_others_come(numbers: set[int], other: int) -> None:
    def split(chosen: set[int]) -> tuple[set[str], set[str]]:
        plan = pairs.pair_up("side-by-side", [_file(f"{n}.png") for n in chosen])
        train, held_out, _ = kinship.split(plan.pairs, 0.2, {})
        return {p.name for p in train}, {p.name for p in held_out}

    train, held_out = split(numbers)
    train_after, held_out_after = split(numbers | {other})
    assert train <= train_after
    assert held_out <= held_out_after


def test_about_the_asked_share_is_held_out() -> None:
    plan = pairs.pair_up("side-by-side", [_file(f"{n}.png") for n in range(2000)])
    _, held_out, _ = kinship.split(plan.pairs, 0.1, {})
    assert 140 <= len(held_out) <= 260


def test_few_pairs_are_all_trained_on() -> None:
    plan = pairs.pair_up("side-by-side", [_file(f"{n}.png") for n in range(9)])
    train, held_out, _ = kinship.split(plan.pairs, 0.5, {})
    assert len(train) == 9
    assert held_out == ()
