"""A child kept warm that answers requests one by one, and survives what kills it.

If the child dies while it holds several requests, they are asked again one at a time, so
that the one to blame is found and the others are not lost. One that was alone when the child
died is asked once more, in case somebody else ended it. A child that cannot even start
is tried again after a growing wait, and `trouble` says why.
"""

from __future__ import annotations

import shutil
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 300.0


class Answer(NamedTuple):
    """What came back for one request: the token that it was submitted under, and the event."""

    token: Any
    event: Mapping[str, Any]


class WarmWorker:
    """One warm child and the requests that it holds."""

    def __init__(
        self,
        module: str,
        spec: Mapping[str, Any],
        scratch: Path,
        log: Path,
        *,
        idle_s: float,
        answer_within_s: float,
    ) -> None:
        """Prepare a child; it starts with the first request.

        Args:
            module: Python module to run.
            spec: its run spec; "scratch" is filled in.
            scratch: a folder of its own, emptied before each start.
            log: file that takes its standard error.
            idle_s: it is ended after so long without requests.
            answer_within_s: a request unanswered for so long means that it hangs.
        """
        self.trouble = ""
        self.notes: list[Mapping[str, Any]] = []
        self.ready: Mapping[str, Any] | None = None
        self.phase = ""
        self.scratch = scratch
        self._module = module
        self._spec = {**spec, "scratch": str(scratch)}
        self._log = log
        self._idle_s = idle_s
        self._answer_within_s = answer_within_s
        self._worker: Worker | None = None
        self._waiting: deque[tuple[Any, dict[str, Any]]] = deque()
        self._suspects: deque[tuple[Any, dict[str, Any]]] = deque()
        self._held: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._answers: list[Answer] = []
        self._died_alone: tuple[Any, dict[str, Any]] | None = None  # the request of the last death
        self._next_id = 1
        self._failures = 0
        self._has_answered = False  # since the child started
        self._retry_at = 0.0
        self._last_used_at = 0.0
        self._oldest_asked_at = 0.0

    @property
    def load(self) -> int:
        """How many requests are waiting for an answer."""
        return len(self._waiting) + len(self._suspects) + len(self._held) + len(self._answers)

    @property
    def worker(self) -> Worker | None:
        """The child, for the service's selector."""
        return self._worker

    def submit(self, token: Any, request: Mapping[str, Any]) -> None:
        """Ask for something; the answer will carry `token`."""
        self._waiting.append((token, dict(request)))

    def collect(self) -> list[Answer]:
        """Return the answers that have come since the last call."""
        answers, self._answers = self._answers, []
        return answers

    def step(self, now: float) -> None:
        """Read answers, send requests, start, restart or end the child. `now`: monotonic s."""
        if self._worker:
            self._read(now)
        if self._worker and self._held and now - self._oldest_asked_at > self._answer_within_s:
            self._worker.kill()
        if self._worker and self._worker.poll() is not None:
            self._read(now)
            self._bury(now)
        if (self._waiting or self._suspects) and not self._worker and now >= self._retry_at:
            self._start(now)
        if self._worker:
            self._send(now)
            if not self.load and now - self._last_used_at > self._idle_s:
                self.stop()

    def next_at(self, now: float) -> float:
        """Return when the next step has something to do without a message from the child."""
        if (self._waiting or self._suspects) and not self._worker:
            return max(now, self._retry_at)
        if self._worker and not self.load:
            return self._last_used_at + self._idle_s
        if self._held:
            return self._oldest_asked_at + self._answer_within_s
        return now + 3600.0

    def stop(self) -> None:
        """End the child at once. It holds nothing that is worth waiting for."""
        if self._worker:
            self._worker.kill()
            self._worker = None
        self.ready = None

    def abandon(self) -> None:
        """End the child and forget every request: who asked will ask again."""
        self.stop()
        for requests in (self._waiting, self._suspects, self._held, self._answers):
            requests.clear()

    def _start(self, now: float) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(parents=True)
        self._worker = Worker.start(self._module, self._spec, self.scratch, self._log)
        self._last_used_at = now
        self._has_answered = False

    def _send(self, now: float) -> None:
        assert self._worker is not None  # only called with a child
        # A suspect goes alone: if the child dies again, it is the one.
        if self._suspects:
            if not self._held:
                self._hand_over(self._suspects.popleft(), now)
        else:
            while self._waiting:
                self._hand_over(self._waiting.popleft(), now)
        self._worker.flush()

    def _hand_over(self, request: tuple[Any, dict[str, Any]], now: float) -> None:
        assert self._worker is not None  # only called with a child
        if not self._held:
            self._oldest_asked_at = now
        self._held[self._next_id] = request
        self._worker.send({"id": self._next_id, **request[1]})
        self._next_id += 1
        self._last_used_at = now

    def _read(self, now: float) -> None:
        assert self._worker is not None  # only called with a child
        for event in self._worker.read_events():
            if event.get("event") == "ready":
                self.ready = event
                self.phase = ""
                self._oldest_asked_at = now
            elif event.get("event") == "phase":
                self.phase = str(event.get("phase", ""))
                self._oldest_asked_at = now
            elif event.get("event") == "note":
                self.notes.append(event)
            elif event.get("id") in self._held:
                token, _ = self._held.pop(int(event["id"]))
                self._answers.append(Answer(token, event))
                self._has_answered = True
                self._failures = 0
                self.trouble = ""
                self._last_used_at = self._oldest_asked_at = now

    def _bury(self, now: float) -> None:
        assert self._worker is not None  # only called with a child
        why = self._worker.exit_text()
        worked = self.ready is not None or self._has_answered
        self._worker.kill()
        self._worker = None
        self.ready = None
        held = list(self._held.values())
        self._held.clear()
        if len(held) == 1 and worked and held[0] is not self._died_alone:
            # The kernel or a person may have ended the child, and the image be innocent.
            self._died_alone = held[0]
            self._suspects.appendleft(held[0])
        elif len(held) == 1 and worked:
            reason = f"reading it ended the worker: {why}"
            self._answers.append(Answer(held[0][0], {"event": "crashed", "reason": reason}))
        else:
            self._suspects.extend(held)
            if held or self._waiting:
                self.trouble = why
        self._failures += 1
        backoff = min(FIRST_BACKOFF_S * 2 ** (self._failures - 1), LONGEST_BACKOFF_S)
        self._retry_at = now + backoff
