"""A folder that is not to be believed goes on hold: nothing is removed until that is clear."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pixd.folders import scan
from pixd.folders.intake import POLL_S
from pixd.system import safe_open, stamps
from tests.support.watched import SETTLE_S, Folder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path, "training")
    yield folder
    folder.close()


def names(count: int) -> set[str]:
    return {f"{number:03d}.png" for number in range(count)}


def empty(folder: Folder, keep: int = 0) -> None:
    for path in sorted(folder.root.iterdir())[keep:]:
        path.unlink()


def test_more_than_half_of_many_files_gone_at_once_is_a_hold(folder: Folder) -> None:
    folder.fill(30)
    empty(folder, keep=14)
    folder.settle()
    assert "16 of 30 recorded files are not there" in folder.intake.held
    assert "pixd resume -p p" in folder.intake.held
    assert set(folder.files()) == names(30)
    assert folder.commits() == ["+30 files"]
    assert len(folder.states()) == 30


def test_half_of_them_is_none(folder: Folder) -> None:
    folder.fill(30)
    empty(folder, keep=15)
    folder.settle()
    assert not folder.intake.held
    assert set(folder.files()) == names(15)


def test_a_small_set_may_be_emptied(folder: Folder) -> None:
    folder.fill(19)
    empty(folder)
    folder.settle()
    assert not folder.intake.held
    assert folder.files() == {}


def test_deleting_in_steps_is_no_hold(folder: Folder) -> None:
    folder.fill(40)
    for left in (30, 20, 10, 0):
        empty(folder, keep=left)
        folder.settle()
        assert not folder.intake.held
        assert set(folder.files()) == names(left)


def test_deleting_without_a_rest_is_a_hold_however_slow(folder: Folder) -> None:
    folder.fill(40)
    for left in range(39, 0, -1):
        empty(folder, keep=left)
        folder.step(SETTLE_S * 0.9)
        if folder.intake.held:
            break
    assert folder.intake.held
    assert len(folder.files()) >= 20


def turn_over(folder: Folder, rounds: int, at_once: int = 1) -> None:
    """Have the oldest files go as new ones come, without a rest."""
    for _ in range(rounds):
        present = sorted(folder.root.iterdir())
        last = int(present[-1].stem)
        for number, oldest in enumerate(present[:at_once], start=last + 1):
            (folder.root / f"{number:03d}.png").write_bytes(b"%d" % number)
            oldest.unlink()
        folder.step(SETTLE_S * 0.45)


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_folder_from_which_old_files_go_as_new_ones_come_is_believed(
    tmp_path: Path, at_once: int
) -> None:
    folder = Folder(tmp_path, "input")
    folder.fill(40)
    for _ in range(20):
        turn_over(folder, rounds=10, at_once=at_once)
        assert not folder.intake.held
    # It loses most of them: that is a hold like any other, whatever went before.
    empty(folder, keep=10)
    folder.settle()
    assert "lost files at once" in folder.intake.held
    folder.close()


def test_renaming_one_after_another_without_a_rest_is_no_loss(folder: Folder) -> None:
    folder.fill(40)
    (folder.root / "sub").mkdir()
    for path in sorted(folder.root.glob("*.png")):
        path.rename(folder.root / "sub" / path.name)
        folder.step(SETTLE_S * 0.45)
        assert not folder.intake.held
    folder.settle()
    assert not folder.intake.held
    assert len(folder.files()) == 40


def test_a_hold_ends_by_itself_when_the_files_are_back(folder: Folder) -> None:
    folder.fill(30)
    away = folder.root.with_name("away")
    shutil.copytree(folder.root, away)
    empty(folder)
    folder.settle()
    assert folder.intake.held
    # Half of them are back and more are coming: what is still missing is not removed.
    for path in sorted(away.iterdir())[:20]:
        shutil.copy(path, folder.root)
    folder.step(POLL_S)
    assert folder.intake.held
    for path in away.iterdir():
        shutil.copy(path, folder.root)
    folder.step(POLL_S)
    assert not folder.intake.held
    folder.settle()
    assert folder.commits() == ["+30 files"]


def test_a_hold_that_is_accepted_is_recorded(folder: Folder) -> None:
    folder.fill(30)
    empty(folder, keep=3)
    folder.settle()
    folder.store.holds.accept(folder.intake.repo_id)
    folder.intake.reload()
    folder.settle()
    folder.settle()
    assert not folder.intake.held
    assert set(folder.files()) == names(3)
    root = folder.store.holds.root(folder.intake.repo_id)
    assert root is not None
    assert not root.is_accepted, "it counts once"


def test_a_hold_and_what_it_waits_for_outlive_a_restart(folder: Folder) -> None:
    folder.fill(30)
    empty(folder)
    folder.settle()
    folder.restart()
    assert folder.intake.held
    folder.settle()
    assert "30 of 30" in folder.intake.held
    assert set(folder.files()) == names(30)


def test_what_goes_while_nobody_looks_goes_at_once(folder: Folder) -> None:
    folder.fill(30)
    folder.intake.stop()
    empty(folder)
    folder.restart()
    folder.settle()
    assert folder.intake.held


def test_renaming_everything_is_no_loss(folder: Folder) -> None:
    folder.fill(30)
    (folder.root / "sub").mkdir()
    for path in sorted(folder.root.glob("*.png")):
        path.rename(folder.root / "sub" / f"new-{path.name}")
    folder.settle()
    assert not folder.intake.held
    assert {name.split("/")[0] for name in folder.files()} == {"sub"}


def test_another_folder_without_the_files_is_a_hold_however_few_they_were(folder: Folder) -> None:
    folder.fill(3)
    folder.root.rename(folder.root.with_name("old"))
    folder.root.mkdir()
    folder.settle()
    assert "is another folder" in folder.intake.held
    assert set(folder.files()) == names(3)
    folder.root.rmdir()
    folder.root.with_name("old").rename(folder.root)
    folder.step(POLL_S)
    folder.settle()
    assert not folder.intake.held
    assert folder.commits() == ["+3 files"]


def test_another_folder_with_the_same_files_is_taken(folder: Folder) -> None:
    folder.fill(3)
    old = folder.root.with_name("old")
    folder.root.rename(old)
    shutil.copytree(old, folder.root)
    (folder.root / "late.png").write_bytes(b"late")
    folder.settle()
    assert not folder.intake.held
    assert set(folder.files()) == names(3) | {"late.png"}


def test_a_folder_deleted_and_made_again_at_once_loses_nothing(folder: Folder) -> None:
    # The events of the removals come before anybody has looked at the folder itself.
    folder.fill(5)
    shutil.rmtree(folder.root)
    folder.root.mkdir()
    for _ in range(40):
        folder.now += 0.1
        folder.intake.step(folder.now)
    assert "is another folder" in folder.intake.held
    assert set(folder.files()) == names(5)


def test_a_folder_replaced_by_a_link_is_not_looked_into(folder: Folder) -> None:
    folder.fill(3)
    folder.root.rename(folder.root.with_name("old"))
    other = folder.root.with_name("other")
    other.mkdir()
    (other / "secret.png").write_bytes(b"secret")
    folder.root.symlink_to(other)
    folder.settle()
    assert "symbolic link" in folder.intake.held
    assert folder.intake.watch_kind == "poll"
    assert set(folder.states()) == names(3)
    folder.root.unlink()
    folder.root.with_name("old").rename(folder.root)
    folder.step(POLL_S)
    folder.settle()
    assert folder.commits() == ["+3 files"]


def test_a_link_from_the_start_is_a_folder_like_others(folder: Folder) -> None:
    real = folder.root.with_name("real")
    folder.root.rename(real)
    folder.root.symlink_to(real)
    folder.fill(3)
    folder.restart()
    folder.settle()
    assert not folder.intake.held
    assert set(folder.files()) == names(3)


def test_another_device_is_a_hold_only_where_files_are_missing(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # After a reboot the same disk may have another number. Real mounts are among the faults.
    folder.fill(3)
    real = scan._identity

    def elsewhere(root: Path, root_fd: int) -> stamps.RootIdentity:
        return real(root, root_fd)._replace(device=12345)

    monkeypatch.setattr(scan, "_identity", elsewhere)
    folder.restart()
    folder.settle()
    assert not folder.intake.held
    monkeypatch.undo()
    empty(folder)
    folder.restart()
    folder.settle()
    assert "another file system" in folder.intake.held


def test_nothing_new_is_taken_in_on_hold(folder: Folder) -> None:
    folder.fill(30)
    empty(folder)
    folder.settle()
    (folder.root / "new.png").write_bytes(b"new")
    folder.settle()
    assert set(folder.files()) == names(30)
    assert "new.png" not in folder.states()


def test_a_folder_on_hold_leaves_nothing_due(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is due and never done would have the service's loop spin.
    folder.fill(30)

    def fail(_root: Path, _name: str) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(safe_open, "open_regular", fail)
    (folder.root / "new.png").write_bytes(b"new")
    folder.settle()
    assert folder.intake.unreadable == 1
    empty(folder)
    folder.settle()
    assert folder.intake.held
    for _ in range(5):
        folder.step(POLL_S)
        assert folder.intake.next_at() > folder.now


def test_a_folder_gone_before_it_was_ever_seen_is_waited_for(folder: Folder) -> None:
    folder.root.rmdir()
    folder.step()
    assert folder.intake.held
    folder.root.mkdir()
    folder.fill(3)
    assert not folder.intake.held
    assert set(folder.files()) == names(3)
