"""Fault 10: what happens to the watched folders themselves. On hold within a tick, no false
retrain, no orphans, and on by itself when they are back."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pixd.service.loop import LONGEST_WAIT_S
from tests.faults.conftest import Figure
from tests.support.tiny import Tiny, picture

TICK_S = LONGEST_WAIT_S + 1.0
"""A step of the loop at rest, and a second for status to say so."""
BAR = f"on hold within {TICK_S:g} s, no retrain, no removal, heals"
IS_ROOT = os.geteuid() == 0

Fault = Callable[[Path], None]


def can(*command: str) -> bool:
    return bool(shutil.which(command[0])) and subprocess.run(command, check=False).returncode == 0


class Watched:
    """A trained pipeline that runs, and what must not change while a folder is away."""

    def __init__(self, tiny: Tiny) -> None:
        self.tiny = tiny
        for number in range(25):
            picture(number).save(tiny.folder / "input" / f"{number:02d}.png")
        tiny.start()
        tiny.until(lambda p: p["input"]["translated"] == 25)
        self._before = self._record()

    def _record(self) -> tuple[object, ...]:
        part = self.tiny.part()
        return (
            self.tiny.rows("SELECT count(*) FROM run WHERE kind = 'train'"),
            part["training"]["commit"],
            part["input"]["commit"],
            part["input"]["files"],
            part["output"],
        )

    def held(self) -> float:
        """Wait until both folders are on hold; returns the seconds that it took."""
        began = time.monotonic()
        kinds = ("training", "input")
        self.tiny.until(lambda _: all(self.tiny.live()[kind]["held"] for kind in kinds), 30)
        took_s = time.monotonic() - began
        status = self.tiny.status()
        assert status["state"] == "degraded"
        assert "on hold" in status["reasons"][0]
        assert "ON HOLD" in self.tiny.pixd("status").stdout
        return took_s

    def healed(self) -> None:
        kinds = ("training", "input")
        self.tiny.until(lambda _: not any(self.tiny.live()[kind]["held"] for kind in kinds), 30)
        done = self.tiny.pixd("wait", "--timeout", "60")
        assert done.returncode == 0, done.stderr
        assert self._record() == self._before

    def each(self, do: Fault) -> None:
        for kind in ("training", "input"):
            do(self.tiny.folder / kind)


def rename(folder: Path) -> None:
    folder.rename(folder.with_name(f"{folder.name}-away"))


def rename_back(folder: Path) -> None:
    folder.with_name(f"{folder.name}-away").rename(folder)


def make_again(folder: Path) -> None:
    shutil.copytree(folder, folder.with_name(f"{folder.name}-kept"))
    shutil.rmtree(folder)
    folder.mkdir()


def fill_again(folder: Path) -> None:
    kept = folder.with_name(f"{folder.name}-kept")
    for path in kept.iterdir():
        shutil.copy2(path, folder)
    shutil.rmtree(kept)


def replace_by_link(folder: Path) -> None:
    rename(folder)
    other = folder.with_name(f"{folder.name}-other")
    shutil.copytree(folder.with_name(f"{folder.name}-away"), other)
    picture(99).save(other / "secret.png")
    folder.symlink_to(other)


def remove_link(folder: Path) -> None:
    folder.unlink()
    shutil.rmtree(folder.with_name(f"{folder.name}-other"))
    rename_back(folder)


def shut(folder: Path) -> None:
    folder.chmod(0)


def open_again(folder: Path) -> None:
    folder.chmod(0o755)


@pytest.mark.alone
@pytest.mark.timeout(600)
def test_folders_that_go_and_come_back(
    stub: Tiny,
    figure: Figure,
    is_full_size: bool,  # noqa: FBT001 - a fixture
) -> None:
    faults: list[tuple[float, str, Fault, Fault]] = [
        (10.1, "renamed away and back", rename, rename_back),
        (10.2, "deleted and made again, empty; filled again", make_again, fill_again),
        (10.3, "replaced by a symbolic link", replace_by_link, remove_link),
    ]
    if IS_ROOT and can("setpriv", "--bounding-set=-dac_override,-dac_read_search", "true"):
        caps = "-dac_override,-dac_read_search"
        stub.prefix = ("setpriv", f"--inh-caps={caps}", f"--bounding-set={caps}")
    if stub.prefix or not IS_ROOT:  # root may read everything
        faults.append((10.4, "chmod 000", shut, open_again))
    if not is_full_size:  # each takes two ticks
        faults = [fault for fault in faults if fault[2] is make_again]
    watched = Watched(stub)
    for number, name, do, undo in faults:
        watched.each(do)
        took_s = watched.held()
        watched.each(undo)
        watched.healed()
        figure(number, f"both folders {name}", pixd=f"on hold after {took_s:.1f} s, healed",
               bar=BAR, met=took_s <= TICK_S)  # fmt: skip
    assert "secret.png" not in stub.taken()


@pytest.mark.alone
def test_an_unmounted_disk_that_is_mounted_again(
    stub: Tiny,
    figure: Figure,
    is_full_size: bool,  # noqa: FBT001 - a fixture
) -> None:
    if not is_full_size:
        pytest.skip("takes several ticks: only at full size")
    unshare = ("unshare", "-m") if IS_ROOT else ("unshare", "-Urm")
    if not can(*unshare, "sh", "-c", f"mount -t tmpfs none {stub.folder / 'input'}"):
        pytest.skip("a mount namespace of our own is not allowed here")
    folders = [stub.folder / "training", stub.folder / "input"]
    mount = " && ".join(
        f"mount -t tmpfs none {folder} && cp -a {folder}-disk/. {folder}" for folder in folders
    )
    for folder in folders:
        shutil.copytree(folder, folder.with_name(f"{folder.name}-disk"))
    for path in folders[0].iterdir():
        path.unlink()  # what is below the mount is an empty folder
    for number in range(25):
        picture(number).save(stub.folder / "input-disk" / f"{number:02d}.png")
    stub.prefix = (*unshare, "sh", "-c", f'{mount} && exec "$@"', "sh")
    stub.start()
    stub.until(lambda p: p["input"]["translated"] == 25)
    before = (stub.runs("train"), stub.part()["training"]["commit"], stub.part()["output"])
    assert stub.service is not None
    inside = ["nsenter", "-t", str(stub.service.pid), "-m"]
    if not IS_ROOT:
        inside += ["-U", "--preserve-credentials"]
    for folder in folders:
        subprocess.run([*inside, "umount", folder], check=True)
    began = time.monotonic()
    stub.until(lambda _: all(stub.live()[k]["held"] for k in ("training", "input")), 30)
    took_s = time.monotonic() - began
    assert "another file system" in stub.live()["input"]["held"]
    subprocess.run([*inside, "sh", "-c", mount], check=True)
    stub.until(lambda _: not any(stub.live()[k]["held"] for k in ("training", "input")), 30)
    assert stub.pixd("wait", "--timeout", "60").returncode == 0
    after = (stub.runs("train"), stub.part()["training"]["commit"], stub.part()["output"])
    figure(10.5, "both disks unmounted and mounted again", pixd=f"on hold after {took_s:.1f} s,"
           " healed", bar=BAR, met=took_s <= TICK_S and after == before)  # fmt: skip


def test_a_disk_that_is_missing_after_a_restart(bare: Tiny, figure: Figure) -> None:
    bare.inputs(range(3))
    bare.start()
    bare.until(lambda p: p["input"]["queued"] == 3)
    bare.stop()
    rename(bare.folder / "input")
    bare.start()
    bare.until(lambda p: p["input"]["held"], 10)
    assert not (bare.folder / "input").exists(), "no empty folder takes the place of the disk"
    rename_back(bare.folder / "input")
    part = bare.until(lambda p: not p["input"]["held"], 10)
    figure(10.6, "a disk that is missing when the service starts",
           pixd=f"on hold, healed, {part['input']['queued']} of 3 files kept", bar=BAR,
           met=part["input"]["queued"] == 3)  # fmt: skip


def test_most_files_deleted_at_once_and_accepted(bare: Tiny, figure: Figure) -> None:
    bare.inputs(range(40))
    bare.start()
    bare.until(lambda p: p["input"]["queued"] == 40)
    for path in sorted((bare.folder / "input").iterdir())[:30]:
        path.unlink()
    part = bare.until(lambda p: p["input"]["held"], 10)
    assert part["input"]["queued"] == 40
    assert bare.status()["state"] == "degraded"
    done = bare.pixd("resume")
    assert done.returncode == 0, done.stderr
    assert "the input folder of tiny is taken as it is" in done.stdout
    part = bare.until(lambda p: p["input"]["queued"] == 10, 20)
    assert not part["input"]["held"]
    figure(10.7, "30 of 40 files deleted at once, then `pixd resume`",
           pixd="on hold, then recorded", bar=BAR)  # fmt: skip
