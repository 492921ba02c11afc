"""What outputs should be made with."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pixd.store.models import Model
    from pixd.translation import translator


class Aim(NamedTuple):
    """What outputs should be made with: the live model, laid out, and the present recipe."""

    model: Model
    prepared: translator.Prepared
