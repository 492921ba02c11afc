"""What the page asks the service for, through its control socket: it writes nothing itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from pixd.answers import plan, plan_text
from pixd.store.queries import trainings
from pixd.web import asked, held_out, replies
from pixd.web.replies import RefusalError, reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from pixd.config import PipelineSettings, Settings
    from pixd.store.connection import Reader
    from pixd.web.world import World

BY = "the page"
_FOLDERS = ("training", "input", "output")
_MOST_FILES = 10_000
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def routes(world: World) -> list[Route]:
    """Return the addresses."""

    async def operation(request: Request) -> Response:
        op = request.path_params["op"]
        read = _ARGUMENTS.get(op)
        if read is None:
            raise RefusalError(
                replies.NOT_FOUND, f"there is no operation {op}", advice=", ".join(_ARGUMENTS)
            )
        said = await asked.mapping(request)
        pipeline = world.pipeline(str(said.get("pipeline")))
        arguments = {"pipeline": pipeline.name, "by": BY, **read(said)}
        return reply(await world.ask(op, arguments))

    async def planned(request: Request) -> Response:
        pipeline = world.pipeline(request.path_params["pipeline"])
        promoted = asked.whole(request, "promote", None, 1)
        is_unpinned = asked.whole(request, "unpin", 0, 0, 1) == 1
        return reply(await world.look(_planned, world.settings, pipeline, promoted, is_unpinned))

    return [
        Route("/api/operations/{op}", operation, methods=["POST"]),
        Route("/api/{pipeline}/plan", planned),
    ]


def _planned(
    reader: Reader,
    settings: Settings,
    pipeline: PipelineSettings,
    promoted: int | None,
    is_unpinned: bool,  # noqa: FBT001 - handed on by position
) -> dict[str, Any]:
    """Return the plan and its words, as it is or as it would be.

    Args:
        reader: of the store.
        settings: the configuration.
        pipeline: the pipeline.
        promoted: number of a model that would be made live; None for none.
        is_unpinned: whether the live model would not be pinned.

    Raises:
        RefusalError: there is no such model.
    """
    live = trainings.live(reader, pipeline.name)
    if promoted is not None:
        live = trainings.as_live(reader, pipeline.name, promoted, is_pinned=True)
        if live is None:
            raise held_out.no_model(pipeline.name, promoted)
    elif is_unpinned and live is not None:
        live = live._replace(is_pinned=False)
    made = plan.of_pipeline(reader, settings, pipeline, as_if=live)
    if live is not None and promoted is not None:
        told = plan_text.before_promotion(made, f"model@{live.number}")
    elif live is not None and is_unpinned:
        told = plan_text.before_unpinning(made, f"model@{live.number}")
    else:
        told = plan_text.lines(made)
    return {**made, "told": [line._asdict() for line in told]}


def _nothing(_said: Mapping[str, Any]) -> dict[str, Any]:
    return {}


def _number(said: Mapping[str, Any]) -> dict[str, Any]:
    number = said.get("number")
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number < 1 << 32:
        raise RefusalError(
            replies.UNPROCESSABLE,
            "number: expected N of a model@N",
            advice="`pixd models` lists them",
        )
    return {"number": number}


def _maybe_number(said: Mapping[str, Any]) -> dict[str, Any]:
    return _number(said) if said.get("number") is not None else {}


def _files(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the files to retry as the service takes them: a list of folder and name."""
    given = said.get("files")
    if given is None:
        return {}
    found = []
    if isinstance(given, dict):
        for folder, names in given.items():
            is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
            if folder not in _FOLDERS or not is_list:
                break
            found += [[folder, name] for name in names]
        else:
            if 0 < len(found) <= _MOST_FILES:
                return {"files": found}
    raise RefusalError(
        replies.UNPROCESSABLE,
        'files: expected names by folder, such as {"input": ["a.png"]}, or none for all',
        advice="names are those of the lists",
    )


def _recall_plan(said: Mapping[str, Any]) -> dict[str, Any]:
    digest = said.get("digest")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise RefusalError(
            replies.UNPROCESSABLE,
            "digest: expected sha256: and 64 hex digits",
            advice="as /api/why and the lists give it",
        )
    return {"mode": "plan", "digest": digest}


def _gc_plan(_said: Mapping[str, Any]) -> dict[str, Any]:
    return {"mode": "plan"}


_ARGUMENTS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "retry": _files,
    "pause": _nothing,
    "resume": _nothing,
    "promote": _number,
    "rollback": _maybe_number,
    "unpin": _nothing,
    # Only what they would do: the page removes nothing.
    "recall": _recall_plan,
    "gc": _gc_plan,
}
