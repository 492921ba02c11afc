"""What systemd says of pixd's units.

Of the service's always, of the page's where it is wanted, of a cluster's where they are installed.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pixd.answers.doctor.check import OK, Check, fail, ok, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

SYSTEMCTL_WITHIN_S = 3.0
BOOTED = Path("/run/systemd/system")  # sd_booted(3)
_INSTALL = "sudo pixd service install; or pixd service install --user"


def checks(*, wants_page: bool) -> Iterator[Check]:
    """Look whether systemd starts pixd with the machine, and the page beside it.

    Args:
        wants_page: whether the configuration asks for one.
    """
    program = shutil.which("systemctl")
    if program is None or not BOOTED.is_dir():
        yield ok("systemd", "this machine was not started by it; keep `pixd run` alive otherwise")
        return
    service = _find(program, "pixd.service")
    if service is None:
        told = "pixd.service is not installed: pixd does not start with the machine"
        yield warn("systemd", told, _INSTALL)
    else:
        yield service.check("systemd")
    yield from _page(program, service, wants_page=wants_page)
    yield from _cluster(program)


def _page(program: str, service: _Found | None, *, wants_page: bool) -> Iterator[Check]:
    page = _find(program, "pixd-web.service")
    if page is not None and page.is_started_by_its_socket():
        yield ok("page unit", f"pixd-web.socket is enabled, and pixd-web.service {page.active}")
    elif page is not None:
        yield page.check("page unit")
    elif service is not None and wants_page:
        told = "pixd-web.service is not installed, and pixd.service starts no page"
        yield warn("page unit", told, f"{service.sudo}pixd service install{service.option}")


def _cluster(program: str) -> Iterator[Check]:
    """Look at the units that `pixd cluster --install` made; a cluster may do without."""
    for name, unit in (("head unit", "pixd-head.service"), ("worker unit", "pixd-worker.service")):
        found = _find(program, unit, options=("",))
        if found is None:
            continue
        check, short = found.check(name), unit.removesuffix(".service")
        if check.state == OK and found.active != "active":  # it is tried again for ever
            yield warn(name, check.told, f"systemctl start {short}; journalctl -u {short} -n 20")
        else:
            yield check


class _Found(NamedTuple):
    """A unit that is installed.

    Attributes:
        program: the path of systemctl.
        unit: its name.
        option: "", or " --user" where it is one person's.
        enabled: what `systemctl is-enabled` says.
        active: what `systemctl is-active` says.
    """

    program: str
    unit: str
    option: str
    enabled: str
    active: str

    @property
    def sudo(self) -> str:
        return "" if self.option else "sudo "

    def check(self, name: str) -> Check:
        spoken, short = f"systemctl{self.option}", self.unit.removesuffix(".service")
        if self.active == "failed":
            mend = f"{spoken} reset-failed {short}; {spoken} start {short}; {spoken} status {short}"
            return fail(name, f"{self.unit} failed and is not tried again", mend)
        if self.enabled == "enabled":
            return ok(name, f"{self.unit} is enabled and {self.active}")
        told = f"{self.unit} is installed, {self.active} and not enabled"
        return warn(name, told, f"{spoken} enable {short}")

    def is_started_by_its_socket(self) -> bool:
        socket = self.unit.replace(".service", ".socket")
        return (
            self.active != "failed"
            and _systemctl(self.program, *self.option.split(), "is-enabled", socket) == "enabled"
        )


def _find(program: str, unit: str, options: tuple[str, ...] = ("", " --user")) -> _Found | None:
    for option in options:
        enabled, active = (
            _systemctl(program, *option.split(), verb, unit) for verb in ("is-enabled", "is-active")
        )
        if active == "failed" or enabled in {"enabled", "disabled"}:
            return _Found(program, unit, option, enabled, active)
    return None


def _systemctl(program: str, *words: str) -> str:
    try:
        done = subprocess.run(
            [program, *words],
            capture_output=True,
            text=True,
            timeout=SYSTEMCTL_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "silent"
    return done.stdout.strip()
