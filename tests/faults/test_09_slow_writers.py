"""Fault 9: files that are written slowly. No output is ever made from a part of an image."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from pixd.system.digests import hash_file
from tests.faults.conftest import Figure
from tests.faults.naive import Naive
from tests.support.tiny import Tiny, picture

Writer = Callable[[Path, bytes, float], None]  # (path, its bytes in the end, the long pause)


def trickle(path: Path, data: bytes, _pause_s: float) -> None:
    """100 bytes every 50 ms."""
    with path.open("wb", buffering=0) as file:
        for at in range(0, len(data), 100):
            file.write(data[at : at + 100])
            time.sleep(0.05)


def pause(path: Path, data: bytes, pause_s: float) -> None:
    """Write a half, do nothing for very long, write the rest."""
    with path.open("wb", buffering=0) as file:
        file.write(data[: len(data) // 2])
        time.sleep(pause_s)
        file.write(data[len(data) // 2 :])


def reopen(path: Path, data: bytes, pause_s: float) -> None:
    """Close the file after each fifth, and open it again later."""
    share = len(data) // 5 + 1
    for at in range(0, len(data), share):
        with path.open("ab") as file:
            file.write(data[at : at + share])
        time.sleep(pause_s / 10)


def sparse(path: Path, data: bytes, pause_s: float) -> None:
    """Take the full size first, as download programs do, then fill it from both ends."""
    with path.open("wb", buffering=0) as file:
        file.truncate(len(data))
        time.sleep(pause_s / 4)
        file.write(data[:100])
        file.seek(len(data) - 100)
        file.write(data[-100:])
        time.sleep(pause_s / 4)
        file.seek(100)
        file.write(data[100:-100])


def preallocate(path: Path, data: bytes, pause_s: float) -> None:
    """Take the full size on disk, close, come back and write backwards."""
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, len(data))
    time.sleep(pause_s / 4)
    with path.open("r+b", buffering=0) as file:
        for at in reversed(range(0, len(data), 500)):
            file.seek(at)
            file.write(data[at : at + 500])
            time.sleep(0.02)


WRITERS: tuple[Writer, ...] = (trickle, pause, reopen, sparse, preallocate)


def encoded(number: int, kind: str) -> bytes:
    out = BytesIO()
    picture(number, (64, 64)).resize((160, 160)).save(out, kind)
    return out.getvalue()


@pytest.mark.timeout(300)
def test_no_output_is_made_from_a_part_of_a_file(
    stub: Tiny,
    figure: Figure,
    tmp_path: Path,
    is_full_size: bool,  # noqa: FBT001 - a fixture
) -> None:
    pause_s = 30.0 if is_full_size else 2.0
    each = 10 if is_full_size else 1
    folder = stub.folder / "input"
    stub.start()
    threads, paths, number = [], [], 0
    naive = Naive(tmp_path)
    for write in WRITERS:
        for kind in ("png", "jpeg"):
            for _ in range(each):
                path = folder / f"{write.__name__}-{number:03d}.{kind}"
                paths.append(path)
                data = encoded(number, kind)
                for target in (path, naive.input / path.name):
                    work = (target, data, pause_s)
                    threads.append(threading.Thread(target=write, args=work))
                number += 1
    with naive:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stub.until(lambda p: p["input"]["translated"] == number, 90)
        naive.rest()
    whole = {path.name: hash_file(path) for path in paths}
    made = stub.rows("SELECT input_path, input_digest FROM output")
    partial = [name for name, digest in made if whole[name] != digest]
    cut_off = sum(len(contents) - 1 for contents in stub.taken().values())
    figure(
        9,
        f"{number} slow writers (100 bytes every 50 ms, a pause of {pause_s:g} s, five reopenings,"
        " sparse, preallocated)",
        pixd=f"{len(partial)} partial translations, {len(made)} of {number} translated,"
        f" {cut_off} cut-off states refused on the way",
        naive=f"{len(naive.translated())} of {number} translated",
        bar="0 partial translations, 100 % in the end",
        met=not partial and {name for name, _ in made} == whole.keys(),
    )
