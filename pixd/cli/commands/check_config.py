"""`pixd check-config`: read the configuration and print the effective settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd import config
from pixd.cli.configuration import settings_of
from pixd.cli.terminal import warn

if TYPE_CHECKING:
    import argparse


def run(args: argparse.Namespace) -> int:
    """Print the settings as YAML that pixd would read again."""
    settings = settings_of(args)
    if any(pipeline.pairs == "edges" for pipeline in settings.pipelines):
        from pixd.images import edges  # noqa: PLC0415 - NumPy takes a tenth of a second

        if not edges.is_available():
            warn(f"pairs: edges needs OpenCV, which is not installed: {edges.INSTALL}")
    for told in config.surprises(settings):
        warn(told)
    if args.quiet:
        warn(f"{settings.path} is good")
        return 0
    warn(f"{settings.path} is good; the effective settings:")
    print(config.effective_yaml(settings), end="")
    return 0
