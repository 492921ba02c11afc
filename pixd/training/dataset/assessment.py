"""Assesses a training folder: its pairs, their sides, and what is wrong with it. Pure.

The service at each commit and `pixd check-training` for any folder both use this module, so they
cannot disagree. In both, an inspector first looks at each content
(`pixd.training.dataset.inspector`). Then `assess` compares the pairs with each other. Of a small
folder this is done where it is asked, and of a large one in the inspector's process
(`pixd.training.dataset.comparing`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixd.folders.companions import COMPANION, may_be_companion
from pixd.system.safe_open import NOT_FOLLOWED
from pixd.training.dataset import findings, pairs
from pixd.training.dataset.finding import Refused
from pixd.training.dataset.near_duplicates import Index
from pixd.training.dataset.split import Placing, split

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pixd.store.training_set import Looked
    from pixd.training.dataset.finding import Judgement, Setting
    from pixd.training.dataset.near_duplicates import AnyIndex, Parts
    from pixd.training.dataset.split import Kin


NO_PICTURE = "not a picture that pixd takes"
EMPTY = "the file is empty"
"""How the decoder ends, or begins, its reasons for files that are of no image format."""


class Seen(NamedTuple):
    """The files of a folder, and what was found in each.

    Attributes:
        files: (name text, digest) of every file that was read.
        looked: what the inspector found, by digest.
        unread: the files that could not be read at all, by name, with the reason.
    """

    files: Sequence[tuple[str, str]]
    looked: Mapping[str, Looked]
    unread: Mapping[str, str]


class Question(NamedTuple):
    """What is to be assessed.

    Attributes:
        setting: the settings that count.
        since: number of the commit that the pairs are of.
        pairs: the pairs of the folder.
        kin: what was decided about earlier pairs, by digest; they need not be in the folder now.
        refused: the files that are in no pair, by name.
        parts: what was measured of each pair, by its digest. A pair without measures is neither
            compared nor judged.
    """

    setting: Setting
    since: int
    pairs: Sequence[pairs.Pair]
    kin: Mapping[str, Kin]
    refused: Mapping[str, Refused]
    parts: Mapping[str, Parts]


class Assessment(NamedTuple):
    """What was found.

    Attributes:
        given: what was decided now about the new pairs, by digest.
        judgement: what is wrong with the set, and what is worth a look.
    """

    given: Mapping[str, Kin]
    judgement: Judgement


def is_known(looked: Looked) -> bool:
    """Tell whether everything is known that is needed of a content."""
    return bool(looked.reason) or looked.is_measured


def pair_up(setting: Setting, seen: Seen) -> pairs.PairPlan:
    """Make pairs of the files that the inspector accepted."""
    accepted = [
        (name, digest)
        for name, digest in seen.files
        if is_known(seen.looked[digest]) and not seen.looked[digest].reason
    ]
    return pairs.pair_up(setting.pairs, accepted)


def refusals(seen: Seen, plan: pairs.PairPlan) -> dict[str, Refused]:
    """Return the files that are in no pair, by name.

    Args:
        seen: the files.
        plan: their pairs, as `pair_up` returns them.
    """
    refused = {name: Refused(why, _kind(name, why)) for name, why in seen.unread.items()}
    for name, digest in seen.files:
        if (one := seen.looked[digest]).reason:
            refused[name] = Refused(one.reason, "aspect" if one.width else _kind(name, one.reason))
    for name, why in plan.problems.items():
        kind = "copy" if name in plan.copies else "unpaired"
        refused[name] = Refused(why, "outside" if name in plan.outside else kind)
    return refused


def _kind(name: str, why: str) -> str:
    """Return of which kind a file is that is in no pair and is no image.

    An older store holds what the inspector said of a README, so the reason tells, too.
    """
    if why.startswith(NOT_FOLLOWED):
        return "special"
    says_no_picture = why in {COMPANION, EMPTY} or NO_PICTURE in why
    return "companion" if says_no_picture and may_be_companion(name) else "unusable"


def assess(
    question: Question,
    index: AnyIndex | None = None,
    show: Callable[[int, int], None] = lambda *_: None,
) -> Assessment:
    """Give new pairs their anchors, and judge the set.

    Args:
        question: the pairs, and all that is known of them.
        index: an empty one, which finds near pairs; the usual one if it is None.
        show: called with how many of the pairs are compared with the others, and how many there are.
    """
    kin, parts = question.kin, question.parts
    new = [pair for pair in question.pairs if pair.digest not in kin and pair.digest in parts]
    given: dict[str, Kin] = {}
    if new:
        placing = Placing(kin, index or Index())
        for digest in kin:
            if digest in parts:  # there are none if a content was recalled
                placing.admit(digest, parts[digest])
        for number, pair in enumerate(new):
            show(number, len(new))
            placing.meet(pair.digest, parts[pair.digest])
        given = placing.settle(question.since, {pair.digest for pair in new})
    every = {**kin, **given}
    sides = split(question.pairs, question.setting.validation, every)
    of_folder = {
        pair.digest: parts[pair.digest]
        for pair in (*sides.used, *sides.left_out)
        if pair.digest in parts
    }
    anchors = {digest: one.anchor for digest, one in every.items()}
    judged = findings.judge(question.setting, sides, of_folder, anchors, question.refused)
    return Assessment(given, judged)
