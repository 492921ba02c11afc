"""Tell systemd how the service is doing, where it listens (sd_notify(3)); else do nothing."""

from __future__ import annotations

import contextlib
import os
import socket
import time

PATIENCE_S = 0.2
"""A socket whose queue is full blocks for as long as nobody reads it; the loop must not."""


def notify(message: str) -> None:
    """Send one notification such as ``READY=1`` to the socket that systemd named."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE_S)
        sock.sendto(message.encode(), address)


def notify_reloading() -> None:
    """Say that the configuration is being read again; ``READY=1`` says that it is done.

    Source: sd_notify(3): RELOADING=1 needs the monotonic time beside it since systemd 253.
    """
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
