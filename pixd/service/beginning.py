"""Whether the service may open the store that the configuration names, or make one there.

The place of a store may be empty because its disk is away. Then a new store would train everything
again, and be hidden when the disk is back. So a store is made only where nothing says that there
was one: neither the note outside (`pixd.store.outside`) nor pictures in the output folders that
tell which model made them. And none is made while a watched folder is missing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pixd.images import png_text
from pixd.store import place
from pixd.system.errors import StoreGoneError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixd.config import Settings
    from pixd.store.outside import Note

MOST_OUTPUTS = 50
"""How many pictures of an output folder are looked at."""
MOST_FOLDERS = 50
ADVICE_FOLDER = "bring its disk back, or make it: `pixd init`, or mkdir; pixd goes on by itself"


def why_not(settings: Settings, known: Note, *, is_asked_anew: bool) -> StoreGoneError | None:
    """Say why the store may be neither opened nor made now, with what to do; None where it may.

    Args:
        settings: the checked configuration.
        known: what was known of its store when it was last open.
        is_asked_anew: a person accepts what is there, or a new store where nothing is.
    """
    if is_asked_anew:
        return None
    absent = place.why_not_there(settings.store)
    return _why_not_make(settings, known, absent) if absent else _why_not_open(settings, known)


def _why_not_open(settings: Settings, known: Note) -> StoreGoneError | None:
    folder = settings.store
    found = place.read_identity(folder)
    if not known.identity or known.path != str(folder) or found in {"", known.identity}:
        return None
    return StoreGoneError(
        f"the store at {folder} is another one than pixd had there",
        advice="bring the disk of the old one back: pixd goes on by itself; or take the one that"
        " is there: `pixd run --new-store`",
    )


def _why_not_make(settings: Settings, known: Note, absent: str) -> StoreGoneError | None:
    folder = settings.store
    if known.identity:
        if known.path == str(folder):
            return place.gone(absent)
        moved = place.say_elsewhere(known.path, folder)
        return StoreGoneError(moved, advice=place.ADVICE_ELSEWHERE)
    for pipeline in settings.pipelines:
        if made := made_by_pixd(pipeline.output):
            return place.gone(
                f"there is no store at {folder}, but {made} was made by a pixd that had one: its"
                " disk was unplugged or it was renamed"
            )
    for pipeline in settings.pipelines:
        for kind in ("training", "input"):
            watched = getattr(pipeline, kind)
            if not os.path.isdir(watched):  # noqa: PTH112 - no error where one may not look
                what = "no folder" if os.path.exists(watched) else "missing"  # noqa: PTH110
                return StoreGoneError(
                    f"the {kind} folder {watched} is {what}, and there is no store yet",
                    advice=ADVICE_FOLDER,
                )
    return None


def made_by_pixd(folder: Path) -> Path | None:
    """Return a picture in an output folder that says which run of pixd made it, or None."""
    for path in _pictures(folder):
        try:
            if "pixd:run" in png_text.read_text(path):
                return path
        except OSError:
            continue
    return None


def _pictures(folder: Path) -> Iterator[Path]:
    """Yield some PNGs of a folder, those at its top first."""
    folders, looked_into, seen = [folder], 0, 0
    while folders and looked_into < MOST_FOLDERS:
        looked_into += 1
        try:
            with os.scandir(folders.pop(0)) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry.path))
                    elif entry.name.lower().endswith(".png") and entry.is_file():
                        seen += 1
                        if seen > MOST_OUTPUTS:
                            return
                        yield Path(entry.path)
        except OSError:
            continue
