"""Where a path leads, found without touching a file system that may hang.

A call on a network file system whose server is gone may wait for ever, and nothing can end it. So a
path is followed only up to the first network mount on its way: `/proc/self/mountinfo` says where
that is, and the kernel answers that by itself. What lies on local disks is resolved as usual.

Leaves to others: asking what is beyond that point, with a limit of time
(`pixd.system.children.folder_calls`).
"""

from __future__ import annotations

import os
from typing import NamedTuple

from pixd.system import libc

MOST_LINKS = 40  # path_resolution(7): the kernel follows as many


class Place(NamedTuple):
    """Where a path leads.

    Attributes:
        path: absolute, without symbolic links, as far as it was followed.
        network: the type of the network file system on the way, at the end or below; else "".
        is_whole: whether it was followed to its end, so that `path` is the real path.
    """

    path: str
    network: str
    is_whole: bool


def find(path: str | os.PathLike[str], *, trusted: frozenset[str] = frozenset()) -> Place:
    """Follow a path as far as no network file system is touched. Never raises, never waits.

    Args:
        path: it need not exist.
        trusted: network mounts that may be touched all the same, because the caller just has.
    """
    text = os.path.abspath(path) if not os.path.isabs(path) else os.fspath(path)  # noqa: PTH100, PTH117 - must keep ".."
    table = libc.read_mounts()
    here, rest = "/", [part for part in text.split("/") if part not in {"", "."}][::-1]
    links = 0
    while rest:
        part = rest.pop()
        if part == "..":
            here = os.path.dirname(here)  # noqa: PTH120 - text; `here` holds no link
            continue
        there = f"{here.rstrip('/')}/{part}"
        point, kind = libc.mount_of(there, table)
        if libc.may_hang(kind) and point not in trusted:
            return Place("/".join([there, *rest[::-1]]), kind, is_whole=False)
        target = _link_at(there) if links < MOST_LINKS else None
        if target is None:
            here = there
            continue
        links += 1
        here = "/" if target.startswith("/") else here
        rest += [part for part in target.split("/") if part not in {"", "."}][::-1]
    point, kind = libc.mount_of(here, table)
    network = libc.network_below(here, table)
    if not network and libc.may_hang(kind) and point not in trusted:
        network = kind
    return Place(here, network, is_whole=True)


def point_of(path: str | os.PathLike[str]) -> str:
    """Return the mount point that a path is on, found without touching a network file system."""
    return libc.mount_of(find(path).path, libc.read_mounts())[0]


def may_hang(path: str | os.PathLike[str]) -> str:
    """Return the type of the network file system that a path leads onto or holds, or ""."""
    return find(path).network


def _link_at(path: str) -> str | None:
    try:
        return os.readlink(path)  # noqa: PTH115 - text
    except OSError:  # no link, or nothing there
        return None
