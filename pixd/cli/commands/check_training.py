"""`pixd check-training`: what is wrong with a training set, and what to do about it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixd.cli.configuration import pick_pipeline, settings_of
from pixd.cli.terminal import Progress, bar
from pixd.system.children.spawner import LocalSpawner
from pixd.system.errors import EXIT_FAILED, EXIT_OK, UsageError
from pixd.system.wording import counted
from pixd.training.dataset import folder_check
from pixd.training.dataset.finding import LOOK, WRONG, Finding, Setting

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pixd.training.dataset.folder_check import Checked

SHOWN = 8  # groups of a finding, unless all are asked for
_SCHEMA = 1
_DEFAULTS = Setting("side-by-side", "AtoB", 256, 0.1)  # as in config.yaml


def run(args: argparse.Namespace) -> int:
    """Look at a folder, or at those of the pipelines; 1 where something is wrong."""
    progress = Progress()
    told: dict[str, Any] = {}
    code = EXIT_OK
    for name, folder, setting in _wanted(args):
        checked = _check(folder, setting, progress)
        code = max(code, EXIT_FAILED if checked.judgement.count(WRONG) else EXIT_OK)
        if args.json:
            told[name] = _as_json(folder, setting, checked)
            continue
        for line in _lines(folder, checked, None if args.all else SHOWN):
            print(line)
    if args.json:
        print(json.dumps({"schema": _SCHEMA, "folders": told}, sort_keys=True, indent=1))
    return code


def _wanted(args: argparse.Namespace) -> Iterator[tuple[str, Path, Setting]]:
    """Yield a name for each folder to look at, the folder, and the settings that apply.

    Raises:
        UsageError: it is not a folder, or the options of both ways were mixed.
    """
    given = {
        name: value
        for name in Setting._fields  # not all of them are options
        if (value := getattr(args, name, None)) is not None
    }
    if args.dir is not None:
        if args.pipeline:
            raise UsageError(
                "a folder and -p NAME are two ways to say what to look at", advice="leave one out"
            )
        folder = Path(args.dir)
        if not folder.is_dir():
            raise UsageError(f"{folder} is no folder", advice="pixd check-training training/")
        setting = _DEFAULTS._replace(**given)
        _see_that_it_is_possible(setting)
        yield str(folder), folder, setting
        return
    if given:
        option = next(iter(given)).replace("_", "-")
        raise UsageError(
            f"--{option} is for a folder that is named", advice="config.yaml has it for a pipeline"
        )
    settings = settings_of(args)
    chosen = (pick_pipeline(settings, args.pipeline),) if args.pipeline else settings.pipelines
    for pipeline in chosen:
        yield pipeline.name, pipeline.training, Setting.of(pipeline)


def _see_that_it_is_possible(setting: Setting) -> None:
    """Check that config.yaml would take the options.

    Raises:
        UsageError: one is not.
    """
    size = setting.image_size
    if not (32 <= size <= 1024 and size.bit_count() == 1):  # noqa: PLR2004 - as docs/config.md says
        raise UsageError(
            f"--image-size {size} is none", advice="a power of two from 32 to 1024, such as 256"
        )
    if not 0 <= setting.validation <= 0.9:  # noqa: PLR2004 - as above
        raise UsageError(
            f"--validation {setting.validation:g} is no share", advice="from 0 to 0.9, such as 0.1"
        )


def _check(folder: Path, setting: Setting, progress: Progress) -> Checked:
    began = time.monotonic()

    def show(done: int, of: int) -> None:
        left_s = (time.monotonic() - began) / done * (of - done)
        progress.show(f"looking at pictures {bar(done, of)} {done} of {of}, {left_s:.0f} s left")

    progress.show(f"reading {folder}")
    try:
        return folder_check.check(folder, setting, LocalSpawner(), show=show)
    finally:
        progress.clear()


def _lines(folder: Path, checked: Checked, shown: int | None) -> Iterator[str]:
    judged = checked.judgement
    count = counted(checked.pairs, "pair")
    extras = [f"{checked.held_out} to be held out"] if checked.held_out else []
    extras += [f"{counted(checked.ignored, 'file')} ignored"] if checked.ignored else []
    about = f" ({', '.join(extras)})" if extras else ""
    yield f"{folder}: {count}{about}"
    for finding in judged.findings:
        yield ""
        yield from _finding(finding, shown)
    if judged.notes:
        yield ""
    for note in judged.notes:
        yield f"note   {note}"
    yield ""
    parts = [
        f"{judged.count(level)} {word}"
        for level, word in ((WRONG, "wrong"), (LOOK, "worth a look"))
        if judged.count(level)
    ]
    yield ", ".join(parts) or "nothing is wrong"


def _finding(finding: Finding, shown: int | None) -> Iterator[str]:
    yield f"{'WRONG' if finding.level == WRONG else 'look '}  {finding.message}"
    for group in finding.groups[:shown]:
        yield f"         {' = '.join(group)}"
    more = len(finding.groups) - len(finding.groups[:shown])
    if more:
        yield f"         and {more} more (--all)"
    yield f"       try: {finding.advice}"


def _as_json(folder: Path, setting: Setting, checked: Checked) -> dict[str, Any]:
    judged = checked.judgement
    return {
        "folder": str(folder),
        "settings": setting._asdict(),
        "files": checked.files,
        "ignored": checked.ignored,
        "pairs": checked.pairs,
        "held_out": checked.held_out,
        "wrong": judged.count(WRONG),
        "look": judged.count(LOOK),
        "findings": [finding.told() for finding in judged.findings],
        "notes": list(judged.notes),
    }
