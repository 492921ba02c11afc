"""The pictures on which an exported model is checked, and what pixd makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import keras
import numpy as np

import pixd
from pixd.pix2pix.exports import agreement
from pixd.pix2pix.exports.agreement import Agreement, Pixels, Run
from pixd.pix2pix.learning.input_pipeline import load_pair
from pixd.pix2pix.network.generator import image_size_of, make_inference
from pixd.system.children.spec_parts import Pair
from pixd.system.children.task import DataError
from pixd.system.errors import PixdError

NOISE: Final = 4  # pictures, if there is no pair to check on


class Trial:
    """What each exported model has to draw.

    Attributes:
        inputs: pictures, at the model's size.
        drawn: the same, as people draw on them: label maps keep their colours.
        expected: what pixd makes of each, alone, in float32 on a processor.
        targets: the real pictures that belong to them; none for noise.
        names: of the pictures; none for noise.
        are_held_out: whether the training did not learn from them.
        codec: of the model's channels.
        on: what the pictures are, for people.
    """

    def __init__(
        self,
        generator: keras.Model,
        pairs: Sequence[Pair],
        recipe: Mapping[str, Any],
        *,
        are_held_out: bool,
    ) -> None:
        """Draw the pictures of the pairs with pixd's own engine.

        Args:
            generator: as pixd computes with it, in float32.
            pairs: those that cannot be read are left out.
            recipe: of the training.
            are_held_out: whether the pairs were held out of it.
        """
        size = image_size_of(generator)
        self.inputs: list[Pixels] = []
        self.drawn: list[Pixels] = []
        self.targets: list[Pixels] = []
        self.names: list[str] = []
        for pair in pairs:
            try:
                input_image, target = load_pair(pair, recipe, size)
                drawn, _ = load_pair(pair, recipe, size, keeps_colours=True)
            except DataError:
                continue
            self.inputs.append(input_image)
            self.drawn.append(drawn)
            self.targets.append(target)
            self.names.append(pair["name"])
        self.are_held_out = are_held_out
        self.on = f"{len(self.inputs)} {'held-out' if are_held_out else 'training'} pictures"
        if not self.inputs:
            random = np.random.default_rng(0)
            shape = (NOISE, size, size, 3)
            self.inputs = list(random.integers(0, 256, shape, dtype=np.uint8))
            self.drawn = self.inputs
            self.on = f"{NOISE} pictures of noise, because no pair can be read"
        infer = make_inference(generator)
        self.codec = infer.codec
        self.expected = [
            self.codec.pixels_of(np.asarray(infer(self.codec.input_values(one[None]))), one[None])[
                0
            ]
            for one in self.inputs
        ]

    def told(self, runtime: str) -> str:
        """Say what was compared with what, for a card."""
        return f"{runtime} against pixd {pixd.__version__} in float32, on {self.on}"

    def measure(self, run: Run) -> Agreement:
        """Return how closely a model agrees; see `pixd.pix2pix.exports.agreement.measure`."""
        return agreement.measure(run, self.codec, self.inputs, self.expected)

    def agreement(self, name: str, run: Run, weights: str) -> dict[str, Any]:
        """Return how closely a format agrees, for its card.

        Raises:
            PixdError: not closely enough.
        """
        try:
            found = self.measure(run)
            trouble = found.trouble(weights)
        except ValueError as error:
            trouble = f"because {error}"
        if trouble:
            raise PixdError(
                f"{name} draws other pictures than pixd, {trouble}; nothing was written",
                advice="use another --format, or other --weights",
            )
        return {"agreement": found.as_json()}
