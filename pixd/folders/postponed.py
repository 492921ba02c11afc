"""Files that wait because something failed: their rows, their next try and what is said of them.

Leaves to others: when each is tried again (`pixd.folders.unreadable`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pixd.folders import scan
from pixd.folders.companions import COMPANION
from pixd.folders.one_file import write_each
from pixd.folders.unreadable import Unreadable
from pixd.folders.wholeness import Patience
from pixd.store.known_file import KnownFile
from pixd.store.states import FileState
from pixd.system.clock import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixd.folders.settle import Ready
    from pixd.store.store import Store
    from pixd.system.children.folder_calls import FolderCalls
    from pixd.system.stamps import FileStamp

_NEW = KnownFile(FileState.SETTLING)
"""All new files share this one object, because a burst is large."""


class Postponed:
    """Those of one watched folder.

    Attributes:
        unreadable: the files that could not be read, or whose row could not be written.
        unlisted: what a scan could not even look at, with why.
    """

    def __init__(
        self, store: Store, pipeline: str, kind: str, repo_id: int, known: dict[str, KnownFile]
    ) -> None:
        """Write into the rows of a repo, and keep `known` up to date."""
        self._store = store
        self._pipeline = pipeline
        self._kind = kind
        self._repo_id = repo_id
        self._known = known
        self.unreadable = Unreadable()
        self._patience = Patience()
        self.unlisted: dict[str, str] = {}
        self._told: set[str] = set()  # files without a stamp that were warned of

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.unreadable) + len(self.unlisted)

    def clear(self) -> None:
        """Try all of them again at once."""
        self.unreadable.clear()
        self.unlisted.clear()

    def new_unlisted(self, reasons: Mapping[str, str]) -> dict[str, str]:
        """Return what is new among the names that cannot be looked at."""
        return {name: why for name, why in reasons.items() if self.unlisted.get(name) != why}

    def unlist(self, new: Mapping[str, str]) -> None:
        """Take note of names that cannot be looked at; each scan tries again."""
        self.unlisted.update(new)
        self._postpone({name: (why, None) for name, why in new.items()}, new)

    def relist(self, unreadable: Mapping[str, str]) -> bool:
        """Forget what can be looked at again; tells whether there is any."""
        before = len(self.unlisted)
        self.unlisted = {n: why for n, why in self.unlisted.items() if n in unreadable}
        return len(self.unlisted) < before

    def try_later(self, failed: Mapping[str, tuple[str, FileStamp]], now: float) -> None:
        """Take note of files that could not be read or recorded under a stamp, with why."""
        waiting: dict[str, tuple[str, str | None]] = {}
        warned: dict[str, str] = {}
        for name, (why, stamp) in failed.items():
            wait_s, is_first = self.unreadable.failed(name, stamp, now)
            waiting[name] = (why, rfc3339(time.time() + wait_s))
            if is_first:
                warned[name] = why
        self._postpone(waiting, warned)

    def patiently(self, ready: Ready, now: float) -> Ready:
        """Return a file as it is to be read: open or not, once its writer was waited for long."""
        return ready._replace(may_be_open=self._patience.is_over(ready.name, now))

    def wait_for_writer(self, name: str, why: str, now: float) -> None:
        """Let the row of a file that is not finished say why it waits; "": its row stays."""
        if self._patience.begins(name, now) and why:
            self._postpone({name: (why, None)}, {})

    def forget(self, name: str) -> None:
        """Wait no more for a file: it was read, or is gone."""
        self.unreadable.forget(name)
        self._patience.end(name)

    def tell_refused(self, name: str, why: str) -> None:
        """Warn of a file that was read and refused, but of no companion of the pictures."""
        if why != COMPANION:
            self._store.note(self._pipeline, "warning", "rejected", f"{name}: {why}")

    def warn_once(self, failed: Mapping[str, str]) -> None:
        """Warn of files that no row can be written for, unless that was said before."""
        new = {name: why for name, why in failed.items() if name not in self._told}
        self._told |= new.keys()
        self._warn(new)

    def _postpone(
        self, waiting: Mapping[str, tuple[str, str | None]], warned: Mapping[str, str]
    ) -> None:
        """Record why files wait and until when, with one warning for all: a disk may be away."""
        failed = write_each(lambda rows: self._store.working.postpone(self._repo_id, rows), waiting)
        for name in waiting:
            if name in failed and name not in self._known:
                continue  # it has no row; it is marked as settling when it is tried again
            self._known[name] = settling_again(self._known.get(name))
        self._warn(warned)

    def _warn(self, warned: Mapping[str, str]) -> None:
        if warned:
            name, why = next(iter(warned.items()))
            more = f" and {len(warned) - 1} more" if len(warned) > 1 else ""
            message = f"{self._kind}/{name}{more} {why}"
            self._store.note(self._pipeline, "warning", "unreadable", message)


def settling_again(known: KnownFile | None) -> KnownFile:
    """Return what is known of a file whose content is not known any more; None: it is new."""
    return known.settling_again() if known is not None else _NEW


def still_there(
    calls: FolderCalls, root: Path, unreadable: Mapping[str, tuple[str, FileStamp]]
) -> dict[str, tuple[str, FileStamp]]:
    """Return those that are still files, with their stamps of now; the others are missing."""
    there: dict[str, tuple[str, FileStamp]] = {}
    for name, (why, read_as) in unreadable.items():
        found = calls.call(scan.scan_under, root, name)
        stamp = read_as if name in found.unreadable else found.files.get(name)
        if stamp is not None:
            there[name] = (why, stamp)
    return there
