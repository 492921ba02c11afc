"""The suite of every carrier, for Ray. `test_ray.py` runs it inside the network of a cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pixd.cluster.carrier import Carrier
from pixd.cluster.ray_carrier import RayCarrier
from tests.support.carrier_contract import CarrierContract, order_for

ADDRESS, TOKEN = "PIXD_TEST_ADDRESS", "PIXD_TEST_TOKEN"


class TestRay(CarrierContract):
    @pytest.fixture(scope="class")
    def carrier(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Carrier]:
        scratch: Path = tmp_path_factory.mktemp("scratch")
        made = RayCarrier(order_for("", os.environ[ADDRESS], os.environ[TOKEN], scratch))
        yield made
        made.close()
