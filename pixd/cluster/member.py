"""This machine becomes a part of a cluster: Ray's own program, with what pixd needs of it.

What is started is what `ray start --block` starts. It always asks for the token, and reports to nobody.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pixd.cluster import reach
from pixd.cluster.carrier import ClusterError
from pixd.cluster.ray_carrier import ON_LOOPBACK, environment

if TYPE_CHECKING:
    from pixd.system.host_port import HostPort

PORT: Final = 6379
"""Ray's own."""
SHARED_MEMORY_BYTES: Final = 500_000_000
"""For what is on its way between machines; pixd keeps nothing there. Ray takes 30 % of the memory."""

AT_ONCE: Final = {"RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0"}
"""When it is stopped, Ray waits 30 s for its work to end. Ours does not: a host stays for as long as the
service wants it. It would only be given images for 30 s more, which are then asked for elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What this machine is to a cluster.

    Attributes:
        is_head: whether it keeps the books; else it joins.
        address: of the head.
        token: the file with the token.
        tls: the folder with certificates, or None.
        cpus: that it gives away; None for all, and for the head none.
        gpus: the same.
        folder: for Ray's own files; None for Ray's choice.
    """

    is_head: bool
    address: HostPort
    token: Path
    tls: Path | None = None
    cpus: int | None = None
    gpus: int | None = None
    folder: Path | None = None

    def command(self) -> list[str]:
        """Return the command that starts Ray and stays."""
        words = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block"]
        if self.is_head:
            words += ["--head", f"--node-ip-address={self.address.host}"]
            words += [f"--port={self.address.port}"]
            words += ["--include-dashboard=false", "--disable-usage-stats"]
        else:
            words.append(f"--address={self.address.text}")
        for kind, count in (("cpus", self.cpus), ("gpus", self.gpus)):
            if count is not None or self.is_head:
                words.append(f"--num-{kind}={count or 0}")
        if self.folder is not None:
            words.append(f"--temp-dir={self.folder}")
        # The log monitor would read all logs ten times a second, for drivers that show them: ours do not.
        words.append("--include-log-monitor=false")
        return [*words, f"--object-store-memory={SHARED_MEMORY_BYTES}"]

    def environment(self) -> dict[str, str]:
        """Return what Ray must have in its environment."""
        extra = ON_LOOPBACK if self.address.is_loopback else {}
        return environment(str(self.token), str(self.tls or "")) | AT_ONCE | extra


def check(part: Part) -> None:
    """Check what would make Ray fail, or start unprotected; and that there is a head to join.

    Raises:
        ClusterError: it would.
    """
    if importlib.util.find_spec("ray") is None:
        raise ClusterError(
            "Ray is not installed here", advice=f"{sys.executable} -m pip install 'pixd[ray]'"
        )
    if part.is_head:
        reach.check_files(part.token, part.tls)
    else:
        reach.check(part.address.text, part.token, part.tls)


def become(part: Part) -> None:
    """Become Ray's program: this process is it from here on.

    Raises:
        ClusterError: as `check`.
    """
    check(part)
    if part.folder is not None:
        part.folder.mkdir(parents=True, exist_ok=True)
    command = part.command()
    os.execve(command[0], command, {**os.environ, **part.environment()})  # noqa: S606 - no shell


def make_token(path: Path) -> None:
    """Write a new token that only its owner reads.

    Raises:
        OSError: the file is there already, or cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32) + "\n")
