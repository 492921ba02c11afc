"""Trains when a training is due: starts the child, follows it, and publishes its model.

The live model should come from the pairs in the folder and the settings in the configuration
(`pixd.training.due`). If a model of these was trained before, it is used again. If not, a training
child starts after the folder has not changed for `quiet_seconds`; it works on a snapshot. If the
folder changes while the child runs, a training that is at least half done goes on to its end. Any
other training is superseded when the folder has not changed for that time again.
"""

from __future__ import annotations

import functools
import secrets
import shutil
from typing import TYPE_CHECKING

from pixd.store.states import RunState
from pixd.system import crash_points, disk
from pixd.training import early, ending, retraining, variants
from pixd.training.due import NO_PAIRS, decide
from pixd.training.past import past_of
from pixd.training.recipe import train_keys, train_recipe
from pixd.training.run import Ended, TrainingRun, room_for_training
from pixd.training.snapshot import Job, take

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixd.config import PipelineSettings, Settings
    from pixd.folders.intake import Intake
    from pixd.store.store import Store
    from pixd.system.children.spawner import Spawner
    from pixd.system.children.worker import Worker
    from pixd.training.dataset.dataset import Dataset
    from pixd.training.dataset.looking import Progress
    from pixd.training.due import Due
    from pixd.training.past import Past

FINISH_SHARE = 0.5  # a run that has done this share of its steps is not superseded
ASK_CLUSTER_EVERY_S = 2.0
RECALLED = "one of its images was recalled"


class Training:
    """The training of one pipeline."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        pipeline: PipelineSettings,
        intake: Intake,
        dataset: Dataset,
        spawner: Spawner,
        *,
        runs: Sequence[TrainingRun] = (),
    ) -> None:
        """Keep the live model of a pipeline up to date with `dataset`.

        Args:
            store: the open store.
            settings: settings of the service.
            pipeline: settings of the pipeline.
            intake: intake of the training folder.
            dataset: the pairs in it.
            spawner: starts the trainer.
            runs: what was started before the settings changed, and still runs.
        """
        self._store = store
        self._settings = settings
        self._pipeline = pipeline
        self._intake = intake
        self._dataset = dataset
        self._spawner = spawner
        self._runs = list(runs)  # more than one only where variants are trained side by side
        self._retry_at = 0.0
        self._may_start_at = 0.0
        self._is_noted = False  # by which revision the live model was made
        self._blockage = disk.Blockage()
        self.state = "idle"
        self.reason = ""
        self.waits_for_room = False  # what the folder asks for, and for nothing but another's end
        self.progress: Progress | None = None  # of looking at the images and comparing the pairs

    @property
    def blocked(self) -> str:
        """Why no training can start or go on, or ""."""
        return self._blockage.reason

    @property
    def workers(self) -> list[Worker]:
        """The training children, for the service's selector."""
        return [run.worker for run in self._runs]

    @property
    def runs(self) -> Sequence[TrainingRun]:
        """The trainings that run now."""
        return tuple(self._runs)

    @property
    def run(self) -> TrainingRun | None:
        """The training that runs now; of several, the one that began first."""
        return self._runs[0] if self._runs else None

    @property
    def considered(self) -> int:
        """The number of the newest commit that `state` is about; 0 before the first."""
        commit = self._dataset.commit
        return commit.seq if commit and self._dataset.plan is not None else 0

    def next_at(self, now: float) -> float:
        """Return when to take the next step if the child sends no message before."""
        dataset_at = self._dataset.next_at(now)
        if self.state == "waiting":
            return min(dataset_at, max(now, self._may_start_at))
        return dataset_at

    def step(
        self, now: float, *, may_start: bool = True, may_try: bool = True, room: int = 0
    ) -> None:
        """Do what can be done now, without waiting.

        Args:
            now: monotonic seconds.
            may_start: whether a new run may start. Only so many pipelines train at a time as the
                engine lets, and none while the service stops.
            may_try: whether that may be a variant.
            room: how many variants may start beside one that runs.
        """
        self.waits_for_room = False
        self.follow(now)
        if self._runs:
            self.state, self.reason = "running", self._said()
        self._dataset.step(now)
        self.progress = self._dataset.progress(now)
        if not self._is_noted:
            retraining.note_revision_of_live(self._store, self._pipeline.name)
            self._is_noted = True
        wanted = self._wanted()
        if self._runs:
            self._look_after(wanted, now, may_start=may_start, room=room)
            return
        if self._dataset.plan is None or self._make_anew(wanted, now, may_start=may_start):
            return
        if wanted and self._train_wanted(wanted, now, may_start=may_start):
            return
        # What the folder and the configuration ask for goes first, and nobody waits for a variant.
        if found := variants.next_of(
            self._store, self._pipeline.name, wanted, self._dataset.commit
        ):
            may_start = may_start and may_try
            self._start_when_still(found.job, found.failures, now, may_start=may_start)
            self.waits_for_room = False

    def follow(self, now: float) -> None:
        """Hear what the trainers say, and close what has ended. `now`: monotonic seconds."""
        for run in self.runs:
            self._follow(run, now)

    def _train_wanted(self, wanted: Job, now: float, *, may_start: bool) -> bool:
        """Do what is due for the folder and the configuration; tell whether a training is."""
        past, due = self._due(wanted)
        if due.action == "run":
            job = wanted._replace(because=due.why)
            self._start_when_still(job, past.failures, now, may_start=may_start)
            return True
        if due.action == "reuse":
            self._reuse(due)
        self.state, self.reason = ("failed" if due.has_given_up else "idle"), due.why
        return False

    def _due(self, wanted: Job) -> tuple[Past, Due]:
        train, past = self._pipeline.train, self._past_of(wanted)
        return past, decide(past, train.promote, train.on_upgrade)

    def _past_of(self, job: Job) -> Past:
        reader, folder = self._store.db.conn, self._store.folder
        return past_of(reader, folder, self._pipeline.name, job.keys, job.recipe, job.split)

    def _make_anew(self, wanted: Job | None, now: float, *, may_start: bool) -> bool:
        """Start the training that `pixd retrain` asked for; tell whether there is one."""
        past = functools.partial(self._past_of, wanted) if wanted else None
        found = retraining.next_of(self._store, self._pipeline.name, wanted, past)
        if found:
            self._start_when_still(found.job, found.failures, now, may_start=may_start)
        return found is not None

    def recover(self) -> None:
        """Look again at what is under way, after an error of the store's disk.

        A running child goes on. If a child has ended, its model may be only half published. Then
        its run is lost, and another run goes on from the last checkpoint.
        """
        self._runs = [run for run in self._runs if run.worker.poll() is None]

    def stop(self, reason: str, now: float) -> None:
        """Ask a running training to write a checkpoint and end. `now`: monotonic seconds."""
        for run in self._runs:
            run.leave_as(RunState.CANCELLED, reason, now)

    # -- deciding -----------------------------------------------------------------------

    def _wanted(self) -> Job | None:
        """Return the training that the folder and the config ask for."""
        plan = self._dataset.plan
        if plan is None:
            if not self._runs:
                self.state, self.reason = "idle", self._say_not_ready()
            return None
        if not plan.pairs:
            if not self._runs:
                self.state, self.reason = "idle", NO_PAIRS.why
            return None
        recipe = train_recipe(self._pipeline, self._settings.precision)
        keys = train_keys(recipe, self._dataset.key_inputs)
        return Job(recipe, keys, self._dataset.split)

    def _say_not_ready(self) -> str:
        if self._store.history.head(self._intake.repo_id) is None:
            return "the training folder is empty" if self._intake.is_calm else "reading the folder"
        if self._dataset.trouble:
            return f"an image cannot be looked at: {self._dataset.trouble}; `pixd verify` says more"
        return self.progress.text() if self.progress else "looking at the images"

    def _reuse(self, due: Due) -> None:
        """Make a model live that was trained before."""
        store, name = self._store, self._pipeline.name
        assert due.model is not None  # "reuse" always has a model
        model = store.models.numbered(name, due.model)
        assert model is not None  # it was just read
        store.models.promote(model, who="service", why=due.why, change_id=self._change_id())
        store.note(name, "info", "promote", f"model@{model.number} is live: {due.why}")

    def _start_when_still(
        self, job: Job, failures: Sequence[str], now: float, *, may_start: bool
    ) -> None:
        self._may_start_at = max(self._still_at, self._retry_at)
        self.state = "waiting"
        if not self._is_still(now):
            self.reason = "waiting until the training folder is still"
            self._may_start_at = max(self._may_start_at, now + 0.2)
        elif now < self._retry_at:
            self.reason = f"trying again after: {failures[-1] if failures else 'a failure'}"
        elif not may_start:
            self.reason = "waiting for another training to end"
            self.waits_for_room = True
            self._may_start_at = now + 1.0
        elif twin := self._store.runs.trainings_under_way().get(job.keys[0].key):
            self.reason = f"waiting for {twin}: it trains on the same pairs with the same settings"
            self._may_start_at = now + 1.0  # both would write the same checkpoints
        elif now < self._blockage.retry_at:
            self.reason, self._may_start_at = self._blockage.reason, self._blockage.retry_at
        elif why := self._spawner.why_not():
            self.reason = why
            self._may_start_at = now + ASK_CLUSTER_EVERY_S
        elif shortage := room_for_training(self._store.folder, self._pipeline, job.recipe):
            self._note_blockage(shortage, now)
            self.reason, self._may_start_at = shortage, self._blockage.retry_at
        else:
            self._start(job)

    def _start_beside(self, wanted: Job | None, now: float) -> None:
        """Start another variant beside those that run, where nothing speaks against it."""
        if any(run.is_leaving for run in self._runs) or not self._is_still(now):
            return
        if now < max(self._retry_at, self._blockage.retry_at) or self._spawner.why_not():
            return
        store, name = self._store, self._pipeline.name
        keys = store.runs.trainings_under_way()
        found = variants.next_of(store, name, wanted, self._dataset.commit, under_way=keys)
        if found and not room_for_training(store.folder, self._pipeline, found.job.recipe):
            self._start(found.job)

    @property
    def _still_at(self) -> float:
        """When the folder has not changed for its quiet time (monotonic seconds)."""
        changed_at = self._intake.last_change_at
        return 0.0 if changed_at is None else changed_at + self._pipeline.train.quiet_seconds

    def _is_still(self, now: float) -> bool:
        return now >= self._still_at and self._intake.is_calm

    def _note_blockage(self, why: str, now: float) -> None:
        if self._blockage.add(why, now):
            self._store.note(self._pipeline.name, "warning", "blocked", f"training: {why}")

    def _change_id(self) -> str:
        return self._dataset.commit.change_id if self._dataset.commit else secrets.token_hex(5)

    # -- starting -----------------------------------------------------------------------

    def _start(self, job: Job) -> None:
        store, commit = self._store, self._dataset.commit
        if job.commit_seq:
            commit = store.history.numbered(self._intake.repo_id, job.commit_seq)
        assert commit is not None  # `_wanted` checked it
        key = job.keys[0].key
        snapshot = take(store, self._pipeline, job, commit)
        with store.transaction():
            store.history.add_objects([snapshot.listed], "application/json")
            run_id = store.runs.queue(
                self._pipeline.name,
                "train",
                key,
                change_id=commit.change_id,
                recipe=store.runs.add_recipe("train", job.recipe),
                inputs=snapshot.inputs,
                reason=snapshot.reason,
            )
            store.retraining.note_revision(run_id, job.keys[0].revision)
            if job.trying:
                store.sweeps.note_run(run_id, job.trying.sweep, job.trying.number)
        crash_points.crash_point("before-run-row")
        # One that runs beside others draws its samples on a sheet of its own.
        sheet = f"{self._pipeline.name}-{run_id}.png" if self._runs else ""
        run = TrainingRun.start(
            store, self._settings, run_id, key, commit, snapshot.spec, self._spawner, sheet
        )
        run.trying, run.made_from = job.trying, job.model
        run.is_asked_for = bool(job.asked) and not job.trying
        if not self._runs:
            self.state, self.reason = "running", snapshot.reason
        self._runs.append(run)
        told = f"training started: {snapshot.reason}"
        store.note(self._pipeline.name, "info", "train", told, commit.change_id)

    # -- following ----------------------------------------------------------------------

    def _said(self) -> str:
        more = f"; {len(self._runs) - 1} more at the same time" if len(self._runs) > 1 else ""
        return self._runs[0].reason + more

    def _look_after(self, wanted: Job | None, now: float, *, may_start: bool, room: int) -> None:
        """Decide whether what runs is still wanted, and whether more may run beside it."""
        for run in self.runs:
            if run.trying:
                self._give_way(run, wanted, now, may_start=may_start)
            else:
                self._reconsider(run, wanted, now)
        if room > 0 and self._runs[0].trying:
            self._start_beside(wanted, now)

    def _reconsider(self, run: TrainingRun, wanted: Job | None, now: float) -> None:
        if wanted is None or wanted.keys[0].key == run.key or run.is_leaving:
            return
        if ending.uses_recalled(self._store, self._pipeline.name, run):
            run.leave_as(RunState.SUPERSEDED, RECALLED, now)
        if run.is_asked_for:
            return
        if run.share_done >= FINISH_SHARE:
            return
        if self._is_still(now):
            run.leave_as(RunState.SUPERSEDED, "the training folder or the settings changed", now)

    def _give_way(
        self, run: TrainingRun, wanted: Job | None, now: float, *, may_start: bool
    ) -> None:
        """End a variant's training for another that is due. It later goes on from its checkpoint."""
        name = self._pipeline.name
        if run.is_leaving:
            return
        if ending.uses_recalled(self._store, self._pipeline.name, run):
            run.leave_as(RunState.SUPERSEDED, RECALLED, now)
        elif variants.is_stopped(self._store, name, run):
            run.leave_as(RunState.CANCELLED, "pixd try --stop ended it", now)
        elif wanted:
            due = self._due(wanted)[1]
            if due.action == "reuse":
                self._reuse(due)
            is_due = due.action == "run" or self._store.retraining.of(name) is not None
            if is_due and may_start and self._is_still(now) and now >= self._retry_at:
                run.leave_as(RunState.CANCELLED, "the folder's own training goes first", now)

    def _follow(self, run: TrainingRun, now: float) -> None:
        ending.read(self._store, self._pipeline.name, run, now)
        if run.early and not ending.uses_recalled(self._store, self._pipeline.name, run):
            early.take(self._store, self._pipeline, run)
        ended = run.ended()
        if ended is None:
            return
        self._runs.remove(run)
        if ended.result and ending.uses_recalled(self._store, self._pipeline.name, run):
            ended = Ended(RunState.SUPERSEDED, RECALLED, timings=ended.result.timings)
        closed = ending.close(self._store, self._pipeline, run, ended, now)
        if closed.said:
            self.state, self.reason = "idle", closed.said
            self._blockage.clear()
        if closed.refused:
            self._note_blockage(f"the trainer: {closed.refused}", now)
        if ended.is_away:
            self._spawner.note_away(ended.reason, ended.mend)
        self._retry_at = closed.retry_at or self._retry_at
        if closed.state in {RunState.SUCCEEDED, RunState.SUPERSEDED}:
            run.drop_preview()
        shutil.rmtree(run.scratch, ignore_errors=True)
