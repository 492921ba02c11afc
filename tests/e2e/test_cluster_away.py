"""The real service whose configuration names a cluster that is not there; Ray is not needed for it."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import WaitUntil
from tests.support.tiny import Tiny


def test_a_reload_moves_the_work_and_a_cluster_that_is_away_is_told_until_it_is_named_no_more(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    tiny = Tiny(tmp_path / "tiny")
    token = tmp_path / "token"
    token.write_text("0123456789abcdef")
    token.chmod(0o600)
    local = (tiny.folder / "config.yaml").read_text()
    tree = yaml.safe_load(local)
    tree |= {"engine": "ray", "ray": {"address": "127.0.0.1:1", "token": str(token)}}

    def engine() -> Any:
        return json.loads((tiny.folder / "store" / "service.json").read_text()).get("engine")

    tiny.start()
    try:
        assert engine() is None
        (tiny.folder / "config.yaml").write_text(yaml.safe_dump(tree))
        assert tiny.service is not None
        tiny.service.send_signal(signal.SIGHUP)
        wait_until(lambda: engine() and engine()["why"])
        tiny.pairs(range(12))
        tiny.until(lambda part: "does not answer" in part["train"]["reason"])
        told = tiny.status()
        assert told["state"] == "blocked"
        assert told["reasons"][0].startswith(
            "the cluster at 127.0.0.1:1 does not answer: connection refused, since 20"
        )
        assert told["pipelines"]["tiny"]["training"]["files"] == 12  # recorded all the same
        assert tiny.rows("SELECT count(*) FROM run") == [(0,)]
        (tiny.folder / "config.yaml").write_text(local)
        tiny.service.send_signal(signal.SIGHUP)
        tiny.until(lambda part: part["model"] and not part["model"]["early"])
        assert engine() is None
        assert tiny.status()["state"] == "ok"
    finally:
        tiny.stop()
