"""What signals ask of the service. The handlers set flags; the loop looks at them between steps.

| signal | what it asks for |
|---|---|
| SIGTERM, SIGINT | end in order; the second time: at once |
| SIGHUP | read the configuration again |
| SIGUSR1 | look at all folders now |
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from pixd.service.waiting import Wake

if TYPE_CHECKING:
    from collections.abc import Iterator


class Signals:
    """What signals have asked for."""

    def __init__(self) -> None:
        """Ask for nothing yet."""
        self.wake = Wake()  # shortens the loop's wait; the handlers use it too
        self.stop = ""  # the name of the signal that asked for it
        self.has_asked_to_scan = False
        self.has_asked_to_reload = False

    def close(self) -> None:
        """Close what wakes the loop; nobody may use it after this."""
        self.wake.close()

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Listen to signals for the length of the block. Main thread only."""
        handlers = {
            signal.SIGTERM: self._on_stop,
            signal.SIGINT: self._on_stop,
            signal.SIGUSR1: self._on_scan,
            signal.SIGHUP: self._on_reload,
        }
        old = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    def _on_stop(self, number: int, _frame: object) -> None:
        if self.stop:
            # At once: the kernel releases the lock, and the children end with this process.
            os._exit(128 + number)
        self.stop = signal.Signals(number).name
        self.wake.wake()

    def _on_scan(self, _number: int, _frame: object) -> None:
        self.has_asked_to_scan = True
        self.wake.wake()

    def _on_reload(self, _number: int, _frame: object) -> None:
        self.has_asked_to_reload = True
        self.wake.wake()
