"""Only pictures that the store knows and nobody recalled are shown, and only by their signature."""

from __future__ import annotations

import hashlib
import io
import re
from typing import Any

import pytest
from PIL import Image

from pixd.system.digests import digest_of
from tests.support.paged import Paged
from tests.support.tiny import Tiny


@pytest.fixture(scope="module")
def row(page: Paged) -> dict[str, Any]:
    return dict(page.told("/api/tiny/outputs?name=in-001")["rows"][0])


def test_a_picture_needs_no_token_but_its_signature(page: Paged, row: dict[str, Any]) -> None:
    thumb = page.client.get(row["pictures"]["thumb"])
    assert thumb.status_code == 200
    assert thumb.headers["content-type"] == "image/webp"
    assert "immutable" in thumb.headers["cache-control"]
    assert thumb.headers["cache-control"].startswith("private")
    view = page.client.get(row["pictures"]["view"])
    assert Image.open(io.BytesIO(view.content)).size == (32, 32)


def test_a_view_of_a_size_is_what_the_model_sees(page: Paged, row: dict[str, Any]) -> None:
    found = page.client.get(row["input"]["pictures"]["view"] + "&size=64")
    assert Image.open(io.BytesIO(found.content)).size == (64, 64)
    for size in ("31", "1025", "x", "64.5"):
        assert page.client.get(f"{row['pictures']['view']}&size={size}").status_code == 422


def test_a_label_map_to_draw_on_keeps_its_colours(page: Paged, row: dict[str, Any]) -> None:
    found = [
        page.client.get(f"{row['input']['pictures']['view']}&size=48{more}")
        for more in ("", "&nearest=1")
    ]
    blended, kept = (Image.open(io.BytesIO(one.content)).getcolors(4096) for one in found)
    assert kept is not None
    assert blended is not None
    assert len(kept) == 2 < len(blended)
    assert found[0].headers["etag"] != found[1].headers["etag"]


def test_a_signature_is_of_one_picture_and_one_kind(page: Paged, row: dict[str, Any]) -> None:
    thumb, view = row["pictures"]["thumb"], row["pictures"]["view"]
    other = row["input"]["pictures"]["thumb"]
    key = thumb.partition("?k=")[2]
    for forged in (
        thumb.partition("?")[0],
        f"{thumb}0",
        f"{view.partition('?')[0]}?k={key}",
        f"{other.partition('?')[0]}?k={key}",
        f"{thumb.partition('?')[0]}?k=",
    ):
        assert page.client.get(forged).status_code == 403, forged
    bare = thumb.partition("?")[0]
    assert page.get(bare).status_code == 200  # with the token none is needed


def test_the_original_is_the_stored_bytes_as_an_attachment(
    page: Paged, shop: Tiny, row: dict[str, Any]
) -> None:
    found = page.client.get(row["pictures"]["original"])
    assert found.content == (shop.folder / "output" / "in-001.png").read_bytes()
    assert digest_of(found.content) == row["digest"]
    assert found.headers["content-type"] == "application/octet-stream"
    assert found.headers["content-disposition"] == "attachment; filename*=UTF-8''in-001.png"
    assert found.headers["content-security-policy"].startswith("sandbox")


@pytest.mark.parametrize("kind", ["thumb", "view", "original"])
def test_what_the_browser_has_is_not_sent_again(
    page: Paged, row: dict[str, Any], kind: str
) -> None:
    address = row["pictures"][kind]
    etag = page.client.get(address).headers["etag"]
    again = page.client.get(address, headers={"if-none-match": etag})
    assert (again.status_code, again.content) == (304, b"")
    forged = re.sub(r"k=.*", "k=0", address)
    assert page.client.get(forged, headers={"if-none-match": etag}).status_code == 403


@pytest.mark.parametrize(
    ("wanted", "status", "part"),
    [
        ("bytes=0-3", 206, slice(0, 4)),
        ("bytes=4-", 206, slice(4, None)),
        ("bytes=-5", 206, slice(-5, None)),
        ("bytes=0-999999999", 206, slice(None)),
        ("bytes=0-1,3-4", 416, None),
        ("bytes=999999999-", 416, None),
        ("bytes=5-4", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=-", 416, None),
        ("items=0-3", 416, None),
        ("bytes=" + "0-," * 5000 + "1-2", 416, None),
    ],
)
def test_one_range_is_given_and_no_more(
    page: Paged, row: dict[str, Any], wanted: str, status: int, part: slice | None
) -> None:
    address = row["pictures"]["original"]
    whole = page.client.get(address).content
    found = page.client.get(address, headers={"range": wanted})
    assert found.status_code == status
    if part is not None:
        assert found.content == whole[part]
        first = whole.index(found.content)
        assert found.headers["content-range"] == (
            f"bytes {first}-{first + len(found.content) - 1}/{len(whole)}"
        )


def test_what_is_no_picture_is_not_shown(page: Paged, shop: Tiny) -> None:
    """The weights and the manifests of the store are objects too."""
    (weights,) = shop.rows(
        "SELECT digest FROM run_output WHERE role = 'generator' ORDER BY run_id LIMIT 1"
    )
    model = page.told("/api/tiny/models/1")["model"]["digest"]
    for digest in (weights[0], model, "sha256:" + hashlib.sha256(b"nothing").hexdigest()):
        found = page.get(f"/picture/{digest.removeprefix('sha256:')}/original")
        assert found.status_code == 404, digest


@pytest.mark.parametrize(
    "path",
    [
        "/picture/../../etc/passwd/thumb",
        "/picture/..%2f..%2fetc%2fpasswd/original",
        "/picture/%2e%2e/original",
        f"/picture/{'A' * 64}/thumb",
        f"/picture/{'a' * 63}/thumb",
        f"/picture/{'a' * 64}/raw",
    ],
)
def test_no_path_is_ever_taken(page: Paged, path: str) -> None:
    assert page.get(path).status_code == 404


def test_a_recalled_picture_and_what_was_made_of_it_are_not_shown(ready: Tiny) -> None:
    from tests.support.paged import paged

    ready.inputs(range(2))
    ready.once()
    with paged(ready.folder) as page:
        before = page.told("/api/tiny/outputs?name=in-001")["rows"][0]
        assert page.client.get(before["input"]["pictures"]["thumb"]).status_code == 200
        done = ready.pixd("recall", "input/in-001.png", "--yes")
        assert done.returncode == 0, done.stderr
        for address in (before["input"]["pictures"]["thumb"], before["pictures"]["view"]):
            assert page.client.get(address).status_code == 410
        (after,) = page.told("/api/tiny/outputs?state=all&name=in-001")["rows"]
        assert after["state"] == "withdrawn"
        assert after["pictures"] is after["input"]["pictures"] is None


def test_held_out_pairs_are_shown_as_the_model_saw_them(page: Paged) -> None:
    found = page.told("/api/tiny/held-out")
    assert found["total"] == len(found["rows"])
    first = found["rows"][0]
    for part in ("input", "target"):
        picture = page.client.get(first[part])
        assert Image.open(io.BytesIO(picture.content)).size == (32, 32)
    assert page.client.get(first["input"].replace("/input", "/target")).status_code == 403
    assert page.get("/picture/pair/tiny/1/99/input").status_code == 404


def test_the_palette_is_that_of_the_inputs(page: Paged) -> None:
    found = page.told("/api/tiny/palette")
    assert (found["kind"], found["locked"], found["draws"]) == ("exact", True, True)
    assert 0.99 < found["covered"] <= 1
    # `tests.support.tiny.pair` draws input number N on a ground of (N * 37 % 256, 90, 160).
    grounds = {f"#{number * 37 % 256:02x}5aa0" for number in range(12)}
    assert grounds <= {one["rgb"] for one in found["colours"]}
