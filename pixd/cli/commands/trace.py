"""`pixd trace`: from an image to what made it, and to what it went into."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixd.answers import provenance, trace
from pixd.cli.configuration import settings_of
from pixd.cli.naming import digest_of_file_or_name, locate
from pixd.images import png_text
from pixd.store import connection
from pixd.store.queries import files
from pixd.system.digests import hash_file
from pixd.system.errors import PixdError
from pixd.system.wording import counted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from pixd.config import Settings
    from pixd.store.connection import Reader

SHOWN = 10


def run(args: argparse.Namespace) -> int:
    """Print the chain of a file or digest."""
    settings = settings_of(args)
    reader = connection.open_reader(settings.store)
    try:
        found = _find(reader, settings, args.thing, with_outputs=args.all)
    except OSError as error:
        raise PixdError(
            f"the listing of a training cannot be read: {error}", advice="run `pixd verify`"
        ) from error
    if args.format:
        write = {"openlineage": provenance.openlineage, "prov": provenance.prov}[args.format]
        print(json.dumps(write(found), indent=1, sort_keys=True))
    elif args.json:
        print(json.dumps(found, indent=1, sort_keys=True))
    else:
        limit = None if args.all else SHOWN
        for line in _lines(found, args.thing, limit):
            print(line)
    return 0


def _find(reader: Reader, settings: Settings, thing: str, *, with_outputs: bool) -> dict[str, Any]:
    path = Path(thing)
    if not path.is_file():
        pipelines = settings.pipelines
        last: PixdError | None = None
        for pipeline in pipelines:
            try:
                digest = digest_of_file_or_name(reader, pipeline, thing)
            except PixdError as error:
                last = error
                continue
            return trace.of_content(reader, settings.store, digest, with_outputs=with_outputs)
        assert last is not None  # there is at least one pipeline
        raise last
    found = trace.of_content(reader, settings.store, hash_file(path), with_outputs=with_outputs)
    if found.keys() & {"outputs", "made_by", "input", "training", "model"}:
        return {"found_by": "content", **found}
    text = png_text.read_text(path)
    by_text = trace.of_text(reader, settings.store, text)
    if by_text:
        return {"found_by": "text", "digest": found["digest"], **by_text}
    if before := _published_as(reader, settings, thing):
        by_name = trace.of_content(reader, settings.store, before, with_outputs=with_outputs)
        return {"found_by": "name", **by_name, "digest": found["digest"]}
    if text.keys() & {"pixd:run", "pixd:model"}:
        raise PixdError(
            f"{thing} was made by a pixd, but not with this store ({settings.store})",
            advice="name the other configuration: pixd --config FILE trace ...",
        )
    raise PixdError(
        f"nothing is known of {thing}: its bytes are not in the store and it carries no"
        " pixd text chunks",
        advice="a file saved again by another program loses both; trace the original",
    )


def _published_as(reader: Reader, settings: Settings, thing: str) -> str | None:
    """Return the digest of the output that pixd last published under the name of this file."""
    for pipeline in settings.pipelines:
        place = locate(reader, pipeline, thing)
        if place and place.kind == "output":
            for row in files.outputs_at(reader, pipeline.name, place.name, 1):
                return row.digest
    return None


def _lines(found: Mapping[str, Any], thing: str, limit: int | None) -> Iterator[str]:
    about = found.get("object") or {}
    state = about.get("state")
    yield f"{thing}  {found.get('digest', '')}" + (f"  (bytes {state})" if state else "")
    if found.get("found_by") == "text":
        yield "  its bytes are unknown: found by the text chunks that it carries"
    elif found.get("found_by") == "name":
        yield "  it was changed since pixd wrote it: found by its name in the output folder"
    for where in found.get("recalled", ()):
        yield f"  RECALLED from {where['pipeline']}: {where['why']}, {_when(where['excluded_at'])}"
    for pair in found.get("taught", ()):
        yield (
            f"  taught by {pair['who']}, {_when(pair['taught_at'])}: training image {pair['name']}"
            f" of {pair['pipeline']}, made of input {pair['input_path']} and the retouched output"
            f" {pair['output_path']}"
        )
    for output in found.get("outputs", ()):
        yield ""
        yield (
            f"output {output['path']} of {output['pipeline']}: {output['state']},"
            f" published {_when(output['published_at'])}"
        )
        yield from _made(output, limit)
    for made in found.get("made_by", ()):
        yield ""
        yield f"made by pixd translate or a run whose output was never published ({made['pipeline']})"
        yield from _made(made, limit)
    if "model" in found:
        yield ""
        yield from _model(found["model"], limit)
    if "input" in found:
        yield ""
        yield from _input(found["input"], limit)
    if "training" in found:
        yield ""
        yield from _training(found["training"])


def _made(made: Mapping[str, Any], limit: int | None) -> Iterator[str]:
    run = made["run"]
    yield f"  run@{run['id']}  {_when(run['finished_at'] or '')}  change {run['change_id']}"
    yield f"    because {run['reason']}"
    yield f"    settings {_settings(run['recipe'])}"
    image = made.get("input")
    if image:
        at = f" ({', '.join(image['commits'])})" if image.get("commits") else ""
        yield f"  from input {image['path']}  {image['digest'][:19]}{at}"
    if "training_run" in made.get("model", {}):
        yield from _model(made["model"], limit)


def _model(model: Mapping[str, Any], limit: int | None) -> Iterator[str]:
    run, dataset = model["training_run"], model["dataset"]
    live = ", live" if model["is_live"] else ""
    early = f", early, of {model['early_of']:,}" if model["early_of"] else ""
    yield f"  by {model['name']}  {model['digest'][:19]}{live}, {model['steps']} steps{early}"
    yield f"    run@{run['id']}  {_when(run['finished_at'] or '')}  change {run['change_id']}"
    yield f"    because {run['reason']}"
    yield f"    settings {_settings(run['recipe'])}"
    environment = run["environment"] or {}
    if environment:
        yield f"    with {', '.join(f'{k} {v}' for k, v in environment.items() if not isinstance(v, dict | list))}"
    for start in model.get("started_from", ()):
        yield f"    started from {start['path']}"
    yield f"    trained on {dataset['commit']}  {dataset['version'][:19]}"
    for part, words in (("train", "learned from"), ("held_out", "scored on")):
        pairs = dataset["pairs"][part]
        if not pairs:
            continue
        yield f"    {words} {len(pairs)} pair{'s' * (len(pairs) != 1)}:"
        for pair in pairs[:limit]:
            files = "  ".join(f"{f['path']} {f['digest'][:19]}" for f in pair["files"])
            yield f"      {files}"
        if limit is not None and len(pairs) > limit:
            yield f"      ... and {len(pairs) - limit} more (--all, or --json)"


def _input(part: Mapping[str, Any], limit: int | None) -> Iterator[str]:
    yield from _places("input", part["files"])
    verb = "was" if len(part["outputs"]) == 1 else "were"
    yield f"  {counted(len(part['outputs']), 'output')} {verb} made from it"
    for output in part["outputs"][:limit]:
        yield f"    {output['path']}  {output['state']}, by {output['model']}"
    if limit is not None and len(part["outputs"]) > limit:
        yield f"    ... and {len(part['outputs']) - limit} more (--all, or --json)"


def _training(part: Mapping[str, Any]) -> Iterator[str]:
    yield from _places("training", part["files"])
    if not part["models"]:
        yield "  no model was trained on it"
    how = {"train": "learned from it", "held_out": "was scored on it"}
    for model in part["models"]:
        counts = ", ".join(f"{n} {state}" for state, n in sorted(model["outputs"].items()))
        live = " (live)" if model["is_live"] else ""
        words = how.get(model["how"], f"learned from it {model['how']}")
        yield f"  {model['name']}{live} {words}; its outputs: {counts or 'none'}"
        for output in model.get("output_files", ()):
            yield f"    {output['path']}  {output['state']}, {_when(output['published_at'])}"
        if model["outputs"] and "output_files" not in model:
            yield "    (--all names each of them)"


def _places(kind: str, places: list[dict[str, Any]]) -> Iterator[str]:
    for place in places:
        until = f" until {place['until']}" if place["until"] else ", still there"
        yield f"{kind} image {place['path']} of {place['pipeline']}: from {place['since']}{until}"


def _settings(recipe: Mapping[str, Any]) -> str:
    hidden = {"digest", "stage"}
    return ", ".join(
        f"{k} {v}" for k, v in sorted(recipe.items()) if k not in hidden and v is not None
    )


def _when(at: str) -> str:
    return at[:19].replace("T", " ") + (" UTC" if at else "")
