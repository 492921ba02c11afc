"""What a key of config.yaml may be set to; written next to its default in `pixd.config.settings`.

It does not import YAML, because many modules import the settings and do not read the file. Leaves
to others: reading a value by its rule, and rules for two keys (`pixd.config.load`).
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field
from typing import Any

RULE = "rule"  # its name in the metadata of a field


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these words."""

    allowed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number, both ends allowed."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Number:
    """A number; `above_low` and `below_high` leave the end out."""

    low: float
    high: float
    above_low: bool = False
    below_high: bool = False


@dataclass(frozen=True, slots=True)
class WordOrWhole:
    """One of these words, or a whole number, both ends allowed."""

    allowed: tuple[str, ...]
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""


Rule = Choice | Whole | Number | WordOrWhole | Flag


def key(default: object, rule: Rule) -> Any:
    """Return the field of a settings class for a key with a default and a rule."""
    return field(default=default, metadata={RULE: rule})


def rule_of(of: Field[Any]) -> Rule | None:
    """Return the rule of a field, or None: what is read in another way."""
    rule: Rule | None = of.metadata.get(RULE)
    return rule
