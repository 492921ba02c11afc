"""`samples: 2` through the real service and commands."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from io import BytesIO

import yaml
from PIL import Image, ImageOps

from tests.support.tiny import Tiny

WaitUntil = Callable[..., None]

NAMES = [f"in-00{number}.{sample}.png" for number in range(3) for sample in (1, 2)]


def ask_for(tiny: Tiny, samples: int, *, orphans: bool = True) -> None:
    path = tiny.folder / "config.yaml"
    tree = yaml.safe_load(path.read_text())
    tree["pipelines"]["tiny"] |= {
        "sample": True, "samples": samples, "keep": {"orphans": orphans}
    }  # fmt: skip
    path.write_text(yaml.safe_dump(tree))


def said(tiny: Tiny, *words: str) -> str:
    done = tiny.pixd(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_samples_of_every_input(own: Tiny, wait_until: WaitUntil) -> None:
    own.once()
    plain = own.outputs()
    ask_for(own, 2)
    assert "translate 3 of 3 inputs by the live model" in said(own, "plan")
    own.once()
    made = own.outputs()
    assert sorted(made) == sorted([*NAMES, *plain])
    assert len({made[name] for name in made}) == 9
    part = own.part()
    assert part["input"]["translated"] == 3
    assert (part["output"]["current"], part["output"]["orphaned"]) == (6, 3)
    assert "translate nothing: every output is of the live model" in said(own, "plan")
    assert own.pixd("verify").returncode == 0

    # What made a sample, and why: by name, and from a copy by its text.
    (traced,) = json.loads(said(own, "trace", "output/in-000.2.png", "--json"))["outputs"]
    assert traced["input"]["path"] == "in-000.png"
    assert traced["run"]["recipe"]["sample_number"] == 2
    asked = said(own, "why", "input/in-000.png")
    assert "output/in-000.1.png: made from" in asked
    assert "output/in-000.2.png: made from" in asked
    found = json.loads(said(own, "trace", "input/in-000.png", "--json"))["input"]["outputs"]
    assert {one["path"] for one in found} >= {"in-000.1.png", "in-000.2.png", "in-000.png"}
    # A command beside the service makes the same bytes.
    said(own, "translate", "input/in-001.png", "--samples", "2", "-o", "beside")
    for name in ("in-001.1.png", "in-001.2.png"):
        assert (own.folder / "beside" / name).read_bytes() == made[name]
    assert own.pixd("translate", "input/in-001.png", "--samples", "0").returncode == 2
    translations = own.runs("translate")

    # One of them is deleted and comes back, alone and without work; one is retouched and taught.
    (own.folder / "output" / "in-002.1.png").unlink()
    own.once()
    assert own.outputs() == made
    assert own.runs("translate") == translations
    retouched = own.folder / "output" / "in-000.2.png"
    with Image.open(BytesIO(made["in-000.2.png"])) as image:
        ImageOps.invert(image).save(retouched)
    said(own, "teach", "output/in-000.2.png")
    assert (own.folder / "training" / "taught" / "in-000.2.png").exists()
    (own.folder / "training" / "taught" / "in-000.2.png").unlink()

    # Back to one, which has the bytes of the first, in a service that goes on. What is not asked
    # for goes, but for what was retouched.
    own.start()
    own.until(lambda part: part["input"]["translated"] == 3)
    ask_for(own, 1, orphans=False)
    assert own.service is not None
    own.service.send_signal(signal.SIGHUP)
    part = own.until(lambda part: part["output"]["current"] == 3 and not part["output"]["orphaned"])
    assert (part["input"]["translated"], part["output"]["edited"]) == (3, 1)
    # The rows come first, then the files.
    asked_for = sorted([*plain, "in-000.2.png"])
    wait_until(lambda: sorted(own.outputs()) == asked_for, 30, "the outputs that are asked for")
    assert own.outputs()["in-001.png"] == made["in-001.1.png"]
    assert own.runs("translate") == translations
