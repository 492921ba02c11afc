"""The service: one level-triggered step for every pipeline, taken again and again.

`step(now)` compares folders and store and brings them closer; events and messages only
shorten the wait between steps. This process never imports TensorFlow, numpy or Pillow, and
it alone writes the store. Leaves to others: signals, reloading and the end (`pixd.service.reload`),
and what readers are told (`pixd.service.heartbeat`).
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

from pixd.service import operations, recovery, reload
from pixd.service.control import ControlServer
from pixd.service.heartbeat import Heartbeat, stale
from pixd.service.metrics_file import MetricsFile
from pixd.service.pipeline import RECONFIGURED, Pipeline
from pixd.service.signals import Signals
from pixd.store.events import Event
from pixd.store.store import Store
from pixd.system import disk, systemd
from pixd.system.clock import utc_now
from pixd.system.errors import PixdError, StoreError
from pixd.system.users import user_name
from pixd.training.dataset.inspector import inspector
from pixd.translation import inbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pixd.config import PipelineSettings, Settings
    from pixd.folders.intake import Intake
    from pixd.system.children.worker import Worker

LONGEST_WAIT_S = 5.0
SHORTEST_WAIT_S = 0.005
INSPECTOR_IDLE_S = 20.0
INSPECT_WITHIN_S = 300.0  # on the clock; processor time is bounded far below it
ONCE_PATIENCE_S = 60.0  # how long `pixd run --once` waits for a disk that refuses


class Service:
    """Everything that runs while `pixd run` does."""

    def __init__(self, settings: Settings, say: Callable[[Event], None]) -> None:
        """Take the lock, open the store and recover what a crash cut off.

        Args:
            settings: the checked configuration.
            say: told each event.

        Raises:
            StoreBusyError: another service holds the store.
            DeviceError: `device: gpu` and there is none.
            StoreError: the store is damaged, or its disk refuses.
        """
        reload.check_device(settings)
        self.settings = settings
        self._say = say
        self._blockage = disk.Blockage()
        try:
            self._open()
        except Exception as error:
            if why := disk.refusal(error):
                raise StoreError(
                    f"the store {settings.store} cannot be opened: {why}",
                    advice="free some space or mend the disk, then start again",
                ) from error
            raise

    def _open(self) -> None:
        self.store = Store(self.settings.store)
        self.store.listener = self._say
        reload.make_folders(self.settings, self.store)
        self._wake_r, self._wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.signals = Signals(self.wake)
        self.heartbeat = Heartbeat(self.store.folder)
        self.metrics_file = MetricsFile()
        self._config_trouble = ""
        self._told: list[tuple[str, str]] = []
        recovery.give_up_runs(self.store, "the service ended")
        recovery.settle_outputs(self.store, self._outputs())
        recovery.clear_leftovers(self.store, self._outputs().values())
        (self.store.folder / "logs").mkdir(exist_ok=True)
        self.control = ControlServer(self.store.folder, self._carry_out)
        self.inspector = inspector(
            self.store.scratch / "inspect",
            self.store.folder / "logs" / "inspect.log",
            idle_s=INSPECTOR_IDLE_S,
            answer_within_s=INSPECT_WITHIN_S,
        )
        self.pipelines = [self._begin(pipeline) for pipeline in self.settings.pipelines]
        self.leaving: list[Pipeline] = []  # taken out of the configuration, not over yet

    def _begin(self, pipeline: PipelineSettings) -> Pipeline:
        return Pipeline(self.store, self.settings, pipeline, self.inspector, self.wake)

    def _outputs(self) -> dict[str, Path]:
        return {pipeline.name: pipeline.output for pipeline in self.settings.pipelines}

    # -- the loop -----------------------------------------------------------------------

    def wake(self) -> None:
        """Shorten the present wait. Safe from any thread and from a signal handler."""
        # A full pipe means that a wake-up is on its way already.
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_w, b"\0")

    def step(self, now: float) -> None:
        """Bring the store, the folders and the children one step closer to one another.

        What a disk refuses on the way ends nothing. The service is blocked then, says why, and
        tries again, 1 s later and at last every 30 s; what the error cut off is forgotten first
        and found again in the store, as after a crash. Commands are answered all the while (in
        `_wait`): one of them may free the space that is missing.

        Raises:
            StoreError: the database is damaged.
        """
        if now >= self._blockage.retry_at:
            try:
                self._go_on(now)
                self._work(now)
                self._beat(now)
            except Exception as error:
                if not self._is_blocked_by(error, now):
                    raise
        if self._blockage:
            self._beat(now)
        if why := self.metrics_file.step(self.settings, self.pipelines, self.heartbeat, now):
            # Told and not noted: the store may be what refuses.
            self._say(Event(utc_now(), "warning", "", "metrics", "", why))
            self.heartbeat.beat_soon()

    def _is_blocked_by(self, error: Exception, now: float) -> bool:
        """Tell whether a disk is to blame for an error, and if so wait for it.

        Raises:
            StoreError: the database is damaged: there is nothing to wait for.
        """
        if damage := disk.damage(error):
            raise StoreError(
                f"the database in {self.store.folder} is damaged: {damage}",
                advice="`pixd verify` says how far; bring lineage.db back from a backup",
            ) from error
        why = disk.refusal(error)
        if why and self._blockage.add(why, now):
            self.heartbeat.beat_soon()
            self.warn(f"blocked: {why}")
        return bool(why)

    def warn(self, message: str) -> None:
        """Tell of a disk that refuses: told and not noted, for the notes are on such a disk."""
        self._say(Event(utc_now(), "warning", "", "blocked", "", message))

    def _go_on(self, now: float) -> None:
        """After an error: forget what it cut off, take up what the store says, and say so."""
        if not self._blockage:
            return
        self.store.forget_unfinished()
        self.inspector.abandon()
        for pipeline in self.pipelines:
            pipeline.recover()
        runs = [p.training.run for p in (*self.pipelines, *self.leaving)]
        alive = [run.run_id for run in runs if run]
        recovery.give_up_runs(self.store, "the store's disk failed", alive)
        recovery.settle_outputs(self.store, self._outputs())
        lasted_s = now - self._blockage.since
        told = f"went on after {lasted_s:.0f} s of being blocked: {self._blockage.reason}"
        self.store.note("", "warning", "blocked", told)
        self._blockage.clear()

    def _work(self, now: float) -> None:
        if self.signals.has_asked_to_reload:
            self.signals.has_asked_to_reload = False
            self._reload(now)
        if self.signals.has_asked_to_scan:
            self.signals.has_asked_to_scan = False
            self.heartbeat.beat_soon()
            for intake in self._intakes():
                intake.scan_soon()
        may_start = not self.signals.stop
        for intake in self._intakes():
            intake.step(now)
        self._inspect(now)
        for pipeline in self.pipelines:
            another_trains = any(
                p.training.run for p in (*self.pipelines, *self.leaving) if p is not pipeline
            )
            may_train = may_start and pipeline.may_train and not another_trains
            pipeline.training.step(now, may_start=may_train)
        for pipeline in self.leaving:
            pipeline.follow(now)
        self.leaving = [pipeline for pipeline in self.leaving if not pipeline.is_over]
        inbox.take_in(self.store)
        for pipeline in self.pipelines:
            pipeline.withdraw_leftovers()
            pipeline.translation.step(now, may_start=may_start and pipeline.may_start)

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
        watched = [(intake.held, intake.watch_kind) for intake in self._intakes()]
        if not self.heartbeat.is_due(now) and watched == self._told:
            return
        self._told = watched  # what went on hold is told at once
        try:
            self.heartbeat.beat(
                self.settings,
                self.pipelines,
                now,
                is_idle=not self._blockage and self.is_idle(),
                stale=stale(self.pipelines, self.inspector, now),
                config_trouble=self._config_trouble,
                blocked=self._blockage.reason,
                metrics_trouble=self.metrics_file.trouble,
                heights={} if self._blockage else self.store.heights(),
            )
        except OSError as error:
            # Then `status` says that the service has not stirred; there is no other way to tell.
            if not (self._blockage and disk.refusal(error)):
                raise
        systemd.notify(f"STATUS={systemd.status_line(self.heartbeat.last)}")

    def _reload(self, now: float) -> None:
        """Take a changed configuration if it is sound; else keep the old one and say so."""
        systemd.notify_reloading()
        try:
            settings = reload.changed_settings(self.settings, self.store)
        except PixdError as error:
            self._config_trouble = reload.refusal_text(error)
            told = f"the changed configuration is not in force: {self._config_trouble}"
            self.store.note("", "error", "config", told)
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
        now = time.monotonic()
        try:
            self._go_on(now)
            result = operations.perform(self.store, self.settings, op, arguments, user_name(uid))
        except Exception as error:
            if self._is_blocked_by(error, now):
                raise StoreError(
                    f"the store refuses: {disk.refusal(error)}",
                    advice="free some space or mend the disk; `pixd log` says whether it was done",
                ) from error
            raise
        for pipeline in self.pipelines:
            pipeline.reload()
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
                if once and self._is_finished(time.monotonic()):
                    break
                self._wait(time.monotonic())
                now = time.monotonic()
                self.step(now)
                # A disk that refuses is waited for, and a restart would not mend it.
                if self._blockage or not stale(self.pipelines, self.inspector, now):
                    systemd.notify("WATCHDOG=1")
            has_failures = once and self._has_failures()
            # The end that was not asked for is the same one; a signal during it means at once.
            self.signals.stop = self.signals.stop or "done"
            reload.shut_down(self, tick)
            os.close(self._wake_r)
            os.close(self._wake_w)
        return int(has_failures)

    def _is_finished(self, now: float) -> bool:
        """Tell whether a run with `once` is over: idle, or blocked for longer than it waits."""
        if self._blockage:
            return now - self._blockage.since > ONCE_PATIENCE_S
        try:
            return self.is_idle()
        except Exception as error:
            if self._is_blocked_by(error, now):
                return False
            raise

    def is_idle(self) -> bool:
        """Tell whether nothing is under way and nothing will begin without a change from outside."""
        return not self.inspector.load and all(pipeline.is_idle() for pipeline in self.pipelines)

    def _has_failures(self) -> bool:
        return bool(self._blockage) or any(pipeline.has_failures() for pipeline in self.pipelines)

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
        """Wait until something is due, a folder changed, a child spoke, or a command was obeyed."""
        # While the store refuses nobody listens to the children: what they said would be lost.
        workers = () if self._blockage else self.workers()
        others = [self._wake_r, *(worker.fileno() for worker in workers)]
        self.control.serve(max(now + SHORTEST_WAIT_S, self._next_at(now)), others)
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake_r, 4096):
                pass

    def _next_at(self, now: float) -> float:
        times = [now + LONGEST_WAIT_S, self.heartbeat.next_at, self.metrics_file.next_at]
        if self._blockage:
            return min(*times, self._blockage.retry_at)
        times.append(self.inspector.next_at(now))
        times += [intake.next_at() for intake in self._intakes()]
        for pipeline in self.pipelines:
            times += [pipeline.training.next_at(now), pipeline.translation.next_at(now)]
        if any(worker.wants_write() for worker in self.workers()):
            # Its standard input is full; look again soon rather than track two descriptors.
            times.append(now + SHORTEST_WAIT_S)
        return min(times)
