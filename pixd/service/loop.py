"""The service: one level-triggered step for every pipeline, taken again and again.

`step(now)` compares folders and store and brings them closer. Events and messages only shorten
the wait between steps. This process never imports TensorFlow, numpy or Pillow, and no other
process writes the store. Leaves to others: the pipelines (`pixd.service.pipelines`), signals,
taking a changed configuration (`pixd.service.reload`), what readers see (`pixd.service.heartbeat`).
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from pixd.config import refusals
from pixd.service import operations, recovery, reload, waiting
from pixd.service.control import ControlServer
from pixd.service.engine import spawner_of
from pixd.service.heartbeat import HEARTBEAT_S, HeartbeatFile, Troubles
from pixd.service.metrics_file import MetricsFile
from pixd.service.pipelines import Pipelines
from pixd.service.signals import Signals
from pixd.service.status_line import status_line
from pixd.store import place, reserve
from pixd.store.events import Event
from pixd.store.opening import open_store
from pixd.system import disk, systemd
from pixd.system.clock import utc_now
from pixd.system.errors import PixdError, StoreError
from pixd.system.users import user_name
from pixd.translation import inbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pixd.config import Settings

LONGEST_WAIT_S = 5.0
SHORTEST_WAIT_S = 0.005
ONCE_PATIENCE_S = 60.0  # how long `pixd run --once` waits for a disk that refuses
STOP_WITHIN_S = 30.0
"""A trainer needs time for one step and one checkpoint before it ends. One that takes longer is
killed, and loses what it did since its last checkpoint."""
STOPPED = "the service stopped"


class Service:
    """Everything that runs while `pixd run` does."""

    def __init__(
        self,
        settings: Settings,
        say: Callable[[Event], None],
        *,
        may_make_store: bool = True,
        signals: Signals | None = None,
    ) -> None:
        """Take the lock, open the store and recover what a crash cut off.

        Args:
            settings: the checked configuration.
            say: called with each event.
            may_make_store: whether a store is made where none is.
            signals: what listens to signals, if it is to outlive this service.

        Raises:
            StoreBusyError: another service holds the store.
            DeviceError: `device: gpu` and there is none.
            StoreError: the store is damaged, or its disk refuses.
            StoreGoneError: the store is not there, and none may be made.
        """
        reload.check_device(settings)
        self._say = say
        self.signals = signals or Signals()
        self._wake = self.signals.wake
        self._blockage = disk.Blockage()
        folder = settings.store
        was_there = not place.why_not_there(folder)
        try:
            self.store = open_store(folder, may_make=may_make_store)
            try:
                self._open(settings)
            except BaseException:
                self._close_half_open()
                raise
        except Exception as error:
            if was_there and (why := place.why_not_there(folder)):  # its disk went meanwhile
                raise place.gone(why) from error
            if why := disk.refusal(error):
                raise StoreError(
                    f"the store {settings.store} cannot be opened: {why}",
                    advice=f"{disk.advice_for(why)}; then start again",
                ) from error
            raise

    def _open(self, settings: Settings) -> None:
        self.store.listener = self._say
        self.heartbeat = HeartbeatFile(self.store.place.pinned)
        self.metrics_file = MetricsFile()
        self.page_trouble = ""  # set by who keeps the page running
        self._config_trouble = ""
        self._told: list[tuple[str, str, bool]] = []
        outputs = {pipeline.name: pipeline.output for pipeline in settings.pipelines}
        recovery.give_up_runs(self.store, "the service ended")
        recovery.settle_outputs(self.store, outputs)
        recovery.clear_leftovers(self.store, outputs.values())
        reserve.take(self.store.folder)
        self.control = ControlServer(self.store.folder, self._carry_out)
        self.pipelines = Pipelines(self.store, settings, spawner_of(settings), self._wake.wake)

    def _close_half_open(self) -> None:
        if control := getattr(self, "control", None):
            control.abandon()
        with contextlib.suppress(*disk.ERRORS):
            self.store.close()

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.pipelines.settings

    # -- the loop -----------------------------------------------------------------------

    def step(self, now: float) -> None:
        """Bring the store, the folders and the children one step closer to one another.

        A disk that refuses does not end the service. It is blocked then, says why, and tries
        again, first after 1 s and at last every 30 s. Work that the error cut off is forgotten
        first, and found again in the store, as after a crash. Commands are answered meanwhile (in
        `_wait`), since one of them may free the space that is missing.

        Raises:
            StoreError: the database is damaged.
            StoreGoneError: the store is not where it was; nothing more may be written.
        """
        self._check_place()
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
        if why := self.metrics_file.step(self.pipelines, self.heartbeat, now):
            # Reported, not recorded: it may be the store that refuses.
            self._say(Event(utc_now(), "warning", "", "metrics", "", why))
            self.heartbeat.beat_soon()

    def _check_place(self) -> None:
        if why := self.store.place.why_gone():
            raise place.gone(why)

    def _is_blocked_by(self, error: Exception, now: float) -> bool:
        """Tell whether a disk is to blame for an error, and if so wait for it.

        Raises:
            StoreError: the database is damaged: there is nothing to wait for.
            StoreGoneError: the store is not where it was.
        """
        self._check_place()
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
        """Report a disk that refuses. It is not recorded, because the record is on such a disk."""
        self._say(Event(utc_now(), "warning", "", "blocked", "", message))

    def _go_on(self, now: float) -> None:
        """After an error: forget what it interrupted, continue from the store, and report it."""
        if not self._blockage:
            return
        self.store.forget_unfinished()
        self.pipelines.recover()
        alive = self.pipelines.training_runs
        recovery.give_up_runs(self.store, "the store's disk failed", alive)
        recovery.settle_outputs(self.store, self.pipelines.outputs)
        lasted_s = now - self._blockage.since
        told = f"went on after {lasted_s:.0f} s of being blocked: {self._blockage.reason}"
        self.store.note("", "warning", "blocked", told)
        self._blockage.clear()

    def _work(self, now: float) -> None:
        if self.signals.has_asked_to_reload:
            with reload.answered(self.signals):
                self._reload(now)
            self.heartbeat.beat_soon()
        if self.signals.has_asked_to_scan:
            self.signals.has_asked_to_scan = False
            self.heartbeat.beat_soon()
            self.pipelines.scan_soon()
        may_start = not self.signals.stop
        self.pipelines.record_and_train(now, may_start=may_start)
        inbox.take_in(self.store)
        self.pipelines.translate(now, may_start=may_start)

    def _beat(self, now: float) -> None:
        watched = [
            (intake.held, intake.watch_kind, bool(intake.not_answering))
            for intake in self.pipelines.intakes
        ]
        if not self.heartbeat.is_due(now) and watched == self._told:
            return
        self._told = watched  # a folder that went on hold is reported at once
        try:
            self.heartbeat.beat(
                self.pipelines,
                now,
                is_idle=not self._blockage and self.is_idle(),
                troubles=Troubles(
                    stale=self.pipelines.stale(now),
                    config=self._config_trouble,
                    blocked=self._blockage.reason,
                    metrics=self.metrics_file.trouble,
                    web=self.page_trouble,
                ),
                heights={} if self._blockage else self.store.heights(),
            )
        except OSError as error:
            # `pixd status` then says that the service has not stirred. Nothing else can be done.
            if not (self._blockage and disk.refusal(error)):
                raise
        if any(pipeline.not_answering for pipeline in self.pipelines):
            self.heartbeat.next_at = now + HEARTBEAT_S  # readers see since when
        systemd.notify(f"STATUS={status_line(self.heartbeat.last)}")

    def _reload(self, now: float) -> None:
        """Take a changed configuration if it is valid; else keep the old one and say why."""
        try:
            settings = reload.changed_settings(self.settings)
        except PixdError as error:
            self._config_trouble = refusals.in_one_line(error)
            told = f"the changed configuration is not in force: {self._config_trouble}"
            self.store.note("", "error", "config", told)
        else:
            self.pipelines.take(settings, now)
            self._config_trouble = ""

    def _carry_out(self, op: str, arguments: Mapping[str, Any], uid: int) -> dict[str, Any]:
        """Do what a command asks, between two steps, and read again what it changed."""
        now = time.monotonic()
        self._check_place()
        if op == "metrics":  # asks for the counts, and changes nothing
            return self.metrics_file.told(self.pipelines, self.heartbeat)
        try:
            if operations.make_ready(self.store.folder, op, arguments):
                self._go_on(now)
            if op in operations.OF_FOLDERS:
                self.pipelines.check_answering(arguments.get("pipeline"))
            result = operations.perform(self.store, self.settings, op, arguments, user_name(uid))
        except Exception as error:
            if self._is_blocked_by(error, now):
                raise StoreError(
                    f"the store refuses: {disk.refusal(error)}",
                    advice="free some space or repair the disk; `pixd log` says whether it was done",
                ) from error
            raise
        self.pipelines.reload()
        self.heartbeat.beat_soon()
        return result

    def run(self, *, once: bool = False, tick: Callable[[Service], None] | None = None) -> int:
        """Work until a signal says stop, or with `once` until nothing is due.

        Args:
            once: leave when idle.
            tick: called after each step, to draw progress.

        Returns:
            The exit code: with `once` 1 where something failed, else 0.

        Raises:
            StoreGoneError: the store is not where it was; call `abandon`.
        """
        try:
            return self._run(once=once, tick=tick)
        except Exception:
            self._check_place()  # then that is the cause, whatever the error
            raise

    def _run(self, *, once: bool, tick: Callable[[Service], None] | None) -> int:
        if not once:
            self.pipelines.warm_translators(time.monotonic())
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
                # The service waits for a disk that refuses; a restart would not help.
                if self._blockage or not self.pipelines.stale(now):
                    systemd.notify("WATCHDOG=1")
            has_failures = once and (bool(self._blockage) or self.pipelines.has_failures())
            # An end without a signal is the same. A signal that comes now means: end at once.
            self.signals.stop = self.signals.stop or "done"
            self.shut_down(tick)
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
        return self.pipelines.is_idle()

    def _wait(self, now: float) -> None:
        """Wait until something is due, a folder changed, a child wrote, or a command was done."""
        # While the store refuses, children's messages would be lost, and no folder is looked at.
        others = [self._wake.fileno()]
        if not self._blockage:
            others += [worker.fileno() for worker in self.pipelines.awaited(now)]
            others += self.pipelines.waits_for()
        waiting.wait(max(now + SHORTEST_WAIT_S, self._next_at(now)), others, [self.control])
        self._wake.drain()

    def _next_at(self, now: float) -> float:
        times = [now + LONGEST_WAIT_S, self.heartbeat.next_at, self.metrics_file.next_at]
        if self._blockage:
            return min(*times, self._blockage.retry_at)
        times.append(self.pipelines.next_at(now))
        if any(worker.wants_write() for worker in self.pipelines.workers):
            # Its standard input is full. Looking again soon is simpler than polling for writing.
            times.append(now + SHORTEST_WAIT_S)
        return min(times)

    # -- the end ------------------------------------------------------------------------

    def shut_down(self, tick: Callable[[Service], None] | None = None) -> None:
        """End in order after the last step, so that nothing is lost and the next start is quick.

        Args:
            tick: called while the trainers are waited for, to draw progress.
        """
        # 1. From now on, commands find no service and report that.
        systemd.notify("STOPPING=1")
        self.control.stop()
        # 2. What the translators have answered is published; the image under way stays queued. They
        #    end first, so that the trainer has the processor to itself.
        # 3. No more intake. What was read and not committed is read again at the next start.
        # 4. The trainers are asked to checkpoint at their next step and end.
        #    If the disk refuses now, the store is as after a crash, and there is no traceback.
        now = time.monotonic()
        self.pipelines.wind_up(STOPPED, now, self.warn)
        # 5. They get thirty seconds. One that has just finished still gets its model published.
        ends_at = now + STOP_WITHIN_S
        while time.monotonic() < ends_at and self.pipelines.follow(time.monotonic(), self.warn):
            if tick:
                tick(self)
            time.sleep(0.05)
        # 6. What is left is killed. Its run later continues from its last checkpoint.
        for worker in self.pipelines.workers:
            worker.kill()
        # 7. The heartbeat says that this was no crash. The lock is released last, so that its next
        #    holder finds a store that nobody writes to any more.
        with disk.tolerated(self.warn):
            self.heartbeat.stop(self.store.heights())
        self.metrics_file.write(self.pipelines, self.heartbeat, is_up=False)
        with disk.tolerated(self.warn):
            self.store.close_whole()
        self.signals.close()

    def abandon(self) -> None:
        """Let go of a store that is gone: end the children, and write nothing in its place.

        What they did since the last checkpoint is done again when the store is back, as after a
        crash. Every file of the store is closed, so that its disk can be taken out.
        """
        self.control.abandon()
        self.pipelines.abandon()
        # Where the store still can be written, as after a rename, it says that it was left.
        with contextlib.suppress(*disk.ERRORS):
            self.heartbeat.stop(self.store.heights())
        with contextlib.suppress(*disk.ERRORS):
            self.store.close()
