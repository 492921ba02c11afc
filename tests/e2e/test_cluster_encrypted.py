"""A cluster whose machines show one another certificates: the same work, and nobody else gets in."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ray_nodes
from tests.support.ray_nodes import WITHIN_S, RayNodes, on_cluster, until_engine
from tests.support.tiny import Tiny

why = ray_nodes.why_not() or ("" if shutil.which("openssl") else "openssl is not here")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(why), reason=why),
]


@pytest.fixture
def nodes() -> Iterator[RayNodes]:
    with ray_nodes.started("n1", is_encrypted=True) as made:
        yield made


def test_images_are_translated_over_tls_and_a_machine_without_it_is_kept_out(
    template: Path, tmp_path: Path, nodes: RayNodes
) -> None:
    with Tiny.at(template).copied(tmp_path / "there") as there:
        on_cluster(there, nodes)
        there.inputs(range(6))
        there.start()
        there.until(lambda part: part["input"]["translated"] == 6, WITHIN_S)
        until_engine(there, lambda told: told["translating"] == "n1")
        doctor = subprocess.run(
            [*there.prefix, sys.executable, "-m", "pixd", "doctor"],
            cwd=there.folder, capture_output=True, text=True, timeout=WITHIN_S, check=False,
        )  # fmt: skip
        assert "it lets in nobody without the token" in doctor.stdout, doctor.stdout
        assert re.search(r"^ok +machine n1: ", doctor.stdout, re.MULTILINE), doctor.stdout

        nodes.add("n2", is_encrypted=False)
        assert nodes.ended("n2") == 1
        assert "it encrypts (TLS), and this side does not" in nodes.log("n2")
        assert "docs/cluster.md, Encryption" in nodes.log("n2")
        names = {node["name"] for node in there.status()["engine"]["nodes"]}
        assert "n1" in names
        assert "n2" not in names
        assert there.stop() == 0
