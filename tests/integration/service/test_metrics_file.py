"""The metrics file of a real service: whole at every instant, true, and gone when not wanted."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pixd.service import metrics_file
from tests.support import exposition
from tests.support.exposition import Family
from tests.support.tiny import Tiny

WaitUntil = Callable[..., None]


def name_file(tiny: Tiny, path: str) -> Path:
    """Have config.yaml name the metrics file."""
    config = tiny.folder / "config.yaml"
    rest = [line for line in config.read_text().splitlines() if not line.startswith("metrics:")]
    config.write_text("\n".join([f"metrics: {path}" if path else "", *rest, ""]))
    return tiny.folder / path


def read(path: Path) -> dict[str, Family]:
    return exposition.parse(path.read_text())


def test_what_a_service_did_is_counted(tmp_path: Path) -> None:
    tiny = Tiny(tmp_path)
    (tmp_path / "prom").mkdir()
    path = name_file(tiny, "prom/pixd.prom")
    tiny.pairs(range(6))
    tiny.inputs(range(3))
    (tmp_path / "input" / "bad.png").write_bytes(b"no image at all")
    tiny.once()
    found = read(path)
    assert found["pixd_up"].value() == 0  # it was stopped in order
    assert found["pixd_state"].value(state="ok") == 1
    assert found["pixd_files_recorded_total"].value(folder="training") == 6
    assert found["pixd_files_recorded_total"].value(folder="input") == 4
    assert found["pixd_files"].value(folder="input", state="translated") == 3
    assert found["pixd_files"].value(folder="input", state="rejected") == 1
    results = found["pixd_translations_total"]
    assert results.value(pipeline="tiny", result="published") == 3
    assert results.value(pipeline="tiny", result="rejected") == 1
    assert found["pixd_drop_to_output_seconds"].value(le="+Inf") == 3
    assert found["pixd_models_total"].value() == 1
    assert found["pixd_live_model_info"].value(model="model@1", dataset="training@1") == 1
    start = found["pixd_start_time_seconds"].value()
    newest = found["pixd_last_translation_timestamp_seconds"].value()
    assert newest > start
    assert "in-000" not in path.read_text()  # no path is a label
    assert list(path.parent.iterdir()) == [path]

    # Started again, there is nothing to do: what is counted begins anew, the rest is known.
    tiny.once()
    found = read(path)
    assert found["pixd_start_time_seconds"].value() > start
    assert found["pixd_translations_total"].value(result="published") == 0
    assert found["pixd_last_translation_timestamp_seconds"].value() == newest
    assert found["pixd_outputs"].value(state="current") == 3

    # What is published again was not dropped again.
    next((tmp_path / "output").iterdir()).unlink()
    tiny.once()
    found = read(path)
    assert found["pixd_translations_total"].value(result="published") == 1
    assert found["pixd_drop_to_output_seconds"].value(le="+Inf") == 0


def test_a_reload_takes_another_place_and_a_missing_folder_is_said_once(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    tiny = Tiny(tmp_path)
    try:
        tiny.start({"pixd.service.metrics_file.WRITE_EVERY_S": 0.1})
        assert tiny.service is not None
        first = name_file(tiny, "pixd.prom")
        tiny.service.send_signal(signal.SIGHUP)
        wait_until(first.exists)
        assert read(first)["pixd_up"].value() == 1

        missing = name_file(tiny, "gone/pixd.prom")
        tiny.service.send_signal(signal.SIGHUP)
        wait_until(lambda: tiny.status()["state"] == "degraded")
        assert not first.exists()
        (problem,) = tiny.status()["problems"]
        assert problem["reason"] == f"the metrics file {missing}: No such file or directory"
        said = (tmp_path / "service.log").read_text()
        assert said.count(str(missing)) == 1

        missing.parent.mkdir()
        wait_until(missing.exists)
        wait_until(lambda: tiny.status()["state"] == "ok")
        name_file(tiny, "")
        tiny.service.send_signal(signal.SIGHUP)
        wait_until(lambda: not missing.exists())
    finally:
        assert tiny.stop() == 0


def test_a_killed_service_leaves_its_last_file_as_it_is(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    tiny = Tiny(tmp_path)
    path = name_file(tiny, "pixd.prom")
    tiny.start()
    wait_until(path.exists)
    tiny.stop(signal.SIGKILL)
    found = read(path)
    assert found["pixd_up"].value() == 1
    beat_at = found["pixd_heartbeat_timestamp_seconds"].value()
    assert 0 <= path.stat().st_mtime - beat_at < 15


def test_whoever_reads_at_any_instant_reads_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "pixd.prom"
    texts = [f"# {n}\n" * (1 + 4000 * (n % 7)) for n in range(200)]
    metrics_file._replace(path, texts[0])
    seen: set[str] = set()
    is_over = threading.Event()

    def look() -> None:
        while not is_over.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=look)
    reader.start()
    for text in texts:
        metrics_file._replace(path, text)
    is_over.set()
    reader.join()
    assert seen <= set(texts)


def test_everybody_may_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        metrics_file._replace(tmp_path / "pixd.prom", "x\n")
    finally:
        os.umask(before)
    assert (tmp_path / "pixd.prom").stat().st_mode & 0o777 == 0o644


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "pixd.prom"
    metrics_file._replace(path, "old\n")
    with pytest.raises(UnicodeEncodeError):
        metrics_file._replace(path, "\udc80")
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]
