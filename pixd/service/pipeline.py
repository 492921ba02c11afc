"""The parts of one pipeline, put together, and what a pause or a hold means for them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from pixd.folders.intake import Intake
from pixd.service import recall
from pixd.store.states import FileState
from pixd.system.children import confinement
from pixd.training.dataset.dataset import Dataset
from pixd.training.stage import Training
from pixd.translation import removing, withdrawing
from pixd.translation.stage import Translation
from pixd.translation.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pixd.config import PipelineSettings, Settings
    from pixd.store.store import Store
    from pixd.system.children.spawner import Spawner
    from pixd.system.children.warm_worker import WarmWorker
    from pixd.system.children.worker import Worker
    from pixd.training.run import TrainingRun

RECONFIGURED = "the configuration changed"
_OF_TRANSLATION = (
    *("input", "output", "settle_seconds", "keep"),
    *("fit", "output_size", "alpha", "max_megapixels", "sample", "samples"),
)
"""The settings whose change needs another translator, or another view of the input folder."""


class Pipeline:
    """The parts of one pipeline, under its present settings."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        pipeline: PipelineSettings,
        inspector: WarmWorker,
        spawner: Spawner,
        wake: Callable[[], None],
    ) -> None:
        """Put the parts together; nothing is read before the first step."""
        self.settings = pipeline
        self.pause = store.holds.paused(pipeline.name)
        self.tally = Tally()
        self._store = store
        self._service_settings = settings
        self._inspector = inspector
        self._spawner = spawner
        self._wake = wake
        self._tidied_at = -1  # revision of the input folder
        self._remove_at = 0.0  # when files that could not be removed are tried again
        self.training_folder = self._intake("training")
        self.input_folder = self._intake("input")
        self.dataset = Dataset(store, pipeline, self.training_folder, inspector)
        self.training = self._training(())
        self.translation = self._translation()

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self.settings.name

    @property
    def intakes(self) -> tuple[Intake, Intake]:
        """Both watched folders."""
        return self.training_folder, self.input_folder

    @property
    def may_start(self) -> bool:
        """Whether new work may begin."""
        return self.pause is None

    @property
    def may_train(self) -> bool:
        """Whether a training may begin. Not on a folder that may be incomplete.

        It may be while it is on hold or does not answer.
        """
        folder = self.training_folder
        return self.may_start and not (folder.held or folder.not_answering)

    @property
    def blocked(self) -> str:
        """What a disk refuses to this pipeline, or ""."""
        reasons = [intake.blocked for intake in self.intakes]
        return next(filter(None, [*reasons, self.training.blocked, self.translation.blocked]), "")

    @property
    def not_answering(self) -> str:
        """Which of its folders does not answer, and since when; or ""."""
        reasons = [intake.not_answering for intake in self.intakes]
        return next(filter(None, [*reasons, self.translation.publisher.calls.trouble]), "")

    @property
    def models_made(self) -> int:
        """How many models were ever made for it."""
        return self._store.models.highest_number(self.name)

    @property
    def last_published_at(self) -> str | None:
        """When its newest output was published, RFC 3339; None before the first."""
        return self._store.outputs.last_published_at(self.name)

    def is_idle(self) -> bool:
        """Tell whether nothing is under way and nothing will begin without a change from outside."""
        if not all(i.is_calm or i.held or i.blocked or i.not_answering for i in self.intakes):
            return False
        waits = self.training.state == "waiting" and self.may_train and not self.training.blocked
        if self.training.run or waits:
            return False
        if (
            self.translation.is_stuck or self.translation.publisher.calls.trouble
        ):  # it is tried again for ever, so nobody should wait for it
            return True
        if self.translation.is_busy:
            return False
        head = self._store.history.head(self.training_folder.repo_id)
        if head is not None and self.dataset.plan is None:
            return False
        is_queued = self._store.working.has_queued(self.input_folder.repo_id)
        has_live = self._store.models.live(self.name) is not None
        is_due = has_live and is_queued and self.may_start
        return not (is_due and not self.translation.blocked)

    def has_failures(self) -> bool:
        """Tell whether something of it failed, or is kept from going on."""
        return bool(
            self.blocked
            or self.not_answering
            or self.training.state == "failed"
            or self.translation.is_stuck
            or any(intake.held or intake.unreadable for intake in self.intakes)
            or self._store.working.counts(self.input_folder.repo_id).get(FileState.FAILED)
            or self._store.removals.has(self.name)
        )

    def withdraw_leftovers(self, now: float) -> None:
        """Withdraw outputs that nothing asks for: those of a recall, or all if so configured.

        Files of withdrawn outputs that could not be removed are tried again, and an input whose
        output's name was another input's is due again if that one is gone. `now`: monotonic seconds.
        """
        if self.translation.has_surplus:
            self.translation.has_surplus = False
            self._tidied_at = -1
        if self._tidied_at != self.input_folder.revision and self.translation.publisher.answers():
            self._tidied_at = self.input_folder.revision
            self._store.working.requeue_with_free_name(self.input_folder.repo_id)
            recall.withdraw_leftovers(self._store, self.settings)
            if not self.settings.keep.orphans:
                withdrawing.withdraw_orphans(self._store, self.settings, self.input_folder.repo_id)
        if now >= self._remove_at and self._store.removals.has(self.name):
            self._remove_at = now + removing.RETRY_S
            if self.translation.publisher.answers():
                calls = self.translation.publisher.calls
                removing.remove(self._store, self.name, self.settings.output, calls)

    def reload(self) -> None:
        """Read again what a command may have changed."""
        for intake in self.intakes:
            intake.reload()
        self.pause = self._store.holds.paused(self.name)

    def recover(self) -> None:
        """Forget what was under way when the store's disk failed; the store knows what is due."""
        for intake in self.intakes:
            intake.recover()
        self.dataset.recover()
        self.training.recover()
        self.translation.recover()

    def workers(self) -> Iterator[Worker]:
        """Yield the children that run for it."""
        yield from self.training.workers
        if self.translation.worker is not None:
            yield self.translation.worker

    def waits_for(self) -> Iterator[int]:
        """Yield descriptors that can be read when a folder answers that it waits for."""
        for calls in (*(intake.calls for intake in self.intakes), self.translation.publisher.calls):
            if (descriptor := calls.fileno()) is not None:
                yield descriptor

    def under(self, settings: Settings, pipeline: PipelineSettings, spawner: Spawner) -> Pipeline:
        """Return the pipeline as it is under other settings, with the parts that they do not touch.

        This one stays as it is until `make_way`. A running training goes on, where it is. Whether it
        is still wanted is decided by its key.
        """
        changed = copy.copy(self)
        changed.take(settings, pipeline, spawner)
        return changed

    def take(self, settings: Settings, pipeline: PipelineSettings, spawner: Spawner) -> None:
        """Put new parts in the place of those that other settings touch, and end none."""
        old, old_service = self.settings, self._service_settings
        self.settings, self._service_settings = pipeline, settings
        service_changed = spawner is not self._spawner or (
            (old_service.device, old_service.precision) != (settings.device, settings.precision)
        )
        self._spawner = spawner
        if old == pipeline and not service_changed:
            return
        self._tidied_at = -1  # keep.orphans may have changed
        if _of_intake(old, "training") != _of_intake(pipeline, "training"):
            self.training_folder = self._intake("training")
        if _of_intake(old, "input") != _of_intake(pipeline, "input"):
            self.input_folder = self._intake("input")
        self.dataset = Dataset(self._store, pipeline, self.training_folder, self._inspector)
        self.training = self._training(self.training.runs)
        if service_changed or any(
            getattr(old, name) != getattr(pipeline, name) for name in _OF_TRANSLATION
        ):
            self.translation = self._translation()

    def make_way(self, changed: Pipeline) -> None:
        """End what `changed` has other parts for; its translator gets the requests of this one."""
        for mine, its in zip(self.intakes, changed.intakes, strict=True):
            if mine is not its:
                mine.stop()
        if self.translation is not changed.translation:
            self.translation.end(RECONFIGURED)

    def wind_up(self, reason: str, now: float) -> None:
        """Begin nothing more; the trainer writes a checkpoint. Call `follow` until `is_over`."""
        for intake in self.intakes:
            intake.stop()
        try:
            self.translation.end(reason)
        finally:
            self.training.stop(reason, now)

    def follow(self, now: float) -> None:
        """Wait for the training to end after `wind_up`. `now`: monotonic seconds."""
        self.training.step(now, may_start=False)

    @property
    def is_over(self) -> bool:
        """Tell whether nothing runs for it."""
        return not self.training.runs

    def _intake(self, kind: str) -> Intake:
        root = self.settings.training if kind == "training" else self.settings.input
        return Intake(
            self._store,
            self.settings.name,
            kind,
            root,
            settle_seconds=self.settings.settle_seconds,
            wake=self._wake,
            keep_free_bytes=self.settings.keep.free_bytes,
            max_file_bytes=_max_file_bytes(self.settings, kind),
        )

    def _translation(self) -> Translation:
        return Translation(
            self._store,
            self._service_settings,
            self.settings,
            self.input_folder,
            self._spawner,
            tally=self.tally,
        )

    def _training(self, runs: Sequence[TrainingRun]) -> Training:
        return Training(
            self._store,
            self._service_settings,
            self.settings,
            self.training_folder,
            self.dataset,
            self._spawner,
            runs=runs,
        )


def _of_intake(settings: PipelineSettings, kind: str) -> tuple[object, ...]:
    folder = settings.training if kind == "training" else settings.input
    most = _max_file_bytes(settings, kind)
    return folder, settings.settle_seconds, settings.keep.free_bytes, most


def _max_file_bytes(settings: PipelineSettings, kind: str) -> int:
    """Return how large a file may be. Only files to be translated may be larger than usual."""
    megapixels = settings.max_megapixels if kind == "input" else confinement.MEGAPIXELS
    return max(confinement.FILE_BYTES, confinement.file_bytes_of(megapixels))
