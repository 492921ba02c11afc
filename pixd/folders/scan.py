"""What is in a watched folder right now: names and stamps, without reading a single file.

Promises: every name that is not ignored is listed once, as a regular file, as refused with the
reason, or as unreadable with the reason. The walk follows no symbolic link to a folder, even if
one takes a folder's place during the scan.

Leaves to others: opening a file, what counts as inside, and the risk that is accepted there
(`pixd.system.safe_open`); whether what was found is believed (`pixd.folders.hold`).
"""

from __future__ import annotations

import gc
import os
import stat as modes
import sys
from dataclasses import dataclass, field
from pathlib import Path

from pixd.folders.ignored import is_ignored
from pixd.images.formats import FORMATS
from pixd.system import libc
from pixd.system.names import name_from_bytes
from pixd.system.safe_open import (
    NotRegularError,
    check_regular,
    follow,
    is_absence,
    look_up,
    open_folder,
    open_root,
    parts_of,
    reason_of,
    root_gone,
    surprise,
)
from pixd.system.stamps import (
    LEAST,
    MOST,
    FileStamp,
    RootIdentity,
    pack_stamp,
    stamp_fields,
    stamp_from,
    wrapped,
)

_IS_UTF8 = sys.getfilesystemencoding().lower().replace("-", "") == "utf8"
_IMAGE_ENDINGS = frozenset(
    end[-4:] for kind in FORMATS for ending in kind.endings for end in (ending, ending.upper())
)
"""The last four letters of common image names. None of them ends an ignored name."""


@dataclass(slots=True)
class ScanResult:
    """What one look at a folder found. Every name is in exactly one of the three mappings.

    Attributes:
        files: name text of every regular file, with its stamp.
        ignored: how many names the ignore rules left out; an ignored folder counts once.
        special: names that are refused for what they are, with the reason.
        unreadable: names that could not be looked at, with the reason; a folder here may
            hide files, so that nothing is known about those below it (`hides`).
        folders: how many folders were walked, the root included.
        identity: the folder that was looked at.
    """

    files: dict[str, FileStamp] = field(default_factory=dict)
    ignored: int = 0
    special: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    folders: int = 0
    identity: RootIdentity = field(default=RootIdentity(0, 0, 0, is_link=False))

    def hides(self, name: str) -> bool:
        """Tell whether `name` lies below a folder that could not be read: it may be there."""
        if not self.unreadable:
            return False
        at = name.find("/")
        while at >= 0:
            if name[:at] in self.unreadable:
                return True
            at = name.find("/", at + 1)
        return False


# -- looking ---------------------------------------------------------------------------------


def scan(root: Path) -> ScanResult:
    """Look at the whole folder.

    Raises:
        RootGoneError: the folder is missing, is not a folder, or is unreadable.
    """
    root_fd = open_root(root)
    found = ScanResult()
    # The cyclic collector is off: it would look at every stamp many times and find no cycle. With
    # it on, 100,000 files take a tenth longer.
    collects = gc.isenabled()
    gc.disable()
    try:
        found.identity = _identity(root, root_fd)
        _walk(root, root_fd, (), found)
    finally:
        if collects:
            gc.enable()
        os.close(root_fd)
    return found


def scan_under(root: Path, name: str) -> ScanResult:
    """Look at one name of the folder, and below it if it is a folder itself.

    Args:
        root: the watched folder.
        name: name text relative to it. An ignored or missing name gives an empty result.

    Raises:
        RootGoneError: as `scan`.
    """
    return _look_at(root, name, into_folders=True)


def stamp(root: Path, name: str) -> FileStamp | None:
    """Return the stamp of one file, or None if it is ignored, missing or not a regular file.

    Raises:
        RootGoneError: as `scan`.
    """
    return _look_at(root, name, into_folders=False).files.get(name)


def root_identity(root: Path) -> RootIdentity:
    """Return which folder the watched folder is now.

    Raises:
        RootGoneError: as `scan`.
    """
    root_fd = open_root(root)
    try:
        return _identity(root, root_fd)
    finally:
        os.close(root_fd)


# -- private ---------------------------------------------------------------------------------


def _look_at(root: Path, name: str, *, into_folders: bool) -> ScanResult:
    found = ScanResult()
    parts = parts_of(name)
    if any(map(is_ignored, parts)):
        return found
    root_fd = open_root(root)
    try:
        about = look_up(root_fd, parts)
        if modes.S_ISDIR(about.st_mode):
            if into_folders:
                _walk(root, root_fd, parts, found)
        elif modes.S_ISREG(about.st_mode):
            found.files[name] = stamp_from(about)
        else:
            _sort_odd(root, parts, name, about, found)
    except OSError as error:
        if not is_absence(error):
            found.unreadable[name] = reason_of(error)
    except Exception as error:  # noqa: BLE001 - as in `_list`
        found.unreadable[name] = surprise(error)
    finally:
        os.close(root_fd)
    return found


def _walk(root: Path, root_fd: int, top: tuple[str, ...], found: ScanResult) -> None:
    """Sort everything below `top` into `found`. Only `top` itself may raise OSError."""
    folders = [top]
    while folders:
        parts = folders.pop()
        try:
            # Open from the root, part by part. So the number of descriptors does not grow with
            # the depth of the tree, and a part replaced by a link is refused at any depth.
            folder_fd = open_folder(root_fd, parts)
            try:
                folders += _list(root, folder_fd, parts, found)
            finally:
                os.close(folder_fd)
        except OSError as error:
            if parts == ():
                raise root_gone(root, error) from error
            if not is_absence(error):
                found.unreadable[_text("/".join(parts))] = reason_of(error)
            continue
        found.folders += 1


def _list(
    root: Path, folder_fd: int, parts: tuple[str, ...], found: ScanResult
) -> list[tuple[str, ...]]:
    """Sort the names of one folder into `found` and return the folders among them."""
    below: list[tuple[str, ...]] = []
    prefix = "".join(_text(part) + "/" for part in parts)
    files = found.files
    make, pack = bytes.__new__, pack_stamp  # what FileStamp(...) does, less one call for each file
    with os.scandir(folder_fd) as entries:
        for entry in entries:
            part = entry.name
            # Fast path: names of common image formats skip `is_ignored`.
            if part[0] == "." or (part[-4:] not in _IMAGE_ENDINGS and is_ignored(part)):
                found.ignored += 1
                continue
            # Fast path: for most names `_text` would return the name as it is.
            is_plain = _IS_UTF8 and part.isprintable() and "\\" not in part
            name = prefix + (part if is_plain else _text(part))
            try:
                if entry.is_file(follow_symlinks=False):
                    about = entry.stat(follow_symlinks=False)
                    fields = stamp_fields(about)
                    is_kept = min(fields) >= LEAST and max(fields) <= MOST
                    files[name] = make(FileStamp, pack(*fields)) if is_kept else stamp_from(about)
                elif entry.is_dir(follow_symlinks=False):
                    below.append((*parts, part))
                else:
                    about = entry.stat(follow_symlinks=False)
                    _sort_odd(root, (*parts, part), name, about, found)
            except OSError as error:
                if not is_absence(error):
                    found.unreadable[name] = reason_of(error)
            except Exception as error:  # noqa: BLE001 - one name must not end the scan of the others
                found.unreadable[name] = surprise(error)
    return below


def _sort_odd(
    root: Path, parts: tuple[str, ...], name: str, about: os.stat_result, found: ScanResult
) -> None:
    """Sort something that is neither a folder nor a regular file into `found`."""
    try:
        if modes.S_ISLNK(about.st_mode):
            _, about = follow(root, parts)
        check_regular(about)
        found.files[name] = stamp_from(about)
    except NotRegularError as error:
        found.special[name] = error.message
    except FileNotFoundError:
        found.special[name] = "a symbolic link to nothing"
    except OSError as error:
        found.unreadable[name] = reason_of(error)


def _identity(root: Path, root_fd: int) -> RootIdentity:
    about = os.fstat(root_fd)
    born_ns = wrapped(libc.birth_time_ns(root_fd))
    return RootIdentity(about.st_dev, about.st_ino, born_ns, root.is_symlink())


def _text(part: str) -> str:
    return name_from_bytes(os.fsencode(part))
