"""Tell systemd how the service is doing, where it listens (sd_notify(3)); else do nothing.

Leaves to others: when a message is due. The units are in `systemd/`, `pixd.cli.units` installs them.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

EXTEND_S = 60
"""How much longer a start may take from each time that it says so."""
LONGEST_SEND_S = 0.1
_MINUTE_S = 60


def notify(message: str) -> None:
    """Send assignments such as ``READY=1``, one a line, to the socket that systemd named."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        # A manager that is busy reads on in an instant; one that hangs is not waited for.
        sock.settimeout(LONGEST_SEND_S)
        sock.sendto(message.encode(), address)


def notify_reloading() -> None:
    """Say that the configuration is being read again; ``READY=1`` says that it is done.

    Source: sd_notify(3): RELOADING=1 needs the monotonic time with it since systemd 253.
    """
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")


def extend_start(what: str) -> None:
    """Ask for more time to start; to be said again before it is over.

    Args:
        what: what the start is waiting for, shown by `systemctl status`.

    Source: sd_notify(3), EXTEND_TIMEOUT_USEC.
    """
    notify(f"EXTEND_TIMEOUT_USEC={EXTEND_S * 1_000_000}\nSTATUS={what}")


def status_line(live: Mapping[str, Any]) -> str:
    """Say in one line what each pipeline does, for `systemctl status`.

    Args:
        live: what `pixd.service.heartbeat.Heartbeat` wrote last.
    """
    # What concerns the service as a whole goes before all else.
    said = [f"blocked, {live['blocked']}" if live["blocked"] else "", live["stale"]]
    if live["config"]:
        said.append(f"the changed configuration is not in force: {live['config']}")
    said += [f"{name}: {_doing(part)}" for name, part in live["pipelines"].items()]
    # A line break would begin another assignment.
    return " ".join("; ".join(text for text in said if text).split())


def _doing(part: Mapping[str, Any]) -> str:
    """Say what wants attention first, then what goes on."""
    train, translate = part["train"], part["translate"]
    for kind in ("training", "input"):
        if part[kind]["held"]:
            return f"HOLD, {kind}: {part[kind]['held']}"
    if translate["blocked"]:
        return f"blocked, {translate['blocked']}"
    said = []
    if train["state"] == "failed":
        said.append("training failed, see pixd status")
    elif train["state"] == "running" and train["steps"]:
        said.append(f"training, step {train['step']} of {train['steps']}{_left(train)}")
    elif train["state"] != "idle":
        said.append(f"training {train['state']}")
    if translate["trouble"]:
        said.append(f"translator in trouble, {translate['trouble']}")
    elif translate["phase"]:
        said.append(f"translator {translate['phase']}")
    return ", ".join(said) or "idle"


def _left(train: Mapping[str, Any]) -> str:
    eta_s = train["eta_seconds"]
    if eta_s is None:
        return ""
    return f", {max(1, round(eta_s / _MINUTE_S))} min left"
