"""Lists of a pipeline: its outputs, the files of its folders, what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from pixd.answers import diff
from pixd.store.queries import gallery, history
from pixd.store.queries import status as store_status
from pixd.store.states import FileState, OutputState
from pixd.system.errors import PixdError
from pixd.web import asked, replies
from pixd.web.pictures import shown
from pixd.web.replies import RefusalError, reply

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from pixd.config import Settings
    from pixd.store.connection import Reader
    from pixd.web.targets import Targets
    from pixd.web.world import World

FOLDERS = ("training", "input")
_STATES: Mapping[str, tuple[OutputState, ...]] = {
    "shown": gallery.SHOWN,
    "all": tuple(state for state in OutputState if state is not OutputState.PUBLISHING),
    **{str(one): (one,) for one in OutputState if one is not OutputState.PUBLISHING},
}
MOST_EXACT = 100
"""Names of files that one request may ask for."""
_LEVELS = ("warning", "error")


def routes(world: World, targets: Targets) -> list[Route]:
    """Return the addresses of lists."""

    async def outputs(request: Request) -> Response:
        pipeline = world.pipeline(request.path_params["pipeline"])
        start, count = asked.part(request)
        wanted = gallery.OutputsWanted(
            _STATES[asked.word(request, "state", "shown", _STATES)],
            asked.whole(request, "model", None, 1),
            asked.text(request, "name"),
        )
        found = await world.read(_outputs, world, targets, pipeline.name, wanted, start, count)
        return reply(found)

    async def files(request: Request) -> Response:
        pipeline = world.pipeline(request.path_params["pipeline"])
        start, count = asked.part(request)
        state = asked.word(request, "state", "", {"", *FileState})
        wanted = gallery.FilesWanted(
            folder_of(request),
            FileState(state) if state else None,
            asked.text(request, "name"),
            asked.texts(request, "exact", MOST_EXACT),
        )
        return reply(await world.read(_files, world, pipeline.name, wanted, start, count))

    async def commits(request: Request) -> Response:
        pipeline = world.pipeline(request.path_params["pipeline"])
        _, count = asked.part(request)
        rows = await world.read(history.commits, pipeline.name, folder_of(request), count)
        return reply({"rows": rows})

    async def difference(request: Request) -> Response:
        pipeline = world.pipeline(request.path_params["pipeline"])
        kind = folder_of(request)
        a, b = (f"{kind}@{int(request.path_params[one])}" for one in ("a", "b"))
        store = world.settings.store
        try:
            found = await world.read(diff.of_commits, store, pipeline.name, a, b)
        except PixdError as error:
            raise RefusalError(replies.NOT_FOUND, error.message, advice=error.advice) from error
        return reply(found)

    async def log(request: Request) -> Response:
        name = request.query_params.get("pipeline", "")
        pipelines = [world.pipeline(name).name] if name else _names(world.settings)
        _, count = asked.part(request)
        level = asked.word(request, "level", "", ("", *_LEVELS))
        rows = await world.read(_events, pipelines, level, count)
        return reply({"rows": rows})

    return [
        Route("/api/log", log),
        Route("/api/{pipeline}/outputs", outputs),
        Route("/api/{pipeline}/files/{kind}", files),
        Route("/api/{pipeline}/commits/{kind}", commits),
        Route("/api/{pipeline}/commits/{kind}/{a:number}/diff/{b:number}", difference),
    ]


def folder_of(request: Request) -> str:
    """Return the folder that a request names.

    Raises:
        RefusalError: there is no such folder, or it has no list.
    """
    kind = str(request.path_params["kind"])
    if kind not in FOLDERS:
        raise RefusalError(
            replies.NOT_FOUND, f"there is no folder {kind}", advice=" or ".join(FOLDERS)
        )
    return kind


def told_outputs(
    reader: Reader, world: World, targets: Targets, rows: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return rows of outputs as the API tells them, with the addresses of their pictures."""
    real = [targets.of(reader, str(row["pipeline"]), str(row["input_digest"])) for row in rows]
    digests = [row["digest"] for row in rows] + [row["input_digest"] for row in rows] + real
    addresses = shown(reader, world, digests)
    return [
        {
            "id": row["id"],
            "pipeline": row["pipeline"],
            "name": row["name"],
            "state": row["state"],
            "published_at": row["published_at"],
            "model": row["model"],
            "change": row["change_id"],
            "run": row["run_id"],
            "digest": row["digest"],
            "pictures": addresses.of(row["digest"]),
            "input": {
                "name": row["input_path"],
                "digest": row["input_digest"],
                "pictures": addresses.of(row["input_digest"]),
            },
            "target": addresses.of(target),
        }
        for row, target in zip(rows, real, strict=True)
    ]


def _outputs(
    reader: Reader,
    world: World,
    targets: Targets,
    pipeline: str,
    wanted: gallery.OutputsWanted,
    start: int,
    count: int,
) -> dict[str, Any]:
    rows = gallery.outputs(reader, pipeline, wanted, start, count)
    return {
        "total": gallery.outputs_total(reader, pipeline, wanted),
        "version": gallery.version(reader, pipeline)["outputs"],
        "from": start,
        "rows": told_outputs(reader, world, targets, [{**r, "pipeline": pipeline} for r in rows]),
    }


def _files(
    reader: Reader,
    world: World,
    pipeline: str,
    wanted: gallery.FilesWanted,
    start: int,
    count: int,
) -> dict[str, Any]:
    total, rows = gallery.files(reader, pipeline, wanted, start, count)
    addresses = shown(reader, world, [row["digest"] for row in rows])
    counts = store_status.repo(reader, pipeline, wanted.kind).states
    return {
        "total": total,
        "version": gallery.version(reader, pipeline)["files"],
        "from": start,
        "counts": {str(state): count for state, count in counts.items()},
        "rows": [{**row, "pictures": addresses.of(row["digest"])} for row in rows],
    }


def _events(
    reader: Reader, pipelines: Sequence[str], level: str, count: int
) -> list[dict[str, Any]]:
    if level:
        levels = _LEVELS if level == "warning" else ("error",)
        found = store_status.troubles(reader, ("", *pipelines), count, levels)
        return [{**one._asdict(), "kind": "", "change_id": ""} for one in found]
    rows = [
        {**row, "pipeline": name}
        for name in ("", *pipelines)
        for row in history.events_of(reader, name, count)
    ]
    rows.sort(key=_at, reverse=True)
    return rows[:count]


def _at(row: Mapping[str, Any]) -> str:
    return str(row["at"])


def _names(settings: Settings) -> list[str]:
    return [one.name for one in settings.pipelines]
