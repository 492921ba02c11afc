"""`service.json`: what is written is read back, and what another version wrote harms no reader."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pixd
from pixd.store import heartbeat
from pixd.store.heartbeat import (
    Folder,
    Heartbeat,
    HeartbeatError,
    PipelineBeat,
    Tiles,
    Train,
    Translate,
)  # fmt: skip

st.register_type_strategy(float, st.floats(allow_nan=False))
NAMES = st.text(max_size=8)
for kind in (Folder, Tiles):
    st.register_type_strategy(kind, st.builds(kind, **{
        name: st.from_type(of) for name, of in heartbeat._kinds(kind).items()
    }))  # fmt: skip
TRAINS = st.builds(
    Train, state=NAMES, reason=NAMES, commit=st.integers(), run=st.none() | st.integers(),
    step=st.integers(), images_per_second=st.floats(allow_nan=False),
    eta_seconds=st.none() | st.floats(allow_nan=False), preview=NAMES,
    losses=st.dictionaries(NAMES, st.floats(allow_nan=False), max_size=3),
    validation=st.none() | st.dictionaries(
        NAMES, st.none() | st.integers() | st.floats(allow_nan=False), max_size=3
    ),
)  # fmt: skip
TRANSLATES = st.builds(Translate, phase=NAMES, trouble=NAMES, tiles=st.none() | st.from_type(Tiles))
PIPELINES = st.builds(
    PipelineBeat, training=st.from_type(Folder), input=st.from_type(Folder), train=TRAINS,
    translate=TRANSLATES,
)  # fmt: skip
HEARTBEATS = st.builds(
    Heartbeat, at=NAMES, pid=st.integers(), version=st.just(pixd.__version__) | NAMES,
    stopped_at=st.none() | NAMES, idle=st.booleans(), stale=NAMES,
    heights=st.dictionaries(NAMES, st.integers(), max_size=3),
    pipelines=st.dictionaries(NAMES, PIPELINES, max_size=2),
)  # fmt: skip

# As the service of before these classes wrote it.
OLDER: dict[str, Any] = {
    "at": "2026-09-21T14:13:20.000Z", "pid": 4711, "version": pixd.__version__,
    "started_at": "2026-09-21T11:01:20.000Z", "device": "cpu", "idle": True, "stale": "",
    "config": "", "blocked": "", "metrics": "", "heights": {"commit": 2, "event": 9},
    "pipelines": {
        "facades": {
            **{
                kind: {
                    "watch": "inotify", "watch_why": "", "last_scan_at": "2026-09-21T14:13:13.000Z",
                    "overflows": 0, "missed_events": 1, "ignored": 2, "held": "", "blocked": "",
                }
                for kind in ("training", "input")
            },
            "train": {
                "state": "running", "reason": "+20 pairs", "commit": 1, "run": 2, "step": 9120,
                "steps": 24000, "images_per_second": 6, "eta_seconds": 2440.5,
                "losses": {"gen_l1_loss": 18.34},
                "validation": {"step": 7200, "l1": 24.06, "psnr": None}, "preview": "/p.png",
                "blocked": "",
                "looking": {"phase": "images", "done": 4, "all": 9, "eta_seconds": 2.5},
            },
            "translate": {
                "phase": "", "trouble": "", "blocked": "",
                "tiles": {"name": "a.png", "done": 3, "all": 9},
            },
        }
    },
}  # fmt: skip


def leave(folder: Path, found: object) -> None:
    (folder / heartbeat.LIVE).write_text(json.dumps(found))


@given(HEARTBEATS)
def test_what_is_written_is_read_back(beat: Heartbeat) -> None:
    written = json.loads(json.dumps(heartbeat.to_json(beat)))
    assert heartbeat.from_json(written) == beat


def test_what_an_older_service_wrote_is_read_and_would_be_written_so_again(tmp_path: Path) -> None:
    leave(tmp_path, OLDER)
    beat = heartbeat.read(tmp_path)
    assert beat is not None
    assert heartbeat.to_json(beat) == OLDER  # so that an older command reads a newer service
    assert beat.pipeline("facades").train.step == 9120
    assert beat.pipeline("facades").folder("input").ignored == 2
    assert beat.pipeline("another") == PipelineBeat()
    stopped = heartbeat.from_json(OLDER | {"stopped_at": "2026"})
    assert heartbeat.to_json(stopped)["stopped_at"] == "2026"
    heartbeat.write(tmp_path, stopped)
    assert heartbeat.read(tmp_path) == stopped


def without(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {
        key: without(part, name) if isinstance(part, dict) else part
        for key, part in found.items()
        if key != name
    }


@pytest.mark.parametrize("name", ["metrics", "tiles", "commit", "train", "heights", "version"])
def test_a_field_that_is_missing_has_its_default(name: str) -> None:
    beat = heartbeat.from_json(without(OLDER, name))
    assert beat.pid == 4711
    defaults = {"metrics": beat.metrics == "", "heights": beat.heights == {}}
    assert defaults.get(name, True)
    if name == "train":
        assert beat.pipeline("facades").train == Train()


def test_a_field_that_is_not_known_is_passed_over_only_in_another_version() -> None:
    train = OLDER["pipelines"]["facades"]["train"] | {"mood": "good"}
    newer = OLDER | {
        "surprise": 1,
        "pipelines": {"facades": OLDER["pipelines"]["facades"] | {"train": train}},
    }
    beat = heartbeat.from_json(newer | {"version": "99.0"})
    assert beat.pipeline("facades").train.step == 9120
    with pytest.raises(HeartbeatError, match=r"pixd .* surprise is not known"):
        heartbeat.from_json(newer)
    del newer["surprise"]
    with pytest.raises(HeartbeatError, match=r"pipelines\.facades\.train\.mood is not known"):
        heartbeat.from_json(newer)


@pytest.mark.parametrize("version", [pixd.__version__, "99.0"])
@pytest.mark.parametrize(
    "wrong", [{"pid": "4711"}, {"pid": True}, {"idle": 1}, {"heights": []},
              {"pipelines": {"p": {"train": {"losses": {"l1": "low"}}}}}, {"at": None}],
)  # fmt: skip
def test_a_value_of_another_kind_is_refused_with_its_place(
    wrong: dict[str, Any], version: str, tmp_path: Path
) -> None:
    leave(tmp_path, OLDER | {"version": version} | wrong)
    with pytest.raises(HeartbeatError, match=next(iter(wrong))) as caught:
        heartbeat.read(tmp_path)
    assert "restart the service" in caught.value.advice


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}", '"text"'])
def test_what_is_no_heartbeat_at_all_is_as_none(text: str, tmp_path: Path) -> None:
    assert heartbeat.read(tmp_path) is None
    (tmp_path / heartbeat.LIVE).write_text(text)
    assert heartbeat.read(tmp_path) is None
    assert heartbeat.read_heights(tmp_path) == {}


def test_heights_are_read_whatever_else_is_wrong(tmp_path: Path) -> None:
    leave(tmp_path, {"pid": "no number", "heights": {"commit": 7, "event": "many"}})
    assert heartbeat.read_heights(tmp_path) == {"commit": 7}
