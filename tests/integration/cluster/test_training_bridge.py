"""A training through a bridge: what it makes comes home, whatever happens to its machines."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import WaitUntil
from tests.integration.cluster.conftest import Heard, Machines, listen, spec_of
from tests.support.process_carrier import FREEZES_AT
from tests.support.scripted_trainer import DISK_FULL_AT


def train(machines: Machines, folder: Path, wait_until: WaitUntil, **recipe: Any) -> Heard:
    order = machines.order(folder / "scratch", spec=spec_of(folder, **recipe))
    return listen(machines.start(order), order.scratch, wait_until)


@pytest.fixture(scope="module")
def undisturbed() -> list[bytes]:
    """The model that a training makes if nothing happens, once it is known."""
    return []


def model_of(folder: Path) -> bytes:
    return (folder / "scratch" / "model" / "generator.keras").read_bytes()


def first_checkpoint(bridge: Any, wait_until: WaitUntil) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []

    def has_one() -> bool:
        events.extend(bridge.read_events())
        return any(event["event"] == "checkpoint" for event in events)

    wait_until(has_one)
    return events


def test_all_that_a_training_leaves_comes_home(
    machines: Machines, tmp_path: Path, wait_until: WaitUntil
) -> None:
    heard = train(machines, tmp_path, wait_until)
    assert heard.result.state == "succeeded", heard.result.error
    assert heard.result.environment["node"] == "m1"
    assert len(model_of(tmp_path)) == 71
    steps = [event["step"] for event in heard.events if event["event"] == "progress"]
    assert steps == list(range(1, 31))
    (kept,) = (tmp_path / "checkpoints" / "key").glob("step-*")
    assert json.loads((kept / "state.json").read_text())["step"] == 30
    assert (tmp_path / "sheet.png").read_bytes() == model_of(tmp_path)
    previews = [event["path"] for event in heard.events if event["event"] == "preview"]
    assert set(previews) == {str(tmp_path / "sheet.png")}
    work = machines.folder / "m1" / "pixd" / "work"
    assert list(work.iterdir()) == []  # nothing is left on the machine but its cache
    assert heard.report.lost == 0


def test_a_machine_that_dies_costs_what_was_made_since_the_last_checkpoint(
    machines: Machines, tmp_path: Path, wait_until: WaitUntil
) -> None:
    (tmp_path / "calm").mkdir()
    calm = train(machines, tmp_path / "calm", wait_until)
    assert calm.result.state == "succeeded"
    folder = tmp_path / "disturbed"
    folder.mkdir()
    order = machines.order(folder / "scratch", spec=spec_of(folder, step_s=0.1))
    bridge = machines.start(order)
    before = first_checkpoint(bridge, wait_until)
    machines.turn_off("m1")
    machines.signal("m1", signal.SIGKILL)
    heard = listen(bridge, order.scratch, wait_until)
    assert heard.result.state == "succeeded", heard.result.error
    assert heard.result.environment["node"] == "m2"
    assert model_of(folder) == model_of(tmp_path / "calm")
    events = before + heard.events
    lost_at = next(n for n, e in enumerate(events) if "m1 was lost" in e.get("message", ""))
    home = max(e["step"] for e in events[:lost_at] if e["event"] == "checkpoint")
    steps = [e["step"] for e in events[lost_at:] if e["event"] == "progress"]
    assert steps == list(range(home + 1, 31))
    assert heard.report.lost_by == {"died": 1}
    before_loss = [e["step"] for e in events[:lost_at] if e["event"] == "progress"]
    assert heard.report.steps_again == before_loss[-1] - home


def test_a_machine_that_hangs_is_given_up_and_publishes_nothing_when_it_is_back(
    machines: Machines, tmp_path: Path, wait_until: WaitUntil
) -> None:
    order = machines.order(tmp_path / "scratch", spec=spec_of(tmp_path, step_s=0.1), silent_s=3.0)
    bridge = machines.start(order)
    first_checkpoint(bridge, wait_until)
    machines.turn_off("m1")
    machines.signal("m1", signal.SIGSTOP)
    heard = listen(bridge, order.scratch, wait_until)
    assert heard.result.state == "succeeded", heard.result.error
    assert heard.result.environment["node"] == "m2"
    assert any("silent for 3 s" in event.get("message", "") for event in heard.events)


@pytest.mark.parametrize(("method", "after_s"), [("keep", 6), ("files", 3), ("read", 3)])
def test_a_machine_that_hangs_while_it_is_asked_is_given_up_as_soon(
    machines: Machines, tmp_path: Path, wait_until: WaitUntil, method: str, after_s: int
) -> None:
    machines.give("m1", **{FREEZES_AT: method})
    order = machines.order(tmp_path / "scratch", spec=spec_of(tmp_path, step_s=0.1), silent_s=3.0)
    heard = listen(machines.start(order), order.scratch, wait_until)
    assert heard.result.state == "succeeded", heard.result.error
    assert heard.result.environment["node"] == "m2"
    assert any(f"silent for {after_s} s" in e.get("message", "") for e in heard.events)
    assert heard.report.lost_by == {"silent": 1}


@pytest.mark.parametrize(
    ("module", "method"),
    [
        ("pixd.cluster.host", "WorkFolder.__init__"),
        ("pixd.cluster.objects", "Objects.add"),
        ("pixd.cluster.objects", "Objects.link"),
        ("pixd.system.children.spawner", "LocalSpawner.start"),
    ],
)
def test_a_training_that_finds_a_full_disk_goes_on_on_another_machine(
    machines: Machines, tmp_path: Path, wait_until: WaitUntil, module: str, method: str
) -> None:
    machines.refuse("m1", module, method)
    heard = train(machines, tmp_path, wait_until)
    assert heard.result.state == "succeeded", heard.result.error
    assert heard.result.environment["node"] == "m2"
    assert heard.report.lost_by == {"disk": 1}
    notes = [event["message"] for event in heard.events if event["event"] == "note"]
    assert any("No space left on device" in note for note in notes)


def test_a_trainer_whose_disk_is_full_goes_on_from_its_checkpoint_on_another_machine(
    machines: Machines, tmp_path: Path, wait_until: WaitUntil
) -> None:
    machines.give("m1", **{DISK_FULL_AT: "12"})
    heard = train(machines, tmp_path, wait_until)
    assert heard.result.state == "succeeded", heard.result.error
    assert heard.result.environment["node"] == "m2"
    assert heard.report.lost_by == {"disk": 1}
    assert heard.report.steps_again == 2
    (note,) = [event["message"] for event in heard.events if event["event"] == "note"]
    assert "it goes on from step 10 elsewhere" in note


def test_a_sheet_that_is_drawn_anew_while_it_is_fetched_gives_no_machine_up(
    machines: Machines, tmp_path: Path, wait_until: WaitUntil
) -> None:
    redraws = """
        from pathlib import Path
        from pixd.cluster.host import Host
        listed = Host.files
        def files(self, attempt, folder, is_held):
            found = listed(self, attempt, folder, is_held)
            if folder == "preview":
                sheet = Path(self._of(attempt).path, "preview", "sheet.png")
                sheet.with_name(".new").write_bytes(b"drawn anew")
                sheet.with_name(".new").replace(sheet)
            return found
        Host.files = files
    """
    machines.give_code("m1", redraws)
    heard = train(machines, tmp_path, wait_until)
    assert heard.result.state == "succeeded", heard.result.error
    assert heard.result.environment["node"] == "m1"
    assert heard.report.lost_by == {}


def test_an_end_is_asked_for_while_a_machine_that_hangs_is_sent_to(
    machines: Machines, tmp_path: Path, wait_until: WaitUntil
) -> None:
    for name in ("m1", "m2"):
        machines.give(name, **{FREEZES_AT: "lacks"})
    order = machines.order(tmp_path / "scratch", spec=spec_of(tmp_path))
    bridge = machines.start(order)
    phases: list[str] = []

    def is_sent_to() -> bool:
        phases.extend(event.get("phase", "") for event in bridge.read_events())
        return any(phase.startswith("sending") for phase in phases)

    wait_until(is_sent_to)
    bridge.terminate()
    heard = listen(bridge, order.scratch, wait_until, within_s=30)  # not until it is given up
    assert heard.result.state == "interrupted"


def test_an_end_that_is_asked_for_leaves_a_checkpoint_here(
    machines: Machines, tmp_path: Path, wait_until: WaitUntil
) -> None:
    order = machines.order(tmp_path / "scratch", spec=spec_of(tmp_path, steps=5000))
    bridge = machines.start(order)
    first_checkpoint(bridge, wait_until)
    bridge.terminate()
    heard = listen(bridge, order.scratch, wait_until)
    assert heard.result.state == "interrupted"
    (kept,) = (tmp_path / "checkpoints" / "key").glob("step-*")
    assert json.loads((kept / "state.json").read_text())["step"] == heard.result.step
    again = machines.order(tmp_path / "scratch", spec=spec_of(tmp_path, steps=5000))
    bridge = machines.start(again)
    events = first_checkpoint(bridge, wait_until)
    assert heard.result.step is not None
    assert next(e["step"] for e in events if e["event"] == "progress") == heard.result.step + 1


def test_a_trainer_that_dies_by_itself_has_failed_and_no_machine_is_lost(
    machines: Machines, tmp_path: Path, wait_until: WaitUntil
) -> None:
    heard = train(machines, tmp_path, wait_until, steps="many")
    assert heard.result.state == "failed"
    assert heard.result.error is not None
    assert heard.result.error["kind"] == "died"
    assert "on m1 ended without a result" in heard.result.error["message"]
    assert heard.report.lost == 0


def test_a_machine_with_another_pixd_is_left_out_and_named(
    machines: Machines, tmp_path: Path, wait_until: WaitUntil
) -> None:
    machines.give_code("m1", "import pixd; pixd.__version__ = '0.0.9'")
    heard = train(machines, tmp_path, wait_until)
    assert heard.result.state == "succeeded", heard.result.error
    assert heard.result.environment["node"] == "m2"
    assert "m1 has pixd 0.0.9" in heard.report.left_out["m1"]
    assert "install pixd" in heard.report.left_out["m1"]


def test_room_is_waited_for_and_the_wait_is_told(
    machines: Machines, tmp_path: Path, wait_until: WaitUntil
) -> None:
    for name in ("m1", "m2"):
        machines.turn_off(name)
    order = machines.order(tmp_path / "scratch", spec=spec_of(tmp_path))
    bridge = machines.start(order)
    phases: list[str] = []

    def is_waiting() -> bool:
        phases.extend(str(event.get("phase")) for event in bridge.read_events())
        return "waiting for 1 CPU on the cluster" in phases

    wait_until(is_waiting)
    machines.turn_off("m2", is_off=False)
    heard = listen(bridge, order.scratch, wait_until)
    assert heard.result.state == "succeeded"


@pytest.mark.parametrize("trouble", ["no head", "open token", "no token"])
def test_a_cluster_that_is_away_is_nobodys_fault(
    machines: Machines, tmp_path: Path, wait_until: WaitUntil, trouble: str
) -> None:
    if trouble == "no head":
        machines.address = "127.0.0.1:1"
    elif trouble == "open token":
        machines.token.chmod(0o644)
    else:
        machines.token.unlink()
    heard = train(machines, tmp_path, wait_until)
    assert heard.result.state == "failed"
    assert heard.result.error is not None
    assert heard.result.error["kind"] == "cluster"
    told = {
        "no head": "does not answer: connection refused",
        "open token": "others can read the token",
        "no token": "cannot be read",
    }
    assert told[trouble] in heard.result.error["message"]


def test_a_bridge_that_dies_has_said_before_that_nobody_is_to_blame(
    machines: Machines, tmp_path: Path, wait_until: WaitUntil
) -> None:
    """Ray ends its drivers so, when the head of the cluster dies: without an exception."""
    order = machines.order(tmp_path / "scratch", spec=spec_of(tmp_path, steps=5000))
    bridge = machines.start(order)
    first_checkpoint(bridge, wait_until)
    bridge.kill()
    heard = listen(bridge, order.scratch, wait_until)
    assert heard.result.error is not None
    assert heard.result.error["kind"] == "cluster"
    assert "went away" in heard.result.error["message"]
