"""A child that is kept running and answers requests; it is replaced if it ends or hangs.

The requests that a dead child held are asked again, so that none is lost. A request is refused
only if a child that answers in order crashed on it, or if a second child died while it held this
request alone. A child that cannot even start is tried again after a growing wait, and `trouble`
says why. Where nothing is asked yet (`warm`), it is tried `STUCK_AFTER` times.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import signal
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pixd.system import backoff
from pixd.system.children import confinement
from pixd.system.children.spawner import CLUSTER
from pixd.system.children.spec import read_result
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixd.system.children.spawner import Spawner
    from pixd.system.children.spec import Spec
    from pixd.system.children.worker import Worker

FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 300.0
DEATHS_TO_BLAME = 2
STUCK_AFTER = 3
LONGEST_ANSWER_S = 1800.0
HANG_GRACE_S = 30.0
"""A child that still exists so long after its time was over could not even be killed."""


class Answer(NamedTuple):
    """The answer to one request: the token that it was submitted with, and the event.

    The event is the child's own. It is ``crashed`` if the request ends every child that gets it,
    and ``failed`` if somebody killed the child and another try may well succeed.
    """

    token: Any
    event: Mapping[str, Any]


class Step(NamedTuple):
    """How far a long request is: its token, how much is done, and of how much."""

    token: Any
    done: int
    of: int


class Note(NamedTuple):
    """What people should know of the child, and whether it is a warning to them."""

    level: Literal["info", "warning"]
    message: str


@dataclass
class _Request:
    """One request, and how many children died while they held it."""

    token: Any
    message: dict[str, Any]
    deaths: int = 0
    asked_at: float = 0.0  # monotonic seconds


class WarmWorker:
    """One warm child and the requests that it holds."""

    def __init__(
        self,
        module: str,
        spec: Spec,
        scratch: Path,
        log: Path,
        *,
        spawner: Spawner,
        idle_s: float,
        answer_within_s: float,
        answers_in_order: bool = False,
    ) -> None:
        """Prepare a child; it starts with the first request, or with `warm`.

        Args:
            module: Python module to run.
            spec: its run spec; the scratch folder is filled in.
            scratch: a folder of its own, emptied before each start.
            log: file that takes its standard error.
            spawner: starts the child.
            idle_s: after so many seconds without requests it is ended.
            answer_within_s: if it has requests and sends no answer and no heartbeat for so many
                seconds, it hangs.
            answers_in_order: it works on one request at a time, in the order asked.
        """
        self.trouble = ""
        self.notes: list[Note] = []  # the reader of this list empties it
        self.ready: Mapping[str, Any] | None = None
        self.phase = ""
        self.width = 1  # how many times as much it can be given at once as one child
        self.scratch = scratch
        self._module = module
        self._spec = dataclasses.replace(spec, scratch=str(scratch))
        self._spawner = spawner
        self._log = log
        self._idle_s = idle_s
        self._answer_within_s = answer_within_s
        self._answers_in_order = answers_in_order
        self._worker: Worker | None = None
        self._waiting: deque[_Request] = deque()
        self._suspects: deque[_Request] = deque()
        self._held: dict[int, _Request] = {}
        self._answers: list[Answer] = []
        self._step: tuple[int, Step] | None = None  # by the number of the request
        self._next_id = 1
        self._failures = 0
        self._is_warming = False  # a child is wanted although there is no request
        self._has_answered = False  # since the child started
        self._retry_at = 0.0
        self._last_used_at = 0.0
        self._oldest_asked_at = 0.0
        self._is_hung = False

    @property
    def load(self) -> int:
        """How many requests are waiting for an answer."""
        return len(self._waiting) + len(self._suspects) + len(self._held) + len(self._answers)

    @property
    def step_made(self) -> Step | None:
        """How far the request is that last reported progress and has no answer yet."""
        return self._step[1] if self._step and self._step[0] in self._held else None

    @property
    def is_stuck(self) -> bool:
        """Tell whether it failed to start several times in a row; it is still tried again."""
        return bool(self.trouble) and self._failures >= STUCK_AFTER

    @property
    def worker(self) -> Worker | None:
        """The child, for the service's selector."""
        return self._worker

    def warm(self) -> None:
        """Have the child started at the next step, so that the first request need not wait for it."""
        self._is_warming = self._worker is None

    @property
    def is_loading(self) -> bool:
        """Tell whether a child has started and is not ready yet."""
        return self._worker is not None and self.ready is None

    def submit(self, token: Any, request: Mapping[str, Any]) -> None:
        """Ask for something; the answer will carry `token`."""
        self._waiting.append(_Request(token, dict(request)))

    def collect(self) -> list[Answer]:
        """Return the answers that have come since the last call."""
        answers, self._answers = self._answers, []
        return answers

    def step(self, now: float) -> None:
        """Read answers, send requests, start, restart or end the child. `now`: monotonic s."""
        if self._worker:
            self._read(now)
        if self._worker and self._held and self._is_overdue(now):
            self._is_hung = True
            self._worker.kill()
        if self._worker and self._worker.poll() is not None:
            self._read(now)
            self._bury(now)
        if self._wants_child and not self._worker and now >= self._retry_at:
            self._start(now)
        if self._worker:
            self._send(now)
            if not self.load and now - self._last_used_at > self._idle_s:
                self.stop()

    def next_at(self, now: float) -> float:
        """Return when the next step has something to do even if the child sends no message."""
        if self._wants_child and not self._worker:
            return max(now, self._retry_at)
        if self._worker and not self.load:
            return self._last_used_at + self._idle_s
        if self._held:
            return self._oldest_asked_at + self._answer_within_s
        return now + 3600.0

    @property
    def _wants_child(self) -> bool:
        return bool(self._waiting or self._suspects or self._is_warming)

    def _is_overdue(self, now: float) -> bool:
        # Heartbeats prove that the child works, but not that it still has every request.
        oldest = next(iter(self._held.values()))
        silent_s = now - self._oldest_asked_at
        return silent_s > self._answer_within_s or now - oldest.asked_at > LONGEST_ANSWER_S

    def is_fresh(self, now: float) -> bool:
        """Tell whether the child, if it has requests, is still within its time to answer."""
        overdue_s = now - self._oldest_asked_at - self._answer_within_s
        return not (self._worker and self._held) or overdue_s < HANG_GRACE_S

    def stop(self) -> None:
        """End the child at once. It holds nothing that is worth waiting for."""
        if self._worker:
            self._worker.kill()
            self._worker = None
        self.ready = None
        self._is_warming = False

    def abandon(self) -> None:
        """End the child and forget every request: the callers will ask again."""
        self.stop()
        for requests in (self._waiting, self._suspects, self._held, self._answers):
            requests.clear()

    def _start(self, now: float) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir()
        self._worker = self._spawner.start(self._module, self._spec, self.scratch, self._log)
        self._last_used_at = now
        self._has_answered = False
        self._is_hung = False

    def _send(self, now: float) -> None:
        assert self._worker is not None  # only called with a child
        # A suspect is sent alone. If the child dies again, this request is to blame.
        if self._suspects:
            if not self._held:
                self._hand_over(self._suspects.popleft(), now)
        else:
            while self._waiting:
                self._hand_over(self._waiting.popleft(), now)
        self._worker.flush()

    def _hand_over(self, request: _Request, now: float) -> None:
        assert self._worker is not None  # only called with a child
        if not self._held:
            self._oldest_asked_at = now
        request.asked_at = now
        self._held[self._next_id] = request
        self._worker.send({"id": self._next_id, **request.message})
        self._next_id += 1
        self._last_used_at = now

    def _read(self, now: float) -> None:
        assert self._worker is not None  # only called with a child
        for event in self._worker.read_events():
            if event.get("event") in {"ready", "phase"}:
                self._note_start(event, now)
            elif event.get("event") == "note":
                level: Literal["info", "warning"]
                level = "info" if event.get("level") == "info" else "warning"
                self.notes.append(Note(level, str(event.get("message", ""))))
            elif event.get("event") == "heartbeat":
                self._oldest_asked_at = now
            elif event.get("event") == "width":
                self.width = max(1, int(event["times"]))
            elif event.get("event") == "progress":
                self._note_step(event, now)
            elif event.get("id") in self._held:
                request = self._held.pop(int(event["id"]))
                self._answers.append(Answer(request.token, event))
                self._has_answered = True
                self._failures = 0
                self.trouble = ""
                self._last_used_at = self._oldest_asked_at = now

    def _note_start(self, event: Mapping[str, Any], now: float) -> None:
        self._oldest_asked_at = now
        for request in self._held.values():  # it has waited for a machine, or for the model
            request.asked_at = now
        self.phase = str(event.get("phase", ""))
        if event.get("event") != "ready":
            return
        self.ready = event
        if self._is_warming and not self.load:
            self._failures, self.trouble = 0, ""  # no answer will say that it works again
        self._is_warming = False

    def _note_step(self, event: Mapping[str, Any], now: float) -> None:
        self._oldest_asked_at = now
        number = event.get("id")
        if number in self._held:
            step = Step(self._held[number].token, int(event["done"]), int(event["of"]))
            self._step = (number, step)
        for request in self._held.values():  # all the others may have been waiting for this one
            request.asked_at = now

    def _bury(self, now: float) -> None:
        assert self._worker is not None  # only called with a child
        code = self._worker.poll() or 0
        error = self._error()
        why = self._why(error)
        is_away = error.get("kind") == CLUSTER  # then neither a request nor the child is to blame
        worked = (self.ready is not None or self._has_answered) and not is_away
        if is_away:
            said = (why, "") if self._is_hung else (error["message"], error["advice"])
            self._spawner.note_away(*said)
        self._worker.kill()
        self._worker = None
        self.ready = None
        self._share_blame(code, why, worked=worked)
        if worked or why != self.trouble:  # a start is tried for ever, but reported once
            told = why if is_away else f"a child {why}; another takes its place"
            self.notes.append(Note("warning", told))
        if not worked and (self.load or not is_away):  # with nothing to do, a cluster is not missed
            self.trouble = why
        self._failures += 1
        self._is_warming = self._is_warming and self._failures < STUCK_AFTER
        self._retry_at = now + backoff.wait_s(self._failures, FIRST_BACKOFF_S, LONGEST_BACKOFF_S)

    def _share_blame(self, code: int, why: str, *, worked: bool) -> None:
        """Decide what becomes of the requests that a dead child held."""
        held = list(self._held.values())
        self._held.clear()
        if not worked:
            self._waiting.extendleft(reversed(held))
            return
        if self._answers_in_order and held:
            # The child worked only on the first; it had not looked at the others.
            self._waiting.extendleft(reversed(held[1:]))
            held = held[:1]
            if reason := confinement.blame(code):
                self._answers.append(Answer(held[0].token, {"event": "crashed", "reason": reason}))
                return
        for request in held:
            request.deaths += 1
        if len(held) == 1 and held[0].deaths >= DEATHS_TO_BLAME:
            was_killed = code == -signal.SIGKILL and not self._is_hung
            reason = f"two workers ended while they had it: {why}"
            event = {"event": "failed" if was_killed else "crashed", "reason": reason}
            self._answers.append(Answer(held[0].token, event))
            return
        self._suspects.extend(held)

    def _error(self) -> Mapping[str, Any]:
        """Return the error that the child left, or nothing."""
        with contextlib.suppress(OSError, ValueError, PixdError):
            if error := read_result(self.scratch).error:
                return error
        return {}

    def _why(self, error: Mapping[str, Any]) -> str:
        """Say why the child ended, in its own words if it left any."""
        assert self._worker is not None  # only called with a child
        if self._is_hung:
            return f"did not answer within {self._answer_within_s:.0f} s and was ended"
        if error:
            advice = error["advice"]
            return f"{error['message']}: {advice}" if advice else error["message"]
        return self._worker.exit_text()
