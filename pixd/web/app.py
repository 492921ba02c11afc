"""The application: which address is answered by what. docs/web.md and openapi.json have them all."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from importlib import resources
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from pixd.answers import status
from pixd.system.errors import PixdError
from pixd.web import (
    asking,
    drafts,
    models,
    operations,
    pairs,
    pictures,
    placing,
    replies,
    rows,
    settings,
    uploads,
    viewer,
)
from pixd.web.drafter import Drafter, clear_left
from pixd.web.events import Events
from pixd.web.gate import Gate
from pixd.web.replies import refuse, reply
from pixd.web.static_files import INDEX, StaticFiles
from pixd.web.targets import Targets
from pixd.web.viewer import Viewer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from pixd.web.world import World

NOTHING = 204
_DRAFTS = "drafts"
_log = logging.getLogger(__name__)


def make_app(
    world: World, hosts: Callable[[], Collection[str]], listens: Collection[str] = ()
) -> ASGIApp:
    """Return the application.

    Args:
        world: what it answers from.
        hosts: the names that it is reached by; see `pixd.web.gate.Gate`.
        listens: the addresses that it listens on, for people.
    """
    static = StaticFiles()
    seen, drafter = Viewer(world.cache), Drafter(world.cache / _DRAFTS)
    targets, places = Targets(world), uploads.Places(uploads.AT_ONCE)
    stream = Events(world)
    cleanings: set[asyncio.Task[None]] = set()  # a task that nobody holds may vanish

    async def index(request: Request) -> Response:
        return static.answer(request, INDEX)

    async def file(request: Request) -> Response:
        return static.answer(request, request.path_params["name"])

    async def healthz(_request: Request) -> Response:
        return Response(status_code=NOTHING, headers=replies.NO_STORE)

    async def openapi(_request: Request) -> Response:
        return reply(await world.call(_openapi))

    async def status_now(_request: Request) -> Response:
        return reply(await world.call(lambda: status.snapshot(world.settings)))

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await world.call(viewer.tidy, world.cache)
        await world.call(clear_left, world.cache / _DRAFTS)
        for pipeline in world.settings.pipelines if world.settings.web.uploads else ():
            for root in (pipeline.training, pipeline.input):
                cleaning = asyncio.create_task(world.write(placing.clear_left, root))
                cleanings.add(cleaning)
                cleaning.add_done_callback(cleanings.discard)
        try:
            yield
        finally:
            await stream.close()
            await asyncio.to_thread(drafter.close)
            seen.close()

    routes = [
        Route("/", index),
        Route("/static/{name:path}", file),
        Route("/healthz", healthz),
        Route("/openapi.json", openapi),
        Route("/api/status", status_now),
        *settings.routes(world, hosts, listens),
        *stream.routes(),
        *operations.routes(world),
        *asking.routes(world, targets),
        *pairs.routes(world, drafter, places),
        *pictures.routes(world, seen),
        *rows.routes(world, targets),
        *drafts.routes(world, seen, drafter),
        *models.routes(world),
        *uploads.routes(world, places),
    ]
    inside = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={
            PixdError: _told,
            HTTPException: _http,
            Exception: _surprise,
        },
    )
    # Around all of it: as a middleware of Starlette it would not see the answers for surprises.
    return Gate(inside, access=world.access, hosts=hosts)


def _openapi() -> object:
    return json.loads((resources.files("pixd.web") / "openapi.json").read_bytes())


async def _told(_request: Request, error: Exception) -> Response:
    assert isinstance(error, PixdError)
    return refuse(error)


async def _http(_request: Request, error: Exception) -> Response:
    """Answer for what Starlette itself refuses: no such address, or not by this method."""
    assert isinstance(error, HTTPException)
    what = "there is no such address" if error.status_code == replies.NOT_FOUND else error.detail
    return refuse(
        replies.RefusalError(
            error.status_code, what, advice="/openapi.json lists them", headers=error.headers
        )
    )


async def _surprise(_request: Request, _error: Exception) -> Response:
    """Answer for a fault of pixd's own; its traceback goes to the log and nowhere else."""
    return refuse(
        replies.RefusalError(
            replies.FAILED,
            "the page met an error that nobody foresaw",
            advice="its log says more; report it, please",
        )
    )
