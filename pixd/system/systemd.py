"""Tell systemd how the service is doing, where it listens (sd_notify(3)); else do nothing.

Leaves to others: when a message is due. The units are in `systemd/`, `pixd.cli.units` installs them.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time

EXTEND_S = 60
"""How much longer a start may take from each time that it says so."""
LONGEST_SEND_S = 0.1


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
