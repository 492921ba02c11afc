"""Trains when a training is due: starts the child, follows it, and publishes its model.

The live model should come from the pairs in the folder and the settings in the configuration
(`pixd.training.due`). If a model of these was trained before, it is used again. If not, a training
child starts after the folder has not changed for `quiet_seconds`; it works on a snapshot. If the
folder changes while the child runs, a training that is at least half done goes on to its end. Any
other training is superseded when the folder has not changed for that time again.
"""

from __future__ import annotations

import secrets
import shutil
from typing import TYPE_CHECKING

from pixd.store.queries import lineage
from pixd.store.states import ACTIVE_RUNS, RunState
from pixd.system import crash_points, disk
from pixd.system.backoff import FIRST_RETRY_S
from pixd.training import early, ending, failing, retraining, variants
from pixd.training.due import MAX_FAILURES, NO_PAIRS, decide, given_up
from pixd.training.past import failures_of, past_of
from pixd.training.recipe import train_keys, train_recipe
from pixd.training.run import Ended, TrainingRun, room_for_training
from pixd.training.snapshot import Job, take

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixd.config import PipelineSettings, Settings
    from pixd.folders.intake import Intake
    from pixd.store.store import Store
    from pixd.system.children.spawner import Spawner
    from pixd.system.children.spec import Result
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
        run: TrainingRun | None = None,
    ) -> None:
        """Keep the live model of a pipeline up to date with `dataset`.

        Args:
            store: the open store.
            settings: settings of the service.
            pipeline: settings of the pipeline.
            intake: intake of the training folder.
            dataset: the pairs in it.
            spawner: starts the trainer.
            run: a training that was started before the settings changed, and still runs.
        """
        self._store = store
        self._settings = settings
        self._pipeline = pipeline
        self._intake = intake
        self._dataset = dataset
        self._spawner = spawner
        self._run = run
        self._retry_at = 0.0
        self._may_start_at = 0.0
        self._is_noted = False  # by which revision the live model was made
        self._blockage = disk.Blockage()
        self.state = "idle"
        self.reason = ""
        self.progress: Progress | None = None  # of looking at the images and comparing the pairs

    @property
    def blocked(self) -> str:
        """Why no training can start or go on, or ""."""
        return self._blockage.reason

    @property
    def worker(self) -> Worker | None:
        """The training child, for the service's selector."""
        return self._run.worker if self._run else None

    @property
    def run(self) -> TrainingRun | None:
        """The training that runs now."""
        return self._run

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

    def step(self, now: float, *, may_start: bool = True) -> None:
        """Do what can be done now, without waiting.

        Args:
            now: monotonic seconds.
            may_start: whether a new run may start. Only so many pipelines train at a time as the
                engine lets, and none while the service stops.
        """
        if self._run:
            self._follow(now)
        self._dataset.step(now)
        self.progress = self._dataset.progress(now)
        if not self._is_noted:
            retraining.note_revision_of_live(self._store, self._pipeline.name)
            self._is_noted = True
        wanted = self._wanted()
        if self._run:
            if self._run.trying:
                self._give_way(self._run, wanted, now, may_start=may_start)
            elif wanted:
                self._reconsider(wanted.keys[0].key, now)
            return
        if self._dataset.plan is None or self._make_anew(wanted, now, may_start=may_start):
            return
        if wanted and self._train_wanted(wanted, now, may_start=may_start):
            return
        # What the folder and the configuration ask for goes first, and nobody waits for a variant.
        if found := variants.next_of(
            self._store, self._pipeline.name, wanted, self._dataset.commit
        ):
            self._start_when_still(found.job, found.failures, now, may_start=may_start)

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
        store, name = self._store, self._pipeline.name
        asked = store.retraining.of(name)
        if asked is None:
            return False
        past = self._past_of(wanted) if wanted else None
        job = retraining.job_of(store.db.conn, store.folder, name, asked, wanted, past)
        if isinstance(job, str):
            store.retraining.forget(name)
            store.note(name, "warning", "retrain", job, asked.change_id)
            return False
        failures = failures_of(store.db.conn, name, job.keys[0].key)
        if len(failures) >= MAX_FAILURES:
            store.retraining.forget(name)
            why = f"model@{asked.model} is not made anew: {given_up(failures).why}"
            store.note(name, "error", "retrain", why, asked.change_id)
            return False
        self._start_when_still(job, failures, now, may_start=may_start)
        return True

    def recover(self) -> None:
        """Look again at what is under way, after an error of the store's disk.

        A running child goes on. If a child has ended, its model may be only half published. Then
        its run is lost, and another run goes on from the last checkpoint.
        """
        if self._run and self._run.worker.poll() is not None:
            self._run = None

    def stop(self, reason: str, now: float) -> None:
        """Ask a running training to write a checkpoint and end. `now`: monotonic seconds."""
        if self._run:
            self._run.leave_as(RunState.CANCELLED, reason, now)

    # -- deciding -----------------------------------------------------------------------

    def _wanted(self) -> Job | None:
        """Return the training that the folder and the config ask for."""
        plan = self._dataset.plan
        if plan is None:
            if not self._run:
                self.state, self.reason = "idle", self._say_not_ready()
            return None
        if not plan.pairs:
            if not self._run:
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
        self,
        job: Job,
        failures: Sequence[str],
        now: float,
        *,
        may_start: bool,
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
            self._may_start_at = now + 1.0
        elif now < self._blockage.retry_at:
            self.reason = self._blockage.reason
            self._may_start_at = self._blockage.retry_at
        elif why := self._spawner.why_not():
            self.reason = why
            self._may_start_at = now + ASK_CLUSTER_EVERY_S
        elif shortage := room_for_training(self._store.folder, self._pipeline, job.recipe):
            self._note_blockage(shortage, now)
            self.reason = shortage
            self._may_start_at = self._blockage.retry_at
        else:
            self._start(job)

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
        self._run = TrainingRun.start(
            store, self._settings, run_id, key, commit, snapshot.spec, self._spawner
        )
        self._run.trying, self._run.made_from = job.trying, job.model
        self._run.is_asked_for = bool(job.asked) and not job.trying
        self.state, self.reason = "running", snapshot.reason
        told = f"training started: {snapshot.reason}"
        store.note(self._pipeline.name, "info", "train", told, commit.change_id)

    # -- following ----------------------------------------------------------------------

    def _reconsider(self, key: str, now: float) -> None:
        run = self._run
        assert run is not None  # only called with one
        if key == run.key or run.is_leaving:
            return
        if self._uses_recalled(run):
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
        if self._uses_recalled(run):
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

    def _follow(self, now: float) -> None:
        run = self._run
        assert run is not None  # only called with one
        ending.read(self._store, self._pipeline.name, run, now)
        if run.early and not self._uses_recalled(run):
            early.take(self._store, self._pipeline, run)
        self.state, self.reason = "running", run.reason
        ended = run.ended()
        if ended is None:
            return
        self._run = None
        if ended.result and self._uses_recalled(run):
            ended = Ended(RunState.SUPERSEDED, RECALLED)
        if ended.result:
            ended = self._publish(run, ended, ended.result)
        self._note_without_model(run, ended, now)
        if ended.state in {RunState.SUCCEEDED, RunState.SUPERSEDED}:
            run.drop_preview()
        shutil.rmtree(run.scratch, ignore_errors=True)

    def _note_without_model(self, run: TrainingRun, ended: Ended, now: float) -> None:
        store = self._store
        if ended.error and ended.error["kind"] == "disk":
            # The training did not fail: it goes on from its checkpoint when the disk can be written.
            reason = ended.error["message"]
            store.runs.move(run.run_id, ACTIVE_RUNS, RunState.CANCELLED, reason=reason)
            self._note_blockage(f"the trainer: {reason}", now)
        elif ended.error:
            self._retry_at = failing.note(self._store, self._pipeline.name, run, ended.error, now)
        elif not ended.result:
            ending.note_unfinished(store, self._pipeline.name, run, ended)
            if ended.is_away:
                self._spawner.note_away(ended.reason)
            if not run.is_leaving:  # somebody else ended it, and may also end the next one
                self._retry_at = now + FIRST_RETRY_S

    def _publish(self, run: TrainingRun, ended: Ended, result: Result) -> Ended:
        told = ending.publish(self._store, self._pipeline, run, result)
        if not isinstance(told, str):
            return Ended(RunState.FAILED, error=told)
        self.state, self.reason = "idle", told
        self._blockage.clear()
        return ended

    def _uses_recalled(self, run: TrainingRun) -> bool:
        excluded = self._store.exclusions.of(self._pipeline.name)
        reader = self._store.db.conn
        return bool(
            excluded and lineage.is_trained_on(reader, self._store.folder, run.run_id, excluded)
        )
