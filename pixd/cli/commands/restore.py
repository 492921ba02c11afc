"""`pixd restore`: bring a folder back to what it was, or write that version elsewhere."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixd.cli.change import ask
from pixd.cli.configuration import settings_of
from pixd.cli.naming import pipeline_and_thing
from pixd.cli.terminal import Progress, bar, warn
from pixd.folders import restore
from pixd.store import connection, lock
from pixd.store.queries import files, history
from pixd.system.errors import EXIT_FAILED, EXIT_OK, PixdError, UsageError
from pixd.system.wording import counted

if TYPE_CHECKING:
    import argparse

SHOWN = 8


def run(args: argparse.Namespace) -> int:
    """Write a version back; 1 where something had to be left as it was."""
    settings = settings_of(args)
    pipeline, thing = pipeline_and_thing(args, settings, args.commit)
    kind, _, which = thing.partition("@")
    if kind not in {"training", "input"} or not which:
        raise UsageError(f"{thing} is no commit", advice="training@3, or training@HEAD~1")
    reader = connection.open_reader(settings.store)
    commit = history.commit(reader, pipeline.name, kind, which)
    if commit is None:
        raise UsageError(f"there is no {thing}", advice=f"`pixd log {kind}` lists them")
    watched = pipeline.training if kind == "training" else pipeline.input
    folder = Path(args.to).absolute() if args.to else watched
    if args.to:
        _check_is_new(folder)
    else:
        restore.check_folder(reader, pipeline, kind)
    wanted = restore.files_of(settings.store, commit["version"])
    repo = None if args.to else files.repo_id(reader, pipeline.name, kind)
    made = restore.plan(reader, settings.store, wanted, folder, repo)
    if not args.json:
        _print_plan(made, commit["name"], folder)
    if (made.write or made.remove) and not args.yes and not args.to and not _agreed(folder):
        warn("nothing was done")
        return EXIT_FAILED
    progress = Progress()
    total = len(made.write)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        changed = restore.apply(
            made,
            settings.store,
            folder,
            lambda done: progress.show(f"writing {bar(done, total)} {done} of {total}"),
        )
    finally:
        progress.clear()
    left = [*made.missing, *made.unrecorded, *changed]
    if args.json:
        told = {"commit": commit["name"], "folder": str(folder), **_as_json(made, changed)}
        print(json.dumps(told, sort_keys=True, indent=1))
    else:
        for name in changed:
            warn(f"pixd: {name} changed meanwhile and was left")
        print(f"{folder} is as it was at {commit['name']}" + (", but for the above" * bool(left)))
    if made.remove and not args.to:
        # Many files may go at once, and that is intended. The service also scans now.
        ask(settings, "expect", pipeline=pipeline.name, kind=kind)
    elif (pid := lock.holder_pid(settings.store)) and not args.to:
        with contextlib.suppress(PermissionError):
            os.kill(pid, signal.SIGUSR1)  # scan now rather than when the hints come
    return EXIT_FAILED if left else EXIT_OK


def _check_is_new(folder: Path) -> None:
    """Raise PixdError where something is in a folder, or is no folder."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise PixdError(f"{folder} is there already", advice="name a new or empty folder")


def _as_json(made: restore.Plan, changed: list[str]) -> dict[str, Any]:
    return {
        "same": made.same,
        "written": sorted(made.write),
        "removed": list(made.remove),
        "missing": list(made.missing),
        "unrecorded": list(made.unrecorded),
        "changed_meanwhile": changed,
    }


def _print_plan(made: restore.Plan, name: str, folder: Path) -> None:
    new = [n for n in made.write if n not in made.before]
    changed = [n for n in made.write if n in made.before]
    verb = "is" if made.same == 1 else "are"
    warn(f"{name} into {folder}: {counted(made.same, 'file')} {verb} the same")
    for sign, names in (("+", new), ("~", changed), ("-", made.remove)):
        for n in names[:SHOWN]:
            warn(f"  {sign} {n}")
        if len(names) > SHOWN:
            warn(f"  {sign} ... and {len(names) - SHOWN} more")
    if made.missing:
        gone = counted(len(made.missing), "file")
        warn(f"  the bytes of {gone} were removed: {', '.join(made.missing[:3])}")
        warn("  try: pixd gc --undo")
    if made.unrecorded:
        warn(f"  left alone, never recorded: {', '.join(made.unrecorded[:SHOWN])}")


def _agreed(folder: Path) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(f"{folder} would be written", advice="say --yes, or --to DIR")
    sys.stderr.write(f"write this into {folder}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
