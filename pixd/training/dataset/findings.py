"""What is wrong with a training set, and what to do about it. Pure, and without arrays.

It follows from names, from what was measured of each picture
(`pixd.training.dataset.measures`), and from which pairs are near each other
(`pixd.training.dataset.split`). *Wrong* is what harms a training or cannot be used. *Look* is what
may be intended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pixd.config.pair_kinds import KINDS
from pixd.system.wording import counted, has_or_have, is_or_are, looks_or_look
from pixd.training.dataset import (
    large_pictures,
    layouts,
    pairs,
    swapped_halves,
    unused_files,
    value_findings,
)
from pixd.training.dataset.finding import LOOK, WRONG, Finding, Judgement, one_each
from pixd.training.dataset.near_duplicates import Part, Parts, are_the_same

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pixd.training.dataset.finding import Refused, Setting
    from pixd.training.dataset.split import Split
    from pixd.training.dataset.value_findings import Explained

FEW: Final = 50
"""pix2pix was shown to learn facades from 400 pairs and day to night from 91 scenes (Isola et al. 2017,
arXiv:1611.07004, section 4, data requirements and speed); half of that is little."""
_BLANK: Final = (
    99_900  # of 100,000: blank if 99.9 % have nearly one value; a one-pixel line stays below that
)
_MANY_BLANK: Final = (
    0.05  # share of pairs: so many blank halves are intended, such as masks without an object
)
_MUCH_SMALLER: Final = 0.75  # of image_size
_SHAPE: Final = 0.05  # as `pixd.images.side_by_side.ASPECT_TOLERANCE`
_GREY: Final = 3  # levels of mean saturation: the noise of JPEG on a grey picture stays within it


def judge(
    setting: Setting,
    split: Split,
    parts: Mapping[str, Parts],
    anchors: Mapping[str, str],
    refused: Mapping[str, Refused],
) -> Judgement:
    """Say what is wrong with a set.

    Args:
        setting: the settings that count.
        split: its pairs by side.
        parts: what was measured of each pair, by its digest; pairs without measures are left out.
        anchors: of each pair (`pixd.training.dataset.split`), by its digest.
        refused: the files that are in no pair, by name.
    """
    found = sorted((*split.used, *split.left_out), key=lambda pair: pair.name)
    seen = [(pair.name, parts[pair.digest]) for pair in found if pair.digest in parts]
    kind = KINDS[setting.pairs]
    side = 0 if kind.is_made or setting.direction == "AtoB" else 1
    coloured = side if setting.labels == "ids" else None
    why_dark = value_findings.explain(
        seen, kind.halves or ("picture",), value_range=setting.value_range, coloured=coloured
    )
    findings = [*unused_files.of_refused(refused), *_of_numbers(found, split, setting, why_dark)]
    findings += [
        Finding(told.kind, WRONG if told.is_wrong else LOOK, told.message, told.advice, one_each(told.names))
        for told in why_dark.told
    ]  # fmt: skip
    findings += unused_files.of_sets(split)
    notes = unused_files.of_companions(refused)
    if not kind.is_made:
        findings += _of_halves(seen, setting, why_dark)
        swapped, more = _of_sides(seen, setting)
        findings += swapped
        notes += more
    else:
        findings += _of_singles(seen, setting, why_dark)
    findings += _of_duplicates(found, split, anchors, why_dark)
    findings += _of_sizes(seen, setting, notes)
    findings.sort(key=lambda finding: finding.level != WRONG)  # stable
    is_drawn = kind.is_made and not kind.takes_pictures
    inputs = None if is_drawn else value_findings.learned(seen, side, setting.value_range)
    return Judgement(tuple(findings), tuple(notes), inputs)


def _of_numbers(
    found: Sequence[pairs.Pair], split: Split, setting: Setting, why_dark: Explained
) -> Iterator[Finding]:
    count = len(found)
    if count == 0:
        yield Finding("few", WRONG, "there are no pairs to learn from", _what_to_put_in(setting))
    elif count < FEW:
        few = "is" if count == 1 else "are"
        yield Finding(
            "few", LOOK, f"{counted(count, 'pair')} {few} few to learn from",
            f"it trains; look for more: a hundred and up, {FEW} at least",
        )  # fmt: skip
    if 0 < count < pairs.MIN_HELD_OUT_FROM and setting.validation > 0:
        yield Finding(
            "unjudged", LOOK,
            f"with fewer than {pairs.MIN_HELD_OUT_FROM} pairs none is held out to judge a model by",
            "models go live without being compared; look at their outputs yourself",
        )  # fmt: skip
    elif count and setting.validation > 0 and not split.held_out:
        is_dark = all(why_dark.covers(pair.name) for pair in found)
        yield Finding(
            "unjudged", LOOK,
            "no pair is held out to judge a model by: "
            + ("pictures so dark count as one" if is_dark else "the sides fall by chance"),
            "see to the values first" if is_dark else "raise train.validation, or add pairs",
        )  # fmt: skip


def _what_to_put_in(setting: Setting) -> str:
    kind = KINDS[setting.pairs]
    if kind.is_made:
        return "put pictures into the folder: the input of each is made of it"
    if kind.is_side_by_side:
        return (
            "put pictures into the folder that have the two of a pair beside each other;"
            " `pixd prepare combine A B DIR --size 256` makes them out of two folders"
        )
    return "put the two pictures of a pair into a/ and b/ under the same name"


# -- pictures ---------------------------------------------------------------------------------------


def _of_halves(
    seen: Sequence[tuple[str, Parts]], setting: Setting, why_dark: Explained
) -> Iterator[Finding]:
    sides = _halves(setting)
    blank = [(name, side) for name, parts in seen for side in (0, 1) if _is_blank(parts[side])]
    for side in (0, 1):
        unexplained = [key for key in blank if key not in why_dark.sides]
        names = [name for name, which in unexplained if which == side]
        if not names:
            continue
        is_meant = len(names) > max(1, _MANY_BLANK * len(seen))
        of = "of 1 pair" if len(names) == 1 else f"of {len(names)} pairs"
        yield Finding(
            "blank", LOOK if is_meant else WRONG,
            f"the {sides[side]} {of} is all one colour",
            "if that is meant (nothing to show there), leave it; else draw it, or take the pair out",
            one_each(names),
        )  # fmt: skip
    is_blank = {name for name, _ in blank}
    same = [n for n, (a, b) in seen if n not in is_blank and are_the_same(a, b)]
    if same:
        yield Finding(
            "identical", WRONG, f"{counted(len(same), 'pair')} {has_or_have(len(same))} the same picture on both sides",
            "from that a model learns to change nothing: put the right picture in its place",
            one_each(same),
        )  # fmt: skip
    uneven = [
        f"{name}: {a.width} x {a.height} and {b.width} x {b.height}"
        for name, (a, b) in seen
        if abs(a.width * b.height / (a.height * b.width) - 1) > _SHAPE
    ]
    if uneven:
        yield Finding(
            "shape", WRONG, f"{counted(len(uneven), 'pair')} {has_or_have(len(uneven))} halves of different shape",
            "what is at one place in a/ must be at the same in b/: cut both to the same part",
            one_each(uneven),
        )  # fmt: skip


def _halves(setting: Setting) -> tuple[str, str]:
    halves = KINDS[setting.pairs].halves
    assert halves is not None  # only called where both pictures are given
    return halves


def _is_blank(part: Part) -> bool:
    return part.plain >= _BLANK


def _of_sides(
    seen: Sequence[tuple[str, Parts]], setting: Setting
) -> tuple[list[Finding], list[str]]:
    whole = [(n, (a, b)) for n, (a, b) in seen if not (_is_blank(a) or _is_blank(b))]
    sides = swapped_halves.compare([both for _, both in whole])
    if sides.swapped is None:
        return [], []
    names = [whole[place][0] for place in sides.swapped]
    found = []
    if names:
        found.append(
            Finding(
                "swapped", WRONG,
                f"{counted(len(names), 'pair')} {looks_or_look(len(names))} the other way round than the other"
                f" {len(whole) - len(names)}",
                "look at it; if input and target changed places, swap them"
                if len(names) == 1
                else "look at them; where input and target changed places, swap them",
                one_each(names),
            )
        )  # fmt: skip
    notes = [] if names else [f"no pair has its halves swapped: all {len(whole)} agree"]
    if sides.flatter is not None:
        a_is_input = setting.direction == "AtoB"
        input_is_flat = sides.flatter == (0 if a_is_input else 1)
        first, second = _halves(setting) if a_is_input else reversed(_halves(setting))
        kinds = ("flatter", "richer") if input_is_flat else ("richer", "flatter")
        other = "BtoA" if a_is_input else "AtoB"
        told = f"direction {setting.direction}: the {kinds[1]} {second} is made out of the {kinds[0]} {first}"
        more = (
            ", as with maps, labels and sketches"
            if input_is_flat
            else f"; if it is meant the other way, {other}"
        )
        notes.append(told + more)
    return found, notes


def _of_singles(
    seen: Sequence[tuple[str, Parts]], setting: Setting, why_dark: Explained
) -> Iterator[Finding]:
    blank = [n for n, (part,) in seen if _is_blank(part) and not why_dark.covers(n)]
    if blank:
        yield Finding(
            "blank", WRONG, f"{counted(len(blank), 'picture')} {has_or_have(len(blank))} nothing but one colour",
            "there is nothing to learn in it: take it out", one_each(blank),
        )  # fmt: skip
    if KINDS[setting.pairs].learns_colours:
        grey = [
            name for name, (part,) in seen if part.stat("saturation") <= _GREY and name not in blank
        ]
        if grey:
            yield Finding(
                "grey", WRONG, f"{counted(len(grey), 'picture')} {has_or_have(len(grey))} no colours to learn",
                f"pairs: {setting.pairs} learns colours: take out what is black and white",
                one_each(grey),
            )  # fmt: skip


def _of_duplicates(
    found: Iterable[pairs.Pair], split: Split, anchors: Mapping[str, str], why_dark: Explained
) -> Iterator[Finding]:
    groups: dict[str, list[str]] = {}
    for pair in found:
        if why_dark.covers(pair.name):
            continue  # seen as it is now, it is like every other
        groups.setdefault(anchors.get(pair.digest, pair.digest), []).append(pair.name)
    alike = sorted(tuple(names) for names in groups.values() if len(names) > 1)
    if alike:
        pictures = sum(len(group) for group in alike)
        told = f"{pictures} pairs are nearly the same"
        if len(alike) > 1:
            told = f"{pictures} pairs are nearly the same as another, in {len(alike)} groups"
        yield Finding(
            "alike", LOOK, told,
            "keep the best: the others only give it more weight. No model is judged by one of them after"
            " it was trained on another",
            tuple(alike),
        )  # fmt: skip
    names = sorted(pair.name for pair in split.left_out if pair.part != layouts.TEST)
    if names:
        yield Finding(
            "between", LOOK,
            f"{counted(len(names), 'pair')} {has_or_have(len(names))} near-duplicates both among the pairs that are"
            " trained on and among those held out, and are left out of both"
            if len(names) > 1 else
            "1 pair has near-duplicates both among the pairs that are trained on and among those held"
            " out, and is left out of both",
            "nothing is harmed; take out the near-duplicates to use it", one_each(names),
        )  # fmt: skip


def _of_sizes(
    seen: Sequence[tuple[str, Parts]], setting: Setting, notes: list[str]
) -> Iterator[Finding]:
    if not seen:
        return
    sides = [(name, min(max(part.width, part.height) for part in parts)) for name, parts in seen]
    small = [f"{n}: {side} px" for n, side in sides if side < _MUCH_SMALLER * setting.image_size]
    smallest, largest = min(side for _, side in sides), max(side for _, side in sides)
    if small:
        fitting = max(32, 1 << (smallest.bit_length() - 1))
        yield Finding(
            "small", LOOK,
            f"{counted(len(small), 'pair')} {is_or_are(len(small))} much smaller than image_size"
            f" {setting.image_size} and {is_or_are(len(small))} enlarged",
            f"take larger pictures, or image_size: {fitting}", one_each(small),
        )  # fmt: skip
    if large := large_pictures.told(seen, setting.image_size, setting.pairs, setting.fit):
        yield Finding("large", LOOK, *large[:2], one_each(large.files))
    what = "halves" if KINDS[setting.pairs].is_side_by_side else "pictures"
    each = f"{smallest} px" if smallest == largest else f"{smallest} to {largest} px"
    notes.append(f"{what}: {each} on the longer side; image_size: {setting.image_size}")
