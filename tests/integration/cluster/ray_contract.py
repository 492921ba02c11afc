"""The suite of every carrier, for Ray. `test_ray.py` runs it inside the network of a cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pixd.cluster.carrier import Carrier, Link
from pixd.cluster.ray_carrier import RayCarrier
from pixd.system.digests import digest_of
from tests.support.carrier_contract import WITHIN_S, CarrierContract, order_for

ADDRESS, TOKEN = "PIXD_TEST_ADDRESS", "PIXD_TEST_TOKEN"


class TestRay(CarrierContract):
    @pytest.fixture(scope="class")
    def carrier(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Carrier]:
        scratch: Path = tmp_path_factory.mktemp("scratch")
        made = RayCarrier(order_for("", os.environ[ADDRESS], os.environ[TOKEN], scratch))
        yield made
        made.close()

    def test_what_is_as_large_as_some_images_goes_inside_calls_and_answers(
        self, host: Link
    ) -> None:
        import ray

        images = os.urandom(500_000)
        host.call("open", "1-1-a", within_s=WITHIN_S)
        host.call("keep", [(digest_of(images), images)], within_s=WITHIN_S)
        host.call("place", "1-1-a", [("image", digest_of(images))], False, within_s=WITHIN_S)
        asked = host._actor.read.remote("1-1-a", "image", 0, len(images))  # type: ignore[attr-defined]
        assert ray.get(asked) == images
        # No machine has stored it: the other would have to fetch it, which costs more than to send it.
        where = ray.experimental.get_object_locations([asked])[asked]
        assert where["node_ids"] == []
