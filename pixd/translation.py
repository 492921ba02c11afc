"""Which inputs are due under the live model, and the way of each to its published output.

The rule: every input should have an output made from its present bytes by the live model
under the present recipe. What was made before under the same key is published again without
work; the rest goes to the warm translator in batches, and comes back to be published: the
intent row first, then the file, then the rows that say it stands.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pixd
from pixd import durable, output, recipes
from pixd.publishing import LONGEST_WAIT_S, Made, Publisher
from pixd.records import SCHEMA
from pixd.store.connection import rfc3339, utc_now
from pixd.store.runs import Edge, run_key
from pixd.training_run import lay_out_model
from pixd.warm import WarmWorker

if TYPE_CHECKING:
    from pathlib import Path

    from pixd.config import PipelineSettings, Settings
    from pixd.intake import Intake
    from pixd.store.models import Model
    from pixd.store.store import Store
    from pixd.store.working import DueInput
    from pixd.warm import Answer
    from pixd.workers import Worker

AT_ONCE = 32  # inputs that the translator holds: enough for decode, inference and encode to overlap
BATCH = 8
IDLE_S = 600.0
ANSWER_WITHIN_S = 180.0
MIN_FREE_BYTES = 64_000_000
CHECK_OUTPUTS_S = 60.0


class Asked(NamedTuple):
    """One translation that the worker holds, and every input that it serves."""

    run_id: int
    digest: str
    scratch: Path
    inputs: tuple[DueInput, ...]


class Target(NamedTuple):
    """What outputs should be made with."""

    model: Model
    recipe: str
    settings: dict[str, Any]
    pixels: int


class Translation:
    """The translation of one pipeline."""

    def __init__(
        self, store: Store, settings: Settings, pipeline: PipelineSettings, intake: Intake
    ) -> None:
        """Translate what `intake` records, under the pipeline's live model."""
        self._store = store
        self._settings = settings
        self._pipeline = pipeline
        self._intake = intake
        self._publisher = Publisher(store, pipeline.name, intake.repo_id, pipeline.output)
        self._target: Target | None = None
        self._translator: WarmWorker | None = None
        self._held: dict[str, Asked] = {}
        self._next_check_at = 0.0
        self._retry_at: float | None = None
        self.blocked = ""
        self.device = ""

    @property
    def worker(self) -> Worker | None:
        """The translator child, for the service's selector."""
        return self._translator.worker if self._translator else None

    @property
    def trouble(self) -> str:
        """Why the translator cannot work, or ""."""
        return self._translator.trouble if self._translator else ""

    @property
    def phase(self) -> str:
        """What the translator is waiting for while it starts, or ""."""
        return self._translator.phase if self._translator else ""

    @property
    def is_busy(self) -> bool:
        """Tell whether translations are under way."""
        return bool(self._held)

    def next_at(self, now: float) -> float:
        """Return when the next step has something to do without a message from the child."""
        times = [self._next_check_at if self._target else now + 3600.0]
        if self._translator:
            times.append(self._translator.next_at(now))
        if self._retry_at is not None:
            times.append(self._retry_at)
        return min(times)

    def stop(self) -> None:
        """Drop what is under way; the runs are taken up again at the next start."""
        if self._translator:
            self._translator.stop()
        with self._store.transaction():
            for asked in self._held.values():
                self._store.runs.move(
                    asked.run_id, ("running",), "cancelled", reason="the service stopped"
                )
        self._held.clear()

    def step(self, now: float, *, may_start: bool = True) -> None:
        """Bring the outputs one step closer. `now`: monotonic seconds."""
        if self._translator:
            self._translator.step(now)
            answers = self._translator.collect()
            if answers:
                self._publish_answers(answers)
            if self._translator.ready:
                self.device = str(self._translator.ready.get("device", ""))
        if not self._aim():
            return
        if now >= self._next_check_at:
            self._next_check_at = now + CHECK_OUTPUTS_S
            self._publisher.find_missing()
        if may_start:
            self._feed(now)

    # -- what outputs should be ---------------------------------------------------------

    def _aim(self) -> bool:
        """Find the live model and recipe; when they changed, queue what is stale."""
        store, name = self._store, self._pipeline.name
        live = store.models.live(name)
        if live is None:
            if self._target:  # recalled, with no other to take its place
                self.stop()
                self._target = None
            return False
        if self._target and self._target.model.id == live.id:
            return True
        folder = lay_out_model(store, live.digest)
        card = json.loads((folder / "model.json").read_bytes())
        pixels = int(card["image_size"])
        settings = recipes.translate_recipe(self._pipeline, self._settings.precision, pixels)
        with store.transaction():
            recipe = store.runs.add_recipe("translate", settings)
            store.outputs.requeue_stale(name, self._intake.repo_id, live.digest, recipe)
            due = store.working.counts(self._intake.repo_id).get("queued", 0)
        if due:
            store.note(name, "info", "due", f"{due} inputs are due under model@{live.number}")
        if self._translator:
            self.stop()
        self._target = Target(live, recipe, settings, pixels)
        spec = {
            "schema": SCHEMA,
            "kind": "translate",
            "model": str(folder),
            "recipe": settings,
            "device": self._settings.device,
            "precision": self._settings.precision,
            "batch": BATCH,
        }
        (store.folder / "logs").mkdir(exist_ok=True)
        self._translator = WarmWorker(
            "pixd.pix2pix.translator",
            spec,
            store.scratch / f"translate-{name}",
            store.folder / "logs" / f"translate-{name}.log",
            idle_s=IDLE_S,
            answer_within_s=ANSWER_WITHIN_S,
        )
        return True

    # -- feeding ------------------------------------------------------------------------

    def _feed(self, now: float) -> None:
        assert self._target is not None  # _aim made both
        assert self._translator is not None
        room = AT_ONCE - len(self._held)
        busy = {inp.name for asked in self._held.values() for inp in asked.inputs}
        if room <= 0:
            return
        latest = rfc3339(time.time() + LONGEST_WAIT_S)
        due = self._store.working.due_inputs(
            self._intake.repo_id, room + len(busy), utc_now(), latest
        )
        due = [inp for inp in due if inp.name not in busy]
        self._retry_at = now + 1.0 if self._has_waiting() else None
        if not due or self._is_blocked():
            return
        by_digest: dict[str, list[DueInput]] = {}
        refused = self._store.working.verdicts({inp.digest for inp in due}, "input")
        for inp in due:
            known = self._store.working.find(self._intake.repo_id, output.output_name(inp.name))
            why = output.refusal(inp.name, is_input=known is not None)
            why = why or refused.get(inp.digest, (True, ""))[1]
            if why:
                self._store.working.set_state(self._intake.repo_id, [inp.name], "rejected", why)
            else:
                by_digest.setdefault(inp.digest, []).append(inp)
        ready: list[Made] = []
        with self._store.transaction():
            for digest, inputs in by_digest.items():
                done = self._done_before(digest)
                if done:
                    ready.append(Made(*done, tuple(inputs)))
                elif digest in self._held:
                    held = self._held[digest]
                    self._held[digest] = held._replace(inputs=(*held.inputs, *inputs))
                else:
                    self._held[digest] = self._begin(digest, tuple(inputs))
                    asked = self._held[digest]
                    self._translator.submit(asked, self._request(asked))
        if ready:
            self._publish(ready)
        self._translator.step(now)

    def _has_waiting(self) -> bool:
        row = self._store.db.conn.execute(
            "SELECT 1 FROM file WHERE repo_id = ? AND state = 'queued' AND retry_at IS NOT NULL"
            " LIMIT 1",
            (self._intake.repo_id,),
        ).fetchone()
        return row is not None

    def _is_blocked(self) -> bool:
        for folder in (self._pipeline.output, self._store.folder):
            try:
                free = durable.free_bytes(folder)
            except OSError as error:
                self.blocked = f"{folder}: {error.strerror}"
                return True
            if free < MIN_FREE_BYTES:
                self.blocked = f"the disk of {folder} is full ({free / 1e6:.0f} MB free)"
                return True
        self.blocked = ""
        return False

    def _key(self, digest: str) -> str:
        assert self._target is not None  # _aim made it
        return run_key(
            "translate",
            recipes.TRANSLATE_REVISION,
            self._target.recipe,
            [digest, self._target.model.digest],
        )

    def _done_before(self, digest: str) -> tuple[int, str] | None:
        """Return (run, output digest) of an earlier success with this key and kept bytes."""
        run_id = self._store.runs.succeeded(self._pipeline.name, self._key(digest))
        if run_id is None:
            return None
        made = self._store.runs.output_digest(run_id, "image")
        return (run_id, made) if made else None

    def _begin(self, digest: str, inputs: tuple[DueInput, ...]) -> Asked:
        assert self._target is not None  # _aim made both
        assert self._translator is not None
        model = self._target.model
        run_id = self._store.runs.queue(
            self._pipeline.name,
            "translate",
            self._key(digest),
            change_id=inputs[0].change_id or "none",
            recipe=self._target.recipe,
            inputs=[
                Edge("image", inputs[0].name, digest),
                Edge("model", f"model@{model.number}", model.digest),
            ],
            reason=f"{inputs[0].name} has no output under model@{model.number} and this recipe",
            state="running",
        )
        scratch = self._translator.scratch / f"{run_id}.png"
        return Asked(run_id, digest, scratch, inputs)

    def _request(self, asked: Asked) -> dict[str, Any]:
        assert self._target is not None  # _aim made it
        model = self._target.model
        return {
            "image": str(self._store.objects.path_of(asked.digest)),
            "out": str(asked.scratch),
            # The run is named by its key and not by its number, so that the same image under
            # the same model gives the same bytes whenever and wherever it is made.
            "text": {
                "Software": f"pixd {pixd.__version__}",
                "pixd:model": model.digest,
                "pixd:dataset": model.version,
                "pixd:input-sha256": asked.digest.removeprefix("sha256:"),
                "pixd:run": self._key(asked.digest),
            },
        }

    # -- answers ------------------------------------------------------------------------

    def _publish_answers(self, answers: list[Answer]) -> None:
        made: list[tuple[Asked, Any, Any]] = []
        for answer in answers:
            asked = self._held.pop(answer.token.digest, None)
            if asked is None:  # dropped when the model changed
                continue
            if answer.event["event"] == "done":
                durable.crash_point("result-received")
                stored = self._store.objects.adopt(asked.scratch)
                if stored.digest != answer.event["sha256"]:
                    self._fail(asked, "the output changed on its way")
                    continue
                made.append((asked, stored, answer.event.get("ms", {})))
            elif answer.event["event"] in {"rejected", "crashed"}:
                self._reject(asked, str(answer.event["reason"]))
            else:
                self._fail(asked, str(answer.event.get("reason")))
        if not made:
            return
        self._store.objects.flush()
        ready = (self._translator.ready if self._translator else None) or {}
        with self._store.transaction():
            self._store.history.add_objects([stored for _, stored, _ in made], "image/png")
            environment = self._store.runs.add_environment(ready.get("environment", {}))
            for asked, stored, timings in made:
                self._store.runs.move(
                    asked.run_id,
                    ("running",),
                    "publishing",
                    timings=timings,
                    environment=environment,
                )
                self._store.runs.add_outputs(
                    asked.run_id, [Edge("image", "image.png", stored.digest)]
                )
        self._publish(
            [Made(asked.run_id, stored.digest, asked.inputs) for asked, stored, _ in made]
        )

    def _publish(self, made: list[Made]) -> None:
        assert self._target is not None  # _aim made it
        self._publisher.publish(
            made, model_digest=self._target.model.digest, recipe=self._target.recipe
        )

    def _reject(self, asked: Asked, reason: str) -> None:
        with self._store.transaction():
            self._store.runs.move(asked.run_id, ("running",), "failed", reason=reason)
            self._store.working.decide(asked.digest, "input", reason, None, None)
            for inp in asked.inputs:
                self._store.working.finish(
                    self._intake.repo_id, inp.name, inp.digest, "rejected", reason
                )
                note = f"{inp.name}: {reason}"
                self._store.note(self._pipeline.name, "warning", "rejected", note)

    def _fail(self, asked: Asked, reason: str) -> None:
        """Try again later, five times, each wait twice as long; then it is failed and shown."""
        with self._store.transaction():
            self._store.runs.move(asked.run_id, ("running",), "failed", reason=reason)
            for inp in asked.inputs:
                self._publisher.postpone(inp, reason)
