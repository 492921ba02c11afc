"""The picture worker: ``python -m pixd.pix2pix.pictures SPEC.json``.

Draws what a model makes from pairs, for a report: ``pictures/`` in the scratch folder gets the
input, the output and the target of each pair as PNG, at the model's size. It runs the model as a
translator does, so that the pictures are those which inputs become. A pair that cannot be read is
reported and left out; the others are drawn.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pixd.pix2pix.inference import engines
from pixd.pix2pix.inference.engine import Engine
from pixd.system.children import task
from pixd.system.children.child import Events
from pixd.system.children.spec import PicturesSpec
from pixd.system.children.spec_parts import Pair
from pixd.system.children.task import DataError

PARTS: Final = ("input", "output", "target")


def make_pictures(spec: PicturesSpec, events: Events) -> None:
    """Draw the pairs of the spec and leave the result.

    Args:
        spec: the model and the pairs.
        events: gets the progress.

    Raises:
        PixdError: the model cannot be loaded, or is damaged.
    """
    folder = Path(spec.scratch) / "pictures"
    folder.mkdir(exist_ok=True)
    engine = engines.load(spec, events.phase)
    pictures = []
    for number, pair in enumerate(spec.pairs):
        events.phase(f"picture {number + 1} of {len(spec.pairs)}")
        pictures.append(_draw(engine, pair, spec.recipe, folder / f"{number:04d}"))
    task.write_result(spec, pictures=pictures)


def _draw(engine: Engine, pair: Pair, recipe: Mapping[str, Any], stem: Path) -> dict[str, Any]:
    """Write the three pictures of a pair as ``STEM-input.png`` and so on; return the outcome."""
    from PIL import Image

    from pixd.pix2pix.learning import scores
    from pixd.pix2pix.learning.input_pipeline import load_pair

    try:
        input_image, target = load_pair(pair, recipe, engine.size)
    except DataError as error:
        return {"name": pair["name"], "trouble": error.message}
    (output,) = engine([input_image])
    files = {}
    for part, pixels in zip(PARTS, (input_image, output, target), strict=True):
        path = stem.with_name(f"{stem.name}-{part}.png")
        Image.fromarray(pixels).save(path, "PNG")
        files[part] = f"{stem.parent.name}/{path.name}"
    return {"name": pair["name"], "files": files, "l1": scores.l1(output, target)}


if __name__ == "__main__":
    sys.exit(task.run(PicturesSpec, make_pictures))
