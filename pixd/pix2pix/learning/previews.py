"""Draws what the generator makes from a few fixed pairs, on one sheet that grows.

Each validation adds a column between the input and the target. Each column is a small file of its
own beside the checkpoints, written whole. So a run that is killed and goes on still has the earlier
columns, and the sheet is drawn from them again. No error here ends a training: it is logged and
reported.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixd.images.contact_sheet import contact_sheet
from pixd.images.png import encode_png
from pixd.pix2pix.learning.held_out import Beat, HeldOut
from pixd.pix2pix.network.generator import Inference, generate
from pixd.pix2pix.network.model_folder import describe_file
from pixd.system import durable, roles
from pixd.system.children.child import Events, Interrupted
from pixd.system.children.spec import TrainSpec
from pixd.system.children.spec_parts import OutputFile

SHOWN_PAIRS: Final = 4
TILE_PX: Final = 160  # larger images are reduced to this: twelve columns are 2,000 pixels wide
LEAST_TILE_PX: Final = 128  # smaller images are enlarged to this, so that the words above have room
MOST_COLUMNS: Final = 11  # more would be too many to look at
SAMPLES_FILE: Final = "samples.png"
_COLUMN: Final = "column-"

_log = logging.getLogger(__name__)


class Previews:
    """The sheet of one run."""

    def __init__(self, spec: TrainSpec, step: int, events: Events, beat: Beat) -> None:
        """Go on from the columns that the run has drawn until `step`.

        Args:
            spec: the run spec. ``preview`` is the path of the sheet; without it, the sheet is
                beside the columns.
            step: updates made so far; later columns are of steps that were lost.
            events: gets the sheet's path, or the reason why there is none.
            beat: called between images.
        """
        recipe = spec.recipe
        size = int(recipe["image_size"])
        held_out = sorted(spec.held_out, key=_name)[:SHOWN_PAIRS]
        shown = held_out or sorted(spec.train, key=_name)[:SHOWN_PAIRS]
        self._captions = [pair["name"] + ("" if held_out else " (trained on)") for pair in shown]
        self._pairs = HeldOut(shown, recipe, size, beat)
        self._side = min(size, TILE_PX)
        self._folder = Path(spec.checkpoints) / "previews"
        self._sheet = Path(spec.preview or self._folder / "sheet.png")
        self._samples = Path(spec.scratch) / SAMPLES_FILE
        self._events = events
        for path in self._folder.glob(f"{_COLUMN}*"):
            if _step_of(path) > step:
                path.unlink(missing_ok=True)
        for left in self._folder.glob(".pixd-*.tmp"):  # left by a kill during a column
            left.unlink(missing_ok=True)
        if any(self._steps()) and self._sheet.exists():
            self._events.send("preview", step=step, path=str(self._sheet))

    def has(self, step: int) -> bool:
        """Tell whether the column of `step` is drawn."""
        return self._column(step).exists()

    def draw(self, step: int, infer: Inference) -> Image.Image | None:
        """Add the column of `step` to the sheet.

        Args:
            step: updates made so far.
            infer: the generator.

        Returns:
            A sheet of this column alone, or None if drawing failed.

        Raises:
            Interrupted: the run was asked to end.
        """
        try:
            self._add_column(step, infer)
            durable.write_file(self._sheet, _png(self._drawn(thinned(self._steps()))))
            alone = self._drawn([step])
        except Interrupted:
            raise
        except Exception as error:  # noqa: BLE001 - a picture must not end a training
            self._say_trouble(step, error)
            return None
        self._events.send("preview", step=step, path=str(self._sheet))
        return alone

    def finish(self, exported: int, infer: Inference) -> list[OutputFile]:
        """Write the final sheet to the scratch folder; it marks the exported weights.

        Args:
            exported: the step whose weights are the model: the best, not always the last.
            infer: the generator with these weights.

        Returns:
            Its line of the result's ``outputs``, or none if drawing failed.

        Raises:
            Interrupted: the run was asked to end.
        """
        try:
            if not self.has(exported):
                self._add_column(exported, infer)
            sheet = self._drawn(thinned(self._steps(), exported), exported)
            durable.write_file(self._samples, _png(sheet))
            return [describe_file(roles.SAMPLES, self._samples, self._samples.parent)]
        except Interrupted:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            self._say_trouble(exported, error)
            return []

    def _add_column(self, step: int, infer: Inference) -> None:
        outputs = [
            _fitted(generate(infer, [input_image])[0], self._side)
            for input_image, _ in self._pairs.decoded(SHOWN_PAIRS)
        ]
        self._folder.mkdir(exist_ok=True)
        column = Image.fromarray(np.concatenate([np.asarray(output) for output in outputs]))
        durable.write_file(self._column(step), _png(column))

    def _drawn(self, steps: Sequence[int], exported: int | None = None) -> Image.Image:
        columns = [self._cut(step) for step in steps]
        rows = []
        for at, (input_image, target) in enumerate(self._pairs.decoded(SHOWN_PAIRS)):
            ends = [_fitted(pixels, self._side) for pixels in (input_image, target)]
            outputs = [column[at] if column else None for column in columns]
            rows.append((self._captions[at], [ends[0], *outputs, ends[1]]))
        headers = ["input", *(_header(step, exported) for step in steps), "target"]
        return contact_sheet(rows, headers, max(self._side, LEAST_TILE_PX), per_line=1)

    def _cut(self, step: int) -> list[Image.Image] | None:
        """Return the tiles of a column from top to bottom, or None if it cannot be read."""
        side = self._side
        try:
            column = Image.open(io.BytesIO(self._column(step).read_bytes()))
            column.load()
        except OSError as error:
            _log.warning("the samples of step %d cannot be read: %s", step, error)
            return None
        return [
            column.crop((0, at * side, side, (at + 1) * side)) for at in range(len(self._captions))
        ]

    def _column(self, step: int) -> Path:
        return self._folder / f"{_COLUMN}{step:08d}.png"

    def _steps(self) -> list[int]:
        return sorted(_step_of(path) for path in self._folder.glob(f"{_COLUMN}*.png"))

    def _say_trouble(self, step: int, error: Exception) -> None:
        trouble = f"the samples of step {step} cannot be drawn: {error}"
        _log.warning("%s", trouble)
        self._events.send("preview", step=step, trouble=trouble)


def thinned(steps: Sequence[int], kept: int | None = None) -> list[int]:
    """Return at most about `MOST_COLUMNS` of the steps, from all parts, with the last and `kept`."""
    stride = -(-len(steps) // MOST_COLUMNS)
    return sorted({*steps[::-1][::stride], *([] if kept is None else [kept])})


def pixels_of(sheet: Image.Image) -> NDArray[np.uint8]:
    """Return a sheet as (height, width, 3) uint8."""
    return np.asarray(sheet, np.uint8)


def _header(step: int, exported: int | None) -> str:
    return f"{'exported' if step == exported else 'step'} {step}"


def _fitted(pixels: NDArray[np.uint8], side: int) -> Image.Image:
    image = Image.fromarray(pixels)
    return image if image.width == side else image.resize((side, side), Image.Resampling.BICUBIC)


def _png(image: Image.Image) -> bytes:
    return encode_png(image, {})


def _step_of(column: Path) -> int:
    return int(column.stem.removeprefix(_COLUMN))


def _name(pair: Any) -> str:
    return str(pair["name"])
