"""Ray keeps what every carrier must, and what a bridge meets where the cluster is not as it should be."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cluster import ray_contract
from tests.support import ray_nodes
from tests.support.ray_nodes import ADDRESS, RayNodes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(why := ray_nodes.why_not()), reason=why),
]


@pytest.fixture(scope="module")
def nodes() -> Iterator[RayNodes]:
    with ray_nodes.started("n1", "n2") as made:
        yield made


def run_inside(nodes: RayNodes, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        nodes.network.inside(sys.executable, *words),
        env={**os.environ, **variables},
        check=False,
        capture_output=True,
        text=True,
        timeout=500,
    )


def test_ray_keeps_the_contract_of_carriers(nodes: RayNodes) -> None:
    told = {ray_contract.ADDRESS: ADDRESS, ray_contract.TOKEN: str(nodes.token)}
    suite = str(Path(ray_contract.__file__))
    done = run_inside(
        nodes,
        "-W",
        "default",
        "-m",
        "pytest",
        "-W",
        "default",
        "-p",
        "no:cacheprovider",
        "-q",
        suite,
        **told,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout


def test_a_wrong_token_is_told_in_a_line(nodes: RayNodes, tmp_path: Path) -> None:
    other = tmp_path / "token"
    other.write_text("fedcba9876543210" * 4)
    other.chmod(0o600)
    code = (
        "import sys, pathlib\n"
        "from pixd.cluster import reach\n"
        "from pixd.cluster.carrier import ClusterError\n"
        "from pixd.cluster.ray_carrier import RayCarrier\n"
        "from tests.support.carrier_contract import order_for\n"
        f"order = order_for('', {ADDRESS!r}, {str(other)!r}, pathlib.Path('.'))\n"
        "try:\n"
        "    reach.check(order.address, pathlib.Path(order.token), None)\n"
        "    RayCarrier(order)\n"
        "except ClusterError as error:\n"
        "    print(f'{error.message} / {error.advice}')\n"
        "    sys.stdout.flush()\n"
        "import os; os._exit(0)\n"
    )
    done = run_inside(nodes, "-c", code)
    assert "cannot be joined" in done.stdout, done.stdout + done.stderr[-2000:]
    assert "is the token the same" in done.stdout
