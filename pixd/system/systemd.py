"""Reports to systemd what the service does, if systemd listens (sd_notify(3)); else does nothing.

Leaves to others: when to send a message. The units are in `systemd/`, `pixd.cli.units` installs
them.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time

EXTEND_S = 60
"""Each time that a start asks for more time, it gets so much from then on."""
LONGEST_SEND_S = 0.1


def notify(message: str) -> None:
    """Send assignments such as ``READY=1``, one a line, to the socket that systemd named."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        # A busy manager reads again very soon. pixd does not wait for one that hangs.
        sock.settimeout(LONGEST_SEND_S)
        sock.sendto(message.encode(), address)


def notify_reloading() -> None:
    """Report that the configuration is being read again; ``READY=1`` reports the end of that.

    Source: sd_notify(3): since systemd 253, RELOADING=1 needs the monotonic time too.
    """
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")


def extend_start(what: str) -> None:
    """Ask for more time to start. Ask again before that time is over.

    Args:
        what: what the start is waiting for, shown by `systemctl status`.

    Source: sd_notify(3), EXTEND_TIMEOUT_USEC.
    """
    notify(f"EXTEND_TIMEOUT_USEC={EXTEND_S * 1_000_000}\nSTATUS={what}")
