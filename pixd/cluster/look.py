"""A look at a cluster, for `pixd doctor`: whom it lets in, and what each of its machines has.

It joins the cluster as a bridge does, in a process of its own, ``python -m pixd.cluster.look``: Ray ends
the process of who joins, and takes 20 s to say that a token is wrong. A host that asks for nothing is
started on each machine, tells what is there, and ends.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pixd.cluster import ray_carrier, versions
from pixd.cluster.carrier import Needs, Node
from pixd.cluster.contact import NEEDS_FREE_BYTES
from pixd.cluster.order import from_document, order_of, to_document
from pixd.system.children import child
from pixd.system.children.spec import TranslateSpec
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from pixd.config import RaySettings

MODULE: Final = "pixd.cluster.look"
WITHIN_S: Final = 90.0
ABOUT_WITHIN_S: Final = 40.0
NOTHING: Final = Needs(cpus=0)
_NOBODY: Final = TranslateSpec(
    model="", files={}, recipe={}, device="cpu", precision="auto", batch=1
)


class Seen(NamedTuple):
    """A machine of a cluster.

    Attributes:
        name: for people.
        gpus: that it has to give.
        cpus: that it has to give.
        free_bytes: on the disk of its cache.
        has: its versions, as "pixd 0.1.0, TensorFlow 2.21.0".
        why_not: why it would get no work; or "".
    """

    name: str
    gpus: float
    cpus: float
    free_bytes: int
    has: str
    why_not: str

    @property
    def is_full(self) -> bool:
        """Whether it would get no work for lack of room on that disk."""
        return self.free_bytes < NEEDS_FREE_BYTES


def ray_version() -> str:
    """Return the version of Ray that is installed here, or ""."""
    return versions.version_of("ray")


def admits(ray: RaySettings, *, with_token: bool) -> bool | None:
    """Tell whether a cluster answers who has its token, or none; None where that cannot be told."""
    token = str(ray.token) if with_token else ""
    found = _ask({"address": ray.address, "token": token, "tls": str(ray.tls or "")})
    return bool(found["admits"]) if "admits" in found else None


def machines(ray: RaySettings) -> list[Seen]:
    """Join a cluster and return its machines.

    Raises:
        PixdError: it cannot be joined, with what mends it.
    """
    found = _ask(to_document(order_of(ray, "", _NOBODY, 0)))
    if "nodes" not in found:
        raise PixdError(
            str(found.get("error") or "the cluster did not answer in time"),
            advice=str(found.get("advice") or "pixd run, and then pixd status, says more"),
        )
    return [_seen(node) for node in found["nodes"]]


def too_large(ray: RaySettings, found: list[Seen]) -> dict[str, str]:
    """Return what is asked for that no machine has, by stage: it would wait for ever."""
    usable = [one for one in found if not one.why_not]
    return {
        stage: Needs(gpus=part.gpus, cpus=part.cpus).text()
        for stage, part in (("train", ray.train), ("translate", ray.translate))
        if not any(one.gpus >= part.gpus and one.cpus >= part.cpus for one in usable)
    }


def _seen(node: dict[str, Any]) -> Seen:
    about, name = node["about"], str(node["name"])
    if about is None:
        return Seen(name, node["gpus"], node["cpus"], 0, "", str(node["error"]))
    name = str(about["host"])
    words = (("pixd", "pixd"), ("tensorflow", "TensorFlow"), ("ray", "Ray"), ("python", "Python"))
    has = ", ".join(f"{word} {about.get(key) or '-'}" for key, word in words)
    why_not = versions.why_not(about, name)
    return Seen(name, node["gpus"], node["cpus"], int(about["free_bytes"]), has, why_not)


def _ask(what: dict[str, Any]) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [sys.executable, "-m", MODULE],
            input=json.dumps(what),
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
        found: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return {}
    return found


# -- the process -----------------------------------------------------------------------------


def main() -> None:
    """Do what standard input says, and write what was found, as JSON."""
    what = json.loads(sys.stdin.read())
    out = os.dup(1)
    os.dup2(2, 1)  # Ray prints
    child.die_with_parent(leave_at_eof=False, stdin_fd=-1)
    try:
        found = _look(what) if "spec" in what else {"admits": ray_carrier.admits(**what)}
    except PixdError as error:
        found = {"error": error.message, "advice": error.advice}
    except Exception as error:  # noqa: BLE001 - of Ray, of many kinds
        found = {"error": f"{type(error).__name__}: {error}"[:300]}
    os.write(out, json.dumps(found).encode())
    os._exit(0)  # not sys.exit: Ray's threads may wait for a head that is frozen


def _look(document: dict[str, Any]) -> dict[str, Any]:
    carrier = ray_carrier.RayCarrier(from_document(document))
    nodes = carrier.nodes()
    ids = {node.id for node in nodes}
    links = {node.id: carrier.host(NOTHING, avoiding=frozenset(ids - {node.id})) for node in nodes}
    ends_at = time.monotonic() + ABOUT_WITHIN_S
    found = [_about(node, links[node.id], ends_at) for node in nodes]
    carrier.close()
    return {"nodes": found}


def _about(node: Node, link: ray_carrier.RayLink, ends_at: float) -> dict[str, Any]:
    told: dict[str, Any] = {"name": node.name, "gpus": node.gpus, "cpus": node.cpus, "about": None}
    try:
        while not link.is_placed():
            if time.monotonic() > ends_at:
                return {**told, "error": f"nothing started there within {ABOUT_WITHIN_S:.0f} s"}
            time.sleep(0.1)
        about = link.call("about", within_s=max(1.0, ends_at - time.monotonic()))
    except PixdError as error:
        return {**told, "error": error.message}
    return {**told, "about": about, "error": ""}


if __name__ == "__main__":
    main()
