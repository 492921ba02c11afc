"""Worker processes that really run, and what they say."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pixd.system.children.spec import SCHEMA
from tests.support.shared import THREAD_VARIABLES

ROOT = Path(__file__).parents[2]
SIZE = 32
Spec = dict[str, Any]
THREADS = {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ}
BARE = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
"""The environment of a child, but for how many threads it may start."""


class Child:
    """A worker process and the events that it sends."""

    def __init__(self, module: str, spec: Spec, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "spec.json").write_text(json.dumps(spec))
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"pixd.pix2pix.{module}", str(folder / "spec.json")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=folder,
                env={**BARE, **THREADS},
            )

    def events(self) -> Iterator[dict[str, Any]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield json.loads(line)

    def until(self, **wanted: Any) -> dict[str, Any]:
        for event in self.events():
            if wanted.items() <= event.items():
                return event
        pytest.fail(f"no event {wanted}; its log ends: {self.log.read_text()[-2000:]}")

    def ask(self, **request: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def ended(self) -> int:
        for _ in self.events():
            pass
        return self.process.wait(timeout=60)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process.stdin.close()


def result_of(folder: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result


TEXT = {"Software": "pixd test", "pixd:model": "sha256:00"}


def digest_of(path: Path) -> str:
    content = path.read_bytes() if path.exists() else b"none"
    return "sha256:" + hashlib.sha256(content).hexdigest()


def translate_spec(folder: Path, trained: Path) -> dict[str, Any]:
    recipe = {
        "image_size": 32,
        "fit": "pad",
        "output_size": "source",
        "sample": False,
        "seed": 0,
    }
    return {
        "schema": SCHEMA,
        "kind": "translate",
        "scratch": str(folder),
        "model": str(trained / "model"),
        "files": {name: digest_of(trained / "model" / name) for name in ("generator.keras",)},
        "recipe": recipe,
        "device": "auto",
        "precision": "auto",
        "batch": 8,
    }
