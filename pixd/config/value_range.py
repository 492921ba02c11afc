"""The values of `value_range` in config.yaml: which number in a file of 16 bits is white.

`auto` and `full` scale alike, by all 16 bits. They differ in what is said: with `auto` a folder
that leaves bits unused is named, with `full` it is meant. A number of bits scales by these.

The range is never guessed from a picture or a set. Each picture by its own range would lose how
bright it is beside others; one range for a set would change with each picture that comes, and
with it every model and output. A PNG's sBIT chunk says nothing about it either: samples are
scaled to 16 bits whatever it says.

Source: PNG specification, 3rd edition, sections 11.3.2.7 (sBIT) and 12.4 (sample depth scaling).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

AUTO: Final = "auto"
FULL: Final = "full"
FEWEST_BITS: Final = 8
MOST_BITS: Final = 16
VALUES: Final = (AUTO, FULL, *(str(bits) for bits in range(FEWEST_BITS, MOST_BITS + 1)))
"""All of them, as config.yaml has them."""


def bits_of(value_range: str) -> int:
    """Return how many bits of a file of 16 bits are used."""
    return MOST_BITS if value_range in {AUTO, FULL} else int(value_range)


def is_meant(value_range: str) -> bool:
    """Tell whether somebody said that all bits are used, although it may not look so."""
    return value_range != AUTO and bits_of(value_range) == MOST_BITS


def maximum_of(value_range: str) -> int:
    """Return the value that is white."""
    return (1 << bits_of(value_range)) - 1


def recipe_of(bits: int, *, are_ids: bool) -> dict[str, Any]:
    """Return what a recipe says about how values are read: only what is not usual.

    So the keys of trainings and translations stay the same that know of no other way.

    Args:
        bits: how many of 16 bits are used.
        are_ids: whether inputs are class ids, which get colours of their own.
    """
    said: dict[str, Any] = {} if bits == MOST_BITS else {"value_range": bits}
    return said | ({"labels": "ids"} if are_ids else {})


def are_ids_in(recipe: Mapping[str, Any]) -> bool:
    """Tell whether inputs are class ids under a recipe or by a model's card."""
    return bool(recipe.get("labels") == "ids")


def bits_in(recipe: Mapping[str, Any]) -> int:
    """Return how many bits are used under a recipe or by a model's card."""
    return int(recipe.get("value_range", MOST_BITS))
