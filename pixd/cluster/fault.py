"""What keeps this side out of a cluster, with what mends it."""

from __future__ import annotations

from typing import Final, NamedTuple


class Fault(NamedTuple):
    """Why this side cannot use a cluster, and what mends it."""

    why: str
    mend: str


NONE: Final = Fault("", "")
START: Final = (
    "start its head: pixd cluster head ADDRESS, on its machine (docs/cluster.md); systemctl status"
    " pixd-head, where it is a unit"
)
"""What mends that there is no head."""
