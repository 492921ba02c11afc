"""Publish images: write the intent row, then the file, then the row that says it is published.

What the user did meanwhile wins. An input that changed or disappeared while its translation was
made gets nothing published under its name. An output edited by hand is kept. A file that pixd did
not make is never overwritten.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, NamedTuple

from pixd.store.states import FileState, OutputState, RunState
from pixd.system import backoff, crash_points, disk, durable
from pixd.system.clock import rfc3339
from pixd.system.errors import PixdError
from pixd.system.names import name_from_bytes, path_in
from pixd.translation import output_files
from pixd.translation.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pixd.config import PipelineSettings
    from pixd.store.events import Level
    from pixd.store.file_rows import DueInput
    from pixd.store.outputs import Output
    from pixd.store.store import Store

MAX_ATTEMPTS = 5
LONGEST_WAIT_S = (1 + backoff.JITTER) * backoff.wait_s(MAX_ATTEMPTS - 1)
"""`postpone` never sets a retry later than this. A retry that is later was set before the clock was
put back."""


class Made(NamedTuple):
    """An image that a run made, and the inputs that it is the translation of."""

    run_id: int
    digest: str
    inputs: tuple[DueInput, ...]


class Intent(NamedTuple):
    """One output about to be put in place: its row, its path, its bytes, its input."""

    row: int
    path: str
    digest: str
    input: DueInput
    is_first: bool  # of this content under this name


class Publisher:
    """The output folder of one pipeline."""

    def __init__(
        self,
        store: Store,
        pipeline: str,
        repo_id: int,
        folder: Path,
        *,
        tally: Tally | None = None,
    ) -> None:
        """Publish into `folder` what was made of the inputs of the repo `repo_id`.

        `tally` counts what became of them.
        """
        self._tally = tally or Tally()
        self._store = store
        self._pipeline = pipeline
        self._repo_id = repo_id
        self._folder = folder
        self._refusal = ""

    def publish(self, made: list[Made], *, model_digest: str, recipe: str) -> str:
        """Publish images: all intents, then all files, then all rows that say they are published.

        Their runs succeed in any case, since the bytes are in the store. What could not be
        published stays due, and is published later without work.

        Args:
            made: what to publish; the objects are durable.
            model_digest: the model that made them.
            recipe: digest of the recipe that they were made under.

        Returns:
            What the disk of the output folder refuses, or "". Files that were there before are kept.
        """
        with self._store.transaction():
            intents = self.intend(made, model_digest=model_digest, recipe=recipe)
        return self.carry_out(made, intents)

    def intend(self, made: list[Made], *, model_digest: str, recipe: str) -> list[Intent]:
        """Write the intents of `publish`. Join the caller's transaction, then `carry_out`."""
        self._refusal = ""
        return [
            intent
            for one in made
            for inp in one.inputs
            if self._is_still_wanted(inp)
            for intent in self._intend(one, inp, model_digest, recipe)
        ]

    def carry_out(self, made: list[Made], intents: list[Intent]) -> str:
        """Put the intended files in place; write that they are published and their runs are done.

        Returns:
            As `publish`.
        """
        store = self._store
        standing = self._put(intents)
        with store.transaction():
            for intent in standing:
                store.outputs.settle_intent(intent.row)
                store.working.finish(
                    self._repo_id, intent.input.name, intent.input.digest, FileState.TRANSLATED
                )
            for one in made:
                store.runs.move(one.run_id, (RunState.PUBLISHING,), RunState.SUCCEEDED)
        now = time.time()
        for intent in standing:
            self._tally.published(now, intent.input.ctime_ns / 1e9 if intent.is_first else None)
        return self._refusal

    def postpone(self, inp: DueInput, reason: str) -> None:
        """Try an input again later, each time after twice the wait; the fifth failure is final."""
        attempts = inp.attempts + 1
        gives_up = attempts >= MAX_ATTEMPTS
        self._store.working.set_state(
            self._repo_id,
            [inp.name],
            FileState.FAILED if gives_up else FileState.QUEUED,
            reason,
            retry_at=None if gives_up else rfc3339(time.time() + backoff.spread_wait_s(attempts)),
            count_attempt=True,
        )
        self._tally.results["failed" if gives_up else "postponed"] += 1
        level: Level = "error" if gives_up else "warning"
        self._store.note(self._pipeline, level, "translate", f"{inp.name}: {reason}")

    def find_missing(self) -> str:
        """Queue the inputs of outputs that somebody deleted.

        Returns:
            Why the output folder cannot be looked at, or "".
        """
        there = set(_names_below(os.fsencode(self._folder)))
        listed = self._store.outputs.current_paths(self._pipeline)
        with self._store.transaction():
            for path in [path for path in listed if path not in there]:
                try:
                    # Look at the file itself: the listing leaves out what it could not read.
                    if path_in(self._folder, path).exists():
                        continue
                except OSError as error:
                    return disk.refusal(error) or f"{self._folder}: {error.strerror}"
                standing = self._store.outputs.standing(self._pipeline, path)
                if standing:
                    self._store.outputs.requeue_missing(self._repo_id, standing)
        return ""

    def _is_still_wanted(self, inp: DueInput) -> bool:
        found = self._store.working.find(self._repo_id, inp.name)
        return found is not None and found[1] == inp.digest

    def _intend(self, made: Made, inp: DueInput, model_digest: str, recipe: str) -> list[Intent]:
        """Write the intent, unless a file that exists makes it unnecessary or forbids it."""
        store = self._store
        path = output_files.output_name(inp.name)
        standing = store.outputs.standing(self._pipeline, path)
        try:
            if self._refusal or self._stands(
                standing, inp, path, made.digest, (model_digest, recipe)
            ):
                return []
        except OSError as error:
            self._note_refusal(inp, path, error)
            return []
        row = store.outputs.intend(
            self._pipeline,
            path,
            input_path=inp.name,
            input_digest=inp.digest,
            model_digest=model_digest,
            recipe=recipe,
            run_id=made.run_id,
            digest=made.digest,
            change_id=inp.change_id or "none",
        )
        is_first = standing is None or standing.input_digest != inp.digest
        return [Intent(row, path, made.digest, inp, is_first)]

    def _put(self, intents: list[Intent]) -> list[Intent]:
        """Put the files in place and return the intents whose file is there now."""
        sources = [self._store.objects.path_of(intent.digest) for intent in intents]
        targets = [path_in(self._folder, intent.path) for intent in intents]
        errors = output_files.publish_each(list(zip(sources, targets, strict=True)))
        standing = []
        for intent, target, error in zip(intents, targets, errors, strict=True):
            if error is None or _stands_after_all(target, intent.digest):
                standing.append(intent)
                continue
            self._note_refusal(intent.input, intent.path, error)
            self._store.outputs.drop_intent(intent.row)
        return standing

    def _note_refusal(self, inp: DueInput, path: str, error: OSError) -> None:
        """Wait if the disk is the cause; else try this input again later."""
        why = f"{path} could not be written: {error.strerror}"
        if disk.refusal(error):
            self._refusal = f"the output folder {self._folder}: {why}"
        else:
            self.postpone(inp, why)

    def _stands(
        self,
        standing: Output | None,
        inp: DueInput,
        path: str,
        digest: str,
        made_with: tuple[str, str],
    ) -> bool:
        """Look at the file that is at `path`; tell whether nothing is to be published."""
        working = self._store.working
        ours = standing.digest if standing else None
        found = output_files.look(path_in(self._folder, path), digest, ours)
        if (
            found is output_files.Standing.WANTED
            and standing
            and standing.state is OutputState.CURRENT
        ):
            if (
                standing.input_digest == inp.digest
                and (standing.model_digest, standing.recipe) == made_with
            ):
                working.finish(self._repo_id, inp.name, inp.digest, FileState.TRANSLATED)
                return True
        elif found is output_files.Standing.EDITED and standing:
            self._store.outputs.set_state(standing.id, OutputState.EDITED)
            why = f"{path} was edited by hand and is kept; delete it to get the new one"
            working.finish(self._repo_id, inp.name, inp.digest, FileState.TRANSLATED, why)
            self._store.note(self._pipeline, "warning", "edited", why)
            return True
        elif found is output_files.Standing.FOREIGN:
            why = f"{path} is there already and was not made by pixd: move it away"
            self.postpone(inp, why)
            return True
        return False


def _stands_after_all(target: Path, digest: str) -> bool:
    """Tell whether publishing failed only after the rename, so that the file is on the disk."""
    try:
        if output_files.look(target, digest, None) is not output_files.Standing.WANTED:
            return False
        durable.sync_folder(target.parent)
    except OSError:
        return False
    return True


def _names_below(folder: bytes, prefix: bytes = b"") -> Iterator[str]:
    """Yield the name text of every file below a folder; none where it cannot be listed."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _names_below(entry.path, prefix + entry.name + b"/")
            else:
                yield name_from_bytes(prefix + entry.name)


def withdraw(store: Store, pipeline: PipelineSettings, repo_id: int, path: str) -> Path | None:
    """Record that a published output is withdrawn; its bytes stay in the store.

    Join the caller's transaction, and remove the returned file after it. After a crash in between,
    `pixd.service.recovery` removes it. A file that was edited by hand is left, as `edited`.

    Returns:
        The file to be removed, if there is one.
    """
    standing = store.outputs.standing(pipeline.name, path)
    if standing is None:
        return None
    target = path_in(pipeline.output, path)
    if output_files.look(target, standing.digest, None) is output_files.Standing.FOREIGN:
        store.outputs.set_state(standing.id, OutputState.EDITED)
        return None
    store.outputs.set_state(standing.id, OutputState.WITHDRAWN)
    store.working.set_state(
        repo_id, [standing.input_path], FileState.QUEUED, if_in=(FileState.TRANSLATED,)
    )
    return target


def withdraw_orphans(store: Store, pipeline: PipelineSettings, repo_id: int) -> None:
    """Withdraw the outputs whose inputs are gone, as `keep.orphans: false` asks.

    A file that was edited by hand is left. Nothing is lost: the bytes stay in the store, and an
    input that comes back gets its output again without a translation. After a crash between the
    rows and the files, or where the folder cannot be written now, `pixd.service.recovery` removes
    the file at the next start.
    """
    paths = store.outputs.orphaned(pipeline.name, repo_id)
    if not paths:
        return
    with store.transaction():
        targets = [withdraw(store, pipeline, repo_id, path) for path in paths]
        gone = [target for target in targets if target]
        if gone:
            told = f"{len(gone)} outputs are removed, because their inputs are gone"
            store.note(pipeline.name, "info", "orphans", told)
    for target in gone:
        crash_points.crash_point("withdrawn")
        try:
            target.unlink(missing_ok=True)
        except OSError as error:
            why = f"{target} could not be removed: {error.strerror}; it is tried at the next start"
            store.note(pipeline.name, "warning", "orphans", why)


def publish_beside(store: Store, pipeline: PipelineSettings, path: str) -> str:
    """Put the live model's translation beside an output that was edited by hand.

    Args:
        store: the open store.
        pipeline: whose output it is.
        path: name text of the edited output, relative to the output folder.

    Returns:
        The name text of the new file, ``x.new.png`` for ``x.png``.

    Raises:
        PixdError: it was not edited, or there is no newer translation.
    """
    standing = store.outputs.standing(pipeline.name, path)
    if standing is None or standing.state is not OutputState.EDITED:
        raise PixdError(f"{path} is no output that was edited by hand", advice="pixd why " + path)
    live = store.models.live(pipeline.name)
    made = store.runs.translation_of(
        pipeline.name, standing.input_digest, live.digest if live else standing.model_digest
    )
    if made is None:
        raise PixdError(
            f"there is no translation of {standing.input_path} by the live model yet",
            advice="wait for it with `pixd wait`",
        )
    beside = path.removesuffix(".png") + ".new.png"
    target = path_in(pipeline.output, beside)
    if output_files.look(target, made, None) is output_files.Standing.FOREIGN:
        raise PixdError(f"{beside} is there already", advice="move it away")
    output_files.publish(store.objects.path_of(made), target)
    return beside
