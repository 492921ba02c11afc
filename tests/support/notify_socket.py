"""The socket that systemd would listen at, and what came in, in order."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

_END = b"end of the test"


class NotifySocket:
    """Listen at an abstract address, which needs no folder with a short name.

    A thread reads at once, as systemd does: the kernel keeps only ten datagrams for a slow one.
    """

    def __init__(self) -> None:
        self.address = f"@pixd-test-{os.getpid()}-{time.monotonic_ns()}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + self.address[1:])
        self._heard: list[str] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while (message := self._socket.recv(65536)) != _END:
            self._heard += message.decode().split("\n")

    def heard(self) -> list[str]:
        """Return every assignment so far."""
        return list(self._heard)

    def until(self, is_it: Callable[[str], bool], timeout_s: float = 60, after: int = 0) -> int:
        """Wait for an assignment and return its place, at or behind `after`."""
        ends_at = time.monotonic() + timeout_s
        while True:
            heard = self.heard()
            for place in range(after, len(heard)):
                if is_it(heard[place]):
                    return place
            if time.monotonic() > ends_at:
                pytest.fail(f"not heard within {timeout_s} s; heard {heard}")
            time.sleep(0.02)

    def close(self) -> list[str]:
        """Stop listening, when all that was sent has been heard; return it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(_END, "\0" + self.address[1:])
        self._thread.join()
        self._socket.close()
        return self._heard


@contextlib.contextmanager
def listening() -> Iterator[NotifySocket]:
    """Listen for the length of the block, or until it says `close`."""
    notify_socket = NotifySocket()
    try:
        yield notify_socket
    finally:
        if notify_socket._thread.is_alive():
            notify_socket.close()
