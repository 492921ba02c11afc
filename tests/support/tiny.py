"""A tiny pipeline in a folder of its own, and the real `pixd` beside it.

The network is as small as one can be (32 px, ngf 4), so that a training takes seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image, ImageDraw

PATIENCE_S = 240.0
"""A trainer has the lowest claim to a core: on a busy machine seconds of its work take minutes."""

CONFIG = """\
store: ./store
device: cpu
pipelines:
  tiny:
    training: ./training
    input: ./input
    output: ./output
    image_size: 32
    settle_seconds: {settle_s}
    train:
      quiet_seconds: {quiet_s}
      steps: {steps}
      ngf: 4
      ndf: 4
      l1_weight: {l1_weight}
      validation: 0.2
      promote: always
"""


def picture(number: int, size: tuple[int, int] = (32, 32)) -> Image.Image:
    """Draw a disc whose place and colour follow from `number`."""
    image = Image.new("RGB", size, (number * 37 % 256, 90, 160))
    x, y = number * 7 % size[0], number * 5 % size[1]
    ImageDraw.Draw(image).ellipse((x, y, x + 9, y + 9), fill=(240, number * 11 % 256, 20))
    return image


def pair(number: int) -> Image.Image:
    """Draw a side-by-side pair: the right half is the left one in other colours."""
    both = Image.new("RGB", (64, 32))
    left = picture(number)
    both.paste(left, (0, 0))
    red, green, blue = left.split()
    both.paste(Image.merge("RGB", (blue, red, green)), (32, 0))
    return both


def small_png(number: int) -> bytes:
    """Return a 32 px PNG whose pixels spell `number`: different bytes for each, and quickly."""
    row = b"\0" + struct.pack(">I", number) * 24
    header = struct.pack(">IIBBBBB", 32, 32, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(row * 32, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


class Tiny:
    """The folders of one pipeline and the commands on them."""

    prefix: tuple[str, ...] = ()  # what the service is started by: unshare, setpriv
    settle_s, quiet_s = 0.3, 0.5

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.service: subprocess.Popen[bytes] | None = None
        for name in ("training", "input", "output"):
            (folder / name).mkdir(parents=True)
        self.configure()

    @classmethod
    def at(cls, folder: Path) -> Tiny:
        """Return the pipeline that is in `folder` already."""
        tiny = cls.__new__(cls)
        tiny.folder, tiny.service = folder, None
        return tiny

    @contextlib.contextmanager
    def copied(self, folder: Path) -> Iterator[Tiny]:
        """Give a copy in `folder`, to be changed at will; its service ends with it."""
        shutil.copytree(self.folder, folder, symlinks=True)
        tiny = Tiny.at(folder)
        try:
            yield tiny
        finally:
            if tiny.service:
                tiny.stop(9)

    def configure(self, *, steps: int = 4, l1_weight: float = 100) -> None:
        text = CONFIG.format(
            settle_s=self.settle_s, quiet_s=self.quiet_s, steps=steps, l1_weight=l1_weight
        )
        (self.folder / "config.yaml").write_text(text)

    def tune(self, **train: object) -> None:
        """Change keys of `train` in config.yaml."""
        path = self.folder / "config.yaml"
        tree = yaml.safe_load(path.read_text())
        tree["pipelines"]["tiny"]["train"].update(train)
        path.write_text(yaml.safe_dump(tree))

    def pairs(self, numbers: range) -> None:
        for number in numbers:
            pair(number).save(self.folder / "training" / f"{number:03d}.png")

    def inputs(self, numbers: range) -> None:
        for number in numbers:
            picture(number).save(self.folder / "input" / f"in-{number:03d}.png")

    def pixd(self, *words: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pixd", *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def once(self) -> subprocess.CompletedProcess[str]:
        done = self.pixd("run", "--once", timeout_s=PATIENCE_S)
        assert done.returncode == 0, done.stderr
        return done

    def start(
        self,
        constants: Mapping[str, float] | None = None,
        *,
        prelude: str = "",
        **environment: str,
    ) -> None:
        """Start `pixd run` and wait until it is up.

        Args:
            constants: values of module constants for that process alone, by dotted name, so
                that a test need not wait as long as a user would.
            prelude: Python lines that this process runs first.
            **environment: variables for it.
        """
        command = [sys.executable, "-m", "pixd", "run"]
        if constants or prelude:
            lines = [
                prelude,
                *(
                    f"import {name.rpartition('.')[0]}; {name} = {value!r}"
                    for name, value in (constants or {}).items()
                ),
                "import pixd.cli.main, sys",
                "sys.exit(pixd.cli.main.main(['run']))",
            ]
            command = [sys.executable, "-c", "\n".join(lines)]
        with (self.folder / "service.log").open("ab") as log:
            self.service = subprocess.Popen(
                [*self.prefix, *command],
                cwd=self.folder,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        began = time.time()
        self.until(lambda _: self._is_up_since(began), 60)

    def _is_up_since(self, began: float) -> bool:
        live = self.folder / "store" / "service.json"
        return live.exists() and live.stat().st_mtime > began

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.service is not None
        self.service.send_signal(number)
        code = self.service.wait(60)
        self.service = None
        return code

    def until_stopping(self) -> None:
        """Wait until the service has begun to stop: it answers commands no more."""
        ends_at = time.monotonic() + 30
        while (self.folder / "store" / "control.sock").exists():
            assert time.monotonic() < ends_at
            time.sleep(0.02)

    def status(self) -> dict[str, Any]:
        done = self.pixd("status", "--json")
        assert done.stdout, done.stderr
        return dict(json.loads(done.stdout))

    def part(self) -> dict[str, Any]:
        """Return the pipeline's part of the status, read in this process.

        The command takes a third of a second of a core, most of it Python's start, and while a
        test waits it would take that from the service. `status` is for tests of the command.
        """
        from pixd.answers import status
        from pixd.config.load import load

        found = status.snapshot(load(self.folder / "config.yaml"))
        return dict(json.loads(json.dumps(found["pipelines"]["tiny"])))

    def until(
        self, is_so: Callable[[dict[str, Any]], object], timeout_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        ends_at = time.monotonic() + timeout_s
        while True:
            part = self.part()
            if is_so(part):
                return part
            if self.service and self.service.poll() is not None:
                pytest.fail((self.folder / "service.log").read_text())
            if time.monotonic() > ends_at:
                pytest.fail(f"not so after {timeout_s} s: {part}")
            time.sleep(0.1)

    def shown(self, thing: str) -> dict[str, Any]:
        done = self.pixd("show", thing, "--json")
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def outputs(self) -> dict[str, bytes]:
        folder = self.folder / "output"
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    def live(self) -> dict[str, Any]:
        """Return what the running service last said of the pipeline, without asking a command."""
        text = (self.folder / "store" / "service.json").read_text()
        return dict(json.loads(text)["pipelines"]["tiny"])

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        import sqlite3

        db = sqlite3.connect(f"file:{self.folder}/store/lineage.db?mode=ro", uri=True)
        try:
            return db.execute(sql, values).fetchall()
        finally:
            db.close()

    def taken(self, kind: str = "input") -> dict[str, list[str | None]]:
        """Return every content that each name was recorded with, oldest first; None: removed."""
        found: dict[str, list[str | None]] = {}
        for path, digest in self.rows(
            'SELECT path, new_digest FROM commit_change JOIN "commit" ON "commit".id = commit_id'
            " JOIN repo ON repo.id = repo_id WHERE kind = ? ORDER BY commit_id",
            kind,
        ):
            found.setdefault(path, []).append(digest)
        return found

    def runs(self, kind: str) -> int:
        import sqlite3

        db = sqlite3.connect(f"file:{self.folder}/store/lineage.db?mode=ro", uri=True)
        count = db.execute(
            "SELECT count(*) FROM run WHERE kind = ? AND state = 'succeeded'", (kind,)
        ).fetchone()[0]
        db.close()
        return int(count)
