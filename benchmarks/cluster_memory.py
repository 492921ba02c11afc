"""What a cluster takes of memory, idle and with thousands of inputs queued, and what stays behind.

Usage: python benchmarks/cluster_memory.py [INPUTS]   (10000)

One head and one node of one core, hosts in network namespaces. Memory is PSS (each page that several
processes share is counted in parts), by what a process is; of the queue the most that was seen, looked
at each second. Then the service is stopped, started, killed with SIGKILL amid its work, started again
and stopped; after each it is told what is left: processes, shared memory, folders. It needs Ray.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from cluster_throughput import part_of
from fixtures.processes import memory_mb

from tests.faults.clustered import WITHIN_S, drop, until_translated
from tests.support import ray_nodes
from tests.support.ray_nodes import RayNodes, descendants, on_cluster
from tests.support.tiny import Tiny

NODE = "n1"
LOOK_EVERY_S = 1.0
ENDED_WITHIN_S = 60.0
REMOVED_WITHIN_S = 5.0
SHARED = Path("/dev/shm")  # noqa: S108 - looked at only


def main() -> int:
    inputs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    if why := ray_nodes.why_not():
        print(f"skipped: {why}")
        return 0
    with (
        tempfile.TemporaryDirectory(prefix="pm", dir="/tmp") as name,
        ray_nodes.started(NODE) as nodes,
    ):
        tiny = Tiny(Path(name) / "tiny")
        tiny.pairs(range(6))
        tiny.once()
        on_cluster(tiny, nodes)
        before = places(nodes)
        say("cluster alone", memory(nodes))
        tiny.start()
        drop(tiny, range(1))
        until_translated(tiny, 1)
        time.sleep(5)
        say("idle, a translator warm", memory(nodes, tiny))

        drop(tiny, range(1, inputs + 1))
        say(f"{inputs:,} queued, the most", most_until_translated(tiny, nodes, inputs + 1))
        time.sleep(5)
        say("idle afterwards", memory(nodes, tiny))
        print(f"objects of Ray in shared memory: {shared_mb(nodes):.0f} MB")
        tiny.stop()
        left_behind("after a stop", nodes, tiny, before)

        tiny.start()
        drop(tiny, range(inputs + 1, inputs + 501))
        until_translated(tiny, inputs + 50)
        tiny.stop(signal.SIGKILL)
        left_behind("after kill -9", nodes, tiny, before)
        tiny.start()
        until_translated(tiny, inputs + 501)
        tiny.stop()
        left_behind("after the next start and a stop", nodes, tiny, before)
    return 0


def most_until_translated(tiny: Tiny, nodes: RayNodes, count: int) -> dict[str, float]:
    most: dict[str, float] = {}
    ends_at = time.monotonic() + WITHIN_S
    while tiny.part()["input"]["translated"] < count:
        if time.monotonic() > ends_at:
            raise TimeoutError((tiny.folder / "service.log").read_text())
        for part, size in memory(nodes, tiny).items():
            most[part] = max(most.get(part, 0.0), size)
        time.sleep(LOOK_EVERY_S)
    return most


def memory(nodes: RayNodes, tiny: Tiny | None = None) -> dict[str, float]:
    """Return the PSS in MB of all processes of the cluster and the service, by what each is."""
    found: dict[str, float] = {}
    families = {"head: ": nodes.pids("head"), "node: ": nodes.pids(NODE)}
    if tiny and tiny.service:
        families[""] = descendants(tiny.service.pid)
    for where, pids in families.items():
        for pid in pids:
            with contextlib.suppress(OSError):  # it ended meanwhile
                part = where + part_of(pid)
                found[part] = found.get(part, 0.0) + memory_mb(pid)
    return found


def shared_mb(nodes: RayNodes) -> float:
    """Return what the processes of the cluster have mapped of shared memory: Ray's objects."""
    found = 0.0
    for pid in nodes.pids("head") + nodes.pids(NODE):
        with contextlib.suppress(OSError):  # it ended meanwhile
            found += memory_mb(pid, "Pss_Shmem")
    return found


def places(nodes: RayNodes) -> dict[str, set[str]]:
    """Return what there is in shared memory and in the cache's work folder of the node."""
    work = nodes.folder / f"{NODE}-cache" / "pixd" / "work"
    return {
        str(SHARED): {path.name for path in SHARED.iterdir()},
        "the node's work folder": {path.name for path in work.iterdir()}
        if work.exists()
        else set(),
    }


def left_behind(when: str, nodes: RayNodes, tiny: Tiny, before: dict[str, set[str]]) -> None:
    """Say what is there that was not before; wait for processes that are just ending."""
    ends_at = time.monotonic() + ENDED_WITHIN_S
    began = time.monotonic()
    while (hosts := of_pixd(nodes)) and time.monotonic() < ends_at:
        time.sleep(0.1)
    took_s = time.monotonic() - began
    print(f"{when}:")
    print(f"  processes of pixd on the node  {len(hosts)} (the last ended after {took_s:.1f} s)")
    ends_at = time.monotonic() + REMOVED_WITHIN_S
    while places(nodes) != before and time.monotonic() < ends_at:
        time.sleep(0.1)
    for place, names in places(nodes).items():
        print(f"  new in {place:24} {sorted(names - before[place]) or 'nothing'}")
    scratch = tiny.folder / "store" / "scratch"
    print(f"  in the store's scratch folder  {[p.name for p in scratch.glob('*')] or 'nothing'}")


def of_pixd(nodes: RayNodes) -> list[int]:
    return [pid for pid in nodes.pids(NODE) if part_of_alive(pid) in {"host", "translator"}]


def part_of_alive(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
    # Ray keeps processes that wait for work; one that has an actor of pixd's is named by it.
    if "RayHost" in command:
        return "host"
    return "translator" if "pixd.pix2pix.translator" in command else ""


def say(what: str, found: dict[str, float]) -> None:
    print(f"{what}: {sum(found.values()):.0f} MB", flush=True)
    for part, size in sorted(found.items(), key=lambda item: -item[1]):
        print(f"  {part:24} {size:6.0f} MB", flush=True)


if __name__ == "__main__":
    sys.exit(main())
