"""What Linux offers and Python does not: a few calls through ctypes, and the mount table.

The return value of every function says whether the kernel could do it. pixd is correct without
them, because each caller has a second way.
"""

from __future__ import annotations

import errno
import functools
import os
import signal
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

PR_SET_PDEATHSIG = 1  # linux/prctl.h
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # malloc.h of glibc
MAPPED_BYTES = 128 * 1024  # glibc's own first value

_NETWORK_TYPES = {
    *("9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse", "gfs2", "glusterfs"),
    *("gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "prl_fs", "smb3", "smbfs"),
    *("vboxsf", "virtiofs", "vmhgfs"),
}
"""Types of file systems where other machines can change files, and inotify does not see it."""


@functools.cache
def _libc() -> Any:
    # Importing ctypes takes some 5 ms, and most commands do not need it.
    import ctypes  # noqa: PLC0415

    return ctypes.CDLL(None, use_errno=True)


def die_with_parent(number: int = signal.SIGKILL) -> bool:
    """Ask the kernel to send this process a signal when its parent ends.

    The parent may have ended before the call. So a child that must end with its parent also
    watches the pipe to it for the end of file.

    Args:
        number: the signal.

    Returns:
        Whether the kernel agreed.

    Source: prctl(2), PR_SET_PDEATHSIG. A fork clears it, and so does exec of a set-user-ID
        program. So the child itself must ask.
    """
    try:
        return bool(_libc().prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def keep_memory_small() -> bool:
    """Have malloc keep less free memory; before the first thread that is started.

    One arena for all threads: by default each gets one of its own, and none gives the others what
    it has free, though Python lets one thread run at a time. And large blocks are always given back
    at once: by default the limit rises to the size of such a block, and the blocks that sockets
    are read into then leave holes.

    Returns:
        Whether the C library knows this and agreed.

    Source: mallopt(3), M_ARENA_MAX and M_MMAP_THRESHOLD.
    """
    try:
        call = _libc().mallopt
        return all([call(M_ARENA_MAX, 1) == 1, call(M_MMAP_THRESHOLD, MAPPED_BYTES) == 1])
    except (OSError, AttributeError):
        return False


def sync_filesystem_of(fd: int) -> bool:
    """Write everything on the file system of `fd` to its disk.

    Returns:
        False if the system call is missing.

    Raises:
        OSError: the disk reported an error.

    Source: syncfs(2); since Linux 5.8 it reports write-back errors.
    """
    try:
        call = _libc().syncfs
    except (OSError, AttributeError):
        return False
    if call(fd) == 0:
        return True
    import ctypes  # noqa: PLC0415

    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))


def rename_new(old: str, new: str, folder_fd: int) -> bool:
    """Rename a file within an open folder; nothing that is there already is replaced.

    Args:
        old: its name in the folder.
        new: its new name there.
        folder_fd: descriptor of the folder.

    Returns:
        False if the kernel or the file system cannot do this.

    Raises:
        FileExistsError: `new` is there.
        OSError: it cannot be renamed.

    Source: renameat2(2), RENAME_NOREPLACE.
    """
    try:
        call = _libc().renameat2
    except (OSError, AttributeError):
        return False
    import ctypes  # noqa: PLC0415

    rename_noreplace = 1  # linux/fs.h
    names = os.fsencode(old), os.fsencode(new)
    if call(folder_fd, names[0], folder_fd, names[1], rename_noreplace) == 0:
        return True
    number = ctypes.get_errno()
    if number in {errno.EINVAL, errno.ENOSYS}:
        return False
    raise OSError(number, os.strerror(number), new)


def birth_time_ns(fd: int) -> int:
    """Return when the open file or folder was made, in ns since the epoch; 0 if unknown.

    The number of a removed inode may be used again at once (ext4 does that). Number and time of
    birth together are unique.

    Source: statx(2), STATX_BTIME; struct statx in linux/stat.h.
    """
    try:
        call = _libc().statx
    except (OSError, AttributeError):
        return 0
    import ctypes  # noqa: PLC0415

    at_empty_path, statx_btime = 0x1000, 0x800  # linux/fcntl.h, linux/stat.h
    about = ctypes.create_string_buffer(256)
    if call(fd, b"", at_empty_path, statx_btime, about) != 0:
        return 0
    (mask,) = struct.unpack_from("=I", about, 0)
    seconds, nanoseconds = struct.unpack_from("=qI", about, 80)
    return int(seconds * 1_000_000_000 + nanoseconds) if mask & statx_btime else 0


def inotify_watch_refusal(path: bytes) -> int:
    """Try whether one more folder can be watched, then stop watching it.

    Args:
        path: a folder that this user may read.

    Returns:
        0, or the errno of the refusal: ENOSPC at the limit of watches, EMFILE at the limit of
        inotify instances.

    Source: inotify_add_watch(2), inotify(7) "/proc interfaces".
    """
    try:
        libc = _libc()
        fd = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, AttributeError):
        return 0
    import ctypes  # noqa: PLC0415

    if fd < 0:
        return ctypes.get_errno()
    try:
        in_delete_self = 0x400  # linux/inotify.h
        return 0 if libc.inotify_add_watch(fd, path, in_delete_self) >= 0 else ctypes.get_errno()
    finally:
        os.close(fd)


def network_file_system(root: str, mounts: bytes | None = None) -> str:
    """Return the type of the network file system at or below `root`, or "" if there is none.

    Args:
        root: an absolute path without symbolic links.
        mounts: the text of /proc/self/mountinfo; read if None.
    """
    if mounts is None:
        mounts = read_mounts()
    own = file_system(root, mounts)
    return network_below(root, mounts) or (own if _is_network(own) else "")


def network_below(root: str, mounts: bytes) -> str:
    """Return the type of a network file system that is mounted below `root`, or ""."""
    path = os.fsencode(root).rstrip(b"/") + b"/"
    found = (kind for point, kind in _mounts(mounts) if point.startswith(path) and point != b"/")
    return next(filter(_is_network, found), "")


def file_system(path: str, mounts: bytes | None = None) -> str:
    """Return the type of the file system that `path` is on, such as ext4; "" if unknown.

    Args:
        path: an absolute path without symbolic links.
        mounts: the text of /proc/self/mountinfo; read if None.
    """
    return mount_of(path, read_mounts() if mounts is None else mounts)[1]


def mount_of(path: str, mounts: bytes) -> tuple[str, str]:
    """Return the mount point that `path` is on, and its type; "/" and "" if unknown.

    Args:
        path: an absolute path without symbolic links.
        mounts: the text of /proc/self/mountinfo.
    """
    own = (b"/", "")
    wanted = os.fsencode(path)
    for point, kind in _mounts(mounts):
        is_above = wanted == point or wanted.startswith(point.rstrip(b"/") + b"/")
        if is_above and len(point) >= len(own[0]):  # the innermost; of two at one place the later
            own = (point, kind)
    return os.fsdecode(own[0]), own[1]


def may_hang(kind: str) -> bool:
    """Tell whether a call on a file system of this type may wait for another machine or program.

    autofs stands for a file system that is mounted when it is first touched.
    """
    return _is_network(kind) or kind == "autofs"


def read_mounts() -> bytes:
    """Return the text of /proc/self/mountinfo, which waits for no file system; b"" without it."""
    try:
        return Path("/proc/self/mountinfo").read_bytes()
    except OSError:
        return b""


@functools.lru_cache(maxsize=2)  # asked for every part of every path; it changes rarely
def _mounts(mounts: bytes) -> Sequence[tuple[bytes, str]]:
    """Return mount points and types, in the order of mounting. Source: proc_pid_mountinfo(5)."""
    found = []
    for line in mounts.splitlines():
        before, _, after = line.partition(b" - ")
        fields = before.split(b" ")
        if len(fields) < 5 or not after:  # noqa: PLR2004 - the mount point is the fifth field
            continue
        found.append((_unescape(fields[4]), after.split(b" ", 1)[0].decode("ascii", "replace")))
    return found


def _is_network(kind: str) -> bool:
    return kind in _NETWORK_TYPES or kind.startswith("fuse.")


def _unescape(field: bytes) -> bytes:
    for code, char in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        field = field.replace(code, char)
    return field
