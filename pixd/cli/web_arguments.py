"""The options of `pixd web`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixd.cli.parser import CommandParser


def add_to(command: CommandParser) -> None:
    """Add them."""
    command.add_argument("--link", action="store_true", help="print the address and end")
    command.add_argument(
        "--read-only", action="store_true", help="of a link: one that changes nothing"
    )
    command.add_argument(
        "--new-token", action="store_true", help="end all sessions, and print the new address"
    )
    command.add_argument(
        "--port", type=int, metavar="N", help="instead of the configured one; 0: any"
    )
    command.add_argument("--beside", type=int, metavar="N", help=argparse.SUPPRESS)
