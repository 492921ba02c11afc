"""JSON that a child wrote, with every number in a range that this process and its store can keep.

A child may be wrong or, in a decoder, be made to say anything by a picture. So a whole number beyond
64 bits with a sign is read as null, and so is one with more digits than Python converts.
"""

from __future__ import annotations

import json
import math
from typing import Any

_MOST_DIGITS = 19  # of 2^63
_MOST = 2**63 - 1


def from_child(text: bytes, *, keep_nan: bool = False) -> Any:
    """Read JSON.

    Args:
        text: the JSON.
        keep_nan: NaN and infinities stay as they are, where they have a meaning, such as the loss of
            a training that failed; else they are null.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is nested too deeply.
    """
    return json.loads(
        text,
        parse_int=_integer,
        parse_float=float if keep_nan else _finite,
        parse_constant=float if keep_nan else lambda _: None,
    )


def is_number(value: object) -> bool:
    """Tell whether a value of such JSON is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _integer(text: str) -> int | None:
    number = int(text) if len(text.lstrip("-")) <= _MOST_DIGITS else _MOST + 1
    return number if abs(number) <= _MOST else None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None
