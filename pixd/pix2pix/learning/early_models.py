"""Scores and exports a generator while its training goes on.

Nothing here changes what the training does next: no random state is drawn from and no weight is
written. A disk that is full costs the early model and not the training.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from pixd.pix2pix.learning import early, evaluation
from pixd.pix2pix.learning.best import Best
from pixd.pix2pix.learning.held_out import HeldOut
from pixd.pix2pix.network.generator import Inference, save_model
from pixd.system import crash_points
from pixd.system.children.child import Events
from pixd.system.children.spec import EARLY_FOLDER, Result, TrainSpec, result_to_json
from pixd.system.errors import PixdError

MakeCard = Callable[[Mapping[str, Any]], dict[str, Any]]  # from scores to the card

_log = logging.getLogger(__name__)


class EarlyModels:
    """The early models of one run."""

    def __init__(
        self,
        spec: TrainSpec,
        events: Events,
        held_out: HeldOut,
        trained_on: HeldOut,
        policy: str,
        steps: int,
        environment: Mapping[str, Any],
        notes: Mapping[str, Any],
    ) -> None:
        """Go on from where earlier attempts came.

        Args:
            spec: of the run.
            events: where early models are told.
            held_out: the pairs to score with.
            trained_on: the pairs whose mean target is a baseline.
            policy: with which the live model is scored.
            steps: of the whole training.
            environment: the device and versions that it runs on.
            notes: of the checkpoint that the run goes on from.
        """
        self._scratch = Path(spec.scratch)
        self._live_model = spec.live_model
        self._events, self._held_out, self._trained_on = events, held_out, trained_on
        self._policy, self._steps, self._environment = policy, steps, environment
        self._run_id = spec.run_id
        best = notes.get("best")
        self._best = Best(*best) if best else None
        self._times = early.Times(
            spec.early_after_s if len(held_out) else 0.0,
            trained_s=float(notes.get("trained_s", 0.0)),
            tried_s=float(notes.get("tried_s", 0.0)),
            has_one=self._best is not None,
        )
        self._baselines: dict[str, Any] | None = None
        self._live: dict[str, Any] | None = None

    def notes(self) -> dict[str, Any]:
        """Return what a checkpoint holds of them."""
        return {
            "trained_s": self._times.trained_s(time.monotonic()),
            "tried_s": self._times.tried_s,
            "best": self._best,
        }

    def is_due(self, share_done: float) -> bool:
        """Tell whether to try now, after this share of the steps."""
        return self._times.is_due(time.monotonic(), share_done)

    def pause(self, seconds: float) -> None:
        """Do not count time in which nothing was trained."""
        self._times.pause(seconds)

    def make(
        self, step: int, generator: keras.Model, infer: Inference, make_card: MakeCard
    ) -> None:
        """Score the generator, and send it as an early model if it is worth showing.

        Args:
            step: updates made so far.
            generator: only read.
            infer: the same, compiled.
            make_card: returns the card of a model with these scores.

        Raises:
            Interrupted: the run is to end; the next attempt tries again.
        """
        began = time.monotonic()
        self._times.done(began)
        self._events.phase("looking whether an early model is worth showing")
        metrics = self._score(infer)
        score_s = time.monotonic() - began
        why_not = early.why_not(metrics, self._best, step)
        if why_not:
            self._refuse(step, why_not)
        else:
            self._export(step, generator, metrics, make_card, score_s)
        self._events.phase("training")
        self._times.pause(time.monotonic() - began)

    def _score(self, infer: Inference) -> dict[str, Any]:
        limit = early.EARLY_PAIRS
        if self._baselines is None:
            self._baselines = evaluation.baselines_of(self._held_out, self._trained_on, limit)
            self._live = evaluation.score_live(
                self._live_model, self._held_out, self._policy, limit
            )
        return evaluation.evaluate(infer, self._held_out, self._baselines, self._live, limit)

    def _export(
        self,
        step: int,
        generator: keras.Model,
        metrics: dict[str, Any],
        make_card: MakeCard,
        score_s: float,
    ) -> None:
        began = time.monotonic()
        self._events.phase("exporting an early model")
        folder = self._scratch / EARLY_FOLDER / f"{step}"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            outputs = save_model(generator, folder / "model", make_card(metrics))
        except (PixdError, OSError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            _log.warning("no early model at step %d: %s", step, error)
            self._refuse(step, f"it cannot be written: {error}")
            return
        crash_points.crash_point("early-export")
        self._best = early.best_of(step, metrics)
        self._times.has_one = True
        for output in outputs:
            output["path"] = f"{EARLY_FOLDER}/{step}/{output['path']}"
        given = Result(
            run_id=self._run_id,
            step=step,
            steps=self._steps,
            outputs=outputs,
            metrics=metrics,
            environment=self._environment,
            timings={"score_s": score_s, "export_s": time.monotonic() - began},
        )
        self._events.send("early", step=step, why_not="", result=result_to_json(given))

    def _refuse(self, step: int, why_not: str) -> None:
        self._events.send("early", step=step, why_not=why_not)
