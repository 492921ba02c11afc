"""How far a training is and when it will be done, as it is told to the parent."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from pixd.system.children.child import Events

PROGRESS_EVERY_S: Final = 1.0
RATE_WINDOW_S: Final = 20.0


class Progress:
    """Reports to the parent, about once a second, how far the run is and when it will be done."""

    def __init__(self, events: Events, steps: int, batch_size: int) -> None:
        """Tell `events` about a training of so many steps."""
        self._events, self._steps, self._batch_size = events, steps, batch_size
        self._recent: deque[tuple[float, int]] = deque()
        self._sent_at = -math.inf

    def made(self, step: int, losses: dict[str, float], now: float) -> None:
        """Count one update; `now` in monotonic seconds."""
        self._recent.append((now, step))
        while now - self._recent[0][0] > RATE_WINDOW_S:
            self._recent.popleft()
        if now - self._sent_at < PROGRESS_EVERY_S and step != self._steps:
            return
        since, first = self._recent[0]
        rate = (step - first) / (now - since) if step > first else 0.0
        self._events.send(
            "progress",
            step=step,
            steps=self._steps,
            images_per_second=rate * self._batch_size,
            eta_s=(self._steps - step) / rate if rate else None,
            losses=losses,
        )
        self._sent_at = now

    def pause(self) -> None:
        """Forget the rate, because the time since the last update was not training."""
        self._recent.clear()
