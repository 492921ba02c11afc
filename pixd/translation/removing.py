"""Remove the files of withdrawn outputs, now or as soon as their folder lets it.

The rows in `pixd.store.removals` say what is to be removed. One goes only when the file is gone
from a folder that is there, so that neither a crash nor a disk that is away leaves a file behind.
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING

from pixd.store.states import OutputState
from pixd.system import crash_points, durable
from pixd.system.children.folder_calls import FolderCalls, NotAnsweringError
from pixd.system.errors import in_words
from pixd.system.names import path_in
from pixd.system.wording import counted
from pixd.translation import output_files
from pixd.translation.output_files import Standing
from pixd.translation.output_place import OutputPlace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pixd.store.queries.removals import Removal
    from pixd.store.store import Store

WITHIN_S = 30.0
"""How long the loop waits for a network file system that makes progress."""
RETRY_S = 10.0


def remove(
    store: Store, pipeline: str, folder: Path, calls: FolderCalls | None = None
) -> dict[str, str]:
    """Remove what is to be removed, and record and report what could not be.

    Args:
        store: the open store.
        pipeline: whose outputs.
        folder: its output folder.
        calls: what the folder is asked by; without, a child is started if one is needed.

    Returns:
        Why, by name, of each file that could not be removed yet.
    """
    waiting = store.removals.of(pipeline)
    if not waiting:
        return {}
    with contextlib.ExitStack() as stack:
        if calls is None:
            calls = FolderCalls(folder, store=store.folder)
            stack.callback(calls.close)
        found = _remove(OutputPlace(store, pipeline, folder), folder, calls, waiting)
    refused: dict[str, str] = {}
    with store.transaction():
        for one, result in zip(waiting, found, strict=True):
            if isinstance(result, str):
                refused[one.path] = result
                continue
            store.removals.end(pipeline, one.path)
            is_edited = result in output_files.NOT_PUBLISHED_LAST and one.why
            if is_edited and store.outputs.standing(pipeline, one.path) is None:
                store.outputs.set_state(one.output_id, OutputState.EDITED)
        store.removals.refuse(pipeline, refused.items())
        _report(store, pipeline, waiting, found)
    return refused


def remove_each(folder: Path, files: Sequence[tuple[str, str]]) -> list[Standing | str]:
    """Remove each of many files that still holds what was withdrawn.

    Args:
        folder: the output folder.
        files: (name text, digest).

    Returns:
        For each what was there (what is `WANTED` was removed), or why it could not be removed.

    Raises:
        OSError: it is not certain that they stay removed after a power cut.
    """
    found: list[Standing | str] = []
    emptied: set[Path] = set()
    for path, digest in files:
        target = path_in(folder, path)
        try:
            standing = _remove_one(target, digest)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this file's alone
            found.append(in_words(error))
            continue
        if standing is Standing.WANTED:
            emptied.add(target.parent)
        found.append(standing)
    durable.sync_folders(emptied)
    return found


def _remove(
    place: OutputPlace, folder: Path, calls: FolderCalls, waiting: Sequence[Removal]
) -> list[Standing | str]:
    files = [(one.path, one.digest) for one in waiting]
    try:
        if calls.network:
            return calls.call_slow(WITHIN_S, remove_each, folder, files)
        why = place.why_not()
        if not why:
            with place.held() as held:
                return remove_each(held, files)
    except NotAnsweringError as silence:
        why = silence.message
    except OSError as error:
        why = f"the output folder {folder}: {in_words(error)}"
    return [why] * len(files)


def _remove_one(target: Path, digest: str) -> Standing:
    # Asked first: to read 100,000 files in vain, again and again, would be work for nothing.
    if target.exists() and not os.access(target.parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "pixd may not write to its folder")
    standing = output_files.look(target, digest, None)
    if standing is Standing.WANTED:
        crash_points.crash_point("withdrawn")
        target.unlink(missing_ok=True)
    return standing


def _report(
    store: Store, pipeline: str, waiting: Sequence[Removal], found: Sequence[Standing | str]
) -> None:
    """Report what could not be removed once, and that it is removed later."""
    results = list(zip(waiting, found, strict=True))
    new = [(one.path, why) for one, why in results if isinstance(why, str) and not one.why]
    if new:
        name, why = new[0]
        told = (
            f"{counted(len(new), 'withdrawn output')} cannot be removed yet, such as {name}: {why};"
            " the service removes them by itself as soon as it can"
        )
        store.note(pipeline, "warning", "withdraw", told)
    late = [one for one, result in results if result is Standing.WANTED and one.why]
    if late:
        told = f"{counted(len(late), 'withdrawn output')} that could not be removed before: removed"
        store.note(pipeline, "info", "withdraw", told)
