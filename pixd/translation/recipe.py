"""The settings that change a translation's result, and so go into its key."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from pixd.config import value_range
from pixd.config.pair_kinds import KINDS
from pixd.store.revisions import ARITHMETIC, RESULTS, Revision, newest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixd.config import PipelineSettings

REVISIONS: Final = (
    Revision(1, RESULTS, "0.1", "translates"),
    Revision(2, ARITHMETIC, "0.1", "multiplies where an image is small"),
    Revision(3, ARITHMETIC, "0.1", "writes the same pixels in fewer bytes"),
    Revision(4, ARITHMETIC, "0.1", "adds in another order where an image is small, in float32"),
    Revision(5, ARITHMETIC, "0.1", "computes with ONNX Runtime on a processor, in float32"),
)
"""Add a line when the translator's code makes other bytes from the same model and image."""
TRANSLATE_REVISION: Final = newest(REVISIONS)


def translate_recipe(
    pipeline: PipelineSettings,
    precision: str,
    image_size: int,
    pairs: str,
    trained: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return what changes a translation, apart from the image and the model.

    Args:
        pipeline: the settings.
        precision: the configured one.
        image_size: pixels, the live model's own; the configuration may already name another.
        pairs: the setting that the live model was trained under.
        trained: the recipe of its training. Values of inputs are read as those of its pairs were,
            and dropout has its seed.
    """
    kind = KINDS[pairs]
    return {
        # For `edges`, the dropped drawing is taken as it is, like an input of a given pair.
        **({"pairs": pairs} if kind.takes_pictures else {}),
        "image_size": image_size,
        # A model trained on blank inputs has nothing to do with tiles. It serves until another
        # is trained.
        "fit": "pad" if pipeline.fit == "tile" and kind.hides_middle else pipeline.fit,
        "output_size": pipeline.output_size,
        # Added only where alpha is kept, so that keys of older translations stay the same.
        **({"alpha": pipeline.alpha} if pipeline.alpha != "drop" else {}),
        **value_range.recipe_of(
            value_range.bits_in(trained), are_ids=value_range.are_ids_in(trained)
        ),
        "sample": pipeline.sample,
        "seed": int(trained.get("seed", pipeline.train.seed)) if pipeline.sample else 0,
        "precision": precision,
    }
