"""Continue what a crash or a disk error interrupted.

After either, only the store is trusted. So the steps are the same for both.
"""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

from pixd.store import model_files
from pixd.store.states import RunState
from pixd.system import durable
from pixd.system.names import path_in
from pixd.training.run import PREVIEWS
from pixd.translation import output_files

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from pixd.store.store import Store


def give_up_runs(store: Store, why: str, alive: Collection[int] = ()) -> int:
    """Give up the runs that no process works on.

    The next steps start them again, because no run with their keys has succeeded. A training goes
    on from its checkpoint. A translation that was being published counts as done, because its bytes
    are kept.

    Args:
        store: the open store.
        why: the reason that their rows get.
        alive: runs that a child still works on.

    Returns:
        How many were lost.
    """
    lost = 0
    with store.transaction():
        for run in store.runs.active():
            if run.id in alive:
                continue
            if run.state is RunState.PUBLISHING and store.runs.output_digest(run.id, "image"):
                store.runs.move(run.id, (RunState.PUBLISHING,), RunState.SUCCEEDED)
                continue
            lost += store.runs.move(run.id, (run.state,), RunState.LOST, reason=why)
        if lost:
            told = f"{lost} runs were cut off ({why}); what is still due is done again"
            store.note("", "warning", "recover", told)
    return lost


def settle_outputs(store: Store, folders: dict[str, Path]) -> None:
    """Finish or drop each publishing that was interrupted.

    Args:
        store: the open store.
        folders: the output folder of each pipeline.

    Where an output folder cannot be read, its intents are kept for the next time.
    """
    for gone in store.outputs.withdrawn():
        withdrawn_from = folders.get(gone.pipeline)
        if withdrawn_from:
            left = path_in(withdrawn_from, gone.path)
            with contextlib.suppress(OSError):
                if output_files.look(left, gone.digest, None) is output_files.Standing.WANTED:
                    left.unlink()
    for intent in store.outputs.intents():
        folder = folders.get(intent.pipeline)
        stands = False
        if folder:
            target = path_in(folder, intent.path)
            try:
                stands = (
                    output_files.look(target, intent.digest, None) is output_files.Standing.WANTED
                )
                if stands:
                    durable.sync_folder(target.parent)
            except OSError:
                continue
        if stands:
            store.outputs.settle_intent(intent.id)
        else:
            store.outputs.drop_intent(intent.id)


def clear_leftovers(store: Store, folders: Iterable[Path]) -> None:
    """Remove the scratch of earlier children, and models and outputs that are half made.

    Call it only at start, because later children work there.
    """
    shutil.rmtree(store.scratch, ignore_errors=True)
    store.scratch.mkdir(exist_ok=True)
    for half_made in model_files.half_made_in(store.folder):
        shutil.rmtree(half_made, ignore_errors=True)
    for folder in (*folders, store.folder / PREVIEWS):
        for leftover in folder.rglob(".pixd-*.tmp"):
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)
