"""Continue what a crash or a disk error interrupted.

After either, only the store is trusted. So the steps are the same for both.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from pixd.store import model_files
from pixd.store.states import RunState
from pixd.system.children.folder_calls import FolderCalls
from pixd.system.wording import counted
from pixd.training.run import PREVIEWS
from pixd.translation import leftovers

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
            were = "was" if lost == 1 else "were"
            told = f"{counted(lost, 'run')} {were} cut off ({why}); what is still due is done again"
            store.note("", "warning", "recover", told)
    return lost


def settle_outputs(store: Store, folders: dict[str, Path]) -> None:
    """Finish or drop each publishing that was interrupted.

    A folder on a network file system may not answer; its publisher does this at its first look.

    Args:
        store: the open store.
        folders: the output folder of each pipeline.
    """
    for pipeline, folder in folders.items():
        calls = FolderCalls(folder, store=store.folder)
        if not calls.network:
            leftovers.settle(store, pipeline, calls, folder)
    for intent in store.outputs.intents():
        if intent.pipeline not in folders:
            store.outputs.drop_intent(intent.id)


def clear_leftovers(store: Store, folders: Iterable[Path]) -> None:
    """Remove the scratch of earlier children, and models and outputs that are half made.

    Call it only at start, because later children work there. What is half made on a network file
    system, the publisher removes at its first look.
    """
    shutil.rmtree(store.scratch, ignore_errors=True)
    store.scratch.mkdir(exist_ok=True)
    for half_made in model_files.half_made_in(store.folder):
        shutil.rmtree(half_made, ignore_errors=True)
    local = [folder for folder in folders if not FolderCalls(folder, store=store.folder).network]
    for folder in (*local, store.folder / PREVIEWS):
        leftovers.remove_temporaries(folder)
