"""What can be seen of a training: the sheet of samples and the event files, by real trainers."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image

from pixd.images.contact_sheet import GAP_PX, HEADER_PX
from pixd.pix2pix.learning import previews
from pixd.pix2pix.learning.input_pipeline import load_pair
from pixd.pix2pix.learning.previews import Previews
from pixd.pix2pix.learning.tensorboard import EventFiles
from pixd.pix2pix.network.generator import generate, load_generator, make_inference
from pixd.system.children.spec import TrainSpec, from_json
from tests.integration.pix2pix.conftest import EVENTS
from tests.support.children import ROOT, SIZE, Child, Spec, result_of

Start = Callable[..., Child]
MakeSpec = Callable[..., Spec]

TILE = previews.LEAST_TILE_PX
COLUMN = TILE + GAP_PX
ENDS = 2  # the input and the target


class Told:
    """Takes the place of the pipe to the parent."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def send(self, event: str, **fields: Any) -> None:
        self.events.append({"event": event, **fields})


def sheet_of(spec: Spec, step: int, told: Told) -> Previews:
    return Previews(from_json(spec, TrainSpec), step, told, lambda: None)  # type: ignore[arg-type]  # as said there


def tile(sheet: NDArray[np.uint8], column: int, row: int) -> NDArray[np.uint8]:
    """Return a tile at the size that the network saw."""
    top, left = HEADER_PX + row * (TILE + 20 + GAP_PX), GAP_PX + column * COLUMN
    square = Image.fromarray(sheet[top : top + TILE, left : left + TILE])
    return np.asarray(square.resize((SIZE, SIZE), Image.Resampling.BOX))


def drawn(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(path.read_bytes())))


def columns_of(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints/previews").glob("*"))


def test_the_sheet_grows_by_a_column_a_validation(
    tmp_path: Path, trained: Path, make_spec: MakeSpec
) -> None:
    spec, told = make_spec(tmp_path), Told()
    spec["held_out"] = spec["held_out"][::-1]
    spec["preview"] = str(tmp_path / "previews" / "p.png")
    for name in ("previews", "checkpoints"):  # as who starts the training does
        (tmp_path / name).mkdir()
    infer = make_inference(load_generator(trained / "model"))
    sheet = sheet_of(spec, 0, told)
    widths = []
    for step in (4, 8, 12):
        alone = sheet.draw(step, infer)
        assert alone is not None
        assert alone.width == GAP_PX + (ENDS + 1) * COLUMN
        widths.append(drawn(Path(spec["preview"])).shape[1])
    assert widths == [GAP_PX + (ENDS + columns) * COLUMN for columns in (1, 2, 3)]
    assert told.events[-1] == {"event": "preview", "step": 12, "path": spec["preview"]}

    pixels = drawn(Path(spec["preview"]))
    by_name = sorted(spec["held_out"], key=lambda pair: str(pair["name"]))
    for row, pair in enumerate(by_name):
        input_image, target = load_pair(pair, spec["recipe"], SIZE)
        (output,) = generate(infer, [input_image])
        for column, expected in ((0, input_image), (1, output), (3, output), (4, target)):
            shown = tile(pixels, column, row).astype(int)
            assert np.abs(shown - expected).mean() < 3, (row, column)  # it was enlarged and back


def test_a_killed_run_keeps_its_columns_and_drops_those_that_came_after_its_checkpoint(
    tmp_path: Path, trained: Path, start: Start, make_spec: MakeSpec
) -> None:
    spec = make_spec(tmp_path)
    first = start("train", spec, tmp_path)
    first.until(event="preview", step=16)
    first.process.send_signal(signal.SIGKILL)
    first.ended()
    folder = tmp_path / "checkpoints/previews"
    begun = {path.name: path.stat().st_mtime_ns for path in folder.glob("column-*")}
    (folder / "column-00000037.png").write_bytes(b"of a run that was not kept")
    (folder / ".pixd-0123456789ab.tmp").write_bytes(b"half a column")

    second = start("train", spec, tmp_path)
    # Said anew, as a parent has just begun; the scores of step 16 are not in its checkpoint yet.
    assert second.until(event="validation")["step"] == 12
    assert second.ended() == 0, second.log.read_text()
    steps = [f"column-{step:08d}.png" for step in range(4, 41, 4)]
    assert columns_of(tmp_path) == [*steps, "sheet.png"]
    kept = {name: (folder / name).stat().st_mtime_ns for name in steps[:3]}
    assert kept == {name: begun[name] for name in kept}
    assert (tmp_path / "samples.png").read_bytes() == (trained / "samples.png").read_bytes()


def test_a_drawing_that_fails_ends_no_training_and_is_said(
    tmp_path: Path, start: Start, make_spec: MakeSpec
) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/previews").write_text("no folder")
    child = start("train", make_spec(tmp_path, steps=4), tmp_path)
    said = child.until(event="preview")
    assert "the samples of step 1 cannot be drawn" in said["trouble"]
    assert child.ended() == 0
    result = result_of(tmp_path)
    assert result["state"] == "succeeded"
    assert [output["role"] for output in result["outputs"]] == ["generator", "card"]
    assert "cannot be drawn" in child.log.read_text()


def test_a_column_that_is_damaged_is_left_empty(
    tmp_path: Path, trained: Path, make_spec: MakeSpec
) -> None:
    spec, told = make_spec(tmp_path), Told()
    spec["preview"] = str(tmp_path / "p.png")
    (tmp_path / "checkpoints").mkdir()
    infer = make_inference(load_generator(trained / "model"))
    sheet_of(spec, 0, told).draw(4, infer)
    (tmp_path / "checkpoints/previews/column-00000004.png").write_bytes(b"rubbish")
    sheet_of(spec, 4, told).draw(8, infer)
    assert "trouble" not in told.events[-1]
    pixels = drawn(Path(spec["preview"]))
    assert tile(pixels, 1, 0).min() > 240  # paper
    assert tile(pixels, 2, 0).min() < 200


def test_without_held_out_pairs_the_sheet_shows_pairs_that_were_trained_on(
    tmp_path: Path, start: Start, make_spec: MakeSpec
) -> None:
    spec = make_spec(tmp_path, steps=2) | {"held_out": []}
    child = start("train", spec, tmp_path)
    assert child.ended() == 0, child.log.read_text()
    assert drawn(tmp_path / "samples.png").shape[1] == GAP_PX + (ENDS + 2) * COLUMN
    sheet = sheet_of(spec, 2, Told())
    assert sheet._captions == [f"{n:02d}.png (trained on)" for n in range(4)]


# -- event files -----------------------------------------------------------------------------


def test_event_files_have_the_curves_and_the_samples(trained: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="the extra `tensorboard` is not installed",
    )
    found = accumulator.EventAccumulator(str(trained / EVENTS), {"tensors": 0}).Reload()
    tags = {f"loss/{n}" for n in ("gen_l1_loss", "gen_gan_loss", "disc_loss")}
    scores = {f"validation/{n}" for n in ("l1", "psnr", "ssim", "sharpness")}
    assert tags | scores | {"samples"} <= set(found.Tags()["tensors"])
    for tag in ("validation/l1", "samples"):
        assert [event.step for event in found.Tensors(tag)] == list(range(4, 41, 4))
    curve = result_of(trained)["curve"]
    losses = {point["step"]: point["gen_l1_loss"] for point in curve if "gen_l1_loss" in point}
    points = found.Tensors("loss/gen_l1_loss")
    told = {event.step: float(tf.make_ndarray(event.tensor_proto)) for event in points}
    assert told == pytest.approx(losses)


def test_without_tensorboard_a_run_is_as_it_was_and_leaves_none(
    tmp_path: Path, make_spec: MakeSpec
) -> None:
    spec = make_spec(tmp_path, steps=2) | {"event_files": str(tmp_path / "tensorboard/p/run-1")}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    # So it can neither be imported nor found, as where it is not installed.
    hidden = "import sys; sys.modules['tensorboard'] = None; "
    run = (
        "import runpy; runpy.run_module('pixd.pix2pix.train', run_name='__main__', alter_sys=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", hidden + run, str(tmp_path / "spec.json")],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert result_of(tmp_path)["state"] == "succeeded"
    assert (tmp_path / "samples.png").exists()
    assert not (tmp_path / "tensorboard").exists()


def test_an_attempt_that_goes_on_writes_on_where_the_run_began(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")
    (tmp_path / "checkpoints").mkdir()
    root = tmp_path / "tensorboard/p"
    root.mkdir(parents=True)

    def attempt(number: int, *, resumes: bool, step: int) -> None:
        folder = str(root / f"run-{number}")
        files = EventFiles.of(folder, tmp_path / "checkpoints", resumes=resumes)
        files.add(step, "loss", {"disc_loss": 0.5, "left_out": None})
        files.close()

    attempt(1, resumes=False, step=1)
    attempt(2, resumes=True, step=2)
    assert [path.name for path in root.iterdir()] == ["run-1"]
    attempt(3, resumes=False, step=1)  # it began anew
    assert {path.name for path in root.iterdir()} == {"run-1", "run-3"}


def test_event_files_that_cannot_be_written_are_given_up_quietly(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")
    (tmp_path / "tensorboard").write_text("no folder")
    (tmp_path / "checkpoints").mkdir()
    folder = str(tmp_path / "tensorboard/p/run-1")
    files = EventFiles.of(folder, tmp_path / "checkpoints", resumes=False)
    files.add(1, "loss", {"disc_loss": 0.5})
    files.flush()
    files.close()
    assert (tmp_path / "tensorboard").read_text() == "no folder"
