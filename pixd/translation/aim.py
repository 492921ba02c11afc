"""What outputs should be made with, and what is asked of the translator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store.edges import Edge
from pixd.store.states import RunState
from pixd.translation import translator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pixd.store.file_rows import DueInput
    from pixd.store.models import Model
    from pixd.store.objects import StoredObject
    from pixd.store.store import Store
    from pixd.translation.due import New


class Aim(NamedTuple):
    """What outputs should be made with: the live model, laid out, and the present recipe."""

    model: Model
    prepared: translator.Prepared


class Part(NamedTuple):
    """One image that the translator makes: its run, which sample it is, and where it comes to."""

    run_id: int
    key: str
    number: int
    scratch: Path


class Asked(NamedTuple):
    """What the translator makes of one content, and every input that it serves."""

    digest: str
    parts: tuple[Part, ...]
    inputs: tuple[DueInput, ...]


class Image(NamedTuple):
    """An image that has come, in the store: what was asked for, and the times that it took.

    `environment`: what it was made on, if that is not what the translator said when it was ready.
    """

    asked: Asked
    part: Part
    stored: StoredObject
    ms: Mapping[str, float]
    environment: Mapping[str, Any] | None = None


def begin(store: Store, pipeline: str, aim: Aim, new: Sequence[New], scratch: Path) -> Asked:
    """Write the runs of what is to be made of one content. Join the caller's transaction.

    Args:
        store: the open store.
        pipeline: whose content it is.
        aim: what it is made with.
        new: the images, at least one.
        scratch: the folder that the translator writes into.
    """
    model, first, digest = aim.model, new[0].inputs[0], new[0].digest
    parts = []
    for one in new:
        run_id = store.runs.queue(
            pipeline,
            "translate",
            one.key,
            change_id=first.change_id or "none",
            recipe=aim.prepared.recipes[one.number - 1],
            inputs=[
                Edge("image", first.name, digest),
                Edge("model", f"model@{model.number}", model.digest),
            ],
            reason=f"{first.name} has no output under model@{model.number} and this recipe",
            state=RunState.RUNNING,
        )
        parts.append(Part(run_id, one.key, one.number, scratch / f"{run_id}.png"))
    return Asked(digest, tuple(parts), new[0].inputs)


def request(store: Store, aim: Aim, asked: Asked) -> dict[str, Any]:
    """Return what the translator is told."""
    return translator.request(
        store.objects.path_of(asked.digest),
        [translator.Wanted(part.key, part.number, part.scratch) for part in asked.parts],
        input_digest=asked.digest,
        model_digest=aim.model.digest,
        version=aim.model.version,
    )


def take(store: Store, asked: Asked, event: Mapping[str, Any]) -> list[Image] | str:
    """Take what was made into the store, or say why it cannot be believed.

    Args:
        store: the open store; flush its objects before their rows are written.
        asked: what was asked for.
        event: the translator's answer.
    """
    told = translator.made_in(event)
    try:
        stored = [store.objects.adopt(part.scratch) for part in asked.parts]
    except FileNotFoundError:
        return "the translator left no output"
    if [one.digest for one in stored] != [one.get("sha256") for one in told]:
        return "the output changed on its way"
    times = map(translator.timings_of, told)
    own = event.get("environment")
    return [Image(asked, *each, own) for each in zip(asked.parts, stored, times, strict=True)]


def record(store: Store, images: Sequence[Image], environment: Mapping[str, Any]) -> None:
    """Write what came of the runs, which are then being published. Join the caller's transaction."""
    store.history.add_objects([image.stored for image in images], "image/png")
    usual = store.runs.add_environment(environment)
    for _, part, stored, ms, own in images:
        ran_on = store.runs.add_environment(own) if own else usual
        store.runs.move(
            part.run_id, (RunState.RUNNING,), RunState.PUBLISHING, timings=ms, environment=ran_on
        )
        store.runs.add_outputs(part.run_id, [Edge("image", "image.png", stored.digest)])


def end(store: Store, asked: Asked, state: RunState, reason: str) -> None:
    """Say how the runs of what was asked for ended, where nothing came of them."""
    for part in asked.parts:
        store.runs.move(part.run_id, (RunState.RUNNING,), state, reason=reason)
