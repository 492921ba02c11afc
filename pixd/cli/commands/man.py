"""`pixd man`: the manual page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.cli import man_page
from pixd.system.errors import EXIT_OK

if TYPE_CHECKING:
    import argparse


def run(args: argparse.Namespace) -> int:
    """Print the page, for `man -l -` or a file pixd.1."""
    print(man_page.page(args.parser), end="")
    return EXIT_OK
