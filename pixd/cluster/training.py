"""The bridge of a training: the trainer runs on a host, and what it makes comes home.

If the host is lost, the training goes on from the last checkpoint that came home, on another machine
that has room; nobody is blamed, and the service sees one training.
"""

from __future__ import annotations

import dataclasses
import queue
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pixd.cluster import homing
from pixd.cluster.carrier import LostError, RefusedError, SilentError
from pixd.cluster.contact import Finder, Host, Listener, say_goodbye
from pixd.cluster.homing import Homing
from pixd.cluster.objects import DamagedObjectError
from pixd.cluster.transfer import Fetched, Sent, Transfer, in_folder
from pixd.store.engine_beat import DAMAGED
from pixd.system import backoff
from pixd.system.children.spec import (
    Result,
    TrainSpec,
    result_from_json,
    result_to_json,
    to_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pixd.cluster.order import Order
    from pixd.system.children.child import Events, StopFlag

LOOK_EVERY_S: Final = 0.25
FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 60.0
DAMAGES_TO_FAIL: Final = 3
LIVE, ORIGIN, OBJECTS, EVENTS, PREVIEW = "live", "origin", "objects", "events", "preview"
"""Names of folders in the attempt's folder."""


class TrainingBridge:
    """One training on a cluster, over as many hosts as it loses."""

    def __init__(self, order: Order, finder: Finder, events: Events, stop: StopFlag) -> None:
        """Carry out `order` with hosts of `finder`; `stop` is set when the service wants an end."""
        assert isinstance(order.spec, TrainSpec)  # the order of a training
        self._order, self._spec = order, order.spec
        self._finder, self._roster = finder, finder.roster
        self._events, self._stop = events, stop
        self._homing = Homing(Path(order.spec.checkpoints))
        self._checkpoint: Mapping[str, Any] | None = None  # of which the service does not know yet
        self._is_told_to_end = False
        self._step = 0  # that the training has come to

    def run(self) -> Result:
        """Train to the end; return the result, whose files are in scratch.

        Raises:
            Interrupted: the service wants an end, and there was nothing to keep.
            ClusterError: the cluster is away.
            OSError: nothing can be written here.
        """
        losses = 0
        while True:
            step_before = self._homing.step
            host: Host | None = None
            try:
                self._events.phase("asking the cluster for a machine")
                host = self._finder.find(self._wait)
                return self._train_on(host)
            except (LostError, DamagedObjectError) as error:
                losses = 1 if self._homing.step > step_before else losses + 1
                if isinstance(error, DamagedObjectError) and losses >= DAMAGES_TO_FAIL:
                    raise  # then it is not the network: something here is not what was recorded
                self._give_up(host, error)
            self._pause(backoff.wait_s(losses, FIRST_WAIT_S, LONGEST_WAIT_S))

    def _give_up(self, host: Host | None, error: Exception) -> None:
        self._is_told_to_end = False
        where = "a machine"
        if host is not None:
            where = host.name
            why = error.why if isinstance(error, LostError) else DAMAGED
            self._roster.report.steps_again += max(0, self._step - self._homing.step)
            self._step = self._homing.step
            self._roster.note_lost(host.attempt, host.id, why)
            host.link.kill()
        step = self._homing.step
        since = f"from step {step:,}" if step else "from the beginning"
        self._events.send(
            "note", message=f"{where} was lost ({error}): it goes on {since} elsewhere"
        )

    # -- waiting --------------------------------------------------------------------------

    def _wait(self, said: str) -> None:
        """Say what is waited for, and end if the service wants that: nothing runs yet."""
        self._stop.check()
        if said:
            self._events.phase(said)
        self._events.beat()

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._wait("")
            time.sleep(LOOK_EVERY_S)

    # -- one attempt ----------------------------------------------------------------------

    def _train_on(self, host: Host) -> Result:
        transfer = self._transfer(host, lambda: self._wait(""))
        self._events.phase(f"sending what is needed to {host.name}")
        spec = self._send(transfer, Path(host.work))
        order = {"module": self._order.module, "spec": to_json(spec), "nice": self._order.nice}
        transfer.call("start", order)
        inbox: queue.Queue[tuple[Any, Any]] = queue.Queue()
        listener = Listener(host, inbox, None)
        listener.start()
        self._roster.note_up(host.attempt, host.id, lambda: listener.heard_at)

        # From here on an end is asked of the child, which writes a checkpoint first.
        def beat() -> None:
            self._check_heard(host, max(listener.heard_at, transfer.answered_at))
            self._events.beat()

        transfer = self._transfer(host, beat)
        while True:
            group = self._next_group(host, transfer, listener, inbox)
            if group is None:
                continue
            for event in group["events"]:
                if event["event"] == "ended":
                    result = self._bring_home(host, transfer, event)
                    say_goodbye(host)
                    return result
                self._relay(host, transfer, event)
            if self._checkpoint and self._homing.may_fetch(time.monotonic()):
                self._fetch_checkpoints(transfer)

    def _transfer(self, host: Host, beat: Callable[[], object]) -> Transfer:
        report, silent_s = self._roster.report, self._order.silent_s
        return Transfer(host.link, host.attempt, report, beat, silent_s=silent_s)

    def _check_heard(self, host: Host, heard_at: float) -> None:
        """Raise SilentError if the host was last heard too long ago (monotonic seconds)."""
        if time.monotonic() - heard_at > self._order.silent_s:
            raise SilentError.of(host.name, self._order.silent_s)

    def _next_group(
        self,
        host: Host,
        transfer: Transfer,
        listener: Listener,
        inbox: queue.Queue[tuple[Any, Any]],
    ) -> Mapping[str, Any] | None:
        if self._stop.is_set and not self._is_told_to_end:
            self._is_told_to_end = True
            transfer.call("terminate", within_s=self._order.silent_s)
        try:
            _, group = inbox.get(timeout=LOOK_EVERY_S)
        except queue.Empty:
            # No beat: if the trainer hangs and its host does not, the service must notice.
            self._check_heard(host, listener.heard_at)
            return None
        if isinstance(group, Exception):
            raise group
        found: Mapping[str, Any] = group
        return found

    def _send(self, transfer: Transfer, work: Path) -> TrainSpec:
        """Send what the run spec names; return the spec for the machine of `work`."""
        spec = self._spec
        pairs = [*spec.train, *spec.held_out]
        images = {
            digest: Sent(Path(path), digest, f"{OBJECTS}/{digest.removeprefix('sha256:')}")
            for pair in pairs
            for path, digest in zip(pair["images"], pair["digests"], strict=True)
        }
        transfer.send(list(images.values()))
        there: dict[str, Any] = {
            side: [
                {**pair, "images": [str(work / images[digest].place) for digest in pair["digests"]]}
                for pair in getattr(spec, side)
            ]
            for side in ("train", "held_out")
        }
        transfer.send(in_folder(Path(spec.checkpoints), homing.FOLDER), is_copied=True)
        there["checkpoints"] = str(work / homing.FOLDER)
        if spec.live_model:
            transfer.send(in_folder(Path(spec.live_model["folder"]), LIVE))
            there["live_model"] = {**spec.live_model, "folder": str(work / LIVE)}
        if spec.warm_start:
            transfer.send(in_folder(Path(spec.warm_start["checkpoints"]), ORIGIN))
            there["warm_start"] = {**spec.warm_start, "checkpoints": str(work / ORIGIN)}
        if spec.preview:
            there["preview"] = str(work / PREVIEW / Path(spec.preview).name)
        if spec.event_files:
            pipeline, run = Path(spec.event_files).parts[-2:]
            there["event_files"] = str(work / EVENTS / pipeline / run)
        return dataclasses.replace(spec, scratch=str(work / "scratch"), **there)

    # -- what comes back ------------------------------------------------------------------

    def _relay(self, host: Host, transfer: Transfer, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "checkpoint":
            self._checkpoint = event  # the service hears of it when it is here
            return
        if kind == "progress":
            self._step = int(event.get("step", 0))
        if kind == "preview" and "path" in event and self._spec.preview:
            for sheet in transfer.files(PREVIEW, is_held=True):  # it is drawn anew meanwhile
                transfer.fetch(sheet, Path(self._spec.preview))
            event = {**event, "path": self._spec.preview}
        elif kind == "early" and event.get("result"):
            result = result_from_json(event["result"])
            self._fetch_outputs(transfer, result)
            result = _on(result, host)
            event = {**event, "result": result_to_json(result)}
        elif kind == "phase" and event.get("phase") == "training":
            event = {**event, "phase": f"training on {host.name}"}
        self._events.answer(event, ())

    def _fetch_checkpoints(self, transfer: Transfer) -> None:
        assert self._checkpoint is not None  # only called with one
        told, self._checkpoint = self._checkpoint, None
        self._homing.fetch(transfer)
        self._fetch_event_files(transfer)
        self._events.answer(told, ())

    def _fetch_event_files(self, transfer: Transfer) -> None:
        """Bring TensorBoard's files, which only grow; they are no part of what is trained."""
        if not self._spec.event_files:
            return
        above = Path(self._spec.event_files).parent.parent
        for file in transfer.files(EVENTS):
            transfer.append(file, above / file.name)

    def _bring_home(self, host: Host, transfer: Transfer, event: Mapping[str, Any]) -> Result:
        document = event.get("result")
        if event["refused"]:
            if self._checkpoint:
                self._fetch_checkpoints(transfer)
            raise RefusedError(f"its machine refuses: {event['refused']}")
        if document is None:
            message = f"the trainer on {host.name} ended without a result: {event.get('how')}"
            return Result(
                run_id=self._spec.run_id,
                state="failed",
                error={"kind": "died", "message": message, "advice": ""},
            )
        result = result_from_json(document)
        self._checkpoint = self._checkpoint or {"event": "heartbeat"}
        self._fetch_checkpoints(transfer)
        self._fetch_outputs(transfer, result)
        return _on(result, host)

    def _fetch_outputs(self, transfer: Transfer, result: Result) -> None:
        for output in result.outputs:
            target = self._order.scratch / output["path"]
            if not target.resolve().is_relative_to(self._order.scratch.resolve()):
                raise DamagedObjectError(f"an output outside of its folder: {output['path']}")
            file = Fetched(
                output["path"], f"scratch/{output['path']}", output["size"], output["sha256"]
            )
            transfer.fetch(file, target)


def _on(result: Result, host: Host) -> Result:
    """Return a result whose environment names the machine."""
    if not result.environment:
        return result
    return dataclasses.replace(result, environment={**result.environment, "node": host.name})
