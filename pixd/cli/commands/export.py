"""`pixd export`: a model as SavedModel, .keras and a model card that say how to call it."""

from __future__ import annotations

import functools
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixd.answers import trace
from pixd.cli.commands.translate import find_model
from pixd.cli.configuration import settings_of
from pixd.cli.naming import pipeline_and_thing
from pixd.cli.run_child import run_child
from pixd.store import connection, manifests, model_files
from pixd.store.queries.lineage import object_path
from pixd.system.children.spawner import LocalSpawner
from pixd.system.children.spec import ExportSpec
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from pixd.config import Settings


def run(args: argparse.Namespace) -> int:
    """Write the model into DIR, which must not exist or be empty."""
    settings = settings_of(args)
    pipeline, thing = pipeline_and_thing(args, settings, args.model)
    model = find_model(settings, pipeline.name, thing)
    target = Path(args.dir).absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise PixdError(f"{target} is there already", advice="name a new or empty folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".pixd-export-", dir=target.parent) as temporary:
        scratch = Path(temporary)
        entries = manifests.read(functools.partial(object_path, settings.store), model["digest"])
        spec = ExportSpec(
            run_id=f"export-{model['number']}",
            model=str(model_files.folder_of(settings.store, model["digest"])),
            files={name: entry.digest for name, entry in entries.items()},
        )
        run_child(
            LocalSpawner(),
            "pixd.pix2pix.export",
            spec,
            scratch,
            what="the export",
            advice="`pixd verify` checks the model",
        )
        _write_receipt(settings, model, scratch / "export" / "receipt.json")
        if target.exists():
            target.rmdir()
        shutil.move(scratch / "export", target)
    print(f"{target}: {', '.join(sorted(p.name for p in target.iterdir()))}")
    return 0


def _write_receipt(settings: Settings, model: Mapping[str, Any], path: Path) -> None:
    """Write where the model came from, in the form of `pixd trace --json`."""
    reader = connection.open_reader(settings.store)
    chain = trace.of_model(reader, settings.store, model)
    path.write_text(json.dumps({"schema": trace.SCHEMA, "model": chain}, indent=1, sort_keys=True))
