"""Whether a watched folder is where it was, for those who put files into it beside the service.

A folder whose disk is away is an empty mount point. What is put there is hidden as soon as the disk is
back. The service puts such a folder on hold (`pixd.folders.hold`), but needs a moment for that, and may
not run at all.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixd.store.queries.holds import Root

LOOK = "look whether its disk is there"
ADVICE = f"{LOOK}; `pixd resume` takes the folder as it is"


def why_away(folder: Path, remembered: Root | None) -> str:
    """Say why nothing should be put into a watched folder now, or "".

    Args:
        folder: as config.yaml names it.
        remembered: what the store knows of it; None before it was ever looked at.
    """
    if remembered and remembered.hold and not remembered.is_accepted:
        return f"it is on hold: {remembered.hold}"
    try:
        device = os.stat(folder).st_dev  # noqa: PTH116 - its error is wanted
        with os.scandir(folder) as entries:
            is_empty = next(entries, None) is None
    except OSError as error:
        return f"{folder}: {error.strerror}"
    if not remembered or not is_empty or remembered.path != os.fspath(folder):
        return ""
    if remembered.is_accepted:
        return ""
    if remembered.inode and device != remembered.device:
        return f"{folder} is empty, and on another disk than before"
    return ""


def why_disk_away(folder: Path, remembered: Root | None) -> str:
    """Say why a watched folder is not to be brought back where it is named, or "".

    It may be empty, missing or on hold: that is why it is brought back. But it must be on its disk. Of
    a folder that is missing, what is above it is looked at.

    Args:
        folder: as config.yaml names it.
        remembered: what the store knows of it; None before it was ever looked at.
    """
    if not remembered or not remembered.inode or remembered.is_accepted:
        return ""
    if remembered.path != os.fspath(folder):  # config.yaml names another
        return ""
    state = "empty"
    try:
        with os.scandir(folder) as entries:
            if next(entries, None):
                state = "on hold" if remembered.hold else ""
    except FileNotFoundError:
        state = "missing"
    except OSError as error:
        return f"{folder}: {error.strerror}"
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not state or there.stat().st_dev == remembered.device:
        return ""
    return f"{folder} is {state}, and {'its place is ' * (state == 'missing')}on another disk than before"
