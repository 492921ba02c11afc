"""Any picture through any fit, with a network that gives its input back.

All but the network is real: the decoder's answers, the fitting, the tiles and the encoders.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

from pixd.images import decode, decoder_child, fitting, lab, png
from pixd.pix2pix.inference import tiled
from pixd.pix2pix.inference.batching import Square
from pixd.pix2pix.inference.decoding import Rows
from pixd.system.errors import ImageRejectedError

Pixels = NDArray[np.uint8]
MODEL_PX = 32
TAG_ORIENTATION = 0x0112

KINDS = {
    "1": ("1", "PNG"), "L": ("L", "PNG"), "LA": ("LA", "PNG"), "P": ("P", "PNG"),
    "P+tRNS": ("P", "PNG"), "L+tRNS": ("L", "PNG"), "RGB": ("RGB", "PNG"),
    "RGB+tRNS": ("RGB", "PNG"), "RGBA": ("RGBA", "PNG"), "RGBA WebP": ("RGBA", "WEBP"),
    "I;16": ("I;16", "PNG"), "I;16 TIFF": ("I;16", "TIFF"), "CMYK": ("CMYK", "JPEG"),
    "CMYK TIFF": ("CMYK", "TIFF"), "YCbCr": ("RGB", "JPEG"), "YCbCr TIFF": ("YCbCr", "TIFF"),
    "GIF": ("P", "GIF"), "BMP": ("RGB", "BMP"), "1 TIFF": ("1", "TIFF"),
}  # fmt: skip
WITH_ALPHA = {"LA", "P+tRNS", "L+tRNS", "RGB+tRNS", "RGBA", "RGBA WebP"}


def drawn(width: int, height: int, seed: int) -> Pixels:
    """Draw waves, which a resize can follow, in four channels."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = [
        128 + 70 * np.sin(x / (40 + 9 * c) + seed) + 50 * np.cos(y / (50 - 5 * c) + 2 * c)
        for c in range(4)
    ]
    return np.stack(waves, -1).clip(0, 255).astype(np.uint8)


def file_of(kind: str, width: int, height: int, seed: int = 0, **options: Any) -> bytes:
    mode, form = KINDS[kind]
    four = drawn(width, height, seed)
    if mode == "I;16":
        image = Image.fromarray(four[..., 0].astype(np.uint16) * 257)
    elif mode in {"1", "L"}:
        image = Image.fromarray(four[..., 0]).convert(mode)
    elif mode == "LA":
        image = Image.merge("LA", [Image.fromarray(four[..., c]) for c in (0, 3)])
    elif mode == "P":
        image = Image.fromarray(four[..., :3]).quantize(200)
    elif mode in {"RGBA", "CMYK"}:
        image = Image.frombytes(mode, (width, height), four.tobytes())
    else:
        image = Image.frombytes(mode, (width, height), four[..., :3].tobytes())
    if kind.endswith("+tRNS"):
        first = four[0, 0].tolist()
        clear = {"P": bytes(range(0, 250, 5)), "L": first[0], "RGB": tuple(first[:3])}
        options["transparency"] = clear[mode]
    out = BytesIO()
    image.save(
        out, form, **({"lossless": True, "exact": True} if form == "WEBP" else {}), **options
    )
    return out.getvalue()


def blank_of(width: int, height: int) -> bytes:
    out = BytesIO()
    Image.new("1", (width, height)).save(out, "PNG")
    return out.getvalue()


def translated(data: bytes, fit: str, output_size: str, alpha: str = "drop") -> bytes:
    """Do what the translator does, with a network that gives its input back."""
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "in", Path(folder) / "out"
        path.write_bytes(data)
        if fit == "tile":
            tiled.translate(
                rows_of(path, alpha), out, {}, size=MODEL_PX, pairs=None,
                put=give_back, at_once=16, told=lambda *_: None,
            )  # fmt: skip
            return out.read_bytes()
        picture = decode.open_picture(data)
        square, framing = fitting.to_model(picture.rgb(), MODEL_PX, fit)
        image = fitting.from_model(square, framing, output_size)
        if alpha == "keep" and picture.has_alpha:
            size = MODEL_PX if output_size == "model" else None
            image = fitting.with_alpha(image, fitting.alpha_of(picture, size, fit))
        return png.encode_png(image, {})


def rows_of(path: Path, alpha: str = "drop") -> Rows:
    request = {"image": str(path), "want": "rows", "size": MODEL_PX, "most": None}
    event, parts = decoder_child.decode({**request, "alpha": alpha == "keep"})
    assert event["event"] == "done", event
    shape = (event["height"], event["width"], event["channels"])
    whole = np.frombuffer(b"".join(parts), np.uint8).reshape(shape)
    return Rows(shape[1], shape[0], shape[2], tiled.reader_of(whole))


def give_back(square: Square) -> None:
    square.deliver(square.pixels, 0.0)


def pixels_of(data: bytes) -> Pixels:
    with Image.open(BytesIO(data)) as image:
        return np.asarray(image)


def promised_size(width: int, height: int, fit: str, output_size: str) -> tuple[int, int]:
    if output_size == "model" and fit != "tile":
        return MODEL_PX, MODEL_PX
    return (min(width, height), min(width, height)) if fit == "crop" else (width, height)


sides = st.one_of(st.integers(1, 90), st.sampled_from([1, 2, 31, 32, 33, 56, 57]))
fits = st.sampled_from(["pad", "crop", "stretch", "tile"])
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(
    st.sampled_from(sorted(KINDS)), sides, sides, fits, st.sampled_from(["model", "source"]),
    st.sampled_from(["drop", "keep"]), st.integers(0, 5),
)  # fmt: skip
@example("RGBA", 1, 1, "tile", "source", "keep", 0)
@example("CMYK", 1, 1, "pad", "source", "drop", 0)
@example("L", 4000, 8, "pad", "source", "drop", 0)
@example("P+tRNS", 8, 4000, "tile", "source", "keep", 0)
@example("I;16", 4000, 8, "crop", "source", "drop", 0)
@example("RGB", 4000, 8, "stretch", "model", "drop", 0)
@example("CMYK", 1000, 700, "tile", "source", "drop", 0)
@example("YCbCr", 3000, 2000, "pad", "source", "drop", 0)
@quick
def test_an_output_has_the_promised_size_and_mode_and_shows_the_picture(
    kind: str, width: int, height: int, fit: str, output_size: str, alpha: str, seed: int
) -> None:
    data = file_of(kind, width, height, seed)
    made = pixels_of(translated(data, fit, output_size, alpha))
    is_clear = alpha == "keep" and kind in WITH_ALPHA
    expected_size = promised_size(width, height, fit, output_size)
    assert made.shape == (expected_size[1], expected_size[0], 4 if is_clear else 3)
    source = decode.decode(data)
    if fit == "tile":
        assert np.array_equal(made[..., :3], np.asarray(source))  # to the bit
    elif fit == "pad" and output_size == "source":
        # What scaling down and up gives; where nothing is scaled, the picture to the bit.
        scale = MODEL_PX / max(width, height)
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        expected = source
        for size in (small, source.size):
            if expected.size != size:
                expected = expected.resize(size, Image.Resampling.BICUBIC)
        difference = np.abs(made[..., :3].astype(int) - np.asarray(expected))
        assert difference.max() == 0
    if is_clear and output_size == "source" and fit != "crop":
        assert np.array_equal(made[..., 3], np.asarray(decode.open_picture(data).alpha()))


@given(st.sampled_from(sorted(KINDS)), sides, sides, st.integers(1, 8), st.integers(1, 400))
@quick
def test_rows_read_one_after_the_other_are_the_whole_picture(
    kind: str, width: int, height: int, orientation: int, step: int
) -> None:
    exif = Image.Exif()
    exif[TAG_ORIENTATION] = orientation
    options: dict[str, Any] = {} if KINDS[kind][1] in {"BMP", "GIF"} else {"exif": exif}
    data = file_of(kind, width, height, **options)
    picture = decode.open_picture(data)
    whole, rows = picture.rgb(), range(0, picture.size[1], step)
    pieces = [picture.rows(top, min(top + step, picture.size[1])) for top in rows]
    assert np.array_equal(np.concatenate([np.asarray(one) for one in pieces]), np.asarray(whole))
    is_turned = bool(options) and orientation >= 5
    assert picture.size == whole.size == ((height, width) if is_turned else (width, height))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_picture_too_large_for_one_conversion_is_the_same(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = decode.open_picture(file_of(kind, 61, 47))
    whole, alpha = picture.rgb(), picture.alpha()
    monkeypatch.setattr("pixd.images.picture.BAND_PIXELS", 500)
    assert np.array_equal(np.asarray(picture.rgb()), np.asarray(whole))
    assert np.array_equal(np.asarray(picture.alpha()), np.asarray(alpha))


@pytest.mark.parametrize("kind", sorted(WITH_ALPHA))
def test_colours_lie_over_white_and_the_alpha_is_the_files(kind: str) -> None:
    data = file_of(kind, 50, 40)
    picture = decode.open_picture(data)
    with Image.open(BytesIO(data)) as image:
        rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    expected = np.asarray(Image.alpha_composite(white, rgba).convert("RGB"), int)
    assert picture.has_alpha
    assert np.abs(np.asarray(picture.rgb()) - expected).max() <= 1
    assert np.array_equal(np.asarray(picture.alpha()), np.asarray(rgba)[..., 3])
    assert 0 < np.asarray(picture.alpha()).mean() < 255
    opaque = decode.open_picture(file_of("RGB", 4, 4))
    assert not opaque.has_alpha
    assert opaque.alpha().getextrema() == (255, 255)


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
def test_alpha_is_resized_as_the_picture_is(fit: str) -> None:
    """A picture whose colours are its alpha: whatever is done to both is the same."""
    grey = drawn(90, 60, 1)[..., 0]
    rgba = Image.merge("RGBA", [Image.new("L", (90, 60), 0)] * 3 + [Image.fromarray(grey)])
    out = BytesIO()
    rgba.save(out, "PNG")
    for output_size in ("model", "source"):
        made = pixels_of(translated(out.getvalue(), fit, output_size, "keep")).astype(int)
        # Black of alpha a over white is 255 - a.
        difference = np.abs(255 - made[..., 0] - made[..., 3])
        assert difference.mean() < (1.5 if output_size == "model" else 6)


def test_what_a_camera_noted_is_not_in_an_output() -> None:
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825)[29] = "2026:01:01"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = file_of("YCbCr", 40, 30, exif=exif, icc_profile=profile, comment=b"SecretPlace")
    assert b"SecretCamera" in data
    assert b"SecretPlace" in data
    for fit in ("pad", "crop", "stretch", "tile"):
        made = translated(data, fit, "source", "keep")
        assert b"Secret" not in made
        with Image.open(BytesIO(made)) as image:
            assert not image.info
            assert not image.getexif()


def test_colours_by_tile_keep_the_lightness_of_the_whole(tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(file_of("RGBA", 150, 90))
    source = rows_of(tmp_path / "in.png", "keep")
    seen: list[bool] = []

    def painted(square: Square) -> None:
        """Another colour in each tile, and too light: only its colour may count."""
        seen.append(bool((square.pixels.min(axis=2) == square.pixels.max(axis=2)).all()))
        colour = [(30, 0, 0), (0, 30, 0), (0, 0, 30)][len(seen) % 3]
        square.deliver((square.pixels // 2 + 60 + np.array(colour)).astype(np.uint8), 0.0)

    made = tiled.translate(
        source, tmp_path / "out.png", {}, size=MODEL_PX, pairs="colorization", put=painted,
        at_once=3, told=lambda *_: None,
    )  # fmt: skip
    assert made.size == (tmp_path / "out.png").stat().st_size
    assert all(seen)  # the network saw lightness alone
    picture = decode.open_picture((tmp_path / "in.png").read_bytes())
    known = lab.from_rgb(np.asarray(picture.rgb()))[..., 0]
    output = pixels_of((tmp_path / "out.png").read_bytes())
    difference = np.abs(lab.from_rgb(output[..., :3])[..., 0] - known)
    assert difference.mean() < 0.7
    assert np.quantile(difference, 0.99) < 3
    assert (output[..., :3].max(axis=2) - output[..., :3].min(axis=2)).mean() > 5  # in colour
    assert np.array_equal(output[..., 3], np.asarray(picture.alpha()))


def test_a_raised_limit_takes_what_the_usual_one_refuses() -> None:
    data = blank_of(9000, 8000)
    with pytest.raises(ImageRejectedError, match="72 megapixels, over the limit of 64"):
        decode.size_of(data)
    limits = decode.Limits.of_megapixels(80)
    assert decode.size_of(data, limits) == (9000, 8000)
    assert limits.max_bytes == 320 << 20
    usual = decode.Limits.of_megapixels(64)
    assert (usual.max_pixels, usual.max_bytes) == (64_000_000, 256 << 20)
    assert decode.Limits.of_megapixels(10).max_bytes == usual.max_bytes
    with pytest.raises(ImageRejectedError, match=r"64; `max_megapixels` in config\.yaml raises it"):
        decode.size_of(data, usual)


def test_a_limit_above_that_of_pillow_is_kept_too() -> None:
    data = blank_of(20_000, 10_000)  # 200 megapixels: Pillow's own error is at 179
    with pytest.raises(ImageRejectedError, match=r"over the limit|more pixels than the limit"):
        decode.size_of(data)
    picture = decode.open_picture(data, decode.Limits.of_megapixels(200))
    assert picture.rows(0, 1).size == (20_000, 1)


@pytest.fixture(autouse=True)
def _pillows_own_limit() -> Iterator[None]:
    before = Image.MAX_IMAGE_PIXELS
    yield
    Image.MAX_IMAGE_PIXELS = before
