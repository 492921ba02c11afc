"""The files of a model as its children load them: a folder of hard links to its objects.

Inside the store a hard link is safe: objects are read-only and never written in place. A file
system without hard links gets copies.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from typing import TYPE_CHECKING

from pixd.store import manifests
from pixd.store.states import BytesState
from pixd.system import crash_points, durable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixd.store.store import Store

FOLDER = "models"
NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL})
"""What link(2) says where there are none, or no more of one file."""
_HALF_MADE = ".*.tmp"


def folder_of(store: Path, digest: str) -> Path:
    """Return where the files of a model are, laid out or not.

    Args:
        store: the store's folder.
        digest: the model's, "sha256:...".
    """
    return store / FOLDER / digest.removeprefix("sha256:")


def lay_out(store: Store, digest: str, files: Mapping[str, manifests.Entry] | None = None) -> Path:
    """Return the folder with a model's files, made from objects where it is missing.

    Args:
        store: the open store.
        digest: the model's, which is that of its manifest.
        files: the manifest's entries, if known.

    Raises:
        OSError: an object cannot be read or linked.
        ValueError: the manifest is damaged.
    """
    folder = folder_of(store.folder, digest)
    files = files or manifests.read(store.objects.path_of, digest)
    if all((folder / name).exists() for name in files):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    building = folder.with_name(f".{folder.name[:16]}.tmp")
    shutil.rmtree(building, ignore_errors=True)
    store.standing(FOLDER)
    building.mkdir()
    for name, entry in files.items():
        _link(store.objects.path_of(entry.digest), building / name)
        crash_points.crash_point("layout")
    building.rename(folder)
    durable.sync_folder(folder.parent)
    return folder


def _link(source: Path, target: Path) -> None:
    """Link a file, or copy it where the file system has no hard links (exFAT, some FUSE)."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        shutil.copyfile(source, target)


def match_bytes(store: Store) -> None:
    """Give each model with bytes its folder of links, and remove the folders of all others.

    A damaged model gets none. Its caller gets an error, and `pixd verify` says more.
    """
    rows = store.db.conn.execute(
        f"SELECT model.digest, min(object_bytes.state = '{BytesState.PRESENT}') FROM model JOIN run_output"
        " ON run_output.run_id = model.export_run JOIN object_bytes"
        " ON object_bytes.digest = run_output.digest WHERE role = 'generator'"
        " GROUP BY model.digest"
    )
    for digest, has_bytes in rows.fetchall():
        folder = folder_of(store.folder, digest)
        if not has_bytes:
            shutil.rmtree(folder, ignore_errors=True)
        elif not folder.is_dir():
            with contextlib.suppress(OSError, ValueError):
                lay_out(store, digest)


def half_made_in(store: Path) -> list[Path]:
    """Return the folders of models that are half laid out, now or since a crash."""
    return list((store / FOLDER).glob(_HALF_MADE))
