"""A tiny task that is quick to learn, and children that really run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixd.system.children.spec import SCHEMA
from tests.support.children import SIZE, Child, Spec
from tests.support.shared import made_once

EVENTS = "tensorboard/p/run-7"


@pytest.fixture(scope="session")
def start() -> Iterator[Callable[..., Child]]:
    children: list[Child] = []

    def start_child(module: str, spec: Spec, folder: Path) -> Child:
        children.append(Child(module, spec, folder))
        return children[-1]

    yield start_child
    for child in children:
        child.close()


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return 16 pairs: coloured boxes on the left, the same in other colours on the right."""
    folder = tmp_path_factory.mktemp("pairs")
    random = np.random.default_rng(0)
    made = []
    for number in range(16):
        left = np.full((40, 40, 3), 30, np.uint8)
        for _ in range(4):
            top, at = random.integers(0, 28, 2)
            left[top : top + 12, at : at + 12] = random.integers(0, 256, 3)
        right = 255 - left[:, :, ::-1]
        path = folder / f"{number:02d}.png"
        Image.fromarray(np.concatenate([left, right], axis=1)).save(path)
        digest = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
        made.append({"name": path.name, "images": [str(path)], "digests": [digest]})
    return made


@pytest.fixture(scope="session")
def make_spec(pairs: list[dict[str, Any]]) -> Callable[..., Spec]:
    """Return a maker of training specs: `make_spec(folder, steps=40, **recipe)`."""

    def make(
        folder: Path,
        *,
        live_model: Path | None = None,
        warm_start: Spec | None = None,
        **recipe: Any,
    ) -> Spec:
        return {
            **({"warm_start": warm_start} if warm_start else {}),
            "schema": SCHEMA,
            "kind": "train",
            "run_id": "r1",
            "scratch": str(folder),
            "checkpoints": str(folder / "checkpoints"),
            "recipe": {
                "pairs": "side-by-side",
                "direction": "AtoB",
                "image_size": SIZE,
                "fit": "pad",
                "epochs": None,
                "steps": 40,
                "batch_size": 1,
                "ngf": 4,
                "ndf": 4,
                "learning_rate": 2e-4,
                "beta_1": 0.5,
                "l1_weight": 100.0,
                "gan_weight": 1.0,
                "jitter": True,
                "flip": True,
                "seed": 3,
                "precision": "auto",
                **recipe,
            },
            "device": "cpu",
            "train": pairs[:12],
            "held_out": pairs[12:],
            "live_model": {"folder": str(live_model), "digest": "live"} if live_model else None,
            "checkpoint_every_s": 60,
            "checkpoint_every_steps": 1000,
        }

    return make


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory,
    start: Callable[..., Child],
    make_spec: Callable[..., Spec],
) -> Path:
    """Return the scratch folder of an undisturbed run of 40 steps, with event files in `EVENTS`."""

    def make(folder: Path) -> None:
        (folder / EVENTS).parent.mkdir(parents=True)  # as who starts the training does
        spec = make_spec(folder) | {"event_files": str(folder / EVENTS)}
        child = start("train", spec, folder)
        assert child.ended() == 0, child.log.read_text()

    return made_once(tmp_path_factory, "trained", make)
