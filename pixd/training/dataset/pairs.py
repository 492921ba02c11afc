"""Makes pairs of input image and target from the files of a training folder. Pure.

It needs only names and digests.

The identity of a pair is the digest of its contents. So renaming files makes no new pair, and the
order of pairs, their sides and the key of a training follow from contents alone.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from pixd.config.pair_kinds import KINDS
from pixd.system.digests import canonical_json, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MIN_HELD_OUT_FROM = 10
"""With fewer pairs none is held out: one or two show nothing, and the training needs them all."""


class Pair(NamedTuple):
    """One training pair.

    Attributes:
        name: name text of the file, or of the file in a/.
        files: (name, digest) of the one file, or of the files in a/ and b/.
        digest: digest over the file digests in order.
    """

    name: str
    files: tuple[tuple[str, str], ...]
    digest: str


class PairPlan(NamedTuple):
    """The pairs of a folder, sorted by digest, and the files that are in no pair.

    Attributes:
        pairs: each once, even if files are exact copies.
        problems: the reason, by the name of each file that is in no pair.
        copies: those of these files that are exact copies, each with the name of the used pair.
    """

    pairs: tuple[Pair, ...]
    problems: Mapping[str, str]
    copies: Mapping[str, str]


def layout_of(layout: str) -> str:
    """Return how the inspector looks at each file under a value of `pairs`: "side-by-side" or "single"."""
    return "side-by-side" if KINDS[layout].is_side_by_side else "single"


def pair_up(layout: str, files: Sequence[tuple[str, str]]) -> PairPlan:
    """Turn the files of a training folder into pairs.

    Args:
        layout: a value of `pairs`: each file is a pair, or the two of a/NAME and b/NAME.
        files: (name text, digest) of each accepted image.

    Returns:
        The pairs, and a reason for each file that is in none.
    """
    problems: dict[str, str] = {}
    copies: dict[str, str] = {}
    found = (
        _in_folders(files, problems) if KINDS[layout].files > 1 else [(f,) for f in sorted(files)]
    )
    pairs: dict[str, Pair] = {}
    for members in found:
        digest = digest_of_files([digest for _, digest in members])
        if digest in pairs:
            for name, _ in members:
                problems[name] = f"the same bytes as {pairs[digest].name}: used once"
                copies[name] = pairs[digest].name
        else:
            pairs[digest] = Pair(members[0][0], tuple(members), digest)
    return PairPlan(tuple(pairs[digest] for digest in sorted(pairs)), problems, copies)


def _in_folders(
    files: Sequence[tuple[str, str]], problems: dict[str, str]
) -> list[tuple[tuple[str, str], ...]]:
    sides: dict[str, dict[str, list[tuple[str, str]]]] = {"a": {}, "b": {}}
    for name, digest in sorted(files):
        side, _, rest = name.partition("/")
        if side not in sides or not rest:
            problems[name] = "outside a/ and b/: move it into one of them"
            continue
        sides[side].setdefault(_stem(rest), []).append((name, digest))
    pairs: list[tuple[tuple[str, str], ...]] = []
    for side, other in (("a", "b"), ("b", "a")):
        for stem, members in sides[side].items():
            if len(members) > 1:
                for name, _ in members:
                    problems[name] = f"{len(members)} files in {side}/ are called {stem}: keep one"
            elif not sides[other].get(stem):
                problems[members[0][0]] = _no_partner(f"{other}/{stem}", stem, sides[other])
            elif len(sides[other][stem]) > 1:
                problems[members[0][0]] = f"{other}/ has several files called {stem}: keep one"
            elif side == "a":
                pairs.append((members[0], sides["b"][stem][0]))
    return pairs


def _no_partner(wanted: str, stem: str, there: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    """Say that a partner is missing, and name a file that differs by letter case alone."""
    folded = stem.casefold()
    near = [files[0][0] for other, files in there.items() if other.casefold() == folded]
    if near:
        return f"no partner: {wanted} is missing, and {near[0]} differs in letter case: rename one"
    return f"no partner: {wanted} with any suffix is missing"


def _stem(path: str) -> str:
    folder, slash, last = path.rpartition("/")
    stem = last.rpartition(".")[0] or last
    return folder + slash + stem


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
