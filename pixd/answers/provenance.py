"""A trace in forms that other tools read: OpenLineage run events and W3C PROV-JSON.

Source: https://openlineage.io/spec/2-0-2/OpenLineage.json and
https://www.w3.org/Submission/2013/SUBM-prov-json-20130424/.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pixd

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PRODUCER = "https://pypi.org/project/pixd/"
_RUN_EVENT = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACET = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunFacet"
_DATASET_FACET = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetFacet"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, PRODUCER)


def openlineage(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one COMPLETE event for each run in a trace, in the order in which they ran."""
    events: dict[str, dict[str, Any]] = {}
    for model in _models(found):
        run = model["training_run"]
        inputs = [
            _dataset(model["pipeline"], f"training/{file['path']}", file["digest"])
            for part in model["dataset"]["pairs"].values()
            for pair in part
            for file in pair["files"]
        ]
        output = _dataset(model["pipeline"], model["name"], model["digest"])
        events[run["key"]] = _event(model["pipeline"], run, inputs, [output])
    for made in _made(found):
        inputs = []
        if "input" in made:
            path = f"input/{made['input']['path']}"
            inputs.append(_dataset(made["pipeline"], path, made["input"]["digest"]))
        if "digest" in made.get("model", {}):
            name = made["model"].get("name", "model")
            inputs.append(_dataset(made["pipeline"], name, made["model"]["digest"]))
        digest = made.get("digest", found.get("digest", ""))
        output = _dataset(made["pipeline"], f"output/{made.get('path', 'image')}", digest)
        events[made["run"]["key"]] = _event(made["pipeline"], made["run"], inputs, [output])
    return list(events.values())


def prov(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a PROV-JSON document: contents are entities, runs activities, pixd the agent."""
    entity: dict[str, Any] = {}
    activity: dict[str, Any] = {}
    used: dict[str, Any] = {}
    generated: dict[str, Any] = {}
    agent = f"pixd:agent/{pixd.__version__}"
    associated: dict[str, Any] = {}
    for event in openlineage(found):
        facts = event["run"]["facets"]["pixd"]
        act = f"pixd:run/{facts['key'].removeprefix('sha256:')}"
        activity[act] = {
            "prov:startTime": facts["started_at"],
            "prov:endTime": event["eventTime"],
            "pixd:kind": facts["kind"],
            "pixd:reason": facts["reason"],
            "pixd:change": facts["change_id"],
        }
        associated[f"_:a{len(associated)}"] = {"prov:activity": act, "prov:agent": agent}
        for side, relation in (("inputs", used), ("outputs", generated)):
            for dataset in event[side]:
                digest = dataset["facets"]["pixd"]["digest"]
                name = f"pixd:content/{digest.removeprefix('sha256:')}"
                entity[name] = {"prov:label": dataset["name"], "pixd:sha256": digest}
                relation[f"_:{side[0]}{len(relation)}"] = {
                    "prov:activity": act,
                    "prov:entity": name,
                }
    return {
        "prefix": {"pixd": PRODUCER + "#", "prov": "http://www.w3.org/ns/prov#"},
        "agent": {agent: {"prov:type": "prov:SoftwareAgent", "prov:label": "pixd"}},
        "entity": entity,
        "activity": activity,
        "used": used,
        "wasGeneratedBy": generated,
        "wasAssociatedWith": associated,
    }


def _made(found: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from found.get("outputs", ())
    yield from found.get("made_by", ())


def _models(found: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "model" in found:
        yield found["model"]
    for made in _made(found):
        if "training_run" in made.get("model", {}):
            yield made["model"]


def _event(
    pipeline: str, run: Mapping[str, Any], inputs: list[Any], outputs: list[Any]
) -> dict[str, Any]:
    facts = {
        name: run[name]
        for name in ("key", "kind", "reason", "change_id", "started_at", "recipe", "environment")
    }
    return {
        "eventType": "COMPLETE",
        "eventTime": run["finished_at"],
        # A run has the same id in every export.
        "run": {
            "runId": str(uuid.uuid5(_NAMESPACE, f"{pipeline}/{run['key']}")),
            "facets": {"pixd": {"_producer": PRODUCER, "_schemaURL": _FACET, **facts}},
        },
        "job": {"namespace": f"pixd/{pipeline}", "name": run["kind"]},
        "inputs": inputs,
        "outputs": outputs,
        "producer": PRODUCER,
        "schemaURL": _RUN_EVENT,
    }


def _dataset(pipeline: str, name: str, digest: str) -> dict[str, Any]:
    facet = {"_producer": PRODUCER, "_schemaURL": _DATASET_FACET, "digest": digest}
    return {"namespace": f"pixd/{pipeline}", "name": name, "facets": {"pixd": facet}}
