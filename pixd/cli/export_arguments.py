"""What `pixd export` takes on the command line; `pixd.cli.commands.export` carries it out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.config.export_formats import DEFAULT_FORMATS, FORMATS, WEIGHTS

if TYPE_CHECKING:
    from pixd.cli.parser import CommandParser


def add_to(export: CommandParser) -> None:
    """Add them to the parser of `pixd export`."""
    export.add_argument("model", metavar="MODEL", help="model@N, or live")
    export.add_argument("dir", metavar="DIR", help="a new or empty folder")
    export.add_argument(
        "--format",
        metavar="F[,F..]",
        help=f"of {', '.join(FORMATS)} ({','.join(DEFAULT_FORMATS)})",
    )
    export.add_argument(
        "--weights",
        choices=WEIGHTS,
        help="the precision in which weights are kept (float32; for web the smallest that agrees)",
    )
    export.add_argument(
        "--licence", metavar="TEXT", help="what others may do with it, for the card"
    )
    export.add_argument(
        "--runtime", metavar="FILE", help="web: the browsers' runtime, once; then it is kept"
    )
    export.add_argument(
        "--check",
        action="store_true",
        help="web: try the page in Chromium, and tell it in the card",
    )
    export.add_argument(
        "--no-examples",
        action="store_true",
        help="web: leave out the held-out pictures to start from, and their names",
    )
