"""Reads how people lay out a training folder: its sets, and the two sides of its pairs. Pure.

Published sets come as ``train/ val/ test/``, ``trainA/ trainB/``, ``A/ B/``, or as ``x_A.png`` beside
``x_B.png``. Where a folder can be read in one way only, it is read so. Where it can be read in two
ways, nothing is guessed: one sentence says what to rename.

Promises: a folder with ``a/`` and ``b/`` at its top, and without sets, is read as ever.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TRAIN: Final = "train"
VALIDATION: Final = "val"
TEST: Final = "test"
SETS: Final = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VALIDATION,
    "valid": VALIDATION,
    "validation": VALIDATION,
    "test": TEST,
    "testing": TEST,
}
"""The names of sets that published data uses, in any case of letters."""
_SET_AND_SIDE: Final = re.compile(rf"({'|'.join(SETS)})[_-]?([ab])", re.IGNORECASE)
_SIDE_AT_END: Final = re.compile(r"(.+)[_-]([ab])", re.IGNORECASE)
_OUTSIDE: Final = "outside a/ and b/"
_PUT: Final = "put the inputs into a/ and the targets into b/, under the same names"
_DEEPEST: Final = 3  # folders around the whole set that are looked through
_FEWEST_ALIKE: Final = 2  # names from which a common beginning can be told


class Place(NamedTuple):
    """What the name of a file says.

    Attributes:
        part: TRAIN, VALIDATION or TEST; "" if the folder has no sets.
        side: "a" or "b"; "" where a file is a whole pair.
        stem: the same for the two files of a pair: the name without set, side and suffix.
    """

    part: str
    side: str
    stem: str


class Layout(NamedTuple):
    """How a folder is laid out.

    Attributes:
        places: by name, of every file that has a place.
        outside: the reason, by the name of each file that has none.
        hint: what to rename, for all files outside; "" if there are none.
    """

    places: Mapping[str, Place]
    outside: Mapping[str, str]
    hint: str


def read(names: Iterable[str], files: int) -> Layout:
    """Read the layout of a folder from its names.

    Args:
        names: name text of each file.
        files: how many files are a pair, 1 or 2.
    """
    parts, rests = _sets(sorted(names))
    if files == 1:
        return Layout({name: Place(parts[name], "", _stem(rests[name])) for name in rests}, {}, "")
    sides, hint = _sides(rests)
    places = {
        name: Place(parts[name] or part, side, stem) for name, (part, side, stem) in sides.items()
    }
    _match_names(places)
    why = f"{_OUTSIDE}: {hint}" if hint else ""
    return Layout(places, {name: why for name in rests if name not in sides}, hint)


def is_two_folders(names: Sequence[str]) -> bool:
    """Tell whether the names are those of pairs in two files each."""
    found = read(names, 2)
    stems = {side: {p.stem for p in found.places.values() if p.side == side} for side in "ab"}
    return len(stems["a"] & stems["b"]) * 2 > len(names) * 0.5


# -- sets ------------------------------------------------------------------------------------------


def _sets(names: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the set of each file ("" for none), and its name without the folder of the set.

    A folder is that of a set only beside another: `test/` alone may be anything.
    """
    beside: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for name in names:
        folders = name.split("/")[:-1]
        for depth, folder in enumerate(folders):
            if folder.lower() in SETS:
                beside[tuple(folders[:depth])].add(SETS[folder.lower()])
    parts, rests = {}, {}
    for name in names:
        parts[name], rests[name] = "", name
        pieces = name.split("/")
        for depth, folder in enumerate(pieces[:-1]):
            found = beside.get(tuple(pieces[:depth]), set())
            if folder.lower() in SETS and TRAIN in found and len(found) > 1:
                parts[name] = SETS[folder.lower()]
                rests[name] = "/".join((*pieces[:depth], *pieces[depth + 1 :]))
                break
    return parts, rests


# -- sides -----------------------------------------------------------------------------------------


def _sides(rests: Mapping[str, str]) -> tuple[dict[str, tuple[str, str, str]], str]:
    """Return (set, side, stem) of each file that has a side, and a hint for the others.

    Args:
        rests: each name, and what is left of it without its set.
    """
    for depth in range(_DEEPEST + 1):
        tops = {rest.split("/")[0] for rest in rests.values() if "/" in rest}
        loose = any("/" not in rest for rest in rests.values())
        if tops & {"a", "b"}:
            return _by_top(rests, {"a": ("", "a"), "b": ("", "b")})
        if {top.lower() for top in tops} == {"a", "b"} and len(tops) == len("ab"):
            return _by_top(rests, {top: ("", top.lower()) for top in tops})
        named = {top: _SET_AND_SIDE.fullmatch(top) for top in tops}
        if tops and all(named.values()):
            sides = {t: (SETS[m[1].lower()], m[2].lower()) for t, m in named.items() if m}
            if {side for _, side in sides.values()} == {"a", "b"}:
                return _by_top(rests, sides)
        ended = {name: _SIDE_AT_END.fullmatch(_stem(rest)) for name, rest in rests.items()}
        if ended and all(ended.values()):
            return {n: ("", m[2].lower(), m[1]) for n, m in ended.items() if m}, ""
        if len(tops) != 1 or loose or depth == _DEEPEST:
            break
        rests = {name: rest.partition("/")[2] for name, rest in rests.items()}
    return {}, _hint(rests)


def _by_top(
    rests: Mapping[str, str], sides: Mapping[str, tuple[str, str]]
) -> tuple[dict[str, tuple[str, str, str]], str]:
    found = {}
    for name, rest in rests.items():
        top, slash, below = rest.partition("/")
        if slash and top in sides:
            part, side = sides[top]
            found[name] = (part, side, _stem(below))
    is_all = len(found) == len(rests)
    return found, "" if is_all else "move it into one of them"


def _hint(rests: Mapping[str, str]) -> str:
    """Say what to rename in a folder whose sides cannot be told."""
    stems: defaultdict[str, set[str]] = defaultdict(set)
    for rest in rests.values():
        top, slash, below = rest.partition("/")
        stems[top if slash else ""].add(_stem(below if slash else rest))
    if len(stems) == len("ab") and "" not in stems:
        first, second = sorted(stems)
        if len(stems[first] & stems[second]) * 2 > min(len(stems[first]), len(stems[second])):
            return (
                f"rename {first} to a and {second} to b, and say with `direction` which of them"
                " is the input"
            )
    if set(stems) == {""}:
        return f"{_PUT}; or, if each picture is a whole pair, set `pairs: side-by-side`"
    return _PUT


def _match_names(places: dict[str, Place]) -> None:
    """Let ``img_001`` match ``mask_001`` where all names of a side have what they begin or end with.

    Only where no name matches as it is, and afterwards each has exactly one partner.
    """
    sides = {side: [n for n, place in places.items() if place.side == side] for side in "ab"}
    stems = {side: [_key(places[n]) for n in names] for side, names in sides.items()}
    if not len(stems["a"]) == len(stems["b"]) >= _FEWEST_ALIKE:  # some have no partner
        return
    if set(stems["a"]) & set(stems["b"]):
        return
    bare = {
        side: _bare([places[n].stem.rpartition("/")[2] for n in names])
        for side, names in sides.items()
    }
    keys = {
        side: {
            (places[n].part, places[n].stem.rpartition("/")[0], last): n
            for n, last in zip(names, bare[side], strict=True)
        }
        for side, names in sides.items()
    }
    is_unique = all(len(keys[side]) == len(sides[side]) for side in "ab")
    if not is_unique or keys["a"].keys() != keys["b"].keys():
        return
    for side in "ab":
        for (_, folder, last), name in keys[side].items():
            places[name] = places[name]._replace(stem=f"{folder}/{last}" if folder else last)


def _bare(stems: Sequence[str]) -> list[str]:
    """Cut off what all of these begin with and end with, but no digits: these tell them apart."""
    begin = _common_beginning(stems).rstrip("0123456789")
    rests = [stem[len(begin) :] for stem in stems]
    end = _common_beginning([rest[::-1] for rest in rests]).rstrip("0123456789")
    return [rest[: len(rest) - len(end)] for rest in rests]


def _common_beginning(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)  # in order, what differs least is between
    length = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    return first[:length] if length is not None else first


def _key(place: Place) -> tuple[str, str]:
    return place.part, place.stem


def _stem(path: str) -> str:
    folder, slash, last = path.rpartition("/")
    stem = last.rpartition(".")[0] or last
    return folder + slash + stem
