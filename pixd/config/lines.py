"""On which line of config.yaml each key is set, for who shows the settings in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from pixd.config.document import compose

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def lines_of(path: Path) -> dict[str, int]:
    """Return the line of each key that a file sets, by its dotted name.

    Raises:
        ConfigError: the file is no YAML.
        OSError: it cannot be read.
    """
    return dict(_lines(compose(path.read_text("utf-8-sig"), str(path)), ""))


def _lines(node: yaml.Node | None, where: str) -> Iterator[tuple[str, int]]:
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            name = f"{where}.{key.value}" if where else str(key.value)
            yield name, key.start_mark.line + 1
            yield from _lines(value, name)
