"""Checkpoints come home, whole, so that a training goes on elsewhere when its machine is lost.

The folder here always holds what `pixd.pix2pix.learning.checkpoints` can go on from, at whatever moment
the bridge is killed: a checkpoint is fetched under another name, flushed and renamed; what the note
of the best names is there before the note is; and only then goes what the trainer has removed.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pixd.cluster.transfer import sync
from pixd.system import durable
from pixd.system.digests import hash_file

if TYPE_CHECKING:
    from pixd.cluster.transfer import Fetched, Transfer

FOLDER: Final = "checkpoints"
"""Its name in the attempt's folder."""
_STEP: Final = "step-"
_SHARE: Final = 0.1
"""The most of the time that is spent on it: large checkpoints come less often."""


class Homing:
    """The checkpoints of one training, here."""

    def __init__(self, folder: Path) -> None:
        """Bring them to `folder`, which may hold earlier ones."""
        self._folder = folder
        self._has: dict[str, str] = {}  # digest of each file that is here
        self._again_at = 0.0  # monotonic seconds
        if folder.exists():
            for stray in folder.glob(".part-*"):
                shutil.rmtree(stray, ignore_errors=True)
            for path in folder.rglob("*"):
                if path.is_file():
                    self._has[str(path.relative_to(folder))] = hash_file(path)

    @property
    def step(self) -> int:
        """The step of the newest checkpoint here; 0 where there is none."""
        steps = [name.split("/")[0].removeprefix(_STEP) for name in self._has if _is_of_step(name)]
        return max(map(int, steps), default=0)

    def may_fetch(self, now: float) -> bool:
        """Tell whether enough time was spent on training since the last. `now`: monotonic seconds."""
        return now >= self._again_at

    def fetch(self, transfer: Transfer) -> None:
        """Bring everything here that the trainer has saved.

        Raises:
            LostError: the host is gone; what is here can be gone on from.
            DamagedObjectError: something changed on its way; the same.
            OSError: it cannot be written here.
        """
        began = time.monotonic()
        there = {one.name: one for one in transfer.files(FOLDER, is_held=True)}
        self._folder.mkdir(parents=True, exist_ok=True)
        steps = sorted({name.split("/")[0] for name in there if _is_of_step(name)})
        for step in steps:
            self._fetch_step(transfer, step, [one for one in there.values() if _is_in(one, step)])
        for name, file in there.items():
            if not _is_of_step(name) and self._has.get(name) != file.sha256:
                transfer.fetch(file, self._folder / name)
                self._has[name] = file.sha256
        durable.sync_folder(self._folder)
        for gone in {name.split("/")[0] for name in self._has if _is_of_step(name)} - set(steps):
            shutil.rmtree(self._folder / gone, ignore_errors=True)
            self._has = {
                name: d for name, d in self._has.items() if not name.startswith(f"{gone}/")
            }
        now = time.monotonic()
        self._again_at = now + (now - began) * (1 / _SHARE - 1)

    def _fetch_step(self, transfer: Transfer, step: str, files: list[Fetched]) -> None:
        if all(self._has.get(one.name) == one.sha256 for one in files):
            return
        part = self._folder / f".part-{step}"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        for one in files:
            transfer.fetch(one, part / Path(one.name).relative_to(step))
        sync(part)
        shutil.rmtree(self._folder / step, ignore_errors=True)
        part.rename(self._folder / step)
        durable.sync_folder(self._folder)
        self._has |= {one.name: one.sha256 for one in files}


def _is_of_step(name: str) -> bool:
    first, _, rest = name.partition("/")
    return bool(rest) and first.startswith(_STEP) and first.removeprefix(_STEP).isdecimal()


def _is_in(file: Fetched, step: str) -> bool:
    return file.name.startswith(f"{step}/")
