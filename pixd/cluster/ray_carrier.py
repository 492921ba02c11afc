"""Ray as the carrier: a host is an actor. Only this module imports Ray.

Actors and not tasks, and nothing is retried by Ray: after a machine fell silent, Ray tries a task
again only after minutes, and in a network that was cut in two it ran both attempts to their end. pixd
asks again itself, because it alone knows what is still wanted. Measured with Ray 2.60.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pixd.cluster import encryption
from pixd.cluster.carrier import ClusterError, LostError, Needs, Node, RefusedError, SilentError
from pixd.cluster.fault import START
from pixd.cluster.host import Host
from pixd.system import host_port
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixd.cluster.order import Order

NAMESPACE: Final = "pixd"
THREADS: Final = (
    8  # of a host: its methods run side by side, and one streams for as long as it lives
)
ASK_WITHIN_S: Final = 5.0
RECONNECT_S: Final = 20
"""So long after the death of the head Ray ends this process."""
ON_LOOPBACK: Final = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""For the head of a cluster of one machine, and for who joins it: without it Ray takes the address of
the network card, whatever address it is given."""
NOBODY: Final = "http://127.0.0.1:9/"
"""Where a head reports that it does not report: without it Ray does so to its makers, once, where usage
statistics are disabled (`findings/ray-reports-that-it-does-not.sh`). Nothing answers there."""
INLINE_BYTES: Final = 4 << 20
"""What is smaller goes inside the call or the answer. Ray's 100 kB would have images stored on one
machine and then fetched by the other, which takes twice the processor time."""
_LOST: Final = {
    "ActorDiedError": "its host died",
    "ActorUnavailableError": "its host cannot be reached",
    "ActorUnschedulableError": "no machine of the cluster is large enough",
}
"""What Ray's errors mean; their own texts are paragraphs."""
_INSTALL: Final = "install the same pixd[ray] on every machine of the cluster"


def environment(token: str, tls: str) -> dict[str, str]:
    """Return what every process must have in its environment that joins the cluster."""
    found = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": token,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_USAGE_STATS_REPORT_URL": NOBODY,
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # under `uv run` it would upload the working folder
        "RAY_DISABLE_IMPORT_WARNING": "1",
        "RAY_gcs_rpc_server_reconnect_timeout_s": str(RECONNECT_S),
        "RAY_max_direct_call_object_size": str(INLINE_BYTES),
    }
    if tls:
        found["RAY_USE_TLS"] = "1"
        found |= {name: str(Path(tls) / file) for name, file in encryption.FILES.items()}
    return found


def admits(address: str, token: str, tls: str) -> bool:
    """Tell whether the head of a cluster answers who shows a token. For a process of its own.

    Args:
        address: of the head.
        token: path of the file; "" to show none.
        tls: path of the folder with certificates, or "".

    Raises:
        Exception: of Ray; it does not answer at all.
    """
    os.environ.update(environment(token, tls))
    if not token:
        os.environ["RAY_AUTH_MODE"] = "disabled"
    # Ray's own way to ask without joining: that would take 20 s where it is refused.
    from ray._raylet import (  # type: ignore[attr-defined]  # noqa: PLC0415 - it reads the environment
        GcsClient,
    )

    try:
        GcsClient(address=address).internal_kv_get(
            b"session_name", b"session", timeout=ASK_WITHIN_S
        )
    except Exception as error:
        if type(error).__name__ == "AuthenticationError":
            return False
        raise
    return True


class RayCarrier:
    """A cluster of Ray that exists, joined by this process."""

    def __init__(self, order: Order) -> None:
        """Join the cluster of `order`.

        Raises:
            ClusterError: it refuses, or this machine is no node of it.
        """
        os.environ.update(environment(order.token, order.tls))
        at = host_port.split(order.address)
        if at and at.is_loopback:
            os.environ.update(ON_LOOPBACK)
        import ray  # noqa: PLC0415 - it reads the environment when it is imported

        self._ray = ray
        self._order = order
        self._links: list[RayLink] = []
        try:
            ray.init(
                address=order.address,
                namespace=NAMESPACE,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
            )
        except Exception as error:  # Ray raises errors of many kinds here
            raise _as_cluster_error(error, order.address) from error
        options = {"max_restarts": 0, "max_task_retries": 0, "max_concurrency": THREADS}
        self._actor = ray.remote(**options)(RayHost)

    def host(self, needs: Needs, *, avoiding: frozenset[str] = frozenset()) -> RayLink:
        """Ask for a host; see `Carrier`."""
        options: dict[str, Any] = {"num_cpus": needs.cpus, "num_gpus": needs.gpus}
        if needs.memory_bytes:
            options["memory"] = needs.memory_bytes
        if avoiding:
            options["label_selector"] = {"ray.io/node-id": f"!in({','.join(sorted(avoiding))})"}
        told = {"cpus": needs.cpus, "gpus": needs.gpus, "cache_bytes": self._order.cache_bytes}
        link = RayLink(self._ray, self._actor.options(**options).remote(told))
        self._links.append(link)
        return link

    def nodes(self) -> list[Node]:
        """Return the machines that are alive; see `Carrier`."""
        try:
            found = self._ray.nodes()
        except Exception as error:
            raise _as_cluster_error(error, self._order.address) from error
        return [
            Node(
                id=one["NodeID"],
                name=one["NodeManagerHostname"],
                gpus=one["Resources"].get("GPU", 0.0),
                cpus=one["Resources"].get("CPU", 0.0),
                labels=one.get("Labels", {}),
            )
            for one in found
            if one["Alive"]
        ]

    def close(self) -> None:
        """Kill every host and leave the cluster."""
        for link in self._links:
            link.kill()
        self._ray.shutdown()


class RayLink:
    """One actor; see `pixd.cluster.carrier.Link`."""

    def __init__(self, ray: Any, actor: Any) -> None:
        """Hold an actor that may still wait for room."""
        self._ray, self._actor = ray, actor
        self._placed = actor.ping.remote()

    def is_placed(self) -> bool:
        """Tell whether it runs."""
        done, _ = self._ray.wait([self._placed], timeout=0)
        if not done:
            return False
        self._get(self._placed, 1.0)
        return True

    def call(self, method: str, *arguments: Any, within_s: float) -> Any:
        """Call a method and wait for what it returns."""
        try:
            asked = getattr(self._actor, method).remote(*arguments)
        except Exception as error:
            raise self._lost(error) from error
        return self._get(asked, within_s)

    def stream(self, method: str, *arguments: Any) -> Iterator[Any]:
        """Call a method that yields."""
        try:
            for one in (
                getattr(self._actor, method).options(num_returns="streaming").remote(*arguments)
            ):
                yield self._ray.get(one)
        except self._ray.exceptions.RayTaskError as error:
            raise _cause(error) from error
        except Exception as error:
            raise self._lost(error) from error

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(Exception):  # it is gone already, or the cluster is
            self._ray.kill(self._actor, no_restart=True)

    def _get(self, asked: Any, within_s: float) -> Any:
        try:
            return self._ray.get(asked, timeout=within_s)
        except self._ray.exceptions.RayTaskError as error:
            raise _cause(error) from error
        except self._ray.exceptions.GetTimeoutError:
            raise SilentError(f"no answer within {within_s:.0f} s") from None
        except Exception as error:
            raise self._lost(error) from error

    def _lost(self, error: Exception) -> LostError:
        known = _LOST.get(type(error).__name__)
        return LostError(f"{known} ({type(error).__name__})" if known else _first_line(error))


class RayHost(Host):
    """A host that knows the name of its node for Ray."""

    def about(self) -> dict[str, Any]:
        """Return what a host tells of its machine, and the id of the node."""
        import ray  # noqa: PLC0415 - only on a machine of the cluster

        return {**super().about(), "node_id": ray.get_runtime_context().get_node_id()}


def _cause(error: Any) -> PixdError:
    """Return what a method of a host raised, as it raised it."""
    cause = getattr(error, "cause", None)
    if cause is not None and (refused := RefusedError.made_of(cause)):
        return refused
    if isinstance(cause, PixdError):
        return cause
    return PixdError(f"a host failed: {_first_line(cause or error)}", advice=_INSTALL)


def _as_cluster_error(error: Exception, address: str) -> ClusterError:
    said = _first_line(error)
    advice = START
    if "ersion mismatch" in str(error):
        advice = "every machine needs the same versions of Ray and Python, to the last number"
    elif "uthentic" in str(error) or "token" in str(error).lower():
        advice = "every machine needs the same token: compare the files by their sha256sum"
    elif "Failed to connect to Ray cluster" in str(error):
        advice = (
            "somebody answers there, but not to us: is the token the same (sha256sum), is TLS on at"
            " both ends or at none, and is it the head of a cluster of Ray?"
        )
    elif "local raylet" in str(error).lower() or "node_ip_address" in str(error):
        advice = "this machine must be a node of the cluster: ray start --address ... --num-cpus 0"
    return ClusterError(f"the cluster at {address} cannot be joined: {said}", advice=advice)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
