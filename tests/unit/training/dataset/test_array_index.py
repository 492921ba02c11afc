"""Comparing by arrays finds what comparing all with all finds, and compares few thumbnails for it."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixd.training.dataset.array_index import ArrayIndex
from pixd.training.dataset.near_duplicates import AnyIndex, Index, Part, Parts, are_near
from pixd.training.dataset.split import Kin, Placing

NOISE = st.integers(0, 2**32 - 1)


def part(thumb: np.ndarray) -> Part:
    text = base64.b64encode(np.clip(np.rint(thumb), 0, 255).astype(np.uint8).tobytes())
    return Part.from_json({"width": 8, "height": 8, "thumb": text, "plain": 0, "stats": [0] * 9})


def pictures(seed: int, bases: int, copies: int, halves: int, spread: float) -> list[Parts]:
    """Draw pictures of one mean and about one contrast, each with copies that differ a little."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(bases):
        base = rng.normal(0, 1, (halves, 8, 8, 3)) * rng.choice([2, 10, 30])
        base -= base.mean(axis=(1, 2), keepdims=True)
        for _ in range(copies):
            change = rng.normal(0, 1, base.shape) * rng.uniform(0, spread)
            scale = rng.uniform(0.9, 1.15)
            found.append(tuple(part(128 + half) for half in scale * base + change))
    return found


@settings(deadline=None, max_examples=60)
@given(
    NOISE,
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 2),
    st.sampled_from([0.2, 1.0, 5.0, 10.0]),
)
def test_it_finds_what_comparing_all_with_all_finds(
    seed: int, bases: int, copies: int, halves: int, spread: float
) -> None:
    found = pictures(seed, bases, copies, halves, spread)
    index = ArrayIndex()
    for number, parts in enumerate(found):
        index.add(str(number), parts, str(number % 3))
    index.relabel("0", "another")
    labels = {number: str(number % 3) for number in range(len(found))} | {0: "another"}
    for parts in found:
        near = {number for number, other in enumerate(found) if are_near(parts, other)}
        assert set(index.near(parts)) == {str(number) for number in near}
        assert index.labels_near(parts) == {labels[number] for number in near}
    index.drop("0")
    assert "0" not in index
    assert "0" not in set(index.near(found[0]))


@settings(deadline=None, max_examples=60)
@given(NOISE, st.integers(1, 5), st.integers(1, 5), st.sampled_from([1.0, 5.0, 10.0]), st.data())
def test_pairs_get_the_anchors_that_they_always_got(
    seed: int, bases: int, copies: int, spread: float, data: st.DataObject
) -> None:
    """In two commits, and with pairs that leave before they have an anchor."""
    found = {f"{n:03d}": parts for n, parts in enumerate(pictures(seed, bases, copies, 1, spread))}
    split_at = data.draw(st.integers(0, len(found)))
    names = list(np.random.default_rng(seed).permutation(list(found)))
    gone = set(data.draw(st.lists(st.sampled_from(names), max_size=3)))
    answers = []
    for make in (Index, ArrayIndex):
        kin: dict[str, Kin] = {}
        for since, some in enumerate((names[:split_at], names[split_at:])):
            index: AnyIndex = make()
            placing = Placing(kin, index)
            for digest in kin:
                placing.admit(digest, found[digest])
            for digest in some:
                placing.meet(digest, found[digest])
            kin |= placing.settle(since, set(some) - gone)
        answers.append(kin)
    assert answers[0] == answers[1]


@pytest.mark.parametrize("kind", ["alike", "unlike"])
def test_pictures_of_one_mean_are_told_apart_without_comparing_all_with_all(kind: str) -> None:
    """Counted in thumbnails: all with all would be 125,000."""
    count = 500
    if kind == "alike":
        found = pictures(1, 1, count, 1, 0.1)
    else:
        rng = np.random.default_rng(1)
        small = rng.normal(0, 1, (count, 3, 3, 3))
        large = small.repeat(3, axis=1).repeat(3, axis=2)[:, :8, :8]
        large -= large.mean(axis=(1, 2), keepdims=True)
        found = [(part(128 + 30 * one / np.abs(one).mean()),) for one in large]
    index = ArrayIndex()
    placing = Placing({}, index)
    for number, parts in enumerate(found):
        placing.meet(f"{number:03d}", parts)
    anchors = {kin.anchor for kin in placing.settle(1, {f"{n:03d}" for n in range(count)}).values()}
    assert len(anchors) == (1 if kind == "alike" else count)
    assert index.compared < 40 * count
