"""Which of two states of a training draws better pictures, by its held-out scores. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from pixd.store import model_scores

AS_SHARP: Final = 0.8  # times the sharpness of another: with less, this one is blurred


class Best(NamedTuple):
    """A step of a training by its scores on the held-out pairs."""

    step: int
    l1: float
    ssim: float
    sharpness: float

    @property
    def distance(self) -> float:
        """How far outputs are from their targets."""
        return model_scores.distance(self.l1, self.ssim)

    def beats(self, other: Best) -> bool:
        """Tell whether it is better than an earlier one."""
        if self.sharpness < AS_SHARP * other.sharpness:
            return False
        return self.distance <= other.distance or other.sharpness < AS_SHARP * self.sharpness
