"""The service's log: one line an event, whoever reads it and whatever is in it."""

from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path

import pytest

from pixd.cli.arguments import parser
from pixd.service import logs
from pixd.store.events import Event, Level
from pixd.system.errors import EXIT_CONFIG
from tests.support.tiny import Tiny

EVENT = Event(
    "2026-09-21T14:13:20.123Z", "warning", "facades", "commit", "e738c88878", "training@3: +2 files"
)


def test_a_person_gets_time_level_and_pipeline() -> None:
    line = logs.line(EVENT, "text")
    assert line == "2026-09-21T14:13:20Z warning facades: training@3: +2 files"
    line = logs.line(EVENT._replace(pipeline="", level="info"), "text", is_terminal=True)
    assert re.fullmatch(r"\d\d:\d\d:\d\d info    training@3: \+2 files", line)


@pytest.mark.parametrize(("level", "priority"), [("info", 6), ("warning", 4), ("error", 3)])
def test_the_journal_gets_the_priority_in_front_and_the_change_behind(
    level: Level, priority: int
) -> None:
    line = logs.line(EVENT._replace(level=level), "journal")
    told = "facades: training@3: +2 files [kind=commit change=e738c88878]"
    assert line == f"<{priority}>{told}"
    assert logs.line(EVENT._replace(change=""), "journal").endswith("files [kind=commit]")


def test_a_program_gets_an_object_a_line() -> None:
    assert json.loads(logs.line(EVENT, "json")) == {
        "time": "2026-09-21T14:13:20.123Z",
        "level": "warning",
        "pipeline": "facades",
        "kind": "commit",
        "change": "e738c88878",
        "message": "training@3: +2 files",
    }


@pytest.mark.parametrize("form", logs.FORMATS)
def test_an_event_is_one_line_without_control_characters(form: str) -> None:
    words = "it failed:\n  in the child\r\n\n\x1b[31mred\x07 \u2028 <3>urgent"
    line = logs.line(EVENT._replace(message=words), form)
    assert "it failed: | in the child | " in line
    assert not set(line) & {chr(c) for c in (*range(32), 0x7F, 0x9B, 0x2028, 0x2029)}


def test_every_format_can_be_asked_for() -> None:
    for form in logs.FORMATS:
        assert parser().parse_args(["run", "--log-format", form]).log_format == form


def test_the_journal_is_known_by_its_stream_alone(tmp_path: Path) -> None:
    with (tmp_path / "stream").open("w") as stream:
        stat = os.fstat(stream.fileno())
        is_it = {"JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"}
        assert logs.fitting_format(stream, is_it) == "journal"
        # Redirected into a file by a wrapper, while the variable is still there.
        assert logs.fitting_format(stream, {"JOURNAL_STREAM": "8:12345"}) == "text"
        assert logs.fitting_format(stream, {}) == "text"
    assert logs.fitting_format(io.StringIO(), {"JOURNAL_STREAM": "8:12345"}) == "text"


def test_a_progress_line_is_taken_away_before_each_event(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cleared: list[int] = []
    log = logs.Log("text", before=lambda: cleared.append(1))
    log(EVENT)
    log(EVENT)
    assert len(cleared) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_a_name_that_the_stream_cannot_write_does_not_end_the_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr("sys.stderr", io.TextIOWrapper(written, encoding="ascii"))
    logs.Log("text")(EVENT._replace(message="caf\u00e9.png"))
    assert b"caf\\xe9.png" in written.getvalue()


@pytest.mark.parametrize("form", ["text", "json", "journal"])
def test_the_real_service_writes_a_line_an_event_and_no_path_twice(
    tmp_path: Path, form: str
) -> None:
    tiny = Tiny(tmp_path / "tiny")
    (tiny.folder / "training" / "bad\n.png").write_bytes(b"no image")
    (tiny.folder / "training" / "link.png").symlink_to("/etc/hostname")
    (tiny.folder / "input").rmdir()
    (tiny.folder / "input").touch()  # no folder at all
    done = tiny.pixd("run", "--once", "--log-format", form)
    if form == "text":
        assert done.returncode == 1
        assert done.stderr.startswith("pixd: ")
    assert "Traceback" not in done.stderr
    (tiny.folder / "input").unlink()
    (tiny.folder / "input").mkdir()
    done = tiny.pixd("run", "--once", "--log-format", form)
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    starts = {"text": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (info|warning|error) ", "json": r"\{.*\}$",
              "journal": "<[346]>"}  # fmt: skip
    assert all(re.match(starts[form], line) for line in lines), lines
    assert any("training@1" in line for line in lines), lines
    for line in lines:
        paths = re.findall(r"(?:/[\w.-]+){2,}", line)
        assert len(paths) == len(set(paths)), line
    if form == "json":
        told = [json.loads(line) for line in lines]
        commits = [event for event in told if event["kind"] == "commit"]
        assert len(commits[0]["change"]) == 10
        shown = tiny.pixd("log", commits[0]["change"], "--json")
        assert shown.returncode == 0, shown.stderr


def test_the_reason_for_not_starting_is_an_event_where_programs_read(tmp_path: Path) -> None:
    tiny = Tiny(tmp_path / "tiny")
    (tiny.folder / "config.yaml").write_text("pipelines: 3\nstor: x\n")
    done = tiny.pixd("run", "--log-format", "json")
    assert done.returncode == EXIT_CONFIG
    event = json.loads(done.stderr)
    assert (event["level"], event["kind"]) == ("error", "service")
    assert "try: " in event["message"]
    done = tiny.pixd("run", "--log-format", "journal")
    assert done.stderr.startswith("<3>")
    assert len(done.stderr.splitlines()) == 1
