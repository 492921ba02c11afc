"""What a unit says of a folder or a word, written so that systemd reads exactly what is meant.

Pure, except that it resolves symbolic links.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixd.system import mounts
from pixd.system.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_HOMES = tuple(Path(p) for p in ("/home", "/root", "/run/user"))  # emptied by ProtectHome=
_EMPTIED = (*_HOMES, Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - emptied by PrivateTmp=


def is_emptied(path: Path) -> bool:
    """Tell whether a unit of the machine sees `path` only where it is bound into its view."""
    return _is_in(Path(mounts.find(path).path), _EMPTIED) or _is_in(path, _EMPTIED)


@dataclass(frozen=True, slots=True)
class View:
    """One folder as a unit sees it.

    Attributes:
        path: as the configuration names it.
        is_writable: whether the unit may write there.
        why: what it is for, in a line.
    """

    path: Path
    is_writable: bool
    why: str

    @property
    def hides_home(self) -> bool:
        """Whether it is in a home, so that the unit needs the drop-in for homes."""
        return _is_in(self.path, _HOMES) or _is_in(self._real, _HOMES)

    @property
    def _real(self) -> Path:
        return Path(mounts.find(self.path).path)

    def lines(self) -> str:
        """Return the setting that gives the unit this view, below a comment with its reason.

        The "-" is for missing folders: pixd reports them in words, but without it systemd would
        end the start with status=226/NAMESPACE.
        """
        text = f"# {self.why}\n"
        if _is_in(self.path, _EMPTIED):
            # Mounted where the configuration says, from where it really is.
            places = [f"-{self._real}"] + [str(self.path)] * (self._real != self.path)
        elif _is_in(self._real, _EMPTIED):
            places = [f"-{self._real}"]  # a link from outside leads there
        else:
            name = "ReadWritePaths" if self.is_writable else "ReadOnlyPaths"
            return f"{text}{name}={quoted(f'-{self.path}')}\n"
        name = "BindPaths" if self.is_writable else "BindReadOnlyPaths"
        return f"{text}{name}={':'.join(quoted(place) for place in places)}\n"


def quoted(word: str, *, is_command: bool = False) -> str:
    """Write a word of a unit file so that systemd reads exactly it.

    Args:
        word: the text that is meant.
        is_command: whether it is for an Exec line, where "$" names a variable.

    Raises:
        UsageError: it holds a line break or another control character.

    Source: systemd.syntax(7) "Quoting", systemd.unit(5) "Specifiers", systemd.service(5)
        "Command lines".
    """
    if not word.isprintable():
        raise UsageError(
            f"{word!a} cannot be written in a systemd unit",
            advice="rename the folder without line breaks and control characters",
        )
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    if is_command:
        text = text.replace("$", "$$")
    is_plain = all(c.isalnum() or c in "/._-+@=,%$" for c in word)
    return text if is_plain else f'"{text}"'


def _is_in(path: Path, folders: Sequence[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)
