"""Calls into a folder that may hang: the caller goes on, and gets the answer when there is one."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pixd.folders import scan
from pixd.system import safe_open
from pixd.system.children import folder_calls
from pixd.system.children.folder_calls import FolderCalls, NotAnsweringError, silence_of
from tests.support.hanging import fuse_folder, hanging, on_network

WaitUntil = Callable[..., None]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FolderCalls]:
    """Give calls into a folder on the network whose child has answered once."""
    folder = tmp_path / "far"
    folder.mkdir()
    on_network(monkeypatch, folder)
    monkeypatch.setattr(folder_calls, "PATIENCE_S", 30.0)
    calls = FolderCalls(folder)
    assert calls.call(os.listdir, folder) == []
    monkeypatch.setattr(folder_calls, "PATIENCE_S", 0.05)
    yield calls
    calls.close()


def test_a_local_folder_is_asked_directly(tmp_path: Path) -> None:
    calls = FolderCalls(tmp_path)
    assert calls.call(os.getpid) == os.getpid()
    assert calls.fileno() is None
    assert calls.trouble == ""


def test_a_folder_on_the_network_is_asked_by_a_child(
    calls: FolderCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_calls, "PATIENCE_S", 30.0)
    assert calls.call(os.getpid) != os.getpid()
    (calls._folder / "a.png").write_bytes(b"a")
    assert list(calls.call(scan.scan, calls._folder).files) == ["a.png"]


def test_what_is_raised_there_is_raised_here(
    calls: FolderCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_calls, "PATIENCE_S", 30.0)
    with pytest.raises(FileNotFoundError) as caught:
        calls.call(os.stat, calls._folder / "nothing")
    assert caught.value.errno == errno.ENOENT
    with pytest.raises(safe_open.RootGoneError) as gone:
        calls.call(scan.scan, calls._folder / "nothing")
    assert gone.value.advice


def test_a_call_that_hangs_does_not_keep_the_caller_and_its_answer_is_not_lost(
    calls: FolderCalls, wait_until: WaitUntil
) -> None:
    (calls._folder / "a").write_bytes(b"")
    with hanging(calls):
        with pytest.raises(NotAnsweringError, match="does not answer"):
            calls.call(os.listdir, calls._folder)
        assert calls.is_waiting()
        assert calls.fileno() is not None
        with pytest.raises(NotAnsweringError):  # and no other call overtakes it
            calls.call(os.getpid)
    wait_until(lambda: not calls.is_waiting())
    (calls._folder / "b").write_bytes(b"")
    assert calls.call(os.listdir, calls._folder) == ["a"]  # as it was when it was asked


def test_trouble_is_told_after_a_time_without_progress(
    calls: FolderCalls, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    monkeypatch.setattr(folder_calls, "SILENT_S", 0.2)
    with hanging(calls):
        with pytest.raises(NotAnsweringError):
            calls.call(os.getpid)
        wait_until(lambda: calls.trouble)
        assert "(nfs4) has not answered for 0 s" in calls.trouble
    wait_until(lambda: not calls.is_waiting())
    assert calls.trouble == ""


def test_a_slow_call_that_makes_progress_is_no_trouble(
    calls: FolderCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_calls, "SILENT_S", 5.0)
    with pytest.raises(NotAnsweringError):
        calls.call(sum, range(10**10))  # busy for minutes
    time.sleep(0.1)
    assert calls.trouble == ""


def test_a_child_that_is_killed_is_replaced(
    calls: FolderCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert calls._child is not None
    calls._child.kill()
    calls._child.wait()
    monkeypatch.setattr(folder_calls, "PATIENCE_S", 30.0)
    assert calls.call(os.listdir, calls._folder) == []


def test_a_question_larger_than_a_pipe_arrives(
    calls: FolderCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_calls, "PATIENCE_S", 30.0)
    assert calls.call(len, "x" * 10_000_000) == 10_000_000
    assert len(calls.call(bytes, 10_000_000)) == 10_000_000


def test_closing_does_not_wait_for_a_child_that_hangs(calls: FolderCalls) -> None:
    with hanging(calls):
        with pytest.raises(NotAnsweringError):
            calls.call(os.getpid)
        calls.close()
    assert not calls.is_waiting()


def test_a_call_that_not_even_sigkill_ends_is_left_alone(tmp_path: Path) -> None:
    with fuse_folder(tmp_path / "fuse") as folder:
        error = silence_of(tmp_path, folder)
        assert error is not None
        assert f"{folder} (fuse) does not answer" in error.message
        calls = FolderCalls(folder)
        with pytest.raises(NotAnsweringError):
            calls.call(os.listdir, folder)
        assert calls._child is not None
        pid = calls._child.pid
        time.sleep(0.5)  # until the call is in the kernel
        calls.close()
        assert Path(f"/proc/{pid}").exists()  # it hangs, and nobody waits for it
