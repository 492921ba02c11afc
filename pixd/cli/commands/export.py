"""`pixd export`: a model in the formats of other runtimes, with a card that says how to call it.

A child writes and checks the formats in a folder beside DIR. What is there in the end gets DIR's name
in one step, so that DIR is whole or absent.
"""

from __future__ import annotations

import contextlib
import functools
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixd.answers import trace
from pixd.answers.report import record
from pixd.cli.commands.translate import find_model
from pixd.cli.configuration import settings_of
from pixd.cli.naming import pipeline_and_thing
from pixd.cli.run_child import run_child
from pixd.config import web_runtime
from pixd.config.export_formats import DEFAULT_FORMATS, EXTRA, FORMATS, missing
from pixd.store import connection, manifests, model_files
from pixd.store.queries import files, lineage
from pixd.store.queries.lineage import object_path
from pixd.system import disk
from pixd.system.children.spawner import LocalSpawner
from pixd.system.children.spec import ExportSpec
from pixd.system.errors import PixdError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from pixd.config import Settings
    from pixd.system.children.spec_parts import Pair

CHECKED_PAIRS = 16
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NO_LICENCE = "not set: the owner of this model has not said what others may do with it"
WITHIN_S = 3600.0
"""Seconds until the child is ended. All formats of a model with 54 million weights take about two
minutes on two cores."""
DISK_OF_WEIGHTS = 3
"""How many times the weights a format takes at most, with what is made on the way."""
SPARE_BYTES = 64 << 20


def run(args: argparse.Namespace) -> int:
    """Write the model into DIR, which must not exist or be empty."""
    formats = wanted_formats(args.format, args.weights)
    runtime, browser = _of_page(formats, args)
    settings = settings_of(args)
    pipeline, thing = pipeline_and_thing(args, settings, args.model)
    model = find_model(settings, pipeline.name, thing)
    target = Path(args.dir).absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise PixdError(f"{target} is there already", advice="name a new or empty folder")
    entries = manifests.read(functools.partial(object_path, settings.store), model["digest"])
    with _parents_of(target), _room(target, entries, len(formats)) as scratch:
        spec = ExportSpec(
            run_id=f"export-{model['number']}",
            model=str(model_files.folder_of(settings.store, model["digest"]).absolute()),
            files={name: entry.digest for name, entry in entries.items()},
            formats=formats,
            weights=args.weights or "",
            runtime=runtime,
            browser=browser,
            has_examples=not args.no_examples,
            about=_about(model, args.licence),
            **_pairs(settings, model),
        )
        run_child(
            LocalSpawner(),
            "pixd.pix2pix.export",
            spec,
            scratch,
            what="the export",
            advice="`pixd verify` checks the model",
            within_s=WITHIN_S,
        )
        # A page is for everybody; the receipt names every training picture.
        if "web" not in formats:
            _write_receipt(settings, model, scratch / "export" / "receipt.json")
        if target.exists():
            target.rmdir()
        shutil.move(scratch / "export", target)
    print(f"{target}: {', '.join(sorted(p.name for p in target.iterdir()))}")
    return 0


def wanted_formats(text: str | None, weights: str | None) -> list[str]:
    """Return the formats of ``--format``, each once, in the order of the table.

    Raises:
        UsageError: there is no such format, it has no such weights, or what makes it is missing.
    """
    names = [name.strip() for name in text.split(",")] if text else [*DEFAULT_FORMATS]
    for name in names:
        if name not in FORMATS:
            raise UsageError(
                f"--format {name}: there is no such format", advice=f"one of {', '.join(FORMATS)}"
            )
        if weights and weights not in FORMATS[name].weights:
            raise UsageError(
                f"--weights {weights}: {name} cannot have them",
                advice=f"for {name}: {', '.join(FORMATS[name].weights)}",
            )
    if lacking := missing(names):
        raise PixdError(
            f"--format {','.join(names)} needs what is not installed: {', '.join(lacking)}",
            advice=f"pip install '{EXTRA}'",
        )
    return [name for name in FORMATS if name in names]


def _of_page(formats: list[str], args: argparse.Namespace) -> tuple[str, str]:
    """Return the browsers' runtime and the browser to try the page in; "" for what is not wanted.

    Raises:
        PixdError: one of them is missing.
    """
    if "web" not in formats:
        if args.runtime or args.check or args.no_examples:
            raise UsageError(
                "--runtime, --check and --no-examples are for a page",
                advice="add --format web, or leave them out",
            )
        return "", ""
    runtime = web_runtime.find(args.runtime)
    if not args.check:
        return str(runtime), ""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        raise PixdError(
            f"--check needs a browser, and none is found: {', '.join(BROWSERS)}",
            advice="apt install chromium, or leave --check out",
        )
    return str(runtime), browser


def _about(model: Mapping[str, Any], licence: str | None) -> dict[str, Any]:
    return {
        "pipeline": model["pipeline"],
        "model": model["name"],
        "digest": model["digest"],
        "dataset": {"commit": f"training@{model['commit_seq']}", "version": model["version"]},
        "licence": licence or NO_LICENCE,
    }


def _pairs(settings: Settings, model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the pairs to check on, as the spec's fields: held-out ones, if there are any."""
    with contextlib.closing(connection.open_reader(settings.store)) as reader:
        try:
            listed = lineage.dataset_of(reader, settings.store, model["train_run"])
        except (OSError, ValueError):
            return {}
        recalled = set(files.recalled_in(reader, model["pipeline"]))
    side = "held_out" if listed["held_out"] else "train"
    shown = [record.shown_pair(settings.store.absolute(), pair, recalled) for pair in listed[side]]
    pairs: list[Pair] = [
        {"name": one.name, "images": [*map(str, one.images)], "digests": [*one.digests]}
        for one in shown
        if not one.trouble
    ]
    return {"pairs": pairs[:CHECKED_PAIRS], "are_held_out": side == "held_out"}


@contextlib.contextmanager
def _parents_of(target: Path) -> Iterator[None]:
    """Make the folders above the target; remove them again if nothing gets there."""
    absent = [folder for folder in target.parents if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            for folder in absent:
                folder.rmdir()
        raise


@contextlib.contextmanager
def _room(target: Path, entries: Mapping[str, Any], formats: int) -> Iterator[Path]:
    """Give a folder beside the target for the work, which goes with what is left in it.

    Raises:
        PixdError: its disk has too little room.
        PermissionError: the folder around the target may not be written; it is the one named.
    """
    weights = sum(entry.size_bytes for entry in entries.values())
    needed = SPARE_BYTES + weights * DISK_OF_WEIGHTS * formats
    free = disk.free_bytes(target.parent)
    if free < needed:
        raise PixdError(
            f"the disk of {target.parent} has {free / 1e6:,.0f} MB free, and an export may need"
            f" {needed / 1e6:,.0f} MB",
            advice="free some space, or name a folder on another disk",
        )
    try:
        temporary = tempfile.TemporaryDirectory(prefix=".pixd-export-", dir=target.parent)
    except PermissionError as error:
        error.filename = str(target.parent)
        raise
    with temporary as scratch:
        yield Path(scratch)


def _write_receipt(settings: Settings, model: Mapping[str, Any], path: Path) -> None:
    """Write where the model came from, in the form of `pixd trace --json`."""
    reader = connection.open_reader(settings.store)
    chain = trace.of_model(reader, settings.store, model)
    path.write_text(json.dumps({"schema": trace.SCHEMA, "model": chain}, indent=1, sort_keys=True))
