"""Writes event files for TensorBoard if the `tensorboard` package is installed; else nothing.

TensorFlow writes the files, but ``tf.summary.scalar`` itself comes from that package (TensorFlow
only calls it). So without the package nothing can be written. No error here ends a training: it
is logged, and nothing more is written.

Source: tensorflow/python/summary/summary.py and tensorboard/summary/v2 show what comes from where.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import tensorflow as tf
from PIL import Image

from pixd.pix2pix.learning.previews import pixels_of
from pixd.system import durable

FLUSH_EVERY_MS: Final = 10_000
_NOTE: Final = "event-files"

_log = logging.getLogger(__name__)


class EventFiles:
    """The event files of one run."""

    def __init__(self, folder: Path | None) -> None:
        """Write into `folder`, which is made at the first value; if it is None, write nothing."""
        self._folder = folder
        self._writer: Any = None

    @classmethod
    def of(cls, wanted: str | None, checkpoints: Path, *, resumes: bool) -> EventFiles:
        """Return the event files of a run.

        Args:
            wanted: the run's folder, ``PIPELINE/run-N`` inside the folder that TensorBoard
                reads; with None nothing is written.
            checkpoints: folder of the run's checkpoints.
            resumes: whether the run goes on from a checkpoint. It then goes on writing in the
                folder that it began in, under its earlier number.
        """
        if not wanted or importlib.util.find_spec("tensorboard") is None:
            return cls(None)
        folder = Path(wanted)
        note = checkpoints / _NOTE
        try:
            pipeline, _, run = note.read_text(encoding="utf-8").partition("/")
            if resumes and pipeline == folder.parent.name and run == Path(run).name:
                return cls(folder.with_name(run))
        except OSError:
            pass  # it is the first attempt
        try:
            durable.write_file(note, f"{folder.parent.name}/{folder.name}".encode())
        except OSError as error:
            _log.warning("event files are not written: %s", error)
            return cls(None)
        return cls(folder)

    def add(self, step: int, group: str, values: Mapping[str, float | None]) -> None:
        """Add one point to the curves ``group/name``."""

        def write() -> None:
            for name, value in values.items():
                if value is not None:
                    tf.summary.scalar(f"{group}/{name}", value, step=step)

        self._try(write)

    def add_image(self, step: int, name: str, image: Image.Image | None) -> None:
        """Add a picture, if there is one."""
        if image is not None:
            self._try(lambda: tf.summary.image(name, pixels_of(image)[None], step=step))

    def flush(self) -> None:
        """Write out what was added, so that TensorBoard sees it."""
        if self._writer is not None:
            self._try(self._writer.flush)

    def close(self) -> None:
        """Close the files."""
        if self._writer is not None:
            self._try(self._writer.close)
        self._folder = None

    def _try(self, write: Callable[[], Any]) -> None:
        if self._folder is None:
            return
        try:
            if self._writer is None:
                self._folder.mkdir(exist_ok=True)
                self._writer = tf.summary.create_file_writer(
                    str(self._folder), flush_millis=FLUSH_EVERY_MS
                )
            with self._writer.as_default():
                write()
        except Exception as error:  # noqa: BLE001 - TensorFlow may raise any error here
            _log.warning("no more event files are written: %s", error)
            self._folder = None
