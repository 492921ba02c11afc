"""Addresses of models: the list, one in full, and how two differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route

from pixd.answers import diff
from pixd.answers.report import page, record
from pixd.store import heartbeat, model_scores
from pixd.store.queries import history
from pixd.web import asked, held_out, replies
from pixd.web.pictures import shown
from pixd.web.replies import RefusalError, reply

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from starlette.requests import Request

    from pixd.store.connection import Reader
    from pixd.web.world import World

_REPORT_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def routes(world: World) -> list[Route]:
    """Return the addresses."""

    async def models(request: Request) -> Response:
        pipeline = world.pipeline(request.path_params["pipeline"])
        rows = await world.read(history.models, pipeline.name, asked.MOST_ROWS)
        live = next((row["number"] for row in rows if row["is_live"]), None)
        return reply({"live": live, "rows": [_told(row) for row in rows]})

    async def model(request: Request) -> Response:
        pipeline = world.pipeline(request.path_params["pipeline"])
        number = int(request.path_params["number"])
        return reply(await world.read(_detail, world, pipeline.name, number))

    async def difference(request: Request) -> Response:
        pipeline = world.pipeline(request.path_params["pipeline"])
        a, b = int(request.path_params["number"]), int(request.path_params["other"])
        return reply(await world.read(_difference, world, pipeline.name, a, b))

    async def report(request: Request) -> Response:
        pipeline = world.pipeline(request.path_params["pipeline"])
        number = int(request.path_params["number"])
        text = await world.read(_report, world, pipeline.name, number)
        headers = {**replies.NO_STORE, "content-security-policy": _REPORT_POLICY}
        return Response(text, headers=headers, media_type="text/html")

    async def preview(request: Request) -> Response:
        pipeline = world.pipeline(request.path_params["pipeline"])
        data = await world.call(_preview, world, pipeline.name)
        return Response(data, headers=replies.NO_STORE, media_type="image/png")

    return [
        Route("/api/{pipeline}/models/{number:number}/diff/{other:number}", difference),
        Route("/api/{pipeline}/models/{number:number}/report", report),
        Route("/api/{pipeline}/preview", preview),
        Route("/api/{pipeline}/models", models),
        Route("/api/{pipeline}/models/{number:number}", model),
    ]


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "number": row["number"],
        "name": row["name"],
        "digest": row["digest"],
        "steps": row["steps"],
        "early_of": row["early_of"],
        "dataset": f"training@{row['commit_seq']}",
        "version": row["version"],
        "created_at": row["created_at"],
        "is_live": row["is_live"],
        "is_pinned": row["is_pinned"],
        "metrics": row["metrics"],
        "doubts": model_scores.doubts(row["metrics"]),
        "verdict": row["verdict"],
        "bytes_state": row["bytes_state"],
        "train_run": row["train_run"],
    }


def _detail(reader: Reader, world: World, pipeline: str, number: int) -> dict[str, Any]:
    model = held_out.model_of(reader, pipeline, number)
    store: Path = world.settings.store
    found = record.gather(reader, store, model, 0)
    sheet = history.output_of_run(reader, model["train_run"], record.SHEET_ROLE)
    digest = sheet.digest if sheet and found.sheet is not None else None
    return {
        "model": _told(model),
        "curves": {name: [list(p) for p in points] for name, points in found.curves.items()},
        "settings": [setting._asdict() for setting in found.settings],
        "pairs": found.pairs,
        "changes": list(found.changes),
        "before": found.before,
        "begun_from": found.begun_from,
        "sheet": shown(reader, world, [digest]).of(digest),
        "sheet_trouble": found.sheet_trouble,
        "commit": found.commit,
    }


def _difference(reader: Reader, world: World, pipeline: str, a: int, b: int) -> dict[str, Any]:
    old, new = (held_out.model_of(reader, pipeline, number) for number in (a, b))
    return diff.of_models(reader, world.settings.store, old, new)


def _report(reader: Reader, world: World, pipeline: str, number: int) -> str:
    model = held_out.model_of(reader, pipeline, number)
    found = record.gather(reader, world.settings.store, model, 0)
    found.pictures_trouble = found.pictures_trouble or (
        f"the page shows them beside it; for one file with all: pixd models --report {number}"
    )
    return page.render(found)


def _preview(world: World, pipeline: str) -> bytes:
    """Return the sheet of samples that the service last told of.

    Raises:
        RefusalError: no training runs, or it has drawn none yet.
    """
    store = world.settings.store
    last = heartbeat.read(store)
    told: str = last.pipeline(pipeline).train.preview if last else ""
    path = store / "previews" / told.rpartition("/")[2] if told else None
    try:
        if path is not None:
            return path.read_bytes()
    except OSError:
        pass
    raise RefusalError(
        replies.NOT_FOUND,
        "there is no sheet of samples yet",
        advice="a training draws one after its first steps",
    )
