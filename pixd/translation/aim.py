"""What outputs should be made with, and what is asked of the translator."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from pixd.store.file_rows import DueInput
    from pixd.store.models import Model
    from pixd.translation import translator


class Aim(NamedTuple):
    """What outputs should be made with: the live model, laid out, and the present recipe."""

    model: Model
    prepared: translator.Prepared


class Asked(NamedTuple):
    """One translation that the worker holds, and every input that it serves."""

    run_id: int
    key: str
    digest: str
    scratch: Path
    inputs: tuple[DueInput, ...]
