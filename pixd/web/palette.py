"""The colours to draw with, from the training set's own inputs.

The live model's pairs are looked at, some of them spread over the list, by the viewer's child. What
was found is kept for as long as the model's training is the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixd.config.pair_kinds import KINDS
from pixd.config.value_range import are_ids_in, bits_in
from pixd.store.queries import gallery, lineage
from pixd.system.children.spec import DecodeSpec
from pixd.web import held_out

if TYPE_CHECKING:
    from pixd.config import PipelineSettings
    from pixd.store.connection import Reader
    from pixd.web.viewer import Viewer
    from pixd.web.world import World

LOOKED_AT = 40
PENS = (1, 2, 3, 5, 8, 13, 21, 34, 55)
_EDGE_PENS = (1, 2)
_DRAWN_EDGES = "edges"


class Palettes:
    """The palette of each pipeline, once it was asked for."""

    def __init__(self, world: World, viewer: Viewer) -> None:
        """Look at nothing yet."""
        self._world = world
        self._viewer = viewer
        self._known: dict[tuple[str, int], dict[str, Any]] = {}

    async def of(self, pipeline: PipelineSettings) -> dict[str, Any]:
        """Return what a person may draw with in a pipeline."""
        kind = KINDS[pipeline.pairs]
        if pipeline.pairs == _DRAWN_EDGES:
            pen = [{"rgb": "#ffffff", "share": 0.9}, {"rgb": "#000000", "share": 0.1}]
            why = "the model learned from outlines: dark thin lines on white"
            return _told(pipeline, "pen", pen, 1.0, 0, why, pens=_EDGE_PENS)
        if kind.is_made:
            why = "the model takes a picture, and makes its own input of it: drop one"
            return _told(pipeline, "none", [], 0.0, 0, why)
        seen = await self._world.read(_sources, self._world, pipeline)
        if seen is None:
            return _told(pipeline, "free", [], 0.0, 0, "there is no model yet to take colours from")
        run, request, spec = seen
        known = self._known.get((pipeline.name, run))
        if known is None:
            event, _ = await self._viewer.ask(request, spec)
            known = event["colours"]
            self._known[pipeline.name, run] = known
        return _told(
            pipeline,
            str(known["kind"]),
            list(known["colours"]),
            float(known["covered"]),
            int(known["pictures"]),
            _WHY[known["kind"]],
        )


_WHY = {
    "exact": "these are all colours of the inputs that were looked at",
    "clustered": "the middles of the colours that the inputs have; JPEG spreads each a little",
    "free": "the inputs have no few colours: they are pictures",
}


def _told(
    pipeline: PipelineSettings,
    kind: str,
    colours: list[dict[str, Any]],
    covered: float,
    looked_at: int,
    why: str,
    pens: tuple[int, ...] = PENS,
) -> dict[str, Any]:
    return {
        "pairs": pipeline.pairs,
        "draws": kind != "none",
        "kind": kind,
        "locked": kind in {"exact", "clustered", "pen"},
        "image_size": pipeline.image_size,
        "fit": pipeline.fit,
        "colours": colours,
        "covered": covered,
        "background": colours[0]["rgb"] if colours else "#ffffff",
        "pens": list(pens),
        "looked_at": looked_at,
        "why": why,
    }


def _sources(
    reader: Reader, world: World, pipeline: PipelineSettings
) -> tuple[int, dict[str, Any], DecodeSpec] | None:
    """Return the live model's training, what to ask the child, and how it decodes."""
    live = lineage.live_recipe(reader, pipeline.name)
    if live is None:
        return None
    model = held_out.model_of(reader, pipeline.name, None)
    store = world.settings.store
    recipe = model["training"]["recipe"]
    listed = lineage.dataset_of(reader, store, live[0])
    pairs = listed["train"] or listed["held_out"]
    step = max(1, len(pairs) // LOOKED_AT)
    some = pairs[::step][:LOOKED_AT]
    digests = {file["digest"] for pair in some for file in pair["files"]}
    allowed = gallery.may_be_shown(reader, digests)
    files = [
        [str(lineage.object_path(store, file["digest"])) for file in pair["files"]]
        for pair in some
        if all(file["digest"] in allowed for file in pair["files"])
    ]
    asked = {
        "want": "palette",
        "all": files,
        "pairs": recipe.get("pairs", pipeline.pairs),
        "direction": recipe.get("direction", pipeline.direction),
    }
    spec = DecodeSpec(
        max_megapixels=pipeline.max_megapixels, bits=bits_in(recipe), are_ids=are_ids_in(recipe)
    )
    return live[0], asked, spec
