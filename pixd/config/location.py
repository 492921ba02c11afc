"""Where config.yaml is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pixd.system.errors import ConfigError

_SYSTEM_FILE = Path("/etc/pixd/config.yaml")


class NoConfigError(ConfigError):
    """There is no configuration file.

    Attributes:
        looked_at: where it could have been, the first choice first.
    """

    def __init__(self, message: str, *, advice: str, looked_at: Sequence[Path]) -> None:
        super().__init__(message, advice=advice)
        self.looked_at = tuple(looked_at)


def find(explicit: str | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """Find the configuration file.

    Looks at `explicit` (the --config option), then $PIXD_CONFIG, then config.yaml in
    the working folder, in $XDG_CONFIG_HOME/pixd (~/.config where unset) and in /etc/pixd.
    If one of the first two names a file that is missing, that is an error: another file in its
    place would run with the wrong folders.

    Args:
        explicit: what --config says, or None.
        environ: the environment.
        cwd: the working folder.

    Returns:
        The path of a file that exists.

    Raises:
        NoConfigError: none is there.
    """
    for named, origin in ((explicit, "--config"), (environ.get("PIXD_CONFIG"), "$PIXD_CONFIG")):
        if named:
            path = cwd / named
            try:
                path.stat()
            except OSError as error:
                raise NoConfigError(
                    f"{path}: {error.strerror or error}, though {origin} names it",
                    advice=f"correct {origin}, or make the file: pixd init {path.parent}",
                    looked_at=[path],
                ) from error
            return path
    places = [cwd / "config.yaml", *_user_file(environ), _SYSTEM_FILE]
    for path in places:
        if os.path.isfile(path):  # noqa: PTH113 - False, not an error, where it may not look
            return path
    looked_at = ", ".join(str(path) for path in places)
    raise NoConfigError(
        f"no configuration file; looked for {looked_at}",
        advice="make one with: pixd init, or name one with --config",
        looked_at=places,
    )


def _user_file(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the path by the XDG base directory specification, which ignores relative values."""
    home = environ.get("XDG_CONFIG_HOME", "")
    if Path(home).is_absolute():
        yield Path(home, "pixd", "config.yaml")
    elif Path(environ.get("HOME", "")).is_absolute():
        yield Path(environ["HOME"], ".config", "pixd", "config.yaml")
