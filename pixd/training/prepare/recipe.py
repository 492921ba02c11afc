"""What `pixd prepare` does with each picture, as plain values that are sent to the children."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from pixd.system.digests import canonical_json

REVISION: Final = 1
"""Raise it when the code makes other pixels: everything is then made again."""
SETS: Final = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One operation with its settings.

    Attributes:
        op: resize, combine, edges, grayscale, blank or split.
        size: (width, height) in pixels of a picture, or of each half of a pair; None keeps it.
        fit: pad, crop or stretch: how a picture of another shape meets the size.
        strength: of `edges`, 0..1, see `pixd.images.edges`.
        is_pair: whether the input that is made and its target become one side-by-side pair.
        shares: of `split`, the share of each of `SETS`; they add up to 1.
    """

    op: str
    size: tuple[int, int] | None = None
    fit: str = "pad"
    strength: float = 0.5
    is_pair: bool = False
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1)

    def text(self) -> str:
        """Return the settings that change the pictures; equal settings give equal text."""
        said: dict[str, Any] = {"op": self.op, "revision": REVISION, "size": self.size}
        if self.size:
            said["fit"] = self.fit
        if self.op == "edges":
            said["strength"] = self.strength
        if self.op in {"edges", "grayscale", "blank"}:
            said["combine"] = self.is_pair
        return canonical_json(said)

    def to_json(self) -> str:
        """Write it for a child; `from_json` reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        fields["size"] = fields["size"] and tuple(fields["size"])
        fields["shares"] = tuple(fields["shares"])
        return cls(**fields)


class Task(NamedTuple):
    """What all jobs share: the folders to read, the folder to write, and the recipe."""

    roots: tuple[Path, ...]
    out: Path
    recipe: Recipe

    def arguments(self) -> list[str]:
        """Return the arguments of a child that has this task."""
        roots = [os.fsdecode(root) for root in (*self.roots, self.out)]
        return [json.dumps(roots), self.recipe.to_json()]

    @classmethod
    def of(cls, arguments: list[str]) -> Task:
        """Return the task of `arguments`."""
        *roots, out = (Path(root) for root in json.loads(arguments[0]))
        return cls(tuple(roots), out, Recipe.from_json(arguments[1]))
