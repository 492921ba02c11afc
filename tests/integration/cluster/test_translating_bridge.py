"""Translators through a bridge: every image gets its one answer, whatever happens to their machines."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from pixd.cluster.report import Report, read_report
from pixd.system.children.spec import TranslateSpec, read_result
from pixd.system.children.worker import Worker
from pixd.system.digests import digest_of
from tests.conftest import WaitUntil
from tests.integration.cluster.conftest import Machines
from tests.support.scripted_translator import output_of

MODEL = b"some weights"


class Images:
    """Images that are asked for, and the answers that came."""

    def __init__(self, bridge: Worker, folder: Path, wait_until: WaitUntil) -> None:
        self.bridge, self.folder, self._wait_until = bridge, folder, wait_until
        self.events: list[dict[str, Any]] = []
        for name in ("images", "out"):
            (folder / name).mkdir()

    def ask(self, numbers: range) -> None:
        for number in numbers:
            data = f"image {number}".encode()
            path = self.folder / "images" / f"{number}"
            path.write_bytes(data)
            asked = {"id": number, "image": str(path), "digest": digest_of(data)}
            text, out = {"pixd:run": f"{number}"}, str(self.folder / "out" / f"{number}")
            self.bridge.send({**asked, "out": out, "text": text, "number": 1})

    def answers(self) -> list[dict[str, Any]]:
        self.events += self.bridge.read_events()
        self.bridge.flush()
        kinds = {"done", "failed", "crashed", "rejected"}
        return [event for event in self.events if event["event"] in kinds]

    def until(self, count: int) -> list[dict[str, Any]]:
        def are_there() -> bool:
            assert self.bridge.poll() is None, self.bridge.exit_text()
            return len(self.answers()) >= count

        self._wait_until(are_there, 90)
        return self.answers()

    def check(self, numbers: range) -> None:
        """Check that each image has one answer, and the output that it should have."""
        assert sorted(event["id"] for event in self.answers()) == list(numbers)
        for number in numbers:
            expected = output_of(f"image {number}".encode(), MODEL, {"pixd:run": f"{number}"})
            assert (self.folder / "out" / f"{number}").read_bytes() == expected


@pytest.fixture
def images(machines: Machines, tmp_path: Path, wait_until: WaitUntil) -> Any:
    def begin(silent_s: float = 8.0, **recipe: Any) -> Images:
        model = tmp_path / "model"
        model.mkdir()
        (model / "generator.keras").write_bytes(MODEL)
        spec = TranslateSpec(
            scratch=str(tmp_path / "scratch"),
            model=str(model),
            files={"generator.keras": digest_of(MODEL)},
            recipe=recipe,
            device="cpu",
            precision="float32",
            batch=8,
        )
        order = machines.order(
            tmp_path / "scratch",
            spec=spec,
            module="tests.support.scripted_translator",
            silent_s=silent_s,
        )
        return Images(machines.start(order), tmp_path, wait_until)

    return begin


def test_images_go_to_all_machines_and_every_output_is_the_right_one(
    images: Any, tmp_path: Path, wait_until: WaitUntil
) -> None:
    asked = images(image_s=0.1)
    asked.ask(range(200))
    asked.until(200)
    asked.check(range(200))
    assert {event["event"] for event in asked.answers()} == {"done"}
    # With one host the service is asked for what two can hold, else nobody would see the need.
    first = next(event for event in asked.events if event["event"] == "width")
    assert (first["hosts"], first["times"]) == (1, 4)
    widths = [event["hosts"] for event in asked.events if event["event"] == "width"]
    assert max(widths) == 2
    nodes = {e["environment"]["node"] for e in asked.events if "environment" in e}
    assert nodes == {"m1", "m2"}
    ready = next(event for event in asked.events if event["event"] == "ready")
    first = ready["environment"]["node"]
    others = [e for e in asked.answers() if "environment" in e]
    assert {e["environment"]["node"] for e in others} == {"m1", "m2"} - {first}
    assert 0 < len(others) < 200

    def told() -> Report:
        found = read_report(tmp_path / "scratch")
        assert found is not None
        return found

    # What was made is told with what comes next, at the latest after some seconds.
    wait_until(lambda: sum(one.images for one in told().machines.values()) == 200)
    report = told()
    assert report.hosts == ["m1", "m2"]
    machines = report.machines
    assert all(one.images and one.cpus == 1 and one.free_bytes for one in machines.values())
    assert report.sent_bytes > 0
    assert report.received_bytes > 0


def test_a_few_images_need_one_machine(images: Any) -> None:
    asked = images()
    asked.ask(range(5))
    asked.until(5)
    asked.check(range(5))
    assert [e["hosts"] for e in asked.events if e["event"] == "width"] == [1]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_what_a_lost_machine_held_is_made_by_another_and_nothing_twice(
    machines: Machines, images: Any, tmp_path: Path, number: signal.Signals, wait_until: WaitUntil
) -> None:
    asked = images(silent_s=3.0, image_s=0.02)
    asked.ask(range(150))
    asked.until(40)
    machines.turn_off("m1")
    machines.signal("m1", number)
    asked.until(150)
    asked.check(range(150))
    assert {event["event"] for event in asked.answers()} == {"done"}
    # An idle machine is asked too when another is slow, so the end may come before it is given up.
    wait_until(
        lambda: asked.answers() and any("m1 was lost" in e.get("message", "") for e in asked.events)
    )
    report = read_report(tmp_path / "scratch")
    assert report is not None
    assert report.lost_by == {"died" if number is signal.SIGKILL else "silent": 1}
    assert report.asked_again > 0
    assert {name: one.lost for name, one in report.machines.items()} == {"m1": 1, "m2": 0}
    assert report.hosts == ["m2"]


def test_a_machine_that_can_start_no_translator_says_why_and_another_does_its_work(
    machines: Machines, images: Any, tmp_path: Path
) -> None:
    machines.refuse("m1", "pixd.system.children.spawner", "LocalSpawner.start")
    asked = images(silent_s=60.0)
    asked.ask(range(5))
    asked.until(5)
    asked.check(range(5))
    lost = [e["message"] for e in asked.events if "was lost" in e.get("message", "")]
    assert lost == ["m1 was lost: its work failed: No space left on device"]
    report = read_report(tmp_path / "scratch")
    assert report is not None
    assert report.lost_by == {"disk": 1}


@pytest.mark.parametrize("method", ["add", "link"])
def test_a_machine_whose_disk_has_no_room_for_the_model_is_given_up(
    machines: Machines, images: Any, tmp_path: Path, method: str
) -> None:
    machines.refuse("m1", "pixd.cluster.objects", f"Objects.{method}")
    asked = images()
    asked.ask(range(5))
    asked.until(5)
    asked.check(range(5))
    report = read_report(tmp_path / "scratch")
    assert report is not None
    assert report.lost_by == {"disk": 1}


def test_an_image_that_ends_its_translator_is_found_and_no_machine_is_blamed(images: Any) -> None:
    asked = images(fatal=digest_of(b"image 7"))
    asked.ask(range(20))
    answers = asked.until(20)
    assert {e["id"] for e in answers if e["event"] == "crashed"} == {7}
    assert sum(event["event"] == "done" for event in answers) == 19
    assert not any("was lost" in event.get("message", "") for event in asked.events)


def test_an_image_that_changed_here_is_not_sent(images: Any) -> None:
    asked = images(image_s=0.5)
    asked.ask(range(1))
    asked.until(1)
    asked.bridge.send(
        {
            "id": 1,
            "image": str(asked.folder / "images" / "0"),
            "digest": digest_of(b"other"),
            "out": str(asked.folder / "out" / "1"),
            "text": {},
            "number": 1,
        }
    )
    answers = asked.until(2)
    (asked.folder / "images" / "0").unlink()
    asked.bridge.send(
        {
            "id": 2,
            "image": str(asked.folder / "images" / "0"),
            "digest": digest_of(b"image 0"),
            "out": str(asked.folder / "out" / "2"),
            "text": {},
            "number": 1,
        }
    )
    answers = asked.until(3)
    for answer in answers[1:]:
        assert answer["event"] == "failed"
        assert "not the one that was recorded" in answer["reason"]


def test_a_model_that_changed_here_is_said_and_blames_no_machine(
    images: Any, tmp_path: Path, wait_until: WaitUntil
) -> None:
    asked = images()
    (tmp_path / "model" / "generator.keras").write_bytes(b"other weights")
    asked.ask(range(3))
    wait_until(lambda: asked.bridge.poll() is not None)
    error = read_result(tmp_path / "scratch").error
    assert error is not None
    assert "changed on its way" in error["message"]
    assert error["kind"] == "internal"


def test_a_slow_machine_does_not_hold_up_the_end(images: Any, machines: Machines) -> None:
    asked = images(silent_s=60.0, image_s=0.02)
    asked.ask(range(100))
    asked.until(60)
    machines.signal("m1", signal.SIGSTOP)  # far from being given up
    asked.until(100)
    asked.check(range(100))


def test_a_bridge_that_dies_blames_no_image(
    images: Any, wait_until: WaitUntil, tmp_path: Path
) -> None:
    asked = images(image_s=0.05)
    asked.ask(range(40))
    asked.until(5)
    asked.bridge.kill()
    error = read_result(tmp_path / "scratch").error
    assert error is not None
    assert error["kind"] == "cluster"
