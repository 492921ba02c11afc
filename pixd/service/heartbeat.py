"""What only the running service knows, collected from its parts and written for readers.

A ping of systemd's watchdog proves something only if it covers everything that must move: the loop
(which pings), every scan, every watch and its canary, and every child that has work. If one of them
is not fresh (`Pipelines.stale`), no ping is sent, and the heartbeat names it.
"""

from __future__ import annotations

import dataclasses
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pixd
from pixd.config import in_force
from pixd.store import heartbeat
from pixd.store.engine_beat import Engine
from pixd.store.heartbeat import Folder, Heartbeat, Looking, PipelineBeat, Train, Translate
from pixd.system.clock import rfc3339
from pixd.system.machine import has_gpu

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixd.config import Settings
    from pixd.folders.intake import Intake
    from pixd.service.pipeline import Pipeline
    from pixd.service.pipelines import Pipelines

HEARTBEAT_S = 1.0
QUIET_HEARTBEAT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubles:
    """What is wrong with the service as a whole; each is "" where nothing is.

    Attributes:
        stale: what should have moved and has not.
        config: why a changed configuration is not in force.
        blocked: what the store's disk refuses.
        metrics: why the metrics file cannot be written.
        web: why the page is down.
    """

    stale: str = ""
    config: str = ""
    blocked: str = ""
    metrics: str = ""
    web: str = ""


class HeartbeatFile:
    """The file in the store that says how the service is doing."""

    def __init__(self, store: Path) -> None:
        """Begin to beat into the folder `store`."""
        self.next_at = 0.0  # monotonic seconds
        self._started = time.monotonic()
        self.last = Heartbeat()  # what was written
        self._store = store
        self._heights: Mapping[str, int] = {}
        self._kept: Settings | None = None  # for readers, the last time

    @property
    def started_at(self) -> float:
        """When the service started, in seconds since the epoch, by the clock as it is now.

        So its age is right too after the clock was set.
        """
        return time.time() - (time.monotonic() - self._started)

    def beat_soon(self) -> None:
        """Make the next `beat` due: the caller is waiting for what it says."""
        self.next_at = 0.0

    def is_due(self, now: float) -> bool:
        """Tell whether it is time. `now`: monotonic seconds."""
        return now >= self.next_at

    def beat(
        self,
        pipelines: Pipelines,
        now: float,
        *,
        is_idle: bool,
        troubles: Troubles,
        heights: Mapping[str, int],
    ) -> None:
        """Write the present state.

        Args:
            pipelines: the ones that are served.
            now: monotonic seconds.
            is_idle: whether nothing is due.
            troubles: of the service as a whole.
            heights: see `pixd.store.store.Store.heights`; none where the store cannot be asked.

        Raises:
            OSError: the store's disk refuses even this.
        """
        self.next_at = now + (QUIET_HEARTBEAT_S if is_idle else HEARTBEAT_S)
        self._heights = heights or self._heights
        wall = time.time()
        if self._kept is not pipelines.settings:
            self._kept = pipelines.settings
            in_force.keep(self._store, self._kept)
        self.last = Heartbeat(
            at=rfc3339(wall),
            pid=os.getpid(),
            version=pixd.__version__,
            started_at=rfc3339(self.started_at),
            device=_device(pipelines),
            idle=is_idle,
            stale=troubles.stale,
            config=troubles.config,
            blocked=troubles.blocked,
            metrics=troubles.metrics,
            web=troubles.web,
            engine=Engine(**engine) if (engine := pipelines.engine()) else None,
            heights=self._heights,
            pipelines={pipeline.name: _pipeline(pipeline, now, wall) for pipeline in pipelines},
        )
        heartbeat.write(self._store, self.last)

    def stop(self, heights: Mapping[str, int]) -> None:
        """Write that the service has stopped in order, and how far the database has come.

        Raises:
            OSError: the store's disk refuses.
        """
        stopped_at = rfc3339(time.time())
        self.last = dataclasses.replace(self.last, stopped_at=stopped_at, heights=heights)
        heartbeat.write(self._store, self.last)


def _device(pipelines: Pipelines) -> str:
    for pipeline in pipelines:
        run = pipeline.training.run
        known = (run.device if run else "") or pipeline.translation.device
        if known:
            return known
    return "gpu" if pipelines.settings.device != "cpu" and has_gpu() else "cpu"


def _pipeline(pipeline: Pipeline, now: float, wall: float) -> PipelineBeat:
    translation = pipeline.translation
    return PipelineBeat(
        training=_folder(pipeline.training_folder, now, wall),
        input=_folder(pipeline.input_folder, now, wall),
        train=_train(pipeline),
        translate=Translate(
            phase=translation.phase,
            trouble=translation.trouble,
            not_answering=translation.publisher.calls.trouble,
            blocked=translation.blocked,
            tiles=translation.tiles,
        ),
    )


def _folder(intake: Intake, now: float, wall: float) -> Folder:
    scanned = intake.last_scan_at
    return Folder(
        watch=intake.watch_kind,
        watch_why=intake.watch_why,
        last_scan_at=rfc3339(wall - (now - scanned)) if scanned is not None else None,
        overflows=intake.overflows,
        missed_events=intake.missed_events,
        ignored=intake.ignored,
        held=intake.held,
        not_answering=intake.not_answering,
        blocked=intake.blocked,
    )


def _train(pipeline: Pipeline) -> Train:
    part = pipeline.training
    run = part.run
    progress, standing = (run.progress, run.standing) if run else ({}, {})
    state, reason = part.state, part.reason
    if state == "waiting" and pipeline.training_folder.held:
        reason = "the training folder is on hold"
    if pipeline.pause is not None and state in {"idle", "waiting"}:
        due = "; a training is due" if state == "waiting" else ""
        state, reason = "paused", f"by {pipeline.pause.who}{due}; `pixd resume` goes on"
    return Train(
        state=state,
        reason=reason,
        commit=part.considered,
        run=run.run_id if run else None,
        step=progress.get("step", 0),
        steps=progress.get("steps", 0),
        images_per_second=progress.get("images_per_second", 0.0),
        eta_seconds=progress.get("eta_s"),
        losses=progress.get("losses", {}),
        validation=run.validation if run else None,
        best_step=standing.get("best_step", 0),
        stops_at=standing.get("stops_at"),
        preview=run.preview if run else "",
        preview_step=run.preview_step if run else 0,
        blocked=part.blocked,
        looking=Looking(**part.progress._asdict()) if part.progress else None,
    )
