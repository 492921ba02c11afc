"""What is due: which inputs have no output under a model, under which key, and what to do.

The rule: every input should have an output made from its present bytes by the live model under
the present recipe. What was made before under the same key is published again without work.
`sort_out` decides and is pure; `Queue` and `stale_under` read the store for it. Nothing is written
here: `pixd.translation.stage` acts on the answers, and `pixd plan` asks how many inputs are due.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pixd.store import revisions
from pixd.store.queries import files
from pixd.store.runs import run_key
from pixd.system import disk
from pixd.system.children import confinement
from pixd.system.clock import rfc3339, utc_now
from pixd.translation import output_files
from pixd.translation.intents import Made
from pixd.translation.publishing import LONGEST_WAIT_S
from pixd.translation.recipe import (
    REVISIONS,
    TRANSLATE_REVISION,
    translate_recipe,
)
from pixd.translation.samples import samples_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from pixd.config import PipelineSettings
    from pixd.store.connection import Reader
    from pixd.store.file_rows import DueInput
    from pixd.store.store import Store

IMAGE_BYTES = 4_000_000
"""Free space that must exist for each image under way. A PNG of 1024 px is seldom as large."""


def key_of(recipe: str, input_digest: str, model_digest: str) -> str:
    """Return the key of the run that makes an output; `recipe` is a digest."""
    return run_key("translate", TRANSLATE_REVISION, recipe, [input_digest, model_digest])


def keys_of_same(recipe: str, input_digest: str, model_digest: str) -> list[str]:
    """Return the keys of the runs that make the same picture, newest revision first.

    Those of earlier revisions made it by other arithmetic. What is published again after an
    upgrade has then the bytes that it had before.
    """
    inputs = [input_digest, model_digest]
    found = revisions.keys("translate", REVISIONS, recipe, inputs)
    return [one.key for one in found if not one.otherwise]


def recipe_under(
    pipeline: PipelineSettings, precision: str, trained: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the recipe of translations by a model, from the settings of its training."""
    size, pairs = int(trained["image_size"]), trained["pairs"]
    return translate_recipe(pipeline, precision, size, pairs, trained)


def stale_under(
    reader: Reader, pipeline: PipelineSettings, precision: str, model: Mapping[str, Any]
) -> files.Stale:
    """Return how many inputs lack an output under a model and the present recipe.

    An output of an earlier revision counts: an upgrade replaces nothing.

    Args:
        reader: of the store.
        pipeline: whose inputs are counted.
        precision: the configured one.
        model: as `pixd.store.queries.history.model` returns it.
    """
    repo = files.repo_id(reader, pipeline.name, "input")
    if repo is None:
        return files.Stale(0, 0)
    recipe = recipe_under(pipeline, precision, model["training"]["recipe"])
    recipes = [sample.recipe for sample in samples_of(pipeline, recipe)]
    return files.stale_inputs(reader, pipeline.name, repo, model["digest"], recipes)


@dataclass(frozen=True, slots=True)
class New:
    """An image that is to be made, and every input that it serves.

    Attributes:
        key: of its run.
        digest: of the inputs' content.
        inputs: they have the same content.
        number: which sample of them it is.
    """

    key: str
    digest: str
    inputs: tuple[DueInput, ...]
    number: int = 1


@dataclass(slots=True)
class Work:
    """What is to be done with inputs that are due.

    Attributes:
        refused: inputs that can have no output, with the reason.
        again: what is published without work.
        joins: inputs whose content is being translated already, by its digest.
        new: what the translator is asked for; the samples of one content follow one another.
    """

    refused: list[tuple[DueInput, str]] = field(default_factory=list)
    again: list[Made] = field(default_factory=list)
    joins: dict[str, tuple[DueInput, ...]] = field(default_factory=dict)
    new: list[New] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What `sort_out` must know.

    Attributes:
        model: digest of the live model.
        recipe: digest of the recipe in force.
        refusals: why an image cannot be translated, by its digest.
        is_input: tells whether a name is the name of an input.
        made: returns (run, output digest) of an earlier success with a key and kept bytes.
        held: digests of the contents that the translator has.
        more: recipes of the samples after the first, by number.
    """

    model: str
    recipe: str
    refusals: Mapping[str, str]
    is_input: Callable[[str], bool]
    made: Callable[[str], tuple[int, str] | None]
    held: Collection[str]
    more: tuple[str, ...] = ()


def sort_out(inputs: Iterable[DueInput], known: Known) -> Work:
    """Say what is to be done with each input. Inputs with the same content are done once."""
    found = Work()
    by_digest: dict[str, list[DueInput]] = {}
    for inp in inputs:
        samples = 1 + len(known.more)
        why = output_files.refusal(inp.name, is_input=known.is_input, samples=samples)
        why = why or known.refusals.get(inp.digest, "")
        if why:
            found.refused.append((inp, why))
        else:
            by_digest.setdefault(inp.digest, []).append(inp)
    for digest, same in by_digest.items():
        for number, recipe in enumerate((known.recipe, *known.more), start=1):
            same_work = keys_of_same(recipe, digest, known.model)
            key = same_work[0]
            before = next((made for each in same_work if (made := known.made(each))), None)
            if before:
                found.again.append(Made(*before, tuple(same), number))
            elif digest in known.held:
                found.joins[digest] = tuple(same)
            else:
                found.new.append(New(key, digest, tuple(same), number))
    return found


class Queue:
    """The inputs of one pipeline that wait, and what the store knows of them. Read-only."""

    def __init__(self, store: Store, pipeline: PipelineSettings, repo_id: int) -> None:
        """Look at the repo `repo_id`, the pipeline's input folder."""
        self._store = store
        self._pipeline = pipeline.name
        self._output = pipeline.output
        self._free_bytes = pipeline.keep.free_bytes
        self._repo_id = repo_id
        # An image that is too large for one pipeline may be small enough for another, or for this
        # one after its limit was raised. So a refusal is kept under the limit.
        is_usual = pipeline.max_megapixels == confinement.MEGAPIXELS
        self.layout = "input" if is_usual else f"input of {pipeline.max_megapixels} MP"
        if pipeline.labels == "ids":  # refuses what has colours
            self.layout += " as class ids"

    def next_inputs(self, room: int, busy: Collection[str]) -> tuple[list[DueInput], bool]:
        """Return inputs to be dealt with now, and whether some wait for a retry.

        Args:
            room: how many at most.
            busy: names of those that are dealt with already.
        """
        latest = rfc3339(time.time() + LONGEST_WAIT_S)
        queued = self._store.working.due_inputs(self._repo_id, room + len(busy), utc_now(), latest)
        waits = self._store.working.has_queued(self._repo_id, for_retry=True)
        return [inp for inp in queued if inp.name not in busy], waits

    def shortage(self) -> str:
        """Say why nothing may begin, or "": both disks need room for what the translator makes."""
        for folder in (self._output, self._store.folder):
            why = disk.shortage(folder, IMAGE_BYTES, self._free_bytes)
            if why:
                return why
        return ""

    def known(
        self,
        model: str,
        recipe: str,
        inputs: Iterable[DueInput],
        held: Collection[str],
        more: tuple[str, ...] = (),
    ) -> Known:
        """Return what `sort_out` must know of these inputs; see `Known`."""
        working = self._store.working
        verdicts = working.verdicts({inp.digest for inp in inputs}, self.layout)
        return Known(
            model=model,
            recipe=recipe,
            refusals={digest: why for digest, (_, why) in verdicts.items()},
            is_input=lambda name: working.find(self._repo_id, name) is not None,
            made=self._made_before,
            held=held,
            more=more,
        )

    def _made_before(self, key: str) -> tuple[int, str] | None:
        run_id = self._store.runs.succeeded(self._pipeline, key)
        if run_id is None:
            return None
        made = self._store.runs.output_digest(run_id, "image")
        return (run_id, made) if made else None
