"""A small machine of its own, booted with systemd-nspawn from a tree that is never written.

The tree (see build-tree.sh) is kept between runs; what a run writes goes into an overlay and is
thrown away with it. Nothing of this needs systemd on the machine that runs the tests.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.wheel import ROOT, build_wheel

_BUILD = Path(__file__).with_name("build-tree.sh")
_LOCK = ROOT / "requirements.lock"
_BOOT_WITHIN_S = 60.0
_STOP_WITHIN_S = 60.0
# No systemd here that could register it; no network for it.
_BOOT = [
    *("systemd-nspawn", "--quiet", "--boot", "--console=pipe"),
    *("--register=no", "--keep-unit", "--private-network"),
]
_ENTER = [
    *("--all", "--", "env", "--ignore-environment", "--chdir=/"),
    *("PATH=/opt/pixd/bin:/usr/sbin:/usr/bin", "LANG=C.UTF-8"),
]


def missing() -> str:
    """Say why this machine cannot boot another one, or ""."""
    if os.geteuid() != 0:
        return "booting a machine needs root"
    for program in ("debootstrap", "systemd-nspawn", "nsenter", "ip"):
        if shutil.which(program) is None:
            return f"{program} is missing: apt-get install debootstrap systemd-container iproute2"
    return ""


def tree() -> Path:
    """Return the tree for this release and this lock file, built if it is not there yet."""
    parts = [_BUILD.read_bytes(), _LOCK.read_bytes(), *map(str.encode, _release())]
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pixd-test"
    place = cache / f"tree-{key}"
    if not place.exists():
        for old in cache.glob("tree-*"):
            shutil.rmtree(old)
        subprocess.run([_BUILD, place, _LOCK, sys.executable], check=True)
    return place


def _release() -> tuple[str, str]:
    return platform.freedesktop_os_release().get("VERSION_CODENAME", ""), platform.machine()


def _own_groups(name: str) -> list[Path]:
    """Make a machine's control groups: in the same ones two would move each other's processes."""
    made = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers not in {"", "name=systemd"}:
            continue
        mount = Path("/sys/fs/cgroup", "systemd" if controllers else "unified")
        mount = mount if mount.is_dir() else mount.parent  # where there is no old hierarchy
        made.append(mount / path.lstrip("/") / name)
        made[-1].mkdir()
    return made


def connect(*machines: Machine) -> list[str]:
    """Lay a cable between two machines that have none, and return the address of each."""
    names = [f"cable{os.getpid()}-{end}" for end in "ab"]
    command = f"link add {names[0]} type veth peer name {names[1]}"
    subprocess.run(["ip", *command.split()], check=True)
    addresses = [f"10.78.0.{number}" for number in range(5, 5 + len(machines))]
    for machine, name, address in zip(machines, names, addresses, strict=True):
        machine.plug_in(name, address)
    return addresses


class Machine:
    """A booted tree with pixd installed in /opt/pixd."""

    def __init__(self, lower: Path, folder: Path, name: str = "pixd-test") -> None:
        """Boot.

        Args:
            lower: the tree.
            folder: where the overlay and the console's log go.
            name: of the host.
        """
        self.root = folder / "root"
        for layer in ("upper", "work", "root"):
            (folder / layer).mkdir(parents=True)
        layers = f"lowerdir={lower},upperdir={folder}/upper,workdir={folder}/work"
        done = subprocess.run(
            ["mount", "-t", "overlay", "overlay", "-o", layers, self.root],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            pytest.skip(f"{folder} cannot hold an overlay: {done.stderr.strip()}")
        wheel = build_wheel(folder / "wheel")
        shutil.copy2(wheel, self.root / "run")
        install = "/opt/pixd/bin/pip --isolated install --quiet --no-index --no-deps"
        self._chroot(f"{install} /run/{wheel.name}")
        unique = f"{name}-{os.getpid()}"
        self._groups = _own_groups(unique)
        join = " ".join(f"{group}/cgroup.procs" for group in self._groups)
        begin = ["sh", "-c", f'for one in {join}; do echo $$ >$one; done; exec "$@"', "sh"]
        (self.root / "etc/hostname").write_text(f"{name}\n")
        with (folder / "console.log").open("wb") as console:
            self._nspawn = subprocess.Popen(
                [*begin, *_BOOT, f"--directory={self.root}", f"--machine={unique}"],
                # The unified hierarchy, also where this machine has it beside the old ones.
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        self._leader = 0
        self.until(self._is_up, _BOOT_WITHIN_S, "the machine is up")

    def _chroot(self, command: str) -> None:
        subprocess.run(["chroot", self.root, *shlex.split(command)], check=True)

    def _is_up(self) -> bool:
        if self._nspawn.poll() is not None:
            pytest.fail(f"it did not boot: {self.root.with_name('console.log').read_text()}")
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
        leaders = children.read_text().split()
        if not leaders:
            return False
        self._leader = int(leaders[0])
        if Path(f"/proc/{self._leader}/comm").read_text().strip() != "systemd":
            return False
        return self.run("systemctl is-system-running", check=False).strip() == "running"

    def run(self, command: str, *, check: bool = True) -> str:
        """Run a command in the machine and return what it says, errors and all."""
        done = self.attempt(command)
        if check and done.returncode != 0:
            pytest.fail(f"{command}: {done.returncode}\n{done.stdout}")
        return done.stdout

    def attempt(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine, whatever comes of it."""
        return subprocess.run(
            ["nsenter", "--target", str(self._leader), *_ENTER, *shlex.split(command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=180,
            check=False,
        )

    def plug_in(self, link: str, address: str) -> None:
        """Move one end of a cable from this machine into that one, and give it an address."""
        leader = str(self._leader)
        subprocess.run(["ip", "link", "set", link, "netns", leader], check=True)
        for words in (f"address add {address}/24 dev {link}", f"link set {link} up"):
            subprocess.run(
                ["nsenter", "--target", leader, "--net", "ip", *words.split()], check=True
            )

    def path(self, inside: str) -> Path:
        """Return where a path of the machine is, seen from here."""
        return self.root / inside.lstrip("/")

    def write(self, inside: str, text: str) -> None:
        """Write a file in the machine, with the folders above it."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def shown(self, *names: str, unit: str = "pixd") -> dict[str, str]:
        """Return properties of a unit, as `systemctl show` has them."""
        lines = self.run(f"systemctl show {unit} -p {','.join(names)}").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def pid(self, unit: str = "pixd") -> int:
        """Return a unit's process id inside the machine, 0 where it does not run."""
        return int(self.shown("MainPID", unit=unit)["MainPID"])

    def pids(self, pattern: str) -> list[int]:
        """Return the processes whose command line matches, by their ids inside the machine."""
        return [int(pid) for pid in self.attempt(f"pgrep -f '{pattern}'").stdout.split()]

    def outer_pid(self, pid: int) -> int:
        """Return the id that a process of the machine has on this one."""
        for status in Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):
                fields = status.read_text().split("\nNSpid:\t")[1].split("\n")[0].split("\t")
                if fields[1:] == [str(pid)] and self._is_mine(int(fields[0])):
                    return int(fields[0])
        raise LookupError(pid)

    def _is_mine(self, outer: int) -> bool:
        spaces = [Path(f"/proc/{pid}/ns/pid").readlink() for pid in (outer, self._leader)]
        return spaces[0] == spaces[1]

    def until(self, is_so: Callable[[], object], timeout_s: float, what: str) -> None:
        """Wait, and fail with the units' log when it takes longer than `timeout_s`."""
        ends_at = time.monotonic() + timeout_s
        while not is_so():
            if time.monotonic() > ends_at:
                log = self.attempt("journalctl -u pixd -u 'pixd-*' -n 60 --no-pager").stdout
                pytest.fail(f"not so after {timeout_s:.0f} s: {what}\n{log}")
            time.sleep(0.1)

    def halt(self) -> None:
        """Shut it down and throw away what it wrote."""
        self._nspawn.send_signal(signal.SIGTERM)  # nspawn turns it into an orderly shutdown
        try:
            self._nspawn.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait()
        for group in self._groups:
            for below, _, _ in os.walk(group, topdown=False):
                Path(below).rmdir()
        subprocess.run(["umount", "--lazy", self.root], check=True)
        shutil.rmtree(self.root.parent)
