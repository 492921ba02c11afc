"""Name and publish a translated image.

A file that pixd did not write, or that somebody edited since, is never overwritten. What an output
is called is in `pixd.store.output_names`.
"""

from __future__ import annotations

import contextlib
import enum
import os
from typing import TYPE_CHECKING

from pixd.images import png_text
from pixd.store.output_names import RENAME_ONE, output_name, output_names
from pixd.system import crash_points, disk, durable
from pixd.system.digests import hash_file
from pixd.system.names import name_from_bytes, name_to_bytes, path_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

NAME_MAX_BYTES = 255  # what every common Linux file system allows one component


def refusal(input_name: str, *, is_input: Callable[[str], bool], samples: int = 1) -> str:
    """Say why an input cannot have an output under its name, or return "".

    Args:
        input_name: name text of the input.
        is_input: tells whether a name is that of an input. It is asked about `output_name` where
            that differs (``x.jpg`` beside ``x.jpg.png``). The name then belongs to that one, and so
            do the names of all samples.
        samples: how many outputs it should have.
    """
    name = output_name(input_name)
    last = name_to_bytes(output_names(input_name, samples)[-1]).rsplit(b"/", 1)[-1]
    if len(last) > NAME_MAX_BYTES:
        return f"its output's name would be {len(last)} bytes long, over 255: shorten the name"
    if name != input_name and is_input(name):
        if samples > 1:
            return f"its outputs' names are those of the input {name}{RENAME_ONE}"
        return f"its output's name {name} belongs to the input of that name{RENAME_ONE}"
    return ""


class Standing(enum.Enum):
    """What exists under the name that an output should have."""

    NOTHING = "nothing"
    OURS = "ours"
    WANTED = "wanted"
    EARLIER = "earlier"  # pixd wrote it, but not last: its text says by which run
    EDITED = "edited"
    FOREIGN = "foreign"


NOT_PUBLISHED_LAST = (Standing.EARLIER, Standing.EDITED, Standing.FOREIGN)
"""What is not the bytes that pixd last put there."""


def look(target: Path, wanted: str, ours: str | None) -> Standing:
    """Tell what is at `target`.

    Args:
        target: the output's path.
        wanted: digest of the bytes that should be there.
        ours: digest of what pixd last put there, or None if it never did.
    """
    try:
        found = hash_file(target)
    except (FileNotFoundError, NotADirectoryError):
        return Standing.NOTHING
    except IsADirectoryError:
        return Standing.FOREIGN
    if found == wanted:
        return Standing.WANTED
    if found == ours:
        return Standing.OURS
    # A store that was put back from a backup does not know what it published since.
    if png_text.read_as_written(target):
        return Standing.EARLIER
    return Standing.FOREIGN if ours is None else Standing.EDITED


def why_foreign(folder: Path, path: str) -> str:
    """Say what a file is that takes the name of an output, and what to do with it.

    Args:
        folder: the output folder.
        path: name text, relative to it.
    """
    if "pixd:run" in png_text.read_text(path_in(folder, path)):
        return f"{path} was made by pixd and changed by hand since: move it away"
    return f"{path} is there already and was not made by pixd: move it away"


def look_each(files: Sequence[tuple[Path, str, str | None]]) -> list[Standing | Exception]:
    """Do what `look` does for many (target, wanted, ours); for each the standing or its error."""
    found: list[Standing | Exception] = []
    for target, wanted, ours in files:
        try:
            found.append(look(target, wanted, ours))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this file's alone
            found.append(error)
    return found


def missing_of(folder: Path, paths: Sequence[str]) -> list[str]:
    """Return which of the published outputs are not in the folder any more.

    One in a folder that may not be looked into counts as there: nobody can tell.

    Args:
        folder: the output folder.
        paths: name texts, relative to it.

    Raises:
        OSError: the disk refuses.
    """
    there = set(_names_below(os.fsencode(folder)))
    # Look at the file itself: the listing leaves out what it could not read.
    return [path for path in paths if path not in there and _is_missing(path_in(folder, path))]


def _is_missing(target: Path) -> bool:
    try:
        return not target.exists()
    except OSError as error:
        if disk.refusal(error):
            raise
        return False


def _names_below(folder: bytes, prefix: bytes = b"") -> Iterator[str]:
    """Yield the name text of every file below a folder; none where it cannot be listed."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _names_below(entry.path, prefix + entry.name + b"/")
            else:
                yield name_from_bytes(prefix + entry.name)


def publish_each(files: Sequence[tuple[Path, Path]], *, below: Path) -> list[Exception | None]:
    """Put the bytes of objects under the outputs' names, each whole or not at all.

    Args:
        files: (source, target) pairs.
        below: missing folders are made below this one, and never itself.

    Returns:
        For each file None, or its error; what was there is kept then.
    """
    crash_points.crash_point("before-publish")
    errors = durable.publish_each(files, below=below)
    crash_points.crash_point("after-publish")
    return errors
