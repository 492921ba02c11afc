"""`pixd status`: how everything is, from the store and the heartbeat, quickly."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from pixd.answers import status, status_text
from pixd.cli.configuration import in_force
from pixd.config import refusals
from pixd.system.errors import EXIT_OK, CannotTellError, ConfigError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    Look = Callable[[], dict[str, Any]]

REDRAW_S = 1.0
_COLOURS = {"ok": "32", "degraded": "33", "blocked": "31", "not-running": "31"}  # SGR: ECMA-48


def run(args: argparse.Namespace) -> int:
    """Print the status; the exit code says the state."""
    if args.watch:
        in_force(args)  # a configuration that is wrong from the start ends it
        return _watch(lambda: _look(args), is_json=args.json)
    snapshot = _look(args)
    if args.json:
        print(json.dumps(snapshot, sort_keys=True, indent=1))
    else:
        print(_text(snapshot), end="")
    return status.EXIT_CODES[snapshot["state"]]


def _look(args: argparse.Namespace) -> dict[str, Any]:
    """Return the status by the configuration that the service goes by.

    Raises:
        CannotTellError: the store is there and cannot be read.
        ConfigError: config.yaml is wrong, and no service goes on with another.
    """
    found = in_force(args)
    return status.snapshot(
        found.settings, refusals.in_one_line(found.refused) if found.refused else ""
    )


def _text(snapshot: Mapping[str, Any]) -> str:
    """Render a snapshot, with its verdict in colour on a terminal, if colour is wanted."""
    text = status_text.render(snapshot)
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        return text
    verdict, rest = text.split("\n", 1)
    return f"\x1b[1;{_COLOURS[snapshot['state']]}m{verdict}\x1b[0m\n{rest}"


# -- watching -------------------------------------------------------------------------------


def _watch(look: Look, *, is_json: bool) -> int:
    """Show the status again every second until Ctrl-C, which ends it without an error."""
    if is_json:
        return _repeat(lambda: _print_line(look))
    if not sys.stdout.isatty():
        return _repeat(lambda: print(_now(look), flush=True))
    return _draw(look)


def _repeat(show: Callable[[], object]) -> int:
    try:
        while True:
            show()
            time.sleep(REDRAW_S)
    except KeyboardInterrupt:
        return EXIT_OK


def _print_line(look: Look) -> None:
    """Print the status as one line, for programs; an error ends the watch with its exit code."""
    print(json.dumps(look(), sort_keys=True), flush=True)


def _draw(look: Look) -> int:
    """Redraw in place on the terminal's other screen, as top does; the old one comes back."""
    import signal  # noqa: PLC0415 - only this needs them

    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    def leave(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, leave)
    live = Live(console=Console(highlight=False), screen=True, auto_refresh=False)
    with live:
        return _repeat(lambda: live.update(Text.from_ansi(_now(look)), refresh=True))


def _now(look: Look) -> str:
    """Return the present status, or why it is not known; the watch goes on."""
    try:
        return _text(look())
    except (CannotTellError, ConfigError) as error:
        return (
            f"CANNOT TELL (exit code {error.exit_code}): {error.message}\n  try: {error.advice}\n"
        )
