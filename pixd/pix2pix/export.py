"""The export worker: ``python -m pixd.pix2pix.export SPEC.json``.

Writes ``export/`` in the scratch folder: the model in each wanted format, the model card and a
README. Promises that each format was loaded in its own runtime, where that is installed, and draws
what pixd draws; the card says how closely. All formats are made of stock layers, so that other
programs can read them. If one disagrees, there is no export.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pixd.pix2pix.importing import importing_tensorflow
from pixd.pix2pix.network import hardware
from pixd.system import roles
from pixd.system.children import confinement, task
from pixd.system.children.child import Events
from pixd.system.children.spec import ExportSpec
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixd.pix2pix.exports.trial import Trial
    from pixd.pix2pix.network.stored import StoredGenerator

AGREEMENT: Final = 1.0 / 255.0  # of a range of 2: it is under half of one step of 8-bit colour
MEMORY_BYTES: Final = 4 << 30
MEMORY_OF_WEIGHTS: Final = 24
"""What an export may write to: as much, and so many times the weights. LiteRT's converter needs 8 of
them and the runtimes, which load one after another, 3 each."""
README: Final = "README.md"


def export_model(spec: ExportSpec, events: Events) -> None:
    """Export the model folder of the spec and leave the result.

    Raises:
        PixdError: the model cannot be loaded, or an export has other outputs than the model.
    """
    with importing_tensorflow(events.phase):
        from pixd.pix2pix.exports import card as cards
        from pixd.pix2pix.exports.formats import Writer
        from pixd.pix2pix.exports.trial import Trial
        from pixd.pix2pix.network.generator import load_generator
        from pixd.pix2pix.network.models import for_saving
    from pixd.pix2pix.network.model_folder import CARD_FILE, GENERATOR_FILE, check_files, read_card

    hardware.choose_device("cpu")  # an export does not depend on a device
    scratch = Path(spec.scratch)
    model, target = Path(spec.model), scratch / "export"
    weights_bytes = (model / GENERATOR_FILE).stat().st_size if model.is_dir() else 0
    confinement.bound_memory(MEMORY_BYTES + MEMORY_OF_WEIGHTS * weights_bytes)
    events.phase("building the model")
    check_files(model, spec.files)
    generator = load_generator(model)
    card = read_card(model)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)

    trial = Trial(generator, spec.pairs, card.get("recipe", {}), are_held_out=spec.are_held_out)
    # The layers that pixd computes with cut images into tensors of 8 dimensions, which other runtimes
    # do not take.
    stock = for_saving(generator)
    weights = spec.weights or "float32"
    writer = Writer(stock, model / GENERATOR_FILE, target, scratch, weights)
    told: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    for name in spec.formats:
        events.phase(f"writing {name}")
        if name == "web":
            told[name] = _page(spec, writer.kept, trial, target, card, events)
            continue
        made = writer.write(name)
        events.phase(f"checking {name}")
        told[name] = _checked(trial, name, made, weights)
        if name == "savedmodel":
            metrics["largest_difference"] = _check_values(generator, made)
            shutil.copyfile(model / GENERATOR_FILE, target / GENERATOR_FILE)
    card["export"] = {**cards.about(spec.about, spec.files), "formats": told}
    text = json.dumps(card, indent=2, sort_keys=True, allow_nan=False) + "\n"
    (target / CARD_FILE).write_text(text, encoding="utf-8")
    (target / README).write_text(cards.readme(card), encoding="utf-8")
    task.write_result(spec, outputs=_outputs(target), metrics=metrics)


def _page(
    spec: ExportSpec,
    kept: StoredGenerator,
    trial: Trial,
    target: Path,
    card: dict[str, Any],
    events: Events,
) -> dict[str, Any]:
    """Write the page and, if wanted, try it in a browser; return what the card says of it."""
    from pixd.pix2pix.exports import browser_check, page

    told = page.write(
        kept,
        trial,
        target,
        card=card,
        about=spec.about,
        runtime=Path(spec.runtime),
        weights=spec.weights,
        has_examples=spec.has_examples,
    )
    if spec.browser:
        events.phase("trying it in a browser")
        told["browser"] = browser_check.run(spec.browser, target, trial, Path(spec.scratch))
    return told


def _checked(trial: Trial, name: str, made: Path, weights: str) -> dict[str, Any]:
    """Return what the card says of a format that was written.

    Raises:
        PixdError: it draws other pictures than pixd.
    """
    from pixd.pix2pix.exports.runtimes import LOADERS

    told: dict[str, Any] = {
        "file": made.name,
        "bytes": sum(path.stat().st_size for path in _files_of(made)),
        "weights": weights if name != "savedmodel" else "float32",
    }
    loaded = LOADERS[name](made)
    if loaded is None:
        return {**told, "checked": f"no: the runtime of {name} is not installed"}
    return {
        **told,
        "checked": trial.told(loaded.runtime),
        **trial.agreement(name, loaded.run, told["weights"]),
    }


def _files_of(made: Path) -> list[Path]:
    if made.is_dir():
        return [path for path in made.rglob("*") if path.is_file()]
    weights = made.with_suffix(".bin")  # OpenVINO's are beside
    return [made, weights] if weights.exists() else [made]


def _check_values(generator: Any, saved_model: Path) -> float:
    difference = largest_difference(generator, saved_model)
    if difference > AGREEMENT:
        raise PixdError(
            f"the SavedModel differs from the model by {difference:.3g} of 2",
            advice="export another model (`pixd models`), or use the generator.keras of this one",
        )
    return difference


def largest_difference(generator: Any, saved_model: Path) -> float:
    """Return how far the SavedModel's outputs are from the generator's, in [-1, 1] values.

    Args:
        generator: a Keras model.
        saved_model: the folder of its export, loaded as a server would.
    """
    import numpy as np

    from pixd.pix2pix.exports.runtimes import load_savedmodel

    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (2, *generator.input_shape[1:])).astype(np.float32)
    served = load_savedmodel(saved_model).run(images)
    return float(np.abs(served - np.asarray(generator(images, training=False))).max())


def _outputs(target: Path) -> Sequence[Any]:
    """Return the result's ``outputs``, flushed to the disk."""
    from pixd.pix2pix.network.model_folder import CARD_FILE, GENERATOR_FILE, describe_file

    by_name = {
        GENERATOR_FILE: roles.GENERATOR,
        CARD_FILE: roles.CARD,
        README: roles.README,
    }

    def role(path: Path) -> str:
        part = path.relative_to(target).parts[0]
        return by_name.get(part, roles.SAVED_MODEL if part == "saved_model" else roles.EXPORTED)

    return [
        describe_file(role(path), path, target.parent)
        for path in sorted(target.rglob("*"))
        if path.is_file()
    ]


if __name__ == "__main__":
    sys.exit(task.run(ExportSpec, export_model))
