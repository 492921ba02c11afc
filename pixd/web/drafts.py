"""Addresses of the drawing page: drafts, the palette, held-out examples."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from pixd.web import asked, held_out, palette, png_header, replies
from pixd.web.replies import RefusalError, reply

if TYPE_CHECKING:
    from starlette.requests import Request

    from pixd.web.drafter import Drafter
    from pixd.web.viewer import Viewer
    from pixd.web.world import World

MOST_BYTES = 1 << 20
MOST_PIXELS = 1024
_ACCEPTED = 202


def routes(world: World, viewer: Viewer, drafter: Drafter) -> list[Route]:
    """Return the addresses."""
    palettes = palette.Palettes(world, viewer)

    async def state(request: Request) -> Response:
        pipeline = world.pipeline(request.path_params["pipeline"])
        return reply(drafter.told(pipeline.name)._asdict())

    async def draft(request: Request) -> Response:
        pipeline = world.pipeline(request.path_params["pipeline"])
        number = asked.whole(request, "model", None, 1)
        data = await asked.body(request, MOST_BYTES)
        await world.read(held_out.model_of, pipeline.name, number)
        if data:
            _check(request, data)
        made = await asyncio.wrap_future(drafter.ask(world.settings, pipeline, number, data))
        if made is None:
            return reply(drafter.told(pipeline.name)._asdict(), _ACCEPTED)
        timing = ", ".join(f"{name};dur={ms:.1f}" for name, ms in made.ms.items())
        return Response(
            made.data,
            headers={
                **replies.NO_STORE,
                "server-timing": timing,
                "pixd-run": made.key,
                "pixd-model": made.model,
                "pixd-digest": made.digest,
            },
            media_type="image/png",
        )

    async def held_out_pairs(request: Request) -> Response:
        pipeline = world.pipeline(request.path_params["pipeline"])
        number = asked.whole(request, "model", None, 1)
        start, count = asked.part(request)
        found = await world.read(
            held_out.page,
            world.settings.store,
            world.access.secrets,
            pipeline,
            number,
            start,
            count,
        )
        return reply(found)

    async def palette_of(request: Request) -> Response:
        pipeline = world.pipeline(request.path_params["pipeline"])
        return reply(await palettes.of(pipeline))

    return [
        Route("/api/{pipeline}/draft", state, methods=["GET"]),
        Route("/api/{pipeline}/draft", draft, methods=["POST"]),
        Route("/api/{pipeline}/held-out", held_out_pairs),
        Route("/api/{pipeline}/palette", palette_of),
    ]


def _check(request: Request, data: bytes) -> None:
    """Refuse what is no small PNG before the translator sees it; that one judges the rest."""
    if asked.media_type(request) not in {"image/png", "application/octet-stream"}:
        raise RefusalError(replies.WRONG_TYPE, "expected a PNG", advice="Content-Type: image/png")
    size = png_header.size_of(data)
    if size is None:
        raise RefusalError(
            replies.UNPROCESSABLE, "it is no PNG", advice="a canvas gives one: toBlob('image/png')"
        )
    if not all(1 <= side <= MOST_PIXELS for side in size):
        raise RefusalError(
            replies.UNPROCESSABLE,
            f"{size[0]} x {size[1]} is too large for a draft",
            advice=f"at most {MOST_PIXELS} a side; save it as an input instead",
        )
