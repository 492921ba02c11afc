"""What is asked of the translator: the images to be made of one content, each with its run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store.edges import Edge
from pixd.store.states import RunState
from pixd.translation import translator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pixd.store.file_rows import DueInput
    from pixd.store.store import Store
    from pixd.translation.aim import Aim
    from pixd.translation.due import New


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


def end(store: Store, asked: Asked, state: RunState, reason: str) -> None:
    """Say how the runs of what was asked for ended."""
    for part in asked.parts:
        store.runs.move(part.run_id, (RunState.RUNNING,), state, reason=reason)
