"""Fault 8: the ways in which files come into a folder, and leave it. Each is taken whole.

Beside it the script that people write: it sees the same on a folder of its own.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pixd.system.digests import hash_file
from pixd.system.durable import FICLONE
from tests.faults.conftest import Figure
from tests.faults.naive import Naive
from tests.support.tiny import Tiny, picture

Way = Callable[[Path, Path], None]  # (folder of new images, folder to bring them into)


def copytree(source: Path, target: Path) -> None:
    shutil.copytree(source, target / source.name)


def tar(source: Path, target: Path) -> None:
    pack = subprocess.Popen(["tar", "-c", "-C", source.parent, source.name], stdout=subprocess.PIPE)
    subprocess.run(["tar", "-x", "-C", target], stdin=pack.stdout, check=True)
    assert pack.wait() == 0
    assert pack.stdout is not None
    pack.stdout.close()


def in_place(source: Path, target: Path) -> None:
    """Write over another image of the same name and size, as rsync --inplace does."""
    below = target / source.name
    below.mkdir()
    for path in sorted(source.iterdir()):
        below.joinpath(path.name).write_bytes(bytes(path.stat().st_size))
    if shutil.which("rsync"):
        # It compares times by the second, and takes files made within one for the same.
        how = ["--inplace", "--ignore-times"]
        subprocess.run(["rsync", "-rt", *how, f"{source}/", f"{below}/"], check=True)
        return
    for path in sorted(source.iterdir()):
        with (below / path.name).open("r+b") as file:
            file.write(path.read_bytes())
            file.truncate()
        shutil.copystat(path, below / path.name)


def move_folder(source: Path, target: Path) -> None:
    shutil.copytree(source, target.parent / f"aside-{source.name}")
    (target.parent / f"aside-{source.name}").rename(target / source.name)


def move_files(source: Path, target: Path) -> None:
    (target / source.name).mkdir()
    shutil.copytree(source, target.parent / f"aside-{source.name}")
    for path in sorted((target.parent / f"aside-{source.name}").iterdir()):
        path.rename(target / source.name / path.name)


def link(source: Path, target: Path) -> None:
    (target / source.name).mkdir()
    for path in sorted(source.iterdir()):
        os.link(path, target / source.name / path.name)


def copy_keeping_times(source: Path, target: Path) -> None:
    (target / source.name).mkdir()
    subprocess.run(["cp", "-p", *sorted(source.iterdir()), target / source.name], check=True)


def reflink(source: Path, target: Path) -> None:
    (target / source.name).mkdir()
    for path in sorted(source.iterdir()):
        with path.open("rb") as old, (target / source.name / path.name).open("wb") as new:
            fcntl.ioctl(new, FICLONE, old.fileno())


def memory_map(source: Path, target: Path) -> None:
    """Make all of them at their full size, then write through a mapping: no write, no close."""
    (target / source.name).mkdir()
    for path in sorted(source.iterdir()):
        data = path.read_bytes()
        with (target / source.name / path.name).open("w+b") as file:
            file.truncate(len(data))
            with mmap.mmap(file.fileno(), len(data)) as mapped:
                half = len(data) // 2
                mapped[:half] = data[:half]
                time.sleep(0.02)
                mapped[half:] = data[half:]


WAYS: tuple[Way, ...] = (
    copytree,
    tar,
    in_place,
    move_folder,
    move_files,
    link,
    copy_keeping_times,
    reflink,
    memory_map,
)


def has_reflinks(folder: Path) -> bool:
    with (folder / "old").open("wb") as old, (folder / "new").open("wb") as new:
        try:
            fcntl.ioctl(new, FICLONE, old.fileno())
        except OSError:
            return False
    return True


@pytest.mark.timeout(600)
def test_every_way_of_arriving_is_taken_whole(
    bare: Tiny,
    figure: Figure,
    tmp_path: Path,
    is_full_size: bool,  # noqa: FBT001 - a fixture
) -> None:
    ways = [way for way in WAYS if way is not reflink or has_reflinks(tmp_path)]
    sources: dict[str, Path] = {}
    number = 0
    for way in ways:
        count = (1500 if way is copytree else 100) if is_full_size else 10
        folder = tmp_path / "sources" / way.__name__
        folder.mkdir(parents=True)
        for _ in range(count):
            picture(number).save(folder / f"{way.__name__}-{number:05d}.png")
            number += 1
        sources[way.__name__] = folder
    bare.start()
    with Naive(tmp_path) as naive:
        for way in ways:
            way(sources[way.__name__], bare.folder / "input")
            way(sources[way.__name__], naive.input)
        bare.until(lambda p: p["input"]["queued"] == number and not p["input"]["settling"], 60)
        naive.rest()
        seen = naive.translated()
    taken = bare.taken()
    rows = []
    for index, way in enumerate(ways):
        folder = sources[way.__name__]
        wanted = {path.name: hash_file(path) for path in folder.iterdir()}
        whole = sum(
            taken.get(f"{folder.name}/{name}", [None])[-1] == digest
            for name, digest in wanted.items()
        )
        rows.append((8 + (index + 1) / 100, way, whole, len(wanted), len(seen & wanted.keys())))
    for at, way, whole, count, naively in rows:
        figure(
            at,
            way.__name__.replace("_", " "),
            pixd=f"{whole} of {count}",
            naive=f"{naively} of {count}",
            bar="100 %",
            met=whole == count,
        )


def test_files_that_move_out_are_recorded_as_removed_and_taken_again(
    bare: Tiny,
    figure: Figure,
    tmp_path: Path,
    is_full_size: bool,  # noqa: FBT001 - a fixture
) -> None:
    count = 1000 if is_full_size else 20
    bare.inputs(range(count))
    bare.start()
    bare.until(lambda p: p["input"]["queued"] == count)
    away = tmp_path / "away"
    away.mkdir()
    leaving = sorted((bare.folder / "input").iterdir())[: count // 2]
    for path in leaving:
        path.rename(away / path.name)
    part = bare.until(lambda p: p["input"]["files"] == count - len(leaving), 30)
    assert part["input"]["held"] == ""
    for path in leaving:
        (away / path.name).rename(path)
    part = bare.until(lambda p: p["input"]["queued"] == count, 30)
    taken = bare.taken()
    right = sum(taken[path.name] == [hash_file(path), None, hash_file(path)] for path in leaving)
    figure(
        8.5,
        "mv out and in again",
        pixd=f"{right} of {len(leaving)} removed and taken again",
        bar="100 %",
        met=right == len(leaving),
    )
