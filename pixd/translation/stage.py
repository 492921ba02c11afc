"""Feed the translator with what is due, and publish what comes back.

What is due is decided in `pixd.translation.due`. What was made before is published at once; the
rest goes to the warm translator in batches. Publishing writes the intent row first, then the
file, then the rows that say the output exists.
"""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from pixd.store.heartbeat import Tiles
from pixd.store.states import FileState, RunState
from pixd.system import crash_points, disk
from pixd.system.children.warm_worker import WarmWorker
from pixd.translation import due, odd_inputs, translator
from pixd.translation.aim import Aim, Asked, Image, begin, end, record, request, take
from pixd.translation.intents import Made
from pixd.translation.lost_outputs import LostOutputs
from pixd.translation.publishing import Publisher
from pixd.translation.refresh import Refresh
from pixd.translation.tally import Tally

if TYPE_CHECKING:
    from pixd.config import PipelineSettings, Settings
    from pixd.folders.intake import Intake
    from pixd.store.file_rows import DueInput
    from pixd.store.models import Model
    from pixd.store.store import Store
    from pixd.system.children.spawner import Spawner
    from pixd.system.children.warm_worker import Answer
    from pixd.system.children.worker import Worker

AT_ONCE = 32  # inputs that the translator holds, so that decode, inference and encode overlap
MOST_AT_ONCE = 512
AHEAD_S = 0.5
"""The translator holds as many small images as it makes in this time. What comes back together is
published together. The cost of publishing depends on the number of syncs, not of files."""
CHECK_MODEL_S = 30.0  # how soon a live model whose files could not be read is tried again


class Translation:
    """The translation of one pipeline."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        pipeline: PipelineSettings,
        intake: Intake,
        spawner: Spawner,
        *,
        tally: Tally | None = None,
    ) -> None:
        """Translate what `intake` records, under the pipeline's live model.

        `spawner` starts the translator; `tally` counts what became of the inputs.
        """
        self._tally = tally or Tally()
        self._store = store
        self._settings = settings
        self._pipeline = pipeline
        self._intake = intake
        self._spawner = spawner
        self.publisher = Publisher(
            store,
            pipeline.name,
            intake.repo_id,
            pipeline.output,
            samples=pipeline.samples,
            tally=self._tally,
        )
        self._aim: Aim | None = None
        self._translator: WarmWorker | None = None
        self._held: dict[str, Asked] = {}
        self._at_once = AT_ONCE
        self._lost = LostOutputs(
            store, pipeline.name, intake.repo_id, pipeline.output, self.publisher
        )
        self._retry_at: float | None = None
        self._damaged: tuple[int, str] | None = None  # id of the live model, and why
        self._aim_again_at = 0.0
        self._blockage = disk.Blockage()
        self._queue = due.Queue(store, pipeline, intake.repo_id)
        self._odd = odd_inputs.OddInputs(store, pipeline.name, intake.repo_id)
        self._refresh = Refresh(store, pipeline.name, intake.repo_id, pipeline.samples)
        self.device = ""
        self.has_surplus = False  # outputs were orphaned; who withdraws such resets this

    @property
    def blocked(self) -> str:
        """Why no output can be made or published, or ""."""
        return self._blockage.reason

    @property
    def worker(self) -> Worker | None:
        """The translator child, for the service's selector."""
        return self._translator.worker if self._translator else None

    @property
    def trouble(self) -> str:
        """Why the translator cannot work, and what to do then; or ""."""
        if self._damaged:
            return self._damaged[1]
        return self._translator.trouble if self._translator else ""

    @property
    def is_stuck(self) -> bool:
        """Tell whether nothing can be translated until a person does something."""
        stuck = self._translator is not None and self._translator.is_stuck
        return self._damaged is not None or stuck

    def is_fresh(self, now: float) -> bool:
        """Tell whether the translator answers, or was ended because it did not."""
        return self._translator is None or self._translator.is_fresh(now)

    @property
    def phase(self) -> str:
        """What the translator does while it starts and an image waits for it, or ""."""
        return self._translator.phase if self._translator and self._held else ""

    @property
    def warm_worker(self) -> WarmWorker | None:
        """What the live model is run by; None if there is none."""
        return self._translator

    @property
    def tiles(self) -> Tiles | None:
        """The name of the image that is translated in tiles, how many are done, and of how many."""
        step = self._translator.step_made if self._translator else None
        asked = self._held.get(step.token.digest) if step else None
        if step is None or asked is None:
            return None
        return Tiles(name=asked.inputs[0].name, done=step.done, all=step.of)

    @property
    def is_busy(self) -> bool:
        """Tell whether translations are under way, or the outputs were not looked at yet."""
        return bool(self._held) or (self._aim is not None and not self._lost.has_looked)

    def next_at(self, now: float) -> float:
        """Return when the next step has work, even without a message from the child."""
        times = [self._lost.next_at if self._aim else now + 3600.0]
        if self.publisher.calls.fileno() is not None:  # nothing begins before that is answered
            return self._translator.next_at(now) if self._translator else now + 3600.0
        if self._translator:
            times.append(self._translator.next_at(now))
        if not self._held:
            times.append(self._refresh.next_at(now))
        if self._retry_at is not None:
            times.append(self._retry_at)
        if self._blockage.retry_at > now:
            times.append(self._blockage.retry_at)
        return min(times)

    def recover(self) -> None:
        """After an error of the store's disk, forget what is under way; it is still due."""
        if self._translator:
            self._translator.abandon()
        self._held.clear()
        self.publisher.recover()
        self._aim = None  # stale outputs may not have been queued

    def stop(self, reason: str) -> None:
        """Drop what is under way: its inputs stay due, and its runs say `reason`."""
        if self._translator:
            self._translator.stop()
        with self._store.transaction():
            for asked in self._held.values():
                end(self._store, asked, RunState.CANCELLED, reason)
        self._held.clear()

    def end(self, reason: str) -> None:
        """Do what `stop` does, for good: the child that asks the output folder ends too."""
        self.publisher.calls.close()  # first: the store may refuse the rest
        self.stop(reason)

    def step(self, now: float, *, may_start: bool = True, trains: bool = False) -> None:
        """Bring the outputs one step closer.

        Args:
            now: monotonic seconds.
            may_start: whether new work may begin.
            trains: whether something trains, so that what has an output already must wait.
        """
        # First: answers of a model that is not live any more, perhaps recalled, are dropped.
        before, aim = self._aim, self._find_aim(now)
        if self._translator:
            self._translator.step(now)
            if answers := self._translator.collect():
                self._publish_answers(answers, now)
            for note in self._translator.notes:
                self._store.note(self._pipeline.name, note.level, "translator", note.message)
            self._translator.notes.clear()
            if self._translator.ready:
                self.device = str(self._translator.ready.get("device", ""))
        if self.publisher.is_waiting() or aim is None:
            return
        # Not in the step that found the aim, which is the one that a start waits for.
        if before is not None and (why := self._lost.look(now)) is not None:
            self._note_blockage(why, now)
            self._odd.tell_again(now)
        if may_start and now >= self._blockage.retry_at and not self.publisher.is_waiting():
            self._feed(aim, now, trains=trains)

    # -- what outputs should be ---------------------------------------------------------

    def _find_aim(self, now: float) -> Aim | None:
        """Find the live model and recipe; when they changed, queue what is stale."""
        store, name = self._store, self._pipeline.name
        live = store.models.live(name)
        if live is None:
            if self._aim:  # recalled, with no other to take its place
                self.stop("its model is no longer live")
                self._aim = None
            self._damaged = None
            return None
        if self._aim and self._aim.model.id == live.id:
            return self._aim
        if self._damaged and self._damaged[0] == live.id and now < self._aim_again_at:
            return None
        try:
            prepared = translator.prepare(store, self._settings, self._pipeline, live)
        except translator.DamagedModelError as error:
            self._note_damage(live, error, now)
            return None
        self._damaged = None
        recipes = [store.runs.add_recipe("translate", one.settings) for one in prepared.samples]
        repo = self._intake.repo_id
        is_early = bool(live.early_of) and not store.models.is_pinned(name)
        with store.transaction():
            surplus = store.outputs.orphan_surplus(name, len(recipes))
            for number, recipe in enumerate(recipes, start=1):
                sample = recipe, number, len(recipes)
                store.outputs.requeue_stale(name, repo, live.digest, *sample, is_early=is_early)
            queued = store.working.counts(repo).get(FileState.QUEUED, 0)
        if surplus:
            self.has_surplus = True
            told = f"{surplus} outputs have names that are not asked for since `samples` changed"
            store.note(name, "info", "orphans", told)
        if queued:
            store.note(name, "info", "due", f"inputs due under model@{live.number}: {queued}")
        if self._translator:
            self.stop("its model is no longer live")
        self._aim = Aim(live, prepared)
        self._refresh.aim(self._aim)
        self._translator = translator.start(
            store, self._settings, self._pipeline, prepared, self._spawner
        )
        return self._aim

    def _note_damage(self, live: Model, error: translator.DamagedModelError, now: float) -> None:
        """Report once that the live model cannot be read; look again every `CHECK_MODEL_S`."""
        self.stop("its model is damaged")
        self._aim = None
        self._aim_again_at = now + CHECK_MODEL_S
        trouble = f"{error.message}: {error.advice}"
        if self._damaged != (live.id, trouble):
            self._store.note(self._pipeline.name, "error", "translator", trouble)
        self._damaged = (live.id, trouble)

    # -- feeding ------------------------------------------------------------------------

    def _feed(self, aim: Aim, now: float, *, trains: bool) -> None:
        child = self._translator
        assert child is not None  # it was started when the aim was found
        if self._note_blockage(self.publisher.why_not(), now):
            return
        room = self._at_once * child.width - len(self._held)
        if room <= 0:
            return
        inputs = self._next_inputs(room, now, trains=trains)
        if not inputs:
            return
        if self._note_blockage(self._queue.shortage(), now):
            return
        with self._store.transaction():
            first, *more = aim.prepared.recipes
            known = self._queue.known(aim.model.digest, first, inputs, self._held, tuple(more))
            work = due.sort_out(inputs, known)
            for inp, why in work.refused:
                self._tally.results["rejected"] += 1
                self._store.working.set_state(
                    self._intake.repo_id, [inp.name], FileState.REJECTED, why
                )
            for digest, same in work.joins.items():
                held = self._held[digest]
                self._held[digest] = held._replace(inputs=(*held.inputs, *same))
            for digest, parts in groupby(work.new, attrgetter("digest")):
                asked = begin(self._store, self._pipeline.name, aim, list(parts), child.scratch)
                self._held[digest] = asked
                child.submit(asked, request(self._store, aim, asked))
        if work.again:
            self._publish(aim, work.again, now)
        child.step(now)

    def _next_inputs(self, room: int, now: float, *, trains: bool) -> list[DueInput]:
        """Return what to deal with now: what has no output, and then what gets a better one."""
        busy = {inp.name for asked in self._held.values() for inp in asked.inputs}
        inputs, waits = self._queue.next_inputs(room, busy)
        self._retry_at = now + 1.0 if waits else None
        if not inputs and not self._held:
            self._odd.tell()
            self._go_on(now)
            if self._refresh.step(now, room, trains=trains):
                inputs, _ = self._queue.next_inputs(room, busy)
        return inputs

    def _note_blockage(self, why: str, now: float) -> bool:
        """Begin nothing new while `why` holds. It is reported once, and work goes on by itself."""
        if not why:
            return False
        if self._blockage.add(why, now):
            self._store.note(self._pipeline.name, "warning", "blocked", f"translating: {why}")
        return True

    def _go_on(self, now: float) -> None:
        if self._blockage:
            told = f"translating goes on after {now - self._blockage.since:.0f} s"
            self._store.note(self._pipeline.name, "info", "blocked", told)
            self._blockage.clear()

    # -- answers ------------------------------------------------------------------------

    def _publish_answers(self, answers: list[Answer], now: float) -> None:
        made: list[Image] = []
        for answer in answers:
            asked = self._held.pop(answer.token.digest, None)
            if asked is None:  # dropped when the model changed
                continue
            if answer.event["event"] == "done":
                crash_points.crash_point("result-received")
                images = take(self._store, asked, answer.event)
                if isinstance(images, str):
                    self._fail(asked, images)
                    continue
                made += images
                self._odd.keep(asked.digest, answer.event)
            elif answer.event["event"] in {"rejected", "crashed"}:
                self._reject(asked, str(answer.event.get("reason")))
            elif answer.event.get("kind") == "disk":
                self._give_back(asked, str(answer.event.get("reason")), now)
            else:
                self._fail(asked, str(answer.event.get("reason")))
        if not made:
            return
        aim = self._aim
        assert aim is not None  # the requests were made under it
        self._store.objects.flush()
        done = [
            Made(image.part.run_id, image.stored.digest, image.asked.inputs, image.part.number)
            for image in made
        ]
        self.publisher.look_ahead(done)
        ready = (self._translator.ready if self._translator else None) or {}
        with self._store.transaction():
            record(self._store, made, ready.get("environment", {}))
            intents = self.publisher.intend(
                done, model_digest=aim.model.digest, recipes=aim.prepared.recipes
            )
        self._note_published(self.publisher.carry_out(done, intents), now)
        contents = {image.asked.digest for image in made}
        took_ms = sum(sum(image.ms.values()) for image in made) / len(contents)
        self._at_once = round(min(max(1000 * AHEAD_S / max(took_ms, 1e-3), AT_ONCE), MOST_AT_ONCE))

    def _publish(self, aim: Aim, made: list[Made], now: float) -> None:
        refused = self.publisher.publish(
            made, model_digest=aim.model.digest, recipes=aim.prepared.recipes
        )
        self._note_published(refused, now)

    def _note_published(self, refused: str, now: float) -> None:
        if not (self.publisher.is_waiting() or self._note_blockage(refused, now)):
            self._go_on(now)

    def _give_back(self, asked: Asked, reason: str, now: float) -> None:
        """Leave the inputs due, because the disk is the cause."""
        end(self._store, asked, RunState.CANCELLED, reason)
        self._note_blockage(f"the translator: {reason}", now)

    def _reject(self, asked: Asked, reason: str) -> None:
        self._tally.results["rejected"] += len(asked.inputs)
        with self._store.transaction():
            end(self._store, asked, RunState.FAILED, reason)
            self._store.working.decide(asked.digest, self._queue.layout, reason, None, None)
            for inp in asked.inputs:
                self._store.working.finish(
                    self._intake.repo_id, inp.name, inp.digest, FileState.REJECTED, reason
                )
                note = f"{inp.name}: {reason}"
                self._store.note(self._pipeline.name, "warning", "rejected", note)

    def _fail(self, asked: Asked, reason: str) -> None:
        """Try again later, each time after twice the wait; the fifth failure is final and shown."""
        with self._store.transaction():
            end(self._store, asked, RunState.FAILED, reason)
            for inp in asked.inputs:
                self.publisher.postpone(inp, reason)
