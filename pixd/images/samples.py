"""Numbers of more than 8 bits become 8-bit samples here, and nowhere else.

Promises: 0 becomes 0, the number that stands for white becomes 255, and what lies between is
rounded to the nearest level, in grey and in colour alike.

Leaves to others: which number stands for white in a file (`pixd.images.tiff`, `pixd.images.decode`).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

FULL: Final = 65535
"""White, where all 16 bits are used."""


def to_8_bits(
    values: npt.NDArray[np.unsignedinteger], maximum: int = FULL
) -> npt.NDArray[np.uint8]:
    """Scale samples of up to 16 bits to 8.

    Args:
        values: of any shape, 0 to 65535.
        maximum: the value that stands for white, 1 to 65535. Larger values become white.

    Returns:
        The same shape, 0 to 255, rounded to the nearest.
    """
    return _table(maximum)[values]


@functools.lru_cache(maxsize=32)
def _table(maximum: int) -> npt.NDArray[np.uint8]:
    values = np.minimum(np.arange(FULL + 1, dtype=np.int64), maximum)
    return ((values * 255 + maximum // 2) // maximum).astype(np.uint8)
