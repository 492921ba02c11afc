"""The service: one level-triggered step for every pipeline, signals, and the heartbeat.

`step(now)` compares folders and store and brings them closer; events and messages only
shorten the wait between steps. This process never imports TensorFlow, numpy or Pillow, and
it alone writes the store.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from typing import TYPE_CHECKING, Any

import pixd
from pixd import disk, inbox, operations, recovery, systemd
from pixd.control import ControlServer
from pixd.dataset import Dataset
from pixd.errors import DeviceError, PixdError, StoreError
from pixd.intake import Intake
from pixd.records import SCHEMA
from pixd.store.connection import rfc3339, write_live
from pixd.store.store import Store
from pixd.training import Training
from pixd.translation import Translation
from pixd.users import user_name
from pixd.warm import WarmWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pixd.config import PipelineSettings, Settings
    from pixd.workers import Worker

HEARTBEAT_S = 1.0
QUIET_HEARTBEAT_S = 10.0
LONGEST_WAIT_S = 5.0
SHORTEST_WAIT_S = 0.02
STOP_WITHIN_S = 30.0
INSPECTOR_IDLE_S = 20.0
INSPECT_WITHIN_S = 60.0
ONCE_PATIENCE_S = 60.0  # how long `pixd run --once` waits for a disk that refuses


class Pipeline:
    """One pipeline: its two folders, its dataset, its training and its translation."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        pipeline: PipelineSettings,
        inspector: WarmWorker,
        wake: Callable[[], None],
    ) -> None:
        """Put the parts together; nothing is read before the first `step`."""
        self.settings = pipeline
        self.training_folder, self.input_folder = (
            Intake(
                store,
                pipeline.name,
                kind,
                root,
                settle_seconds=pipeline.settle_seconds,
                wake=wake,
                keep_free_bytes=pipeline.keep.free_bytes,
            )
            for kind, root in (("training", pipeline.training), ("input", pipeline.input))
        )
        self.dataset = Dataset(store, pipeline, self.training_folder, inspector)
        self.training = Training(store, settings, pipeline, self.training_folder, self.dataset)
        self.translation = Translation(store, settings, pipeline, self.input_folder)

    @property
    def intakes(self) -> tuple[Intake, Intake]:
        """Both watched folders."""
        return self.training_folder, self.input_folder

    @property
    def blocked(self) -> str:
        """What a disk refuses this pipeline, or ""."""
        reasons = [intake.blocked for intake in self.intakes]
        return next(filter(None, [*reasons, self.training.blocked, self.translation.blocked]), "")

    def recover(self) -> None:
        """Forget what was under way when the store's disk failed; the store knows what is due."""
        for intake in self.intakes:
            intake.recover()
        self.dataset.recover()
        self.training.recover()
        self.translation.recover()


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
            StoreError: the store is damaged, or its disk refuses.
        """
        if settings.device == "gpu" and not has_gpu():
            raise DeviceError(
                "device: gpu, but this machine shows no NVIDIA GPU (/dev/nvidia0 is missing)",
                advice="set device: auto, or install the driver; `nvidia-smi` must work",
            )
        for pipeline in settings.pipelines:
            for folder in (pipeline.training, pipeline.input, pipeline.output):
                _make_folder(folder)
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
        settings = self.settings
        self.store = Store(settings.store)
        self.store.listener = self._say
        self.started_at = time.time()
        self._wake_r, self._wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stopping: str = ""
        self._asked_to_scan = False
        self._next_heartbeat_at = 0.0
        self._beat: dict[str, Any] = {}
        self._heights: dict[str, int] = {}
        self._outputs = {p.name: p.output for p in settings.pipelines}
        recovery.give_up_runs(self.store, "the service ended")
        recovery.settle_outputs(self.store, self._outputs)
        recovery.clear_leftovers(self.store, self._outputs.values())
        (self.store.folder / "logs").mkdir(exist_ok=True)
        self.control = ControlServer(self.store.folder, self._carry_out)
        self.inspector = WarmWorker(
            "pixd.inspector",
            {"schema": SCHEMA, "kind": "inspect"},
            self.store.scratch / "inspect",
            self.store.folder / "logs" / "inspect.log",
            idle_s=INSPECTOR_IDLE_S,
            answer_within_s=INSPECT_WITHIN_S,
        )
        self.pipelines = [
            Pipeline(self.store, settings, pipeline, self.inspector, self.wake)
            for pipeline in settings.pipelines
        ]

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
        and found again in the store, as after a crash. Commands are answered all the while: one
        of them may free the space that is missing.

        Raises:
            StoreError: the database is damaged.
        """
        self.control.step(now)
        if now >= self._blockage.retry_at:
            try:
                self._go_on(now)
                self._work(now)
                self._heartbeat(now)
            except Exception as error:
                if not self._is_blocked_by(error, now):
                    raise
        if self._blockage:
            self._heartbeat(now)

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
            self._next_heartbeat_at = now
            self._say("", "warning", f"blocked: {why}")
        return bool(why)

    def _go_on(self, now: float) -> None:
        """After an error: forget what it cut off, take up what the store says, and say so."""
        if not self._blockage:
            return
        self.store.forget_unfinished()
        self.inspector.abandon()
        for pipeline in self.pipelines:
            pipeline.recover()
        runs = [p.training.run for p in self.pipelines]
        alive = [run.run_id for run in runs if run]
        recovery.give_up_runs(self.store, "the store's disk failed", alive)
        recovery.settle_outputs(self.store, self._outputs)
        lasted_s = now - self._blockage.since
        told = f"went on after {lasted_s:.0f} s of being blocked: {self._blockage.reason}"
        self.store.note("", "warning", "blocked", told)
        self._blockage.clear()

    def _work(self, now: float) -> None:
        if self._asked_to_scan:
            self._asked_to_scan = False
            self._next_heartbeat_at = 0.0  # who asked is waiting for the answer
            for intake in self._intakes():
                intake.scan_soon()
        may_start = not self._stopping
        for intake in self._intakes():
            intake.step(now)
        self.inspector.step(now)
        for answer in self.inspector.collect():
            for pipeline in self.pipelines:
                if pipeline.settings.name == answer.token[0]:
                    pipeline.dataset.hear(answer)
        for pipeline in self.pipelines:
            another_trains = any(p.training.run for p in self.pipelines if p is not pipeline)
            pipeline.training.step(now, may_start=may_start and not another_trains)
        inbox.take_in(self.store)
        for pipeline in self.pipelines:
            pipeline.translation.step(now, may_start=may_start)

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
        for intake in self._intakes():
            intake.reload()
        self._next_heartbeat_at = 0.0
        return result

    def run(self, *, once: bool = False, tick: Callable[[Service], None] | None = None) -> int:
        """Work until a signal says stop, or with `once` until nothing is due.

        Args:
            once: leave when idle.
            tick: called after each step, to draw progress.

        Returns:
            The exit code: with `once` 1 where something failed, else 0.
        """
        with self._signals():
            self.step(time.monotonic())
            systemd.notify("READY=1")
            while not self._stopping:
                if tick:
                    tick(self)
                if once and self._is_finished(time.monotonic()):
                    break
                self._wait(time.monotonic())
                self.step(time.monotonic())
                systemd.notify("WATCHDOG=1")
            has_failures = once and self._has_failures()
            self._shut_down(tick)
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
        calm = all(i.is_calm or i.held or i.blocked for i in self._intakes())
        if self.inspector.load or not calm:
            return False
        for pipeline in self.pipelines:
            waits = pipeline.training.state == "waiting" and not pipeline.training.blocked
            if pipeline.training.run or waits or pipeline.translation.is_busy:
                return False
            head = self.store.history.head(pipeline.training_folder.repo_id)
            if head is not None and pipeline.dataset.plan is None:
                return False
            counts = self.store.working.counts(pipeline.input_folder.repo_id)
            has_live = self.store.models.live(pipeline.settings.name) is not None
            if has_live and counts.get("queued") and not pipeline.translation.blocked:
                return False
        return True

    def _has_failures(self) -> bool:
        return bool(self._blockage) or any(
            p.blocked
            or p.training.state == "failed"
            or self.store.working.counts(p.input_folder.repo_id).get("failed")
            for p in self.pipelines
        )

    def _intakes(self) -> Iterator[Intake]:
        for pipeline in self.pipelines:
            yield from pipeline.intakes

    def _children(self) -> Iterator[Worker]:
        candidates = [self.inspector.worker]
        for pipeline in self.pipelines:
            candidates += [pipeline.training.worker, pipeline.translation.worker]
        for worker in candidates:
            if worker is not None:
                yield worker

    def _wait(self, now: float) -> None:
        times = [now + LONGEST_WAIT_S, self._next_heartbeat_at]
        if self._blockage:
            times.append(self._blockage.retry_at)
        else:
            times.append(self.inspector.next_at(now))
            times += [intake.next_at() for intake in self._intakes()]
            for pipeline in self.pipelines:
                times += [pipeline.training.next_at(now), pipeline.translation.next_at(now)]
        poll = select.poll()
        poll.register(self._wake_r, select.POLLIN)
        for descriptor in self.control.filenos():
            poll.register(descriptor, select.POLLIN)
        if self.control.is_answering:
            times.append(now + SHORTEST_WAIT_S)
        for worker in () if self._blockage else self._children():
            poll.register(worker.fileno(), select.POLLIN)
            if worker.wants_write():
                # Its standard input is full; look again soon rather than track two descriptors.
                times.append(now + SHORTEST_WAIT_S)
        wait_s = max(SHORTEST_WAIT_S, min(times) - now)
        poll.poll(wait_s * 1000)
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake_r, 4096):
                pass

    # -- signals and the end ------------------------------------------------------------

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Handle signals by flags alone; the loop does the work."""

        def stop(number: int, _frame: object) -> None:
            if self._stopping:
                # A second signal means at once; the kernel drops the lock, children die with us.
                os._exit(128 + number)
            self._stopping = signal.Signals(number).name
            self.wake()

        def scan_now(_number: int, _frame: object) -> None:
            self._asked_to_scan = True
            self.wake()

        old = {
            signal.SIGTERM: signal.signal(signal.SIGTERM, stop),
            signal.SIGINT: signal.signal(signal.SIGINT, stop),
            signal.SIGUSR1: signal.signal(signal.SIGUSR1, scan_now),
            signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_IGN),
        }
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    def _shut_down(self, tick: Callable[[Service], None] | None) -> None:
        """Stop in order: no new work, trainers checkpoint, then watches, children, the store."""
        systemd.notify("STOPPING=1")
        self._stopping = self._stopping or "done"
        self.control.stop()
        for intake in self._intakes():
            intake.stop()
        for pipeline in self.pipelines:
            pipeline.training.stop()
        ends_at = time.monotonic() + STOP_WITHIN_S
        while any(p.training.run for p in self.pipelines) and time.monotonic() < ends_at:
            for pipeline in self.pipelines:
                with disk.tolerated(self._say):
                    pipeline.training.step(time.monotonic(), may_start=False)
            if tick:
                tick(self)
            time.sleep(0.05)
        for worker in self._children():
            worker.kill()
        # A disk that refuses now leaves a store as after a crash, and no traceback.
        for pipeline in self.pipelines:
            with disk.tolerated(self._say):
                pipeline.translation.stop()
        with disk.tolerated(self._say):
            self._beat = {**self.live(time.monotonic(), is_idle=self.is_idle())}
            self._beat["stopped_at"] = rfc3339(time.time())
            write_live(self.store.folder, self._beat)
        with disk.tolerated(self._say):
            self.store.close()
        os.close(self._wake_r)
        os.close(self._wake_w)

    # -- the heartbeat ------------------------------------------------------------------

    def _heartbeat(self, now: float) -> None:
        if now < self._next_heartbeat_at:
            return
        idle = not self._blockage and self.is_idle()
        self._next_heartbeat_at = now + (QUIET_HEARTBEAT_S if idle else HEARTBEAT_S)
        self._beat = self.live(now, is_idle=idle)
        try:
            write_live(self.store.folder, self._beat)
        except OSError as error:
            # Then `status` says that the service has not stirred; there is no other way to tell.
            if not (self._blockage and disk.refusal(error)):
                raise
        states = ", ".join(f"{p.settings.name}: {p.training.state}" for p in self.pipelines)
        systemd.notify(f"STATUS={states}")

    def _measure(self) -> dict[str, int]:
        self._heights = self.store.heights()
        return self._heights

    def live(self, now: float, *, is_idle: bool) -> dict[str, Any]:
        """Return what only the running service knows, for `pixd status`."""
        wall = time.time()
        devices = [p.training.run.device for p in self.pipelines if p.training.run]
        devices += [p.translation.device for p in self.pipelines]
        known = [device for device in devices if device]
        guess = "gpu" if self.settings.device != "cpu" and has_gpu() else "cpu"
        return {
            "at": rfc3339(wall),
            "pid": os.getpid(),
            "version": pixd.__version__,
            "started_at": rfc3339(self.started_at),
            "device": known[0] if known else guess,
            "idle": is_idle,
            "blocked": self._blockage.reason,
            "heights": self._heights if self._blockage else self._measure(),
            "pipelines": {
                p.settings.name: {
                    "training": _live_intake(p.training_folder, now, wall),
                    "input": _live_intake(p.input_folder, now, wall),
                    "train": _live_training(p.training),
                    "translate": {
                        "phase": p.translation.phase,
                        "trouble": p.translation.trouble,
                        "blocked": p.translation.blocked,
                    },
                }
                for p in self.pipelines
            },
        }


def has_gpu() -> bool:
    """Tell whether the NVIDIA driver shows a GPU, without importing anything."""
    return os.path.exists("/dev/nvidia0")  # noqa: PTH110 - a device node, not a file of ours


def _live_intake(intake: Intake, now: float, wall: float) -> dict[str, Any]:
    scanned = intake.last_scan_at
    return {
        "watch": intake.watch_kind,
        "last_scan_at": rfc3339(wall - (now - scanned)) if scanned is not None else None,
        "overflows": intake.overflows,
        "missed_events": intake.missed_events,
        "ignored": intake.ignored,
        "held": intake.held,
        "blocked": intake.blocked,
    }


def _live_training(part: Training) -> dict[str, Any]:
    run = part.run
    progress = run.progress if run else {}
    return {
        "state": part.state,
        "reason": part.reason,
        "commit": part.considered,
        "run": run.run_id if run else None,
        "step": progress.get("step", 0),
        "steps": progress.get("steps", 0),
        "images_per_second": progress.get("images_per_second", 0.0),
        "eta_seconds": progress.get("eta_s"),
        "losses": progress.get("losses", {}),
        "blocked": part.blocked,
    }


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PixdError(
            f"the folder {folder} cannot be made: {error.strerror}",
            advice="make it by hand, or name another in config.yaml",
        ) from error
