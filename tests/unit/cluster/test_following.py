"""The thread of a host that follows a child says why it ended, however it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pixd.cluster import following
from pixd.cluster.host import Host
from pixd.system.children.spec import TranslateSpec, to_json


class FullDisk:
    """A spawner on a machine whose disk is full."""

    def start(self, *_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")


def test_a_host_whose_translator_cannot_be_followed_says_why_and_is_silent_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(following, "LocalSpawner", FullDisk)
    for name in ("PIXD_CORES", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "")  # the host sets them for its whole process
    host = Host({"cpus": 1, "gpus": 0, "cache_bytes": 10**8})
    work = host.open("a-1")
    spec = TranslateSpec(
        model="m",
        files={},
        recipe={},
        device="cpu",
        precision="auto",
        batch=1,
        scratch=f"{work}/scratch",
    )
    host.start("a-1", {"module": "pixd.pix2pix.translator", "spec": to_json(spec), "nice": 0})
    groups = host.listen("a-1")
    heard = [event for _, group in zip(range(3), groups, strict=False) for event in group["events"]]
    assert heard[-1]["event"] == "ended"
    assert heard[-1]["how"] == "its work failed: No space left on device"
    assert list(groups) == []
    host.close("a-1")
