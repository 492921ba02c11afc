"""All pipelines that are served, the inspector that they share, and those that are being taken out.

The loop, the heartbeat, the metrics and the shutdown ask here for "all pipelines". What one
pipeline is made of is in `pixd.service.pipeline`.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from pixd.service.engine import spawner_of
from pixd.service.pipeline import RECONFIGURED, Pipeline
from pixd.store.queries import holds
from pixd.system import disk, machine
from pixd.training.dataset.inspector import inspector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pixd.config import PipelineSettings, Settings
    from pixd.folders.intake import Intake
    from pixd.store.store import Store
    from pixd.system.children.spawner import Spawner
    from pixd.system.children.worker import Worker

INSPECTOR_IDLE_S = 20.0
ANSWER_WITHIN_S = 2.0  # what a command waits for a folder on a network file system
HEAR_EVERY_S = 0.1
"""While the inspector holds many requests, its answers are read together: a step of the loop for each
would cost as much as the look at a small picture."""
MANY_REQUESTS = 32
INSPECT_WITHIN_S = 300.0  # of real time; the limit of processor time is far lower
WARM_AFTER_S = 5.0  # of the start: a service that is ended at once starts none for nothing
WARM_NEEDS_BYTES = 2 << 30
"""The memory that must be free for a translator to be started before there is an image. It takes
about a third of that (docs/images.md)."""


class Pipelines:
    """The pipelines of the settings in force. Iterating gives those that are served."""

    def __init__(
        self, store: Store, settings: Settings, spawner: Spawner, wake: Callable[[], None]
    ) -> None:
        """Put every pipeline together; nothing is read before the first step.

        Args:
            store: the open store.
            settings: the checked configuration.
            spawner: starts the children.
            wake: shortens the loop's wait; called from any thread.
        """
        self.settings = settings
        self._store = store
        self._spawner = spawner
        self._wake = wake
        self.inspector = inspector(
            store.scratch / "inspect",
            store.folder / "logs" / "inspect.log",
            spawner=spawner,
            idle_s=INSPECTOR_IDLE_S,
            answer_within_s=INSPECT_WITHIN_S,
        )
        self._served = [self._begin(pipeline, settings, spawner) for pipeline in settings.pipelines]
        self._leaving: list[Pipeline] = []  # taken out of the configuration, not over yet
        self._heard_at = 0.0  # monotonic seconds, when the inspector's answers were last read
        self._to_warm: list[Pipeline] = []
        self._warm_at = 0.0

    def _begin(self, pipeline: PipelineSettings, settings: Settings, spawner: Spawner) -> Pipeline:
        name = pipeline.name
        if before := holds.named_before(self._store.db.conn, name, pipeline.training):
            self._store.note(name, "warning", "renamed", holds.say_renamed(name, before))
        return Pipeline(self._store, settings, pipeline, self.inspector, spawner, self._wake)

    def engine(self) -> Mapping[str, Any]:
        """Return how the cluster is that children run on; nothing where they run on this machine."""
        return self._spawner.told()

    # -- which there are ----------------------------------------------------------------

    def __iter__(self) -> Iterator[Pipeline]:
        return iter(self._served)

    @property
    def intakes(self) -> Iterator[Intake]:
        """Every watched folder."""
        for pipeline in self._served:
            yield from pipeline.intakes

    @property
    def outputs(self) -> dict[str, Path]:
        """The output folder of each pipeline."""
        return {pipeline.name: pipeline.output for pipeline in self.settings.pipelines}

    @property
    def workers(self) -> Iterator[Worker]:
        """Every child."""
        if self.inspector.worker is not None:
            yield self.inspector.worker
        for pipeline in (*self._served, *self._leaving):
            yield from pipeline.workers()

    def waits_for(self) -> Iterator[int]:
        """Yield descriptors that can be read when a folder answers that is waited for."""
        for pipeline in self._served:
            yield from pipeline.waits_for()

    def awaited(self, now: float) -> Iterator[Worker]:
        """Yield the children whose next message is worth a step. `now`: monotonic seconds."""
        is_resting = now < self._hears_at
        for worker in self.workers:
            if not (is_resting and worker is self.inspector.worker):
                yield worker

    @property
    def _hears_at(self) -> float:
        """When the inspector's answers are read next (monotonic seconds); 0 means at once."""
        return self._heard_at + HEAR_EVERY_S if self.inspector.load >= MANY_REQUESTS else 0.0

    @property
    def training_runs(self) -> list[int]:
        """The runs of the trainings that are under way."""
        return [r.run_id for p in (*self._served, *self._leaving) for r in p.training.runs]

    # -- how they are -------------------------------------------------------------------

    def is_idle(self) -> bool:
        """Tell whether nothing is under way and nothing will begin without a change from outside."""
        return not self.inspector.load and all(pipeline.is_idle() for pipeline in self._served)

    def has_failures(self) -> bool:
        """Tell whether something failed, or is kept from going on."""
        return any(pipeline.has_failures() for pipeline in self._served)

    def stale(self, now: float) -> str:
        """Say what should have moved and has not, or "". `now`: monotonic seconds.

        The part that started a silent child acts first: it kills the child, finds which request was
        to blame, and starts another. A child is stale only if that did not help.
        """
        for pipeline in self._served:
            for intake in pipeline.intakes:
                if why := intake.stale(now):
                    return f"{pipeline.name}: {intake.kind}: {why}"
            if not all(run.is_fresh(now) for run in pipeline.training.runs):
                return f"{pipeline.name}: the trainer hangs and cannot be ended"
            if not pipeline.translation.is_fresh(now):
                return f"{pipeline.name}: the translator hangs and cannot be ended"
        return "" if self.inspector.is_fresh(now) else "the inspector hangs and cannot be ended"

    def next_at(self, now: float) -> float:
        """Return when something is due without a message from a child or a folder."""
        times = [self.inspector.next_at(now), *(intake.next_at() for intake in self.intakes)]
        if now < self._hears_at:
            times.append(self._hears_at)
        for pipeline in self._served:
            times += [pipeline.training.next_at(now), pipeline.translation.next_at(now)]
        if self._to_warm and now < self._warm_at:
            times.append(self._warm_at)
        return min(times)

    # -- what they do -------------------------------------------------------------------

    def record_and_train(self, now: float, *, may_start: bool) -> None:
        """Bring intakes, datasets and trainings one step closer; so many train as the engine lets."""
        for intake in self.intakes:
            intake.step(now)
        self._inspect(now)
        for pipeline in self._served:
            pipeline.training.follow(now)  # who asks next goes by what has ended by now
        for pipeline in self._served:
            at_once, running = self._spawner.trainings_at_once(), len(self.training_runs)
            others = running - len(pipeline.training.runs)
            may_train = may_start and pipeline.may_train and others < at_once
            # What a folder asks for goes before the next variant of another's, and before a second
            # one even where it waits for something else.
            able = [p.training for p in self._served if p.may_train]
            room = at_once - running if may_train and all(t.state != "waiting" for t in able) else 0
            may_try = not any(t.waits_for_room for t in able)
            pipeline.training.step(now, may_start=may_train, may_try=may_try, room=room)
        for pipeline in self._leaving:
            pipeline.follow(now)
        self._leaving = [pipeline for pipeline in self._leaving if not pipeline.is_over]

    def translate(self, now: float, *, may_start: bool) -> None:
        """Bring the outputs one step closer."""
        trains = bool(self.training_runs)
        for pipeline in self._served:
            pipeline.withdraw_leftovers(now)
            may = may_start and pipeline.may_start
            pipeline.translation.step(now, may_start=may, trains=trains)
        self._warm_next(now, may_start=may_start)

    def warm_translators(self, now: float) -> None:
        """Have the translators of live models started before the first image, one after the other.

        An image that comes within the translator's idle time then waits for no start. Where a training
        runs or memory is short, none is started early. `now`: monotonic seconds.
        """
        self._to_warm, self._warm_at = list(self._served), now + WARM_AFTER_S

    def _warm_next(self, now: float, *, may_start: bool) -> None:
        if now < self._warm_at:
            return
        translators = [pipeline.translation.warm_worker for pipeline in self._served]
        if not self._to_warm or any(t is not None and t.is_loading for t in translators):
            return
        if self.training_runs or machine.free_bytes() < WARM_NEEDS_BYTES:
            self._to_warm.clear()
            return
        pipeline = self._to_warm.pop(0)
        translator = pipeline.translation.warm_worker
        if translator and may_start and pipeline.may_start and pipeline in self._served:
            translator.warm()

    def _inspect(self, now: float) -> None:
        self.inspector.step(now)
        answers = self.inspector.collect()
        if answers:
            self._heard_at = now
            datasets = {pipeline.name: pipeline.dataset for pipeline in self._served}
            with self._store.transaction():
                for answer in answers:
                    if dataset := datasets.get(answer.token[0]):
                        dataset.hear(answer, now)
        for note in self.inspector.notes:
            self._store.note("", note.level, "inspector", note.message)
        self.inspector.notes.clear()

    def check_answering(self, name: object) -> None:
        """Check that the folders of a pipeline answer, before a command has them looked at.

        Raises:
            NotAnsweringError: one does not.
        """
        for pipeline in self._served:
            if pipeline.name == name:
                for intake in pipeline.intakes:
                    intake.calls.call_slow(ANSWER_WITHIN_S, os.path.isdir, intake.root)
                output = pipeline.settings.output
                pipeline.translation.publisher.calls.call_slow(
                    ANSWER_WITHIN_S, os.path.isdir, output
                )

    def scan_soon(self) -> None:
        """Have every folder scanned at the next step."""
        for intake in self.intakes:
            intake.scan_soon()

    def reload(self) -> None:
        """Read again what a command may have changed in the store."""
        for pipeline in self._served:
            pipeline.reload()

    def recover(self) -> None:
        """Forget what was under way when the store's disk failed; the store knows what is due."""
        self.inspector.abandon()
        for pipeline in self._served:
            pipeline.recover()

    def take(self, settings: Settings, now: float) -> None:
        """Go on under other settings: pipelines are added, changed and taken out, which is recorded.

        What may fail comes first: the new parts are put together and recorded. If the store refuses
        that, the settings in force and all that is served stay as they are.

        Raises:
            OSError, sqlite3.Error: the store refuses.
        """
        engine_changed = (self.settings.engine, self.settings.ray) != (
            settings.engine,
            settings.ray,
        )
        spawner = spawner_of(settings) if engine_changed else self._spawner
        try:
            with self._store.transaction():
                served = [
                    self._next(pipeline, settings, spawner) for pipeline in settings.pipelines
                ]
                self._store.note("", "info", "config", self._say_taken(settings))
        except BaseException:
            if engine_changed:
                spawner.close()
            raise
        old = {p.name: p for p in (*self._leaving, *self._served)}
        kept = [(old.pop(p.name), p) for p in served if p.name in old]
        removed = [p for p in self._served if p.name in old]
        if engine_changed:
            self._spawner.close()
        self.settings, self._spawner, self._served = settings, spawner, served
        self._leaving = list(old.values())
        warmed = {p.name for p in self._to_warm}
        self._to_warm = [p for p in served if p.name in warmed]
        with contextlib.ExitStack() as ending:  # an error of one keeps no other from its end
            for before, after in kept:
                ending.callback(before.make_way, after)
            for pipeline in removed:
                reason = "its pipeline was taken out of the configuration"
                ending.callback(pipeline.wind_up, reason, now)

    def _next(self, pipeline: PipelineSettings, settings: Settings, spawner: Spawner) -> Pipeline:
        for known in (*self._served, *self._leaving):
            if known.name == pipeline.name:
                return known.under(settings, pipeline, spawner)
        return self._begin(pipeline, settings, spawner)

    def _say_taken(self, settings: Settings) -> str:
        """Say what other settings mean for which pipeline."""
        before = {p.name: p.settings for p in self._served}
        after = {p.name: p for p in settings.pipelines}
        parts = (
            ("new", [name for name in after if name not in before]),
            ("changed", [n for n in after if n in before and before[n] != after[n]]),
            ("taken out", sorted(before.keys() - after.keys())),
        )
        told = [f"{what}: {', '.join(names)}" for what, names in parts if names]
        return f"{RECONFIGURED}; " + ("; ".join(told) or "no pipeline is touched")

    # -- the end ------------------------------------------------------------------------

    def wind_up(self, reason: str, now: float, warn: Callable[[str], None]) -> None:
        """Publish what the translators have answered, begin nothing, and ask the trainers to end.

        Args:
            reason: for the runs that are cut off.
            now: monotonic seconds.
            warn: called with what a disk refuses; then the store is as after a crash.
        """
        for pipeline in self._served:
            with disk.tolerated(warn):
                pipeline.translation.step(now, may_start=False)
            with disk.tolerated(warn):
                pipeline.wind_up(reason, now)
        self.inspector.stop()
        self._spawner.close()

    def abandon(self) -> None:
        """End every child at once and stop watching; nothing is written."""
        self.inspector.stop()
        for part in (*self._served, *self._leaving):
            for intake in part.intakes:
                intake.stop()
            part.translation.publisher.calls.close()
        self._spawner.close()
        for worker in list(self.workers):
            worker.kill()

    def follow(self, now: float, warn: Callable[[str], None]) -> bool:
        """Wait for the trainers to end after `wind_up`; tell whether some have not yet."""
        parts = (*self._served, *self._leaving)
        if all(part.is_over for part in parts):
            return False
        for part in parts:
            with disk.tolerated(warn):
                part.follow(now)
        return True
