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
from pixd import inbox, operations, publishing, systemd, training
from pixd.control import ControlServer
from pixd.errors import DeviceError, PixdError
from pixd.pipeline import Pipeline
from pixd.records import SCHEMA
from pixd.store.connection import rfc3339, write_live
from pixd.store.store import Store
from pixd.users import user_name
from pixd.warm import WarmWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pixd.config import PipelineSettings, Settings
    from pixd.intake import Intake
    from pixd.workers import Worker

HEARTBEAT_S = 1.0
QUIET_HEARTBEAT_S = 10.0
LONGEST_WAIT_S = 5.0
SHORTEST_WAIT_S = 0.02
STOP_WITHIN_S = 30.0
INSPECTOR_IDLE_S = 20.0
INSPECT_WITHIN_S = 60.0


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
        if settings.device == "gpu" and not has_gpu():
            raise DeviceError(
                "device: gpu, but this machine shows no NVIDIA GPU (/dev/nvidia0 is missing)",
                advice="set device: auto, or install the driver; `nvidia-smi` must work",
            )
        self.settings = settings
        self.store = Store(settings.store)
        self.store.listener = say
        for pipeline in settings.pipelines:
            self._make_folders(pipeline)
        self.started_at = time.time()
        self._wake_r, self._wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stopping: str = ""
        self._asked_to_scan = False
        self._next_heartbeat_at = 0.0
        self._beat: dict[str, Any] = {}
        self._told: list[tuple[str, str]] = []
        training.recover(self.store)
        publishing.recover_outputs(self.store, {p.name: p.output for p in settings.pipelines})
        for pipeline in settings.pipelines:
            publishing.clear_temporaries(pipeline.output)
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
        """Bring the store, the folders and the children one step closer to one another."""
        if self._asked_to_scan:
            self._asked_to_scan = False
            self._next_heartbeat_at = 0.0  # who asked is waiting for the answer
            for intake in self._intakes():
                intake.scan_soon()
        may_start = not self._stopping
        self.control.step(now)
        for intake in self._intakes():
            intake.step(now)
        self.inspector.step(now)
        for answer in self.inspector.collect():
            for pipeline in self.pipelines:
                if pipeline.settings.name == answer.token[0]:
                    pipeline.dataset.hear(answer)
        for pipeline in self.pipelines:
            another_trains = any(p.training.run for p in self.pipelines if p is not pipeline)
            may_train = pipeline.may_start and not pipeline.training_folder.held
            pipeline.training.step(now, may_start=may_start and may_train and not another_trains)
        inbox.take_in(self.store)
        for pipeline in self.pipelines:
            pipeline.translation.step(now, may_start=may_start and pipeline.may_start)
        self._heartbeat(now)

    def _carry_out(self, op: str, arguments: Mapping[str, Any], uid: int) -> dict[str, Any]:
        """Do what a command asks, between two steps, and take its consequences into account."""
        result = operations.perform(self.store, self.settings, op, arguments, user_name(uid))
        for intake in self._intakes():
            intake.reload()
        for pipeline in self.pipelines:
            pipeline.pause = self.store.holds.paused(pipeline.settings.name)
        self._next_heartbeat_at = 0.0
        return result

    def _make_folders(self, pipeline: PipelineSettings) -> None:
        """Make what folders are missing, but none that had files: its disk may be unmounted."""
        for kind in ("training", "input"):
            folder: Path = getattr(pipeline, kind)
            root = self.store.holds.root(self.store.history.repo_id(pipeline.name, kind))
            if root is None or root.path != str(folder):
                _make_folder(folder)
        _make_folder(pipeline.output)

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
                if once and self.is_idle():
                    break
                self._wait(time.monotonic())
                self.step(time.monotonic())
                systemd.notify("WATCHDOG=1")
            has_failures = self._has_failures()
            self._shut_down(tick)
        return int(once and has_failures)

    def is_idle(self) -> bool:
        """Tell whether nothing is under way and nothing will begin without a change from outside."""
        if self.inspector.load or not all(i.is_calm or i.held for i in self._intakes()):
            return False
        for pipeline in self.pipelines:
            if pipeline.will_train or pipeline.translation.is_busy:
                return False
            head = self.store.history.head(pipeline.training_folder.repo_id)
            if head is not None and pipeline.dataset.plan is None:
                return False
            counts = self.store.working.counts(pipeline.input_folder.repo_id)
            has_live = self.store.models.live(pipeline.settings.name) is not None
            is_due = has_live and counts.get("queued") and pipeline.may_start
            if is_due and not pipeline.translation.blocked:
                return False
        return True

    def _has_failures(self) -> bool:
        return any(
            p.training.state == "failed"
            or self.store.working.counts(p.input_folder.repo_id).get("failed")
            or any(intake.held or intake.unreadable for intake in p.intakes)
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
        times = [now + LONGEST_WAIT_S, self.inspector.next_at(now), self._next_heartbeat_at]
        times += [intake.next_at() for intake in self._intakes()]
        for pipeline in self.pipelines:
            times += [pipeline.training.next_at(now), pipeline.translation.next_at(now)]
        poll = select.poll()
        poll.register(self._wake_r, select.POLLIN)
        for descriptor in self.control.filenos():
            poll.register(descriptor, select.POLLIN)
        if self.control.is_answering:
            times.append(now + SHORTEST_WAIT_S)
        for worker in self._children():
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
                pipeline.training.step(time.monotonic(), may_start=False)
            if tick:
                tick(self)
            time.sleep(0.05)
        for worker in self._children():
            worker.kill()
        for pipeline in self.pipelines:
            pipeline.translation.stop()
        self._beat["stopped_at"] = rfc3339(time.time())
        write_live(self.store.folder, self._beat)
        self.store.close()
        os.close(self._wake_r)
        os.close(self._wake_w)

    # -- the heartbeat ------------------------------------------------------------------

    def _heartbeat(self, now: float) -> None:
        watched = [(intake.held, intake.watch_kind) for intake in self._intakes()]
        if now < self._next_heartbeat_at and watched == self._told:
            return
        self._told = watched  # what went on hold is told at once
        idle = self.is_idle()
        self._next_heartbeat_at = now + (QUIET_HEARTBEAT_S if idle else HEARTBEAT_S)
        self._beat = self.live(now, is_idle=idle)
        write_live(self.store.folder, self._beat)
        states = ", ".join(f"{p.settings.name}: {p.training.state}" for p in self.pipelines)
        systemd.notify(f"STATUS={states}")

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
            "pipelines": {
                p.settings.name: {
                    "training": _live_intake(p.training_folder, now, wall),
                    "input": _live_intake(p.input_folder, now, wall),
                    "train": _live_training(p),
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
        "watch_why": intake.watch_why,
        "last_scan_at": rfc3339(wall - (now - scanned)) if scanned is not None else None,
        "overflows": intake.overflows,
        "missed_events": intake.missed_events,
        "ignored": intake.ignored,
        "held": intake.held,
    }


def _live_training(pipeline: Pipeline) -> dict[str, Any]:
    part = pipeline.training
    run = part.run
    progress = run.progress if run else {}
    state, reason = part.state, part.reason
    if state == "waiting" and pipeline.training_folder.held:
        reason = "the training folder is on hold"
    if pipeline.pause is not None and state in {"idle", "waiting"}:
        due = "; a training is due" if state == "waiting" else ""
        state, reason = "paused", f"by {pipeline.pause.who}{due}; `pixd resume` goes on"
    return {
        "state": state,
        "reason": reason,
        "commit": part.considered,
        "run": run.run_id if run else None,
        "step": progress.get("step", 0),
        "steps": progress.get("steps", 0),
        "images_per_second": progress.get("images_per_second", 0.0),
        "eta_seconds": progress.get("eta_s"),
        "losses": progress.get("losses", {}),
    }


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PixdError(
            f"the folder {folder} cannot be made: {error.strerror}",
            advice="make it by hand, or name another in config.yaml",
        ) from error
