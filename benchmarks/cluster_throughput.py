"""What a second machine is worth, and what the way over Ray costs: one core here, one node, two nodes.

Usage: python benchmarks/cluster_throughput.py [FILES [NGF]]   (500, 32)

The nodes are hosts in network namespaces, each held to one core; the service, its bridge and Ray's
head share these cores, as there are no others. The translator of "here" is held to one core too. All
translate the same pictures of 256 px with the same model; translators are warm when the clock starts.
Processor time is of all processes together. It needs Ray and two cores.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))

from fixtures.processes import cpu_s
from PIL import Image

from pixd.images.demo_set import facade_pair
from tests.support import ray_nodes
from tests.support.ray_nodes import RayNodes, descendants, on_cluster
from tests.support.tiny import Tiny

SIZE = 256
WARM = 100  # files: more than two batches, so that there is work for two hosts


def main() -> int:
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    ngf = int(sys.argv[2]) if len(sys.argv) > 2 else 32
    if why := ray_nodes.why_not():
        print(f"skipped: {why}")
        return 0
    os.environ["PIXD_CORES"] = "1"
    with tempfile.TemporaryDirectory(prefix="pb", dir="/tmp") as name:  # Ray's sockets: short
        folder = Path(name)
        pictures = drawn(folder / "drawn", files)
        trained = with_model(folder / "trained", ngf)
        here = Measured.of(trained, folder / "here", pictures, [])
        here.say("here, one core", files)
        for count in (1, 2):
            names = [f"n{number}" for number in range(1, count + 1)]
            with ray_nodes.started(*names) as nodes:
                there = Measured.of(trained, folder / f"on-{count}", pictures, names, nodes)
            there.say(f"{count} node{'s' * (count > 1)} of one core", files)
            if there.outputs != here.outputs:
                print("  BUT its outputs are not those of one core here")
            if count == 1:
                alone = there
                beyond_ms = 1000 * (there.took_s - here.took_s) / files
                cpu_ms = 1000 * (there.cpu_s - here.cpu_s) / files
                print(f"  beyond here     {beyond_ms:.1f} ms of time a file  (bar: 3)")
                print(f"                  {cpu_ms:.1f} ms of processor a file  (bar: 5)")
            else:
                share = alone.took_s / (2 * there.took_s)
                print(f"  of twice one    {share:.2f}  (bar: 0.9)")
    return 0


def drawn(folder: Path, files: int) -> list[Path]:
    """Draw the inputs: photos, which are as large as what people drop."""
    folder.mkdir()
    for number in range(WARM + files):
        facade_pair(number, SIZE)[1].save(folder / f"{number:04d}.png")
    return sorted(folder.iterdir())


def with_model(folder: Path, ngf: int) -> Tiny:
    """Train two steps: how good a model is does not matter here."""
    tiny = Tiny(folder)
    path = folder / "config.yaml"
    tree = yaml.safe_load(path.read_text())
    pipeline = tree["pipelines"]["tiny"]
    pipeline["image_size"] = SIZE
    pipeline["train"] |= {"ngf": ngf, "ndf": 8, "steps": 2, "promote": "always"}
    path.write_text(yaml.safe_dump(tree))
    for number in range(4):
        both = Image.new("RGB", (2 * SIZE, SIZE))
        label, photo = facade_pair(number, SIZE)
        both.paste(label, (0, 0))
        both.paste(photo, (SIZE, 0))
        both.save(folder / "training" / f"{number}.png")
    tiny.once()
    return tiny


class Measured:
    """What one way of translating took, and what it made."""

    def __init__(self, took_s: float, cpu: float, outputs: dict[str, bytes]) -> None:
        self.took_s, self.cpu_s, self.outputs = took_s, cpu, outputs

    @classmethod
    def of(
        cls,
        trained: Tiny,
        folder: Path,
        pictures: list[Path],
        names: list[str],
        nodes: RayNodes | None = None,
    ) -> Measured:
        """Translate the pictures with a copy of a trained pipeline, on these nodes or here."""
        with trained.copied(folder) as tiny:
            if nodes:
                on_cluster(tiny, nodes, translate={"cpus": 1, "most": len(names)})
            tiny.start()
            assert tiny.service
            drop(tiny, pictures[:WARM])
            tiny.until(lambda part: part["input"]["translated"] == WARM, 600)
            families = {"here": tiny.service.pid}
            pids = [pid for name in names if nodes for pid in nodes.pids(name)]
            if nodes:
                for core, name in enumerate(names):
                    hold(nodes.pids(name), core)
            else:
                hold(descendants(families["here"])[1:], 0)
            everyone = [*pids, *descendants(families["here"])]
            before, began = used(everyone), time.monotonic()
            drop(tiny, pictures[WARM:])
            tiny.until(lambda part: part["input"]["translated"] == len(pictures), 1800)
            took_s = time.monotonic() - began
            found = cls(took_s, used(everyone) - before, tiny.outputs())
            tiny.stop()
        shutil.rmtree(folder)
        return found

    def say(self, name: str, files: int) -> None:
        print(
            f"{name:22}{files / self.took_s:6.2f} files/s, {1000 * self.cpu_s / files:.1f} ms of"
            " processor a file",
            flush=True,
        )


def hold(pids: list[int], core: int) -> None:
    """Hold processes, and what they start later, to one core."""
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {core})


def used(pids: list[int]) -> float:
    return sum(cpu_s(pid) for pid in pids if Path(f"/proc/{pid}").exists())


def drop(tiny: Tiny, pictures: list[Path]) -> None:
    for path in pictures:
        made = tiny.folder / path.name
        shutil.copyfile(path, made)
        made.rename(tiny.folder / "input" / path.name)


if __name__ == "__main__":
    sys.exit(main())
