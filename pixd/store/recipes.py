"""How a recipe is kept and compared: its body, its digest, its difference from another."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pixd.system.digests import canonical_json, digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping


def recipe_digest(stage: str, settings: Mapping[str, Any]) -> str:
    """Return the digest under which the store keeps a recipe."""
    return digest_of(recipe_body(stage, settings).encode())


def recipe_body(stage: str, settings: Mapping[str, Any]) -> str:
    """Return the canonical JSON of a recipe."""
    return canonical_json({"stage": stage, **settings})


def recipe_difference(old: str, new: Mapping[str, Any]) -> list[str]:
    """Say how a recipe differs from an older one, as "l1_weight 100 -> 50".

    Args:
        old: the canonical JSON of the older recipe.
        new: the newer settings.
    """
    before = json.loads(old)
    return [
        f"{name} {_value(before.get(name))} -> {_value(new.get(name))}"
        for name in sorted((before.keys() | new.keys()) - {"stage", "digest"})
        if before.get(name) != new.get(name)
    ]


def _value(value: Any) -> str:
    return "unset" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
