"""Lists the pictures to prepare: makes jobs from folders, one folder at a time.

Promises that memory holds the names of only one folder, however many files there are. Names that
the service ignores (`pixd.folders.ignored`) are ignored here too, and so are the texts and tables
that lie beside pictures (`pixd.folders.companions`). The child that opens a name finds
out whether it is a picture or something else, such as a pipe.
"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pixd.folders.companions import HEAD_BYTES, is_companion, may_be_companion
from pixd.folders.ignored import is_ignored
from pixd.system import safe_open
from pixd.system.names import name_from_bytes, path_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Job(NamedTuple):
    """One picture or pair to make.

    Attributes:
        names: name text of the source in each of the folders.
        target: name text of the result, relative to the output folder.
    """

    names: tuple[str, ...]
    target: str


class Problem(NamedTuple):
    """A file or folder from which nothing can be made.

    Attributes:
        folder: which of the folders it is in.
        name: name text relative to it; "" for the folder itself.
        reason: why.
    """

    folder: int
    name: str
    reason: str


class Ignored(NamedTuple):
    """How many names of a folder are ignored."""

    names: int


Found = Job | Problem | Ignored


def singles(root: Path) -> Iterator[Found]:
    """Yield a job for each file. The target has the file's name, with the suffix .png."""
    for prefix, (names,) in _walk([root]):
        yield from _oddities(names)
        for stem, members in sorted(names.by_stem().items()):
            if len(members) > 1:
                for name in members:
                    reason = f"{len(members)} files are called {stem}: rename all but one"
                    yield Problem(0, prefix + name, reason)
            else:
                yield Job((prefix + members[0],), f"{prefix}{stem}.png")


def pairs(roots: Sequence[Path]) -> Iterator[Found]:
    """Yield a job for each stem that exists exactly once in both folders, at the same place."""
    for prefix, sides in _walk(roots):
        stems = [side.by_stem() for side in sides]
        for side in sides:
            yield from _oddities(side)
        for stem in sorted(stems[0].keys() | stems[1].keys()):
            members = [side.get(stem, []) for side in stems]
            if [len(found) for found in members] == [1, 1]:
                yield Job((prefix + members[0][0], prefix + members[1][0]), f"{prefix}{stem}.png")
                continue
            for number, found in enumerate(members):
                for name in found:
                    reason = _unpaired(stem, len(found), len(members[1 - number]), roots, number)
                    yield Problem(number, prefix + name, reason)


def files(root: Path) -> Iterator[Found]:
    """Yield a job for each file. The target has the file's own name."""
    for prefix, (names,) in _walk([root]):
        yield from _oddities(names)
        yield from (Job((prefix + name,), prefix + name) for name in names.files)


def _unpaired(stem: str, here: int, there: int, roots: Sequence[Path], number: int) -> str:
    if here > 1:
        return f"{here} files are called {stem}: keep one"
    other = roots[1 - number]
    if there:
        return f"{there} files in {other} are called {stem}: keep one"
    return f"no partner: {stem} with any suffix is missing in {other}"


class _Names:
    """The names in one folder below one root."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.folders: list[str] = []
        self.ignored = 0
        self.problem: Problem | None = None

    def by_stem(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for name in self.files:
            found[name.rpartition(".")[0] or name].append(name)
        return found


def _oddities(names: _Names) -> Iterator[Found]:
    if names.ignored:
        yield Ignored(names.ignored)
    if names.problem:
        yield names.problem


def _walk(roots: Sequence[Path]) -> Iterator[tuple[str, list[_Names]]]:
    """Yield each folder that any root has: its name with a slash, and what each root has there."""
    folders = [""]
    while folders:
        prefix = folders.pop()
        found = [_list(root, prefix, number) for number, root in enumerate(roots)]
        below = {name for side in found for name in side.folders}
        folders += sorted((f"{prefix}{name}/" for name in below), reverse=True)
        yield prefix, found


def _list(root: Path, prefix: str, number: int) -> _Names:
    found = _Names()
    try:
        with os.scandir(path_in(root, prefix)) as entries:
            for entry in entries:
                if is_ignored(entry.name):
                    found.ignored += 1
                    continue
                is_folder = entry.is_dir(follow_symlinks=False)
                name = name_from_bytes(os.fsencode(entry.name))
                if not is_folder and _is_companion(root, prefix + name):
                    found.ignored += 1
                    continue
                (found.folders if is_folder else found.files).append(name)
    except FileNotFoundError:
        pass  # only the other root has it, or it was just removed
    except OSError as error:
        found.problem = Problem(number, prefix, f"cannot be read: {error.strerror}")
    found.files.sort()
    return found


def _is_companion(root: Path, name: str) -> bool:
    if not may_be_companion(name):
        return False
    try:
        with os.fdopen(safe_open.open_regular(root, name), "rb") as file:
            return is_companion(name, file.read(HEAD_BYTES))
    except (OSError, safe_open.NotRegularError):
        return False  # the child says why it is no picture
