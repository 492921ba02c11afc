"""A read-only snapshot of the store and the service's heartbeat, as data.

Needs no running service and imports nothing heavy: no TensorFlow, numpy, Pillow or
sqlite-utils. The shape of the data is the contract of ``pixd status --json``, published as
``status.schema.json``; `pixd.answers.status_text` writes it for people, `pixd.answers.health` judges it.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import asdict, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import pixd
from pixd.answers import engine, health, over, page_unit
from pixd.answers.absence import Absence, absence_of
from pixd.config.pair_kinds import KINDS
from pixd.store import connection, heartbeat, lock, model_scores
from pixd.store.heartbeat import Folder, Heartbeat, HeartbeatError, PipelineBeat, Train
from pixd.store.queries import holds, removals, sweeps, training_set
from pixd.store.queries import status as queries
from pixd.store.states import FileState, OutputState, RunState
from pixd.system import disk
from pixd.system.clock import seconds_of
from pixd.system.errors import EXIT_FAILED, EXIT_NOT_RUNNING, EXIT_OK

if TYPE_CHECKING:
    from pathlib import Path

    from pixd.config import PipelineSettings, Settings
    from pixd.store.connection import Reader

SHOWN_FAILURES = 5
LOOKED_AT = 4 * SHOWN_FAILURES
"""How many of the last warnings are looked at for some that are not over."""

EXIT_CODES = {
    "ok": EXIT_OK,
    "degraded": EXIT_FAILED,
    "blocked": EXIT_FAILED,
    "not-running": EXIT_NOT_RUNNING,
}


def snapshot(settings: Settings, refused: str = "") -> dict[str, Any]:
    """Return the whole status, keys as in the contract.

    Args:
        settings: the configuration that the service goes by.
        refused: why config.yaml, as it is now, is not in force; or "".

    Raises:
        CannotTellError: the store is there and cannot be read.
    """
    folder = settings.store
    pid = lock.holder_pid(folder)
    absence = absence_of(settings) if pid is None else Absence()
    pid = pid or absence.pid
    last, not_understood = _last_heartbeat(folder)
    if absence.reason:
        last = Heartbeat(at=absence.at, pid=pid or 0)
    # Until this service's first heartbeat, the file is still from the service before it.
    is_starting = pid is not None and last.pid != pid and not not_understood
    live = Heartbeat() if is_starting else last
    if refused and not live.config:  # the service was not told to read the file
        live = replace(live, config=refused)
    now = time.time()
    # If another store is in its place, nothing that it says is true of this one.
    opened = contextlib.nullcontext() if absence.reason else queries.open_snapshot(folder)
    with opened as reader:
        pipelines = {
            p.name: _pipeline(reader, p, live.pipelines.get(p.name), pid, now)
            for p in settings.pipelines
        }
        for pipeline in settings.pipelines:
            offered = _offers(reader, settings, pipeline)
            pipelines[pipeline.name]["offers"] = offered
        store_bytes = _store_bytes(reader, folder) if reader else 0
        troubles = queries.troubles(reader, ("", *pipelines), LOOKED_AT) if reader else []
    lasting = over.not_over(troubles, pipelines, is_running=pid is not None, config=live.config)
    beat_at = seconds_of(live.at or None) or now
    started_at = seconds_of(live.started_at or None)
    page = page_unit.find(settings.path)
    state, found = health.judge(
        pipelines,
        live,
        pid=pid,
        silent_s=now - beat_at,
        page=page,
        up_s=_uptime_s(now, started_at),
        not_understood=not_understood,
        absence=absence,
    )
    problems = [problem.told() for problem in found]
    return {
        "schema": 1,
        "state": state,
        "reasons": [problem["reason"] for problem in problems],
        "problems": problems,
        "source": "service" if pid is not None else "store",
        "version": pixd.__version__,
        "pid": pid or 0,
        "uptime_seconds": _uptime_s(now, started_at) if pid is not None else 0.0,
        "last_seen": last.stopped_at or last.at or None,
        "was_stopped": pid is None and last.stopped_at is not None,
        "starting": is_starting,
        "store_gone": absence.reason,
        "idle": pid is not None and live.idle,
        "engine": engine.as_json(live.engine) if live.engine and pid is not None else None,
        "page_unit": page._asdict() if page else None,
        "device": live.device,
        "disk_free_bytes": _free_bytes(folder),
        "store_bytes": store_bytes,
        "pipelines": pipelines,
        "failures": [
            {"at": one.at, "pipeline": one.pipeline, "level": one.level, "message": one.message}
            for one in islice(lasting, SHOWN_FAILURES)
        ],
    }


def _uptime_s(now: float, started_at: float | None) -> float:
    """Return the age of the service; never less than 0, whatever the clock was set to."""
    return round(max(0.0, now - started_at), 1) if started_at else 0.0


def _offers(
    reader: Reader | None, settings: Settings, pipeline: PipelineSettings
) -> list[dict[str, str]]:
    if reader is None or queries.live_model(reader, pipeline.name) is None:
        return []
    from pixd.answers import offers  # noqa: PLC0415 - only a live model needs it

    which = f" -p {pipeline.name}" if len(settings.pipelines) > 1 else ""
    found = offers.of_pipeline(reader, settings.store, settings.precision, pipeline, which=which)
    return [one.as_json() for one in found]


def _last_heartbeat(folder: Path) -> tuple[Heartbeat, HeartbeatError | None]:
    """Return the last heartbeat, empty where there is none, and why it is not understood."""
    try:
        return heartbeat.read(folder) or Heartbeat(), None
    except HeartbeatError as error:
        return Heartbeat(), error


def _pipeline(
    reader: Reader | None,
    settings: PipelineSettings,
    said: PipelineBeat | None,
    pid: int | None,
    now: float,
) -> dict[str, Any]:
    training = queries.repo(reader, settings.name, "training") if reader else queries.Repo()
    inputs = queries.repo(reader, settings.name, "input") if reader else queries.Repo()
    outputs = queries.outputs(reader, settings.name) if reader else {}
    live = said or PipelineBeat()
    seen, translate = live.training, live.translate
    scanned_at = seconds_of(seen.last_scan_at)
    age = max(0.0, now - scanned_at) if scanned_at and pid is not None else None
    train = _train(reader, settings.name, said.train if said else None, pid)
    held = holds.held_roots(reader, settings.name) if reader else {}
    pause = holds.pause_of(reader, settings.name) if reader else None
    findings = training_set.found_of(reader, settings.name) if reader else None
    odd = (
        training_set.found_of(reader, training_set.part_of_inputs(settings.name))
        if reader
        else None
    )
    if pause and train["state"] == "idle":  # no service says so
        train |= {"state": "paused", "reason": f"by {pause.who}; `pixd resume` goes on"}
    return {
        "training": {
            **_folder(training, held.get("training", ""), seen, pid),
            "version": training.version,
            "pairs": _pairs(settings.pairs, training.count(FileState.RECORDED)),
            "last_scan_age_seconds": round(age, 1) if age is not None else None,
            "overflows": seen.overflows,
            "missed_events": seen.missed_events,
            "findings": findings._asdict() if findings else None,
        },
        "train": train,
        "paused": pause._asdict() if pause else None,
        "model": _model(reader, settings.name, training.version),
        "input": {
            **_folder(inputs, held.get("input", ""), live.input, pid),
            **{
                state.value: inputs.count(state)
                for state in (FileState.QUEUED, FileState.TRANSLATED, FileState.FAILED)
            },
            "failed_example": _failed_example(reader, inputs),
            "findings": odd._asdict() if odd else None,
        },
        "output": {
            state.value: outputs.get(state, 0)
            for state in (
                OutputState.CURRENT,
                OutputState.SUPERSEDED,
                OutputState.ORPHANED,
                OutputState.EDITED,
            )
        }
        | {"to_remove": _to_remove(reader, settings.name)},
        "translate": {
            "phase": translate.phase if pid is not None else "",
            "trouble": translate.trouble if pid is not None else "",
            "not_answering": translate.not_answering if pid is not None else "",
            "blocked": translate.blocked if pid is not None else "",
            "tiles": asdict(translate.tiles) if translate.tiles and pid is not None else None,
        },
    }


def _folder(repo: queries.Repo, held: str, seen: Folder, pid: int | None) -> dict[str, Any]:
    """Return the part of the status that training and input folders have in common.

    Args:
        repo: what the store knows of it.
        held: why it is on hold, or "".
        seen: its part of the heartbeat.
        pid: of the running service.
    """
    return {
        "commit": repo.commit,
        "files": sum(repo.states.values()),
        "settling": repo.count(FileState.SETTLING),
        "rejected": repo.count(FileState.REJECTED),
        "ignored": seen.ignored,
        "watch": seen.watch,
        "watch_why": seen.watch_why,
        "held": held,
        "unreadable": repo.unreadable,
        "not_answering": seen.not_answering if pid is not None else "",
        "blocked": seen.blocked if pid is not None else "",
    }


def _failed_example(reader: Reader | None, inputs: queries.Repo) -> dict[str, str] | None:
    if reader is None or not inputs.count(FileState.FAILED):
        return None
    failed = queries.failed_input(reader, inputs.repo_id)
    return failed._asdict() if failed else None


def _to_remove(reader: Reader | None, pipeline: str) -> dict[str, Any] | None:
    found = removals.refused(reader, pipeline) if reader else None
    return dict(zip(("files", "name", "reason"), found, strict=True)) if found else None


def _pairs(layout: str, recorded: int) -> int:
    return recorded // KINDS[layout].files


def _train(
    reader: Reader | None, pipeline: str, live: Train | None, pid: int | None
) -> dict[str, Any]:
    last = queries.last_training(reader, pipeline) if reader else queries.Training()
    if pid is not None and live is not None:
        return {
            "state": live.state,
            "run": live.run or last.run_id,
            "step": live.step,
            "steps": live.steps,
            "images_per_second": live.images_per_second,
            "eta_seconds": live.eta_seconds,
            "reason": live.reason,
            "losses": live.losses,
            "validation": live.validation,
            "best_step": live.best_step,
            "stops_at": live.stops_at,
            "preview": live.preview,
            "preview_step": live.preview_step,
            "blocked": live.blocked,
            "looking": asdict(live.looking) if live.looking else None,
        }
    failed = last.state is RunState.FAILED
    return {
        "state": "failed" if failed else "idle",
        "run": last.run_id,
        "step": last.progress.get("step", 0),
        "steps": last.progress.get("steps", 0),
        "images_per_second": 0.0,
        "eta_seconds": None,
        "reason": last.reason if failed else _why_idle(reader, pipeline, last),
        "losses": {},
        "validation": None,
        "best_step": 0,
        "stops_at": None,
        "preview": "",
        "preview_step": 0,
        "blocked": "",
        "looking": None,
    }


def _why_idle(reader: Reader | None, pipeline: str, last: queries.Training) -> str:
    """Say what waits for a service, or why the last training stopped."""
    if reader and (sweep := sweeps.under_way(reader, pipeline)):
        made = sum(one.model is not None for one in sweep.variants)
        return f"trying settings goes on with the service: {made} of {len(sweep.variants)} trained"
    return str(last.progress.get("stopped", ""))


def _model(reader: Reader | None, pipeline: str, head: str | None) -> dict[str, Any] | None:
    model = queries.live_model(reader, pipeline) if reader else None
    if model is None:
        return None
    return {
        "number": model.number,
        "digest": model.digest,
        "dataset_commit": model.commit_seq,
        "pinned": model.is_pinned,
        "stale": model.version != head,
        "metrics": model.metrics,
        "doubts": model_scores.doubts(model.metrics),
        "live_since": model.live_since,
        "early": _early(reader, pipeline, model),
    }


def _early(reader: Reader | None, pipeline: str, model: queries.LiveModel) -> dict[str, int] | None:
    """Say how far an early model was trained, and how many outputs are of models before it."""
    if reader is None or not model.early_of:
        return None
    behind = queries.outputs_behind(reader, pipeline, model.digest)
    return {"step": model.steps, "steps": model.early_of, "outputs_behind": behind}


def _store_bytes(reader: Reader, folder: Path) -> int:
    total = queries.kept_bytes(reader) + (folder / connection.DATABASE).stat().st_size
    for below, _, names in os.walk(folder / "checkpoints"):
        for name in names:
            try:
                total += os.stat(os.path.join(below, name)).st_size  # noqa: PTH116, PTH118 - light
            except FileNotFoundError:  # a checkpoint was replaced meanwhile
                continue
    return total


def _free_bytes(folder: Path) -> int:
    for place in (folder, *folder.parents):
        if place.exists():
            return disk.free_bytes(place)
    return 0
