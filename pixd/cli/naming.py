"""How people name things on the command line: commits, models, contents, files in folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pixd.cli.configuration import pick_pipeline
from pixd.store.queries import files
from pixd.system import mounts
from pixd.system.digests import hash_file
from pixd.system.errors import UsageError
from pixd.system.names import name_from_bytes

if TYPE_CHECKING:
    import argparse

    from pixd.config import PipelineSettings, Settings
    from pixd.store.connection import Reader

MIN_DIGITS = 8
DIGEST_LENGTH = len("sha256:") + 64
FOLDERS = ("training", "input", "output")


class Place(NamedTuple):
    """A file in one of a pipeline's folders, which need not exist any more."""

    kind: str
    name: str


def pipeline_and_thing(
    args: argparse.Namespace, settings: Settings, thing: str
) -> tuple[PipelineSettings, str]:
    """Split ``facades/model@3``. Without ``facades/``: the pipeline of `-p`, or the only one."""
    name, slash, rest = thing.partition("/")
    if slash and "@" in rest and not Path(thing).exists():
        return pick_pipeline(settings, name), rest
    return pick_pipeline(settings, args.pipeline), thing


def model_number(text: str | None) -> int | None:
    """Return the number of ``model@3`` or ``3``; None for ``live`` and for nothing.

    Raises:
        UsageError: it is not the name of a model.
    """
    if text in {None, "live"}:
        return None
    digits = str(text).removeprefix("model@")
    if not digits.isdecimal():
        raise UsageError(f"{text} is no model", advice="model@3, or live")
    return int(digits)


def locate(reader: Reader, pipeline: PipelineSettings, text: str) -> Place | None:
    """Return which file of the pipeline's folders `text` names: a path, or a recorded name.

    A bare name is looked for in the input folder first, then training, then output.
    """
    path = Path(os.path.abspath(text))  # noqa: PTH100 - Path.resolve would follow the file itself
    path = Path(mounts.find(path.parent).path) / path.name
    for kind in FOLDERS:
        folder = Path(mounts.find(getattr(pipeline, kind)).path)
        if path.is_relative_to(folder) and path != folder:
            return Place(kind, name_from_bytes(os.fsencode(path.relative_to(folder))))
    for kind in ("input", "training"):
        if files.file(reader, pipeline.name, kind, text):
            return Place(kind, text)
    return Place("output", text) if files.outputs_at(reader, pipeline.name, text, 1) else None


def whole_digest(reader: Reader, text: str) -> str:
    """Return the one recorded digest that begins with `text`.

    Raises:
        UsageError: it is too short, unknown, or could be several.
    """
    if len(text) < len("sha256:") + MIN_DIGITS:
        raise UsageError(f"{text} is too short", advice="give 8 or more hex digits")
    found = files.digests_starting(reader, text)
    if len(found) > 1:
        raise UsageError(f"{text} could be several things", advice="give more digits")
    if not found:
        raise UsageError(f"the store knows no {text}", advice="`pixd log` lists what there is")
    return found[0]


def digest_of_file_or_name(reader: Reader, pipeline: PipelineSettings, text: str) -> str:
    """Return the content that `text` names: a digest, a file's bytes, or a recorded file's.

    Raises:
        UsageError: it is none of these.
    """
    if text.startswith("sha256:"):
        return whole_digest(reader, text)
    if Path(text).is_file():
        return hash_file(Path(text))
    place = locate(reader, pipeline, text)
    if place and place.kind == "output":
        for row in files.outputs_at(reader, pipeline.name, place.name, 1):
            return row.digest
    elif place:
        change = files.last_change(reader, pipeline.name, place.kind, place.name)
        if change:
            return str(change.new_digest or change.old_digest)
    if Path(text).is_dir():
        raise UsageError(f"{text} is a folder", advice="name a file in it")
    raise UsageError(
        f"there is no file {text}, and none of that name is recorded",
        advice="name a file, a name that `pixd log` shows, or sha256: and 8 hex digits",
    )
