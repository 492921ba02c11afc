"""Addresses that explain: why, trace, changes, differences, the settings."""

from __future__ import annotations

import collections
import re
import time
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route

from pixd.answers import through, trace, why
from pixd.store.queries import changes, files, gallery, history
from pixd.system import clock
from pixd.web import asked, replies, rows
from pixd.web.access import Right
from pixd.web.pictures import shown
from pixd.web.replies import RefusalError, reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

    from pixd.config import PipelineSettings
    from pixd.store.connection import Reader
    from pixd.web.targets import Targets
    from pixd.web.world import World

_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_BEGINNING = re.compile(r"sha256:([0-9a-f]{8,64})|([0-9a-f]{16,64})")
_CHANGE = re.compile(r"[0-9a-f]{4,64}")
_NUMBERED = re.compile(r"(run|model)@(\d{1,9})")
_ANY_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_FOLDERS = ("input", "training", "output")
_MOST_CHANGES = 1000


def routes(world: World, targets: Targets) -> list[Route]:
    """Return the addresses."""
    waited: collections.OrderedDict[str, str] = collections.OrderedDict()

    async def explain(request: Request) -> Response:
        thing = asked.text(request, "thing").strip()
        name = request.query_params.get("pipeline", "")
        pipelines = (world.pipeline(name),) if name else world.settings.pipelines
        return reply(await world.read(_explain, world, pipelines, thing))

    async def chain(request: Request) -> Response:
        found = _DIGEST.fullmatch(request.path_params["digest"])
        if not found:
            raise RefusalError(
                replies.NOT_FOUND,
                "expected sha256: and 64 hex digits",
                advice="as /api/why and the lists give it",
            )
        return reply(await world.read(_chain, world, f"sha256:{found[1]}"))

    async def change(request: Request) -> Response:
        text = request.path_params["id"]
        if not _CHANGE.fullmatch(text):
            raise RefusalError(
                replies.NOT_FOUND,
                f"there is no change {text[:40]}",
                advice="PUT answers with the id of a change; `pixd log` shows them",
            )
        known = waited.setdefault(text, clock.rfc3339(time.time()))
        while len(waited) > _MOST_CHANGES:
            waited.popitem(last=False)
        found = await world.read(_change, world, targets, text, known)
        if not found["through"] and request.state.right is Right.FULL:  # a guest moves nothing
            await world.call(through.ask_for_a_scan, world.settings.store)
        return reply(found)

    return [
        Route("/api/why", explain),
        Route("/api/trace/{digest}", chain),
        Route("/api/changes/{id}", change),
    ]


def _explain(
    reader: Reader, world: World, pipelines: tuple[PipelineSettings, ...], thing: str
) -> dict[str, Any]:
    """Return what a thing is and why; only names that were recorded are looked for.

    Raises:
        RefusalError: nothing of that name is known.
    """
    store = world.settings.store
    if not thing:
        raise RefusalError(
            replies.UNPROCESSABLE, "what?", advice="a file's name, model@3, run@4 or a digest"
        )
    if numbered := _NUMBERED.fullmatch(thing):
        return _numbered(reader, world, pipelines, numbered[1], int(numbered[2]))
    for pipeline in pipelines:
        for kind, name in _places(reader, pipeline.name, thing):
            found = why.of_file(reader, store, pipeline, kind, name)
            digest = found.get("digest") or _digest_of(reader, pipeline.name, kind, name)
            return {
                "kind": "file",
                "pipeline": pipeline.name,
                **found,
                "trace": digest,
                "pictures": shown(reader, world, [digest]).of(digest),
            }
    if beginning := _BEGINNING.fullmatch(thing):
        digests = files.digests_starting(reader, f"sha256:{beginning[1] or beginning[2]}")
        if len(digests) == 1:
            digest = digests[0]
            return {
                "kind": "content",
                "digest": digest,
                "state": "known",
                "why": _content_lines(reader, digest),
                "trace": digest,
                "pictures": shown(reader, world, [digest]).of(digest),
            }
        if digests:
            raise RefusalError(
                replies.NOT_FOUND, f"{thing} could be several things", advice="give more digits"
            )
    raise RefusalError(
        replies.NOT_FOUND,
        f"nothing is known of {thing[:200]}",
        advice="a recorded name as it is in its folder, model@3, run@4, or sha256: and 8 digits",
    )


def _numbered(
    reader: Reader, world: World, pipelines: tuple[PipelineSettings, ...], what: str, number: int
) -> dict[str, Any]:
    store = world.settings.store
    if what == "run":
        found = why.of_run(reader, store, number)
        if found is not None:
            run = history.run(reader, number) or {}
            _check_is_of(run.get("pipeline"), world, pipelines, number)
            made = [one["digest"] for one in run.get("outputs", ()) if one["role"] == "image"]
            digest = made[0] if made else None
            return {
                **found,
                "kind": "run",
                "run_kind": found["kind"],
                "pipeline": run.get("pipeline"),
                "trace": digest,
                "pictures": shown(reader, world, [digest]).of(digest),
            }
    else:
        for pipeline in pipelines:
            model = history.model(reader, pipeline.name, number)
            if model is not None:
                found = why.of_run(reader, store, model["train_run"]) or {"why": []}
                state = "live" if model["is_live"] else model["bytes_state"]
                return {
                    **found,
                    "kind": "model",
                    "model": model["name"],
                    "pipeline": pipeline.name,
                    "state": state,
                    "why": [
                        *found["why"],
                        f"it went live or not because {model['verdict']['why']}",
                    ],
                    "trace": model["digest"],
                    "pictures": None,
                }
    raise RefusalError(
        replies.NOT_FOUND, f"there is no {what}@{number}", advice="the pages name those there are"
    )


def _check_is_of(
    owner: str | None, world: World, pipelines: tuple[PipelineSettings, ...], number: int
) -> None:
    """Refuse a run of another pipeline than the one asked; one that is configured no more has none.

    Raises:
        RefusalError: it is of another.
    """
    asked_of = {one.name for one in pipelines}
    if owner not in asked_of and owner in {one.name for one in world.settings.pipelines}:
        raise RefusalError(
            replies.NOT_FOUND, f"run@{number} is of {owner}", advice=f"ask with pipeline={owner}"
        )


def _places(reader: Reader, pipeline: str, thing: str) -> Iterator[tuple[str, str]]:
    """Yield where a name was recorded: with its folder in front, or in the first folder."""
    folder, slash, rest = thing.partition("/")
    candidates = [(folder, rest)] if slash and folder in _FOLDERS else []
    candidates += [(kind, thing) for kind in _FOLDERS]
    for kind, name in candidates:
        is_known = (
            files.outputs_at(reader, pipeline, name, 1)
            if kind == "output"
            else files.file(reader, pipeline, kind, name)
            or files.last_change(reader, pipeline, kind, name)
        )
        if is_known:
            yield kind, name


def _digest_of(reader: Reader, pipeline: str, kind: str, name: str) -> str | None:
    if kind == "output":
        return next((row.digest for row in files.outputs_at(reader, pipeline, name, 1)), None)
    change = files.last_change(reader, pipeline, kind, name)
    return (change.new_digest or change.old_digest) if change else None


def _content_lines(reader: Reader, digest: str) -> list[str]:
    lines = [
        f"{one['kind']} file {one['path']} of {one['pipeline']}: {one['state']}"
        for found in history.by_digest(reader, digest)
        for one in found["files"]
    ]
    lines += [
        f"output {row.path} of {row.pipeline}: {row.state}"
        for row in files.outputs_with_digest(reader, digest)
    ]
    return lines or ["no file has these bytes now"]


def _chain(reader: Reader, world: World, digest: str) -> dict[str, Any]:
    if not gallery.is_known(reader, digest):
        raise RefusalError(
            replies.NOT_FOUND,
            f"the store knows no {digest}",
            advice="a file that another program saved anew has other bytes; ask for the original",
        )
    try:
        found = trace.of_content(reader, world.settings.store, digest)
    except OSError as error:
        raise RefusalError(
            replies.UNAVAILABLE, f"a list of pairs cannot be read: {error}", advice="pixd verify"
        ) from error
    named = set(_digests_in(found))
    addresses = shown(reader, world, named)
    pictures = {one: addresses.of(one) for one in named if gallery.is_picture(reader, one)}
    return {**found, "pictures": {one: told for one, told in pictures.items() if told}}


def _digests_in(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        for value in found.values():
            yield from _digests_in(value)
    elif isinstance(found, list | tuple):
        for value in found:
            yield from _digests_in(value)
    elif isinstance(found, str) and _ANY_DIGEST.fullmatch(found):
        yield found


def _change(
    reader: Reader, world: World, targets: Targets, text: str, asked_at: str
) -> dict[str, Any]:
    whole = changes.whole_id(reader, text)
    found = changes.change(reader, whole) if whole else None
    if found is None or whole is None:
        raise RefusalError(
            replies.NOT_FOUND, f"there is no change {text}", advice="PUT answers with its id"
        )
    made = gallery.outputs_of_change(reader, whole)
    store = world.settings.store
    return {
        **found,
        "through": through.is_through(store, reader, whole, asked_at),
        "failures": changes.failures(reader, whole),
        "outputs": rows.told_outputs(reader, world, targets, made),
    }
