"""What `pixd prepare` does with each picture, as plain values that go to the children."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pixd.system.children.spec import MakeSpec
from pixd.system.digests import canonical_json, digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping

REVISION: Final = 1
"""Raise it if the code makes other pixels than before; then everything is made again."""
SETS: Final = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One operation with its settings.

    Attributes:
        op: resize, combine, edges, grayscale, blank, colour-labels or split.
        size: (width, height) in pixels of a picture, or of each half of a pair; None keeps it.
        fit: pad, crop or stretch: how a picture of another shape is brought to the size.
        strength: of `edges`, 0..1, see `pixd.images.edges`.
        is_pair: whether the new input and its target become one side-by-side pair.
        shares: of `split`, the share of each of `SETS`; they add up to 1.
        palette: of `colour-labels`, as `pixd.images.label_colours.write_palette` writes it.
        half: of `colour-labels`, "left" or "right" of side-by-side pairs; "" is all of a picture.
    """

    op: str
    size: tuple[int, int] | None = None
    fit: str = "pad"
    strength: float = 0.5
    is_pair: bool = False
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1)
    palette: str = ""
    half: str = ""

    def text(self) -> str:
        """Return the settings that change the pictures; equal settings give equal text."""
        said: dict[str, Any] = {"op": self.op, "revision": REVISION, "size": self.size}
        if self.size:
            said["fit"] = self.fit
        if self.op == "edges":
            said["strength"] = self.strength
        if self.op in {"edges", "grayscale", "blank"}:
            said["combine"] = self.is_pair
        if self.op == "colour-labels":
            said |= {"palette": digest_of(self.palette.encode()), "half": self.half}
        return canonical_json(said)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Recipe:
        """Return the recipe of these fields. They come from JSON, so tuples are lists there."""
        size, shares = fields["size"], fields["shares"]
        return cls(**{**fields, "size": size and tuple(size), "shares": tuple(shares)})


def kind_of(text: str) -> str:
    """Return how the command was called whose settings are `text` (`Recipe.text`), without sizes."""
    said = json.loads(text or "{}")
    return f"{said.get('op', '')}{' --combine' if said.get('combine') else ''}"


class Task(NamedTuple):
    """What all jobs share: the folders to read, the folder to write, and the recipe."""

    roots: tuple[Path, ...]
    out: Path
    recipe: Recipe

    def spec(self) -> MakeSpec:
        """Return the run spec of a child that has this task."""
        roots = [os.fsdecode(root) for root in self.roots]
        return MakeSpec(roots=roots, out=os.fsdecode(self.out), recipe=asdict(self.recipe))

    @classmethod
    def of(cls, spec: MakeSpec) -> Task:
        """Return the task of a run spec."""
        roots = tuple(Path(root) for root in spec.roots)
        return cls(roots, Path(spec.out), Recipe.from_fields(spec.recipe))
