"""The threads of a host: each starts a child, follows it, and queues what it says.

The kernel ends a child when the *thread* that started it ends, so the thread stays for as long as the
host does. It has to be one that no pool takes back.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pixd.system import disk
from pixd.system.children.spawner import LocalSpawner
from pixd.system.children.spec import (
    RESULT_FILE,
    TrainSpec,
    TranslateSpec,
    from_json,
)
from pixd.system.children.warm_worker import WarmWorker
from pixd.system.digests import digest_of
from pixd.system.errors import in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixd.system.children.spec import Spec

    Told = list[tuple[dict[str, Any], list[bytes] | None]]

LOOK_EVERY_S: Final = 0.5
GROUP_IMAGES: Final = 16
GROUP_BYTES: Final = 2 << 20
GROUP_S: Final = 0.5
"""Answers travel together: one alone costs several times as much (measured with Ray 2.60)."""
FOREVER_S: Final = 1e9
ANSWER_WITHIN_S: Final = 180.0


class _ChildThread(threading.Thread):
    """Follows one child.

    Attributes:
        told: what it says, in groups; the last event of all is ``ended``.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.told: queue.Queue[Told] = queue.Queue()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._is_killed = False

    def kill(self) -> None:
        """End the child at once."""
        self._is_killed = True
        self._wake()
        self.join(LOOK_EVERY_S * 10)

    def _end(
        self, how: str, result: Mapping[str, Any] | None, error: Exception | None = None
    ) -> None:
        """Tell that nothing more comes, how the child ended, and what it left or this thread met."""
        refused = disk.refusal(error) if error else ""
        if result and (result.get("error") or {}).get("kind") == "disk":
            refused = str(result["error"].get("message"))
        event = {"event": "ended", "how": how, "result": result, "refused": refused}
        self.told.put([(event, None)])

    def _wake(self) -> None:
        os.eventfd_write(self._wake_fd, 1)

    def _wait(self, fds: list[int], seconds: float) -> None:
        """Wait for one of the descriptors, for `_wake`, or for the time."""
        select.select([*fds, self._wake_fd], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake_fd)


class TrainerThread(_ChildThread):
    """Follows a child with one task. What it says goes to `told`."""

    def __init__(self, work: Path, order: Mapping[str, Any]) -> None:
        """Prepare the child of `order` in the attempt's folder `work`."""
        super().__init__("trainer")
        self._work, self._order = work, order
        self._is_asked_to_end = False

    def run(self) -> None:
        """Start the child and follow it to its end."""
        try:
            self._follow()
        except Exception as error:  # noqa: BLE001 - a thread's last resort: the bridge is told
            self._end(f"cannot be started: {error}", None, error)

    def _follow(self) -> None:
        spec: Spec = from_json(dict(self._order["spec"]), TrainSpec)
        scratch = self._work / "scratch"
        worker = LocalSpawner().start(
            self._order["module"], spec, scratch, self._work / "log", nice=self._order["nice"]
        )
        was_asked = False
        while True:
            is_over = worker.poll() is not None
            if events := worker.read_events():
                self.told.put([(event, None) for event in events])
            if is_over:
                break
            if self._is_killed:
                worker.kill()
            elif self._is_asked_to_end and not was_asked:
                was_asked = True
                worker.terminate()
            self._wait([worker.fileno()], LOOK_EVERY_S)
        try:
            result = json.loads((scratch / RESULT_FILE).read_bytes())
        except (OSError, ValueError):
            result = None
        self._end(worker.exit_text(), result)
        worker.close()

    def terminate(self) -> None:
        """Ask the child to write a checkpoint and end."""
        self._is_asked_to_end = True
        self._wake()


class TranslatorThread(_ChildThread):
    """Keeps a translator warm, as the service does; each answer goes to `told` with its images.

    A child that dies is replaced here, and the one image that kills it is found here too
    (`pixd.system.children.warm_worker`). So the loss of a machine never blames an image.
    """

    def __init__(self, work: Path, order: Mapping[str, Any]) -> None:
        """Prepare the child of `order` in the attempt's folder `work`."""
        super().__init__("translator")
        self._order = order
        self._asked: queue.SimpleQueue[list[dict[str, Any]]] = queue.SimpleQueue()
        self._group: Told = []
        self._group_bytes = 0
        self._group_at = 0.0
        self._said: dict[str, Any] = {}
        self._progress: dict[str, Any] = {}
        self._worker = WarmWorker(
            order["module"],
            from_json(dict(order["spec"]), TranslateSpec),
            work / "scratch",
            work / "log",
            spawner=LocalSpawner(),
            idle_s=FOREVER_S,  # the host ends when it is idle, and the child with it
            answer_within_s=ANSWER_WITHIN_S,
        )

    def ask(self, work: Path, requests: list[dict[str, Any]], images: list[bytes]) -> None:
        """Take requests with the bytes of their images; what they name is inside `work`.

        Raises:
            OSError: they cannot be written.
        """
        for folder in ("in", "out"):
            (work / folder).mkdir(exist_ok=True)
        for request, data in zip(requests, images, strict=True):
            request["image"] = str(work / "in" / f"{request['number']}")
            (work / "in" / f"{request['number']}").write_bytes(data)
            for at, wanted in enumerate(request["message"].get("samples") or [request["message"]]):
                wanted["out"] = str(work / "out" / f"{request['number']}.{at}.png")
        self._asked.put(requests)
        self._wake()

    def run(self) -> None:
        """Answer until the host ends, or its machine refuses."""
        try:
            self._answer()
        except Exception as error:  # noqa: BLE001 - a thread's last resort: the bridge is told
            self._end(f"its work failed: {in_words(error)}", None, error)
        else:
            self._end("it was ended", None)
        self._worker.stop()

    def _answer(self) -> None:
        worker = self._worker
        worker.warm()
        while not self._is_killed:
            now = time.monotonic()
            with contextlib.suppress(queue.Empty):
                while True:
                    for request in self._asked.get_nowait():
                        worker.submit(request, {**request["message"], "image": request["image"]})
            worker.step(now)
            self._tell(now)
            until = self._group_at + GROUP_S if self._group else worker.next_at(now)
            fds = [worker.worker.fileno()] if worker.worker else []
            self._wait(fds, max(0.005, min(until - now, LOOK_EVERY_S)))

    def terminate(self) -> None:
        """End the child: it holds nothing that is worth waiting for."""
        self.kill()

    def _tell(self, now: float) -> None:
        worker = self._worker
        for note in worker.notes:
            self.told.put([({"event": "note", "level": note.level, "message": note.message}, None)])
        worker.notes.clear()
        state = {"phase": worker.phase, "trouble": worker.trouble, "ready": worker.ready}
        if state != self._said:
            self._said = state
            self.told.put([({"event": "state", **state}, None)])
        for answer in worker.collect():
            if not self._group:
                self._group_at = now
            self._group.append(_with_images(answer.token, dict(answer.event)))
            self._group_bytes += sum(map(len, self._group[-1][1] or []))
        is_full = len(self._group) >= group_for(worker.load) or self._group_bytes >= GROUP_BYTES
        if self._group and (is_full or now - self._group_at >= GROUP_S):
            self.told.put(self._group)
            self._group, self._group_bytes = [], 0
        if step := worker.step_made:
            told = {"number": step.token["number"], "done": step.done, "of": step.of}
            if told != self._progress:
                self._progress = told
                self.told.put([({"event": "progress", **told}, None)])


def group_for(left: int) -> int:
    """Return how many answers travel together while so many images are still to be made.

    While many are, each waits for many in any case. The last ones, and a lone one, wait for no other.
    """
    return max(1, min(left // 4, GROUP_IMAGES))


def _with_images(
    request: Mapping[str, Any], event: dict[str, Any]
) -> tuple[dict[str, Any], list[bytes]]:
    """Return an answer and the bytes of the images that were made; then nothing of it is kept here."""
    data: list[bytes] = []
    outs = [one["out"] for one in request["message"].get("samples") or [request["message"]]]
    if event["event"] == "done":
        made = event.get("samples") or [event]
        try:
            data = [Path(out).read_bytes() for out in outs]
        except OSError as error:
            event = {"event": "failed", "kind": "disk", "reason": f"its output is gone: {error}"}
        else:
            if [digest_of(one) for one in data] != [one.get("sha256") for one in made]:
                data, event = [], {"event": "failed", "reason": "the output changed on its disk"}
    for path in (*outs, request["image"]):
        Path(path).unlink(missing_ok=True)
    event["number"] = request["number"]
    event.pop("id", None)
    return event, data
