"""The folders that config.yaml names: their absolute paths, and whether two overlap.

Leaves to others: whether they exist (`pixd doctor` and the service).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from pixd.config.document import Problem, Section


class _Folder(NamedTuple):
    """One path of the file, with the place where it is set."""

    line: int
    key: str
    real: Path


class Folders:
    """The folders that the file names, so that each can be compared with all others."""

    def __init__(self, base: Path) -> None:
        """Read no path yet; relative ones are relative to `base`."""
        self._base = base
        self._read: list[_Folder] = []
        self._metrics: _Folder | None = None

    def read(self, section: Section, name: str, default: str | None = None) -> Path:
        """Return a folder's absolute path, or the base where it has a problem."""
        text = section.path_text(name, default)
        if text is None:
            return self._base
        path = self._absolute(text)
        real = Path(os.path.realpath(path))
        self._read.append(_Folder(section.line_of(name), section.dotted(name), real))
        # "a/../b" is written as "b" where no symlink makes that another folder.
        short = os.path.normpath(path)
        return Path(short) if Path(os.path.realpath(short)) == real else path

    def read_metrics(self, root: Section) -> Path | None:
        """Return the absolute path of the metrics file, or None where none is wanted."""
        if "metrics" not in root:
            root.path_text("metrics", "")  # so that it is a known key
            return None
        text = root.path_text("metrics", "", expected="the path of a file that ends in .prom")
        if not text:
            return None
        if not text.endswith(".prom"):
            root.note("metrics", f'expected the path of a file that ends in .prom, got "{text}"')
            return None
        path = Path(os.path.normpath(self._absolute(text)))
        real = Path(os.path.realpath(path))
        self._metrics = _Folder(root.line_of("metrics"), "metrics", real)
        return path

    def _absolute(self, text: str) -> Path:
        return self._base / (os.path.expanduser(text) if text.startswith("~/") else text)  # noqa: PTH111 - Path.expanduser raises without a home

    def overlaps(self) -> Iterator[Problem]:
        """Find folders that are the same or inside one another, by real path.

        An output inside an input would be translated again for ever. A store inside a watched
        folder would change the folder whenever it records a change.
        """
        for one, two in combinations(self._read, 2):
            if one.real == two.real:
                text = f"expected a folder of its own, got the same one as {one.key}: {two.real}"
            elif two.real.is_relative_to(one.real):
                text = f"expected a folder outside {one.key}, got {two.real}, inside {one.real}"
            elif one.real.is_relative_to(two.real):
                text = (
                    f"expected a folder that does not hold {one.key} ({one.real}), got {two.real}"
                )
            else:
                continue
            yield Problem(two.line, two.key, text)
        for folder in self._read:
            if self._metrics and self._metrics.real.is_relative_to(folder.real):
                text = f"expected a file outside {folder.key}, got {self._metrics.real}"
                yield Problem(self._metrics.line, "metrics", text)
