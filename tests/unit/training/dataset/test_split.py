"""Near-duplicates are on one side of the split, whatever comes and goes, and others as ever."""

from __future__ import annotations

import base64
import functools
import hashlib

from hypothesis import given
from hypothesis import strategies as st

from pixd.system.digests import digest_of
from pixd.training.dataset import pairs
from pixd.training.dataset import split as kinship
from pixd.training.dataset.near_duplicates import Index, Part, are_near
from pixd.training.dataset.split import Kin, Placing

SHARE = 0.5


@functools.cache
def part(base: int, relief: int = 30) -> Part:
    """Return a chequered grey: near to another where the bases differ by at most one level."""
    luma = [base + relief * (1 if (at + at // 8) % 2 else -1) for at in range(64)]
    thumb = bytes(value for level in luma for value in (level, 128, 128))
    return Part.from_json(
        {"width": 8, "height": 8, "thumb": base64.b64encode(thumb), "plain": 0, "stats": [0] * 9}
    )


@functools.cache
def is_near(one: int, other: int) -> bool:
    return are_near((part(one),), (part(other),))


@functools.cache
def pair(name: str) -> pairs.Pair:
    return pairs.pair_up("side-by-side", [(f"{name}.png", digest_of(name.encode()))]).pairs[0]


class Folder:
    """A training folder of greys, and what pixd remembers of it, as `pixd.training.dataset.dataset` keeps it."""

    def __init__(self) -> None:
        self.there: dict[str, pairs.Pair] = {}
        self.bases: dict[str, int] = {}  # of all pairs that ever were there, by digest
        self.kin: dict[str, Kin] = {}
        self.seq = 0

    def add(self, *bases: int) -> list[pairs.Pair]:
        """Add pictures in one commit."""
        self.seq += 1
        added = [pair(f"{self.seq} {number} {base}") for number, base in enumerate(bases)]
        for one, base in zip(added, bases, strict=True):
            self.there[one.digest] = one
            self.bases[one.digest] = base
        self.place()
        return added

    def place(self) -> None:
        placing = Placing(self.kin)
        for digest in self.kin:
            placing.admit(digest, (part(self.bases[digest]),))
        new = self.there.keys() - self.kin.keys()
        for digest in sorted(new):
            placing.meet(digest, (part(self.bases[digest]),))
        self.kin.update(placing.settle(self.seq, new))

    def split(self, share: float = SHARE) -> kinship.Split:
        return kinship.split(
            sorted(self.there.values(), key=lambda one: one.digest), share, self.kin
        )

    def side(self, one: pairs.Pair) -> str:
        split = self.split()
        return next(name for name, side in zip(split._fields, split, strict=True) if one in side)

    def straddling(self, share: float = SHARE) -> list[tuple[int, int]]:
        split = self.split(share)
        return [
            (self.bases[one.digest], self.bases[other.digest])
            for one in split.train
            for other in split.held_out
            if is_near(self.bases[one.digest], self.bases[other.digest])
        ]


def padded(folder: Folder) -> Folder:
    """Add pictures that are near to nothing, so that some are held out at all."""
    folder.add(*range(150, 200, 4))
    return folder


def of_side(*, held_out: bool, base: int) -> Folder:
    """Return a folder with a picture that is held out, or trained on."""
    while True:
        folder = padded(Folder())
        while True:
            (one,) = folder.add(base)
            if (one in folder.split().held_out) == held_out:
                return folder
            del folder.there[one.digest], folder.kin[one.digest]


def test_a_near_duplicate_follows_the_pair_that_was_there_first() -> None:
    for held_out, side in ((True, "held_out"), (False, "train")):
        folder = of_side(held_out=held_out, base=100)
        followers = [folder.add(100)[0] for _ in range(8)]
        assert {folder.side(one) for one in followers} == {side}


def test_a_picture_between_two_sides_is_left_out_of_both_until_one_side_goes() -> None:
    folder = of_side(held_out=True, base=100)
    held = next(one for one in folder.split().held_out if folder.bases[one.digest] == 100)
    while True:
        (trained,) = folder.add(102)
        if folder.side(trained) == "train":
            break
        del folder.there[trained.digest], folder.kin[trained.digest]
    before = folder.split()
    (between,) = folder.add(101)
    after = folder.split()
    assert folder.side(between) == "left_out"
    assert set(before.train) <= set(after.train)
    assert set(before.held_out) <= set(after.held_out)
    del folder.there[trained.digest]
    assert folder.side(between) == "held_out"  # it has the anchor of the pair that came first
    assert folder.side(held) == "held_out"


def test_pairs_that_come_together_have_the_smallest_digest_as_their_anchor() -> None:
    folder = Folder()
    added = folder.add(100, 101, 102, 103)  # a chain: the ends are not near each other
    assert {folder.kin[one.digest].anchor for one in added} == {min(one.digest for one in added)}


def test_a_pair_comes_back_to_its_side_with_all_that_came_meanwhile() -> None:
    folder = of_side(held_out=True, base=100)
    first = next(one for one in folder.split().held_out if folder.bases[one.digest] == 100)
    del folder.there[first.digest]
    (again,) = folder.add(100)  # such as the same picture, saved anew under its name
    assert folder.side(again) == "held_out"
    folder.there[first.digest] = first
    assert folder.side(first) == folder.side(again) == "held_out"


bases = st.integers(50, 110)


@given(st.lists(st.lists(bases, min_size=1, max_size=12), min_size=1, max_size=8), st.data())
def test_no_near_duplicates_straddle_and_no_pair_crosses_as_a_folder_grows(
    commits: list[list[int]], data: st.DataObject
) -> None:
    folder = padded(Folder())
    for commit in commits:
        before = folder.split()
        folder.add(*commit)
        after = folder.split()
        assert not folder.straddling()
        assert not folder.straddling(0.2)  # nor under another share
        assert set(before.train) <= set(after.train)
        assert set(before.held_out) <= set(after.held_out)
        assert set(before.left_out) <= set(after.left_out)
        assert {*after.used, *after.left_out} == set(folder.there.values())


@given(
    st.lists(st.lists(bases, max_size=8), min_size=1, max_size=8),
    st.lists(st.integers(0, 1000), min_size=8, max_size=8),
)
def test_none_straddle_while_pairs_go_and_come_back_either(
    commits: list[list[int]], goes: list[int]
) -> None:
    folder = padded(Folder())
    away: list[pairs.Pair] = []
    for commit, number in zip(commits, goes, strict=False):
        folder.add(*commit)
        candidates = sorted(folder.there)
        gone = folder.there.pop(candidates[number % len(candidates)])
        if away and number % 2:
            back = away.pop(number % len(away))
            folder.there[back.digest] = back
        away.append(gone)
        folder.place()
        assert not folder.straddling()


@given(st.sets(st.integers(0, 10_000), max_size=60), st.sampled_from([0.0, 0.1, 0.3, 1.0]))
def test_without_near_duplicates_sides_and_keys_are_as_before_there_was_kinship(
    numbers: set[int], share: float
) -> None:
    found = pairs.pair_up(
        "side-by-side", [(f"{n}.png", digest_of(b"%d" % n)) for n in numbers]
    ).pairs

    def position(digest: str) -> float:  # as the first version computed it
        return int(hashlib.sha256(b"held out " + digest.encode()).hexdigest()[:13], 16) / 16**13

    held_out = [one for one in found if position(one.digest) < share]
    if len(found) < 10 or len(held_out) == len(found):
        held_out = []
    alone = {one.digest: Kin(one.digest) for one in found}
    for kin in ({}, alone):
        split = kinship.split(found, share, kin)
        assert list(split.held_out) == held_out
        assert list(split.train) == [one for one in found if one not in held_out]
        assert split.left_out == ()
        assert split.key_inputs(share) == [pairs.dataset_digest(found)]


def test_sides_that_follow_from_kin_are_in_the_key_and_those_that_do_not_are_not() -> None:
    found = [pair(str(number)) for number in range(40)]
    held = next(one for one in found if pairs.is_held_out(one.digest, 0.2))
    trained = next(one for one in found if not pairs.is_held_out(one.digest, 0.2))
    plain = [pairs.dataset_digest(found)]
    same_side = next(o for o in found if o != trained and not pairs.is_held_out(o.digest, 0.2))
    assert (
        kinship.split(found, 0.2, {same_side.digest: Kin(trained.digest)}).key_inputs(0.2) == plain
    )
    other = kinship.split(found, 0.2, {trained.digest: Kin(held.digest)}).key_inputs(0.2)
    assert other[:1] == plain
    assert len(other) == 2


thumbs = st.builds(
    lambda base, relief, grain: bytes(
        max(0, min(255, base + relief * ((at // 3 + at // 24) % 2) + grain[at % len(grain)]))
        for at in range(192)
    ),
    st.integers(0, 255),
    st.integers(0, 60),
    st.lists(st.integers(-6, 6), min_size=1, max_size=192),
)


@given(st.lists(thumbs, max_size=40), st.lists(st.integers(-2, 2), min_size=1, max_size=50))
def test_the_index_finds_what_comparing_all_with_all_finds(
    found: list[bytes], noise: list[int]
) -> None:
    found += [
        bytes(max(0, min(255, v + noise[at % len(noise)])) for at, v in enumerate(thumb))
        for thumb in found
    ]
    found += [  # also with more contrast: filed in another band
        bytes(max(0, min(255, round(128 + (v - 128) * 1.12))) for v in thumb) for thumb in found
    ]
    parts = [
        (
            Part.from_json(
                {
                    "width": 8,
                    "height": 8,
                    "thumb": base64.b64encode(thumb),
                    "plain": 0,
                    "stats": [0] * 9,
                }
            ),
        )
        for thumb in found
    ]
    index = Index()
    for number, one in enumerate(parts):
        index.add(str(number), one, str(number % 3))
    for one in parts:
        near = {str(number) for number, other in enumerate(parts) if are_near(one, other)}
        assert set(index.near(one)) == near
        assert index.labels_near(one) == {str(int(key) % 3) for key in near}


def test_thousands_of_pictures_that_are_all_alike_are_one_group_in_no_time() -> None:
    import time

    began = time.process_time()
    folder = Folder()
    folder.add(*[100] * 3000)
    assert len({kin.anchor for kin in folder.kin.values()}) == 1
    assert time.process_time() - began < 20  # the square of it would be minutes
