"""Tell systemd how the service is doing, where it listens (sd_notify(3)); else do nothing."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(message: str) -> None:
    """Send one notification such as ``READY=1`` to the socket that systemd named."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(message.encode(), address)
