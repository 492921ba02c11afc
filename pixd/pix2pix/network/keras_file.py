"""Writes a `.keras` file that does not say when it was written.

Equal weights then have equal bytes, so that a digest names the model and not the second in which it
was saved. Keras writes the time in two places: `date_saved` in metadata.json, and the date of
model.weights.h5 in the archive (`findings/keras-file-carries-the-clock.sh`). Nothing reads them.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Final

import keras

METADATA: Final = "metadata.json"
_TIME: Final = "date_saved"  # in the metadata
_WITH_TIME: Final = "as-keras-writes-it.keras"


def save(model: keras.Model, path: Path) -> None:
    """Write a model as Keras does, without the time.

    The archive is written twice, because Keras offers no way between a file and a folder; both are
    on the disk for a moment.

    Args:
        model: of stock layers.
        path: of the file, which is replaced.

    Raises:
        OSError: the disk is full or fails.
    """
    with_time = path.with_name(_WITH_TIME)
    try:
        model.save(with_time)
        _copy_without_time(with_time, path)
    finally:
        with_time.unlink(missing_ok=True)


def _copy_without_time(source: Path, target: Path) -> None:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            timeless = zipfile.ZipInfo(entry.filename)  # 1980, the first year of archives
            timeless.external_attr = entry.external_attr
            if entry.filename == METADATA:
                metadata = json.loads(old.read(entry))
                metadata.pop(_TIME, None)
                new.writestr(timeless, json.dumps(metadata))
                continue
            timeless.file_size = entry.file_size  # so that one beyond 2 GiB gets the larger header
            with old.open(entry) as weights, new.open(timeless, "w") as copy:
                shutil.copyfileobj(weights, copy, 1 << 20)
