"""A cluster of Ray on this machine, whose hosts are network namespaces.

Each node is what a person would start on a machine: ``pixd cluster join``, with a cache folder and a
name of its own. A node dies as in a power cut: all of its processes get SIGKILL at once.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tests.support.certificates import certificates
from tests.support.tiny import Tiny

PREFIX = "10.77.0"
ADDRESS = f"{PREFIX}.1:6379"
STARTED = "Ray runtime started"
START_WITHIN_S = 180
WITHIN_S = 400.0
"""For what a service and its cluster do: with two cores for all machines, much takes minutes."""
REPOSITORY = Path(__file__).parents[2]


def why_not() -> str:
    """Say why there can be no such cluster here; or ""."""
    if importlib.util.find_spec("ray") is None:
        return "Ray is not installed (pixd[ray])"
    if not shutil.which("unshare") or not shutil.which("nsenter"):
        return "no unshare and nsenter here"
    tried = subprocess.run(
        ["unshare", "-rn", "ip", "link", "add", "br0", "type", "bridge"],
        check=False,
        capture_output=True,
    )
    if tried.returncode:
        return f"no network of namespaces can be made here: {tried.stderr.decode()[:200]}"
    return ""


def descendants(pid: int) -> list[int]:
    """Return a process and all that it started, and so on."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                text = (entry / "stat").read_text()
            except OSError:
                continue
            children.setdefault(int(text.rsplit(")", 1)[1].split()[1]), []).append(int(entry.name))
    found, wait = [], [pid]
    while wait:
        one = wait.pop()
        found.append(one)
        wait += children.get(one, [])
    return found


class Network:
    """A network of hosts, each a namespace of its own, joined by a bridge; nothing else is reached.

    The first host, ``10.77.0.1``, has the bridge. No root is needed: a user namespace holds all. Every
    host has its own `private` folder: Ray takes what it finds there for what is on its machine.
    """

    def __init__(self, private: Path) -> None:
        self._holders: dict[str, subprocess.Popen[bytes]] = {}
        self._private = private
        private.mkdir()
        self._hold("", ["unshare", "-rnm"])
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "link", "add", "br0", "type", "bridge")
        self.run("ip", "address", "add", f"{PREFIX}.1/24", "dev", "br0")
        self.run("ip", "link", "set", "br0", "up")

    def _hold(self, name: str, command: list[str]) -> None:
        holder = subprocess.Popen(
            [
                *(*command, "sh", "-c"),
                f"mount -t tmpfs none {self._private} && echo up && exec sleep infinity",
            ],
            stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"up\n"
        self._holders[name] = holder

    def add(self, name: str) -> str:
        """Make a host; return its address."""
        number = len(self._holders) + 1
        self._hold(name, self.inside("unshare", "-nm"))
        pid = str(self._holders[name].pid)
        self.run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", pid)
        self.run("ip", "link", "set", name, "master", "br0", "up")
        for command in (
            "ip link set lo up",
            f"ip address add {PREFIX}.{number}/24 dev eth0",
            "ip link set eth0 up",
        ):
            self.run(*command.split(), host=name)
        return f"{PREFIX}.{number}"

    def cut(self, name: str, *, is_cut: bool) -> None:
        """Pull the cable of a host, or put it back."""
        self.run("ip", "link", "set", name, "down" if is_cut else "up")

    def inside(self, *command: str, host: str = "", folder: Path = REPOSITORY) -> list[str]:
        """Return a command that runs another one on a host of this network, in a folder."""
        where = ("-t", str(self._holders[host].pid), "-U", "--preserve-credentials", "-n", "-m")
        return ["nsenter", *where, f"--wd={folder}", *command]

    def run(self, *command: str, host: str = "") -> None:
        subprocess.run(self.inside(*command, host=host), check=True)

    def end(self) -> None:
        for holder in self._holders.values():
            holder.kill()
            holder.wait()
            assert holder.stdout is not None
            holder.stdout.close()


class RayNodes:
    """The head and the nodes of a cluster, by name. `folder` must have a short path: Ray's sockets."""

    def __init__(self, folder: Path, *, is_encrypted: bool = False) -> None:
        self.folder = folder
        self.network = Network(folder / "ray")
        hosts = [f"IP:{PREFIX}.{number}" for number in range(1, 9)]
        self.tls = certificates(folder / "tls", hosts) if is_encrypted else None
        self.token = folder / "token"
        self.token.write_text("0123456789abcdef" * 4)
        self.token.chmod(0o600)
        self._nodes: dict[str, subprocess.Popen[bytes]] = {}
        self._hosts: set[str] = set()
        self._again: dict[str, Callable[[], None]] = {}

    def head(self) -> None:
        # As the unit does. Else Ray, which sees all processes here, takes a node for the head before.
        self.network.run("rm", "-f", str(self.folder / "ray" / "ray_current_cluster"))
        self._start("head", "", "head", ADDRESS)
        self.until_up("head")

    def add(self, name: str, *, cpus: int = 1, is_encrypted: bool = True, **variables: str) -> None:
        if name not in self._hosts:
            self.network.add(name)
            self._hosts.add(name)
        self._start(
            name, name, "join", ADDRESS, f"--cpus={cpus}", is_encrypted=is_encrypted, **variables
        )

    def until_up(self, *names: str) -> None:
        """Wait until nodes have joined: on a busy machine that takes most of a minute."""
        for name in names:
            deadline = time.monotonic() + START_WITHIN_S
            while STARTED not in self.log(name):
                if self._nodes[name].poll() is not None:  # Ray itself waits only for 30 s
                    self._again[name]()
                assert time.monotonic() < deadline, self.log(name)
                time.sleep(0.1)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def _start(
        self, name: str, host: str, *arguments: str, is_encrypted: bool = True, **variables: str
    ) -> None:
        self._again[name] = partial(
            self._start, name, host, *arguments, is_encrypted=is_encrypted, **variables
        )
        if self.tls and is_encrypted:
            arguments += (f"--tls={self.tls}",)
        cache = self.folder / f"{name}-cache"
        cache.mkdir(exist_ok=True)
        log = (self.folder / f"{name}.log").open("wb")
        self._nodes[name] = subprocess.Popen(
            self.network.inside(
                sys.executable, "-m", "pixd", "cluster", *arguments,
                f"--token={self.token}", f"--folder={self.folder / 'ray'}",
                host=host,
            ),
            env={
                **os.environ,
                "XDG_CACHE_HOME": str(cache), "PIXD_NODE": name, "PYTHONPATH": str(REPOSITORY),
                **variables,
            },
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        log.close()

    def pids(self, name: str) -> list[int]:
        return descendants(self._nodes[name].pid)

    def ended(self, name: str) -> int:
        """Wait until a node has ended by itself; return its exit code."""
        return self._nodes[name].wait(START_WITHIN_S)

    def has_ended(self, name: str) -> bool:
        """Tell whether a node has ended by itself: Ray ends one that its head has given up."""
        return self._nodes[name].poll() is not None

    def kill(self, name: str) -> None:
        """End all processes of a node at once, as a power cut does."""
        pids = self._signal(name, signal.SIGSTOP)
        for pid in pids:
            _signal(pid, signal.SIGKILL)
        self._nodes.pop(name).wait()

    def stop(self, name: str) -> None:
        """Have a node hang."""
        self._signal(name, signal.SIGSTOP)

    def go_on(self, name: str) -> None:
        self._signal(name, signal.SIGCONT)

    def _signal(self, name: str, number: signal.Signals) -> list[int]:
        pids = self.pids(name)
        for pid in pids:
            _signal(pid, number)
        return pids

    def end(self) -> None:
        for name in list(self._nodes):
            self.kill(name)
        self.network.end()


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


@contextlib.contextmanager
def started(*names: str, is_encrypted: bool = False) -> Iterator[RayNodes]:
    """Give a cluster of a head and nodes of one core with these names."""
    with tempfile.TemporaryDirectory(prefix="pr", dir="/tmp") as folder:  # Ray's sockets: short
        nodes = RayNodes(Path(folder), is_encrypted=is_encrypted)
        try:
            nodes.head()
            for name in names:
                nodes.add(name)
            nodes.until_up(*names)
            yield nodes
        finally:
            nodes.end()


def on_cluster(tiny: Tiny, nodes: RayNodes, **ray: Any) -> None:
    """Have a pipeline run on a cluster; `ray` has more keys of its section."""
    path = tiny.folder / "config.yaml"
    tree: dict[str, Any] = yaml.safe_load(path.read_text())
    tree["engine"] = "ray"
    tree["ray"] = {
        "address": ADDRESS,
        "token": str(nodes.token),
        **({"tls": str(nodes.tls)} if nodes.tls else {}),
        "silent_seconds": 8,
        "train": {"cpus": 1},
        "translate": {"cpus": 1, "most": 2},
        **ray,
    }
    path.write_text(yaml.safe_dump(tree))
    tiny.prefix = tuple(nodes.network.inside(folder=tiny.folder))


def engine(tiny: Tiny) -> dict[str, Any]:
    """Return what the service says of the cluster; nothing before it has said it."""
    told: dict[str, Any] = json.loads((tiny.folder / "store" / "service.json").read_text())
    return dict(told.get("engine") or {})


def until_engine(tiny: Tiny, is_so: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Wait until the service says such a thing of the cluster; return all that it says."""
    ends_at = time.monotonic() + WITHIN_S
    while not is_so(engine(tiny)):
        assert time.monotonic() < ends_at, engine(tiny)
        time.sleep(0.1)
    return engine(tiny)
