"""Which of two states of a training draws better pictures, by its held-out scores. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pixd.store import model_scores

if TYPE_CHECKING:
    from collections.abc import Mapping

AS_SHARP: Final = 0.8  # times the sharpness of another: with less, this one is blurred


class Best(NamedTuple):
    """A step of a training by its scores on the held-out pairs.

    `is_averaged` tells that they are those of the averaged weights.
    """

    step: int
    l1: float
    ssim: float
    sharpness: float
    is_averaged: bool = False

    @classmethod
    def of(cls, step: int, scores: Mapping[str, Any], *, is_averaged: bool = False) -> Best:
        """Return those of a step by scores that have at least the names "l1", "ssim" and "sharpness"."""
        return cls(
            step,
            float(scores["l1"]),
            float(scores["ssim"]),
            float(scores["sharpness"]),
            is_averaged=is_averaged,
        )

    @property
    def distance(self) -> float:
        """How far outputs are from their targets."""
        return model_scores.distance(self.l1, self.ssim)

    def beats(self, other: Best) -> bool:
        """Tell whether it is better than an earlier one."""
        if other.is_clearer_than(self):
            return False
        return self.distance <= other.distance or self.is_clearer_than(other)

    def is_clearer_than(self, other: Best) -> bool:
        """Tell whether the other is blurred beside it.

        Sharper than the targets is not clearer: noise and ringing have edges too.
        """
        return min(1.0, other.sharpness) < AS_SHARP * min(1.0, self.sharpness)
