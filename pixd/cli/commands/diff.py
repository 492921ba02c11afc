"""`pixd diff`: two commits, or two models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixd.answers import diff
from pixd.cli.configuration import settings_of
from pixd.cli.naming import model_number, pipeline_and_thing
from pixd.cli.terminal import warn
from pixd.store import connection
from pixd.store.queries import history, lineage
from pixd.system.errors import PixdError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from pixd.config import Settings
    from pixd.store.connection import Reader

MAX_DRAWN = 200
TILE_PX = 192


def run(args: argparse.Namespace) -> int:
    """Print how B differs from A."""
    settings = settings_of(args)
    pipeline, a = pipeline_and_thing(args, settings, args.a)
    _, b = pipeline_and_thing(args, settings, args.b)
    reader = connection.open_reader(settings.store)
    kind = a.partition("@")[0]
    if kind in {"training", "input"} and b.startswith(kind + "@"):
        found = diff.of_commits(reader, settings.store, pipeline.name, a, b)
        if args.images:
            _draw(settings, found, Path(args.images), (a, b))
    elif args.images:
        raise UsageError("--images is for commits", advice="pixd diff training@1 training@2")
    else:
        old, new = (_model(reader, pipeline.name, name) for name in (a, b))
        found = diff.of_models(reader, settings.store, old, new)
    if args.json:
        print(json.dumps(found, sort_keys=True, indent=1))
        return 0
    for line in _commit_lines(found) if "added" in found else _model_lines(found):
        print(line)
    if args.images:
        print(args.images)
    return 0


def _model(reader: Reader, pipeline: str, name: str) -> dict[str, Any]:
    if "@" in name and not name.startswith("model@"):
        raise UsageError(
            f"{name} cannot be compared with the other",
            advice="two commits of one folder, or two models",
        )
    model = history.model(reader, pipeline, model_number(name))
    if model is None:
        raise UsageError(f"there is no {name}", advice="`pixd models` lists them")
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
