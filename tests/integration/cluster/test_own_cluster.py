"""A cluster that is started to try one: on loopback alone, and nothing is left of it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

from pixd.cluster import own_cluster, reach
from pixd.cluster.carrier import ClusterError
from tests.support import ray_nodes


def test_without_ray_the_demo_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with (
        pytest.raises(ClusterError, match="Ray is not installed") as caught,
        own_cluster.started(1),
    ):
        pass
    assert "pip install 'pixd[ray]'" in caught.value.advice


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_it_listens_on_loopback_alone_and_leaves_nothing() -> None:
    before = set(Path("/dev/shm").iterdir())
    with own_cluster.started(1) as cluster:
        assert reach.why_no_token(cluster.token) is None
        assert reach.why_no_answer(cluster.address, None) is None
        pids = ray_nodes.descendants(os.getpid())
        assert len(pids) > 3
        addresses = listened(pids)
        assert addresses
        assert {one.rpartition(":")[0] for one in addresses} <= {
            *("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]")
        }
    assert not cluster.token.parent.exists()
    assert reach.why_no_answer(cluster.address, None)
    assert set(ray_nodes.descendants(os.getpid())) == {os.getpid()}
    assert set(Path("/dev/shm").iterdir()) <= before


def listened(pids: list[int]) -> list[str]:
    """Return the addresses at which these processes listen."""
    shown = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
    return [
        line.split()[3] for line in shown.splitlines() if any(f"pid={pid}," in line for pid in pids)
    ]
