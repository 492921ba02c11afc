"""The settings as a config.yaml that sets every key, for `pixd check-config`."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pixd.config.settings import Settings

_ANY_WIDTH = 1_000_000  # characters: no line is folded


def effective_yaml(settings: Settings) -> str:
    """Write the settings as a config.yaml that sets every key. Reading it gives them back."""
    tree = _as_mapping(settings, leave_out=("path", "pipelines")) | {
        "pipelines": {
            pipeline.name: _as_mapping(pipeline, leave_out=("name",))
            for pipeline in settings.pipelines
        },
    }
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=_ANY_WIDTH)


def _as_mapping(settings: Any, leave_out: tuple[str, ...] = ()) -> dict[str, object]:
    mapping: dict[str, object] = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if field.name in leave_out or value in (None, ""):  # "" is no value of any key
            continue
        if is_dataclass(value):
            mapping[field.name] = _as_mapping(value)
        elif isinstance(value, float) and value.is_integer():
            mapping[field.name] = int(value)
        elif isinstance(value, tuple):
            mapping[field.name] = list(value)
        else:
            mapping[field.name] = str(value) if isinstance(value, Path) else value
    return mapping
