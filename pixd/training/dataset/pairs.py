"""Makes pairs of input image and target from the files of a training folder. Pure.

It needs only names and digests.

The identity of a pair is the digest of its contents. So renaming files makes no new pair, and the
order of pairs, their sides and the key of a training follow from contents alone.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from pixd.config.pair_kinds import KINDS
from pixd.config.value_range import MOST_BITS, bits_of
from pixd.system.digests import canonical_json, digest_of
from pixd.training.dataset import layouts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MIN_HELD_OUT_FROM = 10
"""With fewer pairs none is held out: one or two show nothing, and the training needs them all."""

_ORDER = ("", layouts.TRAIN, layouts.VALIDATION, layouts.TEST)


class Pair(NamedTuple):
    """One training pair.

    Attributes:
        name: name text of the file, or of the file in a/.
        files: (name, digest) of the one file, or of the files in a/ and b/.
        digest: digest over the file digests in order.
        part: the set that its folder names (`pixd.training.dataset.layouts`); "" for none.
    """

    name: str
    files: tuple[tuple[str, str], ...]
    digest: str
    part: str = ""


class PairPlan(NamedTuple):
    """The pairs of a folder, sorted by digest, and the files that are in no pair.

    Attributes:
        pairs: each once, even if files are exact copies.
        problems: the reason, by the name of each file that is in no pair.
        copies: those of these files that are exact copies, each with the name of the used pair.
        outside: those that are in neither of the two folders of pairs.
        hint: what to do about all that are outside, in one sentence.
    """

    pairs: tuple[Pair, ...]
    problems: Mapping[str, str]
    copies: Mapping[str, str]
    outside: frozenset[str] = frozenset()
    hint: str = ""


def layout_of(layout: str) -> str:
    """Return how the inspector looks at each file under a value of `pairs`: "side-by-side" or "single"."""
    return "side-by-side" if KINDS[layout].is_side_by_side else "single"


def kept_as(layout: str, value_range: str) -> str:
    """Return under which name it is kept how a file looks, for the settings that change that.

    Args:
        layout: a value of `pairs`.
        value_range: the setting of that name.
    """
    bits = bits_of(value_range)
    return layout_of(layout) + (f" of {bits} bits" if bits != MOST_BITS else "")


def pair_up(layout: str, files: Sequence[tuple[str, str]]) -> PairPlan:
    """Turn the files of a training folder into pairs.

    Args:
        layout: a value of `pairs`: each file is a pair, or the two of a/NAME and b/NAME.
        files: (name text, digest) of each accepted image.

    Returns:
        The pairs, and a reason for each file that is in none.
    """
    kind = KINDS[layout]
    laid_out = layouts.read([name for name, _ in files], kind.files)
    problems = dict(laid_out.outside)
    copies: dict[str, str] = {}
    if kind.files > 1:
        found = _in_folders(files, laid_out.places, problems)
    else:
        found = [((file,), laid_out.places[file[0]].part) for file in sorted(files)]
    # What is learned from comes first: of two copies in two sets that one is used.
    found.sort(key=lambda pair: _ORDER.index(pair[1]))  # stable: by name within each
    pairs: dict[str, Pair] = {}
    for members, part in found:
        digest = digest_of_files([digest for _, digest in members])
        if digest in pairs:
            for name, _ in members:
                problems[name] = f"the same bytes as {pairs[digest].name}: used once"
                copies[name] = pairs[digest].name
        else:
            pairs[digest] = Pair(members[0][0], tuple(members), digest, part)
    return PairPlan(
        tuple(pairs[digest] for digest in sorted(pairs)),
        problems,
        copies,
        frozenset(laid_out.outside),
        laid_out.hint,
    )


def _in_folders(
    files: Sequence[tuple[str, str]],
    places: Mapping[str, layouts.Place],
    problems: dict[str, str],
) -> list[tuple[tuple[tuple[str, str], ...], str]]:
    sides: dict[str, dict[tuple[str, str], list[tuple[str, str]]]] = {"a": {}, "b": {}}
    for name, digest in sorted(files):
        if place := places.get(name):
            members = sides[place.side].setdefault((place.part, place.stem), [])
            members.append((name, digest))
    pairs: list[tuple[tuple[tuple[str, str], ...], str]] = []
    for side, other in (("a", "b"), ("b", "a")):
        for (part, stem), members in sides[side].items():
            partners = sides[other].get((part, stem), [])
            if len(members) > 1:
                for name, _ in members:
                    problems[name] = f"{len(members)} files in {side}/ are called {stem}: keep one"
            elif not partners:
                there = {s: files for (p, s), files in sides[other].items() if p == part}
                problems[members[0][0]] = _no_partner(f"{other}/{stem}", stem, there)
            elif len(partners) > 1:
                problems[members[0][0]] = f"{other}/ has several files called {stem}: keep one"
            elif side == "a":
                pairs.append(((members[0], partners[0]), part))
    return pairs


def _no_partner(wanted: str, stem: str, there: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    """Say that a partner is missing, and name a file that differs by letter case alone."""
    folded = stem.casefold()
    near = [files[0][0] for other, files in there.items() if other.casefold() == folded]
    if near:
        return f"no partner: {wanted} is missing, and {near[0]} differs in letter case: rename one"
    return f"no partner: {wanted} with any suffix is missing"


def is_held_out(digest: str, share: float) -> bool:
    """Tell whether a pair is held out. It follows from the digest alone, not from other pairs.

    Args:
        digest: of the pair, or of its anchor (`pixd.training.dataset.split`).
        share: about which share of all pairs to hold out, 0 to 1.
    """
    # A separate hash, so that the sides do not correlate with anything else that uses the digest.
    hexadecimal = hashlib.sha256(b"held out " + digest.encode()).hexdigest()
    return int(hexadecimal[:13], 16) / 16**13 < share


def dataset_digest(pairs: Iterable[Pair]) -> str:
    """Return the digest of a set of pairs; it follows from contents, not from names."""
    return digest_of_all(pair.digest for pair in pairs)


def digest_of_files(files: Sequence[str]) -> str:
    """Return the digest of a pair from the digests of its files, in order."""
    return digest_of(canonical_json(list(files)).encode())


def digest_of_all(digests: Iterable[str]) -> str:
    """Return the digest of a set of pairs from the digests of the pairs."""
    return digest_of(canonical_json(sorted(digests)).encode())
