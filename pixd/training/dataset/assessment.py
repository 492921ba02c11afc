"""Assesses a training folder: its pairs, their sides, and what is wrong with it. Pure.

The service at each commit and `pixd check-training` for any folder both use this module, so they
cannot disagree. In both, an inspector first looks at each content
(`pixd.training.dataset.inspector`). Both decide which pairs are near each other
(`pixd.training.dataset.split.Placing`): the service when pairs come, `pixd check-training` for all
of them at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from pixd.training.dataset import findings, pairs
from pixd.training.dataset.findings import Refused
from pixd.training.dataset.split import Split, split

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pixd.store.training_set import Looked
    from pixd.training.dataset.findings import Judgement, Setting
    from pixd.training.dataset.near_duplicates import Parts
    from pixd.training.dataset.split import Kin


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


@dataclass(frozen=True)
class Assessment:
    """What was found.

    Attributes:
        setting: the settings that count.
        split: the pairs by side.
        refused: the files that are in no pair, by name.
        kin: what was decided about each pair, by its digest.
        parts_of: returns what was measured of a pair, or None if that was forgotten.
    """

    setting: Setting
    split: Split
    refused: Mapping[str, Refused]
    kin: Mapping[str, Kin]
    parts_of: Callable[[pairs.Pair], Parts | None]

    @cached_property
    def judgement(self) -> Judgement:
        """What is wrong, and what is worth a look. It is computed when it is first used."""
        parts = {
            pair.digest: found
            for pair in (*self.split.used, *self.split.left_out)
            if (found := self.parts_of(pair)) is not None
        }
        anchors = {digest: one.anchor for digest, one in self.kin.items()}
        return findings.judge(self.setting, self.split, parts, anchors, self.refused)


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


def assess(
    setting: Setting,
    seen: Seen,
    plan: pairs.PairPlan,
    kin: Mapping[str, Kin],
    parts_of: Callable[[pairs.Pair], Parts | None],
) -> Assessment:
    """Assess a training folder.

    Args:
        setting: the settings that count.
        seen: the files.
        plan: their pairs, as `pair_up` returns them.
        kin: what was decided about each pair, by its digest.
        parts_of: returns what was measured of a pair, or None if that was forgotten.
    """
    refused = {name: Refused(why, "unusable") for name, why in seen.unread.items()}
    refused |= _refusals(seen, plan)
    sides = split(plan.pairs, setting.validation, kin)
    return Assessment(setting, sides, refused, kin, parts_of)


def _refusals(seen: Seen, plan: pairs.PairPlan) -> dict[str, Refused]:
    """Return the files that were read and are in no pair, by name."""
    refused: dict[str, Refused] = {}
    for name, digest in seen.files:
        if (one := seen.looked[digest]).reason:
            refused[name] = Refused(one.reason, "aspect" if one.width else "unusable")
    for name, why in plan.problems.items():
        kind = "copy" if name in plan.copies else "unpaired"
        refused[name] = Refused(why, "outside" if name in plan.outside else kind)
    return refused
