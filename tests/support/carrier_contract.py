"""What every carrier must keep: `Ray` and the processes of the tests run the same suite."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pixd.cluster import versions
from pixd.cluster.carrier import Carrier, Link, LostError, Needs, RefusedError
from pixd.cluster.host import FencedError
from pixd.cluster.objects import DamagedObjectError
from pixd.cluster.order import Order
from pixd.system.children.spec import TrainSpec, to_json
from pixd.system.digests import digest_of

WITHIN_S = 60.0
ONE_CPU = Needs(cpus=1)


def training(**fields: Any) -> TrainSpec:
    """Return the spec of a training without pairs."""
    usual: dict[str, Any] = {"run_id": "7", "device": "cpu", "train": [], "held_out": []}
    usual |= {"recipe": {"steps": 3, "every": 1, "step_s": 0.05}, "checkpoints": "checkpoints"}
    return TrainSpec(**{**usual, **fields}, checkpoint_every_s=60, checkpoint_every_steps=1000)


def order_for(carrier: str, address: str, token: str, scratch: Path, **fields: Any) -> Order:
    """Return an order for a bridge, as short of patience as a test should be."""
    usual: dict[str, Any] = {
        "tls": "",
        "silent_s": 8.0,
        "cache_bytes": 10**8,
        "needs": ONE_CPU,
        "most": 2,
        "nice": 0,
        "module": "tests.support.scripted_trainer",
        "spec": training(scratch=str(scratch)),
    }
    return Order(carrier=carrier, address=address, token=token, **{**usual, **fields})


def placed(link: Link) -> dict[str, Any]:
    """Wait until a host runs; return what it tells of its machine."""
    ends_at = time.monotonic() + WITHIN_S
    while not link.is_placed():
        assert time.monotonic() < ends_at, "no host within a minute"
        time.sleep(0.05)
    about: dict[str, Any] = link.call("about", within_s=WITHIN_S)
    return about


class CarrierContract:
    """Tests for a carrier of two machines with one processor each; `carrier` is a fixture of the class."""

    @pytest.fixture
    def host(self, carrier: Carrier) -> Iterator[Link]:
        link = carrier.host(ONE_CPU)
        placed(link)
        yield link
        link.kill()

    def test_a_host_tells_where_it_is_and_what_is_there(self, carrier: Carrier) -> None:
        link = carrier.host(ONE_CPU)
        about = placed(link)
        assert {name: about[name] for name in ("pixd", "code", "tensorflow")} == {
            name: versions.own()[name] for name in ("pixd", "code", "tensorflow")
        }
        assert about["node_id"] in {node.id for node in carrier.nodes()}
        assert about["gpus"] == ""  # none was asked for, so none may be seen
        link.kill()

    def test_hosts_go_where_there_is_room_and_wait_where_there_is_none(
        self, carrier: Carrier
    ) -> None:
        first, second = carrier.host(ONE_CPU), carrier.host(ONE_CPU)
        nodes = [placed(link)["node_id"] for link in (first, second)]
        assert len(set(nodes)) == 2
        third = carrier.host(ONE_CPU)
        assert not third.is_placed()
        second.kill()
        assert placed(third)["node_id"] == nodes[1]
        for link in (first, third):
            link.kill()

    def test_a_machine_that_is_avoided_gets_no_host(self, carrier: Carrier) -> None:
        link = carrier.host(ONE_CPU)
        bad = str(placed(link)["node_id"])
        link.kill()
        other = carrier.host(ONE_CPU, avoiding=frozenset({bad}))
        assert placed(other)["node_id"] != bad
        other.kill()

    def test_what_is_sent_is_kept_by_its_content_and_placed(self, host: Link) -> None:
        small, large = b"a picture", bytes(range(256)) * 70_000
        digests = [digest_of(small), digest_of(large)]
        work = host.call("open", "1-1-a", within_s=WITHIN_S)
        host.call("lacks", digests, within_s=WITHIN_S)
        host.call("keep", [(digests[0], small)], within_s=WITHIN_S)
        middle = 8 << 20
        host.call("keep_part", digests[1], 0, large[:middle], False, within_s=WITHIN_S)
        host.call("keep_part", digests[1], middle, large[middle:], True, within_s=WITHIN_S)
        assert host.call("lacks", [*digests, digest_of(b"other")], within_s=WITHIN_S) == [
            digest_of(b"other")
        ]
        places = [("in/small", digests[0]), ("large", digests[1]), ("x", digest_of(b"other"))]
        assert host.call("place", "1-1-a", places, False, within_s=WITHIN_S) == [
            digest_of(b"other")
        ]
        found = host.call("files", "1-1-a", ".", False, within_s=WITHIN_S)
        assert {one["path"]: one["sha256"] for one in found} == {
            "in/small": digests[0],
            "large": digests[1],
        }
        assert host.call("read", "1-1-a", "in/small", 2, 4, within_s=WITHIN_S) == small[2:6]
        assert work.startswith("/")

    def test_other_bytes_than_were_named_are_refused(self, host: Link) -> None:
        with pytest.raises(DamagedObjectError, match="changed on its way"):
            host.call("keep", [(digest_of(b"this"), b"that")], within_s=WITHIN_S)

    def test_another_attempt_is_refused(self, host: Link) -> None:
        host.call("open", "1-1-a", within_s=WITHIN_S)
        with pytest.raises(FencedError, match="works for 1-1-a"):
            host.call("open", "1-2-b", within_s=WITHIN_S)
        with pytest.raises(FencedError, match="works for 1-1-a"):
            host.call("files", "1-2-b", ".", False, within_s=WITHIN_S)
        with pytest.raises(FencedError, match="works for 1-1-a"):
            next(host.stream("listen", "1-2-b"))

    def test_a_child_is_heard_as_it_speaks_and_its_files_can_be_read(self, host: Link) -> None:
        work = Path(host.call("open", "1-1-a", within_s=WITHIN_S))
        spec = training(scratch=str(work / "scratch"), checkpoints=str(work / "checkpoints"))
        order = {"module": "tests.support.scripted_trainer", "spec": to_json(spec), "nice": 0}
        host.call("start", "1-1-a", order, within_s=WITHIN_S)
        heard: list[dict[str, Any]] = []
        for group in host.stream("listen", "1-1-a"):
            assert group["attempt"] == "1-1-a"
            heard += group["events"]
        assert [e["step"] for e in heard if e["event"] == "checkpoint"] == [1, 2, 3]
        assert heard[-1]["event"] == "ended"
        assert heard[-1]["result"]["state"] == "succeeded"
        held = host.call("files", "1-1-a", "checkpoints", True, within_s=WITHIN_S)
        assert [one["name"] for one in held] == [
            "step-00000003/state.json",
            "step-00000003/variables",
        ]

    def test_a_host_that_is_killed_is_lost_to_everything_that_asks(self, host: Link) -> None:
        work = Path(host.call("open", "1-1-a", within_s=WITHIN_S))
        recipe = {"steps": 10_000, "every": 10_000, "step_s": 0.05}
        spec = training(
            scratch=str(work / "scratch"), checkpoints=str(work / "checkpoints"), recipe=recipe
        )
        order = {"module": "tests.support.scripted_trainer", "spec": to_json(spec), "nice": 0}
        host.call("start", "1-1-a", order, within_s=WITHIN_S)
        stream = host.stream("listen", "1-1-a")
        next(stream)
        began = time.monotonic()
        host.kill()
        assert time.monotonic() - began < 2
        with pytest.raises(LostError):
            list(stream)
        with pytest.raises(LostError):
            host.call("about", within_s=WITHIN_S)

    def test_who_does_not_answer_in_time_is_lost(self, host: Link) -> None:
        pipe = Path(host.call("open", "1-1-a", within_s=WITHIN_S)) / "pipe"
        os.mkfifo(pipe)  # to open it takes until somebody else does
        with pytest.raises(LostError, match="no answer within 1 s"):
            host.call("read", "1-1-a", "pipe", 0, 1, within_s=1.0)
        assert host.call("about", within_s=WITHIN_S)["gpus"] == ""  # other calls get through
        pipe.open("w").close()

    def test_a_disk_that_fails_is_the_fault_of_the_machine(self, host: Link) -> None:
        work = Path(host.call("open", "1-1-a", within_s=WITHIN_S))
        (work / "failing").symlink_to("/proc/self/mem")  # there is nothing at its beginning
        with pytest.raises(RefusedError, match="its machine refuses: Input/output error"):
            host.call("read", "1-1-a", "failing", 0, 1, within_s=WITHIN_S)
