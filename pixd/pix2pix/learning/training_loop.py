"""The training run: from a run spec to weights, scores and a model folder.

Resuming is exact. The newest whole checkpoint holds the weights, both Adams, dropout's random
state and the curve; the data order and the jitter are functions of the seed and the step. On a
CPU, a run that was killed and went on ends with the same weights as an undisturbed one. (If
precision is auto and the run goes on on another machine, it uses what auto chooses there. Its
weights are float32 anyway, and the environment in its result names the precision.)
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import tensorflow as tf

from pixd.pix2pix.learning import evaluation, patience
from pixd.pix2pix.learning.checkpoints import Checkpoints, not_finite
from pixd.pix2pix.learning.early_models import EarlyModels
from pixd.pix2pix.learning.held_out import HeldOut
from pixd.pix2pix.learning.input_pipeline import Prefetcher, TrainingPairs, steps_of
from pixd.pix2pix.learning.previews import Previews
from pixd.pix2pix.learning.progress import Progress
from pixd.pix2pix.learning.schedule import Schedule
from pixd.pix2pix.learning.scores import thin
from pixd.pix2pix.learning.tensorboard import EventFiles
from pixd.pix2pix.learning.timed import timed
from pixd.pix2pix.learning.validation import Validation
from pixd.pix2pix.network import averaging, hardware, replicas
from pixd.pix2pix.network.codec import codec_for
from pixd.pix2pix.network.generator import make_inference, save_model
from pixd.pix2pix.network.losses import LossWeights
from pixd.pix2pix.network.model_folder import make_card
from pixd.pix2pix.network.models import (
    MIXED_FLOAT16,
    build_discriminator,
    build_generator,
    for_computing,
    parameter_count,
)
from pixd.pix2pix.network.steps import (
    AVERAGE,
    LOSS_NAMES,
    LOSS_SCALES,
    Networks,
    make_networks,
    make_train_step,
)
from pixd.system.children.child import Events, Interrupted, StopFlag
from pixd.system.children.spec import TrainSpec
from pixd.system.children.spec_parts import Beginning, OutputFile
from pixd.system.children.task import BeginningError, describe_error

CURVE_POINTS: Final = 300
UNREADABLE: Final = (
    "the state that an earlier training left cannot be read by this pixd, so it begins from scratch;"
    " the log of the training says more"
)

Outcome = dict[str, Any]  # the fields of result.json

_log = logging.getLogger(__name__)


def train_and_evaluate(
    spec: TrainSpec, events: Events, stop: StopFlag, timings: Outcome
) -> Outcome:
    """Train to the end of the recipe, score, and write the model folder.

    Args:
        spec: a run spec of kind train.
        events: where progress goes.
        stop: ends the run at the next step, with a checkpoint.
        timings: seconds by phase, filled in here; it holds ``import_s`` already.

    Returns:
        The fields of the result: state (succeeded, interrupted, or failed with an error), step,
        steps, outputs, metrics, curve and environment.

    Raises:
        PixdError: the run cannot begin: there are no pairs, or no such device or precision.
    """
    run = _Run(spec, events, stop, timings)
    try:
        run.train()
        return run.finish()
    except Interrupted:
        run.checkpoint()
        return run.outcome("interrupted", [], {})
    except Exception as error:  # noqa: BLE001 - the result says how far the run came
        _log.exception("training failed at step %d", run.step)
        return {
            **run.outcome("failed", [], {}),
            "error": describe_error(error),
        }


class _Run:
    """One run's state, and its stages in the order in which they happen."""

    def __init__(
        self, spec: TrainSpec, events: Events, stop: StopFlag, timings: dict[str, float]
    ) -> None:
        started = time.monotonic()
        events.phase("building the model")
        self._spec, self._events, self._stop, self._timings = spec, events, stop, timings
        self._recipe: dict[str, Any] = dict(spec.recipe)
        self._device = hardware.choose_device(spec.device)
        events.send("device", device=self._device.kind, device_name=self._device.name)
        self._policy = hardware.choose_policy(self._recipe["precision"], self._device)
        if self._recipe.get("replicas", 1) == 1:  # devices that wait for each other need threads
            hardware.keep_order(self._device, self._policy)
        self._strategy = replicas.make_strategy(
            self._recipe.get("replicas", 1), self._device, logical_cpus=spec.logical_cpus
        )
        hardware.make_deterministic(self._recipe["seed"])

        self._pairs = TrainingPairs(spec.train, self._recipe)
        size = int(self._recipe["image_size"])
        self._held_out = HeldOut(spec.held_out, self._recipe, size, self._beat)
        self._trained_on = HeldOut(spec.train, self._recipe, size, self._beat)  # for their mean
        self._begins_from = spec.warm_start
        share = self._begins_from["steps"] if self._begins_from else 1.0
        self._until = self._begins_from.get("until", 0) if self._begins_from else 0
        own_steps = math.ceil(share * steps_of(self._recipe, len(self._pairs)))
        self.steps = self._until or own_steps
        with replicas.scope_of(self._strategy):
            self._networks = build_networks(self._recipe, self._policy)
        # One for the whole run: it computes with the weights that the generator has at the time, and
        # to trace it takes half a second.
        self._infer = make_inference(self._networks.generator)
        self._average = self._networks.average.make_update(self._strategy)
        self._checkpoints = self._checkpoints_in(spec.checkpoints)
        self.step, notes = self._checkpoints.restore()
        self._saved_step = self.step
        self._is_averaged = False  # whether the generator has its averaged weights
        if not self.step and self._checkpoints.found():
            events.send("note", message=UNREADABLE)
            self._checkpoints.drop_all()
        if self._begins_from and not self.step:
            self.step, notes = self._begin_from(self._begins_from)
        self._curve: list[dict[str, Any]] = list(notes.get("curve", []))
        self._environment = hardware.describe_environment(self._device, self._policy)
        self._validation = Validation(
            steps=self.steps,
            patience=patience.of_recipe(self._recipe, self.steps, len(self._pairs)),
            events=events,
            held_out=self._held_out,
            average=self._networks.average,
            checkpoints=self._checkpoints,
            curve=self._curve,
        )
        self._early = EarlyModels(
            *(spec, events, self._held_out, self._trained_on, self._policy),
            *(self.steps, self._environment, notes.get("early", {})),
        )
        self._previews = Previews(spec, self.step, events, self._beat)
        self._event_files = EventFiles.of(
            spec.event_files, Path(spec.checkpoints), resumes=bool(self.step)
        )
        timings["build_s"] = time.monotonic() - started

    def train(self) -> None:
        """Update until the last step; save checkpoints, validate and report progress meanwhile."""
        try:
            with timed(self._timings, "train_s"):
                self._train()
        finally:
            beside_s = self._timings["validate_s"] + self._timings.get("early_s", 0.0)
            self._timings["train_s"] -= beside_s

    def _train(self) -> None:
        train_step = make_train_step(
            self._networks,
            LossWeights(gan=self._recipe["gan_weight"], l1=self._recipe["l1_weight"]),
            self._strategy,
        )
        schedule = Schedule(
            every_s=self._spec.checkpoint_every_s,
            every_steps=self._spec.checkpoint_every_steps,
            step=self.step,
            now=time.monotonic(),
        )
        progress = Progress(self._events, self.steps, int(self._recipe["batch_size"]))
        curve_stride = self._validation.curve_stride(CURVE_POINTS)
        self._stop.check()
        self._validation.tell_last()
        if self._validation.is_due(self.step) and not self._is_validated():
            self.checkpoint()
            self._validate()  # the run ended between this checkpoint and its validation
        elif self.step:
            self._give_early()  # or between it and its early model
        until = self.step if self._is_learned_out else self.steps
        if self.step < until:
            self._events.phase("compiling the first step")
        with Prefetcher(self._pairs, start=self.step, steps=until) as batches:
            for input_image, target in batches:
                losses = self._update(train_step, input_image, target)
                if self.step == 1 or self.step % curve_stride == 0:
                    self._curve.append({"step": self.step, **losses})
                    self._event_files.add(self.step, "loss", losses)
                progress.made(self.step, losses, time.monotonic())
                self._stop.check()
                if self._looked():
                    progress.pause()
                elif schedule.is_due(self.step, time.monotonic()):
                    self.checkpoint()
                if self._saved_step == self.step:
                    schedule.saved(self.step, time.monotonic())
                if self._is_learned_out:
                    break
        self.checkpoint()

    def finish(self) -> Outcome:
        """Score the weights and write the model folder."""
        last = self.step
        self._events.phase("validating")
        with timed(self._timings, "validate_s"):
            self._take_the_best()
            live = evaluation.score_live(self._spec.live_model, self._held_out, self._policy)
            baselines = evaluation.baselines_of(self._held_out, self._trained_on)
            scores = evaluation.evaluate(self._infer, self._held_out, baselines, live)
        self._events.phase("exporting")
        with timed(self._timings, "export_s"):
            card = self._card(scores)
            folder = Path(self._spec.scratch) / "model"
            outputs = save_model(self._networks.generator, folder, card)
            outputs += self._previews.finish(self.step, self._infer)
            self._event_files.close()
            # The next training may begin from the exported weights, or go on from the last ones.
            self._checkpoints.keep_only(self.step, last)
        return {
            **self.outcome("succeeded", outputs, scores),
            "stopped": self._why_stopped(last),
            "ended_at": last,
        }

    def _why_stopped(self, last: int) -> str:
        standing = self._validation.standing
        if standing is None or last >= self.steps:
            return ""
        return (
            f"stopped at step {last:,} of {self.steps:,}: no better since step {standing.since:,}"
        )

    def _card(self, scores: Mapping[str, Any], early_of: int = 0) -> dict[str, Any]:
        return make_card(
            self._recipe,
            steps=self.step,
            early_of=early_of,
            is_averaged=self._is_averaged,
            parameters=parameter_count(self._networks.generator),
            metrics=scores,
            begun_from=self._begins_from["digest"] if self._begins_from else None,
        )

    def checkpoint(self) -> None:
        """Save, unless this step is saved already."""
        if self.step == self._saved_step:
            return
        self._event_files.flush()  # a resumed run goes on after this step, and nothing is missing
        notes = {"curve": self._curve, "early": self._early.notes()}
        self._checkpoints.save(self.step, notes)
        self._saved_step = self.step
        self._events.send("checkpoint", step=self.step)

    def outcome(self, state: str, outputs: list[OutputFile], scores: dict[str, Any]) -> Outcome:
        """Return the fields of the result manifest."""
        return {
            "state": state,
            "step": self.step,
            "steps": self.steps,
            "outputs": outputs,
            "metrics": scores,
            "curve": thin(self._curve, CURVE_POINTS - 2 * self._validation.count),
            "environment": self._environment,
        }

    def _checkpoints_in(self, folder: str) -> Checkpoints:
        return Checkpoints(Path(folder), self._networks.state, may_lack=(LOSS_SCALES, AVERAGE))

    def _begin_from(self, origin: Beginning) -> tuple[int, dict[str, Any]]:
        """Load a training state of an earlier model; return the step and the notes to go on with.

        To go on, that is its last state. Else it is the one that was exported, and this training
        counts its steps from 0.
        """
        checkpoints = self._checkpoints_in(origin["checkpoints"])
        if self._until:
            step, notes = checkpoints.restore()
        else:
            step, notes = checkpoints.restore_exported(), {}
        if not step:
            raise BeginningError(
                f"the training state of {origin['model']} cannot be read",
                advice="the next attempt starts from scratch",
            )
        return (step, notes) if self._until else (0, {})

    def _take_the_best(self) -> None:
        """Take the best of the validated weights, if they are not the last."""
        best = self._checkpoints.best()
        if best is None:
            return
        if best.step != self.step:
            if not self._checkpoints.restore_step(best.step):
                return
            self._saved_step = self.step = best.step
        if best.is_averaged:
            self._networks.average.take_place()
            self._is_averaged = True

    def _update(self, train_step: Callable[[Any, Any], Any], *batch: Any) -> dict[str, float]:
        is_first = "first_step_s" not in self._timings
        started = time.monotonic()
        values = train_step(*(tf.constant(half) for half in batch)).numpy().tolist()
        self.step += 1
        if self.step % averaging.EVERY == 0:
            self._average()
        self._stop.leaves_at_once = False  # from now on there is something to save
        if is_first:
            self._timings["first_step_s"] = time.monotonic() - started
            self._events.phase("training")
        if not all(math.isfinite(value) for value in values):
            raise not_finite(self.step)
        return dict(zip(LOSS_NAMES, values, strict=True))

    def _looked(self) -> bool:
        """Score the weights, or give an early model, if it is time; tell whether it was."""
        if not self._validation.is_due(self.step):
            return self._give_early()
        self.checkpoint()
        self._validate()
        return True

    def _give_early(self) -> bool:
        """Try to give an early model, if it is time; tell whether it was."""
        if not self._early.is_due(self.step / self.steps):
            return False
        self.checkpoint()  # a crash in what follows repeats it, and trains nothing again
        with timed(self._timings, "early_s"):
            generator = self._networks.generator
            self._early.make(self.step, generator, self._infer, lambda m: self._card(m, self.steps))
        return True

    def _validate(self) -> None:
        """Score on the held-out pairs, if there are any, and draw the samples."""
        started = time.monotonic()
        self._events.phase("validating")
        shown: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
        with timed(self._timings, "validate_s"):
            if len(self._held_out):
                scores, is_averaged = self._validation.score(self.step, self._infer)
                self._event_files.add(self.step, "validation", scores)
                if is_averaged:
                    shown = self._networks.average.in_place()
            with shown:
                sheet = self._previews.draw(self.step, self._infer)
            self._event_files.add_image(self.step, "samples", sheet)
        self._events.phase("training")
        self._early.pause(time.monotonic() - started)

    @property
    def _is_learned_out(self) -> bool:
        """Whether it stops here, because its scores get no better."""
        standing = self._validation.standing
        return standing is not None and standing.stops

    def _is_validated(self) -> bool:
        if not len(self._held_out):
            return self._previews.has(self.step)
        return self._validation.has(self.step)

    def _beat(self) -> None:
        self._events.beat()
        self._stop.check()


def build_networks(recipe: Mapping[str, Any], policy: str) -> Networks:
    """Build both networks of a recipe with their optimisers, at step 0."""
    size, seed = int(recipe["image_size"]), int(recipe["seed"])
    codec = codec_for(recipe["pairs"])
    channels = codec.input_channels, codec.output_channels
    return make_networks(
        for_computing(
            build_generator(size, int(recipe["ngf"]), channels=channels, seed=seed), policy
        ),
        for_computing(
            build_discriminator(size, int(recipe["ndf"]), channels=channels, seed=seed), policy
        ),
        learning_rate=recipe["learning_rate"],
        beta_1=recipe["beta_1"],
        scales_losses=policy == MIXED_FLOAT16,
    )
