"""`pixd diff`: two commits, or two models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixd.answers import why
from pixd.cli.configuration import settings_of
from pixd.cli.naming import model_number, pipeline_and_thing
from pixd.cli.terminal import warn
from pixd.store import connection, manifests, recipes
from pixd.store.queries import history, lineage, runs
from pixd.system.digests import canonical_json
from pixd.system.errors import PixdError, UsageError
from pixd.training import snapshot

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from pixd.config import PipelineSettings, Settings
    from pixd.store.connection import Reader

MAX_DRAWN = 200
TILE_PX = 192
SCORES = ("l1", "psnr", "ssim", "sharpness")


def run(args: argparse.Namespace) -> int:
    """Print how B differs from A."""
    settings = settings_of(args)
    pipeline, a = pipeline_and_thing(args, settings, args.a)
    _, b = pipeline_and_thing(args, settings, args.b)
    reader = connection.open_reader(settings.store)
    kind = a.partition("@")[0]
    if kind in {"training", "input"} and b.startswith(kind + "@"):
        found = _commits(reader, settings.store, pipeline, a, b)
        if args.images:
            _draw(settings, found, Path(args.images), (a, b))
    elif args.images:
        raise UsageError("--images is for commits", advice="pixd diff training@1 training@2")
    else:
        found = _models(reader, settings.store, pipeline, a, b)
    if args.json:
        print(json.dumps(found, sort_keys=True, indent=1))
        return 0
    for line in _commit_lines(found) if "added" in found else _model_lines(found):
        print(line)
    if args.images:
        print(args.images)
    return 0


def _commits(
    reader: Reader, store: Path, pipeline: PipelineSettings, a: str, b: str
) -> dict[str, Any]:
    versions = []
    for name in (a, b):
        kind, _, which = name.partition("@")
        commit = history.commit(reader, pipeline.name, kind, which)
        if commit is None:
            raise PixdError(f"there is no {name}", advice=f"`pixd log {kind}` lists them")
        versions.append(commit["version"])
    try:
        changes = list(
            manifests.difference(lambda d: lineage.object_path(store, d), versions[0], versions[1])
        )
    except (OSError, ValueError) as error:
        raise PixdError(
            f"a manifest cannot be read: {error}", advice="run `pixd verify`"
        ) from error
    gone = {old: name for name, old, new in changes if new is None and old is not None}
    found: dict[str, Any] = {
        "a": a, "b": b, "added": {}, "changed": {}, "removed": {}, "renamed": {},
    }  # fmt: skip
    for name, old, new in changes:
        if old is None and new in gone:
            found["renamed"][gone[new]] = name
        elif old is None:
            found["added"][name] = new
        elif new is not None:
            found["changed"][name] = [old, new]
    found["removed"] = {
        name: old for name, old, new in changes if new is None and name not in found["renamed"]
    }
    return found


def _models(
    reader: Reader, store: Path, pipeline: PipelineSettings, a: str, b: str
) -> dict[str, Any]:
    old, new = (_model(reader, pipeline.name, name) for name in (a, b))
    before, after = (runs.recorded_run(reader, model["train_run"]) for model in (old, new))
    assert before is not None  # a model's row refers to its run
    assert after is not None
    return {
        "a": old["name"],
        "b": new["name"],
        "settings": recipes.recipe_difference(canonical_json(before.recipe), after.settings),
        "data": {
            "commits": [f"training@{old['commit_seq']}", f"training@{new['commit_seq']}"],
            "pairs": snapshot.pairs_difference(
                lineage.listing_of(reader, store, old["train_run"]),
                lineage.listing_of(reader, store, new["train_run"]),
            ),
        },
        "recorded": why.difference(reader, store, before, after)[1],
        "steps": [old["steps"], new["steps"]],
        "scores": {
            name: [old["metrics"].get(name), new["metrics"].get(name)]
            for name in SCORES
            if old["metrics"].get(name) is not None or new["metrics"].get(name) is not None
        },
        "verdict": new["verdict"],
    }


def _model(reader: Reader, pipeline: str, name: str) -> dict[str, Any]:
    if "@" in name and not name.startswith("model@"):
        raise UsageError(
            f"{name} cannot be compared with the other",
            advice="two commits of one folder, or two models",
        )
    model = history.model(reader, pipeline, model_number(name))
    if model is None:
        raise PixdError(f"there is no {name}", advice="`pixd models` lists them")
    return model


def _commit_lines(found: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(found["added"]):
        yield f"+ {name}"
    for name in sorted(found["changed"]):
        yield f"~ {name}"
    for name in sorted(found["removed"]):
        yield f"- {name}"
    for old, new in sorted(found["renamed"].items()):
        yield f"> {old} -> {new}"
    counts = ", ".join(
        f"{len(found[what])} {what}" for what in ("added", "changed", "removed", "renamed")
    )
    yield f"{found['a']} -> {found['b']}: {counts}"


def _model_lines(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{found['a']} -> {found['b']}"
    yield f"  settings  {', '.join(found['settings']) or 'the same'}"
    pairs = ", ".join(found["data"]["pairs"]) or "the same pairs"
    yield f"  data      {pairs} ({' -> '.join(found['data']['commits'])})"
    yield f"  steps     {found['steps'][0]} -> {found['steps'][1]}"
    for name, (old, new) in found["scores"].items():
        yield f"  {name:<9} {_score(old)} -> {_score(new)}"
    if found["recorded"]:
        yield f"  recorded, not a reason: {', '.join(found['recorded'])}"
    yield f"  verdict   {found['verdict']['why']}"


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _draw(
    settings: Settings, found: Mapping[str, Any], target: Path, names: tuple[str, str]
) -> None:
    """Draw a contact sheet: one row a change, the old picture next to the new one."""
    from pixd.images.contact_sheet import write_contact_sheet  # noqa: PLC0415 - imports Pillow

    changes = [(name, None, new) for name, new in sorted(found["added"].items())]
    changes += [(name, old, new) for name, (old, new) in sorted(found["changed"].items())]
    changes += [(name, old, None) for name, old in sorted(found["removed"].items())]
    if not changes:
        raise PixdError(
            "no picture differs, so there is no sheet to draw",
            advice="leave --images out, or compare other commits: `pixd log training` lists them",
        )
    if len(changes) > MAX_DRAWN:
        warn(f"the sheet shows the first {MAX_DRAWN} of {len(changes)} changes by name")
    rows = [
        (name, [lineage.object_path(settings.store, d) if d else None for d in (old, new)])
        for name, old, new in sorted(changes)[:MAX_DRAWN]
    ]
    write_contact_sheet(target, rows, names, TILE_PX)
