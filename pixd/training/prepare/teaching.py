"""Teach: a pair for the training folder, made of an input and its retouched output.

A model must not learn its own mistakes, so an output that nobody touched is refused, also one that
was only saved anew. The input is the content that was translated, from the store. So the pair is
right even if the file in the input folder is another one by now.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

import pixd
from pixd.config.pair_kinds import KINDS
from pixd.folders import away
from pixd.store import taught
from pixd.store.queries import files, holds, lineage
from pixd.store.states import BytesState
from pixd.system import durable
from pixd.system.children.spec import TeachSpec
from pixd.system.digests import digest_of, hash_file
from pixd.system.errors import ImageRejectedError, PixdError, in_words
from pixd.system.names import path_in

if TYPE_CHECKING:
    from pathlib import Path

    from pixd.config import PipelineSettings
    from pixd.store.connection import Reader
    from pixd.store.queries.files import OutputRow
    from pixd.system.children.spawner import Spawner

FOLDER = "taught"
"""Taught pairs go into this sub-folder of the training folder, or of its a/ and b/."""
_CHILD = "pixd.training.prepare.teaching_child"
_RETOUCH = "retouch it first, or name another picture: --target FILE"


class Lesson(NamedTuple):
    """A pair that is ready to be written.

    Attributes:
        output: the output that was retouched.
        target_digest: of the picture that takes its place.
        files: name text in the training folder, and bytes.
    """

    output: OutputRow
    target_digest: str
    files: list[tuple[str, bytes]]


def prepare(
    reader: Reader,
    store: Path,
    pipeline: PipelineSettings,
    output: OutputRow,
    target: Path,
    spawner: Spawner,
) -> Lesson:
    """Make a pair, without writing it.

    Args:
        reader: the store's database.
        store: the store's folder.
        pipeline: whose output it is.
        output: the output's row.
        target: the retouched picture.
        spawner: starts the child that decodes the pictures.

    Raises:
        PixdError: there is nothing to be learned from it; the message says why.
    """
    try:
        target_digest = hash_file(target)
    except OSError as error:
        raise PixdError(
            f"{target} cannot be read: {error.strerror}", advice="name the retouched picture"
        ) from error
    if files.outputs_with_digest(reader, target_digest):
        raise PixdError(
            f"{target} is as a model made it, and a model must not learn its own mistakes",
            advice=_RETOUCH,
        )
    source = lineage.object_path(store, output.input_digest)
    if not _is_kept(reader, store, output.input_digest):
        raise PixdError(
            f"the input of {output.path}, {output.input_path}, is not in the store any more",
            advice="`pixd gc --undo` may bring it back; or make the pair with `pixd prepare combine`",
        )
    made = lineage.object_path(store, output.digest)
    text = {
        "Software": f"pixd {pixd.__version__}",
        "pixd:taught-from-input": output.input_digest,
        "pixd:taught-from-output": output.digest,
        "pixd:taught-target": target_digest,
    }
    spec = TeachSpec(
        pairs=pipeline.pairs,
        direction=pipeline.direction,
        fit=pipeline.fit,
        max_megapixels=pipeline.max_megapixels,
    )
    request = {
        "input": str(source),
        "target": str(target),
        "output": str(made) if _is_kept(reader, store, output.digest) else None,
        "text": text,
    }
    with contextlib.closing(
        spawner.start_confined(_CHILD, spec, megapixels=pipeline.max_megapixels)
    ) as child:
        try:
            event, data = child.ask(request)
        except ImageRejectedError as error:
            raise PixdError(f"{target}: {error.message}", advice="save it as PNG") from error
    match event["event"]:
        case "untouched":
            raise PixdError(
                f"{target} shows what {output.path} shows, at most saved anew, and a model must"
                " not learn its own mistakes",
                advice=_RETOUCH,
            )
        case "done":
            pass
        case _:
            which = {"target": str(target), "input": output.input_path}
            name = which.get(event.get("source", ""), output.path)
            raise PixdError(f"{name}: {event['reason']}", advice="save it as PNG, in its size")
    return Lesson(output, target_digest, _named(event["files"], data, output.path))


def check_folder(reader: Reader, pipeline: PipelineSettings) -> None:
    """Raise PixdError where a pair would be written beside the training folder's true place."""
    remembered = holds.roots(reader, pipeline.name).get("training")
    if why := away.why_away(pipeline.training, remembered):
        raise PixdError(f"the training folder: {why}", advice=away.ADVICE)


def place(reader: Reader, pipeline: PipelineSettings, lesson: Lesson) -> list[str]:
    """Return the names that are new or changed; the others are there already.

    Raises:
        PixdError: a file of that name is there that was not taught from the same output.
    """
    wanted: list[str] = []
    for name, data in lesson.files:
        target = path_in(pipeline.training, name)
        try:
            standing = hash_file(target)
        except (FileNotFoundError, NotADirectoryError):
            standing = ""
        except OSError as error:
            raise PixdError(f"{target}: {error.strerror}", advice="move it away") from error
        if standing == digest_of(data):
            continue
        before = taught.of_file(reader, pipeline.name, standing) if standing else None
        if standing and (before is None or before.output_path != lesson.output.path):
            raise PixdError(
                f"{target} is there, and was not taught from {lesson.output.path}",
                advice="move it away",
            )
        wanted.append(name)
    return wanted


def write(pipeline: PipelineSettings, lesson: Lesson) -> None:
    """Write the pair into the training folder; each file is whole or not there.

    Raises:
        PixdError: the folder cannot be written.
    """
    targets = [(path_in(pipeline.training, name), data) for name, data in lesson.files]
    for (target, _), error in zip(targets, durable.write_each(targets), strict=True):
        if error:
            raise PixdError(
                f"{target} could not be written: {in_words(error)}",
                advice="make room or allow it, then say the same again",
            ) from error


def note_of(pipeline: PipelineSettings) -> str:
    """Return what a person should know about a pair in this layout, or ""."""
    if KINDS[pipeline.pairs].is_made:
        return f"with pairs: {pipeline.pairs}, training makes the input of the retouched picture"
    return ""


def _named(listed: list[list[object]], data: bytes, output: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    at = 0
    for side, length in listed:
        folder = f"{side}/{FOLDER}" if side else FOLDER
        size = int(str(length))
        found.append((f"{folder}/{output}", data[at : at + size]))
        at += size
    return found


def _is_kept(reader: Reader, store: Path, digest: str) -> bool:
    row = files.object_row(reader, digest)
    is_present = row is not None and row.state is BytesState.PRESENT
    return is_present and lineage.object_path(store, digest).exists()
