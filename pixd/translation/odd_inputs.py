"""Inputs whose values are not those that the model learned from: class ids, unused bits.

They are translated, because they may be meant so, but not without a word. What the decoder found
odd in a content is kept with it. From that, and from what the training's inputs use, comes one
finding for `status`, about all inputs as they are now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pixd.images import value_use
from pixd.images.value_use import ValueUse
from pixd.store.queries.training_set import learned_of, part_of_inputs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pixd.store.store import Store

_KEPT_AS: Final = "input values"  # the layout of these measures
_REVISION: Final = 1
AGAIN_S: Final = 60.0
"""How often what was found is compared with the inputs that are there now."""
_ENOUGH: Final = 0.05  # share of the inputs: fewer dark ones are nights
_MUCH_DARKER: Final = 0.5  # of the share of the scale that the model learned from


class Odd(NamedTuple):
    """What is to be said of the inputs: what was found, and what to do."""

    message: str
    advice: str


class OddInputs:
    """What is found about the values of one pipeline's inputs."""

    def __init__(self, store: Store, pipeline: str, repo_id: int) -> None:
        """Look at the repo `repo_id`, the pipeline's input folder."""
        self._store, self._pipeline, self._repo_id = store, pipeline, repo_id
        self._has_some = store.care.has_measured(_KEPT_AS)
        self._is_due = True
        self._again_at = 0.0  # monotonic seconds

    def keep(self, digest: str, event: Mapping[str, Any]) -> None:
        """Keep what the decoder found odd in a content, as the translator's answer has it."""
        if values := event.get("values"):
            self._store.care.measure(digest, _KEPT_AS, _REVISION, [values])
            self._has_some = True
        self._is_due = True

    def tell_again(self, now: float) -> None:
        """Bring the finding up to date if it is time: inputs also go. `now`: monotonic seconds."""
        if now >= self._again_at:
            self._again_at = now + AGAIN_S
            self.tell(is_due=True)

    def tell(self, *, is_due: bool = False) -> None:
        """Bring the finding up to date, if anything changed since or if `is_due`."""
        if not (self._is_due or is_due) or not self._has_some:
            return
        self._is_due = False
        care, part = self._store.care, part_of_inputs(self._pipeline)
        count, bodies = care.measures_of(self._repo_id, _KEPT_AS)
        odd = [ValueUse.from_json(body[0]) for body in bodies]
        said = compare(learned_of(self._store.db.conn, self._pipeline), odd, count)
        text = f"{said.message}; {said.advice}" if said else ""
        if text == care.basis(part):
            return
        care.note(part, text, (0, int(bool(said))), text, {})
        if said:
            self._store.note(self._pipeline, "warning", "values", text)


def compare(learned: Mapping[str, Any] | None, odd: Sequence[ValueUse], count: int) -> Odd | None:
    """Say how inputs differ from what a model learned from.

    Args:
        learned: as `pixd.training.dataset.value_findings.learned` returned it; None if unknown.
        odd: what the inputs use that are odd in themselves.
        count: of all inputs that were translated.
    """
    if learned is None:
        return None
    white = (1 << learned["bits"]) - 1
    reach = learned["high"] / white
    bright = [one for one in odd if one.is_wide and one.high > learned["white"]]
    if bright and len(bright) >= _ENOUGH * count:
        high = max(one.high for one in bright)
        return Odd(
            f"{len(bright)} of {count} inputs use up to {high}, and what is above {learned['white']} is"
            " white",
            "inputs are read as the pairs were (`value_range`): save them with the same depth",
        )
    labels = [one for one in odd if one.is_labels and not learned["labels"]]
    dark = [one for one in odd if not one.is_labels and one.high < _MUCH_DARKER * reach * one.scale]
    found = labels if len(labels) >= len(dark) else dark
    if not found or len(found) < _ENOUGH * count:
        return None
    used = value_use.union(found)
    top = used.top if found is labels and used.top > 0 else used.high
    use = "uses" if len(found) == 1 else "use"
    message = (
        f"{len(found)} of {count} inputs {use} {used.low} to {top} of {used.scale}, although the model"
        f" learned from pictures that use {learned['low']} to {learned['high']}"
    ) + (f" of {white}" if white != used.scale else "")
    if found is labels:
        return Odd(
            f"{message}: class ids?",
            "`pixd prepare colour-labels` colours them; they need the colours of the training",
        )
    if used.is_wide:
        return Odd(
            f"{message}: {value_use.bits_of(used.high)} bit?",
            "inputs are read as the pairs were: save them with the same depth",
        )
    return Odd(message, "save them over the same range")
