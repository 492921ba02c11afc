"""When a watched folder is not believed: it is another one, or lost too much at once.

A folder that seems empty is seldom meant to be: more often a disk is not mounted, a script went
wrong, or the folder was made again by mistake. Recording it would train on almost nothing and
orphan outputs. So the folder is put on hold: no row is removed and nothing new is read until it
is as it was, or until a person types `pixd resume`. Files whose content is recorded count:

- The folder is a symbolic link now, and was none: always a hold, because the check that no folder
  lies inside another was made for the old one.
- The folder is on another file system, or is another folder under the same path: a hold if more
  than half of its files are missing, however few there were.
- Otherwise, and when config.yaml names another path: a hold if there were 20 files or more, and
  more than half are gone *at once*. At once means with less than `settle_seconds` from one to the
  next, or between two scans (so also while the service did not run). Deleting in steps, with a
  rest in between, is never stopped. Files that come meanwhile count against those that go: a folder
  may be a ring, from which the oldest file goes with each new one.

A file that is there under another name (same inode, size and mtime) was renamed, not lost.

Leaves to others: which files are missing and since when (`pixd.folders.missing`), and scanning
(`pixd.folders.intake`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.folders.missing import Losses
from pixd.system.safe_open import RootGoneError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pixd.store.known_file import KnownFile
    from pixd.store.store import Store
    from pixd.system.stamps import FileStamp, RootIdentity

FEWEST_AT_ONCE = 20
"""A folder that had fewer files may lose them all: people often empty a small set by hand."""
LOST_SHARE = 0.5
"""A folder that lost more than this share of its recorded files is not believed."""


class Guard:
    """What is remembered of one watched folder; each scan is judged by it."""

    def __init__(self, store: Store, pipeline: str, repo_id: int, root: Path) -> None:
        """Guard the folder `root`, in which the files of a repo are looked for."""
        self._store = store
        self._repo_id = repo_id
        self._root = root
        self._resume = f"pixd resume -p {pipeline}"
        self._remembered = store.holds.root(repo_id)

    @property
    def hold(self) -> str:
        """Why the folder is on hold, and what to do about it; or ""."""
        return self._remembered.hold if self._remembered else ""

    def reload(self) -> None:
        """Read again what is remembered, because a command changed it."""
        self._remembered = self._store.holds.root(self._repo_id)

    def put_on_hold(self, why: str) -> None:
        """Remember that the folder is not believed."""
        if why != self.hold:
            self._store.holds.hold(self._repo_id, self._root, why)
            self.reload()

    def believe(self, identity: RootIdentity, *, is_whole: bool) -> None:
        """Remember the folder as the one that the files were found in.

        Args:
            identity: what it is.
            is_whole: nothing is missing, so that an acceptance is not needed any more.
        """
        was = self._remembered
        if was is None or was.hold or was.path != str(self._root) or was[1:5] != identity:
            self._store.holds.remember(self._repo_id, self._root, identity)
            self.reload()
        if is_whole:
            self.use_up_acceptance()

    def use_up_acceptance(self) -> None:
        """Judge the next loss again, because what was accepted is recorded."""
        if self.is_accepted:
            self._store.holds.use_up_acceptance(self._repo_id)
            self.reload()

    @property
    def is_accepted(self) -> bool:
        """Whether a person accepted the folder as it is."""
        return self._remembered is not None and self._remembered.is_accepted

    def check(self, identity: RootIdentity) -> None:
        """Refuse to look into a symbolic link that was a folder before.

        Raises:
            RootGoneError: it is.
        """
        was = self._remembered
        if was is None or not was.inode or was.is_accepted or was.path != str(self._root):
            return
        if identity.is_link and not was.is_link:
            raise RootGoneError(
                f"{self._root} is a symbolic link now, where a folder was",
                advice=f"put the folder back, or accept the link: {self._resume}",
            )

    def is_suspicious(self, losses: Losses, known: Mapping[str, KnownFile], now: float) -> bool:
        """Tell whether so much is missing that a scan must be judged before it is recorded."""
        gone = losses.shrunk_by(now)
        if gone <= FEWEST_AT_ONCE * LOST_SHARE:
            return False
        there = sum(file.has_content for file in known.values()) - len(losses.contents)
        return gone > (there + gone) * LOST_SHARE

    def judge(
        self,
        identity: RootIdentity,
        files: Mapping[str, FileStamp],
        missing: Iterable[str],
        known: Mapping[str, KnownFile],
        losses: Losses,
        now: float,
    ) -> str:
        """Judge what a scan found.

        Args:
            identity: the folder that was scanned.
            files: the regular files in it.
            missing: known names that are not among them.
            known: what the store knows.
            losses: what was missed before this scan.
            now: monotonic seconds.

        Returns:
            Why the folder must go, or stay, on hold, with what to do; or "".
        """
        was = self._remembered
        if was is not None and was.is_accepted:
            return ""
        what, remedy, fewest = "lost files at once", "put them back", FEWEST_AT_ONCE
        if was is not None and was.inode:  # 0: it was gone before it was ever seen
            if was.path != str(self._root):
                what, remedy = "is another folder by config.yaml", "correct config.yaml"
            elif identity.device != was.device:
                what, remedy, fewest = "is on another file system", "mount it again", 1
            elif (identity.inode, identity.born_ns) != (was.inode, was.born_ns):
                what, remedy, fewest = "is another folder", "put the old one back", 1
        lost = {name for name in missing if known[name].has_content}
        if not lost:
            return ""
        before = losses.contents
        back = len(before - lost)
        shrunk = max(0, losses.shrunk_by(now) - back)
        there = sum(file.has_content for file in known.values()) - len(before) + back
        gone, total = shrunk + len(lost - before), shrunk + there
        if total < fewest or gone <= total * LOST_SHARE:
            return ""
        gone -= _renamed(files, known, lost, before)
        if gone <= total * LOST_SHARE:
            return ""
        return (
            f"{self._root} {what}, and {gone} of {total} recorded files are not there: {remedy} and"
            f" it goes on by itself, or accept it as it is: {self._resume}"
        )


def _renamed(
    files: Mapping[str, FileStamp],
    known: Mapping[str, KnownFile],
    lost: set[str],
    before: set[str],
) -> int:
    """Return how many of the lost files are there under another name.

    Of those that were missed before this scan, only names count that are not recorded yet. A recorded
    name counts as a file that came.
    """
    others, new = set(), set()
    for name, stamp in files.items():
        others.add(_identity(stamp))
        file = known.get(name)
        if file is None or not file.has_content or file.stamp != stamp:
            new.add(_identity(stamp))
    return sum(_identity(known[n].stamp) in (new if n in before else others) for n in lost)


def _identity(stamp: FileStamp) -> tuple[int, int, int]:
    return stamp.inode, stamp.size, stamp.mtime_ns
