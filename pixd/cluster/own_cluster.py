"""A cluster of Ray on this machine alone, to try one: its head is a child, and ends with it.

It listens on loopback, and asks for a token that is made for it. Nothing of it is left afterwards.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from pixd.cluster import reach
from pixd.cluster.carrier import ClusterError
from pixd.cluster.ray_carrier import ON_LOOPBACK, environment
from pixd.system.host_port import HostPort

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK: Final = "127.0.0.1"
START_WITHIN_S: Final = 120.0
LEAVE_WITHIN_S: Final = 20.0
SHARED_MEMORY_BYTES: Final = 100_000_000
"""pixd keeps nothing in Ray's own store of objects; its smallest size is 75 MB."""


class OwnCluster(NamedTuple):
    """Where it is reached: ``host:port``, and the file with its token."""

    address: str
    token: Path


@contextlib.contextmanager
def started(cpus: int) -> Iterator[OwnCluster]:
    """Start a cluster of one machine, and end it and what it started.

    Args:
        cpus: that Ray may give away; it counts them and binds nothing to a processor.

    Raises:
        ClusterError: Ray is not installed, or does not start.
    """
    if importlib.util.find_spec("ray") is None:
        raise ClusterError(
            "Ray is not installed here", advice=f"{sys.executable} -m pip install 'pixd[ray]'"
        )
    # Not below the folder of a project: Ray's sockets allow only a short path.
    folder = Path(tempfile.mkdtemp(prefix="pixd-ray-"))
    try:
        token = folder / "token"
        token.touch(0o600)
        token.write_text(secrets.token_hex(32))
        address = HostPort(LOOPBACK, _free_port())
        head = _head(folder, address, token, cpus)
        try:
            _until_it_answers(head, folder, address.text)
            yield OwnCluster(address.text, token)
        finally:
            _end(head)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _head(folder: Path, address: HostPort, token: Path, cpus: int) -> subprocess.Popen[bytes]:
    command = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
        *(f"--node-ip-address={address.host}", f"--port={address.port}"),
        *(f"--ray-client-server-port={_free_port()}", f"--num-cpus={cpus}", "--num-gpus=0"),
        *("--include-dashboard=false", "--include-log-monitor=false", "--disable-usage-stats"),
        *(f"--temp-dir={folder / 'ray'}", f"--object-store-memory={SHARED_MEMORY_BYTES}"),
    ]
    with (folder / "head.log").open("wb") as log:
        return subprocess.Popen(
            command,
            env={**os.environ, **environment(str(token), ""), **ON_LOOPBACK},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _until_it_answers(head: subprocess.Popen[bytes], folder: Path, address: str) -> None:
    ends_at = time.monotonic() + START_WITHIN_S
    log = folder / "head.log"
    while "Ray runtime started" not in log.read_text(errors="replace"):
        if head.poll() is not None or time.monotonic() > ends_at:
            said = log.read_text(errors="replace").strip().splitlines()
            raise ClusterError(
                f"Ray does not start: {said[-1] if said else 'it says nothing'}",
                advice="try again when the machine has memory free; `ray start --head` says more",
            )
        time.sleep(0.2)
    if fault := reach.why_no_answer(address, None):
        raise ClusterError(
            f"Ray's head at {address} does not answer: {fault.why}",
            advice="look whether a firewall closes the loopback network",
        )


def _end(head: subprocess.Popen[bytes]) -> None:
    """Ask the head to end, and then end whatever is left of its session."""
    head.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        head.wait(LEAVE_WITHIN_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(head.pid, signal.SIGKILL)
    head.wait()


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as taken:
        return int(taken.getsockname()[1])
