"""Settle what a crash, or a folder that stopped answering, left half published.

Only the store and the file in the folder are believed. An intent whose file is in place becomes an
output, any other is dropped: its input is still due. What is still to be removed is removed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pixd.folders.one_file import is_of_one_file
from pixd.system import durable
from pixd.system.names import path_in
from pixd.translation import output_files, removing

if TYPE_CHECKING:
    from pixd.store.store import Store
    from pixd.system.children.folder_calls import FolderCalls

WITHIN_S = 30.0
"""How long the loop waits for a network file system that makes progress."""


def settle(store: Store, pipeline: str, calls: FolderCalls, folder: Path) -> None:
    """Finish or drop each publishing into the folder that was interrupted.

    Where a file cannot be looked at, or its row not be written, its intent is kept for the next time.

    Raises:
        NotAnsweringError: the folder does not answer; all that is not settled is kept.
    """
    for intent in store.outputs.intents():
        if intent.pipeline != pipeline:
            continue
        target = path_in(folder, intent.path)
        try:
            is_there = calls.call_slow(WITHIN_S, stands, target, intent.digest)
            with store.apart():
                if is_there:
                    store.outputs.settle_intent(intent.id)
                else:
                    store.outputs.drop_intent(intent.id)
        except Exception as error:
            if not (isinstance(error, OSError) or is_of_one_file(error)):
                raise
    removing.remove(store, pipeline, folder, calls)


def stands(target: Path, digest: str) -> bool:
    """Tell whether a file holds what was to be published, and make its name durable then.

    Raises:
        OSError: nobody can tell.
    """
    if output_files.look(target, digest, None) is not output_files.Standing.WANTED:
        return False
    durable.sync_folder(target.parent)
    return True


def remove_temporaries(folder: Path) -> None:
    """Remove the temporary files of a publishing that was cut off."""
    for at, _, names in os.walk(folder):  # takes half the time of `Path.rglob`
        for name in names:
            if name.startswith(".pixd-") and name.endswith(".tmp"):
                leftover = Path(at, name)
                if leftover.is_file():
                    leftover.unlink(missing_ok=True)
