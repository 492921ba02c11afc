"""Opens a file or folder below a root so that nothing outside the root is ever read.

Promises: folders are opened one by one, by descriptor and with O_NOFOLLOW. So a folder that is
replaced by a symbolic link meanwhile is not followed. Files are opened the same way and must be
regular: no pipe, socket or device is ever opened. A symbolic link to a file inside counts as that
file. A link that leads out, or to a folder, is refused with the reason.

Accepted risk: bind mounts inside the folder are followed, since only root can make one.

Leaves to others: listing a folder (`pixd.folders.scan`), and whether a file changes while it is
read (`pixd.folders.recorder`).
"""

from __future__ import annotations

import errno
import os
import stat as modes
from pathlib import Path

from pixd.system.errors import PixdError
from pixd.system.names import name_to_bytes

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_ODD_KINDS = {
    modes.S_IFIFO: "a named pipe, not a file",
    modes.S_IFSOCK: "a socket, not a file",
    modes.S_IFDIR: "a folder, not a file",
}

NOT_FOLLOWED = ("a symbolic link", "a named pipe", "a socket", "a device", "its path leads")
"""How the reasons begin for names that are no regular files of the folder."""


class RootGoneError(PixdError):
    """The folder is missing, is no folder, or cannot be read, so its files are unknown."""


class NotRegularError(PixdError):
    """A name in the folder is not a file that may be read. The message is the reason."""


def open_regular(root: Path, name: str) -> int:
    """Open a file of the folder for reading; follow no link out of the folder.

    A plain open() of a named pipe would wait for ever, and opening a device can have effects. So
    the type is checked before the open, and again on the open file.

    Returns:
        A descriptor of a regular file, at its start; the caller closes it.

    Raises:
        FileNotFoundError: there is no such file (any more).
        NotRegularError: it is something else, or its path leads through a symbolic link.
        OSError: it cannot be read.
        RootGoneError: the folder itself is missing, no folder, or cannot be read.
    """
    parts = parts_of(name)
    root_fd = open_root(root)
    try:
        about = look_up(root_fd, parts)
        if modes.S_ISLNK(about.st_mode):
            # The link is resolved by name, and the result is opened without following links. The
            # kernel refuses a link that somebody puts there in between.
            parts, about = follow(root, parts)
        check_regular(about)
        folder_fd = open_folder(root_fd, parts[:-1])
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
        check_regular(os.fstat(fd))
    except NotRegularError:
        os.close(fd)
        raise
    return fd


def check_regular(about: os.stat_result) -> None:
    """Refuse everything but a regular file.

    Raises:
        NotRegularError: the message is the reason.
    """
    kind = modes.S_IFMT(about.st_mode)
    if kind != modes.S_IFREG:
        raise NotRegularError(_ODD_KINDS.get(kind, "a device, not a file"))


def follow(root: Path, parts: tuple[str, ...]) -> tuple[tuple[str, ...], os.stat_result]:
    """Return where in the folder a symbolic link ends, and what is there.

    Raises:
        NotRegularError: it leads out of the folder, to a folder, or in a circle.
        OSError: there is nothing, or its type cannot be read.
    """
    real_root = os.path.realpath(root)
    prefix = real_root.rstrip("/") + "/"
    try:
        target = os.path.realpath(Path(real_root, *parts))
    except OSError as error:
        if error.errno == errno.EINVAL:  # readlink(2): it was a link a moment ago
            raise FileNotFoundError(error.errno, "it is another file now", *parts[-1:]) from error
        raise
    if not (target + "/").startswith(prefix):
        # Do not look at the target: it is outside, and may be on a mount that hangs.
        raise NotRegularError("a symbolic link that leads out of the folder")
    about = os.lstat(target)
    if modes.S_ISLNK(about.st_mode):
        raise NotRegularError("a symbolic link that leads in a circle")
    if modes.S_ISDIR(about.st_mode):
        raise NotRegularError("a symbolic link to a folder")
    return tuple(target.removeprefix(prefix).split("/")), about


def open_root(root: Path) -> int:
    """Open the folder itself.

    Raises:
        RootGoneError: it is missing, no folder, or cannot be read.
    """
    try:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise root_gone(root, error) from error


def root_gone(root: Path, error: OSError) -> RootGoneError:
    """Say that the folder is gone, with the system's reason."""
    advice = "bring its disk back, or make it with mkdir; nothing is removed until it is back"
    if isinstance(error, PermissionError):
        advice = "give the user that pixd runs as the right to read it"
    return RootGoneError(f"the folder {root} {reason_of(error)}", advice=advice)


def open_folder(root_fd: int, parts: tuple[str, ...]) -> int:
    """Open a folder below the root, following no symbolic link on the way."""
    fd = os.dup(root_fd) if not parts else os.open(parts[0], _FOLDER_FLAGS, dir_fd=root_fd)
    for part in parts[1:]:
        try:
            below = os.open(part, _FOLDER_FLAGS, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd


def look_up(root_fd: int, parts: tuple[str, ...]) -> os.stat_result:
    """Return the kernel's stat of a name, without following a link at its end."""
    folder_fd = open_folder(root_fd, parts[:-1])
    try:
        return os.stat(parts[-1], dir_fd=folder_fd, follow_symlinks=False)
    finally:
        os.close(folder_fd)


def parts_of(name: str) -> tuple[str, ...]:
    """Split name text into the names on the path, as bytes for the kernel."""
    return tuple(os.fsdecode(part) for part in name_to_bytes(name).split(b"/"))


def is_absence(error: OSError) -> bool:
    """Tell whether the error means that there is no such name.

    ELOOP and ENOTDIR count too: a folder became a link, and the link itself is refused.
    """
    return error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}


def reason_of(error: OSError) -> str:
    """Return the system's reason for an error in words."""
    return f"cannot be read: {error.strerror or error}"


def surprise(error: Exception) -> str:
    """Return the reason for an error that nobody foresaw, so that it can be reported."""
    return f"cannot be read: {type(error).__name__}: {error}"
