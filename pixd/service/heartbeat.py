"""What only the running service knows, for `pixd status`; and whether it may tell systemd it lives.

A ping of the watchdog proves something only if it stands for all that must move: the loop
(which pings), every scan, every watch and its canary, and every child that has work. Whatever
is not fresh keeps the ping back and is named in the status.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pixd
from pixd.store.heartbeat import write_live
from pixd.system.clock import rfc3339
from pixd.system.machine import has_gpu

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pixd.config import Settings
    from pixd.folders.intake import Intake
    from pixd.service.pipeline import Pipeline
    from pixd.system.children.warm_worker import WarmWorker

HEARTBEAT_S = 1.0
QUIET_HEARTBEAT_S = 10.0


class Heartbeat:
    """The file in the store that says how the service is doing."""

    def __init__(self, store: Path) -> None:
        """Begin to beat into the folder `store`."""
        self.next_at = 0.0  # monotonic seconds
        self._store = store
        self.started_at = time.time()
        self.last: dict[str, Any] = {}  # what was written
        self._heights: Mapping[str, int] = {}

    def beat_soon(self) -> None:
        """Make the next `beat` due: who asked is waiting for what it says."""
        self.next_at = 0.0

    def is_due(self, now: float) -> bool:
        """Tell whether it is time. `now`: monotonic seconds."""
        return now >= self.next_at

    def beat(
        self,
        settings: Settings,
        pipelines: Sequence[Pipeline],
        now: float,
        *,
        is_idle: bool,
        stale: str,
        config_trouble: str,
        blocked: str,
        metrics_trouble: str,
        heights: Mapping[str, int],
    ) -> None:
        """Write what is so now.

        Args:
            settings: in force.
            pipelines: the ones that are served.
            now: monotonic seconds.
            is_idle: whether nothing is due.
            stale: what `stale` said.
            config_trouble: why a changed configuration is not in force, or "".
            blocked: what the store's disk refuses, or "".
            metrics_trouble: why the metrics file cannot be written, or "".
            heights: see `pixd.store.store.Store.heights`; none where the store cannot be asked.

        Raises:
            OSError: the store's disk refuses this too.
        """
        self.next_at = now + (QUIET_HEARTBEAT_S if is_idle else HEARTBEAT_S)
        self._heights = heights or self._heights
        wall = time.time()
        self.last = {
            "at": rfc3339(wall),
            "pid": os.getpid(),
            "version": pixd.__version__,
            "started_at": rfc3339(self.started_at),
            "device": _device(settings, pipelines),
            "idle": is_idle,
            "stale": stale,
            "config": config_trouble,
            "blocked": blocked,
            "metrics": metrics_trouble,
            "heights": self._heights,
            "pipelines": {
                p.name: {
                    "training": _live_intake(p.training_folder, now, wall),
                    "input": _live_intake(p.input_folder, now, wall),
                    "train": _live_training(p),
                    "translate": {
                        "phase": p.translation.phase,
                        "trouble": p.translation.trouble,
                        "blocked": p.translation.blocked,
                        "tiles": p.translation.tiles,
                    },
                }
                for p in pipelines
            },
        }
        write_live(self._store, self.last)

    def stop(self, heights: Mapping[str, int]) -> None:
        """Write that the service has stopped in order, and how far the database had come.

        Raises:
            OSError: the store's disk refuses.
        """
        self.last |= {"stopped_at": rfc3339(time.time()), "heights": heights}
        write_live(self._store, self.last)


def stale(pipelines: Iterable[Pipeline], inspector: WarmWorker, now: float) -> str:
    """Say what should have moved and has not, or "". `now`: monotonic seconds.

    A child that is silent is first dealt with by who started it (killed, blamed, replaced);
    it is stale only where that did not help.
    """
    for pipeline in pipelines:
        for intake in pipeline.intakes:
            if why := intake.stale(now):
                return f"{pipeline.name}: {intake.kind}: {why}"
        run = pipeline.training.run
        if run and not run.is_fresh(now):
            return f"{pipeline.name}: the trainer hangs and cannot be ended"
        if not pipeline.translation.is_fresh(now):
            return f"{pipeline.name}: the translator hangs and cannot be ended"
    return "" if inspector.is_fresh(now) else "the inspector hangs and cannot be ended"


def _device(settings: Settings, pipelines: Iterable[Pipeline]) -> str:
    for pipeline in pipelines:
        run = pipeline.training.run
        known = (run.device if run else "") or pipeline.translation.device
        if known:
            return known
    return "gpu" if settings.device != "cpu" and has_gpu() else "cpu"


def _live_intake(intake: Intake, now: float, wall: float) -> dict[str, Any]:
    scanned = intake.last_scan_at
    return {
        "watch": intake.watch_kind,
        "watch_why": intake.watch_why,
        "last_scan_at": rfc3339(wall - (now - scanned)) if scanned is not None else None,
        "overflows": intake.overflows,
        "missed_events": intake.missed_events,
        "ignored": intake.ignored,
        "held": intake.held,
        "blocked": intake.blocked,
    }


def _live_training(pipeline: Pipeline) -> dict[str, Any]:
    part = pipeline.training
    run = part.run
    progress = run.progress if run else {}
    state, reason = part.state, part.reason
    if state == "waiting" and pipeline.training_folder.held:
        reason = "the training folder is on hold"
    if pipeline.pause is not None and state in {"idle", "waiting"}:
        due = "; a training is due" if state == "waiting" else ""
        state, reason = "paused", f"by {pipeline.pause.who}{due}; `pixd resume` goes on"
    return {
        "state": state,
        "reason": reason,
        "commit": part.considered,
        "run": run.run_id if run else None,
        "step": progress.get("step", 0),
        "steps": progress.get("steps", 0),
        "images_per_second": progress.get("images_per_second", 0.0),
        "eta_seconds": progress.get("eta_s"),
        "losses": progress.get("losses", {}),
        "validation": run.validation if run else None,
        "preview": run.preview if run else "",
        "blocked": part.blocked,
    }
