"""The service: one level-triggered step for every pipeline, taken again and again.

`step(now)` compares folders and store and brings them closer; events and messages only
shorten the wait between steps. This process never imports TensorFlow, numpy or Pillow, and
it alone writes the store. Leaves to others: signals, reloading and the end (`pixd.lifecycle`),
and what readers are told (`pixd.heartbeat`).
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from typing import TYPE_CHECKING, Any

from pixd import inbox, lifecycle, operations, publishing, systemd, training
from pixd.control import ControlServer
from pixd.errors import PixdError
from pixd.heartbeat import Heartbeat, stale
from pixd.lifecycle import Signals
from pixd.pipeline import RECONFIGURED, Pipeline
from pixd.records import SCHEMA
from pixd.store.store import Store
from pixd.users import user_name
from pixd.warm import WarmWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pixd.config import PipelineSettings, Settings
    from pixd.intake import Intake
    from pixd.workers import Worker

LONGEST_WAIT_S = 5.0
SHORTEST_WAIT_S = 0.02
INSPECTOR_IDLE_S = 20.0
INSPECT_WITHIN_S = 300.0  # on the clock; processor time is bounded far below it


class Service:
    """Everything that runs while `pixd run` does."""

    def __init__(self, settings: Settings, say: Callable[[str, str, str], None]) -> None:
        """Take the lock, open the store and recover what a crash cut off.

        Args:
            settings: the checked configuration.
            say: told each event as (pipeline, level, message).

        Raises:
            StoreBusyError: another service holds the store.
            DeviceError: `device: gpu` and there is none.
        """
        lifecycle.prepare(settings)
        self.settings = settings
        self.store = Store(settings.store)
        self.store.listener = say
        self._wake_r, self._wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.signals = Signals(self.wake)
        self.heartbeat = Heartbeat(self.store.folder)
        self._config_trouble = ""
        training.recover(self.store)
        publishing.recover_outputs(self.store, {p.name: p.output for p in settings.pipelines})
        (self.store.folder / "logs").mkdir(exist_ok=True)
        self.control = ControlServer(self.store.folder, self._carry_out)
        self.inspector = WarmWorker(
            "pixd.inspector",
            {"schema": SCHEMA, "kind": "inspect"},
            self.store.scratch / "inspect",
            self.store.folder / "logs" / "inspect.log",
            idle_s=INSPECTOR_IDLE_S,
            answer_within_s=INSPECT_WITHIN_S,
            answers_in_order=True,
        )
        self.pipelines = [self._begin(pipeline) for pipeline in settings.pipelines]
        self.leaving: list[Pipeline] = []  # taken out of the configuration, not over yet

    def _begin(self, pipeline: PipelineSettings) -> Pipeline:
        publishing.clear_temporaries(pipeline.output)
        return Pipeline(self.store, self.settings, pipeline, self.inspector, self.wake)

    # -- the loop -----------------------------------------------------------------------

    def wake(self) -> None:
        """Shorten the present wait. Safe from any thread and from a signal handler."""
        # A full pipe means that a wake-up is on its way already.
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_w, b"\0")

    def step(self, now: float) -> None:
        """Bring the store, the folders and the children one step closer to one another."""
        if self.signals.has_asked_to_reload:
            self.signals.has_asked_to_reload = False
            self._reload(now)
        if self.signals.has_asked_to_scan:
            self.signals.has_asked_to_scan = False
            self.heartbeat.beat_soon()
            for intake in self._intakes():
                intake.scan_soon()
        may_start = not self.signals.stop
        self.control.step(now)
        for intake in self._intakes():
            intake.step(now)
        self._inspect(now)
        for pipeline in self.pipelines:
            another_trains = any(
                p.training.run for p in (*self.pipelines, *self.leaving) if p is not pipeline
            )
            pipeline.training.step(now, may_start=may_start and not another_trains)
        for pipeline in self.leaving:
            pipeline.follow(now)
        self.leaving = [pipeline for pipeline in self.leaving if not pipeline.is_over]
        inbox.take_in(self.store)
        for pipeline in self.pipelines:
            pipeline.translation.step(now, may_start=may_start)
        self._beat(now)

    def _inspect(self, now: float) -> None:
        self.inspector.step(now)
        for answer in self.inspector.collect():
            for pipeline in self.pipelines:
                if pipeline.name == answer.token[0]:
                    pipeline.dataset.hear(answer, now)
        for note in self.inspector.notes:
            self.store.note("", "warning", "inspector", note)
        self.inspector.notes.clear()

    def _beat(self, now: float) -> None:
        if not self.heartbeat.is_due(now):
            return
        self.heartbeat.beat(
            self.settings,
            self.pipelines,
            now,
            is_idle=self.is_idle(),
            stale=stale(self.pipelines, self.inspector, now),
            config_trouble=self._config_trouble,
        )
        states = ", ".join(f"{p.name}: {p.training.state}" for p in self.pipelines)
        systemd.notify(f"STATUS={states}")

    def _reload(self, now: float) -> None:
        """Take a changed configuration if it is sound; else keep the old one and say so."""
        systemd.notify_reloading()
        try:
            settings = lifecycle.changed_settings(self.settings)
        except PixdError as error:
            self._config_trouble = lifecycle.refusal_text(error)
            self.store.note("", "error", "config", self._config_trouble)
        else:
            self._config_trouble = ""
            self._take(settings, now)
        self.heartbeat.beat_soon()
        systemd.notify("READY=1")

    def _take(self, settings: Settings, now: float) -> None:
        """Go on under other settings: pipelines are added, changed and taken out."""
        old = {p.name: p for p in (*self.leaving, *self.pipelines)}
        present = {p.name for p in self.pipelines}
        changed = [p.name for p in settings.pipelines if p.name in present]
        changed = [n for n in changed if old[n].settings not in settings.pipelines]
        added = [p.name for p in settings.pipelines if p.name not in present]
        self.settings = settings
        self.pipelines = []
        for pipeline in settings.pipelines:
            known = old.pop(pipeline.name, None)
            if known is None:
                known = self._begin(pipeline)
            else:
                known.take(settings, pipeline)
            self.pipelines.append(known)
        removed = sorted(old.keys() & present)
        for name in removed:
            old[name].wind_up("its pipeline was taken out of the configuration", now)
        self.leaving = list(old.values())
        parts = (("new", added), ("changed", changed), ("taken out", removed))
        told = [f"{what}: {', '.join(names)}" for what, names in parts if names]
        said = f"{RECONFIGURED}; " + ("; ".join(told) or "no pipeline is touched")
        self.store.note("", "info", "config", said)

    def _carry_out(self, op: str, arguments: Mapping[str, Any], uid: int) -> dict[str, Any]:
        """Do what a command asks, between two steps, and take its consequences into account."""
        result = operations.perform(self.store, self.settings, op, arguments, user_name(uid))
        for intake in self._intakes():
            intake.reload()
        self.heartbeat.beat_soon()
        return result

    def run(self, *, once: bool = False, tick: Callable[[Service], None] | None = None) -> int:
        """Work until a signal says stop, or with `once` until nothing is due.

        Args:
            once: leave when idle.
            tick: called after each step, to draw progress.

        Returns:
            The exit code: with `once` 1 where something failed, else 0.
        """
        with self.signals.installed():
            self.step(time.monotonic())
            systemd.notify("READY=1")
            while not self.signals.stop:
                if tick:
                    tick(self)
                if once and self.is_idle():
                    break
                self._wait(time.monotonic())
                now = time.monotonic()
                self.step(now)
                if not stale(self.pipelines, self.inspector, now):
                    systemd.notify("WATCHDOG=1")
            has_failures = self._has_failures()
            # The end that was not asked for is the same one; a signal during it means at once.
            self.signals.stop = self.signals.stop or "done"
            lifecycle.shut_down(self, tick)
            os.close(self._wake_r)
            os.close(self._wake_w)
        return int(once and has_failures)

    def is_idle(self) -> bool:
        """Tell whether nothing is under way and nothing will begin without a change from outside."""
        if self.inspector.load or not all(i.is_calm or i.held for i in self._intakes()):
            return False
        for pipeline in self.pipelines:
            if pipeline.training.state in {"running", "waiting"}:
                return False
            if pipeline.translation.is_stuck:  # it is tried for ever, and waited for by nobody
                continue
            if pipeline.translation.is_busy:
                return False
            head = self.store.history.head(pipeline.training_folder.repo_id)
            if head is not None and pipeline.dataset.plan is None:
                return False
            counts = self.store.working.counts(pipeline.input_folder.repo_id)
            has_live = self.store.models.live(pipeline.name) is not None
            if has_live and counts.get("queued") and not pipeline.translation.blocked:
                return False
        return True

    def _has_failures(self) -> bool:
        return any(
            p.training.state == "failed"
            or p.translation.is_stuck
            or self.store.working.counts(p.input_folder.repo_id).get("failed")
            for p in self.pipelines
        )

    def _intakes(self) -> Iterator[Intake]:
        for pipeline in self.pipelines:
            yield from pipeline.intakes

    def workers(self) -> Iterator[Worker]:
        """Yield every child."""
        if self.inspector.worker is not None:
            yield self.inspector.worker
        for pipeline in (*self.pipelines, *self.leaving):
            yield from pipeline.workers()

    def _wait(self, now: float) -> None:
        times = [now + LONGEST_WAIT_S, self.inspector.next_at(now), self.heartbeat.next_at]
        times += [intake.next_at() for intake in self._intakes()]
        for pipeline in self.pipelines:
            times += [pipeline.training.next_at(now), pipeline.translation.next_at(now)]
        poll = select.poll()
        poll.register(self._wake_r, select.POLLIN)
        for descriptor in self.control.filenos():
            poll.register(descriptor, select.POLLIN)
        if self.control.is_answering:
            times.append(now + SHORTEST_WAIT_S)
        for worker in self.workers():
            poll.register(worker.fileno(), select.POLLIN)
            if worker.wants_write():
                # Its standard input is full; look again soon rather than track two descriptors.
                times.append(now + SHORTEST_WAIT_S)
        wait_s = max(SHORTEST_WAIT_S, min(times) - now)
        poll.poll(wait_s * 1000)
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake_r, 4096):
                pass
