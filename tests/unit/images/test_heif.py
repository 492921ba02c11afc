"""HEIC with and without the extra: upright once, in sRGB, bounded, and refused with the way out."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from pixd.config.load import load
from pixd.config.settings import Settings
from pixd.images import decode, formats, picture
from pixd.service import operations
from pixd.store.opening import open_store
from pixd.store.states import FileState
from pixd.store.store import Store
from pixd.system.children.spec import InspectSpec, to_json
from pixd.system.children.worker import child_environment
from pixd.system.errors import ImageRejectedError
from tests.support.commits import record
from tests.support.images import encoded, gradient

HEIC = next(kind for kind in formats.FORMATS if kind.name == "HEIC")
PHONE = Path(__file__).parents[4] / "shared" / "data" / "nasty" / "heic_phone.heic"


def as_heic(image: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    pillow_heif.from_pillow(image).save(out, quality=-1, chroma=444, **options)
    return out.getvalue()


def difference(one: Image.Image, other: Image.Image) -> float:
    assert one.size == other.size
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).mean())


def test_a_heic_picture_is_read_as_any_other() -> None:
    picture = gradient(96, 64)
    decoded = decode.decode(as_heic(picture))
    assert decoded.mode == "RGB"
    assert difference(decoded, picture) < 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_turned_upright_once(orientation: int) -> None:
    upright = gradient(96, 64)
    back = {6: 8, 8: 6}.get(orientation, orientation)
    stored = picture.orientation_applied(upright, back)
    exif = Image.Exif()
    exif[0x0112] = orientation
    # The encoder writes it as irot and imir, and leaves it in EXIF too, as a phone does.
    data = as_heic(stored, exif=exif.tobytes())
    assert difference(decode.decode(data), upright) < 3


def test_its_colour_profile_is_applied() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    red = Image.new("RGB", (64, 64), (200, 30, 40))
    red.info["icc_profile"] = srgb
    same = decode.decode(as_heic(red))
    assert difference(same, red) < 3
    png = io.BytesIO()
    p3 = _wide_profile()
    red.save(png, "PNG", icc_profile=p3)
    red.info["icc_profile"] = p3
    assert difference(decode.decode(as_heic(red)), decode.decode(png.getvalue())) < 3
    assert difference(decode.decode(as_heic(red)), red) > 3


def _wide_profile() -> bytes:
    """Return sRGB's profile with red and green swapped: what applies it shows."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = data.index(b"rXYZ"), data.index(b"gXYZ")
    data[red : red + 4], data[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(data)


def test_too_many_pixels_are_refused_from_the_header() -> None:
    data = as_heic(gradient(96, 64))
    with pytest.raises(ImageRejectedError, match=r"96 x 64 .* over the limit"):
        decode.decode(data, decode.Limits(max_pixels=6000))


def test_one_cut_anywhere_is_refused_or_decoded_but_never_crashes() -> None:
    whole = as_heic(gradient(96, 64))
    refused = 0
    for length in range(20, len(whole), max(1, len(whole) // 40)):
        try:
            decode.decode(whole[:length])
        except ImageRejectedError as error:
            refused += bool(error.message)
    assert refused > 20


def test_avif_and_nameless_boxes_are_not_taken_for_heic() -> None:
    assert formats.format_of(as_heic(gradient(16, 16))) is HEIC
    assert formats.format_of(encoded(gradient(16, 16), "AVIF")) is not HEIC
    assert formats.format_of(b"\0\0\0\x14ftypmif1\0\0\0\0mif1") is not HEIC
    assert formats.format_of(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic") is HEIC
    assert formats.format_of(b"\0\0\0\x18ftyp") is not HEIC


def test_without_the_extra_it_is_refused_with_the_command_that_helps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(formats, "is_available", lambda _format: False)
    with pytest.raises(ImageRejectedError, match=r"HEIC.*pip install 'pixd\[heic\]'.*pixd retry"):
        decode.decode(as_heic(gradient(16, 16)))
    assert decode.decode(encoded(gradient(16, 16), "PNG")).size == (16, 16)


@pytest.mark.skipif(not PHONE.exists(), reason="the awkward files are not part of the project")
def test_a_phone_s_own_file_is_taken_by_the_confined_child() -> None:
    question = json.dumps({"id": 1, "image": str(PHONE), "layout": "single"}) + "\n"
    spec = json.dumps(to_json(InspectSpec()))
    done = subprocess.run(
        [sys.executable, "-m", "pixd.training.dataset.inspector_child", spec],
        input=question, capture_output=True, text=True, env=child_environment(), check=True,
    )  # fmt: skip
    answer = json.loads(done.stdout.splitlines()[-1])
    assert (answer["event"], answer["width"], answer["height"]) == ("done", 640, 426), done.stderr


# -- after the extra was installed -----------------------------------------------------------------


CONFIG = """\
store: ./store
pipelines:
  p:
    training: ./training
    input: ./input
    output: ./output
"""


@pytest.fixture
def refused(tmp_path: Path) -> Iterator[tuple[Settings, Store]]:
    """Yield a store where a HEIC and a text were refused in both folders."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    settings = load(path)
    store = open_store(settings.store)
    for kind in ("training", "input"):
        repo = store.history.repo_id("p", kind)
        record(store, repo, {"x.heic": b"phone", "x.txt": b"text"}, [])
        store.working.set_state(repo, ["x.heic"], FileState.REJECTED, HEIC.missing)
        store.working.set_state(repo, ["x.txt"], FileState.REJECTED, "it is a text")
        for name, why in (("x.heic", HEIC.missing), ("x.txt", "it is a text")):
            store.working.decide(store.working.head(repo)[name].digest, "input", why, None, None)
    yield settings, store
    store.close()


def test_retry_takes_the_refused_files_again_once_the_extra_is_there(
    refused: tuple[Settings, Store],
) -> None:
    settings, store = refused
    result = operations.perform(store, settings, "retry", {"pipeline": "p"}, "ada")
    assert result["retried"] == ["training/x.heic", "input/x.heic"]
    repo = store.history.repo_id("p", "input")
    digest = store.working.head(repo)["x.heic"].digest
    assert store.working.find(repo, "x.heic") == ("queued", digest, 0)
    assert store.working.verdicts([digest], "input") == {}
    state = store.working.find(repo, "x.txt")
    assert state is not None
    assert state[0] == "rejected"


def test_retry_leaves_them_refused_without_it(
    refused: tuple[Settings, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "is_available", lambda _format: False)
    settings, store = refused
    assert operations.perform(store, settings, "retry", {"pipeline": "p"}, "ada")["retried"] == []
