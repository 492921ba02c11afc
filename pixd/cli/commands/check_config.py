"""`pixd check-config`: read the configuration and print the effective settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.cli.configuration import settings_of
from pixd.cli.terminal import warn
from pixd.config.effective import effective_yaml
from pixd.config.pair_kinds import KINDS
from pixd.config.surprises import surprises

if TYPE_CHECKING:
    import argparse


def run(args: argparse.Namespace) -> int:
    """Print the settings as YAML that pixd would read again."""
    settings = settings_of(args, asks_network=True)
    if any(KINDS[pipeline.pairs].needs_opencv for pipeline in settings.pipelines):
        from pixd.images import edges  # noqa: PLC0415 - NumPy takes a tenth of a second

        if not edges.is_available():
            warn(f"pairs: edges needs OpenCV, which is not installed: {edges.INSTALL}")
    for told in surprises(settings):
        warn(told)
    if args.quiet:
        warn(f"{settings.path} is good")
        return 0
    warn(f"{settings.path} is good; the effective settings:")
    print(effective_yaml(settings), end="")
    return 0
