"""Fault 2: kill -9 at random instants while images are dropped. None is lost."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import quantiles

import pytest

from tests.faults.conftest import Figure
from tests.faults.stubbed import Stubbed, undisturbed

NAIVE = Path(__file__).resolve().parents[2] / "benchmarks" / "peers" / "naive_watcher.py"
KILL_AFTER_S = (0.2, 3.0)
SEED = 2


def drop_all(tiny: Stubbed, count: int, over_s: float) -> None:
    for number in range(count):
        tiny.drop_input(number)
        time.sleep(over_s / count)


def live_and_die(tiny: Stubbed, life_s: float) -> float | None:
    """Start the service and kill it after so long.

    Returns:
        Seconds from its start to its first heartbeat, which ends the first step and so comes
        after the recovery; None if it was killed before.
    """
    beat = tiny.folder / "store" / "service.json"
    began = time.time()
    service = tiny.spawn()
    up_s = None
    while time.time() < began + life_s:
        assert service.poll() is None, tiny.log()
        if up_s is None and beat.stat().st_mtime >= began:
            up_s = time.time() - began
        time.sleep(0.005)
    service.send_signal(signal.SIGKILL)
    service.wait()
    return up_s


@pytest.mark.timeout(600)
def test_random_kills_lose_no_drop(tmp_path: Path, figure: Figure, *, is_full_size: bool) -> None:
    drops, over_s = (1000, 120.0) if is_full_size else (30, 3.0)
    chance = random.Random(SEED)
    tiny = Stubbed(tmp_path / "tiny")
    for number in range(3):
        tiny.drop_pair(number)
    assert tiny.run("run", "--once") == 0, tiny.log()
    dropping = threading.Thread(target=drop_all, args=(tiny, drops, over_s))
    dropping.start()
    lives: list[float | None] = []
    while dropping.is_alive():
        lives.append(live_and_die(tiny, chance.uniform(*KILL_AFTER_S)))
    assert tiny.run("run", "--once", timeout_s=300) == 0, tiny.log()
    lost = drops - len(tiny.outputs())
    assert tiny.blemishes() == []
    assert tiny.state() == undisturbed(tiny, tmp_path / "control")
    up_s = [life for life in lives if life is not None] * 2  # of one life, two
    up = "never up before the next"  # on a machine that other work keeps busy
    if up_s:
        centiles = quantiles(up_s, n=20, method="inclusive")
        up = f"up again in {centiles[9]:.1f} s (p50), {centiles[18]:.1f} s (p95)"
    figure(
        2,
        f"kill -9 every {KILL_AFTER_S[0]:g} to {KILL_AFTER_S[1]:g} s over {drops} drops",
        pixd=f"{len(lives)} kills, {lost} lost; {up}",
        naive=naive(tmp_path / "naive", drops) if is_full_size else "",
        bar="0 lost",
        met=lost == 0,
    )


def naive(folder: Path, drops: int) -> str:
    """Drop into the naive script's folder, killed and started as often; say what it lost."""
    source, output = folder / "input", folder / "output"
    for made in (source, output):
        made.mkdir(parents=True)
    chance = random.Random(SEED)
    tiny = Stubbed(folder / "drops")
    dropped = 0
    while dropped < drops:
        script = subprocess.Popen([sys.executable, str(NAIVE), str(source), str(output)])
        ends_at = time.monotonic() + chance.uniform(*KILL_AFTER_S)
        while time.monotonic() < ends_at and dropped < drops:
            tiny.drop_input(dropped)
            name = f"in-{dropped:04d}.png"
            (tiny.folder / "input" / name).rename(source / name)
            dropped += 1
            time.sleep(0.05)
        script.kill()
        script.wait()
    script = subprocess.Popen([sys.executable, str(NAIVE), str(source), str(output)])
    time.sleep(3)
    script.kill()
    script.wait()
    return f"{drops - len(list(output.iterdir()))} of {drops} lost"
