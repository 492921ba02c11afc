"""`pixd completions`: the script with which a shell completes pixd's words."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from pixd.system.errors import EXIT_OK

if TYPE_CHECKING:
    import argparse


def run(args: argparse.Namespace) -> int:
    """Print the script; its first lines say where it belongs."""
    script = resources.files("pixd.cli") / "shell_scripts" / f"pixd.{args.shell}"
    print(script.read_text(encoding="utf-8"), end="")
    return EXIT_OK
