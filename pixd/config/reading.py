"""Reads the keys of a settings class by their rules, which stand next to their defaults.

Leaves to others: rules for two keys (`pixd.config.load` and the modules of its sections).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import Field, fields
from typing import Any

from pixd.config.document import Section
from pixd.config.rules import Choice, Flag, Number, Whole, WordOrWhole, rule_of


def read_keys(section: Section, of: type, *, but: Collection[str] = ()) -> dict[str, Any]:
    """Read every key of a settings class that has a rule, except those in `but`."""
    return {
        field.name: _read_by_rule(section, field)
        for field in fields(of)
        if field.name not in but and rule_of(field) is not None
    }


def read_key(section: Section, of: type, name: str, *, default: object = None) -> Any:
    """Read one key of a settings class; `default` replaces the usual one."""
    return _read_by_rule(section, _field(of, name), default)


def default_of(of: type, name: str) -> Any:
    """Return the default of a key."""
    return _field(of, name).default


def _field(of: type, name: str) -> Field[Any]:
    return next(field for field in fields(of) if field.name == name)


def _read_by_rule(section: Section, field: Field[Any], default: Any = None) -> Any:
    name = field.name
    default = field.default if default is None else default
    match rule_of(field):
        case Choice(allowed):
            return section.choice(name, default, allowed)
        case Whole(low, high):
            return section.integer(name, default, low, high)
        case Number(low, high, above_low, below_high):
            return section.number(
                name, default, low, high, above_low=above_low, below_high=below_high
            )
        case WordOrWhole(allowed, low, high):
            return section.word_or_integer(name, default, allowed, low, high)
        case Flag():
            return section.boolean(name, default)
    raise AssertionError(f"{name} has no rule")
