"""The real targets of inputs that are the input of a held-out pair: what the output should be like.

Only where a pair is two files, the input is a file of its own. The live model's list of pairs is
read once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.store.queries import lineage

if TYPE_CHECKING:
    from pixd.store.connection import Reader
    from pixd.web.world import World

_FILES = 2  # of a pair whose input is a file of its own


class Targets:
    """For each pipeline, the digest of the target by that of its input."""

    def __init__(self, world: World) -> None:
        """Read nothing yet."""
        self._world = world
        self._known: dict[str, tuple[int, dict[str, str]]] = {}

    def of(self, reader: Reader, pipeline: str, input_digest: str) -> str | None:
        """Return the digest of the real target of an input; None where none is known."""
        live = lineage.live_recipe(reader, pipeline)
        if live is None:
            return None
        known = self._known.get(pipeline)
        if known is None or known[0] != live[0]:
            known = (live[0], self._read(reader, live[0]))
            self._known[pipeline] = known
        return known[1].get(input_digest)

    def _read(self, reader: Reader, train_run: int) -> dict[str, str]:
        recipe = lineage.recipe_of(reader, train_run)
        if recipe.get("pairs") != "folders":
            return {}
        try:
            listed = lineage.dataset_of(reader, self._world.settings.store, train_run)
        except (OSError, ValueError):
            return {}
        input_at = 1 if recipe.get("direction") == "BtoA" else 0
        return {
            pair["files"][input_at]["digest"]: pair["files"][1 - input_at]["digest"]
            for pair in listed["held_out"]
            if len(pair["files"]) == _FILES
        }
