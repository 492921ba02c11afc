"""Which files of a training folder are not learned from, and what to do about it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.system.wording import counted, is_or_are
from pixd.training.dataset import layouts
from pixd.training.dataset.finding import LOOK, WRONG, Finding, one_each

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pixd.training.dataset.finding import Refused
    from pixd.training.dataset.split import Split


def of_refused(refused: Mapping[str, Refused]) -> Iterator[Finding]:
    """Say which files are in no pair. `refused`: by name."""
    by_kind: dict[str, list[str]] = {}
    for name, why in sorted(refused.items()):
        by_kind.setdefault(why.kind, []).append(f"{name}: {why.reason}")
    if outside := [why for _, why in sorted(refused.items()) if why.kind == "outside"]:
        told = f"{counted(len(outside), 'file')} {'is' if len(outside) == 1 else 'are'} outside a/ and b/"
        yield Finding("outside", WRONG, told, outside[0].reason.partition(": ")[2])
    for kind, level, what, advice in (
        ("unusable", WRONG, "cannot be used", "take out what is no picture; save the others again as PNG"),
        (
            "aspect", WRONG, "no two pictures side by side", _advice_on_shapes(by_kind.get("aspect", [])),
        ),
        (
            "unpaired", WRONG, "without a partner",
            "a/ and b/ need the same names (the suffix may differ): rename, add or take out",
        ),
        (
            "special", LOOK, "cannot be opened as files of the folder",
            "links out are not followed: put the files in (`cp -L`), or make the whole folder a link",
        ),
        ("copy", LOOK, "the same, byte for byte, as another", "nothing is harmed: each is used once"),
    ):  # fmt: skip
        names = by_kind.get(kind, [])
        if names:
            be = "is" if len(names) == 1 else "are"
            verb = what if what.startswith("cannot") else f"{be} {what}"
            yield Finding(
                kind, level, f"{counted(len(names), 'file')} {verb}", advice, one_each(names)
            )


def of_companions(refused: Mapping[str, Refused]) -> list[str]:
    """Return a note about the files that only lie beside the pictures. `refused`: by name."""
    names = sorted(name for name, why in refused.items() if why.kind == "companion")
    if not names:
        return []
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""  # noqa: PLR2004 - two are named
    be = "is" if len(names) == 1 else "are"
    told = f"{counted(len(names), 'file')} beside the pictures {be} left out"
    return [f"{told}: {', '.join(names[:2])}{more}"]


def _advice_on_shapes(told: Sequence[str]) -> str:
    """Say what to do about files that are no side-by-side pairs.

    Args:
        told: each name, ": " and the reason.
    """
    if layouts.is_two_folders([one.partition(": ")[0] for one in told]):
        return "the two pictures of a pair are in two files: set `pairs: folders` in config.yaml"
    return "put input and target side by side; `pixd prepare combine` does that with two folders"


def of_sets(split: Split) -> Iterator[Finding]:
    """Say which pairs are not learned from because of the folder that they are in."""
    by_part = dict.fromkeys((layouts.VALIDATION, layouts.TEST), 0)
    for pair in (*split.used, *split.left_out):
        if pair.part in by_part:
            by_part[pair.part] += 1
    if count := by_part[layouts.VALIDATION]:
        yield Finding(
            "sets", LOOK, f"{counted(count, 'pair')} of the folder val {is_or_are(count)} held out",
            "nothing is harmed: models are scored on them. `validation: 0` leaves them out",
        )  # fmt: skip
    if count := by_part[layouts.TEST]:
        yield Finding(
            "sets", LOOK, f"{counted(count, 'pair')} of the folder test {is_or_are(count)} left out",
            "nothing is harmed; to learn from them too, move them into train/",
        )  # fmt: skip
