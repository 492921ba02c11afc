"""Which values the samples of a file have, before they are scaled to 8 bits. Pure.

A picture of class ids 0 to 12, or of a 12-bit camera in a file of 16 bits, looks black although
nothing is damaged. Its values tell what it is. `pixd.images.value_measures` measures them in the
child that decodes; they are judged in the service, so nothing here needs an array.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

EIGHT: Final = 8  # bits
WIDE: Final = 16
VOID: Final = 255
"""The value that label maps of 8 bits have where no class is (PASCAL VOC, Cityscapes train ids)."""
MOST_CLASSES: Final = 64  # in one picture; one with more values is shaded, not labelled
MOST_SPECKLE: Final = 300
"""Of 1000. Labels are areas: few of their pixels differ from both neighbours. Of the values that
noise, JPEG or smooth edges add to a drawing, more than half do."""
_NEAR: Final = 32  # levels of 255; nearer values can hardly be told apart by eye
SEEN: Final = 64  # the darkest grey of 255 that a class may have without looking black
_DARK_SHARE: Final = 4  # a picture that uses less than this part of its scale looks black


class ValueUse(NamedTuple):
    """What the samples of a picture, or of one half of it, are.

    Attributes:
        bits: a sample in the file, 8 to 16; fewer than 8 count as 8.
        low: the smallest value.
        high: the largest value.
        speckle: of 1000 pixels that have none of the two most common values, how many differ
            from both neighbours in their row.
        used: a bit for each value that occurs, where the picture is grey and all are 0 to 255;
            0 where it has colours or larger values.
    """

    bits: int
    low: int
    high: int
    speckle: int = 1000
    used: int = 0

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> ValueUse:
        """Read what `told` returned.

        Raises:
            ValueError: it does not have this form; KeyError and TypeError mean the same.
        """
        return cls(
            int(told["bits"]),
            int(told["low"]),
            int(told["high"]),
            int(told["speckle"]),
            int(told["used"], 16),
        )

    def told(self) -> dict[str, Any]:
        """Return it as values for JSON."""
        return {**self._asdict(), "used": f"{self.used:x}"}

    @property
    def scale(self) -> int:
        """The value that is white, where nothing else is said."""
        return (1 << self.bits) - 1

    @property
    def different(self) -> int:
        """How many values occur; 0 where that is not known."""
        return self.used.bit_count()

    @property
    def top(self) -> int:
        """The largest value that can be a class, so without `VOID`; -1 where there is none."""
        return (self.used & ~(1 << VOID)).bit_length() - 1

    @property
    def is_wide(self) -> bool:
        """Whether the file has 16 bits a sample, of which it may use fewer."""
        return self.bits >= WIDE

    @property
    def is_labels(self) -> bool:
        """Whether it is a map of class ids that are too near each other to be seen."""
        if not self.used or self.different > MOST_CLASSES or self.speckle > MOST_SPECKLE:
            return False
        has_classes = (self.used & ~(1 << VOID)).bit_count() > 1
        return self.is_near_pair or (has_classes and self.top < SEEN)

    @property
    def is_near_pair(self) -> bool:
        """Whether it has just two values that can hardly be told apart, as a mask of 0 and 1."""
        return self.different == 2 and self.high - self.low < _NEAR  # noqa: PLR2004 - a pair

    def is_odd(self, maximum: int) -> bool:
        """Tell whether it should be compared with what a model learned.

        Args:
            maximum: what is white in files of 16 bits.
        """
        white = maximum if self.is_wide else self.scale
        return self.is_labels or _DARK_SHARE * self.high < white or self.high > white

    def is_dark(self, scale: int) -> bool:
        """Tell whether it uses less than a quarter of a scale, and is not of one value."""
        return self.low < self.high and _DARK_SHARE * self.high < scale


def union(all_of: Iterable[ValueUse]) -> ValueUse:
    """Return what several pictures use together.

    Args:
        all_of: at least one.
    """
    found = list(all_of)
    used = 0
    for one in found:
        used |= one.used
    return ValueUse(
        max(one.bits for one in found),
        min(one.low for one in found),
        max(one.high for one in found),
        max(one.speckle for one in found),
        used if all(one.used for one in found) else 0,
    )


def bits_of(value: int) -> int:
    """Return how many bits a sample needs for a value, 8 at least."""
    return max(EIGHT, value.bit_length())
