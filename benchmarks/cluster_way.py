"""What the way of an image over Ray costs by itself: bridge, host and Ray, with a translator that sleeps.

Usage: python benchmarks/cluster_way.py [IMAGES [IMAGE_S]]   (300, 0.055)

A head and one node are hosts in network namespaces. A lone image is asked for now and then, and then
many, of which as many wait as the service would have waiting. As the translator only sleeps, and
processor time is counted, it can be run beside other work. It needs Ray.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from cluster_throughput import used_by_part

from pixd.cluster.carrier import Needs
from pixd.cluster.order import MODULE, Order, to_document
from pixd.system.children.spec import PARENT_VARIABLE, TranslateSpec
from pixd.system.digests import digest_of
from tests.support import ray_nodes
from tests.support.ray_nodes import ADDRESS, RayNodes, descendants

INPUT_BYTES, OUTPUT_BYTES = 42_000, 163_000  # of a photo of 256 px, and of its translation
WARM = 80
LONE = 20
AT_ONCE = 32  # as `pixd.translation.stage`, times the width that a bridge tells
MODEL = b"some weights"


class Way:
    """A bridge, as the service holds it."""

    def __init__(self, nodes: RayNodes, folder: Path, image_s: float) -> None:
        self._folder = folder
        for name in ("scratch", "model", "images", "out"):
            (folder / name).mkdir(parents=True)
        (folder / "model" / "generator.keras").write_bytes(MODEL)
        spec = TranslateSpec(
            scratch=str(folder / "scratch"),
            model=str(folder / "model"),
            files={"generator.keras": digest_of(MODEL)},
            recipe={"image_s": image_s, "output_bytes": OUTPUT_BYTES},
            device="cpu",
            precision="float32",
            batch=8,
        )
        order = Order(
            carrier="pixd.cluster.ray_carrier:RayCarrier",
            address=ADDRESS,
            token=str(nodes.token),
            tls="",
            silent_s=15.0,
            cache_bytes=10**9,
            needs=Needs(cpus=1),
            most=1,
            nice=0,
            module="tests.support.scripted_translator",
            spec=spec,
        )
        path = folder / "scratch" / "spec.json"
        path.write_text(json.dumps(to_document(order)))
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                nodes.network.inside(sys.executable, "-m", MODULE, str(path)),
                env={**os.environ, PARENT_VARIABLE: str(os.getpid())},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._asked = 0
        self._width = 1
        self._answers = self._heard()

    def translate(self, count: int) -> None:
        """Have images translated, and wait for all of them."""
        sent = done = 0
        while done < count:
            while sent < count and sent - done < AT_ONCE * self._width:
                self._ask()
                sent += 1
            next(self._answers)
            done += 1

    def _ask(self) -> None:
        image = self._folder / "images" / f"{self._asked}"
        image.write_bytes(random.Random(self._asked).randbytes(INPUT_BYTES))
        asked = {
            "id": self._asked,
            "image": str(image),
            "digest": digest_of(image.read_bytes()),
            "out": str(self._folder / "out" / f"{self._asked}"),
            "text": {"pixd:run": f"{self._asked:064d}", "pixd:model": "m" * 64},
            "number": 1,
        }
        self._asked += 1
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asked).encode() + b"\n")
        self.process.stdin.flush()

    def _heard(self) -> Iterator[dict[str, Any]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "width":
                self._width = event["times"]
            elif event["event"] == "done":
                yield event
        raise RuntimeError((self._folder / "log").read_text())


def main() -> int:
    images = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    image_s = float(sys.argv[2]) if len(sys.argv) > 2 else 0.055
    if why := ray_nodes.why_not():
        print(f"skipped: {why}")
        return 0
    with (
        tempfile.TemporaryDirectory(prefix="pw", dir="/tmp") as name,
        ray_nodes.started("n1") as nodes,
    ):
        way = Way(nodes, Path(name) / "way", image_s)
        way.translate(WARM)
        late_s = []
        for _ in range(LONE):
            time.sleep(0.1)
            began = time.monotonic()
            way.translate(1)
            late_s.append(time.monotonic() - began - image_s)
        print(f"a lone image       {1000 * statistics.median(late_s):5.1f} ms beyond its own time")

        def used(name: str) -> dict[str, float]:
            return used_by_part(nodes.pids(name))

        def bridge() -> dict[str, float]:
            return used_by_part(descendants(way.process.pid))

        before = bridge(), used("n1"), used("head")
        began = time.monotonic()
        way.translate(images)
        took_s = time.monotonic() - began
        parts = dict(
            zip(("bridge", "node", "head"), (bridge(), used("n1"), used("head")), strict=True)
        )
        print(f"{images} images         {took_s:5.1f} s; their own time {images * image_s:.1f} s")
        for (where, after), first in zip(parts.items(), before, strict=True):
            spent = {part: 1000 * (s - first.get(part, 0.0)) / images for part, s in after.items()}
            each = ", ".join(f"{part} {ms:.2f}" for part, ms in spent.items() if ms >= 0.01)
            print(f"{where:19}{sum(spent.values()):5.2f} ms of processor an image: {each}")
        assert way.process.stdin is not None
        way.process.stdin.close()
        way.process.wait(30)
    return 0


if __name__ == "__main__":
    sys.exit(main())
