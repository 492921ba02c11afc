"""The values of `pairs` in config.yaml, and what each means.

Everything that depends on the value is a column here, so that a new way to make inputs is one row,
one function in `pixd.images.input_makers` and, where its card should say more, a line in
`pixd.pix2pix.network.usage`. Standard library only: child programs import it too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class PairKind:
    """One value of `pairs`.

    Attributes:
        name: as it is in config.yaml.
        halves: what people call the two given pictures; None where the input is made of the target.
        files: how many files are a pair.
        is_side_by_side: whether both pictures are in one file, cut at half its width.
        takes_pictures: whether an input that is translated is made of the dropped picture, as in
            training. Not with `edges`: there a drawing is dropped, and taken as it is.
        learns_colours: whether a target without colours teaches nothing.
        keeps_lightness: whether the network gives only colours (CIE a* and b*) and the lightness
            stays that of the input.
        hides_middle: whether the middle of the input is blank. The blank is in the middle of what
            the network sees, so that it does not follow a crop and cannot be put into every tile.
        needs_opencv: whether making the input needs OpenCV.
        input: what the network is given, for people.
    """

    name: str
    halves: tuple[str, str] | None = None
    files: int = 1
    is_side_by_side: bool = False
    takes_pictures: bool = False
    learns_colours: bool = False
    keeps_lightness: bool = False
    hides_middle: bool = False
    needs_opencv: bool = False
    input: str = "an input picture as it is"

    @property
    def is_made(self) -> bool:
        """Whether pixd makes the input of the target."""
        return self.halves is None


BLANK_SHARE: Final = 0.3  # of the side

_KINDS = (
    PairKind(name="side-by-side", halves=("left half", "right half"), is_side_by_side=True),
    PairKind(name="folders", halves=("picture in a/", "picture in b/"), files=2),
    PairKind(name="edges", needs_opencv=True, input="a drawing: dark thin lines on white"),
    PairKind(
        name="grayscale",
        takes_pictures=True,
        learns_colours=True,
        input="a picture in grey (luma), the same in all three channels",
    ),
    PairKind(
        name="blank",
        takes_pictures=True,
        hides_middle=True,
        input=f"a picture with a white square in its middle, {BLANK_SHARE:.0%} of the side",
    ),
    PairKind(
        name="colorization",
        takes_pictures=True,
        learns_colours=True,
        keeps_lightness=True,
        input="the lightness of a picture",
    ),
)
KINDS: Final = {kind.name: kind for kind in _KINDS}
"""By name, in the order in which people are shown them."""


def keeps_lightness(pairs: str | None) -> bool:
    """Tell whether outputs keep the lightness of their inputs.

    Args:
        pairs: the value; None where a recipe has none, because inputs are taken as they come.
    """
    return pairs is not None and KINDS[pairs].keeps_lightness
