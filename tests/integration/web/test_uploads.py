"""Files arrive whole, in their folder and nowhere else, and nothing is overwritten."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pixd.web import placing
from pixd.web.placing import Upload
from pixd.web.replies import RefusalError
from tests.support.paged import Paged, paged
from tests.support.tiny import Tiny, small_png

PNG = small_png(1)


@pytest.fixture
def page(template: Path, tmp_path: Path) -> Iterator[Paged]:
    with Tiny.at(template).copied(tmp_path / "tiny") as tiny, paged(tiny.folder) as found:
        yield found


@pytest.fixture
def folder(page: Paged) -> Path:
    return page.world.settings.pipelines[0].input


def test_a_file_is_put_in_place_whole(page: Paged, folder: Path) -> None:
    found = page.put("/api/tiny/input/new/caf%C3%A9 1.png", PNG)
    assert found.status_code == 201, found.text
    assert (folder / "new" / "café 1.png").read_bytes() == PNG
    told = found.json()
    assert (told["name"], told["bytes"], told["change"]) == ("new/café 1.png", len(PNG), None)
    assert [path.name for path in (folder / "new").iterdir()] == ["café 1.png"]
    training = page.put("/api/tiny/training/x.png", PNG)
    assert training.status_code == 201
    assert (folder.parent / "training" / "x.png").read_bytes() == PNG


def test_nothing_is_overwritten_and_the_same_bytes_are_no_error(page: Paged, folder: Path) -> None:
    assert page.put("/api/tiny/input/a.png", PNG).status_code == 201
    assert page.put("/api/tiny/input/a.png", PNG).status_code == 200
    for other in (small_png(2), PNG + b"x", b"short"):
        assert page.put("/api/tiny/input/a.png", other).status_code == 409
    assert (folder / "a.png").read_bytes() == PNG
    (folder / "sub").mkdir()
    assert page.put("/api/tiny/input/sub", PNG).status_code == 409
    assert page.put("/api/tiny/input/a.png/b.png", PNG).status_code == 409


@pytest.mark.parametrize(
    "name",
    [
        "..%2f..%2fx.png",
        "../x.png",
        "a/../../x.png",
        "%2fetc%2fx.png",
        "//x.png",
        "a//b.png",
        "a/",
        ".hidden.png",
        "a/.git/x.png",
        "x.png.part",
        "x.tmp",
        "Thumbs.db",
        "a%00b.png",
        "a%0ab.png",
        "a%5cb.png",
        "a%e2%80%aeb.png",  # turns the text around
        "%20x.png",
        "x.png%20",
        "%ff.png",
        "a" * 256 + ".png",
        "b/" * 20 + "x.png",
        "c" * 250 + "/" + "d" * 250 + "/" + "e" * 250 + "/" + "f" * 250 + "/" + "g" * 250,
    ],
)
def test_a_name_that_must_not_be_is_refused(page: Paged, folder: Path, name: str) -> None:
    before = sorted(str(path) for path in folder.parent.rglob("*"))
    found = page.put(f"/api/tiny/input/{name}", PNG)
    assert found.status_code in {404, 422}, found.text
    after = sorted(str(path) for path in folder.parent.rglob("*"))
    assert [path for path in after if "page-" not in path] == [
        path for path in before if "page-" not in path
    ]


def test_names_that_people_have_are_taken(page: Paged, folder: Path) -> None:
    for name in ("日本-Grün-😀.png", "x (1) [final] 'ok' & so.JPG", "a+b=c;d,e.png", "%41.png"):
        quoted = "".join(f"%{byte:02x}" for byte in name.encode())
        assert page.put(f"/api/tiny/input/{quoted}", PNG).status_code == 201, name
        assert (folder / name).exists(), name


def test_a_body_must_say_how_long_it_is(page: Paged, folder: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield PNG

    found = page.client.put("/api/tiny/input/x.png", content=chunks(), headers=page.bearer)
    assert found.status_code == 411
    assert page.put("/api/tiny/input/x.png", b"").status_code == 422
    assert list(folder.iterdir()) == []


def test_a_file_over_the_limit_is_refused_before_it_is_read(page: Paged, folder: Path) -> None:
    most = page.told("/api/settings")["limits"]["upload_bytes"]["tiny"]
    found = page.put("/api/tiny/input/x.png", b"x", **{"content-length": str(most + 1)})
    assert found.status_code == 413
    assert list(folder.iterdir()) == []


def test_a_folder_on_hold_takes_nothing(page: Paged, folder: Path) -> None:
    import sqlite3

    db = sqlite3.connect(page.world.settings.store / "lineage.db")
    db.execute(
        "UPDATE root SET hold = 'most files are gone' WHERE repo_id ="
        " (SELECT id FROM repo WHERE kind = 'input')"
    )
    db.commit()
    db.close()
    found = page.put("/api/tiny/input/x.png", PNG)
    assert found.status_code == 423
    assert "most files are gone" in found.json()["error"]["message"]
    assert page.put("/api/tiny/training/x.png", PNG).status_code == 201


def test_a_full_disk_takes_nothing(
    page: Paged, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pixd.system import disk

    monkeypatch.setattr(disk, "_free_bytes", lambda _found: 1000)
    assert page.put("/api/tiny/input/x.png", PNG).status_code == 507
    assert list(folder.iterdir()) == []


def test_uploads_can_be_turned_off(page: Paged, folder: Path) -> None:
    config = page.world.settings.path
    config.write_text("web: {start: false, uploads: false}\n" + config.read_text())
    assert page.put("/api/tiny/input/x.png", PNG).status_code == 403
    assert page.told("/api/settings")["access"]["uploads"] is False
    assert list(folder.iterdir()) == []


def test_a_link_on_the_way_is_not_followed(page: Paged, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "link").symlink_to(outside)
    (folder / "file.png").symlink_to(outside / "made.png")
    assert page.put("/api/tiny/input/link/x.png", PNG).status_code == 409
    assert page.put("/api/tiny/input/file.png", PNG).status_code == 409
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_folders_that_become_links_meanwhile_lead_nowhere(tmp_path: Path, count: int) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    swapped, ends = root / "a", threading.Event()

    def swap() -> None:
        while not ends.is_set():
            with contextlib.suppress(OSError):  # an upload makes the folder meanwhile
                swapped.symlink_to(outside)
            with contextlib.suppress(OSError):
                swapped.unlink()
            with contextlib.suppress(OSError):
                swapped.rename(root / f"was-{time.monotonic_ns()}")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for number in range(count):
            try:
                upload = Upload(root, ["a", f"{number}.png"])
            except (RefusalError, OSError):
                continue
            upload.write(PNG)
            try:
                upload.place()
            except OSError:
                pass
            finally:
                upload.close()
    finally:
        ends.set()
        thread.join()
    assert list(outside.iterdir()) == []


def test_where_the_file_system_has_no_files_without_names_all_is_the_same(
    page: Paged, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pixd.system import libc

    really = os.open

    def without_unnamed(path: str, flags: int, *rest: Any, **named: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(95, "Operation not supported")
        return really(path, flags, *rest, **named)

    monkeypatch.setattr("pixd.web.placing.os.open", without_unnamed)
    monkeypatch.setattr(libc, "rename_new", lambda *_: False)
    assert page.put("/api/tiny/input/a.png", PNG).status_code == 201
    assert page.put("/api/tiny/input/a.png", small_png(2)).status_code == 409
    assert [path.name for path in folder.iterdir()] == ["a.png"]


def test_what_a_killed_page_left_is_cleared(tmp_path: Path) -> None:
    left, going = (tmp_path / f"{placing.PREFIX}{name}.part" for name in ("0", "1"))
    whole = tmp_path / "whole.png"
    for path in (left, going, whole):
        path.write_bytes(PNG)
    os.utime(left, (0, 0))
    os.utime(whole, (0, 0))
    placing.clear_left(tmp_path)
    assert set(tmp_path.iterdir()) == {going, whole}


# -- pairs -----------------------------------------------------------------------------------


def kept(page: Paged, data: bytes) -> str:
    found = page.put("/api/scratch", data)
    assert found.status_code == 201, found.text
    return str(found.json()["digest"])


def test_nothing_is_no_picture(page: Paged) -> None:
    assert page.put("/api/scratch", b"").status_code == 422


def test_two_pictures_become_a_pair_in_the_layout_of_the_pipeline(
    page: Paged, folder: Path
) -> None:
    import io

    from PIL import Image

    said = {"name": "drawn", "input": kept(page, PNG), "target": kept(page, small_png(9))}
    found = page.post("/api/tiny/pairs", said)
    assert found.status_code == 201, found.text
    assert found.json()["files"] == ["drawn.png"]
    made = Image.open(io.BytesIO((folder.parent / "training" / "drawn.png").read_bytes()))
    assert made.size == (64, 32)
    assert page.post("/api/tiny/pairs", said).status_code == 409  # nothing is overwritten


def test_a_target_that_a_model_made_is_refused(ready: Tiny) -> None:
    ready.inputs(range(1))
    ready.once()
    with paged(ready.folder) as page:
        row = page.told("/api/tiny/outputs")["rows"][0]
        source, made = row["input"]["digest"], row["digest"]
        refused = page.post("/api/tiny/pairs", {"name": "x", "input": source, "target": made})
        assert refused.status_code == 409
        # Saved anew it has other bytes, and shows the same.
        again = kept(page, page.client.get(row["pictures"]["view"]).content)
        assert again != made
        refused = page.post("/api/tiny/pairs", {"name": "x", "input": source, "target": again})
        assert refused.status_code == 409
        assert "own mistakes" in refused.json()["error"]["message"]


@pytest.mark.parametrize("digest", ["", "sha256:" + "0" * 64, "../../etc/passwd", "sha256:zz"])
def test_a_pair_of_what_is_not_there_is_refused(page: Paged, digest: str) -> None:
    said = {"name": "x", "input": kept(page, PNG), "target": digest}
    assert page.post("/api/tiny/pairs", said).status_code == 404
