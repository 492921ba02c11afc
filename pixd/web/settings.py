"""Addresses of the configuration in force, and of the counts for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route

import pixd
from pixd.config.effective import effective_yaml
from pixd.config.lines import lines_of
from pixd.service import prometheus
from pixd.system.children.confinement import file_bytes_of
from pixd.system.errors import ConfigError, ServiceNotRunningError
from pixd.web import asked, drafts, events, replies, uploads
from pixd.web.pairs import layout_of
from pixd.web.replies import reply

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from starlette.requests import Request

    from pixd.config import PipelineSettings
    from pixd.web.access import Right
    from pixd.web.world import World

_PROMETHEUS = "text/plain; version=0.0.4"


def routes(
    world: World, hosts: Callable[[], Collection[str]], listens: Collection[str]
) -> list[Route]:
    """Return the addresses."""

    async def settings(request: Request) -> Response:
        told = await world.call(_told, world, request.state.right, sorted(hosts()), list(listens))
        return reply(told)

    async def metrics(_request: Request) -> Response:
        text = await _metrics(world)
        return Response(text, headers=replies.NO_STORE, media_type=_PROMETHEUS)

    return [Route("/api/settings", settings), Route("/metrics", metrics)]


def _told(
    world: World, right: Right | None, hosts: list[str], listens: list[str]
) -> dict[str, Any]:
    now = world.settings
    try:
        lines = lines_of(now.path)
    except (OSError, ValueError, ConfigError):
        lines = {}
    return {
        "version": pixd.__version__,
        "config": str(now.path),
        "effective": effective_yaml(now),
        "lines": lines,
        "access": {
            "token": str(right),
            "uploads": uploads.may_upload(world, right),
            "hosts": hosts,
            "listens": listens,
        },
        "limits": {
            "draft_bytes": drafts.MOST_BYTES,
            "draft_pixels": drafts.MOST_PIXELS,
            "upload_bytes": {one.name: file_bytes_of(one.max_megapixels) for one in now.pipelines},
            "uploads_at_once": uploads.AT_ONCE,
            "batch_files": uploads.BATCH_FILES,
            "rows": asked.MOST_ROWS,
            "streams": events.MOST_STREAMS,
        },
        "pipelines": {one.name: _pipeline(one) for one in now.pipelines},
    }


def _pipeline(one: PipelineSettings) -> dict[str, Any]:
    return {
        "training": str(one.training),
        "input": str(one.input),
        "output": str(one.output),
        "pairs": one.pairs,
        "halves": layout_of(one),
        "direction": one.direction,
        "image_size": one.image_size,
        "fit": one.fit,
        "output_size": one.output_size,
        "samples": one.samples,
        "quiet_seconds": one.train.quiet_seconds,
        "settle_seconds": one.settle_seconds,
    }


async def _metrics(world: World) -> str:
    """Return the service's own counts; where none runs, that it is down."""
    try:
        told = await world.ask("metrics", {})
    except ServiceNotRunningError:
        return prometheus.render(
            [
                prometheus.Sample("pixd_build_info", {"version": pixd.__version__}, 1),
                prometheus.Sample("pixd_up", {}, 0),
            ]
        )
    return str(told["text"])
