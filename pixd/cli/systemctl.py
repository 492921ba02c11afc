"""The systemd that runs pixd's units: the machine's, or one person's."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixd.cli.units import Unit

_BOOTED = Path("/run/systemd/system")


class Systemctl:
    """systemctl, which says each command before it runs it.

    Attributes:
        is_user: whether it is for one person.
        spoken: what a person types for it.
    """

    def __init__(self, *, is_user: bool) -> None:
        """Check that systemd is there and that this user may use it.

        Raises:
            PixdError: it is not there, or this user may not control it.
        """
        program = shutil.which("systemctl")
        # Source: sd_booted(3).
        if program is None or not _BOOTED.is_dir():
            raise PixdError(
                "this machine was not started by systemd, so there is nothing to install into",
                advice="keep `pixd run` alive with what runs services here; "
                "`pixd service print` shows what the unit does",
            )
        if is_user and not Path(os.environ.get("XDG_RUNTIME_DIR", ""), "systemd").is_dir():
            raise PixdError(
                "there is no systemd of your own in this session (XDG_RUNTIME_DIR)",
                advice="log in as yourself rather than by su or sudo; without a login: "
                f"sudo loginctl enable-linger {me()}; "
                f"export XDG_RUNTIME_DIR=/run/user/{os.getuid()}",
            )
        if not is_user and os.geteuid() != 0:
            raise PixdError(
                "the service of the whole machine is installed by root",
                advice=f"sudo {shlex.join(sys.argv)}; or for yourself alone, add --user",
            )
        self.is_user = is_user
        self._program = program
        self.spoken = "systemctl --user" if is_user else "systemctl"

    def journal(self, unit: Unit) -> str:
        """Return what a person types for the log of a unit."""
        return f"journalctl --user -u {unit.name}" if self.is_user else f"journalctl -u {unit.name}"

    def reload(self) -> None:
        """Have systemd read all files again.

        Raises:
            PixdError: it failed; its own message is part of the error's.
        """
        self._tell("daemon-reload", advice="systemctl status says how systemd is")

    def start(self, unit: Unit) -> None:
        """Start a unit now and with the machine, and wait until it is ready.

        Raises:
            PixdError: as `reload`.
        """
        self._tell("enable", unit.file, advice=f"{self.spoken} cat {unit.name}")
        # Restart, so that a second installation takes what has changed.
        self._tell("restart", unit.file, advice=f"{self.journal(unit)} -n 20")

    def stop(self, unit: Unit) -> None:
        """Stop a unit for good, and let systemd forget that it failed, if it did.

        Raises:
            PixdError: as `reload`.
        """
        self._tell("disable", "--now", unit.file, advice=f"{self.journal(unit)} -n 20")
        # It fails where no unit had failed.
        subprocess.run(
            [*self._words(), "reset-failed", unit.file], capture_output=True, check=False
        )

    def _tell(self, *words: str, advice: str) -> None:
        print(f"{self.spoken} {' '.join(words)}", flush=True)
        call([*self._words(), *words], advice=advice)

    def _words(self) -> list[str]:
        return [self._program, *(["--user"] if self.is_user else [])]


def call(command: Sequence[str], *, advice: str) -> None:
    """Run a command that prints nothing unless it fails.

    Raises:
        PixdError: it failed; its own message is part of the error's.
    """
    # No time-out here: systemd has one, which a migration extends.
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or f"it ended with {done.returncode}"
        spoken = " ".join([Path(command[0]).name, *command[1:]])
        raise PixdError(f"{spoken}: {said}", advice=advice)


def me() -> str:
    """Return the name of this user, for advice."""
    from pixd.system.users import user_name  # noqa: PLC0415 - only for advice

    return user_name()
