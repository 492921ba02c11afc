"""The age of the service is right whatever the clock of the machine is set to."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pixd.answers.status import _uptime_s
from pixd.service.heartbeat import HeartbeatFile


@pytest.mark.parametrize("jump_s", [-3600.0, 86400.0])
def test_the_start_moves_with_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    wall, steady = time.time, time.monotonic
    began = steady()
    beats = HeartbeatFile(tmp_path)
    monkeypatch.setattr(time, "time", lambda: wall() + jump_s)
    monkeypatch.setattr(time, "monotonic", lambda: steady() + 24.0)
    age_s = time.time() - beats.started_at
    assert 24.0 <= age_s <= 24.0 + steady() - began + 1.0


def test_no_age_is_negative() -> None:
    assert _uptime_s(100.0, 3676.0) == 0.0
    assert _uptime_s(100.0, 88.0) == 12.0
    assert _uptime_s(100.0, None) == 0.0
