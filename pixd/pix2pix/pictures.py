"""The picture worker: ``python -m pixd.pix2pix.pictures SPEC.json``.

Draws what a model makes from pairs, for a report: ``pictures/`` in the scratch folder gets the
input, the output and the target of each pair as PNG, at the model's size. A pair that cannot be
read is reported and left out; the others are drawn.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pixd.pix2pix.importing import importing_tensorflow
from pixd.pix2pix.network import hardware
from pixd.system.children import task
from pixd.system.children.child import Events
from pixd.system.children.spec import PicturesSpec
from pixd.system.children.spec_parts import Pair
from pixd.system.children.task import DataError

if TYPE_CHECKING:
    from pixd.pix2pix.network.generator import Inference

PARTS: Final = ("input", "output", "target")


def make_pictures(spec: PicturesSpec, events: Events) -> None:
    """Draw the pairs of the spec and leave the result.

    Args:
        spec: the model and the pairs.
        events: gets the progress.

    Raises:
        PixdError: the model cannot be loaded, or is damaged.
    """
    with importing_tensorflow(events.phase):
        from pixd.pix2pix.network.generator import image_size_of, load_generator, make_inference
    from pixd.pix2pix.network.model_folder import check_files

    # A report does not wait for the GPU, because the service may be training on it.
    device = hardware.choose_device("cpu")
    policy = hardware.choose_policy(spec.precision, device)
    hardware.make_deterministic(0)
    model, folder = Path(spec.model), Path(spec.scratch) / "pictures"
    check_files(model, spec.files)
    folder.mkdir(exist_ok=True)
    events.phase("building the model")
    generator = load_generator(model, policy)
    infer, size = make_inference(generator), image_size_of(generator)
    pictures = []
    for number, pair in enumerate(spec.pairs):
        events.phase(f"picture {number + 1} of {len(spec.pairs)}")
        pictures.append(_draw(infer, pair, spec.recipe, size, folder / f"{number:04d}"))
    task.write_result(spec, pictures=pictures)


def _draw(
    infer: Inference, pair: Pair, recipe: Mapping[str, Any], size: int, stem: Path
) -> dict[str, Any]:
    """Write the three pictures of a pair as ``STEM-input.png`` and so on; return the outcome."""
    from PIL import Image

    from pixd.pix2pix.learning import scores
    from pixd.pix2pix.learning.input_pipeline import load_pair
    from pixd.pix2pix.network.generator import generate

    try:
        input_image, target = load_pair(pair, recipe, size)
    except DataError as error:
        return {"name": pair["name"], "trouble": error.message}
    (output,) = generate(infer, [input_image])
    files = {}
    for part, pixels in zip(PARTS, (input_image, output, target), strict=True):
        path = stem.with_name(f"{stem.name}-{part}.png")
        Image.fromarray(pixels).save(path, "PNG")
        files[part] = f"{stem.parent.name}/{path.name}"
    return {"name": pair["name"], "files": files, "l1": scores.l1(output, target)}


if __name__ == "__main__":
    sys.exit(task.run(PicturesSpec, make_pictures))
