"""Options that many commands have."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixd.cli.parser import CommandParser


def all_and_json(command: CommandParser) -> None:
    """Add `-p`, for all pipelines if it is not given, and `--json`."""
    command.add_argument("-p", "--pipeline", metavar="NAME", help="only this pipeline (all)")
    command.add_argument("--json", action="store_true", help="print only JSON")


def pipeline_and_json(command: CommandParser) -> None:
    """Add `-p` and `--json`."""
    pipeline_option(command)
    command.add_argument("--json", action="store_true", help="print only JSON")


def pipeline_option(command: CommandParser) -> None:
    """Add `-p`, for one pipeline."""
    command.add_argument("-p", "--pipeline", metavar="NAME", help="which pipeline, if several")


def report_options(command: CommandParser, *, pairs: int) -> None:
    """Add `--pairs`, whose default is told only, `-o` and `--no-open`."""
    command.add_argument(
        "--pairs", type=int, metavar="N", help=f"how many held-out pairs the report shows ({pairs})"
    )
    command.add_argument(
        "-o", dest="out", metavar="FILE", help="where the report goes (reports/ in the store)"
    )
    command.add_argument(
        "--no-open", action="store_true", help="open no browser, only print the report's path"
    )
