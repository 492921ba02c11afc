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
from pixd.system import mounts

ASK_WITHIN_S = 3.0
"""How long to wait for a network file system that says where a path on it leads."""


class _Folder(NamedTuple):
    """One path of the file, with the place where it is set.

    `is_whole`: whether `real` is the real path. It is not if it would take a network file system to
    say so, and that was not asked or did not answer.
    """

    line: int
    key: str
    real: Path
    is_whole: bool = True


class Folders:
    """The folders that the file names, so that each can be compared with all others."""

    def __init__(self, base: Path, *, asks_network: bool = False) -> None:
        """Read no path yet.

        Args:
            base: relative paths are relative to it. Its own file system is known to answer.
            asks_network: whether to ask network file systems where a path leads, each for
                `ASK_WITHIN_S` at most. Without it none is touched.
        """
        self._base = base
        self._asks_network = asks_network
        self._trusted = frozenset({mounts.point_of(base)})
        self._silent: set[str] = set()  # mounts that have not answered
        self._read: list[_Folder] = []
        self._metrics: _Folder | None = None

    def read(self, section: Section, name: str, default: str | None = None) -> Path:
        """Return a folder's absolute path, or the base where it has a problem."""
        text = section.path_text(name, default)
        if text is None:
            return self._base
        path = self._absolute(text)
        place = mounts.find(path, trusted=self._trusted)
        is_whole = place.is_whole
        real = Path(place.path)
        if not is_whole and self._asks_network:
            real, is_whole = self._ask(path, real)
        self._read.append(_Folder(section.line_of(name), section.dotted(name), real, is_whole))
        # "a/../b" is written as "b" where no symlink makes that another folder. On a network file
        # system that is not asked, so that all commands write it alike.
        short = os.path.normpath(path)
        if place.is_whole:
            is_same = mounts.find(short, trusted=self._trusted).path == place.path
        else:
            is_same = ".." not in path.parts
        return Path(short) if is_same else path

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
        real = Path(mounts.find(path, trusted=self._trusted).path)
        self._metrics = _Folder(root.line_of("metrics"), "metrics", real)
        return path

    def read_apart(self, section: Section, name: str, expected: str) -> Path | None:
        """Return the absolute path of what is no folder of pixd's; None where none is named."""
        text = section.path_text(name, "", expected=expected)
        return Path(os.path.normpath(self._absolute(text))) if text else None

    def _ask(self, path: Path, real: Path) -> tuple[Path, bool]:
        """Return the real path, if its network file system answers, and whether it did."""
        point = mounts.point_of(path)
        answer = None if point in self._silent else _ask(path)
        if answer is None:
            self._silent.add(point)
            return real, False
        return answer, True

    def _absolute(self, text: str) -> Path:
        return self._base / (os.path.expanduser(text) if text.startswith("~/") else text)  # noqa: PTH111 - Path.expanduser raises without a home

    def overlaps(self) -> Iterator[Problem]:
        """Find folders that are the same or inside one another, by real path.

        An output inside an input would be translated again for ever. A store inside a watched
        folder would change the folder whenever it records a change.
        """
        for one, two in combinations([f for f in self._read if f.is_whole], 2):
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


def _ask(path: Path) -> Path | None:
    """Ask the network file system of a path for its real path; None if it does not answer."""
    # Only now: `pixd status` asks nobody, and need not pay for the import.
    from pixd.system.children.folder_calls import FolderCalls, NotAnsweringError  # noqa: PLC0415

    calls = FolderCalls(path)
    try:
        return Path(calls.call_slow(ASK_WITHIN_S, os.path.realpath, path))
    except (NotAnsweringError, OSError):
        return None
    finally:
        calls.close()
