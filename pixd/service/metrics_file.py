"""The metrics file, written every 15 s for node_exporter's textfile collector.

The file is whole at every instant, because it is written beside its place and renamed there. It
is not synced: after a power cut it would describe a service that is gone. A folder that is
missing or refuses does not end the service: `trouble` says so in the status, and the next write
tries again.
"""

from __future__ import annotations

import contextlib
import math
import os
from typing import TYPE_CHECKING, Any

from pixd.answers import status
from pixd.service import prometheus
from pixd.service.prometheus import PipelineFacts
from pixd.system import clock, disk, durable
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixd.service.heartbeat import HeartbeatFile
    from pixd.service.pipeline import Pipeline
    from pixd.service.pipelines import Pipelines
    from pixd.store.heartbeat import Heartbeat

WRITE_EVERY_S = 15.0
"""As often as Prometheus commonly scrapes node_exporter; a quarter of its default minute."""


class MetricsFile:
    """The file that the configuration names, if it names one."""

    def __init__(self) -> None:
        """Write nothing before the first `step`."""
        self.trouble = ""  # why it could not be written the last time
        self.next_at = math.inf  # monotonic seconds
        self._path: Path | None = None

    def step(self, pipelines: Pipelines, heartbeat: HeartbeatFile, now: float) -> str:
        """Write the file if it is time, or if the configuration names another one.

        Args:
            pipelines: the ones that are served.
            heartbeat: after its first beat.
            now: monotonic seconds.

        Returns:
            What went wrong this time and not the last time, or "".
        """
        wanted = pipelines.settings.metrics
        if wanted != self._path:
            self._leave()
            self._path = wanted
            self.next_at = now if self._path else math.inf
        if now < self.next_at:
            return ""
        self.next_at = now + WRITE_EVERY_S
        before = self.trouble
        self.write(pipelines, heartbeat, is_up=True)
        return self.trouble if self.trouble != before else ""

    def write(self, pipelines: Pipelines, heartbeat: HeartbeatFile, *, is_up: bool) -> None:
        """Write the file now, if there is one; `trouble` says what refused."""
        if self._path is None:
            return
        try:
            _replace(self._path, _text(pipelines, heartbeat, is_up=is_up))
        except OSError as error:
            self.trouble = f"the metrics file {self._path}: {error.strerror}"
        except PixdError as error:
            self.trouble = f"the metrics file {self._path} is not written: {error.message}"
        else:
            self.trouble = ""

    @staticmethod
    def told(pipelines: Pipelines, heartbeat: HeartbeatFile) -> dict[str, Any]:
        """Return what the file would say now, for a scraper that asks the page.

        Raises:
            PixdError: the store cannot be read.
        """
        return {"text": _text(pipelines, heartbeat, is_up=True)}

    def _leave(self) -> None:
        """Remove the file that the configuration no longer names: nothing would update it again."""
        self.trouble = ""
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()


def _text(pipelines: Pipelines, heartbeat: HeartbeatFile, *, is_up: bool) -> str:
    now = status.snapshot(pipelines.settings)
    found = prometheus.samples(
        now,
        {p.name: _facts(p, now["pipelines"][p.name], heartbeat.last) for p in pipelines},
        started_at=heartbeat.started_at,
        beat_at=clock.seconds_of(heartbeat.last.at) or 0.0,
        is_up=is_up,
    )
    return prometheus.render(found)


def _facts(pipeline: Pipeline, part: Mapping[str, Any], last: Heartbeat) -> PipelineFacts:
    seen = last.pipeline(pipeline.name)
    folders = {intake.kind: intake for intake in pipeline.intakes}
    return PipelineFacts(
        tally=pipeline.tally,
        recorded={kind: intake.recorded for kind, intake in folders.items()},
        scanned_at={kind: clock.seconds_of(seen.folder(kind).last_scan_at) for kind in folders},
        missed_events={kind: intake.missed_events for kind, intake in folders.items()},
        overflows={kind: intake.overflows for kind, intake in folders.items()},
        models=pipeline.models_made,
        live_since=clock.seconds_of((part["model"] or {}).get("live_since")),
        last_translation_at=clock.seconds_of(pipeline.last_published_at),
        output_free_bytes=_free_bytes(pipeline.settings.output),
    )


def _free_bytes(folder: Path) -> int | None:
    try:
        return disk.free_bytes(folder)
    except OSError:
        return None


def _replace(path: Path, text: str) -> None:
    """Put the text at `path`, whole, for everybody to read whatever the umask.

    Raises:
        OSError: the folder is missing, full or not writable; the old file is kept.
    """
    # node_exporter reads only names that end in .prom, so it never reads this one.
    with durable.temporary_beside(path, 0o644) as (fd, temporary):
        os.fchmod(fd, 0o644)
        durable.write_all(fd, text.encode())
        temporary.rename(path)
