"""Addresses that make a training pair of two pictures: a place for them, and the pair itself.

A model must not learn its own mistakes, so a target that a model made is refused, also one that was
only saved anew. A confined child makes the files in the layout of the pipeline, the one that
`pixd teach` has.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.routing import Route

import pixd
from pixd.config.pair_kinds import KINDS
from pixd.store.queries import files, gallery
from pixd.store.queries.lineage import object_path
from pixd.system.children.confinement import file_bytes_of
from pixd.system.children.spawner import LocalSpawner
from pixd.system.children.spec import TeachSpec
from pixd.web import asked, placing, replies, uploads
from pixd.web.placing import Upload
from pixd.web.replies import RefusalError, reply

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from pixd.config import PipelineSettings
    from pixd.store.connection import Reader
    from pixd.web.drafter import Drafter
    from pixd.web.uploads import Places
    from pixd.web.world import World

KEPT_S = 3600.0
MOST_BYTES = 64 << 20
_CHILD = "pixd.training.prepare.teaching_child"
_CREATED = 201
_HEX_LENGTH = 64


class Scratch:
    """Pictures that a pair may be made of, for an hour."""

    def __init__(self, cache: Path) -> None:
        """Keep them in a folder of the page's own."""
        self._folder = cache / "scratch"
        self._lock = threading.Lock()  # two at once would each count what the other moves

    def keep(self, data: bytes) -> str:
        """Keep some bytes and return their digest. Blocks.

        Raises:
            RefusalError: there is no room for them.
        """
        hexadecimal = hashlib.sha256(data).hexdigest()
        with self._lock:
            self._keep(hexadecimal, data)
        return f"sha256:{hexadecimal}"

    def _keep(self, hexadecimal: str, data: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._drop_old()
        held = sum(path.stat().st_size for path in self._folder.iterdir())
        path = self._folder / hexadecimal
        if not path.exists() and held + len(data) > MOST_BYTES:
            raise RefusalError(
                replies.TOO_LARGE,
                f"over {MOST_BYTES >> 20} MiB of pictures wait to become pairs",
                advice="make pairs of those first; each is forgotten after an hour",
            )
        temporary = self._folder / f".{os.urandom(6).hex()}"
        try:
            temporary.write_bytes(data)
            temporary.rename(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    def find(self, digest: str) -> Path | None:
        """Return the file of a digest, or None."""
        hexadecimal = digest.removeprefix("sha256:")
        if len(hexadecimal) != _HEX_LENGTH or not hexadecimal.isalnum():
            return None
        path = self._folder / hexadecimal
        return path if path.is_file() else None

    def _drop_old(self) -> None:
        oldest = time.time() - KEPT_S
        for path in self._folder.iterdir():
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()


class _Wanted(NamedTuple):
    """A pair that is wanted: the files to make it of, and the output that the target must not be."""

    source: Path
    target: Path
    output: Path | None


def routes(world: World, drafter: Drafter, places: Places) -> list[Route]:
    """Return the addresses."""
    scratch = Scratch(world.cache)

    async def put(request: Request) -> Response:
        uploads.check_allowed(world, request.state.right)
        most = max(file_bytes_of(one.max_megapixels) for one in world.settings.pipelines)
        length = asked.length(request, min(most, MOST_BYTES))
        if not length:
            raise RefusalError(replies.UNPROCESSABLE, "the file is empty", advice="send a picture")
        data = bytearray()
        async with places.one():
            async for piece in uploads.pieces(request, length):
                data += piece
            digest = await uploads.refusing(world, scratch.keep, bytes(data))
        told = {"digest": digest, "bytes": length, "expires_in": int(KEPT_S)}
        return reply(told, _CREATED)

    async def pair(request: Request) -> Response:
        uploads.check_allowed(world, request.state.right)
        pipeline = world.pipeline(request.path_params["pipeline"])
        said = await asked.mapping(request)
        name = str(said.get("name", ""))
        parts = placing.check_name(name if name.lower().endswith(".png") else f"{name}.png")
        given = [str(said.get(one, "")) for one in ("input", "target")]
        wanted = await world.read(_wanted, world, scratch, drafter, *given)
        async with places.one():
            made = await world.write(_make, pipeline, wanted, "/".join(parts), given)
            await uploads.check_room(world, pipeline, "training", sum(len(d) for _, d in made))
            await uploads.refusing(world, _place, pipeline.training, made)
        file, data = made[-1]
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        wait_s = uploads.wait_s(request)
        told = await uploads.recorded(world, pipeline.name, "training", file, digest, wait_s)
        return reply(
            {
                "files": [one for one, _ in made],
                "change": told["change"],
                "quiet_seconds": pipeline.train.quiet_seconds,
            },
            _CREATED,
        )

    return [
        Route("/api/scratch", put, methods=["PUT"]),
        Route("/api/{pipeline}/pairs", pair, methods=["POST"]),
    ]


def _wanted(
    reader: Reader, world: World, scratch: Scratch, drafter: Drafter, source: str, target: str
) -> _Wanted:
    """Find the files of a pair.

    Raises:
        RefusalError: one is not known, or the target is what a model made.
    """
    if drafter.picture_of(target) or files.outputs_with_digest(reader, target):
        raise RefusalError(
            replies.CONFLICT,
            "the target is as a model made it, and a model must not learn its own mistakes",
            advice="retouch it first, or take another picture",
        )
    store = world.settings.store
    found = []
    for digest in (source, target):
        path = scratch.find(digest)
        if path is None and gallery.may_be_shown(reader, [digest]) == {digest}:
            path = object_path(store, digest) if gallery.is_picture(reader, digest) else None
        if path is None:
            raise RefusalError(
                replies.NOT_FOUND, f"there is no picture {digest[:80]}", advice="PUT /api/scratch"
            )
        found.append(path)
    output = drafter.made_of(source)
    if output is None:
        rows = files.outputs_from_input(reader, source)
        kept = [row.digest for row, _ in rows if gallery.may_be_shown(reader, [row.digest])]
        output = object_path(store, kept[0]) if kept else None
    return _Wanted(found[0], found[1], output)


def _make(
    pipeline: PipelineSettings, wanted: _Wanted, name: str, digests: list[str]
) -> list[tuple[str, bytes]]:
    """Return the files of a pair: name in the training folder, and bytes. Blocks."""
    spec = TeachSpec(
        pairs=pipeline.pairs,
        direction=pipeline.direction,
        fit=pipeline.fit,
        max_megapixels=pipeline.max_megapixels,
    )
    request: dict[str, Any] = {
        "input": str(wanted.source),
        "target": str(wanted.target),
        "output": str(wanted.output) if wanted.output else None,
        "text": {
            "Software": f"pixd {pixd.__version__}",
            "pixd:pair-input": digests[0],
            "pixd:pair-target": digests[1],
        },
    }
    spawner = LocalSpawner()
    child = spawner.start_confined(_CHILD, spec, megapixels=pipeline.max_megapixels)
    with contextlib.closing(child), replies.decoding():
        event, data = child.ask(request)
    if event["event"] == "untouched":
        raise RefusalError(
            replies.CONFLICT,
            "the target shows what the model made, at most saved anew, and a model must not learn"
            " its own mistakes",
            advice="retouch it first, or take another picture",
        )
    if event["event"] != "done":
        raise RefusalError(
            replies.UNPROCESSABLE,
            f"{event.get('source', 'it')}: {event.get('reason', '')}",
            advice="save the picture as PNG, in the size of the input",
        )
    found, at = [], 0
    for side, size in event["files"]:
        found.append((f"{side}/{name}" if side else name, data[at : at + int(size)]))
        at += int(size)
    return found


def _place(root: Path, made: list[tuple[str, bytes]]) -> None:
    """Put all files of a pair in place, or none where one of the names is taken. Blocks.

    Raises:
        RefusalError: a name is taken.
        OSError: the disk refuses.
    """
    with contextlib.ExitStack() as stack:
        opened = []
        for name, data in made:
            upload = Upload(root, name.split("/"))
            stack.callback(upload.close)
            if upload.size_standing() is not None:
                raise _taken(name)
            upload.write(data)
            opened.append((name, upload))
        for name, upload in opened:
            if not upload.place():
                raise _taken(name)


def _taken(name: str) -> RefusalError:
    return RefusalError(
        replies.CONFLICT, f"{name} is there already, and nothing is overwritten", advice="rename it"
    )


def layout_of(pipeline: PipelineSettings) -> list[str] | None:
    """Return what the two given pictures of a pair are called; None where pixd makes one."""
    halves = KINDS[pipeline.pairs].halves
    return list(halves) if halves else None
