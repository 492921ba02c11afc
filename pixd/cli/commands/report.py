"""`pixd models --report`: one model as one HTML file, with what it makes of held-out pairs.

It only reads the store, so that it works whether the service runs or not. A child makes the
pictures again, from the weights and pairs that are kept. The file belongs to the user. It is never
written into a folder of a pipeline.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import tempfile
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixd.answers.report import page, record
from pixd.cli.configuration import settings_of
from pixd.cli.naming import FOLDERS, model_number, pipeline_and_thing
from pixd.cli.run_child import run_child
from pixd.cli.terminal import warn
from pixd.store import connection, manifests
from pixd.store.queries import history
from pixd.store.queries.lineage import object_path
from pixd.system import durable, mounts
from pixd.system.children.spawner import LocalSpawner
from pixd.system.children.spec import PicturesSpec
from pixd.system.errors import PixdError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from pixd.answers.report.record import Picture, Record, Shown
    from pixd.config import Settings
    from pixd.system.children.spec_parts import Pair

REPORTS = "reports"
"""The folder of the store for reports, unless another place is given."""
SHOWN_PAIRS = 12
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")
PARTS = ("input", "output", "target")


def run(args: argparse.Namespace) -> int:
    """Write the report, print its path, and open it where there is a display."""
    count = SHOWN_PAIRS if args.pairs is None else args.pairs
    if count < 0:
        raise UsageError(f"--pairs {count}: how many?", advice="0 for a report without pictures")
    settings = settings_of(args)
    pipeline, thing = pipeline_and_thing(args, settings, args.report)
    with contextlib.closing(connection.open_reader(settings.store)) as reader:
        model = history.model(reader, pipeline.name, model_number(thing))
        if model is None:
            which = "live model" if thing == "live" else f"model {thing}"
            raise UsageError(f"{pipeline.name} has no {which}", advice="`pixd models` lists them")
        path = place(settings, args.out, f"{pipeline.name}-{model['name'].replace('@', '-')}.html")
        found = record.gather(reader, settings.store, model, count)
    _add_pictures(settings, found)
    write(path, page.render(found))
    for trouble in found.missing:
        warn(f"pixd: not in the report: {trouble}")
    if args.json:
        told = {"model": model["name"], "report": str(path), "missing": found.missing}
        print(json.dumps(told, sort_keys=True, indent=1))
    else:
        print(path)
    if not args.no_open:
        show(path)
    return 0


def show(path: Path) -> None:
    """Open a report in a browser, where there is a display."""
    if any(os.environ.get(name) for name in DISPLAYS):
        webbrowser.open(path.as_uri())


def place(settings: Settings, out: str | None, name: str) -> Path:
    """Return where the report goes.

    Raises:
        UsageError: it would go into a folder of a pipeline, or it is a folder.
    """
    if out is None:
        return settings.store.absolute() / REPORTS / name
    path = Path(out).absolute()
    if path.is_dir():
        raise UsageError(f"{out} is a folder", advice=f"name a file: -o {Path(out) / name}")
    for pipeline in settings.pipelines:
        for kind in FOLDERS:
            if Path(mounts.find(path).path).is_relative_to(
                mounts.find(getattr(pipeline, kind)).path
            ):
                raise UsageError(
                    f"{out} is in the {kind} folder of {pipeline.name}, which pixd watches",
                    advice="write the report elsewhere",
                )
    if path.resolve().is_relative_to(settings.store.resolve() / "objects"):
        raise UsageError(f"{out} is among the store's objects", advice="write it elsewhere")
    return path


def _add_pictures(settings: Settings, found: Record) -> None:
    """Make the pictures that can be made; the record says why the others are missing."""
    made: dict[int, Picture] = {}
    asked = [(n, one) for n, one in enumerate(found.shown) if not one.trouble]
    if asked and not found.pictures_trouble:
        try:
            made = draw(settings, found.model, asked)
        except (PixdError, OSError, ValueError) as error:
            found.pictures_trouble = error.message if isinstance(error, PixdError) else str(error)
    if not found.pictures_trouble:
        found.pictures = [
            made.get(n) or record.Picture(one.name, trouble=one.trouble)
            for n, one in enumerate(found.shown)
        ]


def draw(
    settings: Settings, of: Mapping[str, Any], asked: list[tuple[int, Shown]]
) -> dict[int, Picture]:
    """Return the pictures of pairs by their number, made by a child.

    Args:
        settings: the configuration.
        of: the model, as `pixd.store.queries.history.model` returns it.
        asked: the pairs, each with its number.

    Raises:
        PixdError: they cannot be drawn.
        OSError, ValueError: the manifest of the model cannot be read.
    """
    digest = of["digest"]
    recipe = of["training"]["recipe"]
    entries = manifests.read(functools.partial(object_path, settings.store), digest)
    with tempfile.TemporaryDirectory(prefix="pixd-report-") as temporary:
        scratch = Path(temporary)
        # The service makes a model's folder in the store, for the models that it translates with.
        model = scratch / "model"
        model.mkdir()
        for name, entry in entries.items():
            (model / name).symlink_to(object_path(settings.store.absolute(), entry.digest))
        spec = PicturesSpec(
            run_id=f"pictures-{of['number']}",
            model=str(model),
            files={name: entry.digest for name, entry in entries.items()},
            precision=settings.precision,
            recipe=recipe,
            pairs=[_pair_of(one) for _, one in asked],
        )
        result = run_child(
            LocalSpawner(),
            "pixd.pix2pix.pictures",
            spec,
            scratch,
            what="drawing",
            advice="`pixd verify` checks the model",
        )
        return {
            number: _picture(scratch, told)
            for (number, _), told in zip(asked, result.pictures, strict=True)
        }


def _pair_of(shown: Shown) -> Pair:
    images = [path.absolute() for path in shown.images]
    return {"name": shown.name, "images": list(map(str, images)), "digests": list(shown.digests)}


def _picture(scratch: Path, told: Mapping[str, Any]) -> Picture:
    if "trouble" in told:
        return record.Picture(told["name"], trouble=told["trouble"])
    parts = tuple((scratch / told["files"][part]).read_bytes() for part in PARTS)
    return record.Picture(told["name"], parts, told["l1"])


def write(path: Path, text: str) -> None:
    """Write a report.

    Raises:
        PixdError: it cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.write_file(path, text.encode())
    except OSError as error:
        raise PixdError(
            f"the report cannot be written to {path}: {error.strerror}",
            advice="name another place with -o FILE",
        ) from error
