"""Put made images where they belong: the intent row, then the file, then the row that it stands.

What the user did meanwhile wins: an input that changed or went while its translation was made
gets nothing published under its name, an output edited by hand is kept, and a file that pixd
did not make is never overwritten.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from typing import TYPE_CHECKING, NamedTuple

from pixd import output
from pixd.errors import PixdError
from pixd.records import name_to_bytes
from pixd.store.connection import rfc3339

if TYPE_CHECKING:
    from pathlib import Path

    from pixd.config import PipelineSettings
    from pixd.store.outputs import Output
    from pixd.store.store import Store
    from pixd.store.working import DueInput

MAX_ATTEMPTS = 5
FIRST_RETRY_S = 5.0
LONGEST_RETRY_S = 3600.0
LONGEST_WAIT_S = 1.2 * min(FIRST_RETRY_S * 2 ** (MAX_ATTEMPTS - 2), LONGEST_RETRY_S)
"""A retry further ahead than `postpone` ever sets one was set by a clock that has been put back."""


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


class Publisher:
    """The output folder of one pipeline."""

    def __init__(self, store: Store, pipeline: str, repo_id: int, folder: Path) -> None:
        """Publish into `folder` what was made of the inputs of the repo `repo_id`."""
        self._store = store
        self._pipeline = pipeline
        self._repo_id = repo_id
        self._folder = folder

    def publish(self, made: list[Made], *, model_digest: str, recipe: str) -> None:
        """Publish images: all intents, then all files, then all rows that say they stand.

        Args:
            made: what to publish; the objects are durable.
            model_digest: the model that made them.
            recipe: digest of the recipe that they were made under.
        """
        store = self._store
        with store.transaction():
            intents = [
                intent
                for one in made
                for inp in one.inputs
                if self._is_still_wanted(inp)
                for intent in self._intend(one, inp, model_digest, recipe)
            ]
        standing = [intent for intent in intents if self._put(intent)]
        with store.transaction():
            for intent in standing:
                store.outputs.settle_intent(intent.row)
                store.working.finish(
                    self._repo_id, intent.input.name, intent.input.digest, "translated"
                )
            for one in made:
                store.runs.move(one.run_id, ("publishing",), "succeeded")

    def postpone(self, inp: DueInput, reason: str) -> None:
        """Try an input again later, each wait twice as long; after five times it is failed."""
        attempts = inp.attempts + 1
        gives_up = attempts >= MAX_ATTEMPTS
        wait_s = min(FIRST_RETRY_S * 2 ** (attempts - 1), LONGEST_RETRY_S)
        wait_s *= random.uniform(0.8, 1.2)  # noqa: S311 - so that retries spread
        self._store.working.set_state(
            self._repo_id,
            [inp.name],
            "failed" if gives_up else "queued",
            reason,
            retry_at=None if gives_up else rfc3339(time.time() + wait_s),
            count_attempt=True,
        )
        level = "error" if gives_up else "warning"
        self._store.note(self._pipeline, level, "translate", f"{inp.name}: {reason}")

    def find_missing(self) -> None:
        """Queue the inputs of outputs that somebody deleted."""
        for row in self._store.outputs.all_standing(self._pipeline):
            if row.state == "current" and not path_of(self._folder, row.path).exists():
                self._store.outputs.requeue_missing(self._repo_id, row)

    def _is_still_wanted(self, inp: DueInput) -> bool:
        found = self._store.working.find(self._repo_id, inp.name)
        return found is not None and found[1] == inp.digest

    def _intend(self, made: Made, inp: DueInput, model_digest: str, recipe: str) -> list[Intent]:
        """Write the intent, unless what stands there makes it needless or forbids it."""
        store = self._store
        path = output.output_name(inp.name)
        standing = store.outputs.standing(self._pipeline, path)
        if self._stands(standing, inp, path, made.digest, (model_digest, recipe)):
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
        return [Intent(row, path, made.digest, inp)]

    def _put(self, intent: Intent) -> bool:
        try:
            source = self._store.objects.path_of(intent.digest)
            output.publish(source, path_of(self._folder, intent.path))
        except OSError as error:
            self._store.outputs.drop_intent(intent.row)
            why = f"{intent.path} could not be written: {error.strerror}"
            self.postpone(intent.input, why)
            return False
        return True

    def _stands(
        self,
        standing: Output | None,
        inp: DueInput,
        path: str,
        digest: str,
        made_with: tuple[str, str],
    ) -> bool:
        """Deal with what stands at `path`; tell whether nothing is to be published."""
        working = self._store.working
        ours = standing.digest if standing else None
        found = output.look(path_of(self._folder, path), digest, ours)
        if found is output.Standing.WANTED and standing and standing.state == "current":
            if (
                standing.input_digest == inp.digest
                and (standing.model_digest, standing.recipe) == made_with
            ):
                working.finish(self._repo_id, inp.name, inp.digest, "translated")
                return True
        elif found is output.Standing.EDITED and standing:
            self._store.outputs.set_state(standing.id, "edited")
            why = f"{path} was edited by hand and is kept; delete it to get the new one"
            working.finish(self._repo_id, inp.name, inp.digest, "translated", why)
            self._store.note(self._pipeline, "warning", "edited", why)
            return True
        elif found is output.Standing.FOREIGN:
            why = f"{path} is there already and was not made by pixd: move it away"
            self.postpone(inp, why)
            return True
        return False


def path_of(folder: Path, name: str) -> Path:
    """Return the path of a file in a folder by its name text."""
    return folder / os.fsdecode(name_to_bytes(name))


def withdraw(store: Store, pipeline: PipelineSettings, repo_id: int, path: str) -> None:
    """Take a published output away; its bytes stay in the store.

    The row goes first: cut off in between, `recover_outputs` takes the file away. One that was
    edited by hand is left, and stays `edited`.
    """
    standing = store.outputs.standing(pipeline.name, path)
    if standing is None:
        return
    target = path_of(pipeline.output, path)
    if output.look(target, standing.digest, None) is output.Standing.FOREIGN:
        store.outputs.set_state(standing.id, "edited")
        return
    with store.transaction():
        store.outputs.set_state(standing.id, "withdrawn")
        store.working.set_state(repo_id, [standing.input_path], "queued", if_in=("translated",))
    target.unlink(missing_ok=True)


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
    if standing is None or standing.state != "edited":
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
    target = path_of(pipeline.output, beside)
    if output.look(target, made, None) is output.Standing.FOREIGN:
        raise PixdError(f"{beside} is there already", advice="move it away")
    output.publish(store.objects.path_of(made), target)
    return beside


def recover_outputs(store: Store, folders: dict[str, Path]) -> None:
    """Finish or drop the publishings that a crash cut off. Call once at start, under the lock.

    Args:
        store: the open store.
        folders: the output folder of each pipeline.
    """
    for gone in store.outputs.withdrawn():
        withdrawn_from = folders.get(gone.pipeline)
        if withdrawn_from:
            left = path_of(withdrawn_from, gone.path)
            if output.look(left, gone.digest, None) is output.Standing.WANTED:
                left.unlink()
    for intent in store.outputs.intents():
        folder = folders.get(intent.pipeline)
        target = path_of(folder, intent.path) if folder else None
        with store.transaction():
            if target and output.look(target, intent.digest, None) is output.Standing.WANTED:
                store.outputs.settle_intent(intent.id)
            else:
                store.outputs.drop_intent(intent.id)


def clear_temporaries(folder: Path) -> None:
    """Remove the temporary files that a crash left in an output folder."""
    for leftover in folder.rglob(".pixd-*.tmp"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)
