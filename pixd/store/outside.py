"""The note outside the store: which store a configuration had, and which pixd waits for it.

When a store's disk is away, nothing in the store can be asked. So the service keeps a small file in
another place, holds its lock while it runs, and writes there why it waits. The file is beside
config.yaml, as ``.config.yaml.pixd``, where it moves and is copied with the project. Where that
folder cannot be written, it is in systemd's state folder, or in ``$XDG_STATE_HOME/pixd``, named by
the configuration's real path.

It is a help and no record: without it, pixd works, and recognizes an empty place by its outputs.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SYSTEM_STATE = Path("/var/lib/pixd")
"""What StateDirectory= in systemd/pixd.service makes; only the service's own environment names it."""
MOST_BYTES = 1 << 16
_BLOCK_BYTES = 4096  # written at once, padded, so that a reader never sees half a note


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is known of a configuration's store without the store.

    Attributes:
        identity: of the store that was opened last; "" where none was.
        path: where it was.
        pid: of the service that wrote this.
        at: when it did, RFC 3339.
        blocked: why it waits for the store, or "".
        advice: what to do about that.
    """

    identity: str = ""
    path: str = ""
    pid: int = 0
    at: str = ""
    blocked: str = ""
    advice: str = ""


def places(config: Path) -> Iterator[Path]:
    """Yield where the note of a configuration may be, the best first."""
    real = Path(os.path.realpath(config))
    yield real.parent / f".{real.name}.pixd"
    for folder in _state_folders():
        if os.path.isdir(folder):  # noqa: PTH112 - false, and no error, where one may not look
            # Two checksums and no digest: `pixd status` is light, and imports no hashlib.
            path = os.fsencode(real)
            yield folder / f"{zlib.crc32(path):08x}{zlib.adler32(path):08x}.pixd"


def _state_folders() -> list[Path]:
    """Return the folders for the notes of configurations whose own folder cannot be written."""
    named = os.environ.get("STATE_DIRECTORY", "").split(":")
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")  # noqa: PTH111
    return [*(Path(one) for one in named if one), SYSTEM_STATE, Path(home) / "pixd"]


def read(config: Path) -> tuple[Note, int | None]:
    """Return the newest note of a configuration, and the pid of the service that holds it now."""
    newest = Note()
    for place in places(config):
        try:
            fd = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            note = _parse(os.pread(fd, MOST_BYTES, 0))
            if _is_held(fd):
                return note, note.pid
        except OSError:
            continue
        finally:
            os.close(fd)
        if note.at >= newest.at:
            newest = note
    return newest, None


class OutsideNote:
    """The note of one configuration, for the service that serves it."""

    def __init__(self, config: Path) -> None:
        """Take the note's lock where it can be had; without it, nothing is written."""
        self._config = config
        self._fd: int | None = None
        self.last, self.holder = read(config)
        if self.holder is None:
            self._hold()

    def write(self, note: Note) -> None:
        """Write what is known now. A disk that refuses is passed over: this is only a help."""
        self.last = note
        if self._fd is None or not self._is_there():
            self._hold()
        if self._fd is None:
            return
        text = json.dumps(asdict(note), sort_keys=True).encode()
        text = text.ljust((len(text) // _BLOCK_BYTES + 1) * _BLOCK_BYTES)
        with contextlib.suppress(OSError):
            os.pwrite(self._fd, text, 0)
            os.ftruncate(self._fd, len(text))
            os.fsync(self._fd)

    def close(self) -> None:
        """Let go of the note; its text stays."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _is_there(self) -> bool:
        """Tell whether the note is in its place still. Its disk may be gone too."""
        assert self._fd is not None  # only asked of one that is open
        mine = os.fstat(self._fd)
        for place in places(self._config):
            with contextlib.suppress(OSError):
                found = place.stat()
                if (found.st_dev, found.st_ino) == (mine.st_dev, mine.st_ino):
                    return True
        return False

    def _hold(self) -> None:
        """Open and lock the note in the best place that can be written, if there is one."""
        self.close()
        if not os.path.isdir(self._config.parent):  # noqa: PTH112 - as above
            # The whole project is away. A note elsewhere would be taken for that of another
            # project, made later under the same name.
            return
        if not any(self._take(place) for place in places(self._config)):
            with contextlib.suppress(OSError):  # it is there, or there is no home
                _state_folders()[-1].mkdir()
            any(self._take(place) for place in places(self._config))

    def _take(self, place: Path) -> bool:
        """Tell whether a place will do: its note is ours, or will be when its reader is through."""
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            fd = os.open(place, flags, 0o644)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
        else:
            self._fd = fd
        return True


def _is_held(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _parse(data: bytes) -> Note:
    """Return the note, or an empty one where it is none: another version's keys are ignored."""
    try:
        found = json.loads(data)
    except ValueError:
        return Note()
    if not isinstance(found, dict):
        return Note()
    kinds = asdict(Note())
    return Note(**{k: v for k, v in found.items() if k in kinds and type(v) is type(kinds[k])})
