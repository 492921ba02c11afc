"""The whole chain of a content: what made it, and what it went into.

`of_content` answers for any digest: as an output (its input, its model, the model's settings
and every training image by name), as an input image, as a training image, as a model. The
result is plain data in the form that docs/lineage-format.md documents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixd.store import taught
from pixd.store.queries import files, history, lineage, runs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixd.store.connection import Reader

SCHEMA = "pixd-trace/1"
_RUN_FACTS = (
    "id", "kind", "key", "state", "reason", "change_id", "started_at", "finished_at", "recipe",
    "environment",
)  # fmt: skip


def of_content(
    reader: Reader, store: Path, digest: str, *, with_outputs: bool = False
) -> dict[str, Any]:
    """Return everything that is known of a content, empty parts left out.

    Args:
        reader: the store's database.
        store: the store's folder, for the listings of training runs.
        digest: ``sha256:...`` in full.
        with_outputs: name each output of the models that a training image went into. There may be
            as many as there are inputs, so this is only done when asked.

    Raises:
        OSError: the listing of a training run cannot be read.
    """
    kept = files.object_row(reader, digest)
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "digest": digest,
        "object": kept._asdict() if kept else None,
        "outputs": [
            _output(reader, store, row) for row in files.outputs_with_digest(reader, digest)
        ],
        "input": _as_input(reader, digest),
        "training": _as_training(reader, store, digest, with_outputs=with_outputs),
        "model": _as_model(reader, store, digest),
        "taught": [one._asdict() for one in taught.about(reader, digest)],
        "recalled": [one._asdict() for one in files.exclusions_of(reader, digest)],
    }
    if not found["outputs"]:
        found["made_by"] = [
            of_run(reader, store, run_id) for run_id in history.runs_that_made(reader, digest)
        ]
    return {name: part for name, part in found.items() if part}


def of_text(reader: Reader, store: Path, text: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the chain of an image whose bytes are unknown, by the text chunks it carries.

    Args:
        reader: the store's database.
        store: the store's folder.
        text: the chunks; ``pixd:run`` names the run. A picture of an exported page has none: there
            ``pixd:model`` names the model.
    """
    runs = history.runs_of_key(reader, text.get("pixd:run", ""))
    if not runs:
        model = {} if "pixd:run" in text else _as_model(reader, store, text.get("pixd:model", ""))
        return {"schema": SCHEMA, "text": dict(text), "model": model} if model else None
    made = of_run(reader, store, runs[0])
    return {"schema": SCHEMA, "text": dict(text), "made_by": [made]}


def of_run(reader: Reader, store: Path, run_id: int) -> dict[str, Any]:
    """Return a run with its input image, and its model where it is a translation."""
    run = runs.recorded_run(reader, run_id)
    assert run is not None  # an edge names it
    found: dict[str, Any] = {"run": _facts(run), "pipeline": run.pipeline}
    for edge in run.inputs:
        if edge.role == "image":
            found["input"] = {"path": edge.path, "digest": edge.digest}
        elif edge.role == "model":
            model = history.model_of_digest(reader, run.pipeline, edge.digest)
            found["model"] = of_model(reader, store, model) if model else edge._asdict()
    return found


def of_model(reader: Reader, store: Path, model: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model with its training: settings, environment, and every image by name.

    Args:
        reader: the store's database.
        store: the store's folder.
        model: a row as `views.model` gives it.
    """
    run = runs.recorded_run(reader, model["train_run"])
    assert run is not None  # the model's row refers to it
    started_from = [
        {"path": edge.path, "digest": edge.digest}
        for edge in runs.edges(reader, model["train_run"], "warm-start")
    ]
    return {
        "name": model["name"],
        "digest": model["digest"],
        "pipeline": model["pipeline"],
        "number": model["number"],
        "created_at": model["created_at"],
        "is_live": model["is_live"],
        "is_pinned": model["is_pinned"],
        "steps": model["steps"],
        "early_of": model["early_of"],
        "metrics": model["metrics"],
        "verdict": model["verdict"],
        "training_run": _facts(run),
        "dataset": {
            "commit": f"training@{model['commit_seq']}",
            "version": model["version"],
            "pairs": lineage.dataset_of(reader, store, model["train_run"]),
        },
        **({"started_from": started_from} if started_from else {}),
    }


def _output(reader: Reader, store: Path, row: files.OutputRow) -> dict[str, Any]:
    made = of_run(reader, store, row.run_id)
    commits = [
        f"input@{a.since}"
        for a in lineage.appearances(reader, row.input_digest)
        if (a.pipeline, a.kind, a.path) == (row.pipeline, "input", row.input_path)
    ]
    made["input"] = {
        "path": row.input_path, "digest": row.input_digest, "commits": commits,
    }  # fmt: skip
    return {
        "path": row.path,
        "digest": row.digest,
        "state": row.state,
        "published_at": row.published_at,
        "change_id": row.change_id,
        **made,
    }


def _as_input(reader: Reader, digest: str) -> dict[str, Any]:
    found = _places(reader, digest, "input")
    outputs = [
        {
            "pipeline": row.pipeline,
            "path": row.path,
            "digest": row.digest,
            "state": row.state,
            "published_at": row.published_at,
            "model": model,
        }
        for row, model in files.outputs_from_input(reader, digest)
    ]
    return {"files": found, "outputs": outputs} if found or outputs else {}


def _as_training(reader: Reader, store: Path, digest: str, *, with_outputs: bool) -> dict[str, Any]:
    found = _places(reader, digest, "training")
    if not found:
        return {}
    models: list[dict[str, Any]] = []
    for pipeline in dict.fromkeys(place["pipeline"] for place in found):
        for use in lineage.models_of(reader, store, pipeline, digest):
            model = history.model(reader, pipeline, use.number)
            assert model is not None  # just found
            found_model = {
                "pipeline": pipeline,
                "name": model["name"],
                "digest": model["digest"],
                "how": use.how,
                "is_live": model["is_live"],
                "outputs": files.outputs_of_model(reader, pipeline, model["digest"]),
            }
            if with_outputs:
                found_model["output_files"] = [
                    {
                        "path": row.path,
                        "digest": row.digest,
                        "state": row.state,
                        "published_at": row.published_at,
                    }
                    for row in files.outputs_by_model(reader, pipeline, model["digest"])
                ]
            models.append(found_model)
    return {"files": found, "models": models}


def _as_model(reader: Reader, store: Path, digest: str) -> dict[str, Any]:
    for pipeline in history.pipelines_with_model(reader, digest):
        model = history.model_of_digest(reader, pipeline, digest)
        if model:
            return of_model(reader, store, model)
    return {}


def _places(reader: Reader, digest: str, kind: str) -> list[dict[str, Any]]:
    return [
        {
            "pipeline": a.pipeline,
            "path": a.path,
            "since": f"{kind}@{a.since}",
            "until": f"{kind}@{a.until}" if a.until else None,
        }
        for a in lineage.appearances(reader, digest)
        if a.kind == kind
    ]


def _facts(run: runs.RecordedRun) -> dict[str, Any]:
    return {name: getattr(run, name) for name in _RUN_FACTS}
