"""Fault 11: clocks that jump, and files from the future or from 1970. Nothing is missed or stalls.

The service's wall clock is moved under a real folder and store; the files' own times by utime.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pixd.folders.recorder import Recorder
from pixd.folders.settle import Ready
from pixd.system.clock import rfc3339, utc_now
from pixd.translation.publishing import Publisher
from tests.faults.conftest import Figure
from tests.support.tiny import Tiny, picture
from tests.support.watched import Folder

HOUR_S, DAY_S = 3600.0, 86400.0
JUMPS_S = (HOUR_S, -HOUR_S, DAY_S, -DAY_S)


class Clock:
    """The wall clock, which this test may set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.offset_s = 0.0
        real, real_ns = time.time, time.time_ns
        monkeypatch.setattr(time, "time", lambda: max(0.0, real() + self.offset_s))
        monkeypatch.setattr(
            time, "time_ns", lambda: max(0, real_ns() + int(self.offset_s * 1_000_000_000))
        )

    def set_to_1970(self) -> None:
        self.offset_s = -time.time()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_the_clock_may_jump_between_any_two_steps(
    tmp_path: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    figure: Figure,
    is_full_size: bool,  # noqa: FBT001 - a fixture
) -> None:
    reads: list[str] = []
    read = Recorder.read

    def counted(self: Recorder, root: Path, ready: Ready, *, is_racy: bool) -> None:
        reads.append(ready.name)
        read(self, root, ready, is_racy=is_racy)

    monkeypatch.setattr(Recorder, "read", counted)
    folder = Folder(tmp_path, "input")
    wanted: dict[str, bytes] = {}
    rounds = 20 if is_full_size else 2
    for turn in range(rounds):
        for jump_s in (*JUMPS_S, None):
            for kind in ("new", "over"):
                name = f"{turn}-{jump_s}.png" if kind == "new" else "again.png"
                wanted[name] = f"{turn} {jump_s} {kind}".encode()
                (folder.root / name).write_bytes(wanted[name])
                folder.step(0.5)
                if jump_s is None:
                    clock.set_to_1970()
                else:
                    clock.offset_s = jump_s
                folder.step(0.5)
            folder.settle()
        folder.restart()
    assert folder.files() == wanted
    reads.clear()
    for _ in range(10):
        folder.step(30)
    assert reads == [], "what is at rest is not read again and again"
    figure(
        11.1,
        f"clock +-1 h, +-1 day, 1970: {5 * rounds} jumps",
        pixd=f"{len(wanted) - len(folder.files())} missed, 0 stalls",
        bar="0 missed, 0 stalls",
    )
    folder.close()


def test_a_retry_is_not_put_off_when_the_clock_is_set_back(tmp_path: Path, clock: Clock) -> None:
    folder = Folder(tmp_path, "input")
    (folder.root / "a.png").write_bytes(b"a")
    folder.settle()
    working, repo = folder.store.working, folder.intake.repo_id
    clock.offset_s = DAY_S
    (due,) = working.due_inputs(repo, 9, utc_now(), _latest())
    Publisher(folder.store, "p", repo, tmp_path).postpone(due, "no luck")
    assert working.due_inputs(repo, 9, utc_now(), _latest()) == []
    for offset_s in (0.0, -DAY_S):
        clock.offset_s = offset_s
        assert working.due_inputs(repo, 9, utc_now(), _latest()) != []
    folder.close()


def _latest() -> str:
    from pixd.translation.publishing import LONGEST_WAIT_S

    return rfc3339(time.time() + LONGEST_WAIT_S)


def test_files_from_any_time_are_taken_and_their_changes_seen(
    bare: Tiny,
    figure: Figure,
    is_full_size: bool,  # noqa: FBT001 - a fixture
) -> None:
    now = time.time()
    times = [now + s for s in JUMPS_S] + [0.0, 1.0, now + 365 * DAY_S, 4102444800.0]
    count = 500 if is_full_size else 24
    folder = bare.folder / "input"
    bare.start()
    began = time.monotonic()
    for number in range(count):
        path = folder / f"{number:04d}.png"
        picture(number).save(path)
        os.utime(path, (times[number % len(times)],) * 2)
    bare.until(lambda p: p["input"]["queued"] == count, 60)
    took_s = time.monotonic() - began
    commits = bare.part()["input"]["commit"]
    # The same size, and the same time again: only the ctime tells.
    changed = sorted(folder.iterdir())[: len(times)]
    for number, path in enumerate(changed):
        data = bytearray(path.read_bytes())
        data[-20] ^= 255
        path.write_bytes(data)
        os.utime(path, (times[number % len(times)],) * 2)
    bare.until(lambda p: p["input"]["commit"] > commits and not p["input"]["settling"], 30)
    bare.until(lambda _: all(len(bare.taken()[path.name]) == 2 for path in changed), 30)
    figure(
        11.2,
        "files dated +-1 h, +-1 day, 1970, 2100; overwritten with the same size and date",
        pixd=f"0 of {count} missed, taken in {took_s:.1f} s; {len(changed)} overwrites seen",
        bar="0 missed, 0 stalls",
    )
