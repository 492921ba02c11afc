"""Publish images: write the intent row, then the file, then the row that says it is published.

What the user did meanwhile wins. An input that changed or disappeared while its translation was
made gets nothing published under its name. An output edited by hand is kept. A file that pixd did
not make is never overwritten. An error of one output stays with it: its input is tried again
later, and the others are published.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from pixd.folders.one_file import is_of_one_file
from pixd.store.output_names import output_name, output_names
from pixd.store.states import FileState, OutputState, RunState
from pixd.system import backoff, disk
from pixd.system.children.folder_calls import FolderCalls, NotAnsweringError
from pixd.system.clock import rfc3339
from pixd.system.errors import in_words
from pixd.system.names import path_in
from pixd.translation import earlier, leftovers, output_files
from pixd.translation.intents import Intent
from pixd.translation.output_place import OutputPlace
from pixd.translation.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pixd.store.events import Level
    from pixd.store.file_rows import DueInput
    from pixd.store.outputs import Output
    from pixd.store.store import Store
    from pixd.translation.intents import Made

MAX_ATTEMPTS = 5
LONGEST_WAIT_S = (1 + backoff.JITTER) * backoff.wait_s(MAX_ATTEMPTS - 1)
"""`postpone` never sets a retry later than this. A retry that is later was set before the clock was
put back."""


class Publisher:
    """The output folder of one pipeline."""

    def __init__(
        self,
        store: Store,
        pipeline: str,
        repo_id: int,
        folder: Path,
        *,
        samples: int = 1,
        tally: Tally | None = None,
    ) -> None:
        """Publish into `folder` what was made of the inputs of the repo `repo_id`.

        `samples` says how many outputs an input has, `tally` counts what became of inputs.
        """
        self._tally = tally or Tally()
        self._store = store
        self._pipeline = pipeline
        self._repo_id = repo_id
        self._folder = folder
        self._samples = samples
        self._place = OutputPlace(store, pipeline, folder)
        self._refusal = ""
        # Of the inputs that are being published: postponed already, and what is to be said of them.
        self._postponed: set[str] = set()
        self._said: dict[str, str] = {}
        self._made_with: tuple[str, Sequence[str]] = ("", ())
        self.calls = FolderCalls(folder, store=store.folder)
        self._found: dict[tuple[str, str], output_files.Standing | Exception] = {}
        # What an earlier service left on a network file system is settled at the first look.
        self._has_left = bool(self.calls.network)

    def why_not(self) -> str:
        """Say why nothing may be published now, or ""; see `pixd.translation.output_place`."""
        if not self.calls.network:
            return self._place.why_not()
        try:
            is_there = self.calls.call(os.path.isdir, self._folder)
        except NotAnsweringError as silence:
            return silence.message
        return "" if is_there else f"the output folder {self._folder} is gone"

    def held(self) -> contextlib.AbstractContextManager[Path]:
        """Return a context with the folder that `why_not` believed; see `OutputPlace.held`.

        A folder on a network file system is not held: opening it may take for ever.
        """
        return contextlib.nullcontext(self._folder) if self.calls.network else self._place.held()

    def publish(self, made: list[Made], *, model_digest: str, recipes: Sequence[str]) -> str:
        """Publish images: all intents, then all files, then all rows that say they are published.

        Their runs succeed in any case, since the bytes are in the store. What could not be
        published stays due, and is published later without work.

        Args:
            made: what to publish; the objects are durable.
            model_digest: the model that made them.
            recipes: digests of the recipes that they were made under, by the number of the sample.

        Returns:
            What the disk of the output folder refuses, or "". Files that were there before are kept.
        """
        self.look_ahead(made)
        with self._store.transaction():
            intents = self.intend(made, model_digest=model_digest, recipes=recipes)
        return self.carry_out(made, intents)

    def look_ahead(self, made: list[Made]) -> None:
        """Look whether the folder is there, and where it may not answer, at what is in it.

        Call it before the transaction of `intend`, which must not wait for a folder. Its disk may
        have gone since the images were asked for: then nothing is published.
        """
        self._refusal = "" if self.calls.network else self._place.why_not()
        self._found.clear()
        self._postponed.clear()
        self._said.clear()
        if not self.calls.network:
            return
        wanted = [(self._name(i, one.number), one.digest) for one in made for i in one.inputs]
        standing = [self._store.outputs.standing(self._pipeline, path) for path, _ in wanted]
        asked = [
            (path_in(self._folder, path), digest, ours.digest if ours else None)
            for (path, digest), ours in zip(wanted, standing, strict=True)
        ]
        try:
            self.settle_left()
            found = self.calls.call_slow(leftovers.WITHIN_S, output_files.look_each, asked)
        except NotAnsweringError as error:
            self._refusal = error.message
        else:
            self._found.update(zip(wanted, found, strict=True))

    def is_waiting(self) -> bool:
        """Tell whether the output folder has not answered yet."""
        return self.calls.is_waiting()

    def answers(self) -> bool:
        """Tell whether the output folder answers now."""
        try:
            self.calls.call(os.path.isdir, self._folder)
        except NotAnsweringError:
            return False
        return True

    def settle_left(self) -> None:
        """Settle what was cut off when the folder stopped answering.

        Raises:
            NotAnsweringError: it still does not answer.
        """
        if self._has_left:
            self.calls.call(leftovers.remove_temporaries, self._folder)
            leftovers.settle(self._store, self._pipeline, self.calls, self._folder)
            self._has_left = False

    def recover(self) -> None:
        """After an error of the store's disk, settle what was cut off at the next look."""
        self._has_left = bool(self.calls.network)

    def intend(
        self, made: list[Made], *, model_digest: str, recipes: Sequence[str]
    ) -> list[Intent]:
        """Write the intents of `publish`, after `look_ahead`. Join the caller's transaction."""
        self._made_with = (model_digest, recipes)
        intents: list[Intent] = []
        for one in made:
            for inp in one.inputs:
                try:
                    with self._store.apart():
                        intents += self._intend(one, inp, model_digest, recipes[one.number - 1])
                except Exception as error:
                    if not (isinstance(error, OSError) or is_of_one_file(error)):
                        raise
                    self._note_refusal(inp, self._name(inp, one.number), error)
        return intents

    def carry_out(self, made: list[Made], intents: list[Intent]) -> str:
        """Put the intended files in place; write that they are published and their runs are done.

        Returns:
            As `publish`.
        """
        store = self._store
        standing = self._put(intents)
        with store.transaction():
            done = [intent for intent in standing if self._is_recorded(intent)]
            for one in made:
                self._end_run(one.run_id)
        now = time.time()
        first = {intent.input.name for intent in standing if intent.is_first}
        for inp in {intent.input.name: intent.input for intent in done}.values():
            self._tally.published(now, inp.ctime_ns / 1e9 if inp.name in first else None)
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

    def _postpone(self, inp: DueInput, reason: str) -> None:
        """Do what `postpone` does, once for all samples of an input that are published together."""
        if inp.name not in self._postponed:
            self._postponed.add(inp.name)
            self.postpone(inp, reason)

    def _name(self, inp: DueInput, number: int) -> str:
        return output_name(inp.name, number, self._samples)

    def _intend(self, made: Made, inp: DueInput, model_digest: str, recipe: str) -> list[Intent]:
        """Write the intent, unless a file that exists makes it unnecessary or forbids it."""
        store = self._store
        found = store.working.find(self._repo_id, inp.name)
        if self._refusal or found is None or found[1] != inp.digest:
            return []
        if self._is_refused(inp.name):  # an input came that has its outputs' name
            return []
        path = self._name(inp, made.number)
        standing = store.outputs.standing(self._pipeline, path)
        if standing and standing.input_path != inp.name:
            self._is_refused(standing.input_path)  # it had the name, which is this input's now
        if self._stands(standing, inp, path, made.digest, (model_digest, recipe)):
            return []
        is_first = not store.outputs.is_known(self._pipeline, inp.name, inp.digest)
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
        return [Intent(row, path, made.digest, inp, is_first)]

    def _is_refused(self, name: str) -> bool:
        """Refuse an input if its outputs' name is another input's; tell whether it is."""
        find, repo = self._store.working.find, self._repo_id
        why = output_files.refusal(
            name, is_input=lambda other: find(repo, other) is not None, samples=self._samples
        )
        if why:
            self._tally.results["rejected"] += 1
            self._store.working.set_state(self._repo_id, [name], FileState.REJECTED, why)
        return bool(why)

    def _put(self, intents: list[Intent]) -> list[Intent]:
        """Put the files in place and return the intents whose file is there now."""
        try:
            errors = self._put_each(intents)
        except NotAnsweringError as silence:
            self._refusal, self._has_left = silence.message, True
            return []
        except OSError as gone:  # the folder itself, since it was looked at a moment ago
            errors = [gone] * len(intents)
        standing = []
        for intent, error in zip(intents, errors, strict=True):
            target = path_in(self._folder, intent.path)
            if error is None or self._stands_after_all(target, intent.digest):
                standing.append(intent)
                continue
            self._note_refusal(intent.input, intent.path, error)
            self._store.outputs.drop_intent(intent.row)
        return standing

    def _put_each(self, intents: list[Intent]) -> list[Exception | None]:
        network, publish = self.calls.network, output_files.publish_each
        with self.held() as folder:
            files = [
                (self._store.objects.path_of(one.digest), path_in(folder, one.path))
                for one in intents
            ]
            if network:
                return self.calls.call_slow(leftovers.WITHIN_S, publish, files, below=folder)
            return publish(files, below=folder)

    def _is_recorded(self, intent: Intent) -> bool:
        """Write that an output is published; tell whether its input has all of them now.

        Where that fails, the input is tried again later.
        """
        try:
            with self._store.apart():
                self._store.outputs.settle_intent(intent.row)
                return self._finish(intent.input)
        except Exception as error:
            if not is_of_one_file(error):
                raise
            self._store.outputs.drop_intent(intent.row)
            self._postpone(intent.input, f"{intent.path} could not be recorded: {in_words(error)}")
            return False

    def _finish(self, inp: DueInput) -> bool:
        """Say that an input is translated, if all of its outputs are there; tell whether."""
        model, recipes = self._made_with
        names = output_names(inp.name, self._samples)
        if len(names) > 1 and not self._store.outputs.has_all(
            self._pipeline, zip(names, recipes, strict=True), inp.digest, model
        ):
            return False
        why = self._said.get(inp.name, "")
        self._store.working.finish(self._repo_id, inp.name, inp.digest, FileState.TRANSLATED, why)
        return True

    def _end_run(self, run_id: int) -> None:
        # A run that is left as publishing is ended by the next start.
        with self.noted(f"run@{run_id} could not be recorded as done"):
            self._store.runs.move(run_id, (RunState.PUBLISHING,), RunState.SUCCEEDED)

    @contextlib.contextmanager
    def noted(self, what: str) -> Iterator[None]:
        """Go on after an error in the block that is not the store's, with a warning."""
        try:
            with self._store.apart():
                yield
        except Exception as error:
            if not is_of_one_file(error):
                raise
            told = f"{what}: {in_words(error)}"
            self._store.note(self._pipeline, "warning", "translate", told)

    def _note_refusal(self, inp: DueInput, path: str, error: Exception) -> None:
        """Wait if the disk is the cause; else try this input again later."""
        why = f"{path} could not be written: {in_words(error)}"
        if place := self.why_not():
            self._refusal = place
        elif disk.refusal(error):
            self._refusal = f"the output folder {self._folder}: {why}"
        else:
            self._postpone(inp, why)

    def _stands_after_all(self, target: Path, digest: str) -> bool:
        """Tell whether publishing failed only after the rename, so that the file is on the disk."""
        try:
            return self.calls.call(leftovers.stands, target, digest)
        except Exception:  # noqa: BLE001 - then the first error is the one to tell
            return False

    def _look(self, path: str, digest: str, ours: str | None) -> output_files.Standing:
        found = self._found.get((path, digest))
        if isinstance(found, Exception):
            raise found
        return found or output_files.look(path_in(self._folder, path), digest, ours)

    def _stands(
        self,
        standing: Output | None,
        inp: DueInput,
        path: str,
        digest: str,
        made_with: tuple[str, str],
    ) -> bool:
        """Look at the file that is at `path`; tell whether nothing is to be published."""
        ours = standing.digest if standing else None
        found = self._look(path, digest, ours)
        if (
            found is output_files.Standing.WANTED
            and standing
            and standing.state is OutputState.CURRENT
        ):
            if (
                standing.input_digest == inp.digest
                and (standing.model_digest, standing.recipe) == made_with
            ):
                self._finish(inp)
                return True
        elif found is output_files.Standing.EDITED and standing:
            self._store.outputs.set_state(standing.id, OutputState.EDITED)
            why = f"{path} was edited by hand and is kept; delete it to get the new one"
            self._said[inp.name] = why
            self._finish(inp)
            self._store.note(self._pipeline, "warning", "edited", why)
            return True
        elif found is output_files.Standing.FOREIGN:
            self._postpone(inp, output_files.why_foreign(self._folder, path))
            return True
        elif found is output_files.Standing.EARLIER:
            earlier.keep(self._store, self._pipeline, path_in(self._folder, path), path)
        return False
