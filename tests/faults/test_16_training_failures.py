"""Fault 16: what can go wrong in and after a training. The last good model serves throughout.

Every failure is recorded with its reason, tried again after a growing wait, given up after
three attempts, and named by `pixd status` together with the command that goes on from there.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults import children
from tests.faults.conftest import Figure
from tests.support.tiny import Tiny, picture

TRAINS = "starts several trainers or translators; `make faults` runs it"
SOON = {"pixd.training.stage.FIRST_RETRY_S": 0.5, "pixd.translation.stage.CHECK_MODEL_S": 1.0}
TRAINER = "pixd.pix2pix.train"
TRANSLATOR = "pixd.pix2pix.translator"


def serves(tiny: Tiny, number: int) -> bool:
    """Drop one more image and see whether it is translated, by a model that is live."""
    picture(1000 + number).save(tiny.folder / "input" / f"probe-{number}.png")
    tiny.until(lambda _: (tiny.folder / "output" / f"probe-{number}.png").exists(), 60)
    return bool(tiny.part()["input"]["failed"] == 0)


def trainer_of(tiny: Tiny) -> int | None:
    assert tiny.service is not None
    return next(iter(children.running(tiny.service.pid, TRAINER)), None)


def failed_runs(tiny: Tiny) -> list[str]:
    import sqlite3

    db = sqlite3.connect(f"file:{tiny.folder}/store/lineage.db?mode=ro", uri=True)
    rows = db.execute("SELECT reason FROM run WHERE kind = 'train' AND state = 'failed'").fetchall()
    db.close()
    return [str(reason) for (reason,) in rows]


@contextlib.contextmanager
def each_trainer(tiny: Tiny, strike: Callable[[int], None]) -> Iterator[list[int]]:
    """Do something to every trainer that starts, once, for the length of the block."""
    import threading

    struck: list[int] = []
    has_ended = threading.Event()

    def watch() -> None:
        while not has_ended.wait(0.02):
            pid = trainer_of(tiny)
            if pid is not None and pid not in struck:
                struck.append(pid)
                with contextlib.suppress(ProcessLookupError):
                    strike(pid)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    yield struck
    has_ended.set()
    thread.join()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def starve(pid: int) -> None:
    """Leave a trainer less memory than TensorFlow alone maps."""
    resource.prlimit(pid, resource.RLIMIT_AS, (400 << 20, 400 << 20))


def stop_still(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)


CASES: dict[str, tuple[Callable[[int], None], dict[str, float], str]] = {
    "killed": (kill, SOON, "killed by signal 9 (out of memory?)"),
    "out of memory (RLIMIT_AS)": (starve, SOON, ""),
    "hung (SIGSTOP)": (stop_still, {**SOON, "pixd.training.run.SILENT_S": 2.0}, "was silent for"),
}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("case", CASES)
def test_a_trainer_that_dies_or_hangs_is_given_up_and_the_model_before_it_serves(
    stub: Tiny, figure: Figure, case: str, *, is_full_size: bool
) -> None:
    if not is_full_size and case != "killed":
        pytest.skip(TRAINS)
    strike, constants, expected = CASES[case]
    stub.tune(steps=100_000, seed=1)  # another model is wanted
    stub.start(constants)
    with each_trainer(stub, strike) as struck:
        part = stub.until(lambda p: p["train"]["state"] == "failed")
    reasons = failed_runs(stub)
    status = stub.pixd("status")
    is_served = serves(stub, 1)
    number = stub.part()["model"]["number"]
    figure(
        16 + 0.1 * list(CASES).index(case),
        f"trainer {case}",
        pixd=f"{len(struck)} attempts, all recorded ({reasons[-1][:60]}), model@{number} serves",
        bar="recorded, backed off, given up after 3, the last good model serves",
        met=(
            len(reasons) == len(struck) == 3
            and all(expected in reason for reason in reasons)
            and is_served
            and number == 1
            and status.stdout.startswith("DEGRADED")
            and "`pixd retry`" in part["train"]["reason"]
        ),
    )


ABSURD = """
import pixd.training.recipe
sound = pixd.training.recipe.train_recipe
pixd.training.recipe.train_recipe = lambda *given: {**sound(*given), "learning_rate": 1e30}
"""
"""No setting that config.yaml takes was found to make NaN at this size: it must be forced."""


def test_a_training_that_diverges_is_recorded_and_the_model_before_it_serves(
    stub: Tiny, figure: Figure, *, is_full_size: bool
) -> None:
    if not is_full_size:
        pytest.skip(TRAINS)
    stub.tune(seed=1)
    stub.start({**SOON, "pixd.training.due.MAX_FAILURES": 1}, prelude=ABSURD)
    part = stub.until(lambda p: p["train"]["state"] == "failed")
    is_served = serves(stub, 2)
    figure(
        16.3,
        "losses become NaN (absurd learning rate)",
        pixd=f"{part['train']['reason'][:90]}; model@{stub.part()['model']['number']} serves",
        bar="recorded with what to do, the last good model serves",
        met="no longer finite" in part["train"]["reason"]
        and "learning_rate" in part["train"]["reason"]
        and stub.part()["model"]["number"] == 1
        and is_served,
    )


@pytest.fixture
def two_models(stub: Tiny) -> Tiny:
    """Return the stub with a second model live, and its first still kept."""
    stub.tune(steps=5)
    stub.once()
    assert stub.part()["model"]["number"] == 2
    return stub


def export_of(tiny: Tiny) -> Path:
    digest = str(tiny.part()["model"]["digest"]).removeprefix("sha256:")
    return tiny.folder / "store" / "models" / digest


def flip(path: Path) -> None:
    """Flip one bit in the middle of a file of the store, in place: its other names see it too."""
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def lose(path: Path) -> None:
    """Take a file away wherever the store has its bytes: from one of them it would be laid out."""
    content = path.read_bytes()
    for found in path.parents[2].rglob("*"):
        is_same_size = found.is_file() and found.stat().st_size == len(content)
        if is_same_size and found.read_bytes() == content:
            found.unlink()


DAMAGES: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "one bit of the weights": ("generator.keras", flip, "is damaged"),
    "the weights are gone": ("generator.keras", lose, "cannot be read"),
    "the card is gone": ("model.json", lose, "cannot be read"),
}


@pytest.mark.timeout(300)
def test_a_live_model_whose_bytes_are_damaged_is_named_and_rollback_goes_on(
    two_models: Tiny, tmp_path: Path, figure: Figure, *, is_full_size: bool
) -> None:
    import shutil

    cases = list(DAMAGES) if is_full_size else ["one bit of the weights"]
    seen: list[str] = []
    is_met = True
    for number, case in enumerate(cases):
        shutil.copytree(two_models.folder, tmp_path / f"case-{number}", symlinks=True)
        tiny = Tiny.at(tmp_path / f"case-{number}")
        file, damage, expected = DAMAGES[case]
        damage(export_of(tiny) / file)
        picture(number).save(tiny.folder / "input" / "waits.png")
        tiny.start(SOON)
        try:
            part = tiny.until(lambda p: p["translate"].get("trouble"), 60)
            trouble = part["translate"]["trouble"]
            status = tiny.pixd("status").stdout
            starts = how_often_translators_start(tiny, 6.0)
            rolled = tiny.pixd("rollback")
            tiny.until(lambda p: p["input"]["translated"] == 1, 60)
            part = tiny.part()
            is_met &= (
                expected in trouble
                and "`pixd rollback`" in status
                and status.startswith("DEGRADED")
                and rolled.returncode == 0
                and part["model"]["number"] == 1
                and part["input"]["failed"] == 0
                and starts <= 4
            )
            seen.append(f"{case}: {starts} starts in 6 s")
        finally:
            tiny.stop(signal.SIGKILL)
    figure(
        16.4,
        "live model damaged in the store",
        pixd="; ".join(seen) + "; all named, all served by model@1 after `pixd rollback`",
        bar="DEGRADED with the command, no hot loop, nothing lost",
        met=is_met,
    )


def how_often_translators_start(tiny: Tiny, for_s: float) -> int:
    assert tiny.service is not None
    seen: set[int] = set()
    ends_at = time.monotonic() + for_s
    while time.monotonic() < ends_at:
        seen |= set(children.running(tiny.service.pid, TRANSLATOR))
        time.sleep(0.1)
    return len(seen)


def test_an_export_that_is_damaged_before_it_is_taken_in_is_made_again(
    stub: Tiny, figure: Figure, *, is_full_size: bool
) -> None:
    if not is_full_size:
        pytest.skip(TRAINS)
    stub.tune(steps=6)
    stub.start(SOON)
    damaged: list[Path] = []
    ends_at = time.monotonic() + 60
    while not damaged and time.monotonic() < ends_at:
        # Once the result names its digest, and while the trainer, which ends then, holds still.
        for result in (stub.folder / "store" / "scratch").glob("train-*/result.json"):
            pid = trainer_of(stub)
            if pid is not None:
                os.kill(pid, signal.SIGSTOP)
                with (result.parent / "model" / "generator.keras").open("r+b") as file:
                    file.truncate(1000)
                damaged.append(result)
                os.kill(pid, signal.SIGCONT)
        time.sleep(0.001)
    stub.until(lambda p: p["model"]["number"] == 2)
    reasons = failed_runs(stub)
    figure(
        16.5,
        "export damaged before it is taken in",
        pixd=f"{len(damaged)} damaged, recorded: {reasons}",
        bar="refused with the reason, made again from the checkpoint",
        met=len(damaged) == 1 and len(reasons) == 1 and "export is damaged" in reasons[0],
    )
    assert stub.stop() == 0


@pytest.mark.timeout(300)
def test_a_translator_that_is_killed_or_stopped_loses_nothing(
    stub: Tiny, figure: Figure, *, is_full_size: bool
) -> None:
    if not is_full_size:
        pytest.skip(TRAINS)
    count = 60
    stub.start({"pixd.translation.translator.ANSWER_WITHIN_S": 10.0})
    assert stub.service is not None
    strikes = []
    for number in (signal.SIGKILL, signal.SIGSTOP):
        stub.until(lambda p: p["input"]["queued"] == 0)
        for at in range(count):
            picture(at + 100 * number).save(stub.folder / "input" / f"{number}-{at}.png")
        pid = None
        while pid is None:
            pid = next(iter(children.running(stub.service.pid, TRANSLATOR)), None)
        os.kill(pid, number)
        strikes.append(pid)
    part = stub.until(lambda p: p["input"]["translated"] == 2 * count)
    figure(
        16.6,
        "translator killed, then stopped (SIGSTOP), while it has images",
        pixd=f"{part['input']['translated']} of {2 * count} translated, "
        f"{part['input']['rejected']} refused, {part['input']['failed']} failed",
        bar="0 lost, 0 blamed in error",
        met=part["input"]["rejected"] == part["input"]["failed"] == 0
        and len(stub.outputs()) == 2 * count,
    )
