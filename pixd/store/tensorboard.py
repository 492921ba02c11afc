"""Where a training leaves event files for TensorBoard, and when they are removed.

Each run has a folder: ``tensorboard/PIPELINE/run-7``. A training that was interrupted and continues
under another number keeps the folder in which it began.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pixd.store.states import BytesState

if TYPE_CHECKING:
    import sqlite3

FOLDER = "tensorboard"


def folder_of(pipeline: str, run_id: int) -> Path:
    """Return the folder of a training run, relative to the store's."""
    return Path(FOLDER, pipeline, f"run-{run_id}")


def drop_of_removed_models(conn: sqlite3.Connection, store: Path) -> None:
    """Drop the event files of every model whose weights are removed for good.

    The run that succeeded continued earlier attempts, so their event files are dropped too.
    """
    rows = conn.execute(
        "SELECT DISTINCT attempt.pipeline, attempt.id FROM model"
        " JOIN run_output ON run_output.run_id = model.export_run AND role = 'generator'"
        " JOIN object_bytes ON object_bytes.digest = run_output.digest"
        " JOIN run AS trained ON trained.id = model.train_run"
        " JOIN run AS attempt ON attempt.key = trained.key"
        "   AND attempt.pipeline = trained.pipeline AND attempt.id <= trained.id"
        f" WHERE object_bytes.state = '{BytesState.REMOVED}'"
    )
    for pipeline, run_id in rows.fetchall():
        shutil.rmtree(store / folder_of(pipeline, run_id), ignore_errors=True)
