"""Hints from a real inotify: what arrives, what does not, and what is said when it cannot."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pixd.folders.observer import CANARY_EVERY_S, CANARY_LATE_S, SHARED
from pixd.folders.watch import Hints, Watch
from pixd.system import libc

WaitUntil = Callable[..., None]


class Listener:
    """A watch, and all that it has hinted at so far."""

    def __init__(self, root: Path, canary: Path | None = None) -> None:
        self.wakes = 0
        self.watch = Watch(root, self._wake, canary=canary)
        self.seen = Hints(set(), set(), rescan=False)
        self.watch.start()
        assert self.watch.kind == "inotify", self.watch.why

    def _wake(self) -> None:
        self.wakes += 1

    def hints(self) -> Hints:
        new = self.watch.drain()
        old = self.seen
        self.seen = Hints(
            old.changed | new.changed,
            old.closed | new.closed,
            old.rescan or new.rescan,
            old.renamed | new.renamed,
        )
        return self.seen


def inotify_instances() -> int:
    """Return how many this process has open."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the descriptor of this list itself
            found += str(entry.readlink()) == "anon_inode:inotify"
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def listener(root: Path) -> Iterator[Listener]:
    listener = Listener(root)
    yield listener
    listener.watch.stop()


def test_a_written_file_is_hinted_as_closed(
    root: Path, listener: Listener, wait_until: WaitUntil
) -> None:
    (root / "a.png").write_bytes(b"x")
    wait_until(lambda: listener.hints().closed == {"a.png"})
    assert listener.wakes >= 1
    assert listener.watch.drain() == Hints(set(), set(), rescan=False)


def test_reading_raises_no_hint(root: Path, listener: Listener, wait_until: WaitUntil) -> None:
    (root / "a.png").write_bytes(b"x")
    wait_until(lambda: "a.png" in listener.hints().closed)
    listener.seen = Hints(set(), set(), rescan=False)
    (root / "a.png").read_bytes()
    list(root.iterdir())
    (root / "b.png").write_bytes(b"x")  # what comes after the read arrives after it
    wait_until(lambda: "b.png" in listener.hints().closed)
    assert listener.hints().changed == {"b.png"}


def test_a_rename_into_the_folder_is_hinted_as_closed(
    root: Path, listener: Listener, tmp_path: Path, wait_until: WaitUntil
) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "a.png").rename(root / "a.png")
    wait_until(lambda: "a.png" in listener.hints().closed)
    assert listener.hints().renamed == {"a.png"}


def test_a_rename_from_a_temporary_name_is_hinted_under_the_final_one(
    root: Path, listener: Listener, wait_until: WaitUntil
) -> None:
    (root / "a.part").write_bytes(b"x")
    (root / "a.part").rename(root / "a.png")
    wait_until(lambda: "a.png" in listener.hints().closed)
    assert listener.hints().changed == {"a.png"}


def test_removals_renames_and_hard_links_are_hinted(
    root: Path, listener: Listener, wait_until: WaitUntil
) -> None:
    (root / "a.png").write_bytes(b"x")
    os.link(root / "a.png", root / "b.png")
    (root / "a.png").unlink()
    (root / "b.png").rename(root / "c.png")
    wait_until(lambda: listener.hints().changed == {"a.png", "b.png", "c.png"})


def test_a_tree_that_arrives_is_hinted_by_its_top(
    root: Path, listener: Listener, tmp_path: Path, wait_until: WaitUntil
) -> None:
    (tmp_path / "tree/deep").mkdir(parents=True)
    (tmp_path / "tree/deep/a.png").write_bytes(b"x")
    shutil.copytree(tmp_path / "tree", root / "copied")
    (tmp_path / "tree").rename(root / "moved")
    wait_until(lambda: {"copied", "moved"} <= listener.hints().changed)
    (root / "moved/deep/late.png").write_bytes(b"x")
    wait_until(lambda: "moved/deep/late.png" in listener.hints().closed)


def test_a_name_that_is_not_text_is_hinted_as_name_text(
    root: Path, listener: Listener, wait_until: WaitUntil
) -> None:
    (root / os.fsdecode(b"\xff\n.png")).write_bytes(b"")
    wait_until(lambda: "\\xff\\x0a.png" in listener.hints().closed)


def test_a_root_that_is_a_link_is_watched_through_it(
    root: Path, tmp_path: Path, wait_until: WaitUntil
) -> None:
    (tmp_path / "link").symlink_to(root)
    listener = Listener(tmp_path / "link")
    (root / "a.png").write_bytes(b"x")
    wait_until(lambda: "a.png" in listener.hints().closed)
    listener.watch.stop()


def test_a_live_burst_arrives_whole_with_few_wakes(
    root: Path, listener: Listener, wait_until: WaitUntil
) -> None:
    for number in range(5000):
        os.close(os.open(root / f"{number}.png", os.O_CREAT | os.O_WRONLY))
    wait_until(lambda: len(listener.hints().closed) == 5000 or listener.seen.rescan, 20)
    assert listener.wakes < 1000


def test_an_overflow_asks_for_a_rescan_twice_and_is_counted(
    listener: Listener, wait_until: WaitUntil
) -> None:
    # What watchdog does when the kernel says IN_Q_OVERFLOW; the real one is among the faults.
    logging.getLogger("watchdog.observers.inotify_c").warning("Inotify queue overflowed")
    assert listener.watch.overflows == 1
    assert listener.wakes == 1
    assert listener.watch.drain().rescan
    assert not listener.watch.drain().rescan
    wait_until(lambda: listener.watch.drain().rescan, what="the look after the watches are back")
    assert not listener.watch.drain().rescan


def test_an_exception_in_the_caller_does_not_end_the_hints(
    root: Path, wait_until: WaitUntil
) -> None:
    def fail() -> None:
        raise RuntimeError("a caller's mistake")

    watch = Watch(root, fail)
    watch.start()
    (root / "a.png").write_bytes(b"x")
    wait_until(lambda: watch.overflows)
    assert watch.is_alive(time.monotonic())
    watch.stop()


def test_a_root_that_is_removed_is_noticed(
    root: Path, listener: Listener, wait_until: WaitUntil
) -> None:
    assert listener.watch.is_alive(time.monotonic())
    root.rmdir()
    wait_until(lambda: listener.hints().rescan)
    wait_until(lambda: not listener.watch.is_alive(time.monotonic()))


def test_a_missing_root_means_polling_and_the_reason(tmp_path: Path) -> None:
    watch = Watch(tmp_path / "none", lambda: None)
    watch.start()
    assert watch.kind == "poll"
    assert "No such file" in watch.why
    assert watch.drain().rescan
    assert watch.is_alive(time.monotonic())
    assert not watch.is_alive(time.monotonic() + 1000), "inotify is asked for again later"
    watch.stop()


def test_without_watches_left_it_polls_and_says_so(
    root: Path, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    listener = Listener(root)
    monkeypatch.setattr(libc, "inotify_watch_refusal", lambda _: 28)
    (root / "sub").mkdir()
    wait_until(lambda: "sub" in listener.hints().changed)
    listener.watch.is_alive(time.monotonic())
    assert listener.watch.kind == "poll"
    assert "max_user_watches" in listener.watch.why
    assert listener.watch.drain().rescan


def test_two_roots_share_one_observer_and_leave_no_thread(
    root: Path, tmp_path: Path, wait_until: WaitUntil
) -> None:
    before = threading.active_count()
    first = Listener(root)
    (tmp_path / "second").mkdir()
    second = Listener(tmp_path / "second")
    assert threading.active_count() == before + 4  # reader, dispatcher, one emitter for each
    first.watch.stop()
    (tmp_path / "second/a.png").write_bytes(b"x")
    wait_until(lambda: "a.png" in second.hints().closed)
    second.watch.stop()
    wait_until(lambda: threading.active_count() == before)


def test_a_folder_that_is_moved_away_wears_the_watch_and_one_that_is_renamed_does_not(
    root: Path, tmp_path: Path, listener: Listener, wait_until: WaitUntil
) -> None:
    for name in ("here", "away"):
        (root / name).mkdir()
        wait_until(lambda name=name: name in listener.hints().changed)
    (root / "here").rename(root / "there")
    wait_until(lambda: "there" in listener.hints().changed)
    assert not listener.watch.is_worn
    (root / "away").rename(tmp_path / "away")

    def is_worn() -> bool:
        listener.hints()
        return listener.watch.is_worn

    wait_until(is_worn)


def test_a_watch_ends_with_its_thread_also_where_a_name_was_used_twice(
    root: Path, tmp_path: Path, wait_until: WaitUntil
) -> None:
    before = threading.active_count(), inotify_instances()
    (tmp_path / "second").mkdir()
    second = Listener(tmp_path / "second")
    first = Listener(root)
    for name in ("batch", "other"):
        (root / name).mkdir()
        wait_until(lambda name=name: name in first.hints().changed)
        (root / name).rename(tmp_path / name)
        (root / name / "inner").mkdir(parents=True)
        wait_until(lambda name=name: f"{name}/inner" in first.hints().changed)
        shutil.rmtree(root / name)
        (root / f"after-{name}").touch()
        wait_until(lambda name=name: f"after-{name}" in first.hints().changed)
    first.watch.stop()
    wait_until(lambda: threading.active_count() == before[0] + 3)  # those of the second
    (tmp_path / "second/a.png").write_bytes(b"x")
    wait_until(lambda: "a.png" in second.hints().closed)
    second.watch.stop()
    wait_until(lambda: (threading.active_count(), inotify_instances()) == before)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_observer_whose_reader_died_gives_back_its_instance_and_threads(
    root: Path, tmp_path: Path, wait_until: WaitUntil
) -> None:
    """A name that is used twice ends watchdog's reader: findings/watchdog-watches-what-was-moved-out.sh."""
    before = threading.active_count(), inotify_instances()
    (tmp_path / "second").mkdir()
    first, second = Listener(root), Listener(tmp_path / "second")
    for number in (1, 2):
        (root / "batch").mkdir()
        (root / "batch" / f"{number}.png").write_bytes(b"x")
        wait_until(lambda number=number: f"batch/{number}.png" in first.hints().changed)
        (root / "batch").rename(tmp_path / f"{number}")
        (root / f"after-{number}").touch()
        wait_until(lambda number=number: f"after-{number}" in first.hints().changed)
    shutil.rmtree(tmp_path / "2")
    shutil.rmtree(tmp_path / "1")
    wait_until(lambda: not first.watch.is_alive(0.0))
    first.watch.stop()
    first = Listener(root)
    assert not second.watch.is_alive(0.0)
    second.watch.stop()
    second = Listener(tmp_path / "second")
    assert inotify_instances() == before[1] + 1
    assert threading.active_count() == before[0] + 4  # reader, dispatcher, one emitter for each
    (root / "a.png").write_bytes(b"x")
    (tmp_path / "second/b.png").write_bytes(b"x")
    wait_until(lambda: "a.png" in first.hints().closed and "b.png" in second.hints().closed)
    first.watch.stop()
    second.watch.stop()
    wait_until(lambda: (threading.active_count(), inotify_instances()) == before)


def test_the_canary_proves_that_events_arrive(
    root: Path, tmp_path: Path, wait_until: WaitUntil
) -> None:
    (tmp_path / "store").mkdir()
    listener = Listener(root, canary=tmp_path / "store" / "canary")
    now = 1000.0
    assert listener.watch.is_alive(now)
    wait_until(lambda: SHARED.canary_sang)
    now += CANARY_EVERY_S
    assert listener.watch.is_alive(now)
    wait_until(lambda: SHARED.canary_sang)
    shutil.rmtree(tmp_path / "store" / "canary")
    (tmp_path / "store" / "canary").mkdir()  # another folder: its events do not arrive
    now += CANARY_EVERY_S
    assert listener.watch.is_alive(now)
    assert not listener.watch.is_alive(now + CANARY_LATE_S)
    assert listener.hints().changed == set()
    listener.watch.stop()


MOUNTS = rb"""22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 0:40 / /srv/my\040nas rw - nfs4 nas:/export rw
31 30 8:2 / /srv/my\040nas/local rw - xfs /dev/sdb1 rw
32 22 0:41 / /home/me/cloud rw - fuse.rclone remote: rw
33 22 0:42 / /mnt/usb rw - fuseblk /dev/sdc1 rw
"""


@pytest.mark.parametrize(
    ("root", "kind"),
    [
        ("/", "nfs4"),
        ("/srv", "nfs4"),
        ("/srv/my nas", "nfs4"),
        ("/srv/my nas/pictures", "nfs4"),
        ("/srv/my nas/local/pictures", ""),
        ("/srv/my nas 2", ""),
        ("/home/me/cloud/in", "fuse.rclone"),
        ("/home/me/in", ""),
        ("/mnt/usb/in", ""),
    ],
)
def test_a_network_file_system_is_known_by_its_mount(root: str, kind: str) -> None:
    assert libc.network_file_system(root, MOUNTS) == kind
