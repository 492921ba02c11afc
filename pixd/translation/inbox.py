"""Work that a command did beside the service, and handed in for the record.

`pixd translate` runs in its own process, and must not write the store while a service holds it.
So it leaves an *entry* in the store's inbox: a folder with the images and a JSON note, made
visible by one rename. The process that holds the lock records the entries. One that is not
finished is never seen.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import time
from typing import TYPE_CHECKING, Any

from pixd.store.edges import Edge
from pixd.store.states import ACTIVE_RUNS, RunState
from pixd.system import disk, durable
from pixd.system.digests import hash_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixd.store.objects import StoredObject
    from pixd.store.store import Store

INBOX = "inbox"
LEFT_AFTER_S = 3600.0  # an entry is built in seconds


def hand_in(store_folder: Path, note: Mapping[str, Any], files: Mapping[str, Path]) -> None:
    """Leave an entry in the inbox.

    Args:
        store_folder: the store.
        note: what was done: pipeline, key, recipe, name, model, image digest.
        files: copies to keep, by the name that the note uses for them ("input", "output").

    Raises:
        OSError: the inbox cannot be written.
    """
    inbox = store_folder / INBOX
    inbox.mkdir(exist_ok=True)
    name = secrets.token_hex(8)
    building = inbox / f".{name}"
    building.mkdir()
    for role, path in files.items():
        shutil.copyfile(path, building / role)
    durable.write_file(building / "note.json", json.dumps(note).encode())
    building.rename(inbox / name)


def outputs_waiting(store_folder: Path) -> set[str]:
    """Return the digests of the outputs that are handed in and not recorded yet."""
    found = set()
    for path in (store_folder / INBOX).glob("[!.]*/output"):
        with contextlib.suppress(FileNotFoundError):  # it was recorded meanwhile
            found.add(hash_file(path))
    return found


def take_in(store: Store) -> None:
    """Record every whole entry and remove it. Cheap when there is none.

    An entry waits while the service makes the same. What a command that was killed left is removed.

    Raises:
        OSError: the store's disk refuses; entries that were not recorded stay.
    """
    inbox = store.folder / INBOX
    try:
        names = sorted(os.listdir(inbox))  # noqa: PTH208
    except FileNotFoundError:
        return
    for name in names:
        entry = inbox / name
        if name.startswith("."):
            _remove_left(entry)
            continue
        try:
            note = json.loads((entry / "note.json").read_bytes())
            if _is_under_way(store, note):
                continue
            _record(store, entry, note)
        except (OSError, ValueError, KeyError) as error:
            if disk.refusal(error):
                raise  # the entry stays and is taken in later
            store.note("", "warning", "inbox", f"an entry in the inbox was dropped: {error!r}")
        shutil.rmtree(entry, ignore_errors=True)


def _is_under_way(store: Store, note: Mapping[str, Any]) -> bool:
    """Tell whether the service makes the same: only one run of a key may be active."""
    attempts = store.runs.attempts(str(note["pipeline"]), str(note["key"]))
    return any(run.state in ACTIVE_RUNS for run in attempts)


def _remove_left(building: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if time.time() - building.stat().st_mtime > LEFT_AFTER_S:
            shutil.rmtree(building, ignore_errors=True)


def _record(store: Store, entry: Path, note: Mapping[str, Any]) -> None:
    pipeline, key = str(note["pipeline"]), str(note["key"])
    # Copied and not moved: until the rows are written, the entry must stay whole.
    image, made = (_take(store, entry / role) for role in ("input", "output"))
    store.objects.flush()
    with store.transaction():
        store.history.add_objects([image], "application/octet-stream")
        store.history.add_objects([made], "image/png")
        if store.runs.succeeded(pipeline, key) is None:
            recipe = store.runs.add_recipe("translate", note["recipe"])
            run_id = store.runs.queue(
                pipeline,
                "translate",
                key,
                change_id=secrets.token_hex(5),
                recipe=recipe,
                inputs=[
                    Edge("image", str(note["name"]), image.digest),
                    Edge("model", f"model@{note['model_number']}", str(note["model"])),
                ],
                reason="asked for by `pixd translate`",
                state=RunState.RUNNING,
            )
            store.runs.add_outputs(run_id, [Edge("image", "image.png", made.digest)])
            store.runs.move(
                run_id, (RunState.RUNNING,), RunState.SUCCEEDED, timings=note.get("ms", {})
            )
            store.note(pipeline, "info", "translate", f"{note['name']} by `pixd translate`")


def _take(store: Store, path: Path) -> StoredObject:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return store.objects.take(fd)
    finally:
        os.close(fd)
