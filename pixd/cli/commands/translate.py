"""`pixd translate`: translate files at once, next to the service, and have it recorded."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixd.cli.configuration import settings_of
from pixd.cli.naming import model_number, pipeline_and_thing
from pixd.cli.terminal import Progress, warn
from pixd.config.settings import MOST_SAMPLES
from pixd.images.value_use import ValueUse
from pixd.store import connection
from pixd.store.output_names import output_names
from pixd.store.queries import lineage
from pixd.store.queries.training_set import learned_of
from pixd.system import durable
from pixd.system.children.spawner import LocalSpawner
from pixd.system.digests import hash_file
from pixd.system.errors import PixdError, StoreBusyError, UsageError
from pixd.system.names import name_from_bytes
from pixd.translation import due, inbox, odd_inputs, translator

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from pixd.config import Settings
    from pixd.system.children.warm_worker import WarmWorker


def run(args: argparse.Namespace) -> int:
    """Translate each FILE into DIR; 1 where one could not be."""
    settings = settings_of(args)
    pipeline, thing = pipeline_and_thing(args, settings, args.model or "live")
    if args.samples is not None:
        if not 1 <= args.samples <= MOST_SAMPLES:
            raise UsageError(
                f"{args.samples} is no number of samples", advice=f"name 1 to {MOST_SAMPLES}"
            )
        pipeline = dataclasses.replace(pipeline, sample=True, samples=args.samples)
    model = find_model(settings, pipeline.name, thing)
    jobs = _plan(args.files, Path(args.out), pipeline.samples)
    _check_free(settings, [target for _, targets in jobs for target in targets])
    Path(args.out).mkdir(parents=True, exist_ok=True)
    failures = 0
    odd: list[ValueUse] = []
    with tempfile.TemporaryDirectory(prefix="pixd-translate-") as temporary:
        worker, prepared = translator.start_apart(
            settings, pipeline, model, Path(temporary), LocalSpawner()
        )
        for number, (source, targets) in enumerate(jobs):
            digest = hash_file(source)
            made = [
                translator.Wanted(
                    due.key_of(sample.recipe, digest, model["digest"]),
                    sample.number,
                    Path(temporary) / "work" / f"{number}-{sample.number}.png",
                )
                for sample in prepared.samples
            ]
            request = translator.request(
                source,
                made,
                input_digest=digest,
                model_digest=model["digest"],
                version=model["version"],
            )
            worker.submit((source, targets, made), request)
        progress = Progress()
        try:
            for (source, targets, made), event in _answers(worker, len(jobs), progress):
                if event["event"] != "done":
                    failures += 1
                    warn(f"pixd: {source}: {event['reason']}")
                    continue
                if event.get("values"):
                    odd.append(ValueUse.from_json(event["values"]))
                for sample, target, one, told in zip(
                    prepared.samples, targets, made, translator.made_in(event), strict=True
                ):
                    note = {
                        "pipeline": pipeline.name, "key": one.key, "recipe": sample.settings, "name":
                        name_from_bytes(source.name.encode("utf-8", "surrogateescape")),
                        "model": model["digest"], "model_number": model["number"], "ms": told["ms"],
                    }  # fmt: skip
                    _record(settings, note, source, one.out)
                    durable.publish(one.out, target)
                    print(target)
        finally:
            worker.stop()
    _record_now(settings)
    _tell_odd(settings, pipeline.name, odd, len(jobs) - failures)
    return int(failures > 0)


def find_model(settings: Settings, pipeline: str, name: str) -> dict[str, Any]:
    """Return the model that the user means: ``model@3``, ``3`` or ``live``.

    Raises:
        PixdError: there is none, or its bytes were removed.
    """
    reader = connection.open_reader(settings.store)
    return translator.model_of(reader, pipeline, model_number(name))


def _plan(files: list[str], out: Path, samples: int) -> list[tuple[Path, list[Path]]]:
    """Return each file with the names of what is made of it."""
    jobs = []
    for file in files:
        source = Path(file).absolute()
        if source.is_dir():
            raise UsageError(
                f"{file} is a folder", advice=f"name the files in it: {shlex.quote(file)}/*"
            )
        if not source.is_file():
            raise UsageError(f"there is no file {file}", advice="name image files that are there")
        jobs.append((source, [out.absolute() / n for n in output_names(source.name, samples)]))
    sources = {source for source, _ in jobs}
    targets = [target for _, names in jobs for target in names]
    for target in targets:
        if target in sources:
            raise UsageError(
                f"{target} would be overwritten by a translation",
                advice="name another -o DIR",
            )
    if len(set(targets)) < len(targets):
        raise UsageError("two of the files have the same name", advice="translate them one by one")
    return jobs


def _check_free(settings: Settings, targets: Sequence[Path]) -> None:
    """Refuse to replace a file that somebody else made, or that was edited.

    Raises:
        UsageError: there is one.
    """
    there = [target for target in targets if os.path.lexists(target)]
    if not there:
        return
    own = inbox.outputs_waiting(settings.store)
    with contextlib.closing(connection.open_reader(settings.store)) as reader:
        for target in there:
            digest = hash_file(target) if target.is_file() else ""
            if digest not in own and not lineage.is_translation(reader, digest):
                raise UsageError(
                    f"{target} is there already, and pixd did not make what is in it",
                    advice="name another -o DIR, or move it away",
                )


def _answers(worker: WarmWorker, expected: int, progress: Progress) -> Any:
    done = 0
    began = time.monotonic()
    while done < expected:
        worker.step(time.monotonic())
        for token, event in worker.collect():
            done += 1
            progress.clear()
            yield token, event
        waiting = worker.phase or ("starting" if worker.ready is None else "translating")
        if step := worker.step_made:
            waiting += f" {step.token[0].name}, tile {step.done} of {step.of}"
        progress.show(f"{waiting}, {done} of {expected}, {time.monotonic() - began:.0f} s")
        if (
            worker.trouble
            and worker.ready is None
            and time.monotonic() - began > translator.APART_ANSWER_WITHIN_S
        ):
            raise PixdError(
                f"the translator does not start: {worker.trouble}",
                advice="free memory, or set `device: cpu`; `pixd verify` checks the model",
            )
        time.sleep(0.01)


def _tell_odd(settings: Settings, pipeline: str, odd: list[ValueUse], count: int) -> None:
    """Say if the values of the files are not like those that the model learned from."""
    learned = learned_of(connection.open_reader(settings.store), pipeline) if odd else None
    if said := odd_inputs.compare(learned, odd, count):
        warn(f"pixd: {said.message}\n  try: {said.advice}")


def _record(settings: Settings, note: Mapping[str, Any], source: Path, made: Path) -> None:
    try:
        inbox.hand_in(settings.store, note, {"input": source, "output": made})
    except OSError as error:
        warn(f"pixd: not recorded, because the store cannot be written: {error.strerror}")


def _record_now(settings: Settings) -> None:
    """Record the entries at once, where no service runs to do it."""
    from pixd.store.opening import open_store  # noqa: PLC0415 - only needed here

    try:
        store = open_store(settings.store, may_make=False)
    except (StoreBusyError, OSError):
        return  # the service takes them in at its next step
    try:
        inbox.take_in(store)
    finally:
        store.close()
