"""Which colours the inputs of a training set have, for a person who draws one more.

PNG label maps have a few exact colours. JPEG ones have thousands around each: there the colours are
clustered greedily, the most frequent first, each with all within a fixed distance of it. Photos
have no few colours at all, and the share that is covered says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pixd.images import fitting

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

MOST_EXACT: Final = fitting.MOST_CHOSEN
MOST_SHOWN: Final = 24
NEAR: Final = 32
"""A colour belongs to a cluster if no channel differs by more than this. 12 such clusters cover 84 %
of the pixels of the JPEG label maps of CMP facades."""
ENOUGH: Final = 0.8
"""Clusters that cover less of the pixels are no palette: the inputs are pictures."""
RARE: Final = 0.0002
"""A share of the pixels below which a colour is noise, not a label."""
_LEVELS: Final = 6  # bits of each channel that are told apart while counting


class Count:
    """The colours of the pictures that were added."""

    def __init__(self) -> None:
        """Count nothing yet."""
        self.pictures = 0
        self._pixels = 0
        self._exact: dict[int, int] | None = {}
        cells = 1 << (3 * _LEVELS)
        self._cells = np.zeros(cells, np.int64)
        self._sums = np.zeros((3, cells), np.float64)

    def add(self, picture: Image.Image) -> None:
        """Add a picture of mode RGB."""
        pixels = np.asarray(picture, np.uint8).reshape(-1, 3).astype(np.int32)
        self.pictures += 1
        self._pixels += len(pixels)
        codes = (pixels[:, 0] << 16) | (pixels[:, 1] << 8) | pixels[:, 2]
        if self._exact is not None:
            self._add_exact(codes)
        cut = 8 - _LEVELS
        cell = pixels >> cut
        at = (cell[:, 0] << (2 * _LEVELS)) | (cell[:, 1] << _LEVELS) | cell[:, 2]
        size = len(self._cells)
        self._cells += np.bincount(at, minlength=size)
        for channel in range(3):
            self._sums[channel] += np.bincount(at, weights=pixels[:, channel], minlength=size)

    def _add_exact(self, codes: NDArray[np.int32]) -> None:
        assert self._exact is not None
        colours, counts = np.unique(codes, return_counts=True)
        for colour, count in zip(colours.tolist(), counts.tolist(), strict=True):
            self._exact[colour] = self._exact.get(colour, 0) + count
            if len(self._exact) > MOST_EXACT:
                self._exact = None
                return

    def told(self) -> dict[str, Any]:
        """Return kind, colours with their shares, and the share that they cover."""
        if not self._pixels:
            return {"kind": "free", "colours": [], "covered": 0.0, "pictures": 0}
        kind, found = ("exact", self._by_count()) if self._exact is not None else self._clusters()
        found = [one for one in found if one[1] >= RARE * self._pixels][:MOST_SHOWN]
        covered = sum(count for _, count in found) / self._pixels
        if kind == "clustered" and covered < ENOUGH:
            kind = "free"
        return {
            "kind": kind,
            "colours": [
                {"rgb": f"#{colour:06x}", "share": round(count / self._pixels, 6)}
                for colour, count in found
            ],
            "covered": round(covered, 4),
            "pictures": self.pictures,
        }

    def _by_count(self) -> list[tuple[int, int]]:
        assert self._exact is not None
        return sorted(self._exact.items(), key=lambda item: (-item[1], item[0]))

    def _clusters(self) -> tuple[str, list[tuple[int, int]]]:
        used = np.flatnonzero(self._cells)
        counts = self._cells[used]
        means = (self._sums[:, used] / counts).T
        found: list[tuple[int, int]] = []
        while len(counts) and len(found) < MOST_SHOWN:
            centre = means[int(np.argmax(counts))]
            near = np.abs(means - centre).max(axis=1) <= NEAR
            red, green, blue = np.rint(centre).astype(int).tolist()
            found.append(((red << 16) | (green << 8) | blue, int(counts[near].sum())))
            means, counts = means[~near], counts[~near]
        return "clustered", sorted(found, key=lambda item: -item[1])
