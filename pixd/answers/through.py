"""Whether the service is done with one change: `pixd wait CHANGE` and the page ask here."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from pixd.store import heartbeat, lock
from pixd.store.heartbeat import Heartbeat
from pixd.store.queries import changes

if TYPE_CHECKING:
    from pathlib import Path

    from pixd.store.connection import Reader


def is_through(store: Path, reader: Reader, change: str, asked_at: str) -> bool:
    """Tell whether everything in a change that can be done is done.

    Args:
        store: the store's folder.
        reader: of the store.
        change: its whole id.
        asked_at: when it was first asked for; RFC 3339.
    """
    last = heartbeat.read(store) or Heartbeat()
    left = changes.unfinished(reader, change)
    if left["runs"] or not _is_trained(last, reader, change):
        return False
    if not left["inputs"]:
        return True
    # If nothing is under way, inputs that wait need a model that no training will make. The
    # heartbeat must be newer than the change, or the service may be idle only until it sees it.
    return last.idle and scanned_since(last, asked_at)


def _is_trained(last: Heartbeat, reader: Reader, change: str) -> bool:
    """Tell whether the service is done with the training commits of a change."""
    found = changes.change(reader, change)
    assert found is not None  # its id was looked up
    for commit in found["commits"]:
        if not commit["name"].startswith("training@"):
            continue
        train = last.pipeline(commit["pipeline"]).train
        if train.commit < commit["seq"]:
            return False
        if train.commit == commit["seq"] and train.state in {"waiting", "running"}:
            return False
    return True


def scanned_since(last: Heartbeat, at: str) -> bool:
    """Tell whether a heartbeat is newer than a time, and every folder was scanned since."""
    return last.at > at and all(
        # Idle without a scan: a disk refuses, and `pixd status` says so.
        part.folder(kind).held or (part.folder(kind).last_scan_at or at + "~") > at
        for part in last.pipelines.values()
        for kind in ("training", "input")
    )


def ask_for_a_scan(store: Path) -> bool:
    """Have the service look at its folders now, so that no older heartbeat is believed.

    Returns:
        Whether a service runs.
    """
    pid = lock.holder_pid(store)
    if pid is None:
        return False
    # Without permission to signal, the next scan by timer answers.
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.kill(pid, signal.SIGUSR1)
    return True
