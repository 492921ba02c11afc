"""`pixd wait`: until the service has nothing left to do."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

from pixd import status
from pixd.commands import Progress, settings_of
from pixd.errors import ServiceNotRunningError, TimedOutError
from pixd.store import connection

if TYPE_CHECKING:
    import argparse

LOOK_EVERY_S = 0.2


def run(args: argparse.Namespace) -> int:
    """Wait until idle: 0, or 1 where something failed; 124 when the time is over."""
    settings = settings_of(args)
    began = time.time()
    asked_at = connection.rfc3339(began)
    pid = connection.holder_pid(settings.store)
    if pid is None:
        raise ServiceNotRunningError("the service is not running", advice="start it: pixd run")
    # "Idle" must be later than this moment: ask for a scan, and believe no older heartbeat.
    # Without permission to signal, the next scan by timer answers.
    with contextlib.suppress(PermissionError):
        os.kill(pid, signal.SIGUSR1)
    progress = Progress()
    try:
        while True:
            live = connection.read_live(settings.store)
            if live.get("idle") and _scanned_since(live, asked_at):
                break
            if connection.holder_pid(settings.store) is None:
                raise ServiceNotRunningError("the service ended while it was waited for")
            if args.timeout is not None and time.time() - began > args.timeout:
                raise TimedOutError(
                    f"not idle after {args.timeout:g} s", advice="`pixd status` says what it does"
                )
            progress.show(f"waiting for pixd (pid {pid}), {time.time() - began:.0f} s")
            time.sleep(LOOK_EVERY_S)
    finally:
        progress.clear()
    return status.EXIT_CODES[status.snapshot(settings)["state"]]


def _scanned_since(live: dict[str, object], at: str) -> bool:
    pipelines = live.get("pipelines")
    assert isinstance(pipelines, dict)  # the service writes it so
    return str(live.get("at")) > at and all(
        part[kind]["held"] or str(part[kind]["last_scan_at"]) > at
        for part in pipelines.values()
        for kind in ("training", "input")
    )
