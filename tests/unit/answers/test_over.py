"""What is over is not told as a last warning."""

from __future__ import annotations

from typing import Any

from pixd.answers.over import not_over
from pixd.store.queries.status import Trouble


def pipeline(**said: object) -> dict[str, Any]:
    """Return what a status has of a pipeline, with `part_key` set."""
    parts: dict[str, Any] = {
        part: {"held": "", "blocked": "", "rejected": 0} for part in ("training", "input")
    }
    parts |= {part: {"blocked": ""} for part in ("train", "translate")}
    for name, value in said.items():
        part, key = name.split("_")
        parts[part][key] = value
    return {"p": parts}


def warnings(*told: tuple[str, str]) -> list[Trouble]:
    return [
        Trouble("2026-12-01T00:00:00Z", "p", "warning", message, kind) for kind, message in told
    ]


def left(
    found: list[Trouble], pipelines: dict[str, Any], *, is_running: bool = True, config: str = ""
) -> list[str]:
    return [one.message for one in not_over(found, pipelines, is_running=is_running, config=config)]


HOLDS = warnings(("hold", "input on hold: it is gone"), ("hold", "training on hold: it is gone"))


def test_a_hold_that_ended_is_left_out_and_one_that_lasts_is_told() -> None:
    assert left(HOLDS, pipeline()) == []
    assert left(HOLDS, pipeline(input_held="it is gone")) == ["input on hold: it is gone"]


def test_of_several_holds_of_a_folder_that_is_on_hold_only_the_last_is_told() -> None:
    found = [*HOLDS, *warnings(("hold", "input on hold: 69 of 86 files are gone"))]
    assert left(found, pipeline(input_held="it is gone")) == ["input on hold: it is gone"]


def test_a_disk_that_has_room_again_is_left_out_where_a_service_says_so() -> None:
    found = warnings(
        ("blocked", "translating: the disk of /o is full"),
        ("blocked", "recording input: the disk of /s is full"),
    )
    assert left(found, pipeline(translate_blocked="full")) == [found[0].message]
    assert left(found, pipeline()) == []
    assert left(found, pipeline(), is_running=False) == [one.message for one in found]


def test_a_configuration_that_was_put_right_is_left_out() -> None:
    found = warnings(("config", "the changed configuration is not in force: stepz"))
    assert left(found, pipeline()) == []
    assert left(found, pipeline(), config="stepz") == [found[0].message]


def test_that_files_were_refused_is_left_out_when_none_is_any_more() -> None:
    found = warnings(("rejected", "a.png: no picture"), ("rejected", "b.png: no picture"))
    assert left(found, pipeline()) == []
    for of_one in (pipeline(input_rejected=1), pipeline(training_rejected=1)):
        assert left(found, of_one) == [one.message for one in found]


def test_what_is_told_as_past_stays() -> None:
    found = warnings(("blocked", "went on after 3 s of being blocked: the disk is full"))
    assert left(found, pipeline()) == [one.message for one in found]
