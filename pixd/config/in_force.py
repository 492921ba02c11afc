"""The configuration that a running service goes by, kept where commands find it.

config.yaml may be wrong, or name another store, while a service goes on with what it read before.
So the service keeps that text in its store, and commands that ask it go by it too. It is a help and
no record: without it, they can only say what is wrong with the file.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pixd.config.load import load, read_text
from pixd.system import durable
from pixd.system.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from pixd.config import Settings

KEPT = "config-in-force.yaml"


def keep(store: Path, settings: Settings) -> None:
    """Keep the text that `settings` were read from; nothing where it is another by now.

    Who may read config.yaml may read it. A disk that refuses is passed over. Then nothing is kept,
    which is better than an older text.
    """
    place = store / KEPT
    with contextlib.suppress(OSError):
        try:
            text = read_text(settings.path)
            if load(settings.path, text=text) == settings:
                durable.write_file(place, text.encode(), settings.path.stat().st_mode & 0o777)
                return
        except (OSError, ConfigError):
            pass
        place.unlink(missing_ok=True)


def kept(store: Path, path: Path) -> Settings | None:
    """Return what the last service of a store went by, or None where that is not known.

    Args:
        store: its folder.
        path: of the configuration file that it served.
    """
    try:
        return load(path, text=read_text(store / KEPT))
    except ConfigError:
        return None
