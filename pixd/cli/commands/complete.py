"""What a shell asks when Tab is pressed: `pixd __complete LINE`. Only the scripts use it.

It shows no errors, because they would spoil the prompt. If something is wrong, there are fewer
candidates.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pixd.cli.completion import Asked, Word, complete
from pixd.system.errors import EXIT_OK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixd.cli.parser import CommandParser
    from pixd.config import Settings
    from pixd.store.connection import Reader

MOST_NAMES = 1000
MOST_AT_FIRST = 20  # while nothing of a name is typed: the newest, and room for the other kinds
_REPOS = ("training", "input", "model", "output")


def run(top: CommandParser, line: str) -> int:
    """Print what can be typed at the end of `line`."""
    with contextlib.suppress(Exception):
        for answer in complete(top, line, _names).lines():
            print(answer)
    return EXIT_OK


def _names(asked: Asked) -> Iterator[Word]:
    match asked.kind:
        case "live":
            yield Word("live", "the model that translates now")
        case "repos":
            yield from (Word(repo) for repo in _REPOS)
        case "settings":
            from pixd.config.variants import CAN_BE_TRIED  # noqa: PLC0415 - reads YAML

            yield from (Word(f"train.{name}=") for name in CAN_BE_TRIED)
        case _:
            with contextlib.suppress(Exception):  # no configuration, no store: no names
                yield from _recorded(asked)


def _recorded(asked: Asked) -> Iterator[Word]:
    """Yield the names that the configuration and the store know."""
    from pixd.config.load import load  # noqa: PLC0415 - commands and options need no configuration
    from pixd.config.location import find  # noqa: PLC0415 - commands and options need no configuration

    named = asked.given.get("config")
    path = find(named and str(Path(named).expanduser()), os.environ, Path.cwd())
    settings = load(path)
    if asked.kind == "pipelines":
        yield from (Word(p.name, str(p.training.parent)) for p in settings.pipelines)
        return
    from pixd.store import connection  # noqa: PLC0415 - as above

    reader = connection.open_reader(settings.store)
    with contextlib.closing(reader):
        yield from _of_store(reader, settings, asked)


def _of_store(reader: Reader, settings: Settings, asked: Asked) -> Iterator[Word]:
    from pixd.store.queries import completion  # noqa: PLC0415 - as above

    if asked.kind in {"changes", "batches"}:
        of_all = completion.changes if asked.kind == "changes" else completion.batches
        limit = MOST_NAMES if asked.typed else MOST_AT_FIRST
        yield from (Word(*named) for named in of_all(reader, limit))
        return
    chosen = asked.given.get("pipeline")
    for pipeline in settings.pipelines:
        if chosen not in {None, pipeline.name}:
            continue
        # With several pipelines a name says which: facades/model@3.
        prefix = "" if chosen or len(settings.pipelines) == 1 else f"{pipeline.name}/"
        for name, about in _of_pipeline(reader, pipeline.name, asked, prefix):
            yield Word(prefix + name, about)


def _of_pipeline(
    reader: Reader, pipeline: str, asked: Asked, prefix: str
) -> Iterator[tuple[str, str]]:
    from pixd.store.queries import completion  # noqa: PLC0415 - as above

    first = asked.given.get("a", "").removeprefix(prefix).partition("@")[0]
    for kind in {"commits": ("training", "input"), "models": ("model",), "runs": ("run",)}[
        asked.kind
    ]:
        if first and first != kind:  # diff compares two of one kind
            continue
        limit = MOST_NAMES if asked.typed.startswith(f"{prefix}{kind}@") else MOST_AT_FIRST
        match kind:
            case "model":
                yield from completion.models(reader, pipeline, limit)
            case "run":
                yield from completion.runs(reader, pipeline, limit)
            case _:
                yield from completion.commits(reader, pipeline, kind, limit)
                yield f"{kind}@HEAD", "the newest"
