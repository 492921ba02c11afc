"""The cluster that children run on: what it needs here, whether it answers, and its machines.

With `engine: local` there is nothing to look at, and nothing of the cluster is imported.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pixd.answers import engine
from pixd.answers.doctor.check import Check, fail, ok, warn
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixd.cluster.look import Seen
    from pixd.config import Settings

OLDEST_RAY: Final = (2, 60)
"""What was tried; pyproject.toml asks for the same."""


def checks(settings: Settings) -> Iterator[Check]:
    """Look at Ray, the token, the certificates, and whether the head answers."""
    if settings.engine == "local":
        return
    from pixd.cluster import reach  # noqa: PLC0415 - see above

    yield _ray()
    token = Path(str(settings.ray.token))
    if fault := reach.why_no_token(token):
        yield fail("ray token", *fault)
    else:
        yield ok("ray token", f"{token}, which only its owner reads")
    if settings.ray.tls is not None:
        yield _tls(settings.ray.tls)
    if fault := reach.why_no_answer(settings.ray.address, settings.ray.tls):
        yield fail("cluster", f"{settings.ray.address} does not answer: {fault.why}", fault.mend)
    else:
        yield ok("cluster", f"somebody answers at {settings.ray.address}")


def joined(settings: Settings) -> Iterator[Check]:
    """Join the cluster, and look whom it lets in and what each machine has. Takes seconds."""
    if settings.engine == "local":
        return
    from pixd.cluster import look, reach  # noqa: PLC0415 - see above

    if not look.ray_version() or reach.why_no_answer(settings.ray.address, settings.ray.tls):
        return  # which was said before
    if look.admits(settings.ray, with_token=False):
        told = "it lets in who has no token: whoever reaches its ports runs any code there"
        mend = "start every Ray with RAY_AUTH_MODE=token (docs/cluster.md)"
        yield fail("cluster's door", told, mend)
    elif look.admits(settings.ray, with_token=True) is False:
        mend = "compare the files by their sha256sum: every machine needs the same token"
        yield fail("cluster's door", "it does not take this token", mend)
        return
    else:
        yield ok("cluster's door", "it lets in nobody without the token")
    try:
        found = look.machines(settings.ray)
    except PixdError as error:
        yield fail("machines", error.message, error.advice)
        return
    for machine in found:
        yield _machine(machine)
    for stage, needs in look.too_large(settings.ray, found).items():
        told = f"no machine has {needs}, which ray.{stage} asks for: it waits for ever"
        yield warn(f"room for {stage}", told, f"ask for less in ray.{stage}, or join a machine")


def _ray() -> Check:
    from pixd.cluster import look  # noqa: PLC0415 - see above

    version = look.ray_version()
    if not version:
        mend = f"{sys.executable} -m pip install 'pixd[ray]'"
        return fail("ray", "not installed, and config.yaml has engine: ray", mend)
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers < OLDEST_RAY:
        mend = f"{sys.executable} -m pip install --upgrade 'pixd[ray]', on every machine"
        return fail("ray", f"{version} is too old", mend)
    return ok("ray", f"{version}; every machine needs the same")


def _tls(folder: Path) -> Check:
    from pixd.cluster import reach  # noqa: PLC0415 - see above

    if fault := reach.why_no_certificates(folder):
        return fail("ray tls", *fault)
    return ok("ray tls", f"{folder}; every Ray needs RAY_USE_TLS=1")


def _machine(machine: Seen) -> Check:
    name = f"machine {machine.name}"
    if machine.why_not:
        return warn(name, f"gets no work: {machine.why_not}", "see the line above; others go on")
    gives = " and ".join(engine.room(machine.gpus, machine.cpus)) or "gives no room"
    told = f"{gives}, {machine.free_bytes / 1e9:.1f} GB free"
    if machine.is_full:
        return warn(name, f"gets no work: {told}", "free some on the disk of its cache")
    return ok(name, f"{told}; {machine.has}")
