"""A read-only snapshot of the store and the service's heartbeat, as data.

Needs no running service and imports nothing heavy: no TensorFlow, numpy, Pillow or
sqlite-utils. The shape of the data is the contract of ``pixd status --json``, published as
``status.schema.json``; `pixd.answers.status_text` writes it for people, `pixd.answers.health` judges it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pixd
from pixd.answers import health
from pixd.config.pair_kinds import KINDS
from pixd.store import connection, holds, lock, training_set
from pixd.store.heartbeat import read_live
from pixd.system import disk
from pixd.system.clock import seconds_of
from pixd.system.errors import EXIT_FAILED, EXIT_NOT_RUNNING, EXIT_OK, CannotTellError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pixd.config import PipelineSettings, Settings

SHOWN_FAILURES = 5

EXIT_CODES = {
    "ok": EXIT_OK,
    "degraded": EXIT_FAILED,
    "blocked": EXIT_FAILED,
    "not-running": EXIT_NOT_RUNNING,
}


def snapshot(settings: Settings) -> dict[str, Any]:
    """Return the whole status, keys as in the contract.

    Raises:
        CannotTellError: the store is there and cannot be read.
    """
    folder = settings.store
    pid = lock.holder_pid(folder)
    last = read_live(folder)
    # Until its first heartbeat, what the service before it left behind says nothing of this one.
    is_starting = pid is not None and last.get("pid") != pid
    live = {} if is_starting else last
    now = time.time()
    had_one = connection.has_database(folder) or connection.what_outlived_database(folder)
    reader = connection.open_reader(folder) if had_one else None
    try:
        if reader:
            reader.execute("BEGIN")  # all numbers of one moment
        pipelines = {
            p.name: _pipeline(reader, p, _of(live, "pipelines", p.name), pid, now)
            for p in settings.pipelines
        }
        store_bytes = _store_bytes(reader, folder) if reader else 0
        failures = _failures(reader, pipelines) if reader else []
    except sqlite3.Error as error:
        raise CannotTellError(
            f"the store {folder} cannot be read: {error}",
            advice="`pixd verify` names what is damaged",
        ) from error
    finally:
        if reader:
            reader.close()
    beat_at = seconds_of(live.get("at")) or now
    state, found = health.judge(pipelines, live, pid=pid, silent_s=now - beat_at)
    problems = [problem.told() for problem in found]
    started_at = seconds_of(live.get("started_at"))
    return {
        "schema": 1,
        "state": state,
        "reasons": [problem["reason"] for problem in problems],
        "problems": problems,
        "source": "service" if pid is not None else "store",
        "version": pixd.__version__,
        "pid": pid or 0,
        "uptime_seconds": round(now - started_at, 1) if pid is not None and started_at else 0.0,
        "last_seen": last.get("stopped_at") or last.get("at"),
        "was_stopped": pid is None and "stopped_at" in last,
        "starting": is_starting,
        "idle": bool(pid is not None and live.get("idle")),
        "device": live.get("device", "cpu"),
        "disk_free_bytes": _free_bytes(folder),
        "store_bytes": store_bytes,
        "pipelines": pipelines,
        "failures": failures,
    }


def _pipeline(
    reader: sqlite3.Connection | None,
    settings: PipelineSettings,
    live: Mapping[str, Any],
    pid: int | None,
    now: float,
) -> dict[str, Any]:
    training = _repo(reader, settings.name, "training")
    inputs = _repo(reader, settings.name, "input")
    seen = _of(live, "training")
    scanned_at = seconds_of(seen.get("last_scan_at"))
    age = now - scanned_at if scanned_at and pid is not None else None
    outputs = _counts(
        reader,
        "SELECT state, outputs FROM output_total WHERE pipeline = ?",
        settings.name,
    )
    train = _train(reader, settings.name, live.get("train", {}), pid)
    held = holds.held_roots(reader, settings.name) if reader else {}
    pause = holds.pause_of(reader, settings.name) if reader else None
    if pause and train["state"] == "idle":  # no service says so
        train |= {"state": "paused", "reason": f"by {pause.who}; `pixd resume` goes on"}
    return {
        "training": {
            **_folder(training, held.get("training", ""), seen, pid),
            "version": training["version"],
            "pairs": _pairs(settings.pairs, training["states"]),
            "last_scan_age_seconds": round(age, 1) if age is not None else None,
            "overflows": seen.get("overflows", 0),
            "missed_events": seen.get("missed_events", 0),
            "findings": training_set.found_of(reader, settings.name) if reader else None,
        },
        "train": train,
        "paused": pause._asdict() if pause else None,
        "model": _model(reader, settings.name, training["version"]),
        "input": {
            **_folder(inputs, held.get("input", ""), _of(live, "input"), pid),
            **{
                state: inputs["states"].get(state, 0)
                for state in ("queued", "translated", "failed")
            },
            "failed_example": _failed_example(reader, inputs["repo_id"], inputs["states"]),
        },
        "output": {
            "current": outputs.get("current", 0),
            "superseded": outputs.get("superseded", 0),
            "orphaned": outputs.get("orphaned", 0),
            "edited": outputs.get("edited", 0),
        },
        "translate": {
            **{
                name: _of(live, "translate").get(name, "") if pid is not None else ""
                for name in ("phase", "trouble", "blocked")
            },
            "tiles": _of(live, "translate").get("tiles") if pid is not None else None,
        },
    }


def _folder(
    repo: Mapping[str, Any], held: str, seen: Mapping[str, Any], pid: int | None
) -> dict[str, Any]:
    """Return what is told of a training folder as of an input folder.

    Args:
        repo: what the store has of it, from `_repo`.
        held: why it is on hold, or "".
        seen: its part of the heartbeat, empty where there was none.
        pid: of the running service.
    """
    states = repo["states"]
    return {
        "commit": repo["commit"],
        "files": sum(states.values()),
        "settling": states.get("settling", 0),
        "rejected": states.get("rejected", 0),
        "ignored": seen.get("ignored", 0),
        "watch": seen.get("watch", "poll"),
        "watch_why": seen.get("watch_why", ""),
        "held": held,
        "unreadable": repo["unreadable"],
        "blocked": seen.get("blocked", "") if pid is not None else "",
    }


def _repo(reader: sqlite3.Connection | None, pipeline: str, kind: str) -> dict[str, Any]:
    nothing: dict[str, Any] = {
        "repo_id": 0, "commit": 0, "version": None, "states": {}, "unreadable": 0,
    }  # fmt: skip
    if reader is None:
        return nothing
    row = reader.execute(
        "SELECT id FROM repo WHERE pipeline = ? AND kind = ?", (pipeline, kind)
    ).fetchone()
    if row is None:
        return nothing
    head = reader.execute(
        'SELECT seq, version FROM "commit" WHERE repo_id = ? ORDER BY seq DESC LIMIT 1', (row[0],)
    ).fetchone()
    states = _counts(
        reader, "SELECT state, files FROM file_total WHERE repo_id = ? AND files <> 0", row[0]
    )
    return {
        "repo_id": row[0],
        "commit": head[0] if head else 0,
        "version": head[1] if head else None,
        "states": states,
        "unreadable": _unreadable(reader, row[0]) if states.get("settling") else 0,
    }


def _unreadable(reader: sqlite3.Connection, repo_id: int) -> int:
    row = reader.execute(
        "SELECT count(*) FROM file WHERE repo_id = ? AND state = 'settling' AND reason <> ''",
        (repo_id,),
    ).fetchone()
    return int(row[0])


def _counts(reader: sqlite3.Connection | None, sql: str, value: object) -> dict[str, int]:
    return {row[0]: row[1] for row in reader.execute(sql, (value,))} if reader else {}


def _failed_example(
    reader: sqlite3.Connection | None, repo_id: int, states: Mapping[str, int]
) -> dict[str, str] | None:
    if reader is None or not states.get("failed"):
        return None
    row = reader.execute(
        "SELECT path, reason FROM file WHERE repo_id = ? AND state = 'failed' ORDER BY path LIMIT 1",
        (repo_id,),
    ).fetchone()
    return {"name": row[0], "reason": row[1]} if row else None


def _pairs(layout: str, states: Mapping[str, int]) -> int:
    return states.get("recorded", 0) // KINDS[layout].files


def _train(
    reader: sqlite3.Connection | None, pipeline: str, live: Mapping[str, Any], pid: int | None
) -> dict[str, Any]:
    last = None
    if reader:
        last = reader.execute(
            "SELECT id, state, reason, progress FROM run WHERE pipeline = ? AND kind = 'train'"
            " ORDER BY id DESC LIMIT 1",
            (pipeline,),
        ).fetchone()
    if last is None:
        last = {"id": None, "state": "", "reason": "", "progress": None}
    if pid is not None and live:
        return {
            "state": live["state"],
            "run": live["run"] or last["id"],
            "step": live["step"],
            "steps": live["steps"],
            "images_per_second": live["images_per_second"],
            "eta_seconds": live["eta_seconds"],
            "reason": live["reason"],
            "losses": live["losses"],
            "validation": live.get("validation"),
            "preview": live.get("preview", ""),
            "blocked": live.get("blocked", ""),
        }
    progress = json.loads(last["progress"] or "{}")
    failed = last["state"] == "failed"
    return {
        "state": "failed" if failed else "idle",
        "run": last["id"],
        "step": progress.get("step", 0),
        "steps": progress.get("steps", 0),
        "images_per_second": 0.0,
        "eta_seconds": None,
        "reason": last["reason"] if failed else "",
        "losses": {},
        "validation": None,
        "preview": "",
        "blocked": "",
    }


def _model(
    reader: sqlite3.Connection | None, pipeline: str, head: str | None
) -> dict[str, Any] | None:
    if reader is None:
        return None
    row = reader.execute(
        "SELECT model.number, model.digest, model.commit_seq, model.version, model.metrics,"
        " ref.is_pinned, ref.changed_at FROM ref JOIN model ON model.id = ref.model_id"
        " WHERE ref.pipeline = ? AND ref.name = 'live'",
        (pipeline,),
    ).fetchone()
    if row is None:
        return None
    return {
        "number": row["number"],
        "digest": row["digest"],
        "dataset_commit": row["commit_seq"],
        "pinned": bool(row["is_pinned"]),
        "stale": row["version"] != head,
        "metrics": json.loads(row["metrics"]),
        "live_since": row["changed_at"],
    }


def _failures(reader: sqlite3.Connection, pipelines: Iterable[str]) -> list[dict[str, Any]]:
    # One short walk along the index for each, however many events there are.
    rows = [
        row
        for pipeline in ("", *pipelines)
        for level in ("warning", "error")
        for row in reader.execute(
            "SELECT id, at, pipeline, level, message FROM event WHERE pipeline = ? AND level = ?"
            " ORDER BY id DESC LIMIT ?",
            (pipeline, level, SHOWN_FAILURES),
        )
    ]
    rows.sort(key=lambda row: int(row["id"]), reverse=True)
    return [
        {name: row[name] for name in ("at", "pipeline", "level", "message")}
        for row in rows[:SHOWN_FAILURES]
    ]


def _store_bytes(reader: sqlite3.Connection, folder: Path) -> int:
    row = reader.execute(
        "SELECT coalesce(sum(bytes), 0) FROM object_total WHERE state <> 'removed'"
    ).fetchone()
    total = int(row[0]) + (folder / connection.DATABASE).stat().st_size
    for below, _, names in os.walk(folder / "checkpoints"):
        for name in names:
            try:
                total += os.stat(os.path.join(below, name)).st_size  # noqa: PTH116, PTH118 - light
            except FileNotFoundError:  # a checkpoint is replaced as we look
                continue
    return total


def _free_bytes(folder: Path) -> int:
    for place in (folder, *folder.parents):
        if place.exists():
            return disk.free_bytes(place)
    return 0


def _of(mapping: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    for key in keys:
        value = mapping.get(key, {})
        mapping = value if isinstance(value, dict) else {}
    return mapping
