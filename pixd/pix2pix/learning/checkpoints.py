"""Checkpoints: everything that training changes. Each is whole or absent.

A checkpoint is a folder ``step-00001000`` with TensorFlow's own files (each tensor has a CRC that
is checked when it is read) and ``state.json``. It is written under another name, flushed and
renamed, so a folder with the right name is whole. If one is damaged, the one before is used. The
newest checkpoint is kept, and the best by its held-out scores.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

import tensorflow as tf

from pixd.pix2pix.learning.best import Best
from pixd.system import crash_points, durable
from pixd.system.children.task import NotFiniteError
from pixd.system.errors import DiskError

_PREFIX: Final = "step-"
_PART: Final = ".part-"
_BEST: Final = "best.json"

State = Mapping[str, list[Any]]

_log = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints of one run in one folder."""

    def __init__(self, folder: Path, state: State, *, may_lack: Collection[str] = ()) -> None:
        """Use `folder`. It is made if it does not exist; incomplete checkpoints in it are removed.

        Args:
            folder: on a local disk, for this run's key alone.
            state: tf.Variables by group; what is saved and restored.
            may_lack: groups that may be missing in `state` or in a checkpoint. Such a group is
                not read, or keeps its values. The reason: on another machine `precision: auto`
                may choose another precision, and only float16 has loss scales.
        """
        self._folder = folder
        self._state = state
        self._may_lack = frozenset(may_lack)
        self._checkpoint = _checkpoint_of(state)
        folder.mkdir(exist_ok=True)
        for stray in folder.glob(f"{_PART}*"):
            shutil.rmtree(stray, ignore_errors=True)

    def save(self, step: int, notes: Mapping[str, Any]) -> Path:
        """Save the state after `step` updates and drop what is neither newest nor best.

        Args:
            step: updates made so far.
            notes: anything that JSON holds; `restore` gives it back.

        Returns:
            The folder of the checkpoint.

        Raises:
            NotFiniteError: a weight is not finite; nothing is saved and the old ones stay.
            DiskError: the disk is full or missing; the old checkpoints stay.
        """
        if not self._is_finite():
            raise not_finite(step)
        final = self._folder / f"{_PREFIX}{step:08d}"
        try:
            self._write(final, step, notes)
        except (OSError, tf.errors.OpError) as error:
            # TensorFlow reports a full disk as "resource exhausted", the same as missing memory.
            raise DiskError(
                f"cannot save a checkpoint: {error}",
                advice="free disk space; the run goes on from its last checkpoint",
            ) from error
        self._prune()
        return final

    def restore(self) -> tuple[int, dict[str, Any]]:
        """Load the newest whole checkpoint into the variables.

        Returns:
            Its step and notes. If there is none, (0, {}), and the variables keep their values.
        """
        for folder in self.found():
            found = self._read(folder)
            if found is not None:
                return found
        return 0, {}

    def restore_step(self, step: int) -> bool:
        """Load the checkpoint of `step` into the variables; tell whether it exists and is whole."""
        return self._read(self._folder / f"{_PREFIX}{step:08d}") is not None

    def restore_exported(self) -> int:
        """Load the checkpoint of an ended run that was exported; return its step, 0 if none is whole.

        It is the best, where one is known, and else the last.
        """
        best = self.best()
        if best and self.restore_step(best.step):
            return best.step
        return self.restore()[0]

    def keep_only(self, *steps: int) -> None:
        """Remove every other checkpoint: the run is over, and these are its results."""
        kept = {f"{_PREFIX}{step:08d}" for step in steps}
        for folder in self.found():
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)

    def drop_all(self) -> None:
        """Remove every checkpoint, because none can be read and the run begins from scratch."""
        for folder in self.found():
            shutil.rmtree(folder, ignore_errors=True)
        (self._folder / _BEST).unlink(missing_ok=True)

    def _read(self, folder: Path) -> tuple[int, dict[str, Any]] | None:
        before = None
        try:
            state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            step, notes = int(state["step"]), dict(state["notes"])
            before = [(v, v.numpy()) for group in self._state.values() for v in group]
            self._read_variables(str(folder / "variables"))
        except Exception as error:  # noqa: BLE001 - TensorFlow may raise any error here
            _log.warning("checkpoint %s is not whole and is not used: %s", folder, error)
            for variable, value in before or []:
                variable.assign(value)
            return None
        return step, notes

    def _read_variables(self, path: str) -> None:
        names = tf.train.load_checkpoint(path).get_variable_to_shape_map()
        saved = {name.partition("/")[0] for name in names}
        lacking = (self._state.keys() - saved) & self._may_lack
        expected = {k: v for k, v in self._state.items() if k not in lacking}
        status = _checkpoint_of(expected).read(path)
        if self._may_lack & (saved - self._state.keys()):
            status.assert_existing_objects_matched()
        else:
            status.assert_consumed()

    def found(self) -> list[Path]:
        """Return the folders of the checkpoints, newest first."""
        return sorted(self._folder.glob(f"{_PREFIX}*"), reverse=True)

    def remember_best(self, candidate: Best, *, oldest: int = 0) -> bool:
        """Keep a checkpoint from now on if it is the best yet.

        The best is the one whose held-out outputs are nearest to their targets, among those that
        are about equally sharp. Early weights give blurred pictures, which L1 does not show.

        Args:
            candidate: the newest checkpoint.
            oldest: one of an earlier step is the best no longer.

        Returns:
            Whether it is.
        """
        best = self.best()
        if best is not None and oldest <= best.step != candidate.step and not candidate.beats(best):
            return False
        durable.write_file(self._folder / _BEST, json.dumps(candidate._asdict()).encode())
        self._prune()
        return True

    def best(self) -> Best | None:
        """Return the best checkpoint, or None if none is known."""
        try:
            best = json.loads((self._folder / _BEST).read_text(encoding="utf-8"))
            is_averaged = bool(best.get("is_averaged"))  # an earlier pixd averaged nothing
            return Best.of(int(best["step"]), best, is_averaged=is_averaged)
        except (OSError, ValueError, KeyError):
            return None

    def _write(self, final: Path, step: int, notes: Mapping[str, Any]) -> None:
        part = self._folder / f"{_PART}{step:08d}"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        self._checkpoint.write(str(part / "variables"))
        state = json.dumps({"step": step, "notes": notes}, allow_nan=False)
        (part / "state.json").write_text(state, encoding="utf-8")
        durable.sync_files([*part.iterdir()], [part])
        durable.sync_folder(part)
        crash_points.crash_point("checkpoint")
        shutil.rmtree(final, ignore_errors=True)
        part.rename(final)
        durable.sync_folder(self._folder)

    def _prune(self) -> None:
        best = self.best()
        kept = f"{_PREFIX}{best.step:08d}" if best else ""
        for folder in self.found()[1:]:
            if folder.name != kept:
                shutil.rmtree(folder, ignore_errors=True)

    def _is_finite(self) -> bool:
        variables = [v for group in self._state.values() for v in group if v.dtype.is_floating]
        return all(bool(tf.reduce_all(tf.math.is_finite(v))) for v in variables)


def _checkpoint_of(state: State) -> tf.train.Checkpoint:
    return tf.train.Checkpoint(**{name: list(group) for name, group in state.items()})


def not_finite(step: int) -> NotFiniteError:
    """Return the error for a run that diverged at `step`."""
    return NotFiniteError(
        f"the losses or weights are no longer finite at step {step}",
        advice="lower train.learning_rate or use precision: float32; look for odd pairs",
    )
