"""Four pipelines train on two nodes of a cluster: two at a time, beside one after the other.

Usage: python benchmarks/cluster_trainings.py [STEPS [NGF]]   (150, 32)

The nodes are hosts in network namespaces, each held to one core; the service, its bridges and Ray's
head share these cores, as there are no others. Each pipeline has pairs of 128 px of its own, and its
model must have the same digest both ways. Time is from the first training's start to the last
one's end, as the store recorded them: sending, TensorFlow's import and bringing home are in. It needs
Ray and two cores.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))

from cluster_throughput import hold
from PIL import Image

from pixd.images.demo_set import facade_pair
from tests.support import ray_nodes
from tests.support.ray_nodes import on_cluster
from tests.support.tiny import Tiny

NAMES = ("tiny", "b", "c", "d")
NODES = ("n1", "n2")
SIZE = 128
PAIRS = 12
WITHIN_S = 1800.0
SPAN = (
    "SELECT (julianday(max(finished_at)) - julianday(min(started_at))) * 86400 FROM run"
    " WHERE kind = 'train' AND state = 'succeeded'"
)
AT_ONCE = (
    "SELECT max((SELECT count(*) FROM run AS other WHERE other.kind = 'train'"
    " AND other.started_at <= run.started_at AND other.finished_at > run.started_at))"
    " FROM run WHERE kind = 'train'"
)


class Trained(NamedTuple):
    """What four trainings took, how many there were at once at most, and each pipeline's model."""

    took_s: float
    at_once: int
    digests: dict[str, str]


def main() -> int:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 150
    ngf = int(sys.argv[2]) if len(sys.argv) > 2 else 32
    if why := ray_nodes.why_not():
        print(f"skipped: {why}")
        return 0
    os.environ["PIXD_CORES"] = "1"
    found = {}
    with (
        tempfile.TemporaryDirectory(prefix="pt", dir="/tmp") as name,
        ray_nodes.started(*NODES) as nodes,
    ):
        for core, node in enumerate(NODES):
            hold(nodes.pids(node), core)
        for most in (1, 2):
            tiny = with_pipelines(Path(name) / f"{most}", steps, ngf)
            on_cluster(tiny, nodes, train={"cpus": 1, "most": most})
            tiny.start()
            try:
                found[most] = trained(tiny)
            finally:
                tiny.stop()
            said = {1: "one after the other", 2: "two at a time"}[most]
            print(f"{said:20} {found[most].took_s:6.1f} s for four trainings", flush=True)
    print(f"at once at most      {found[1].at_once} and {found[2].at_once}")
    print(
        f"the second machine   {found[1].took_s / found[2].took_s:.2f} times as fast  (2 is all of it)"
    )
    if found[1].digests != found[2].digests:
        print("BUT the models are not the same")
    return 0


def with_pipelines(folder: Path, steps: int, ngf: int) -> Tiny:
    tiny = Tiny(folder)
    path = folder / "config.yaml"
    tree = yaml.safe_load(path.read_text())
    one = tree["pipelines"]["tiny"]
    one["image_size"] = SIZE
    one["train"] |= {"ngf": ngf, "ndf": ngf, "steps": steps, "early": "never"}
    for first, name in enumerate(NAMES):
        places = {kind: f"./{name}/{kind}" for kind in ("training", "input", "output")}
        for place in places.values():
            (folder / place).mkdir(parents=True)
        tree["pipelines"][name] = {**one, **places}
        for number in range(PAIRS * first, PAIRS * (first + 1)):
            label, photo = facade_pair(number, SIZE)
            both = Image.new("RGB", (2 * SIZE, SIZE))
            both.paste(photo, (0, 0))
            both.paste(label, (SIZE, 0))
            both.save(folder / name / "training" / f"{number}.png")
    path.write_text(yaml.safe_dump(tree))
    return tiny


def trained(tiny: Tiny) -> Trained:
    ends_at = time.monotonic() + WITHIN_S
    while len(models := tiny.rows("SELECT pipeline, digest FROM model")) < len(NAMES):
        if time.monotonic() > ends_at:
            raise TimeoutError((tiny.folder / "service.log").read_text())
        time.sleep(0.2)
    ((took_s,),), ((at_once,),) = tiny.rows(SPAN), tiny.rows(AT_ONCE)
    return Trained(took_s, at_once, dict(models))


if __name__ == "__main__":
    sys.exit(main())
