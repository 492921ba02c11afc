"""Makes outputs of early models again, little by little, when a better early model is live.

Early models follow one another quickly, and each would make every input again. So this is done for
the newest inputs first, for a tenth of the time while something trains, and seldom for the same
input. Inputs without any output do not wait for it, and the training's own model makes all.
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from pixd.store.output_names import output_name
from pixd.store.states import FileState
from pixd.system.clock import seconds_of

if TYPE_CHECKING:
    from pixd.store.store import Store
    from pixd.translation.aim import Aim

SHARE: Final = 0.1
"""Of the time, while something trains. The trainer is nicer than the translator, so that what this
takes is lost to the training."""
MOST_AN_HOUR: Final = 2  # times that one input is made again
HOUR_S: Final = 3600.0
LOOK_AGAIN_S: Final = 1.0
TOLD: Final = (
    "outputs of the model before are made again newest first, for at most a tenth of the time"
    " while something trains; its training's own model makes all"
)
WHY: Final = "made again by a newer early model"


class Refresh:
    """What of one pipeline is to be made again under an early model."""

    def __init__(self, store: Store, pipeline: str, repo_id: int, samples: int) -> None:
        """Look at the inputs in the repo `repo_id`, each of which has so many outputs."""
        self._samples = samples
        self._store = store
        self._pipeline = pipeline
        self._repo_id = repo_id
        self._waiting: deque[str] = deque()  # newest first
        self._later: list[tuple[float, str]] = []  # a heap, monotonic seconds: made too often
        self._began_at: float | None = None
        self._next_at = 0.0

    def __len__(self) -> int:
        """Return how many inputs are still to be made again."""
        return len(self._waiting) + len(self._later)

    def aim(self, aim: Aim | None) -> None:
        """Begin anew for another aim; only under an early model is there anything to do."""
        self._waiting.clear()
        self._later.clear()
        self._began_at = None
        if aim is not None and aim.model.early_of:
            asked = aim.model.digest, aim.prepared.recipes[0], self._samples
            outputs = self._store.outputs
            self._waiting.extend(outputs.behind(self._pipeline, self._repo_id, *asked))

    def next_at(self, now: float) -> float:
        """Return when the next step has work; `now` in monotonic seconds.

        What is due and was not taken was kept back: by a pause, a full disk, a folder that hangs.
        """
        soonest = max(now + LOOK_AGAIN_S, self._next_at)
        times = [now + HOUR_S]
        if self._waiting:
            times.append(soonest)
        if self._later:
            times.append(max(soonest, self._later[0][0]))
        return min(times)

    def step(self, now: float, room: int, *, trains: bool) -> bool:
        """Queue some inputs if it is time, and tell whether. Nothing else is due or under way.

        Args:
            now: monotonic seconds.
            room: how many the translator takes at once.
            trains: whether something trains, so that only `SHARE` of the time is taken.
        """
        if self._began_at is not None:
            took_s = now - self._began_at
            self._next_at = now + (took_s * (1 / SHARE - 1) if trains else 0.0)
            self._began_at = None
        if not trains:
            self._next_at = min(self._next_at, now)
        if now < self._next_at or not len(self):
            return False
        names = self._next(now, room)
        if not names:
            return False
        self._began_at = now
        self._store.working.set_state(
            self._repo_id, names, FileState.QUEUED, WHY, if_in=(FileState.TRANSLATED,)
        )
        return True

    def _next(self, now: float, room: int) -> list[str]:
        while self._later and self._later[0][0] <= now:
            self._waiting.appendleft(heapq.heappop(self._later)[1])
        names: list[str] = []
        while self._waiting and len(names) < room:
            name = self._waiting.popleft()
            wait_s = self._too_often(name)
            if wait_s:
                heapq.heappush(self._later, (now + wait_s, name))
            else:
                names.append(name)
        return names

    def _too_often(self, name: str) -> float:
        """Return for how many seconds an input must not be made again; 0 if it may."""
        path = output_name(name, 1, self._samples)
        again = self._store.outputs.published(self._pipeline, path)[1:]
        if len(again) < MOST_AN_HOUR:
            return 0.0
        since = seconds_of(again[-MOST_AN_HOUR]) or 0.0
        return min(HOUR_S, max(0.0, since + HOUR_S - time.time()))  # the clock may have gone back
