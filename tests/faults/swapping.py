"""Files and folders that become links while somebody reads or writes through them."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

AT_FDCWD, RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h


@contextmanager
def swapping(swap: Callable[[int], None]) -> Iterator[list[int]]:
    """Swap in a thread of its own as fast as it goes; yields a list whose only item counts."""
    count = [0]
    stops = threading.Event()

    def run() -> None:
        while not stops.is_set():
            swap(count[0])
            count[0] += 1

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield count
    finally:
        stops.set()
        thread.join()


def renamer(links: Path, places: Path) -> Callable[[int], None]:
    """Return a swap of `places` between what it was and a link to `links`, by renames."""
    other = places.with_name(f"{places.name}.other")
    third = places.with_name(f"{places.name}.third")
    other.symlink_to(links)

    def swap(_number: int) -> None:
        places.rename(third)
        other.rename(places)
        third.rename(other)

    return swap


def exchanger(links: Path, places: Path) -> Callable[[int], None]:
    """Return a swap of `places` as `renamer` does, in one call: at no moment is nothing there."""
    other = places.with_name(f".{places.name}.other")
    other.symlink_to(links)
    rename = ctypes.CDLL(None, use_errno=True).renameat2

    def swap(_number: int) -> None:
        if rename(AT_FDCWD, bytes(places), AT_FDCWD, bytes(other), RENAME_EXCHANGE):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    return swap
