"""The export worker: ``python -m pixd.pix2pix.export SPEC.json``.

Writes ``export/`` in the scratch folder: a SavedModel for servers, the .keras file, the model
card and a README. Promises that the SavedModel has the same outputs as the .keras file, and that
both are made of stock layers, so that other programs can read them.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any, Final

from pixd.pix2pix.network import hardware
from pixd.store import model_scores
from pixd.system import roles
from pixd.system.children import task
from pixd.system.children.child import Events
from pixd.system.children.spec import ExportSpec
from pixd.system.errors import PixdError

AGREEMENT: Final = 1.0 / 255.0  # of a range of 2: it is under half of one step of 8-bit colour
SIGNATURE: Final = "serving_default"


def export_model(spec: ExportSpec, events: Events) -> None:
    """Export the model folder of the spec and leave the result.

    Raises:
        PixdError: the model cannot be loaded, or the export has other outputs than the model.
    """
    events.phase("importing TensorFlow")
    from pixd.pix2pix.network.generator import (
        CARD_FILE,
        GENERATOR_FILE,
        check_files,
        describe_file,
        load_generator,
        read_card,
    )
    from pixd.pix2pix.network.models import for_saving

    hardware.choose_device("cpu")  # an export does not depend on a device
    model, target = Path(spec.model), Path(spec.scratch) / "export"
    events.phase("building the model")
    check_files(model, spec.files)
    generator = load_generator(model)
    card = read_card(model)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)

    events.phase("exporting")
    saved_model = target / "saved_model"
    # The layers that pixd computes with cut images into tensors of 8 dimensions, which other runtimes
    # do not take.
    for_saving(generator).export(saved_model, format="tf_saved_model", verbose=False)
    for name in (GENERATOR_FILE, CARD_FILE):
        shutil.copyfile(model / name, target / name)
    (target / "README.md").write_text(_readme(card), encoding="utf-8")

    events.phase("validating")
    difference = largest_difference(generator, saved_model)
    if difference > AGREEMENT:
        raise PixdError(
            f"the SavedModel differs from the model by {difference:.3g} of 2",
            advice="export another model (`pixd models`), or use the generator.keras of this one",
        )
    roles_by_name = {
        GENERATOR_FILE: roles.GENERATOR,
        CARD_FILE: roles.CARD,
        "README.md": roles.README,
    }
    outputs = [
        describe_file(roles_by_name.get(path.name, roles.SAVED_MODEL), path, target.parent)
        for path in sorted(target.rglob("*"))
        if path.is_file()
    ]
    task.write_result(spec, outputs=outputs, metrics={"largest_difference": difference})


def largest_difference(generator: Any, saved_model: Path) -> float:
    """Return how far the SavedModel's outputs are from the generator's, in [-1, 1] values.

    Args:
        generator: a Keras model.
        saved_model: the folder of its export, loaded as a server would.
    """
    import numpy as np
    import tensorflow as tf

    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (2, *generator.input_shape[1:])).astype(np.float32)
    signature = tf.saved_model.load(str(saved_model)).signatures[SIGNATURE]
    (name,) = signature.structured_input_signature[1]
    (served,) = signature(**{name: tf.constant(images)}).values()
    return float(np.abs(np.asarray(served) - np.asarray(generator(images, training=False))).max())


def _readme(card: dict[str, Any]) -> str:
    usage = "\n".join(card["usage"])
    size = card["image_size"]
    scores = _scores(card["metrics"])
    return f"""# An image translator

Translates {size}x{size} images: {card["input"]}. Values go in and come out as float32 in
[-1, 1], NHWC.

| | channels | values |
|---|---|---|
| in | {card["input_channels"]} | {card["input_values"]} |
| out | {card["output_channels"]} | {card["output_values"]} |

Colour: {card["colour"]}.

Trained for {card["steps"]} steps; `model.json` holds the settings, the scores and the data.
{scores}
| | |
|---|---|
| `generator.keras` | stock Keras layers; loads without pixd |
| `saved_model/` | for TensorFlow Serving; signature `{SIGNATURE}` |
| `model.json` | the model card |

```python
{usage}
```

An image that is not square must be fitted first: this model was trained with
`fit: {card["fit"]}`.
"""


def _scores(metrics: dict[str, Any]) -> str:
    """Return a paragraph on the held-out scores, or "" if nothing was held out."""
    l1 = metrics.get("l1")
    if l1 is None or not metrics.get("held_out"):
        return ""
    told = f"Held-out L1 {l1:.1f} of 255 on {metrics['held_out']} pairs (less is better)"
    if beside := model_scores.beside(metrics):
        told += f"; {beside}"
    if doubts := model_scores.doubts(metrics):
        told += f". **Doubtful:** {doubts}"
    return f"\n{told}.\n"


if __name__ == "__main__":
    sys.exit(task.run(ExportSpec, export_model))
