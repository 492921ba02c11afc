"""Fault 17: SIGTERM in each phase, SIGTERM twice, SIGHUP with a good and a bad config.yaml."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.faults import children
from tests.faults.conftest import Figure
from tests.support.tiny import Tiny, picture

STOP_P95_S = 10.0


def stops(tiny: Tiny) -> tuple[float, int]:
    """Send SIGTERM and return (seconds until the end, exit code)."""
    assert tiny.service is not None
    began = time.monotonic()
    code = tiny.stop(signal.SIGTERM)
    return time.monotonic() - began, code


def event(tiny: Tiny, containing: str) -> bool:
    return containing in (tiny.folder / "service.log").read_text()


def reach_idle(tiny: Tiny) -> None:
    tiny.start()
    tiny.until(lambda p: p["train"]["state"] == "idle")


def reach_settling(tiny: Tiny) -> None:
    tiny.start()
    picture(3).save(tiny.folder / "input" / "settles.png")
    os.utime(tiny.folder / "input" / "settles.png")


def reach_importing(tiny: Tiny) -> None:
    tiny.tune(steps=100_000, seed=tiny_seed(tiny))
    tiny.start()
    tiny.until(lambda p: p["train"]["reason"] in {"importing TensorFlow", "building the model"})


def reach_compiling(tiny: Tiny) -> None:
    tiny.tune(steps=100_000, seed=tiny_seed(tiny))
    tiny.start()
    tiny.until(lambda p: p["train"]["reason"] == "compiling the first step" or p["train"]["step"])


def reach_training(tiny: Tiny) -> None:
    tiny.tune(steps=100_000, seed=tiny_seed(tiny))
    tiny.start()
    tiny.until(lambda p: p["train"]["step"] > 0)


def reach_exporting(tiny: Tiny) -> None:
    tiny.tune(steps=6, seed=tiny_seed(tiny))
    tiny.start()
    scratch = tiny.folder / "store" / "scratch"
    ends_at = time.monotonic() + 60
    while time.monotonic() < ends_at and not list(scratch.glob("train-*/model")):
        time.sleep(0.001)


def reach_translating(tiny: Tiny) -> None:
    tiny.start()
    for number in range(300):
        picture(number).save(tiny.folder / "input" / f"many-{number}.png")
    tiny.until(lambda p: 0 < p["input"]["translated"] < 300 or p["input"]["translated"] == 300)


def tiny_seed(tiny: Tiny) -> int:
    """Return a seed that this pipeline has not trained with: another model is wanted."""
    return len(list((tiny.folder / "store" / "logs").glob("train-*.log")))


PHASES: dict[str, Callable[[Tiny], None]] = {
    "idle": reach_idle,
    "settling": reach_settling,
    "importing TensorFlow": reach_importing,
    "compiling": reach_compiling,
    "training": reach_training,
    "exporting": reach_exporting,
    "translating": reach_translating,
}


@pytest.mark.alone
@pytest.mark.timeout(400)
@pytest.mark.parametrize("phase", PHASES)
def test_sigterm_ends_in_order_whatever_is_under_way(
    stub: Tiny, figure: Figure, phase: str, *, is_full_size: bool
) -> None:
    if not is_full_size and phase not in {"settling", "compiling", "training"}:
        pytest.skip("`make faults` goes through every phase")
    times = 10 if is_full_size and phase == "training" else 1
    seconds: list[float] = []
    codes: set[int] = set()
    for _ in range(times):
        PHASES[phase](stub)
        took_s, code = stops(stub)
        seconds.append(took_s)
        codes.add(code)
    log = (stub.folder / "service.log").read_text()
    p95_s = statistics.quantiles([*seconds, seconds[-1]], n=20)[-1]
    failed = log.count("training failed")
    # Nothing is lost: what was dropped is translated, what was trained goes on.
    stub.tune(steps=4, seed=0)
    stub.once()
    part = stub.part()["input"]
    figure(
        17 + 0.01 * list(PHASES).index(phase),
        f"SIGTERM while {phase}, {times} times",
        pixd=f"p50 {statistics.median(seconds):.1f} s, p95 {p95_s:.1f} s, exit {codes}",
        bar=f"exit 0 within {STOP_P95_S:.0f} s, nothing lost, no failure noted",
        met=codes == {0}
        and p95_s < STOP_P95_S
        and failed == 0
        and part["translated"] == part["files"],
    )


def test_a_training_goes_on_where_sigterm_stopped_it(
    stub: Tiny, figure: Figure, *, is_full_size: bool
) -> None:
    if not is_full_size:
        pytest.skip("tests/e2e has it; here for the table of `make faults`")
    reach_training(stub)
    took_s, code = stops(stub)
    log = (stub.folder / "service.log").read_text()
    stopped_at = int(log.split("stopped at step ")[1].split(";")[0])
    stub.start()
    part = stub.until(lambda p: p["train"]["state"] == "running" and p["train"]["step"] > 0)
    figure(
        17.1,
        "training after SIGTERM",
        pixd=f"stopped at {stopped_at} in {took_s:.1f} s, goes on at {part['train']['step']}",
        bar="goes on from its checkpoint",
        met=code == 0 and part["train"]["step"] > stopped_at > 0,
    )


@pytest.mark.alone
def test_a_second_sigterm_means_at_once(stub: Tiny, figure: Figure) -> None:
    reach_training(stub)
    assert stub.service is not None
    below = children.below(stub.service.pid)
    # A trainer that stands still cannot leave: the first signal alone would wait thirty seconds.
    for pid in children.running(stub.service.pid, "pixd.pix2pix.train"):
        os.kill(pid, signal.SIGSTOP)
    stub.service.send_signal(signal.SIGTERM)
    stub.until_stopping()
    began = time.monotonic()
    code = stub.stop(signal.SIGTERM)
    took_s = time.monotonic() - began
    ends_at = time.monotonic() + 5
    while (left := [p for p in below if Path(f"/proc/{p}").exists()]) and (
        time.monotonic() < ends_at
    ):
        time.sleep(0.02)
    figure(
        17.2,
        "SIGTERM twice",
        pixd=f"exit {code} after {took_s:.2f} s, {len(left)} children left",
        bar="at once, no child left",
        met=code == 128 + signal.SIGTERM and took_s < 2 and not left,
    )


# -- SIGHUP ----------------------------------------------------------------------------------


@contextlib.contextmanager
def notifications(folder: Path) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """Listen as systemd does; yields the socket's name and what has come so far."""
    path = folder / "notify.sock"
    heard: list[str] = []

    def listen() -> None:
        while (message := listener.recv(4096)) != b"enough":
            heard.append(message.decode())

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        reader = threading.Thread(target=listen, daemon=True)
        reader.start()
        try:
            yield str(path), lambda: list(heard)
        finally:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
                last.sendto(b"enough", str(path))
            reader.join()


def test_sighup_takes_a_sound_configuration_and_refuses_another(
    stub: Tiny, tmp_path: Path, figure: Figure
) -> None:
    config = stub.folder / "config.yaml"
    sound = config.read_text()
    with notifications(tmp_path) as (address, heard):
        stub.start(NOTIFY_SOCKET=address)
        assert stub.service is not None
        pid = stub.service.pid

        # 1. Broken YAML, an impossible value, another store: each refused with the reason.
        refusals = {
            "a: [": "config.yaml:",
            sound.replace("image_size: 32", "image_size: 33"): "image_size",
            sound.replace("./store", "./other"): "restart it",
        }
        refused = 0
        for text, reason in refusals.items():
            said = (stub.folder / "service.log").read_text().count("is not in force")
            config.write_text(text)
            os.kill(pid, signal.SIGHUP)
            wait_for(lambda: log_of(stub).count("is not in force") > said)  # noqa: B023 - at once
            config.write_text(sound)  # so that status can be asked
            last = [line for line in log_of(stub).splitlines() if "is not in force" in line][-1]
            status = wait_for(lambda: "is not in force" in stub.pixd("status").stdout)
            refused += bool(reason in last and status)
        # 2. The service goes on meanwhile.
        picture(1).save(stub.folder / "input" / "meanwhile.png")
        stub.until(lambda p: p["input"]["translated"] == 1)
        # 3. A training is under way; a second pipeline comes, another key changes.
        stub.tune(steps=100_000, seed=1)
        os.kill(pid, signal.SIGHUP)
        stub.until(lambda p: p["train"]["step"] > 0)
        run = stub.part()["train"]["run"]
        config.write_text(with_second(config.read_text()))
        os.kill(pid, signal.SIGHUP)
        wait_for(lambda: "new: second" in log_of(stub))
        with_two = stub.status()
        same_run = stub.part()["train"]["run"] == run
        # 4. And goes again. The training, still wanted, goes on through both.
        stub.tune(quiet_seconds=0.1)
        config.write_text(without_second(config.read_text()))
        os.kill(pid, signal.SIGHUP)
        wait_for(lambda: "taken out: second" in log_of(stub))
        same_run &= stub.part()["train"]["run"] == run
        told = heard()
        reloads = sum("RELOADING=1\nMONOTONIC_USEC=" in message for message in told)
        code = stub.stop()
    figure(
        17.3,
        "SIGHUP, 3 bad and 3 sound configurations",
        pixd=f"{refused} refused and said, {reloads} reloads told to systemd, the training goes on:"
        f" {same_run}, exit {code}",
        bar="bad: kept the old and said; sound: taken, no work lost; exit 0",
        met=refused == 3
        and same_run
        and code == 0
        and with_two["pipelines"].keys() == {"tiny", "second"}
        and reloads == 6
        and sum(message == "READY=1" for message in told) == 7
        and any(message == "WATCHDOG=1" for message in told),
    )


def with_second(text: str) -> str:
    """Return the configuration with one pipeline more."""
    tree = yaml.safe_load(text)
    kinds = ("training", "input", "output")
    tree["pipelines"]["second"] = {kind: f"./second/{kind}" for kind in kinds}
    return str(yaml.safe_dump(tree))


def without_second(text: str) -> str:
    tree = yaml.safe_load(text)
    del tree["pipelines"]["second"]
    return str(yaml.safe_dump(tree))


def log_of(tiny: Tiny) -> str:
    return (tiny.folder / "service.log").read_text()


def wait_for(is_so: Callable[[], object], timeout_s: float = 60.0) -> bool:
    ends_at = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > ends_at:
            return False
        time.sleep(0.1)
    return True


def test_the_watchdog_is_told_nothing_while_a_watch_or_child_is_stuck(
    stub: Tiny, tmp_path: Path, figure: Figure, *, is_full_size: bool
) -> None:
    """A translator that cannot even be killed is what `stale` is for; here its clock runs out."""
    if not is_full_size:
        pytest.skip("waits for a hang to be noticed; `make faults` runs it")
    with notifications(tmp_path) as (address, heard):
        stub.start(
            {
                "pixd.system.children.warm_worker.HANG_GRACE_S": -3.0,
                "pixd.translation.translator.ANSWER_WITHIN_S": 20.0,
            },
            NOTIFY_SOCKET=address,
        )
        assert stub.service is not None
        picture(1).save(stub.folder / "input" / "a.png")
        stub.until(lambda p: p["input"]["translated"] == 1)
        pings = heard().count("WATCHDOG=1")
        for pid in children.running(stub.service.pid, "pixd.pix2pix.translator"):
            os.kill(pid, signal.SIGSTOP)
        picture(2).save(stub.folder / "input" / "b.png")
        # Three seconds before the translator is given up, it counts as stale.
        is_named = wait_for(lambda: "the translator hangs" in stub.pixd("status").stdout)
        part = stub.until(lambda p: p["input"]["translated"] == 2)
        figure(
            17.4,
            "watchdog while the translator stands still",
            pixd=f"{pings} pings before; named in status: {is_named}; then all translated",
            bar="pings before, held back and named while it hangs, heals",
            met=pings > 0 and is_named and part["input"]["failed"] == 0,
        )


@pytest.fixture(autouse=True)
def _leave_no_copy(tmp_path: Path) -> Iterator[None]:
    yield
    shutil.rmtree(tmp_path / "tiny", ignore_errors=True)
