"""Writes down how a training ended that made no model, and when the next attempt may begin."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from pixd.store.queries.trainings import failures_of_key
from pixd.store.states import ACTIVE_RUNS, RunState
from pixd.system.backoff import FIRST_RETRY_S, wait_s

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixd.store.store import Store
    from pixd.training.run import TrainingRun


def note(
    store: Store,
    pipeline: str,
    run: TrainingRun,
    error: Mapping[str, Any],
    now: float,
    *,
    timings: Mapping[str, Any] | None = None,
) -> float:
    """Record a failed run; return when another may start (monotonic seconds)."""
    reason = error["message"] + (f" ({error['advice']})" if error.get("advice") else "")
    store.runs.move(
        run.run_id, ACTIVE_RUNS, RunState.FAILED, reason=reason, error=error, timings=timings
    )
    store.note(pipeline, "error", "train", f"training failed: {reason}", run.commit.change_id)
    if error["kind"] == "beginning":
        # The model that it began from is damaged: the next one begins from scratch.
        assert run.beginning is not None  # only a run that begins from a model can fail so
        shutil.rmtree(run.beginning, ignore_errors=True)
    if run.has_checkpointed and error["kind"] == "died":
        # A training that is killed often still ends: only attempts without progress count.
        store.runs.forgive_before(pipeline, run.key, run.run_id)
    failures = len(failures_of_key(store.db.conn, pipeline, run.key))
    return now + wait_s(failures, FIRST_RETRY_S)
