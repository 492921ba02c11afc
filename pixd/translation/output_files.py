"""Name and publish a translated image.

The output of ``x.png`` is ``x.png``; of any other ``x.jpg`` it is ``x.jpg.png``. A file that
pixd did not write, or that somebody edited since, is never overwritten.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from pixd.system import crash_points, durable
from pixd.system.digests import hash_file
from pixd.system.names import name_to_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAME_MAX_BYTES = 255  # what every common Linux file system allows one component


def output_name(input_name: str) -> str:
    """Return the name text of the output of an input, relative to the output folder."""
    return input_name if input_name.lower().endswith(".png") else input_name + ".png"


def refusal(input_name: str, *, is_input: bool) -> str:
    """Say why an input cannot have an output under its name, or return "".

    Args:
        input_name: name text of the input.
        is_input: whether the output's name, where it differs, is itself the name of an input
            (``x.jpg`` beside ``x.jpg.png``). The name then belongs to that one.
    """
    name = output_name(input_name)
    last = name_to_bytes(name).rsplit(b"/", 1)[-1]
    if len(last) > NAME_MAX_BYTES:
        return f"its output's name would be {len(last)} bytes long, over 255: shorten the name"
    if name != input_name and is_input:
        return f"its output's name {name} belongs to the input of that name: rename one of them"
    return ""


class Standing(enum.Enum):
    """What exists under the name that an output should have."""

    NOTHING = "nothing"
    OURS = "ours"
    WANTED = "wanted"
    EDITED = "edited"
    FOREIGN = "foreign"


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
    if ours is None:
        return Standing.FOREIGN
    return Standing.OURS if found == ours else Standing.EDITED


def publish(source: Path, target: Path) -> None:
    """Put the bytes of an object under the output's name, whole or not at all.

    Raises:
        OSError: the disk is full, or the folder cannot be written; what was there is kept.
    """
    crash_points.crash_point("before-publish")
    durable.publish(source, target)
    crash_points.crash_point("after-publish")


def publish_each(files: Sequence[tuple[Path, Path]], *, below: Path) -> list[OSError | None]:
    """Do what `publish` does for many (source, target) pairs; for each None or its error.

    Missing folders are made below the folder `below`, and never that folder itself.
    """
    crash_points.crash_point("before-publish")
    errors = durable.publish_each(files, below=below)
    crash_points.crash_point("after-publish")
    return errors
