"""What outputs should be made with, and what is asked of the translator."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixd.store.edges import Edge
from pixd.store.states import RunState
from pixd.translation import translator

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from pixd.store.file_rows import DueInput
    from pixd.store.models import Model
    from pixd.store.store import Store
    from pixd.translation.due import New


class Aim(NamedTuple):
    """What outputs should be made with: the live model, laid out, and the present recipe."""

    model: Model
    prepared: translator.Prepared


class Asked(NamedTuple):
    """One translation that the worker holds, and every input that it serves."""

    run_id: int
    key: str
    digest: str
    scratch: Path
    inputs: tuple[DueInput, ...]


def begin(store: Store, pipeline: str, aim: Aim, new: New, scratch: Path) -> Asked:
    """Record that an image is being made, in the translator's folder `scratch`."""
    model, first = aim.model, new.inputs[0]
    run_id = store.runs.queue(
        pipeline,
        "translate",
        new.key,
        change_id=first.change_id or "none",
        recipe=aim.prepared.recipe,
        inputs=[
            Edge("image", first.name, new.digest),
            Edge("model", f"model@{model.number}", model.digest),
        ],
        reason=f"{first.name} has no output under model@{model.number} and this recipe",
        state=RunState.RUNNING,
    )
    return Asked(run_id, new.key, new.digest, scratch / f"{run_id}.png", new.inputs)


def request(store: Store, aim: Aim, asked: Asked) -> dict[str, Any]:
    """Return what the translator is told of it."""
    return translator.request(
        store.objects.path_of(asked.digest),
        asked.scratch,
        key=asked.key,
        input_digest=asked.digest,
        model_digest=aim.model.digest,
        version=aim.model.version,
    )
