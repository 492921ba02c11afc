"""`pixd wait`: until the service has nothing left to do, or until one change is through."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pixd.answers import status, status_text, through
from pixd.answers.absence import absence_of
from pixd.cli.configuration import settings_of
from pixd.cli.terminal import Progress, warn
from pixd.store import connection, heartbeat, lock
from pixd.store.queries import changes
from pixd.system import clock
from pixd.system.errors import (
    EXIT_FAILED,
    EXIT_OK,
    ServiceNotRunningError,
    StoreGoneError,
    TimedOutError,
    UsageError,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from pixd.config import Settings

LOOK_EVERY_S = 0.2


def run(args: argparse.Namespace) -> int:
    """Wait: 0, or 1 where something failed; 124 when the time is over."""
    settings = settings_of(args)
    if args.change:
        return _wait_for_change(args, settings)
    began = time.time()
    asked_at = clock.rfc3339(began)
    _ask_for_a_scan(settings)

    def is_idle() -> bool:
        last = heartbeat.read(settings.store)
        return last is not None and last.idle and through.scanned_since(last, asked_at)

    if not is_idle():
        _wait_until(settings, is_idle, args.timeout, "for pixd to be idle")
    return _say_what_is_left(status.snapshot(settings))


def _say_what_is_left(found: Mapping[str, Any]) -> int:
    """Say why all is not well, in the words of `pixd status`; 0 where it is."""
    code = status.EXIT_CODES[found["state"]]
    if code != EXIT_OK:
        first, *more = status_text.verdict(found)
        warn("\n".join([f"pixd: {first}", *more]))
    return _say_paused(found) or code


def _say_paused(found: Mapping[str, Any]) -> int:
    """Say what waits for a paused pipeline to go on; 1 where something does, else 0."""
    code = EXIT_OK
    for name, part in found["pipelines"].items():
        if part["paused"] is None:
            continue
        queued = part["input"]["queued"] if part["model"] else 0
        waits = [f"{queued} input{'s wait' if queued > 1 else ' waits'}"] if queued else []
        if part["train"]["state"] == "paused" and "due" in part["train"]["reason"]:
            waits.append("a training is due")
        if waits:
            warn(f"pixd: {name} is paused: {', '.join(waits)}; go on: pixd resume -p {name}")
            code = EXIT_FAILED
    return code


def _wait_for_change(args: argparse.Namespace, settings: Settings) -> int:
    reader = connection.open_reader(settings.store)
    change = changes.whole_id(reader, args.change)
    if change is None:
        raise UsageError(f"there is no change {args.change}", advice="`pixd log` shows them")

    asked_at = clock.rfc3339(time.time())

    def is_through() -> bool:
        return through.is_through(settings.store, reader, change, asked_at)

    if not is_through():
        _ask_for_a_scan(settings)
        _wait_until(settings, is_through, args.timeout, f"for the change {change}")
    failures = changes.failures(reader, change)
    for failure in failures:
        warn(f"pixd: {failure}")
    return EXIT_FAILED if failures else _say_paused(status.snapshot(settings))


def _ask_for_a_scan(settings: Settings) -> None:
    """Make the service look at its folders now, so that no older heartbeat is believed.

    Raises:
        ServiceNotRunningError: there is none to wait for.
        StoreGoneError: the store is not in its place.
    """
    if through.ask_for_a_scan(settings.store):
        return
    absence = absence_of(settings)
    if absence.reason:
        raise StoreGoneError(absence.reason, advice=absence.advice)
    raise ServiceNotRunningError("the service is not running", advice="start it: pixd run")


def _wait_until(
    settings: Settings, is_done: Callable[[], bool], timeout_s: float | None, what: str
) -> None:
    began = time.monotonic()
    progress = Progress()
    try:
        while not is_done():
            waited = time.monotonic() - began
            if lock.holder_pid(settings.store) is None:
                raise ServiceNotRunningError(
                    "the service ended while it was waited for",
                    advice="`pixd status` says how it ended; start it again: pixd run",
                )
            if timeout_s is not None and waited > timeout_s:
                raise TimedOutError(
                    f"waited {timeout_s:g} s {what}", advice="`pixd status` says what it does"
                )
            progress.show(f"waiting {what}, {waited:.0f} s")
            time.sleep(LOOK_EVERY_S)
    finally:
        progress.clear()
