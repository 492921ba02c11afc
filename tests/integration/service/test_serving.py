"""A store that is not where it was: the real service waits for it, writes nothing, and goes on."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pixd.images.png import encode_png
from pixd.store import place
from tests.support.tiny import Tiny, picture

WaitUntil = Callable[..., None]
BOTH_WAYS = ("bring its disk back", "pixd run --new-store")


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    """Return a pipeline without a model that has recorded two inputs and stopped."""
    tiny = Tiny(tmp_path / "tiny")
    tiny.inputs(range(2))
    tiny.once()
    return tiny


@contextlib.contextmanager
def serving(tiny: Tiny) -> Iterator[Callable[[], str]]:
    """Run the service without waiting for its store; give its log. It ends in order."""
    log = tiny.folder / "service.log"
    with log.open("ab") as stderr:
        service = subprocess.Popen(
            [sys.executable, "-m", "pixd", "run"], cwd=tiny.folder, stderr=stderr
        )
    try:
        yield log.read_text
        service.send_signal(signal.SIGTERM)
        assert service.wait(30) == 0
    finally:
        service.kill()
    assert "Traceback" not in log.read_text()


def away(folder: Path) -> Path:
    return folder.rename(folder.with_name(f"{folder.name}-away"))


def test_a_store_that_is_renamed_and_back_is_blocked_and_heals(
    tiny: Tiny, wait_until: WaitUntil
) -> None:
    store = tiny.folder / "store"
    with serving(tiny) as log:
        wait_until(lambda: "pixd serves" in log(), 60)
        kept = away(store)
        wait_until(lambda: "blocked:" in log(), 60)
        status = tiny.status()
        assert (status["state"], status["pid"] > 0) == ("blocked", True)
        assert status["store_gone"].startswith(f"the store at {store} is gone")
        shown = tiny.pixd("status")
        assert shown.returncode == 1
        assert all(way in shown.stdout for way in BOTH_WAYS)
        assert "none yet" not in shown.stdout  # nothing untrue of a model that nobody can read
        tiny.inputs(range(2, 3))
        assert not store.exists()
        kept.rename(store)
        wait_until(lambda: "is back after" in log(), 60)
        tiny.until(lambda p: (p["input"]["files"], p["input"]["commit"]) == (3, 2), 60)
        assert tiny.status()["state"] == "ok"


def test_the_whole_project_renamed_and_back_is_blocked_and_heals(
    tiny: Tiny, wait_until: WaitUntil
) -> None:
    with serving(tiny) as log:
        wait_until(lambda: "pixd serves" in log(), 60)
        kept = away(tiny.folder)
        wait_until(lambda: "blocked:" in (kept / "service.log").read_text(), 60)
        assert not tiny.folder.exists()
        moved = subprocess.run(
            [sys.executable, "-m", "pixd", "status"],
            cwd=kept,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "it was stopped" in moved.stdout, moved.stdout  # no service serves it there
        kept.rename(tiny.folder)
        wait_until(lambda: "is back after" in log(), 60)
        wait_until(lambda: tiny.status()["state"] == "ok", 60)


def test_a_start_without_the_store_begins_nothing_anew(tiny: Tiny) -> None:
    kept = away(tiny.folder / "store")
    done = tiny.pixd("run", "--once")
    assert done.returncode == 1
    assert all(way in done.stderr for way in BOTH_WAYS)
    assert not (tiny.folder / "store").exists()
    status = tiny.pixd("status")
    assert status.returncode == 3
    assert "the store is gone" in status.stdout
    assert "never started" not in status.stdout
    done = tiny.pixd("run", "--once", "--new-store")
    assert done.returncode == 0, done.stderr
    shutil.rmtree(tiny.folder / "store")
    kept.rename(tiny.folder / "store")
    done = tiny.pixd("run", "--once")
    assert "another one than pixd had there" in done.stderr
    assert tiny.pixd("run", "--once", "--new-store").returncode == 0


def test_a_store_that_comes_late_is_taken_up(tiny: Tiny, wait_until: WaitUntil) -> None:
    kept = away(tiny.folder / "store")
    with serving(tiny) as log:
        wait_until(lambda: "blocked:" in log(), 60)
        assert tiny.status()["state"] == "blocked"
        kept.rename(tiny.folder / "store")
        wait_until(lambda: tiny.status()["state"] == "ok", 60)
        assert tiny.part()["input"]["commit"] == 1


def test_another_store_in_its_place_is_not_taken_for_it(tiny: Tiny, wait_until: WaitUntil) -> None:
    store = tiny.folder / "store"
    with serving(tiny) as log:
        wait_until(lambda: "pixd serves" in log(), 60)
        wait_until(lambda: tiny.status()["idle"], 60)  # it has written what a start writes
        kept = away(store)
        # In one step: a copy with the same identity would be the store that came back.
        other = store.with_name("other")
        shutil.copytree(kept, other, ignore=shutil.ignore_patterns("*.sock"))
        (other / place.IDENTITY).write_text("another\n")
        other.rename(store)
        before = sorted(str(path) for path in store.rglob("*"))
        wait_until(lambda: "another one than pixd had" in log(), 60)
        assert sorted(str(path) for path in store.rglob("*")) == before
        shutil.rmtree(store)
        kept.rename(store)
        wait_until(lambda: tiny.status()["state"] == "ok", 60)


def test_outputs_of_pixd_show_that_there_was_a_store(tmp_path: Path) -> None:
    tiny = Tiny(tmp_path / "tiny")
    (tiny.folder / "output" / "below").mkdir()
    made = tiny.folder / "output" / "below" / "x.png"
    made.write_bytes(encode_png(picture(1), {"Software": "pixd", "pixd:run": "abc"}))
    done = tiny.pixd("run", "--once")
    assert done.returncode == 1
    assert str(made) in done.stderr
    assert all(way in done.stderr for way in ("its disk was unplugged", "pixd run --new-store"))
    assert not (tiny.folder / "store").exists()
    made.write_bytes(encode_png(picture(1), {"Software": "another program"}))
    tiny.once()


@pytest.mark.parametrize("kind", ["training", "input"])
def test_a_watched_folder_is_never_made_by_the_service(
    tmp_path: Path, wait_until: WaitUntil, kind: str
) -> None:
    tiny = Tiny(tmp_path / "tiny")
    (tiny.folder / kind).rmdir()
    done = tiny.pixd("run", "--once")
    assert done.returncode == 1
    assert "pixd init" in done.stderr
    assert not (tiny.folder / kind).exists()
    assert not (tiny.folder / "store").exists()
    with serving(tiny) as log:
        wait_until(lambda: "blocked:" in log(), 60)
        assert f"{tiny.folder / kind} is missing" in tiny.pixd("status").stdout
        (tiny.folder / kind).mkdir()
        wait_until(lambda: tiny.status()["state"] == "ok", 60)


def test_a_project_that_is_moved_or_copied_goes_on(tiny: Tiny) -> None:
    moved = Tiny.at(tiny.folder.rename(tiny.folder.with_name("with a space")))
    moved.once()
    assert moved.part()["input"]["commit"] == 1
    with moved.copied(moved.folder.with_name("copy")) as copy:
        copy.once()
        assert copy.part()["input"]["commit"] == 1


def test_a_second_service_that_waits_names_the_first(tiny: Tiny, wait_until: WaitUntil) -> None:
    away(tiny.folder / "store")
    with serving(tiny) as log:
        wait_until(lambda: "blocked:" in log(), 60)
        done = tiny.pixd("run")
        assert done.returncode == 1
        assert "waits for the store" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_the_configuration_that_cannot_be_written_is_no_error(tiny: Tiny) -> None:
    tiny.folder.chmod(0o555)
    try:
        assert tiny.pixd("run", "--once").returncode == 0
    finally:
        tiny.folder.chmod(0o755)
