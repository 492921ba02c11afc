"""The options of `pixd service`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixd.cli.parser import CommandParser


def add_to(command: CommandParser) -> None:
    """Add them."""
    command.add_argument(
        "action", choices=["install", "uninstall", "print"], help="what to do with the units"
    )
    command.add_argument("--user", action="store_true", help="under your own systemd, not root's")
    command.add_argument(
        "--web", action="store_true", help="the page's unit too, as `web: true` in config.yaml"
    )
    command.add_argument(
        "--root", metavar="DIR", help="write below DIR and start nothing, as when building an image"
    )
