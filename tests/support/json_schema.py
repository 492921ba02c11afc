"""A small strict reading of JSON Schema 2020-12: what the schemas of pixd use, and no more.

Stricter than the standard in one way: a key that a schema does not name is a fault, so that
nothing is printed that is not documented. A keyword that is not known here is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "null": lambda v: v is None,
}
# keyword: (value, argument) -> whether it is as the argument asks
RULES: dict[str, Callable[[Any, Any], bool]] = {
    "type": lambda v, names: any(
        TYPES[name](v) for name in (names if isinstance(names, list) else [names])
    ),
    "const": lambda v, only: bool(v == only),
    "enum": lambda v, some: v in some,
    "minimum": lambda v, least: bool(v >= least),
    "minLength": lambda v, least: len(v) >= least,
    "pattern": lambda v, pattern: re.search(pattern, v) is not None,
    "required": lambda v, keys: set(keys) <= set(v),
}
NOTES = {"$schema", "$defs", "title", "description"}
INSIDE = {"$ref", "oneOf", "items", "properties", "additionalProperties"}


class Schema:
    """One schema file."""

    def __init__(self, tree: dict[str, Any]) -> None:
        self._root = tree

    def faults(self, value: Any) -> list[str]:
        """Return what is wrong with `value`, each with its place."""
        return list(self._faults(value, self._root, ""))

    def _faults(self, value: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
        unknown = set(schema) - set(RULES) - NOTES - INSIDE
        assert not unknown, f"this reading does not know {unknown}"
        asked = [keyword for keyword in RULES if keyword in schema]  # the type first
        for keyword in asked:
            if not RULES[keyword](value, schema[keyword]):
                yield f"{at}: {value!r} is not as {keyword} {schema[keyword]} asks"
                return
        if "$ref" in schema:
            found = self._root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
            yield from self._faults(value, found, at)
        if "oneOf" in schema:
            tried = [list(self._faults(value, option, at)) for option in schema["oneOf"]]
            if sum(not found for found in tried) != 1:
                yield f"{at}: not exactly one of {tried}"
        if "items" in schema:
            for number, member in enumerate(value):
                yield from self._faults(member, schema["items"], f"{at}[{number}]")
        if "properties" in schema or "additionalProperties" in schema:
            yield from self._keys(value, schema, at)

    def _keys(self, value: dict[str, Any], schema: dict[str, Any], at: str) -> Iterator[str]:
        for key, member in value.items():
            known = schema.get("properties", {}).get(key) or schema.get("additionalProperties")
            if known:
                yield from self._faults(member, known, f"{at}.{key}")
            else:
                yield f"{at}.{key}: is not in the schema"
