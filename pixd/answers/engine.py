"""The cluster that children run on, as `pixd status` tells it. Pure, and light."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pixd.system.wording import counted, duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pixd.store.engine_beat import Engine

STALE_S = 60.0
"""A machine that was heard of less long ago needs no word about it."""


def as_json(engine: Engine) -> dict[str, Any]:
    """Return the value of `engine` in `pixd status --json`; the machines are sorted by name."""
    found = asdict(engine)
    nodes = [{"id": id_, **node} for id_, node in found["nodes"].items()]
    found["nodes"] = sorted(nodes, key=lambda node: (node["name"], node["id"]))
    return found


def text(part: Mapping[str, Any]) -> str:
    """Say where children run, as "ray at 10.0.0.5:6379, 2 machines; training on gpu1"."""
    machines = f", {counted(len(part['nodes']), 'machine')}" if part["nodes"] else ""
    told = [f"{part['kind']} at {part['address']}{machines}"]
    told += [f"{doing} on {part[doing]}" for doing in ("training", "translating") if part[doing]]
    told += waits(part)
    return "; ".join(told)


def waits(part: Mapping[str, Any]) -> list[str]:
    """Say what waits for what, and the first of them for how long."""
    found = [f"{work} waits for {what}" for work, what in part["waiting"].items()]
    if found:
        found[0] += f", for {duration(part['wait_seconds'])}"
    return found


def lines(part: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each machine, and one for what lost machines cost."""
    width = max((len(node["name"]) for node in part["nodes"]), default=0)
    for node in part["nodes"]:
        yield f"{node['name']:{max(width, 9)}} {'; '.join(machine(node))}"
    if told := cost(part):
        yield f"{'lost':{max(width, 9)}} {told}"


def machine(node: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a machine does, what it has, and what is odd about it."""
    yield _doing(node)
    has = room(node["gpus"], node["cpus"])
    if node["free_bytes"] is not None:
        has.append(f"{node['free_bytes'] / 1e9:.1f} GB free")
    if has:
        yield ", ".join(has)
    if node["lost"]:
        yield "lost once" if node["lost"] == 1 else f"lost {node['lost']} times"
    if node["heard_seconds"] is not None and node["heard_seconds"] > STALE_S:
        yield f"last heard of {duration(node['heard_seconds'])} ago"


def room(gpus: float, cpus: float) -> list[str]:
    """Say what a machine has to give, as ["1 GPU", "8 CPUs"]; what it has none of is left out."""
    return [counted(number, noun) for number, noun in ((gpus, "GPU"), (cpus, "CPU")) if number]


def cost(part: Mapping[str, Any]) -> str:
    """Say what lost machines cost since the service started; "" if none was lost."""
    if not part["lost"]:
        return ""
    again = [
        counted(part[name], word)
        for name, word in (("asked_again", "image"), ("steps_again", "step"))
        if part[name]
    ]
    what = f"{' and '.join(again)} done again" if again else "nothing had to be done again"
    return f"{counted(part['lost'], 'machine')} at work, since the service started: {what}"


def _doing(node: Mapping[str, Any]) -> str:
    if node["state"] == "working":
        runs = [f"{work} ({n} times)" if n > 1 else work for work, n in node["runs"].items()]
        rate = node["images_per_second"]
        return ", ".join(runs) + (f", {rate:.1f} images/s" if rate else "")
    if node["state"] == "left-out":
        return f"left out: {node['why_not']}"
    return "gives no room" if node["state"] == "no-room" else str(node["state"])
