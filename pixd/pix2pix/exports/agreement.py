"""How closely an exported model agrees with pixd: the same pictures through both, compared.

What is compared are the pictures that come out, in levels of 255, and not the network's values: a
difference that no picture shows is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pixd.pix2pix.network.codec import Codec

LARGEST: Final = {"float32": 1, "float16": 2}
"""Levels by which a picture may differ, by the precision of the weights.

With float32 weights both add the same numbers in another order: a value that lies on the edge
between two levels may fall to either side. Rounding a weight to float16 changes it by up to 1/2048,
which moves the output by up to a level besides. A fault of a converter changes pictures by far more."""
INT8_MEAN: Final = 8.0
"""Levels, on average. With int8 weights the difference depends on the model, so it is told and not
judged; beyond this the pictures are others."""
BATCH: Final = 8  # as many as a translator takes together

Pixels = NDArray[np.uint8]  # (size, size, 3), RGB
Values = NDArray[np.float32]  # (batch, size, size, channels) in [-1, 1]
Run = Callable[[Values], Values]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a format's pictures differ from pixd's.

    Attributes:
        largest: the largest difference of a channel, in levels of 255.
        mean: the mean difference of all channels, in levels.
        share: of the pixels, those of which any channel differs, 0..1.
        is_repeatable: whether a second run gave the same values.
        is_same_in_batch: whether a picture had the same values alone and among others.
    """

    largest: int
    mean: float
    share: float
    is_repeatable: bool
    is_same_in_batch: bool

    def as_json(self) -> dict[str, Any]:
        """Return it as it stands in a card."""
        return asdict(self)

    def trouble(self, weights: str) -> str:
        """Say why such a model must not be given away, or "".

        Args:
            weights: their precision.
        """
        allowed = LARGEST.get(weights)
        if allowed is not None and self.largest > allowed:
            return f"by {self.largest} levels of 255, and {allowed} are allowed"
        if self.mean > INT8_MEAN:
            return f"by {self.mean:.1f} levels of 255 on average, and {INT8_MEAN:g} are allowed"
        return ""


def measure(
    run: Run, codec: Codec, inputs: Sequence[Pixels], expected: Sequence[Pixels]
) -> Agreement:
    """Run a model on pictures and compare what comes out.

    Args:
        run: the model in its own runtime.
        codec: of its channels.
        inputs: at least one.
        expected: what pixd makes of each.

    Raises:
        ValueError: the model gives values that are no numbers, or pictures of another shape.
    """
    batches = [np.stack(inputs[at : at + BATCH]) for at in range(0, len(inputs), BATCH)]
    together = np.concatenate([_values(run, codec, batch) for batch in batches])
    alone = np.concatenate([_values(run, codec, one[None]) for one in inputs])
    again = _values(run, codec, inputs[0][None])
    wanted = np.stack(expected)
    made = codec.pixels_of(alone, np.stack(inputs))
    if made.shape != wanted.shape:
        raise ValueError(f"its pictures have the shape {made.shape}, not {wanted.shape}")
    return compared(
        made,
        wanted,
        is_repeatable=bool(np.array_equal(again, alone[:1])),
        is_same_in_batch=bool(np.array_equal(alone, together)),
    )


def compared(
    made: Pixels, wanted: Pixels, *, is_repeatable: bool, is_same_in_batch: bool
) -> Agreement:
    """Return how pictures differ from others of the same shape, (n, size, size, 3)."""
    difference = np.abs(made.astype(np.int16) - wanted)
    return Agreement(
        largest=int(difference.max()),
        mean=round(float(difference.mean()), 6),
        share=round(float((difference > 0).any(axis=-1).mean()), 6),
        is_repeatable=is_repeatable,
        is_same_in_batch=is_same_in_batch,
    )


def _values(run: Run, codec: Codec, pixels: Pixels) -> Values:
    values = run(codec.input_values(pixels))
    if not np.isfinite(values).all():
        raise ValueError("its outputs are not finite")
    return values
