"""What is wrong with a training set, and what to do about it. Pure, and without arrays.

It follows from names, from what was measured of each picture
(`pixd.training.dataset.measures`), and from which pairs are near each other
(`pixd.training.dataset.split`). *Wrong* is what harms a training or cannot be used. *Look* is what
may be intended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pixd.config.pair_kinds import KINDS
from pixd.training.dataset import large_pictures, layouts, pairs, swapped_halves
from pixd.training.dataset.near_duplicates import FLOOR, Part, Parts, difference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pixd.config import PipelineSettings
    from pixd.training.dataset.split import Split

WRONG: Final = "wrong"
LOOK: Final = "look"

FEW: Final = 50
"""pix2pix was shown to learn facades from 400 pairs and day to night from 91 scenes (Isola et al. 2017,
arXiv:1611.07004, section 4, data requirements and speed); half of that is little."""
_BLANK: Final = (
    99_900  # of 100,000: blank if 99.9 % have nearly one value; a one-pixel line stays below that
)
_MANY_BLANK: Final = (
    0.05  # share of pairs: so many blank halves are intended, such as masks without an object
)
_SAME_THUMB: Final = (
    0.02  # of the contrast: two halves of one JPEG that show the same differ by less
)
_SAME_DETAIL: Final = 0.05  # a picture differs from its blurred, sharpened or noisy version by more
_MUCH_SMALLER: Final = 0.75  # of image_size
_SHAPE: Final = 0.05  # as `pixd.images.side_by_side.ASPECT_TOLERANCE`
_GREY: Final = 3  # levels of mean saturation: the noise of JPEG on a grey picture stays within it


class Setting(NamedTuple):
    """The settings that findings depend on."""

    pairs: str
    direction: str
    image_size: int
    validation: float
    fit: str = "pad"

    @classmethod
    def of(cls, pipeline: PipelineSettings) -> Setting:
        """Take them from a pipeline's settings."""
        validation = pipeline.train.validation
        return cls(
            pipeline.pairs, pipeline.direction, pipeline.image_size, validation, pipeline.fit
        )


class Refused(NamedTuple):
    """A file that is in no pair.

    Attributes:
        reason: why.
        kind: "unusable", "aspect", "outside", "unpaired", "copy", "special" (a link, a pipe) or
            "companion" (a README or a table beside the pictures).
    """

    reason: str
    kind: str


class Finding(NamedTuple):
    """One thing to know about the set.

    Attributes:
        kind: one word, for programs.
        level: WRONG or LOOK.
        message: what was found, in a line.
        advice: what to do.
        groups: the files that it is about; those of one group belong together. After a name may
            follow ": " and a remark.
    """

    kind: str
    level: str
    message: str
    advice: str
    groups: tuple[tuple[str, ...], ...] = ()

    def told(self) -> dict[str, Any]:
        """Return what ``pixd check-training --json`` prints for it."""
        return {**self._asdict(), "groups": [list(group) for group in self.groups]}


class Judgement(NamedTuple):
    """Everything about a set: the findings, wrong ones first, and notes that need no action."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    def count(self, level: str) -> int:
        """Return how many findings are of a level."""
        return sum(finding.level == level for finding in self.findings)

    @property
    def worst(self) -> str:
        """The first finding as one line, with a file that it is about; "" if there is none."""
        if not self.findings:
            return ""
        first = self.findings[0]
        return f"{first.message}, such as {first.groups[0][0]}" if first.groups else first.message


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
    findings = [*_of_refused(refused), *_of_numbers(found, split, setting), *_of_sets(split)]
    notes = _of_companions(refused)
    if not KINDS[setting.pairs].is_made:
        findings += _of_halves(seen, setting)
        swapped, more = _of_sides(seen, setting)
        findings += swapped
        notes += more
    else:
        findings += _of_singles(seen, setting)
    findings += _of_duplicates(found, split, anchors)
    findings += _of_sizes(seen, setting, notes)
    findings.sort(key=lambda finding: finding.level != WRONG)  # stable
    return Judgement(tuple(findings), tuple(notes))


# -- files that are not used -----------------------------------------------------------------------


def _of_refused(refused: Mapping[str, Refused]) -> Iterator[Finding]:
    by_kind: dict[str, list[str]] = {}
    for name, why in sorted(refused.items()):
        by_kind.setdefault(why.kind, []).append(f"{name}: {why.reason}")
    if outside := [why for _, why in sorted(refused.items()) if why.kind == "outside"]:
        told = f"{_count(len(outside), 'file')} {'is' if len(outside) == 1 else 'are'} outside a/ and b/"
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
            yield Finding(kind, level, f"{_count(len(names), 'file')} {verb}", advice, _each(names))


def _of_companions(refused: Mapping[str, Refused]) -> list[str]:
    names = sorted(name for name, why in refused.items() if why.kind == "companion")
    if not names:
        return []
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""  # noqa: PLR2004 - two are named
    be = "is" if len(names) == 1 else "are"
    told = f"{_count(len(names), 'file')} beside the pictures {be} left out"
    return [f"{told}: {', '.join(names[:2])}{more}"]


def _advice_on_shapes(told: Sequence[str]) -> str:
    """Say what to do about files that are no side-by-side pairs.

    Args:
        told: each name, ": " and the reason.
    """
    if layouts.is_two_folders([one.partition(": ")[0] for one in told]):
        return "the two pictures of a pair are in two files: set `pairs: folders` in config.yaml"
    return "put input and target side by side; `pixd prepare combine` does that with two folders"


def _of_sets(split: Split) -> Iterator[Finding]:
    by_part = dict.fromkeys((layouts.VALIDATION, layouts.TEST), 0)
    for pair in (*split.used, *split.left_out):
        if pair.part in by_part:
            by_part[pair.part] += 1
    if count := by_part[layouts.VALIDATION]:
        yield Finding(
            "sets", LOOK, f"{_count(count, 'pair')} of the folder val {_verb(count)} held out",
            "nothing is harmed: models are scored on them. `validation: 0` leaves them out",
        )  # fmt: skip
    if count := by_part[layouts.TEST]:
        yield Finding(
            "sets", LOOK, f"{_count(count, 'pair')} of the folder test {_verb(count)} left out",
            "nothing is harmed; to learn from them too, move them into train/",
        )  # fmt: skip


def _verb(count: int) -> str:
    return "is" if count == 1 else "are"


def _of_numbers(found: Sequence[pairs.Pair], split: Split, setting: Setting) -> Iterator[Finding]:
    count = len(found)
    if count == 0:
        yield Finding("few", WRONG, "there are no pairs to learn from", "see docs/images.md")
    elif count < FEW:
        few = "is" if count == 1 else "are"
        yield Finding(
            "few", LOOK, f"{_count(count, 'pair')} {few} few to learn from",
            f"it trains; look for more: a hundred and up, {FEW} at least",
        )  # fmt: skip
    if 0 < count < pairs.MIN_HELD_OUT_FROM and setting.validation > 0:
        yield Finding(
            "unjudged", LOOK,
            f"with fewer than {pairs.MIN_HELD_OUT_FROM} pairs none is held out to judge a model by",
            "models go live without being compared; look at their outputs yourself",
        )  # fmt: skip
    elif count and setting.validation > 0 and not split.held_out:
        yield Finding(
            "unjudged", LOOK, "no pair is held out to judge a model by: the sides fall by chance",
            "raise train.validation, or add pairs",
        )  # fmt: skip


# -- pictures ---------------------------------------------------------------------------------------


def _of_halves(seen: Sequence[tuple[str, Parts]], setting: Setting) -> Iterator[Finding]:
    sides = _halves(setting)
    blank = [(name, side) for name, parts in seen for side in (0, 1) if _is_blank(parts[side])]
    for side in (0, 1):
        names = [name for name, which in blank if which == side]
        if not names:
            continue
        is_meant = len(names) > max(1, _MANY_BLANK * len(seen))
        of = "of 1 pair" if len(names) == 1 else f"of {len(names)} pairs"
        yield Finding(
            "blank", LOOK if is_meant else WRONG,
            f"the {sides[side]} {of} is all one colour",
            "if that is meant (nothing to show there), leave it; else draw it, or take the pair out",
            _each(names),
        )  # fmt: skip
    is_blank = {name for name, _ in blank}
    same = [n for n, (a, b) in seen if n not in is_blank and are_the_same(a, b)]
    if same:
        yield Finding(
            "identical", WRONG, f"{_count(len(same), 'pair')} {_have(same)} the same picture on both sides",
            "from that a model learns to change nothing: put the right picture in its place",
            _each(same),
        )  # fmt: skip
    uneven = [
        f"{name}: {a.width} x {a.height} and {b.width} x {b.height}"
        for name, (a, b) in seen
        if abs(a.width * b.height / (a.height * b.width) - 1) > _SHAPE
    ]
    if uneven:
        yield Finding(
            "shape", WRONG, f"{_count(len(uneven), 'pair')} {_have(uneven)} halves of different shape",
            "what is at one place in a/ must be at the same in b/: cut both to the same part",
            _each(uneven),
        )  # fmt: skip


def _halves(setting: Setting) -> tuple[str, str]:
    halves = KINDS[setting.pairs].halves
    assert halves is not None  # only called where both pictures are given
    return halves


def _is_blank(part: Part) -> bool:
    return part.plain >= _BLANK


def are_the_same(one: Part, other: Part) -> bool:
    """Tell whether two halves are the same picture, in detail too.

    A picture and its noisy, blurred or recoloured version are not: these are pairs to learn from.
    """
    contrast = max(FLOOR, min(one.contrast, other.contrast))
    if difference(one.thumb, other.thumb) > _SAME_THUMB * contrast:
        return False
    return all(
        abs(one.stat(name) - other.stat(name)) <= 1 + _SAME_DETAIL * one.stat(name)
        for name in ("detail", "colours", "saturation", "contrast")
    )


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
                f"{_count(len(names), 'pair')} {_look(names)} the other way round than the other"
                f" {len(whole) - len(names)}",
                "look at it; if input and target changed places, swap them"
                if len(names) == 1
                else "look at them; where input and target changed places, swap them",
                _each(names),
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


def _of_singles(seen: Sequence[tuple[str, Parts]], setting: Setting) -> Iterator[Finding]:
    blank = [name for name, (part,) in seen if _is_blank(part)]
    if blank:
        yield Finding(
            "blank", WRONG, f"{_count(len(blank), 'picture')} {_have(blank)} nothing but one colour",
            "there is nothing to learn in it: take it out", _each(blank),
        )  # fmt: skip
    if KINDS[setting.pairs].learns_colours:
        grey = [
            name for name, (part,) in seen if part.stat("saturation") <= _GREY and name not in blank
        ]
        if grey:
            yield Finding(
                "grey", WRONG, f"{_count(len(grey), 'picture')} {_have(grey)} no colours to learn",
                f"pairs: {setting.pairs} learns colours: take out what is black and white",
                _each(grey),
            )  # fmt: skip


def _of_duplicates(
    found: Iterable[pairs.Pair], split: Split, anchors: Mapping[str, str]
) -> Iterator[Finding]:
    groups: dict[str, list[str]] = {}
    for pair in found:
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
            f"{_count(len(names), 'pair')} {_have(names)} near-duplicates both among the pairs that are"
            " trained on and among those held out, and are left out of both"
            if len(names) > 1 else
            "1 pair has near-duplicates both among the pairs that are trained on and among those held"
            " out, and is left out of both",
            "nothing is harmed; take out the near-duplicates to use it", _each(names),
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
            f"{_count(len(small), 'pair')} {_are(small)} much smaller than image_size"
            f" {setting.image_size} and {_are(small)} enlarged",
            f"take larger pictures, or image_size: {fitting}", _each(small),
        )  # fmt: skip
    if large := large_pictures.told(seen, setting.image_size, setting.pairs, setting.fit):
        yield Finding("large", LOOK, *large[:2], _each(large.files))
    what = "halves" if KINDS[setting.pairs].is_side_by_side else "pictures"
    each = f"{smallest} px" if smallest == largest else f"{smallest} to {largest} px"
    notes.append(f"{what}: {each} on the longer side; image_size: {setting.image_size}")


def _each(names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    return tuple((name,) for name in names)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _have(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _look(names: Sequence[str]) -> str:
    return "looks" if len(names) == 1 else "look"
