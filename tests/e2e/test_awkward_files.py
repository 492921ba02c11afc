"""A folder full of awkward files dropped at once: each by itself, none in another's way."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixd.folders.ignored import is_ignored
from pixd.store.output_names import output_name
from tests.support.tiny import Tiny

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "nasty"


ALIKE = [
    # Each of the eight has its number burnt in, so that alike is not equal.
    *(("exif_orientation_1.jpg", f"exif_orientation_{n}.jpg", 4) for n in range(2, 9)),
    ("facade_photo_grey16.png", "facade_photo_grey8.png", 2),
    ("facade_input_rgba_opaque.png", "facade_input_reference.png", 2),
    ("facade_input_palette.png", "facade_input_reference.png", 2),
    ("jpeg_cmyk_adobe.jpg", "jpeg_rgb_twin_of_cmyk.jpg", 8),
]


def difference(tiny: Tiny, one: str, other: str) -> float:
    """Return the mean difference of two outputs, of 255."""
    pictures = []
    for name in (one, other):
        with Image.open(tiny.folder / "output" / output_name(name)) as image:
            pictures.append(np.asarray(image, float))
    return float(np.abs(pictures[0] - pictures[1]).mean())


def chunks(png: bytes) -> Iterator[bytes]:
    at = 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        yield png[at + 4 : at + 8]
        at += 12 + length


@pytest.mark.skipif(not FOLDER.exists(), reason="the awkward files are not part of the project")
def test_awkward_files_dropped_at_once_do_as_their_manifest_says(ready: Tiny) -> None:
    tiny = ready
    with (FOLDER / "MANIFEST.csv").open(newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    names = [path.name for path in FOLDER.iterdir() if path.name != "MANIFEST.csv"]
    assert len(names) == len(rows)
    for name in names:
        shutil.copyfile(FOLDER / name, tiny.folder / "input" / name)
    done = tiny.pixd("run", "--once", timeout_s=240)
    assert done.returncode == 0, done.stderr

    db = sqlite3.connect(tiny.folder / "store" / "lineage.db")
    states = {
        path: (state, reason)
        for path, state, reason in db.execute(
            "SELECT path, state, reason FROM file JOIN repo ON repo.id = repo_id"
            " WHERE kind = 'input'"
        )
    }
    db.close()
    for name, row in rows.items():
        if is_ignored(name):
            assert name not in states
            assert row["basis"] == "policy"
            continue
        state, reason = states[name]
        assert state in {"translated", "rejected"}, (name, state, reason)
        assert (state == "translated") == (tiny.folder / "output" / output_name(name)).exists()
        assert (state == "rejected") == bool(reason)
        if row["basis"] == "must":
            assert state == {"translate": "translated", "reject": "rejected"}[row["expected"]]
    counts = tiny.part()["input"]
    assert counts["files"] == counts["translated"] + counts["rejected"]
    assert counts["files"] + counts["ignored"] == len(names)
    for one, other, limit in ALIKE:
        assert difference(tiny, one, other) < limit, (one, other)
    for data in tiny.outputs().values():
        assert not {b"eXIf", b"iCCP", b"zTXt"} & set(chunks(data))


def test_names_that_no_terminal_likes_are_translated_and_printed_safely(ready: Tiny) -> None:
    from tests.support.tiny import picture

    tiny = ready
    names = [b"-rf.png", b"a\nb.png", b"\xff\xfe.png", b"\x1b[31mred.png", "žluť 🏠.png".encode()]
    for number, name in enumerate(names):
        picture(number).save(tiny.folder / "plain.png")
        (tiny.folder / "plain.png").rename(tiny.folder / "input" / os.fsdecode(name))
    tiny.once()
    made = [os.fsencode(path.name) for path in (tiny.folder / "output").iterdir()]
    assert sorted(made) == sorted(names)
    log = tiny.pixd("log", "output", "--json")
    assert len(json.loads(log.stdout)) == len(names)
    assert "\x1b" not in tiny.pixd("log", "output").stdout


def test_two_inputs_that_want_one_output_name_are_told_apart(ready: Tiny) -> None:
    from tests.support.tiny import picture

    tiny = ready
    picture(1).save(tiny.folder / "input" / "x.jpg")
    picture(2).save(tiny.folder / "input" / "x.jpg.png")
    tiny.once()
    assert tiny.part()["input"]["translated"] == 1
    assert tiny.part()["input"]["rejected"] == 1
    shown = tiny.shown(str(tiny.folder / "input" / "x.jpg"))
    assert "belongs to the input of that name" in shown["files"][0]["reason"]
