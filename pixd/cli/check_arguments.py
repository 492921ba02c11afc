"""The options of `pixd check-training` that stand for keys of config.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.config.pair_kinds import KINDS
from pixd.config.value_range import VALUES

if TYPE_CHECKING:
    from pixd.cli.parser import CommandParser


def add_folder_settings(check: CommandParser) -> None:
    """Add the settings of a folder that no pipeline is configured for."""
    check.add_argument("--pairs", choices=tuple(KINDS), help="how DIR holds them (side-by-side)")
    check.add_argument("--direction", choices=["AtoB", "BtoA"], help="of DIR (AtoB)")
    check.add_argument("--image-size", type=int, metavar="N", help="for DIR, pixels (256)")
    check.add_argument(
        "--validation", type=float, metavar="S", help="share to hold out of DIR (0.1)"
    )
    check.add_argument(
        "--value-range",
        choices=VALUES,
        metavar="N",
        help="of DIR: auto, full, or bits of 16 (auto)",
    )
    check.add_argument(
        "--labels", choices=["colours", "ids"], help="what the inputs of DIR are (colours)"
    )
