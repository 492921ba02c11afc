"""The page's unit of systemd: whether there is one for a configuration, and whether it runs.

Read from files that everybody may read: the unit, and what systemd keeps in /run for each unit that
is active. No process is started and nobody is asked, so that `pixd status` stays light.

Source: systemd.unit(5) for the folders. systemd makes ``/run/systemd/units/invocation:NAME`` when it
starts a unit's process and removes it when the unit has ended or failed (`unit_export_state_files`,
`unit_unlink_state_files`); a user's manager does the same below ``$XDG_RUNTIME_DIR``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

UNIT, SOCKET = "pixd-web.service", "pixd-web.socket"
ROOT = Path("/")
RUNNING, DOWN, ON_DEMAND, DISABLED = "running", "down", "on-demand", "disabled"


class PageUnit(NamedTuple):
    """A unit that runs the page of a configuration.

    Attributes:
        name: of the unit.
        manager: system or user: whose systemd runs it.
        state: running; down: it should run and does not; on-demand: its socket starts it at the
            first visit; disabled: nothing starts it.
    """

    name: str
    manager: str
    state: str

    @property
    def systemctl(self) -> str:
        """The command that its manager listens to."""
        return "systemctl --user" if self.manager == "user" else "systemctl"


class _Manager(NamedTuple):
    """One systemd: what it is called, its units, the target that starts them, what it keeps."""

    name: str
    units: Path
    target: str
    runtime: Path


def find(config: Path, environ: Mapping[str, str] = os.environ) -> PageUnit | None:
    """Return the unit that runs the page of a configuration; None where none is installed."""
    for manager in _managers(environ):
        # A machine that systemd did not start may have the files of its units all the same; and a
        # user's manager before systemd 246 keeps no such folder, so that nothing can be said.
        if (manager.runtime / "systemd" / "units").is_dir() and _is_of(manager.units, config):
            return PageUnit(UNIT, manager.name, _state(manager))
    return None


def _managers(environ: Mapping[str, str]) -> Iterator[_Manager]:
    system = ROOT / "etc" / "systemd" / "system"
    yield _Manager("system", system, "multi-user.target", ROOT / "run")
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        home = environ.get("XDG_CONFIG_HOME", "")
        base = Path(home) if os.path.isabs(home) else Path.home() / ".config"  # noqa: PTH117 - light
        yield _Manager("user", base / "systemd" / "user", "default.target", Path(runtime))


def _state(manager: _Manager) -> str:
    if os.path.lexists(manager.runtime / "systemd" / "units" / f"invocation:{UNIT}"):
        return RUNNING
    if os.path.lexists(manager.units / "sockets.target.wants" / SOCKET):
        return ON_DEMAND
    return DOWN if os.path.lexists(manager.units / f"{manager.target}.wants" / UNIT) else DISABLED


def _is_of(units: Path, config: Path) -> bool:
    """Tell whether the unit that is there serves this configuration."""
    command = ""
    for path in (units / UNIT, *sorted((units / f"{UNIT}.d").glob("*.conf"))):
        try:
            lines = path.read_text(errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:  # the last one counts, as systemd takes it
            name, _, value = line.partition("=")
            if name.strip() == "ExecStart" and value.strip():
                command = value
    return bool(command) and os.path.realpath(_config_of(command)) == os.path.realpath(config)


def _config_of(command: str) -> str:
    """Return the configuration that a command of a unit names, or ""."""
    import itertools  # noqa: PLC0415 - only where there is a unit
    import shlex  # noqa: PLC0415 - as above

    try:
        words = shlex.split(command)
    except ValueError:
        return ""
    return dict(itertools.pairwise(words)).get("--config", "").replace("%%", "%").replace("$$", "$")
