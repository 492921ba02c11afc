"""`pixd teach`: a pair for the training folder out of an input and its retouched output."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from pixd.cli.change import ask
from pixd.cli.configuration import pick_pipeline, settings_of
from pixd.cli.naming import locate
from pixd.cli.terminal import warn
from pixd.images import png_text
from pixd.store import connection, lock
from pixd.store.queries import files, history
from pixd.system.children.spawner import LocalSpawner
from pixd.system.digests import digest_of
from pixd.system.errors import EXIT_OK, UsageError
from pixd.system.names import path_in
from pixd.training.prepare import teaching

if TYPE_CHECKING:
    import argparse

    from pixd.config import PipelineSettings
    from pixd.store.connection import Reader
    from pixd.store.queries.files import OutputRow


def run(args: argparse.Namespace) -> int:
    """Write the pair, and record what it came from."""
    settings = settings_of(args)
    pipeline = pick_pipeline(settings, args.pipeline)
    reader = connection.open_reader(settings.store)
    output = _output(reader, pipeline, args.output)
    target = Path(args.target or args.output)
    if not args.target and not target.is_file():
        target = path_in(pipeline.output, output.path)
    teaching.check_folder(reader, pipeline)
    lesson = teaching.prepare(reader, settings.store, pipeline, output, target, LocalSpawner())
    changed = teaching.place(reader, pipeline, lesson)
    reader.close()
    # The row first: whoever finds the file finds what it was made of.
    recorded = ask(
        settings,
        "teach",
        pipeline=pipeline.name,
        files=[{"name": name, "digest": digest_of(data)} for name, data in lesson.files],
        input_path=output.input_path,
        input_digest=output.input_digest,
        output_path=output.path,
        output_digest=output.digest,
        model_digest=output.model_digest,
        target_digest=lesson.target_digest,
    )
    teaching.write(pipeline, lesson)
    if changed and (pid := lock.holder_pid(settings.store)):
        with contextlib.suppress(PermissionError):
            os.kill(pid, signal.SIGUSR1)  # scan now rather than when the hints come
    names = [name for name, _ in lesson.files]
    if args.json:
        told = {"written": changed, "files": names, "input": output.input_path,
                "output": output.path, "target": str(target), **recorded}  # fmt: skip
        print(json.dumps(told, sort_keys=True, indent=1))
        return EXIT_OK
    for name in names:
        state = "written" if name in changed else "there already"
        print(f"{path_in(pipeline.training, name)}  {state}")
    print(
        f"{output.input_path} and what {target} shows are a pair now; the next training learns it"
    )
    if note := teaching.note_of(pipeline):
        warn(f"pixd: {note}")
    return EXIT_OK


def _output(reader: Reader, pipeline: PipelineSettings, text: str) -> OutputRow:
    """Return the output that `text` names: a file in the output folder, or a copy by its text.

    Raises:
        UsageError: it is no output of this pipeline.
    """
    place = locate(reader, pipeline, text)
    if place and place.kind == "output":
        for row in files.outputs_at(reader, pipeline.name, place.name, 1):
            return row
    elif Path(text).is_file():
        key = png_text.read_text(Path(text)).get("pixd:run", "")
        for run_id in history.runs_of_key(reader, key):
            for row in files.outputs_of(reader, run_id):
                if row.pipeline == pipeline.name:
                    return row
    raise UsageError(
        f"{text} is no output of {pipeline.name}",
        advice=f"name a file of {pipeline.output} that you retouched",
    )
