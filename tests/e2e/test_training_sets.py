"""docs/training-sets.md, block by block as it stands there, by a stranger with a folder of photos."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from PIL import Image

from pixd.cli import arguments
from pixd.images.demo_set import facade_pair

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "training-sets.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
WaitUntil = Callable[..., None]


class Stranger:
    """Somebody who has photos, the page, and pixd on the path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for below in ("photos/2019", "new-photos", "labels/2019", "class-ids", "bin"):
            (folder / below).mkdir(parents=True)
        for number in range(12):
            label, photo = facade_pair(number, 96)
            name = f"{'2019/' * (number % 2)}{number:02}"
            label.save(folder / "labels" / f"{name}.png")
            photo.resize((120, 96)).crop((12, 0, 108, 96)).save(folder / "photos" / f"{name}.jpg")
        facade_pair(77, 96)[1].save(folder / "new-photos" / "new.jpg")
        Image.new("L", (96, 96), 3).save(folder / "class-ids" / "street.png")
        program = folder / "bin" / "pixd"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m pixd "$@"\n')
        program.chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }

    def run(self, block: str) -> str:
        done = subprocess.run(
            ["bash", "-e", "-c", block],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (block, done.stderr)
        return done.stdout

    def pairs(self, pipeline: str) -> list[Path]:
        return sorted((self.folder / pipeline / "training").rglob("*.png"))


@pytest.fixture
def stranger(tmp_path: Path) -> Stranger:
    return Stranger(tmp_path)


def quickly(config: Path) -> None:
    """Make the network as small as one can be; whoever reads the page has more time."""
    tree = yaml.safe_load(config.read_text())
    (pipeline,) = tree["pipelines"].values()
    pipeline |= {"image_size": 32, "settle_seconds": 0.3}
    pipeline["train"] = {"steps": 4, "ngf": 4, "ndf": 4, "quiet_seconds": 0.5}
    config.write_text(yaml.safe_dump(tree | {"device": "cpu"}))


def test_outlines_of_a_folder_of_photos_are_learned_in_under_ten_commands(
    stranger: Stranger, wait_until: WaitUntil
) -> None:
    start, look = BLOCKS[:2]
    lines = start.splitlines()
    assert lines[-1] == "pixd run"
    assert len(lines) + len(look.splitlines()) < 10
    stranger.run("\n".join(lines[:-1]))
    assert len(stranger.pairs("sketches")) == 12
    sketches = stranger.folder / "sketches"
    quickly(sketches / "config.yaml")
    log = sketches / "service.log"
    with log.open("wb") as stderr:
        service = subprocess.Popen(
            ["pixd", "run"], cwd=sketches, env=stranger.environment, stderr=stderr
        )
    try:
        # What `status` ends with says how it is; while it trains that may be anything.
        wait_until((sketches / "store" / "service.json").exists, 60, "the service")
        look = look.strip() + "; true"
        # `status` again and again would take the core from the training.
        wait_until(lambda: list(sketches.glob("store/models/*/model.json")), 120, "a model's files")
        wait_until(lambda: "model@1" in stranger.run(look), 60, "a model")
        stranger.run("cp photos/00.jpg sketches/input/")
        output = sketches / "output" / "00.jpg.png"
        wait_until(output.exists, 60, "an output")
    finally:
        service.terminate()
        service.wait(60)
    assert service.returncode == 0, log.read_text()


def test_every_other_block_does_what_the_page_says(stranger: Stranger) -> None:
    start, _, *others = BLOCKS
    stranger.run(start.removesuffix("pixd run\n"))
    before = [path.read_bytes() for path in stranger.pairs("sketches")]
    for block in others:
        stranger.run(block)
    assert [path.read_bytes() for path in stranger.pairs("sketches")] != before  # less strength
    for pipeline in ("sketches", "colours", "holes", "places"):
        pairs = stranger.pairs(pipeline)
        assert sorted(path.stem for path in pairs) == [f"{number:02}" for number in range(12)]
        for path in pairs:
            with Image.open(path) as image:
                assert image.size == (512, 256)
    tree = yaml.safe_load((stranger.folder / "holes" / "config.yaml").read_text())
    assert tree["pipelines"]["holes"]["train"]["jitter"] is False
    assert (stranger.folder / "holes" / "input" / "new.png").exists()
    assert (stranger.folder / "colours" / "input" / "new.png").exists()
    assert sum(path.is_file() for path in (stranger.folder / "sets").rglob("*")) == 12
    coloured = {path.name for path in (stranger.folder / "labels-in-colour").iterdir()}
    assert coloured == {"street.png", "palette.json"}


def test_every_operation_and_option_is_on_the_page() -> None:
    operations = arguments.parser().commands["prepare"].commands
    made = {"resize", "combine", "edges", "grayscale", "blank", "colour-labels"}
    assert set(operations) == {*made, "split"}
    for name, operation in operations.items():
        assert f"`pixd prepare {name} " in PAGE
        for option in operation.options:
            if "--help" not in option.option_strings:
                assert f"`{option.option_strings[-1]}`" in PAGE, (name, option.option_strings)


def test_the_pictures_of_the_page_are_those_that_the_script_draws(tmp_path: Path) -> None:
    import numpy as np

    shown = set(re.findall(r"\]\(pictures/([^)]*)\)", PAGE))
    others = {"demo.png"}  # the strip of README.md, drawn from a training: tests/unit/test_docs
    others |= set(re.findall(r"\]\(pictures/([^)]*)\)", (ROOT / "docs" / "web.md").read_text()))
    committed = {path.name: path for path in (ROOT / "docs" / "pictures").iterdir()}
    assert set(committed) == shown | others
    for name in others:  # drawn from a browser
        del committed[name]
    assert sum(path.stat().st_size for path in committed.values()) < 500_000
    subprocess.run(
        [sys.executable, ROOT / "docs" / "pictures.py", tmp_path],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    for name, path in committed.items():
        with Image.open(path) as old, Image.open(tmp_path / name) as new:
            assert old.size == new.size
            apart = np.asarray(old.convert("RGB"), int) - np.asarray(new.convert("RGB"), int)
        # Another Pillow or OpenCV may round otherwise; another picture is far away.
        assert np.abs(apart).mean() < 2, f"{name} is out of date: make pictures"
