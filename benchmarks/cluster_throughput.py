"""What a second machine is worth, and what the way over Ray costs: one core here, one node, two nodes.

Usage: python benchmarks/cluster_throughput.py [FILES [NGF]]   (500, 32)

The nodes are hosts in network namespaces, each held to one core; the service, its bridge and Ray's
head share these cores, as there are no others. The translator of "here" is held to one core too. All
translate the same pictures of 256 px with the same model; translators are warm when the clock starts.
Processor time is of all processes together but the head's, and is told for each of them. It needs Ray
and two cores.
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
from tests.support.ray_nodes import RayNodes, descendants, engine, on_cluster
from tests.support.tiny import Tiny

SIZE = 256
PARTS = {  # what a process is, and what its command line has
    "translator": "pixd.pix2pix.translator",
    "bridge": "pixd.cluster.bridge",
    "host": "ray::",
    "raylet": "raylet/raylet",
    "Ray's agents": "/ray/",
    "service": "pixd run",
}
WARM = 100  # files: more than two batches, so that there is work for two hosts
WARM_WITHIN_S = 600.0
OTHERS = 100_000  # the number of the first picture to warm up with: none that is measured


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
    return pictures_of(folder, "", range(files))


def pictures_of(folder: Path, prefix: str, numbers: range) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{prefix}{number:04d}.png" for number in numbers]
    for number, path in zip(numbers, paths, strict=True):
        facade_pair(number, SIZE)[1].save(path)
    return paths


def warm_up(tiny: Tiny, folder: Path, names: list[str]) -> int:
    """Translate other pictures until every machine of `names` has a model loaded; return how many."""
    ends_at = time.monotonic() + WARM_WITHIN_S
    count = 0
    while True:
        first = OTHERS + count
        drop(tiny, pictures_of(folder, "warm-", range(first, first + WARM)))
        count += WARM
        until_translated(tiny, count, WARM_WITHIN_S)
        told = engine(tiny)
        if not names or set(names) == set((told.get("translating") or "").split()):
            return count
        if time.monotonic() > ends_at:
            raise TimeoutError(f"not all of {names} translate: {told}")


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


def until_translated(tiny: Tiny, count: int, within_s: float) -> None:
    tiny.until(lambda part: part["input"]["translated"] == count, within_s)


class Measured:
    """What one way of translating took, and what it made."""

    def __init__(self, took_s: float, parts: dict[str, float], outputs: dict[str, bytes]) -> None:
        self.took_s, self.parts, self.outputs = took_s, parts, outputs

    @property
    def cpu_s(self) -> float:
        return sum(self.parts.values())

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
            warmed = warm_up(tiny, folder / "warm", names)
            families = {"here": tiny.service.pid}
            pids = [pid for name in names if nodes for pid in nodes.pids(name)]
            if nodes:
                for core, name in enumerate(names):
                    hold(nodes.pids(name), core)
            else:
                hold(descendants(families["here"])[1:], 0)
            everyone = [*pids, *descendants(families["here"])]
            before, began = used_by_part(everyone), time.monotonic()
            drop(tiny, pictures)
            until_translated(tiny, warmed + len(pictures), 1800)
            took_s = time.monotonic() - began
            parts = {part: s - before.get(part, 0) for part, s in used_by_part(everyone).items()}
            wanted = {path.name for path in pictures}
            outputs = {name: data for name, data in tiny.outputs().items() if name in wanted}
            found = cls(took_s, parts, outputs)
            tiny.stop()
        shutil.rmtree(folder)
        return found

    def say(self, name: str, files: int) -> None:
        print(
            f"{name:22}{files / self.took_s:6.2f} files/s, {1000 * self.cpu_s / files:.1f} ms of"
            " processor a file",
            flush=True,
        )
        largest = sorted(self.parts.items(), key=lambda item: -item[1])
        each = [f"{part} {1000 * s / files:.1f}" for part, s in largest]
        print(f"  of it {', '.join(each)}", flush=True)


def hold(pids: list[int], core: int) -> None:
    """Hold processes, and what they start later, to one core."""
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {core})


def used_by_part(pids: list[int]) -> dict[str, float]:
    """Return the processor seconds of processes, by what each is."""
    found: dict[str, float] = {}
    for pid in pids:
        if Path(f"/proc/{pid}").exists():
            part = part_of(pid)
            found[part] = found.get(part, 0.0) + cpu_s(pid)
    return found


def part_of(pid: int) -> str:
    """Name a process for people."""
    command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    for part, sign in PARTS.items():
        if sign in command:
            return part
    return "others"


def drop(tiny: Tiny, pictures: list[Path]) -> None:
    for path in pictures:
        made = tiny.folder / path.name
        shutil.copyfile(path, made)
        made.rename(tiny.folder / "input" / path.name)


if __name__ == "__main__":
    sys.exit(main())
