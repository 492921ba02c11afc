"""What the store knows of the files of a watched folder, by name and by sub-folder. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pixd.folders.scan import ScanResult
    from pixd.store.known_file import KnownFile


class KnownFiles(dict[str, "KnownFile"]):
    """The known files by name text.

    It also knows which names are below which sub-folder. When a name is gone, the watch cannot say
    whether it was a file or a folder. A program that writes each file under a temporary name leaves
    one such name for each, and going through all known names every time would take the square of
    their number.
    """

    def __init__(self) -> None:
        """Know of none."""
        super().__init__()
        self._files: dict[str, set[str]] = {}  # by sub-folder: the names directly in it
        self._folders: dict[str, set[str]] = {}  # by sub-folder: the folders directly in it

    def below(self, folder: str) -> Iterator[str]:
        """Yield the names below a sub-folder; none where there is no such folder."""
        folders = [folder]
        while folders:
            one = folders.pop()
            yield from self._files.get(one, ())
            folders += self._folders.get(one, ())

    def vanished(self, found: ScanResult) -> list[str]:
        """Return the names that are not files any more by a scan of the whole folder."""
        return [
            name
            for name, known in self.items()
            if name not in found.files
            and name not in found.unreadable
            and not found.hides(name)
            and (name not in found.special or known.has_content)
        ]

    def fill(self, files: Mapping[str, KnownFile]) -> None:
        """Know of these files, and of no others."""
        self.clear()
        for name, file in files.items():
            self[name] = file

    def update(self, files: Mapping[str, KnownFile]) -> None:  # type: ignore[override]
        """Know of these files too."""
        for name, file in files.items():
            self[name] = file

    def put_back(self, name: str, before: KnownFile | None) -> None:
        """Know of a file what was known before; None: nothing."""
        if before is None:
            del self[name]
        else:
            self[name] = before

    def clear(self) -> None:
        """Know of none."""
        super().clear()
        self._files.clear()
        self._folders.clear()

    def __setitem__(self, name: str, file: KnownFile) -> None:
        """Know of a file."""
        if name not in self:
            self._add(name)
        super().__setitem__(name, file)

    def __delitem__(self, name: str) -> None:
        """Forget a file."""
        super().__delitem__(name)
        self._remove(name)

    def _add(self, name: str) -> None:
        folder = name.rpartition("/")[0]
        if not folder:
            return
        if folder in self._files:
            self._files[folder].add(name)
            return
        self._files[folder] = {name}
        while above := folder.rpartition("/")[0]:
            self._folders.setdefault(above, set()).add(folder)
            folder = above

    def _remove(self, name: str) -> None:
        folder = name.rpartition("/")[0]
        if folder:
            self._files[folder].discard(name)
        while folder and not self._files.get(folder) and not self._folders.get(folder):
            self._files.pop(folder, None)
            self._folders.pop(folder, None)
            above = folder.rpartition("/")[0]
            if above:
                self._folders[above].discard(folder)
            folder = above
