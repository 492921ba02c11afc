"""What the values in the files of a training set say: class ids, masks, unused bits. Pure.

Such pictures look black, so other findings would call them blank, or nearly the same. Those are
then silent about them (`Explained.sides`), because the cause is said here, once for the whole set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pixd.config.value_range import FULL, is_meant, maximum_of
from pixd.images import value_use
from pixd.images.value_use import EIGHT, MOST_CLASSES, MOST_SPECKLE, SEEN, VOID, ValueUse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pixd.training.dataset.near_duplicates import Part, Parts

_ENOUGH: Final = 0.05  # share of pictures: fewer dark ones are nights, or lens caps
_MOST: Final = 0.5
_MANY_CLASSES: Final = 24
_DENSE: Final = 0.5  # share of the values up to the largest that occur in some picture
_WHITE_16: Final = 65535

Known = dict[tuple[str, int], ValueUse]  # by the name of the pair and the number of the side


class Told(NamedTuple):
    """A finding, before it is one of `pixd.training.dataset.finding`.

    Attributes:
        kind: one word, for programs.
        is_wrong: whether it harms a training; else it is worth a look.
        message: what was found, in a line.
        advice: what to do.
        names: of the pairs that it is about.
    """

    kind: str
    is_wrong: bool
    message: str
    advice: str
    names: tuple[str, ...]


class Explained(NamedTuple):
    """What the values say.

    Attributes:
        told: the findings.
        sides: name of the pair and number of the side of each picture that looks as it does
            because of its values, so that it is not called blank.
        side_count: how many sides a pair has.
    """

    told: tuple[Told, ...]
    sides: frozenset[tuple[str, int]]
    side_count: int

    def covers(self, name: str) -> bool:
        """Tell whether all sides of a pair are explained."""
        return all((name, side) in self.sides for side in range(self.side_count))


class Subject(NamedTuple):
    """How pictures are called: by their side, or just as pictures where a pair has only one."""

    sides: tuple[str, ...]

    def uses(self, found: Iterable[tuple[str, int]]) -> str:
        """Return the beginning of a sentence about the values of some pictures."""
        return self._told(found, "uses", "use")

    def has(self, found: Iterable[tuple[str, int]]) -> str:
        """Return the beginning of a sentence about what some pictures have."""
        return self._told(found, "has", "have")

    def _told(self, found: Iterable[tuple[str, int]], one: str, several: str) -> str:
        keys = set(found)
        names, numbers = {name for name, _ in keys}, {side for _, side in keys}
        count = len(names)
        if len(self.sides) == 1:
            return f"1 picture {one}" if count == 1 else f"{count} pictures {several}"
        pairs = f"{count} pair{'s' * (count != 1)}"
        if len(numbers) > 1:
            return f"the pictures of {pairs} {several}"
        return f"the {self.sides[numbers.pop()]} of {pairs} {one}"


def explain(
    seen: Sequence[tuple[str, Parts]],
    sides: tuple[str, ...],
    *,
    value_range: str,
    coloured: int | None = None,
) -> Explained:
    """Say what the values of a set are.

    Args:
        seen: name and measures of each pair.
        sides: what people call its pictures.
        value_range: the setting.
        coloured: number of the side whose class ids are given colours as they are read.
    """
    known: Known = {
        (name, side): values
        for name, parts in seen
        for side in range(len(sides))
        if (values := parts[side].values) is not None
    }
    subject, explained = Subject(sides), set[tuple[str, int]]()
    told: list[Told] = []
    for side in range(len(sides)):
        here = {key: values for key, values in known.items() if key[1] == side}
        labels = {key: values for key, values in here.items() if values.is_labels} or _near(here)
        if labels:
            explained |= labels.keys() | _plain_ones(here, labels).keys()
        if side == coloured:
            explained |= {key for key, values in here.items() if values.used}
            told += _of_no_labels(here, subject)
            continue
        told += [*_of_many_classes(here, labels, subject)] or [*_of_labels(labels, subject)]
        dark = {k: v for k, v in here.items() if k not in labels and not v.is_wide and _is_dark(v)}
        if len(dark) >= max(2, _ENOUGH * len(here)):
            explained |= dark.keys()
            told.append(_dark(dark, subject, is_wrong=len(dark) >= _MOST * len(here)))
    wide = {k: v for k, v in known.items() if v.is_wide and not v.is_labels and k[1] != coloured}
    told += _of_clipped(wide, subject, maximum_of(value_range))
    if not is_meant(value_range):
        unused = _unused(wide, maximum_of(value_range))
        explained |= unused.keys() | (_plain_ones(wide, unused).keys() if unused else set())
        told += _of_unused(wide, unused, subject, maximum_of(value_range))
    return Explained(tuple(told), frozenset(explained), len(sides))


def learned(
    seen: Sequence[tuple[str, Parts]], side: int, value_range: str
) -> dict[str, Any] | None:
    """Return what the inputs of a training use, to compare with what is translated later.

    Args:
        seen: name and measures of each pair.
        side: number of the side that is the input.
        value_range: the setting.

    Returns:
        None where there are no pairs.
    """
    found = [parts[side].values or _seen_in(parts[side]) for _, parts in seen]
    if not found:
        return None
    all_of = value_use.union(found)
    return {
        "low": all_of.low,
        "high": all_of.high,
        "bits": all_of.bits,
        "white": maximum_of(value_range),
        "labels": sum(one.is_labels for one in found) >= _MOST * len(found),
    }


def _seen_in(part: Part) -> ValueUse:
    """Return about what a picture uses that an earlier pixd measured."""
    luma = part.thumb[::3]
    return ValueUse(EIGHT, min(luma), max(luma))


def _plain_ones(here: Mapping[tuple[str, int], ValueUse], like: Known) -> Known:
    """Return the pictures of one value that fit to others, such as a mask without an object."""
    top = max(max(values.top, 0) if values.used else values.high for values in like.values())
    return {
        key: values
        for key, values in here.items()
        if values.low == values.high and values.high <= top
    }


# -- class ids -------------------------------------------------------------------------------


def _near(here: Known) -> Known:
    """Return the pictures of a set of which all have even areas of a few bright values, such as 100 to 112.

    One such picture may be fog, or a blank page; a set of them shows nothing that can be seen.
    """
    near = {
        key: values
        for key, values in here.items()
        if values.used and 1 < values.different <= MOST_CLASSES and values.speckle <= MOST_SPECKLE
    }
    if not near or len(near) < (1 - _ENOUGH) * len(here):
        return {}
    together = value_use.union(near.values())
    return near if together.high - together.low < SEEN else {}


def _of_labels(labels: Known, subject: Subject) -> Iterator[Told]:
    if not labels:
        return
    together = value_use.union(labels.values())
    scale = together.scale
    mend = (
        "`pixd prepare colour-labels` gives each a colour of its own; for inputs, `labels: ids` in"
        " config.yaml does so as they are read"
    )
    if together.different == 2:  # noqa: PLR2004 - a pair
        message = f"2 near values, {together.low} and {together.high} of {scale}: a mask?"
    else:
        void = f" and {VOID}" if together.high == VOID else ""
        count = together.different - bool(void)
        message = f"{count} values, {together.low} to {together.top}{void} of {scale}: class ids?"
    yield Told(
        "class-ids",
        True,
        f"{subject.uses(labels)} {message}",
        f"values so near each other look the same; {mend}",
        _names(labels),
    )


def _of_many_classes(here: Known, labels: Known, subject: Subject) -> Iterator[Told]:
    """Find maps of so many classes that their ids reach into the greys that can be seen."""
    few = {
        key: values
        for key, values in here.items()
        if values.used and values.different <= MOST_CLASSES and values.speckle <= MOST_SPECKLE
    }
    if not few or len(few) < (1 - _ENOUGH) * len(here):
        return
    together = value_use.union(few.values())
    reaches = together.top >= SEEN and together.different >= _MANY_CLASSES
    if reaches and together.different >= _DENSE * (together.top + 1):
        yield Told(
            "class-ids",
            bool(labels),  # of those no doubt is left
            f"{subject.uses(few)} {together.different} greys in even areas,"
            f" {together.low} to {together.top} of {together.scale}: class ids?",
            "neighbouring ids look the same; if that is what they are, `pixd prepare colour-labels`"
            " gives each a colour of its own",
            _names(few),
        )


def _of_no_labels(here: Known, subject: Subject) -> Iterator[Told]:
    """Find pictures with colours where class ids are expected."""
    odd = {key: values for key, values in here.items() if not values.used}
    if odd:
        yield Told(
            "class-ids",
            True,
            f"{subject.has(odd)} colours or more than 256 greys, although `labels: ids` is set",
            "they are taken as they are; bring all of them to class ids, or drop `labels`",
            _names(odd),
        )


# -- unused bits -----------------------------------------------------------------------------


def _is_dark(values: ValueUse) -> bool:
    return values.is_dark(values.scale)


def _dark(dark: Known, subject: Subject, *, is_wrong: bool) -> Told:
    together = value_use.union(dark.values())
    return Told(
        "dark",
        is_wrong,
        f"{subject.uses(dark)} only {together.low} to {together.high} of {together.scale}: nearly"
        " black",
        "if they were saved too dark, or reduced from more bits, save them again over the whole"
        " range; the dropped pictures must then be treated alike",
        _names(dark),
    )


def _unused(wide: Known, maximum: int) -> Known:
    """Return the pictures that leave bits unused: many that are dark, or all if none is bright."""
    dark = {key: values for key, values in wide.items() if values.is_dark(maximum)}
    if dark and len(dark) >= _ENOUGH * len(wide):
        return dark
    varied = {key: values for key, values in wide.items() if values.low < values.high}
    is_dim = bool(varied) and all(2 * values.high <= maximum for values in varied.values())
    return varied if is_dim else {}


def _of_unused(wide: Known, unused: Known, subject: Subject, maximum: int) -> Iterator[Told]:
    if not unused:
        return
    high = max(values.high for values in unused.values())
    bits = value_use.bits_of(high)
    others = [v.high for k, v in wide.items() if k not in unused and v.low < v.high]
    message = f"{subject.uses(unused)} values up to {high} of {maximum}: {bits} bit?"
    if others:
        count = len(others)
        yield Told(
            "value-range",
            False,
            f"{message} {count} other{'s use' if count != 1 else ' uses'} up to {max(others)}",
            "all files of more than 8 bits are read alike: save them with one depth",
            _names(unused),
        )
        return
    yield Told(
        "value-range",
        any(values.is_dark(maximum) for values in unused.values()),
        message,
        f"`value_range: {bits}` in config.yaml takes {(1 << bits) - 1} as white, in training and"
        f" input alike; `value_range: {FULL}` if they are meant to be as dark as this",
        _names(unused),
    )


def _of_clipped(wide: Known, subject: Subject, maximum: int) -> Iterator[Told]:
    below = {key: values for key, values in wide.items() if values.low < 0}
    above = {key: values for key, values in wide.items() if values.high > maximum}
    if below:
        low = min(values.low for values in below.values())
        yield Told(
            "clipped", True, f"{subject.uses(below)} values down to {low}: what is below 0 is black",
            f"save them scaled to 0 to {_WHITE_16}", _names(below),
        )  # fmt: skip
    if above and len(above) >= _ENOUGH * len(wide):
        high = max(values.high for values in above.values())
        bits = value_use.bits_of(high)
        fits = bits <= _WHITE_16.bit_length()
        yield Told(
            "clipped", not fits,
            f"{subject.uses(above)} values up to {high}: what is above {maximum} is white",
            f"`value_range: {bits}` in config.yaml" if fits else f"save them scaled to 0 to {_WHITE_16}",
            _names(above),
        )  # fmt: skip


def _names(found: Iterable[tuple[str, int]]) -> tuple[str, ...]:
    return tuple(sorted({name for name, _ in found}))
