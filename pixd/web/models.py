"""Addresses of models: the list, one in full, and how two differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from pixd.answers.report import record
from pixd.store import model_scores
from pixd.store.queries import history
from pixd.web import asked, held_out
from pixd.web.pictures import shown
from pixd.web.replies import reply

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from pixd.store.connection import Reader
    from pixd.web.world import World


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

    return [
        Route("/api/{pipeline}/models", models),
        Route("/api/{pipeline}/models/{number:int}", model),
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
