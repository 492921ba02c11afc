"""What is in a watched folder right now: names and stamps, without reading a single file.

Promises: nothing outside the folder is ever read through it. Folders are walked by
descriptor with O_NOFOLLOW, so that one swapped for a symbolic link mid-scan is not followed;
files are opened the same way and must be regular. A symbolic link to a file inside counts
as that file; one that leads out, or to a folder, is refused with the reason.

Accepted risk: bind mounts inside the folder are followed, since only root can make one.
"""

from __future__ import annotations

import errno
import gc
import operator
import os
import stat as modes
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pixd.system import libc
from pixd.system.errors import PixdError
from pixd.system.names import name_from_bytes, name_to_bytes

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_IS_UTF8 = sys.getfilesystemencoding().lower().replace("-", "") == "utf8"

# In the order of `FileStamp`.
_stamp_fields = operator.attrgetter("st_size", "st_mtime_ns", "st_ctime_ns", "st_dev", "st_ino")

_ODD_KINDS = {
    modes.S_IFIFO: "a named pipe, not a file",
    modes.S_IFSOCK: "a socket, not a file",
    modes.S_IFDIR: "a folder, not a file",
}
_IGNORED_NAMES = frozenset({"Thumbs.db", "desktop.ini", "@eaDir", "__MACOSX"})
_IGNORED_ENDINGS = ("~", ".part", ".partial", ".crdownload", ".download", ".tmp", ".swp")
_IMAGE_ENDINGS = frozenset({".png", ".jpg", "jpeg", ".PNG", ".JPG", "JPEG", "webp"})


class RootGoneError(PixdError):
    """The watched folder is missing, no folder, or cannot be read: it says nothing of its files."""


class NotRegularError(PixdError):
    """A name in a watched folder is not a file that may be read. The message is the reason."""


class RootIdentity(NamedTuple):
    """Which folder a watched folder is: another device, inode or birth means another folder.

    Attributes:
        device: number of its file system.
        inode: its number there, which a folder made later may get again.
        born_ns: when it was made; 0 where the file system does not know.
        is_link: whether the path itself is a symbolic link to it.
    """

    device: int
    inode: int
    born_ns: int
    is_link: bool


class FileStamp(NamedTuple):
    """What a file looks like from outside; two equal stamps mean that nothing was written.

    The mtime alone does not tell: cp -p and rsync keep it. No program can set back the ctime.

    A named tuple: a frozen dataclass costs the scan of 100,000 files 0.1 s more.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    device: int
    inode: int


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
        RootGoneError: the folder is missing, no folder, or unreadable.
    """
    root_fd = _open_root(root)
    found = ScanResult()
    # The cyclic collector would go through every stamp again and again and find no cycle:
    # with it, 100,000 files take a tenth longer.
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


def stamp_of_descriptor(fd: int) -> FileStamp:
    """Return the stamp of an open file, to compare with the one before it was opened.

    Raises:
        OSError: `fd` is not open.
    """
    return _stamp_from(os.fstat(fd))


def root_identity(root: Path) -> RootIdentity:
    """Return which folder the watched folder is now.

    Raises:
        RootGoneError: as `scan`.
    """
    root_fd = _open_root(root)
    try:
        return _identity(root, root_fd)
    finally:
        os.close(root_fd)


def is_ignored(name_part: str) -> bool:
    """Tell whether one component of a path is among the names that pixd does not look at.

    ``._*``, ``.stfolder`` and ``.nfs*`` begin with a dot, as every dot-file.
    """
    return (
        name_part.startswith(".")
        or name_part.endswith(_IGNORED_ENDINGS)
        or name_part in _IGNORED_NAMES
    )


# -- opening ---------------------------------------------------------------------------------


def open_regular(root: Path, name: str) -> int:
    """Open a file of the folder for reading, without following anything out of it.

    A named pipe would hang a plain open() for ever, and opening a device can have effects;
    so the type is looked at before the open, and again on what was opened.

    Returns:
        A descriptor of a regular file, at its start; the caller closes it.

    Raises:
        FileNotFoundError: there is no such file (any more).
        NotRegularError: it is something else, or its path leads through a symbolic link.
        OSError: it cannot be read.
        RootGoneError: as `scan`.
    """
    parts = _parts(name)
    root_fd = _open_root(root)
    try:
        about = _look_up(root_fd, parts)
        if modes.S_ISLNK(about.st_mode):
            # The link is resolved by name, and the result opened without following any: one
            # swapped in between is refused by the kernel.
            parts, about = _follow(root, parts)
        _check_regular(about)
        folder_fd = _open_folder(root_fd, parts[:-1])
        try:
            fd = os.open(parts[-1], _FILE_FLAGS, dir_fd=folder_fd)
        finally:
            os.close(folder_fd)
    except NotADirectoryError as error:
        raise FileNotFoundError(error.errno, "a folder on the way is gone", name) from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotRegularError("its path leads through a symbolic link") from error
        raise
    finally:
        os.close(root_fd)
    try:
        _check_regular(os.fstat(fd))
    except NotRegularError:
        os.close(fd)
        raise
    return fd


def _check_regular(about: os.stat_result) -> None:
    kind = modes.S_IFMT(about.st_mode)
    if kind != modes.S_IFREG:
        raise NotRegularError(_ODD_KINDS.get(kind, "a device, not a file"))


# -- private ---------------------------------------------------------------------------------


def _look_at(root: Path, name: str, *, into_folders: bool) -> ScanResult:
    found = ScanResult()
    parts = _parts(name)
    if any(map(is_ignored, parts)):
        return found
    root_fd = _open_root(root)
    try:
        about = _look_up(root_fd, parts)
        if modes.S_ISDIR(about.st_mode):
            if into_folders:
                _walk(root, root_fd, parts, found)
        elif modes.S_ISREG(about.st_mode):
            found.files[name] = _stamp_from(about)
        else:
            _sort_odd(root, parts, name, about, found)
    except OSError as error:
        if not _is_absence(error):
            found.unreadable[name] = _why(error)
    finally:
        os.close(root_fd)
    return found


def _walk(root: Path, root_fd: int, top: tuple[str, ...], found: ScanResult) -> None:
    """Sort everything below `top` into `found`. Only `top` itself may raise OSError."""
    folders = [top]
    while folders:
        parts = folders.pop()
        try:
            # From the root, part by part: descriptors do not pile up with the depth of the
            # tree, and a part swapped for a link is refused wherever it stands.
            folder_fd = _open_folder(root_fd, parts)
            try:
                folders += _list(root, folder_fd, parts, found)
            finally:
                os.close(folder_fd)
        except OSError as error:
            if parts == ():
                raise _root_gone(root, error) from error
            if not _is_absence(error):
                found.unreadable[_text("/".join(parts))] = _why(error)
            continue
        found.folders += 1


def _list(
    root: Path, folder_fd: int, parts: tuple[str, ...], found: ScanResult
) -> list[tuple[str, ...]]:
    """Sort the names of one folder into `found` and return the folders among them."""
    below: list[tuple[str, ...]] = []
    prefix = "".join(_text(part) + "/" for part in parts)
    files = found.files
    make = tuple.__new__  # what FileStamp(...) does, less one call for each file
    with os.scandir(folder_fd) as entries:
        for entry in entries:
            part = entry.name
            # `is_ignored`, asked of nearly no name.
            if part[0] == "." or (part[-4:] not in _IMAGE_ENDINGS and is_ignored(part)):
                found.ignored += 1
                continue
            # What `_text` would say, without its cost, for nearly every file there is.
            is_plain = _IS_UTF8 and part.isprintable() and "\\" not in part
            name = prefix + (part if is_plain else _text(part))
            try:
                if entry.is_file(follow_symlinks=False):
                    about = entry.stat(follow_symlinks=False)
                    files[name] = make(FileStamp, _stamp_fields(about))
                elif entry.is_dir(follow_symlinks=False):
                    below.append((*parts, part))
                else:
                    about = entry.stat(follow_symlinks=False)
                    _sort_odd(root, (*parts, part), name, about, found)
            except OSError as error:
                if not _is_absence(error):
                    found.unreadable[name] = _why(error)
    return below


def _sort_odd(
    root: Path, parts: tuple[str, ...], name: str, about: os.stat_result, found: ScanResult
) -> None:
    """Sort something that is neither a folder nor a regular file into `found`."""
    try:
        if modes.S_ISLNK(about.st_mode):
            _, about = _follow(root, parts)
        _check_regular(about)
        found.files[name] = _stamp_from(about)
    except NotRegularError as error:
        found.special[name] = error.message
    except FileNotFoundError:
        found.special[name] = "a symbolic link to nothing"
    except OSError as error:
        found.unreadable[name] = _why(error)


def _follow(root: Path, parts: tuple[str, ...]) -> tuple[tuple[str, ...], os.stat_result]:
    """Return where in the folder a symbolic link ends, and what is there.

    Raises:
        NotRegularError: it leads out of the folder, to a folder, or in a circle.
        OSError: there is nothing, or it cannot be looked at.
    """
    real_root = os.path.realpath(root)
    prefix = real_root.rstrip("/") + "/"
    try:
        target = os.path.realpath(Path(real_root, *parts))
    except OSError as error:
        if error.errno == errno.EINVAL:  # readlink(2) of what was a link until just now
            raise FileNotFoundError(error.errno, "it is another file now", *parts[-1:]) from error
        raise
    if not (target + "/").startswith(prefix):
        # Not looked at: what is outside is none of our business, and may be a dead mount.
        raise NotRegularError("a symbolic link that leads out of the folder")
    about = os.lstat(target)
    if modes.S_ISLNK(about.st_mode):
        raise NotRegularError("a symbolic link that leads in a circle")
    if modes.S_ISDIR(about.st_mode):
        raise NotRegularError("a symbolic link to a folder")
    return tuple(target.removeprefix(prefix).split("/")), about


def _identity(root: Path, root_fd: int) -> RootIdentity:
    about = os.fstat(root_fd)
    return RootIdentity(about.st_dev, about.st_ino, libc.birth_time_ns(root_fd), root.is_symlink())


def _open_root(root: Path) -> int:
    try:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _root_gone(root, error) from error


def _root_gone(root: Path, error: OSError) -> RootGoneError:
    advice = "mount it, or make it again; nothing is removed until it is back"
    if isinstance(error, PermissionError):
        advice = "let the user that pixd runs as read it"
    return RootGoneError(f"the folder {root} {_why(error)}", advice=advice)


def _open_folder(root_fd: int, parts: tuple[str, ...]) -> int:
    """Open a folder below the root, following no symbolic link on the way."""
    fd = os.dup(root_fd) if not parts else os.open(parts[0], _FOLDER_FLAGS, dir_fd=root_fd)
    for part in parts[1:]:
        try:
            below = os.open(part, _FOLDER_FLAGS, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd


def _look_up(root_fd: int, parts: tuple[str, ...]) -> os.stat_result:
    folder_fd = _open_folder(root_fd, parts[:-1])
    try:
        return os.stat(parts[-1], dir_fd=folder_fd, follow_symlinks=False)
    finally:
        os.close(folder_fd)


def _stamp_from(about: os.stat_result) -> FileStamp:
    return FileStamp._make(_stamp_fields(about))


def _parts(name: str) -> tuple[str, ...]:
    return tuple(os.fsdecode(part) for part in name_to_bytes(name).split(b"/"))


def _text(part: str) -> str:
    return name_from_bytes(os.fsencode(part))


def _is_absence(error: OSError) -> bool:
    """Tell whether the error says that the name is simply not there.

    So it is where a folder turned into a link (ELOOP, ENOTDIR): the link is refused itself.
    """
    return error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}


def _why(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"
