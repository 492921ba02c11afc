"""A file at its final size whose bytes are not all there: it waits for its writer, or is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixd.folders import wholeness
from tests.support.watched import SETTLE_S, Folder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path, "input")
    yield folder
    folder.close()


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("picture") / "x.jpg"
    values = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
    Image.fromarray(values).save(path, quality=90)
    return path.read_bytes()


def warnings(folder: Folder) -> list[str]:
    rows = folder.store.db.execute("SELECT message FROM event WHERE level = 'warning'")
    return [message for (message,) in rows]


def without_the_middle(path: Path, data: bytes) -> None:
    quarter = len(data) // 4
    with path.open("wb") as file:
        file.write(data[:quarter])
        file.seek(len(data) - quarter)
        file.write(data[-quarter:])


def test_a_hole_is_refused_until_the_rest_is_there(folder: Folder, picture: bytes) -> None:
    path = folder.root / "x.jpg"
    without_the_middle(path, picture)
    with path.open("rb") as file:
        if os.lseek(file.fileno(), 0, os.SEEK_HOLE) == len(picture):
            pytest.skip("this file system does not tell holes")
    folder.settle()
    state, reason = folder.states()["x.jpg"]
    assert state == "rejected"
    assert "were never written" in reason
    assert warnings(folder) == [f"x.jpg: {reason}"]
    path.write_bytes(picture)
    folder.settle()
    assert folder.files() == {"x.jpg": picture}


def test_a_companion_of_the_pictures_is_left_out_without_a_warning(folder: Folder) -> None:
    (folder.root / "README.txt").write_bytes(b"what these pictures show")
    folder.settle()
    assert folder.states()["README.txt"][0] == "rejected"
    assert warnings(folder) == []


def test_a_file_that_is_still_open_waits_and_is_taken_once(folder: Folder, picture: bytes) -> None:
    path = folder.root / "x.jpg"
    with path.open("wb") as writer:
        writer.write(picture[:10_000])
        writer.flush()
        os.posix_fallocate(writer.fileno(), 0, len(picture))
        for _ in range(5):
            folder.step(SETTLE_S + 0.1)
        assert folder.files() == {}
        assert folder.states()["x.jpg"] == ("settling", "a program has it open for writing")
        writer.write(picture[10_000:])
    folder.settle()
    assert folder.files() == {"x.jpg": picture}
    assert folder.commits() == ["+1 file"]


def test_a_program_that_never_closes_its_file_is_not_waited_for_for_ever(
    folder: Folder, picture: bytes
) -> None:
    path = folder.root / "x.jpg"
    with path.open("wb") as writer:
        writer.write(picture)
        writer.flush()
        folder.step()
        folder.step(SETTLE_S + 0.1)
        assert folder.files() == {}
        folder.step(wholeness.LONGEST_OPEN_S)
        folder.step(SETTLE_S + 0.1)
        assert folder.files() == {"x.jpg": picture}


def test_a_sidecar_makes_its_file_wait_until_it_is_gone(folder: Folder, picture: bytes) -> None:
    path = folder.root / "x.jpg"
    path.write_bytes(picture)
    sidecar = folder.root / "x.jpg.lftp-pget-status"
    sidecar.write_bytes(b"size=1")
    for _ in range(4):
        folder.step(SETTLE_S + 0.1)
    assert "x.jpg" not in folder.files()
    assert folder.states()["x.jpg"][0] == "settling"
    assert "x.jpg.lftp-pget-status is beside it" in folder.states()["x.jpg"][1]
    sidecar.unlink()
    folder.settle()
    assert folder.files()["x.jpg"] == picture
