"""The carrier of the tests keeps what every carrier must."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pixd.cluster.carrier import Carrier
from tests.integration.cluster.conftest import CARRIER, Machines
from tests.support.carrier_contract import CarrierContract
from tests.support.process_carrier import ProcessCarrier


class TestProcessCarrier(CarrierContract):
    @pytest.fixture
    def carrier(self, machines: Machines, tmp_path: Path) -> Iterator[Carrier]:
        made = ProcessCarrier(machines.order(tmp_path / "scratch"))
        assert CARRIER.endswith(type(made).__name__)
        yield made
        made.close()
