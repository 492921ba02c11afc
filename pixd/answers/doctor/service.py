"""The running service, if there is one: whether it responds, and what it reports as wrong."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pixd.answers import health
from pixd.answers.doctor.check import Check, fail, ok, warn
from pixd.store import heartbeat, lock
from pixd.store.heartbeat import Heartbeat, HeartbeatError
from pixd.system import control_socket
from pixd.system.clock import seconds_of
from pixd.system.errors import CannotTellError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixd.config import Settings


def checks(settings: Settings) -> Iterator[Check]:
    """Look at who holds the lock, at the heartbeat and at the control socket."""
    store = settings.store
    try:
        pid = lock.holder_pid(store)
    except CannotTellError as error:
        yield fail("service", error.message, error.advice)
        return
    if pid is None:
        told = "not running"
        yield warn("service", told, "pixd run; or systemctl start pixd, where it is installed")
        return
    if not Path(f"/proc/{pid}").exists():
        told = f"the store is locked, and its holder (pid {pid}) is not seen from here"
        mend = f"fuser -v {store / lock.LOCK}, as root and outside of containers"
        yield warn("service", told, mend)
        return
    try:
        yield _heartbeat(pid, heartbeat.read(store))
    except HeartbeatError as error:
        yield warn("service", error.message, "systemctl restart pixd; or end pixd run, start again")
    address = control_socket.address_of(store)
    may_ask = address.startswith(control_socket.ABSTRACT) or os.access(
        address, os.W_OK, effective_ids=True
    )
    if may_ask:
        yield ok("control socket", f"you may change what the service does ({address})")
    else:
        told = "you may ask the service and not change what it does"
        yield warn("control socket", told, "sudo usermod -aG pixd $USER, and log in again")


def _heartbeat(pid: int, last: Heartbeat | None) -> Check:
    at = seconds_of(last.at) if last else None
    if last is None or at is None or last.pid != pid:
        return ok("service", f"pid {pid} starts, or is a command at work")
    silent_s = max(0.0, time.time() - at)
    if silent_s > health.SILENT_S:
        mend = f"systemctl restart pixd; or kill -9 {pid} and pixd run: what is cut off goes on"
        return fail("service", f"pid {pid} has not stirred for {silent_s:.0f} s", mend)
    for trouble in (last.blocked, last.config, last.stale):
        if trouble:
            return warn("service", f"pid {pid}: {trouble}", "pixd status says what to do")
    return ok("service", f"pid {pid}, stirred {silent_s:.0f} s ago")
