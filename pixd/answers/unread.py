"""What a scan of a watched folder would find now, without recording it.

`plan` asks here, so that it is right before the service has looked: files that changed since they
were recorded are read and hashed, and nothing is written.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from pixd.folders import scan
from pixd.store.queries import files
from pixd.system import safe_open
from pixd.system.children.folder_calls import ask_once
from pixd.system.digests import hash_descriptor
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pixd.config import PipelineSettings
    from pixd.store.connection import Reader
    from pixd.system.stamps import FileStamp


class Unread(NamedTuple):
    """How a folder differs from what is recorded of it.

    Attributes:
        is_there: whether the folder can be looked at; if not, the service waits for it.
        there: every file in it, by name text.
        added: names that are not recorded.
        changed: names whose bytes are others than were recorded. A copy or a touch is no change.
        removed: recorded names that are gone.
        digests: of the changed files, by name.
    """

    is_there: bool
    there: Mapping[str, FileStamp]
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    digests: Mapping[str, str]


def look(
    reader: Reader,
    store: Path,
    pipeline: PipelineSettings,
    kind: str,
    progress: Callable[[int, int], None],
) -> Unread:
    """List a folder and compare it with the record. Files whose stamps are others are read.

    Args:
        reader: the store's database.
        store: the store's folder.
        pipeline: whose folder.
        kind: "training" or "input".
        progress: is told how many files are read, of how many.
    """
    folder: Path = getattr(pipeline, kind)
    repo = files.repo_id(reader, pipeline.name, kind)
    known = files.stamps(reader, repo) if repo is not None else {}
    try:
        there = ask_once(store, folder, scan.scan, folder).files
    except (PixdError, OSError):
        return Unread(False, {}, (), (), (), {})
    touched = [
        name
        for name, stamp in there.items()
        if name in known
        and known[name] != (stamp.size, stamp.mtime_ns, stamp.ctime_ns, stamp.inode)
    ]
    digests: dict[str, str] = {}
    had = files.digests(reader, repo) if repo is not None and touched else {}
    for number, name in enumerate(touched):
        progress(number, len(touched))
        digest = _digest(folder, name)
        if digest and digest != had.get(name):  # of one that cannot be read, the record stays
            digests[name] = digest
    return Unread(
        is_there=True,
        there=there,
        added=tuple(name for name in there if name not in known),
        changed=tuple(digests),
        removed=tuple(name for name in known if name not in there),
        digests=digests,
    )


def contents(
    reader: Reader,
    pipeline: PipelineSettings,
    found: Unread,
    progress: Callable[[int, int], None],
) -> list[tuple[str, str]]:
    """Return (name, digest) of the training files as the next commit would have them.

    What is new and cannot be read now is left out; so is what was recalled. Whether a new file holds a picture
    is not known before it is recorded: it counts as one.

    Args:
        reader: the store's database.
        pipeline: whose training folder.
        found: what `look` said of it.
        progress: is told how many files are read, of how many.
    """
    repo = files.repo_id(reader, pipeline.name, "training")
    recorded = dict(files.recorded(reader, repo)) if repo is not None else {}
    for name in (*found.removed, *found.changed):
        recorded.pop(name, None)
    recalled = set(files.recalled_in(reader, pipeline.name))
    digests = dict(found.digests)
    for number, name in enumerate(found.added):
        progress(number, len(found.added))
        digests[name] = _digest(pipeline.training, name)
    for name, digest in digests.items():
        if digest and digest not in recalled:
            recorded[name] = digest
    return sorted(recorded.items())


def _digest(folder: Path, name: str) -> str:
    try:
        fd = safe_open.open_regular(folder, name)
    except (PixdError, OSError):
        return ""
    try:
        return hash_descriptor(fd)[0]
    except OSError:
        return ""
    finally:
        os.close(fd)
