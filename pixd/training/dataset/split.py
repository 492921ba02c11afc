"""Keeps near-duplicates on one side of the split into train and held-out pairs. Pure.

A model that was trained on a picture does well on a copy of it that was saved again, so a score on
the copy shows nothing. The side of a pair follows from the digest of its *anchor*
(`pixd.training.dataset.pairs.is_held_out`). The first pair of a group of near-duplicates is its own
anchor; a later pair that is near to one of the group gets the same anchor. An anchor, once given,
does not change. So a pair never changes sides while a folder grows, and a pair that was removed and
comes back is on its old side.

If the pairs of a group come together, the one with the smallest digest is the anchor. A new pair
may be near to two groups; it gets the anchor of the older one. If the two groups are on different
sides, the new pair is *left out*: it is neither trained on nor scored, for as long as the pairs of
the other side are there. No pair that is there already moves. So a pair that is trained on and a
pair that is held out are never near each other. Without near-duplicates this module changes
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixd.system.digests import canonical_json, digest_of
from pixd.training.dataset import layouts, pairs
from pixd.training.dataset.near_duplicates import Index, Parts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pixd.training.dataset.near_duplicates import AnyIndex


class Kin(NamedTuple):
    """What was decided about a pair when it came.

    Attributes:
        anchor: digest of the pair that decides its side.
        touches: digests of near pairs with other anchors that were there before it.
        since: number of the training commit in which it came.
    """

    anchor: str
    touches: tuple[str, ...] = ()
    since: int = 0


class Split(NamedTuple):
    """The pairs of a folder by side.

    Attributes:
        train: those that are trained on.
        held_out: those that are scored on.
        left_out: those that are on neither: near to pairs of both sides, or of a folder `test`.
    """

    train: tuple[pairs.Pair, ...]
    held_out: tuple[pairs.Pair, ...]
    left_out: tuple[pairs.Pair, ...] = ()

    @property
    def used(self) -> tuple[pairs.Pair, ...]:
        """The pairs of both sides."""
        return self.train + self.held_out

    def key_inputs(self, share: float) -> list[str]:
        """Return the digests by which a training's key knows these pairs; see `key_inputs`."""
        train, held_out = ({p.digest for p in side} for side in (self.train, self.held_out))
        return key_inputs(train, held_out, share)


class Placing:
    """Finds what the new pairs of a folder are near to, and then gives them anchors."""

    def __init__(self, known: Mapping[str, Kin], index: AnyIndex | None = None) -> None:
        """Begin with the pairs that have anchors; call `admit` for those whose measures are known.

        `index` finds near pairs; it is empty.
        """
        self._known = dict(known)
        self._index = Index() if index is None else index
        self._groups: dict[str, list[str]] = {}  # of new pairs, by label: that of its first
        self._met: dict[str, set[str]] = {}  # anchors of known pairs that a new one is near to
        self._parts: dict[str, Parts] = {}

    def admit(self, digest: str, parts: Parts) -> None:
        """Add a pair that has an anchor, even if it is not in the folder now."""
        if digest not in self._index:
            self._index.add(digest, parts, self._known[digest].anchor)

    def meet(self, digest: str, parts: Parts) -> None:
        """Add a new pair."""
        met = self._index.labels_near(parts)
        groups = sorted((met & self._groups.keys()), key=lambda label: -len(self._groups[label]))
        self._met[digest] = met - self._groups.keys()
        self._parts[digest] = parts
        label = groups[0] if groups else _label(digest)
        self._index.add(digest, parts, label)
        members = self._groups.setdefault(label, [])
        members.append(digest)
        for other in groups[
            1:
        ]:  # the new pair joins these groups: the smaller ones take the largest one's label
            for member in self._groups[other]:
                self._index.relabel(member, label)
            members += self._groups.pop(other)

    def settle(self, since: int, wanted: Collection[str]) -> dict[str, Kin]:
        """Give new pairs their anchors.

        Args:
            since: number of the training commit in which they came.
            wanted: the new pairs that are in the folder. Others were removed meanwhile, and are
                forgotten.
        """
        given: dict[str, Kin] = {}
        order: dict[str, tuple[int, str]] = {}
        for digest, kin in self._known.items():
            came = (kin.since, digest)
            order[kin.anchor] = min(order.get(kin.anchor, came), came)
        for group in self._groups.values():
            members = [member for member in group if member in wanted]
            met = set().union(*(self._met[member] for member in members))
            anchor = min(met, key=order.__getitem__) if met else min(members, default="")
            for member in members:
                touches: tuple[str, ...] = ()
                if self._met[member] - {anchor}:
                    near = self._index.near(self._parts[member])
                    touches = tuple(
                        sorted(
                            d for d in near if d in self._known and self._known[d].anchor != anchor
                        )
                    )
                given[member] = Kin(anchor, touches, since)
        self._known.update(given)
        for digest in self._met:
            if digest in given:
                self._index.relabel(digest, given[digest].anchor)
            else:
                self._index.drop(digest)
        self._groups.clear()
        self._met.clear()
        self._parts.clear()
        return given


def _label(digest: str) -> str:
    """Return the label of a group of new pairs; it differs from every anchor."""
    return f"new {digest}"


def split(found: Iterable[pairs.Pair], share: float, kin: Mapping[str, Kin]) -> Split:
    """Split pairs by their folders, or by their anchors.

    A folder `test` is left out. A folder `val` is held out. If there is none, the anchors decide,
    and if there are fewer than `pairs.MIN_HELD_OUT_FROM` pairs, none is held out.

    Args:
        found: the pairs of a folder.
        share: about which share of them to hold out, 0 to 1.
        kin: what was decided about each; one without an entry is its own anchor.
    """
    found, apart = _apart_from_tests(tuple(found))
    if any(pair.part == layouts.VALIDATION for pair in found):
        return _by_folders(found, apart, kin, is_wanted=share > 0)
    sides = _by_digest(found, share, kin)
    return sides._replace(left_out=(*sides.left_out, *apart))


def _apart_from_tests(
    found: tuple[pairs.Pair, ...],
) -> tuple[tuple[pairs.Pair, ...], tuple[pairs.Pair, ...]]:
    apart = tuple(pair for pair in found if pair.part == layouts.TEST)
    return tuple(pair for pair in found if pair.part != layouts.TEST), apart


def _by_folders(
    found: tuple[pairs.Pair, ...],
    apart: tuple[pairs.Pair, ...],
    kin: Mapping[str, Kin],
    *,
    is_wanted: bool,
) -> Split:
    """Hold out what is in the folder `val`, but for near-duplicates of what is trained on."""
    train = tuple(pair for pair in found if pair.part != layouts.VALIDATION)
    own = {pair.digest for pair in train}
    near = {kin[digest].anchor if digest in kin else digest for digest in own}
    touched = {other for digest in own if digest in kin for other in kin[digest].touches}
    held_out: list[pairs.Pair] = []
    left_out = list(apart)
    for pair in found:
        if pair.part != layouts.VALIDATION:
            continue
        one = kin.get(pair.digest, Kin(pair.digest))
        is_near = one.anchor in near or pair.digest in touched or own & set(one.touches)
        (held_out if is_wanted and not is_near else left_out).append(pair)
    return Split(train, tuple(held_out), tuple(left_out))


def _by_digest(found: tuple[pairs.Pair, ...], share: float, kin: Mapping[str, Kin]) -> Split:
    if len(found) < pairs.MIN_HELD_OUT_FROM or share <= 0:
        return Split(found, ())
    anchors = {p.digest: kin[p.digest].anchor if p.digest in kin else p.digest for p in found}
    is_held = {anchor: pairs.is_held_out(anchor, share) for anchor in set(anchors.values())}
    train: list[pairs.Pair] = []
    held_out: list[pairs.Pair] = []
    left_out: list[pairs.Pair] = []
    for pair in found:
        held = is_held[anchors[pair.digest]]
        touches = kin[pair.digest].touches if pair.digest in kin else ()
        if any(other in anchors and is_held[anchors[other]] != held for other in touches):
            left_out.append(pair)
        else:
            (held_out if held else train).append(pair)
    if not train:
        return Split(found, ())
    return Split(tuple(train), tuple(held_out), tuple(left_out))


def key_inputs(train: Collection[str], held_out: Collection[str], share: float) -> list[str]:
    """Return the digests by which a training's key knows its pairs.

    If the sides follow from each pair's own digest, it is one digest, of all pairs. If not, a
    second digest names the sides. So folders without near-duplicates have the same keys as in
    older versions, which did not look for near-duplicates.

    Args:
        train: digests of the pairs that are trained on.
        held_out: of those that are held out.
        share: the recipe's `validation`.
    """
    every = {*train, *held_out}
    inputs = [pairs.digest_of_all(every)]
    own = {digest for digest in every if pairs.is_held_out(digest, share)}
    if len(every) < pairs.MIN_HELD_OUT_FROM or share <= 0 or own == every:
        own = set()
    if own != set(held_out):
        inputs.append(digest_of(canonical_json(["held out", *sorted(held_out)]).encode()))
    return inputs
