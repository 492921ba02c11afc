"""One training child from its start to its end: the run spec out, the result manifest in."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store import tensorboard
from pixd.store.states import RunState
from pixd.system import disk
from pixd.system.children.numbers import is_number
from pixd.system.children.spawner import CLUSTER
from pixd.system.children.spec import TrainSpec, read_result
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixd.config import PipelineSettings, Settings
    from pixd.store.commits import Commit
    from pixd.store.store import Store
    from pixd.system.children.spawner import Spawner
    from pixd.system.children.spec import Result
    from pixd.system.children.worker import Worker

PREVIEWS = "previews"
"""The folder of the store with a sheet of samples for each pipeline that trains."""
FLOAT32_BYTES = 4
GENERATOR_PARAMETERS = 54_400_000  # at ngf 64; the number grows with the square of ngf
KEPT_COPIES = 10  # two checkpoints of weights, average and Adam's two moments; the export, twice
SCORES = ("l1", "psnr", "ssim", "sharpness")
NICENESS = 10  # translation comes first
CHECKPOINT_EVERY_S = 60
CHECKPOINT_EVERY_STEPS = 1000
NOTE_PROGRESS_S = 10.0
LEAVE_WITHIN_S = 30.0
SILENT_S = 900.0
"""A trainer that is silent for so many seconds hangs: it sends a heartbeat every few seconds. The
longest silence without a fault is one step, which is minutes for the largest model on a slow
processor."""
HANG_GRACE_S = 60.0
"""A trainer that still exists so many seconds after that could not even be killed."""


class Trying(NamedTuple):
    """Of a training that is a variant: what `pixd try` asked for.

    Attributes:
        sweep: number of the sweep.
        number: of the variant.
        of: how many variants it has.
        settings: the chosen settings, for people.
    """

    sweep: int
    number: int
    of: int
    settings: str

    @property
    def told(self) -> str:
        """What is being done, for people."""
        return f"trying {self.number} of {self.of}: {self.settings}"


class Ended(NamedTuple):
    """How a training ended.

    Attributes:
        state: of its run.
        reason: why it was cancelled or superseded, or "".
        result: what the child left, if it succeeded.
        error: kind, message and advice, if it failed.
        is_away: where it ran is away; then `reason` says why, and it has not failed.
        mend: what mends that, or "".
        timings: seconds by phase, where the child left them and made no model.
    """

    state: RunState
    reason: str = ""
    result: Result | None = None
    error: Mapping[str, Any] | None = None
    is_away: bool = False
    mend: str = ""
    timings: Mapping[str, Any] | None = None


class TrainingRun:
    """A training that runs."""

    def __init__(
        self, store: Store, run_id: int, key: str, commit: Commit, worker: Worker, scratch: Path
    ) -> None:
        """Follow the child `worker`; use `start`."""
        self.run_id = run_id
        self.key = key
        self.commit = commit
        self.worker = worker
        self.scratch = scratch
        self.phase = "starting"
        self.progress: dict[str, Any] = {}
        self.device = ""
        self.has_checkpointed = False  # it has made progress that the next attempt can use
        self.validation: dict[str, Any] | None = None  # the last held-out scores and their step
        self.standing: dict[str, Any] = {}  # since when nothing got better, and when it then stops
        self.preview = ""  # path of the sheet of samples, once it is there
        self.preview_step = 0  # at which it was drawn last
        self.preview_trouble = ""  # why it could not be drawn
        self.early: list[Mapping[str, Any]] = []  # what the child says of early models
        self._store = store
        self._leaving: tuple[RunState, str] | None = None
        self._kill_at: float | None = None
        self._noted_at = 0.0
        self._heard_at: float | None = None
        self._hung = False
        self.beginning: Path | None = None  # the training state of the model that it began from
        self.is_asked_for = False  # by `pixd retrain`: a change of the folder does not end it
        self.made_from: int | None = None  # number of the model that it makes anew, if not live
        self.trying: Trying | None = None  # which variant it trains, if `pixd try` asked for it
        self.notes: list[str] = []  # what the child says that people should know

    @classmethod
    def start(
        cls,
        store: Store,
        settings: Settings,
        run_id: int,
        key: str,
        commit: Commit,
        spec: Mapping[str, Any],
        spawner: Spawner,
        sheet: str = "",
    ) -> TrainingRun:
        """Start the child of a queued run.

        Args:
            store: the open store.
            settings: the source of device and precision.
            run_id: the run's row.
            key: the run's key.
            commit: the training commit that it works on.
            spec: recipe, pairs, live_model and checkpoints.
            spawner: starts the child.
            sheet: name of the file with its samples, if not that of the pipeline.
        """
        scratch = store.scratch / f"train-{run_id}"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        pipeline = store.runs.get(run_id).pipeline
        for names in (
            ("logs",),
            (PREVIEWS,),
            (tensorboard.FOLDER,),
            (tensorboard.FOLDER, pipeline),
        ):
            store.standing(*names)
        full = TrainSpec(
            run_id=str(run_id),
            pipeline=pipeline,
            scratch=str(scratch),
            device=settings.device,
            checkpoint_every_s=CHECKPOINT_EVERY_S,
            checkpoint_every_steps=CHECKPOINT_EVERY_STEPS,
            preview=str(store.folder / PREVIEWS / (sheet or f"{pipeline}.png")),
            event_files=str(store.folder / tensorboard.folder_of(pipeline, run_id)),
            **spec,
        )
        worker = spawner.start(
            "pixd.pix2pix.train",
            full,
            scratch,
            store.folder / "logs" / f"train-{run_id}.log",
            nice=NICENESS,
        )
        store.runs.move(
            run_id, (RunState.QUEUED,), RunState.RUNNING, worker=worker.identity._asdict()
        )
        run = cls(store, run_id, key, commit, worker, scratch)
        if beginning := spec.get("warm_start"):
            run.beginning = Path(beginning["checkpoints"])
        return run

    @property
    def is_leaving(self) -> bool:
        """Tell whether the child was asked to end."""
        return self._leaving is not None

    def drop_preview(self) -> None:
        """Remove the sheet of samples: by now it is an output of the run, or nobody needs it."""
        if self.preview:
            Path(self.preview).unlink(missing_ok=True)

    @property
    def share_done(self) -> float:
        """How much of the run is done, 0 to 1."""
        steps = self.progress.get("steps") or 0
        return float(self.progress.get("step", 0)) / steps if steps else 0.0

    @property
    def reason(self) -> str:
        """What the child does now, for people."""
        if self.trying is None:
            return self.phase
        return self.trying.told + (f" ({self.phase})" if self.phase != "training" else "")

    def read(self, now: float) -> None:
        """Read what the child has sent since the last call. `now`: monotonic seconds."""
        if self._heard_at is None:
            self._heard_at = now
        for event in self.worker.read_events():
            self._heard_at = now
            self._take(event)
        if self.progress and now - self._noted_at > NOTE_PROGRESS_S:
            self._noted_at = now
            self._store.runs.note_progress(self.run_id, self.progress)
        if now - self._heard_at > SILENT_S and not self._hung:
            self._hung = True
            self.worker.kill()
        if self._kill_at is not None and now > self._kill_at:
            self.worker.kill()

    def _take(self, event: Mapping[str, Any]) -> None:
        kind = event.get("event")
        if kind == "progress":
            self.progress = _with_numbers(event, "step", "steps") or self.progress
            self.phase = "training"
        elif kind == "phase":
            self.phase = str(event.get("phase"))
        elif kind == "checkpoint":
            self.has_checkpointed = True
        elif kind == "validation":
            told = event.get("metrics")
            scores = told if isinstance(told, dict) else {}
            self.validation = {name: scores.get(name) for name in SCORES}
            self.validation["step"] = event.get("step")
        elif kind == "standing":
            self.standing = _with_numbers(event, "best_step", "stops_at")
        elif kind == "preview":
            self._take_preview(event)
        elif kind == "early":
            self.early.append(event)
        elif kind == "note":
            self.notes.append(str(event.get("message")))
        elif kind == "device":
            self.device = str(event.get("device"))

    def _take_preview(self, event: Mapping[str, Any]) -> None:
        if "path" in event:
            self.preview = str(event["path"])
            self.preview_step = _with_numbers(event, "step").get("step", 0)
        self.preview_trouble = str(event.get("trouble", ""))

    def is_fresh(self, now: float) -> bool:
        """Tell whether it sent something recently, or was ended because it did not."""
        return self._heard_at is None or now - self._heard_at < SILENT_S + HANG_GRACE_S

    def leave_as(self, state: RunState, reason: str, now: float) -> None:
        """Ask the child to write a checkpoint and end; the run will get `state` and `reason`.

        However it ends after this, the run has not failed. `now`: monotonic seconds.
        """
        if self._leaving:  # it was asked before; a second signal would end it without a checkpoint
            return
        self._leaving = (state, reason)
        self._kill_at = now + LEAVE_WITHIN_S
        self.worker.terminate()

    def ended(self) -> Ended | None:
        """Return how the child ended, or None while it runs."""
        if self.worker.poll() is None:
            return None
        try:
            result = read_result(self.scratch)
        except (OSError, ValueError, PixdError):
            result = None
        if result and result.state == "succeeded":
            return Ended(RunState.SUCCEEDED, result=result)
        if result and result.state == "interrupted":
            state, reason = self._leaving or (RunState.CANCELLED, "somebody ended the trainer")
            if result.step:
                reason += f": stopped at step {result.step}; goes on from there"
            return Ended(state, reason, timings=result.timings)
        timings = result.timings if result else None
        if self._leaving:
            return Ended(*self._leaving, timings=timings)
        if result and result.error and result.error["kind"] == CLUSTER:
            said, mend = result.error["message"], result.error["advice"]
            return Ended(RunState.CANCELLED, said, is_away=True, mend=mend)
        error = result.error if result else self._how_it_died()
        return Ended(RunState.FAILED, error=error, timings=timings)

    def _how_it_died(self) -> dict[str, str]:
        if self._hung:
            message = f"the trainer was silent for {SILENT_S:.0f} s and was ended"
        else:
            message = f"the trainer ended without a result: {self.worker.exit_text()}"
        return {"kind": "died", "message": message}


def _with_numbers(event: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return an event whose values of these names are numbers, or nothing."""
    return dict(event) if all(is_number(event.get(name)) for name in names) else {}


def room_for_training(
    store: Path, pipeline: PipelineSettings, recipe: Mapping[str, Any] | None = None
) -> str:
    """Say why the disk of the store has too little room for a training, or "".

    Args:
        store: the store's folder.
        pipeline: its settings.
        recipe: of the training, if not those of the configuration.
    """
    width = (recipe["ngf"] if recipe else pipeline.train.ngf) / 64
    needed_bytes = int(GENERATOR_PARAMETERS * width**2) * FLOAT32_BYTES * KEPT_COPIES
    return disk.shortage(store, needed_bytes, pipeline.keep.free_bytes)
