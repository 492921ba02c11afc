"""What a bridge is told by the service, as JSON.

The order is the run spec of the bridge: which cluster, what a host needs, and the run spec of the real
child. What a bridge tells of the cluster is in `pixd.cluster.report`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pixd.cluster.carrier import Needs
from pixd.system.children.spec import SCHEMA, TrainSpec, TranslateSpec, from_json, to_json
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixd.config import RaySettings

MODULE: Final = "pixd.cluster.bridge"
_SPECS: Final = {spec.kind: spec for spec in (TrainSpec, TranslateSpec)}


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a bridge does.

    Attributes:
        carrier: ``module:name`` of the carrier's class; it is called with the order.
        address: of the cluster's head.
        token: path of the file with its token.
        tls: path of the folder with certificates, or "".
        silent_s: a host that is not heard for so many seconds is given up.
        cache_bytes: bound of the cache of a machine.
        needs: what a host asks of a machine.
        most: how many hosts at once.
        module: of the real child.
        nice: how much to lower its priority.
        spec: its run spec.
    """

    carrier: str
    address: str
    token: str
    tls: str
    silent_s: float
    cache_bytes: int
    needs: Needs
    most: int
    module: str
    nice: int
    spec: TrainSpec | TranslateSpec

    @property
    def scratch(self) -> Path:
        """The bridge's folder; what the child would leave there appears there."""
        return Path(self.spec.scratch)


def order_of(ray: RaySettings, module: str, spec: TrainSpec | TranslateSpec, nice: int) -> Order:
    """Return the order for a child that the service asks for."""
    is_training = isinstance(spec, TrainSpec)
    part = ray.train if is_training else ray.translate
    return Order(
        carrier="pixd.cluster.ray_carrier:RayCarrier",
        address=ray.address,
        token=str(ray.token or ""),
        tls=str(ray.tls or ""),
        silent_s=ray.silent_seconds,
        cache_bytes=ray.cache_bytes,
        needs=Needs(gpus=part.gpus, cpus=part.cpus, memory_bytes=part.memory_bytes),
        most=1 if is_training else ray.translate.most,
        module=module,
        nice=nice,
        spec=spec,
    )


def to_document(order: Order) -> dict[str, Any]:
    """Return an order as values for JSON."""
    values = {one.name: getattr(order, one.name) for one in dataclasses.fields(order)}
    values["needs"] = dataclasses.asdict(order.needs)
    values["spec"] = to_json(order.spec)
    return {"schema": SCHEMA, "kind": "bridge", **values}


def from_document(document: Mapping[str, Any]) -> Order:
    """Return the order that `to_document` wrote.

    Raises:
        PixdError: it is of another version of pixd.
    """
    fields = dict(document)
    if (fields.pop("kind", None), fields.pop("schema", None)) != ("bridge", SCHEMA):
        raise PixdError(
            "this is no order for a bridge of this version",
            advice="restart the service, so that it and its children are of one version",
        )
    spec = from_json(fields["spec"], _SPECS[fields["spec"]["kind"]])
    return Order(**{**fields, "needs": Needs(**fields["needs"]), "spec": spec})
