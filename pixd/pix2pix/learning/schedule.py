"""Decides when a training run saves a checkpoint. Pure: the caller passes the time in."""

from __future__ import annotations

from typing import Final

FIRST_WITHIN_S: Final = 20.0  # so that a crash in the first minutes does not lose them


class Schedule:
    """Decides when a checkpoint is due: by steps, by seconds, and early for the first one."""

    def __init__(self, *, every_s: float, every_steps: int, step: int, now: float) -> None:
        """Count from `step` at `now` (monotonic seconds); a run without a checkpoint has step 0."""
        self._every_s = every_s
        self._every_steps = every_steps
        self._step = step
        self._at = now
        self._is_first = step == 0

    def is_due(self, step: int, now: float) -> bool:
        """Tell whether to save now, after `step` updates."""
        wait_s = min(self._every_s, FIRST_WITHIN_S) if self._is_first else self._every_s
        return step - self._step >= self._every_steps or now - self._at >= wait_s

    def saved(self, step: int, now: float) -> None:
        """Count from here."""
        self._step, self._at, self._is_first = step, now, False
