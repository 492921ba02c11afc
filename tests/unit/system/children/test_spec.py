"""Run specs and results survive JSON, and what is not known is refused with a clear message."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pixd.system.children import spec as specs
from pixd.system.children.spec import (
    SCHEMA,
    DecodeSpec,
    Result,
    SpecError,
    TrainSpec,
    from_json,
    result_from_json,
    result_to_json,
    to_json,
)
from pixd.system.children.spec_parts import Pair

PAIR: Pair = {"name": "a", "images": ["/a"], "digests": ["sha256:a"]}
TRAIN = TrainSpec(
    run_id="7",
    scratch="/s",
    recipe={"steps": 4},
    train=[PAIR],
    held_out=[{**PAIR, "is_common": True}],
    checkpoints="/c",
    device="cpu",
    checkpoint_every_s=60,
    checkpoint_every_steps=1000,
    live_model={"folder": "/m", "digest": "sha256:m"},
)


def travelled(document: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(json.dumps(document)))


def changed(**fields: Any) -> dict[str, Any]:
    document = {**travelled(to_json(TRAIN)), **fields}
    return {name: value for name, value in document.items() if value != "left out"}


def test_a_spec_and_a_result_come_back_as_they_went() -> None:
    assert from_json(travelled(to_json(TRAIN)), TrainSpec) == TRAIN
    result = Result(run_id="7", step=4, outputs=[], metrics={"l1": 1.5})
    assert result_from_json(travelled(result_to_json(result))) == result


def test_every_kind_has_one_class() -> None:
    assert len(specs.KINDS) == 10
    assert all(kind == of.kind for kind, of in specs.KINDS.items())


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "the run spec is no JSON object"),
        (changed(schema=SCHEMA - 1), f"the run spec is of schema {SCHEMA - 1}, not {SCHEMA}"),
        (changed(schema="left out"), f"the run spec is of schema None, not {SCHEMA}"),
        (changed(kind="dream"), "the run spec is of an unknown kind: 'dream'"),
        (changed(kind="left out"), "the run spec is of an unknown kind: None"),
        (to_json(DecodeSpec()), "the run spec is decode, not train"),
        (changed(device="left out", train="left out"), "the run spec lacks device, train"),
        (changed(colour=1), "the run spec has unknown fields: colour"),
        (
            changed(train=[{"name": "a", "images": []}]),
            "an entry of train in the run spec lacks digests",
        ),
        (
            changed(held_out=[{**PAIR, "size": 1}]),
            "an entry of held_out in the run spec has unknown fields: size",
        ),
        (changed(train=["a"]), "an entry of train in the run spec is no JSON object"),
        (
            changed(live_model={"folder": "/m"}),
            "an entry of live_model in the run spec lacks digest",
        ),
    ],
)
def test_what_a_child_does_not_know_is_refused(document: object, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        from_json(document, TrainSpec)
    assert caught.value.message == message
    assert "restart the service" in caught.value.advice


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "the result is no JSON object"),
        ({"schema": 0}, f"the result is of schema 0, not {SCHEMA}"),
        ({"schema": SCHEMA, "score": 1}, "the result has unknown fields: score"),
        (
            {"schema": SCHEMA, "outputs": [{"role": "card"}]},
            "an entry of outputs in the result lacks path, sha256, size",
        ),
    ],
)
def test_a_result_that_is_not_known_is_refused(document: object, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        result_from_json(document)
    assert caught.value.message == message
