"""Which values a file uses, and the colours of class ids."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixd.images import decode, decoder_child, label_colours, pair_files, palette
from pixd.images.value_use import ValueUse, bits_of, union
from pixd.system.errors import ImageRejectedError


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def use_of(image: Image.Image, kind: str = "PNG") -> ValueUse:
    found = decode.open_picture(encoded(image, kind)).values()
    assert found is not None
    return found


def test_grey_is_measured_as_it_is_in_the_file() -> None:
    assert use_of(Image.fromarray(np.full((8, 8), 12, np.uint8))) == ValueUse(8, 12, 12, 0, 1 << 12)
    wide = np.arange(64, dtype=np.uint16).reshape(8, 8) * 65
    assert use_of(Image.fromarray(wide))[:3] == (16, 0, 63 * 65)
    assert use_of(Image.fromarray(wide), "TIFF")[:3] == (16, 0, 63 * 65)


def test_grey_in_three_channels_is_grey_and_colours_are_not() -> None:
    grey = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) // 8)
    assert use_of(grey.convert("RGB")) == use_of(grey)
    colours = grey.convert("RGB")
    colours.putpixel((3, 3), (3, 4, 3))
    assert use_of(colours) == ValueUse(8, 0, 7)


def test_a_half_is_measured_alone_and_upright() -> None:
    wide = np.zeros((8, 16), np.uint8)
    wide[:, 8:] = 9
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(wide)))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    out = io.BytesIO()
    turned.save(out, "PNG", exif=exif)
    picture = decode.open_picture(out.getvalue())
    assert picture.size == (16, 8)
    left, right = picture.values((0, 0, 8, 8)), picture.values((8, 0, 16, 8))
    assert left is not None
    assert right is not None
    assert (left.high, right.high) == (0, 9)


@given(st.integers(0, 255), st.integers(0, 255), st.integers(1, 16))
def test_what_is_kept_is_read_back(low: int, high: int, bits: int) -> None:
    found = ValueUse(bits, low, high, 5, 1 << low | 1 << high)
    assert ValueUse.from_json(found.told()) == found
    assert union([found, found]) == found


@pytest.mark.parametrize(("value", "bits"), [(0, 8), (255, 8), (256, 9), (4095, 12), (65535, 16)])
def test_the_bits_that_a_value_needs(value: int, bits: int) -> None:
    assert bits_of(value) == bits


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_the_largest_value_of_the_bits_in_use_is_white(bits: int) -> None:
    white = (1 << bits) - 1
    values = np.array([[0, white // 2, white, 65535]], np.uint16)
    read = decode.open_picture(encoded(Image.fromarray(values)), bits=bits).rgb()
    assert np.asarray(read)[0, :, 0].tolist() == [0, 127, 255, 255]
    eight = Image.fromarray(np.array([[0, 12, 255]], np.uint8))
    assert np.asarray(decode.open_picture(encoded(eight), bits=bits).rgb())[0, :, 0].tolist() == [
        0,
        12,
        255,
    ]


# -- class ids -------------------------------------------------------------------------------


def test_all_colours_differ_and_the_first_are_far_apart() -> None:
    colours = np.array([list(bytes.fromhex(c[1:])) for c in palette.usual_palette().values()])
    assert len(colours) == 256
    for count, least in ((13, 73), (256, 36)):
        some = colours[:count].astype(int)
        apart = np.abs(some[:, None] - some[None]).max(2)
        np.fill_diagonal(apart, 999)
        assert apart.min() == least
    assert (colours[0].tolist(), colours[255].tolist()) == ([0, 0, 0], [255, 255, 255])


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "LA", "I;16", "1"])
def test_ids_are_the_same_however_they_are_saved(mode: str) -> None:
    ids = np.array([[0, 1], [1, 0]] if mode == "1" else [[0, 1], [2, 12]], np.uint8)
    image = Image.fromarray(ids)
    if mode == "P":
        image.putpalette([7, 8, 9] * 256)  # of which nothing is used
    elif mode == "I;16":
        image = Image.fromarray(ids.astype(np.uint16))
    elif mode == "1":
        image = Image.fromarray(ids.astype(bool))
    else:
        image = image.convert(mode)
    picture = decode.open_picture(encoded(image), are_ids=True)
    assert np.asarray(picture.class_ids()).tolist() == ids.tolist()
    table = palette.usual_palette()
    shown = [[f"#{bytes(pixel).hex()}" for pixel in row] for row in np.asarray(picture.rgb())]
    assert shown == [[table[value] for value in row] for row in ids.tolist()]


def test_ids_in_the_red_channel_alone_are_ids() -> None:
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = [[0, 1, 2, 22]] * 4
    assert use_of(Image.fromarray(red)).high == 22
    assert use_of(Image.fromarray(red)).different == 4
    ids = decode.open_picture(encoded(Image.fromarray(red))).class_ids()
    assert np.asarray(ids).tolist() == red[..., 0].tolist()


def test_ids_of_one_half_are_not_the_places_in_a_palette_that_both_halves_share() -> None:
    wide = Image.new("RGB", (64, 32), (200, 30, 90))
    wide.paste((5, 5, 5), (0, 0, 32, 32))
    picture = decode.open_picture(encoded(wide.quantize(4)))
    assert set(np.unique(np.asarray(picture.class_ids((0, 0, 32, 32)))).tolist()) == {5}


def test_colours_and_large_values_are_no_ids() -> None:
    for image in (Image.new("RGB", (2, 2), (1, 2, 3)), Image.new("I;16", (2, 2), 256)):
        with pytest.raises(ImageRejectedError, match="class ids"):
            decode.open_picture(encoded(image), are_ids=True).rgb()


def test_a_palette_is_read_back_and_a_wrong_one_is_named() -> None:
    usual = palette.usual_palette()
    assert palette.read_palette(palette.write_palette(usual)) == usual
    for text in ("[]", "{}", '{"256": "#000000"}', '{"-1": "#000000"}', '{"0": "black"}', "{"):
        with pytest.raises(ValueError, match=r"."):
            palette.read_palette(text)
    with pytest.raises(ImageRejectedError, match="no colour for 2"):
        label_colours.coloured(np.array([[0, 2]], np.uint8), {0: "#000000"})


# -- training and translation alike --------------------------------------------------------------


@pytest.mark.parametrize("layout", ["folders", "side-by-side"])
@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
@pytest.mark.parametrize("reading", [{"bits": 12}, {"are_ids": True}])
def test_a_dropped_input_is_read_as_the_input_half_of_a_pair(
    tmp_path: Path, layout: str, direction: str, reading: dict[str, Any]
) -> None:
    grey = np.kron(np.arange(4).reshape(2, 2), np.ones((16, 16), int))
    small = Image.fromarray((grey * 1365 if "bits" in reading else grey).astype(np.uint16))
    if layout == "side-by-side":
        small = Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    target = Image.new("RGB", (32, 32), (90, 120, 30))
    halves = [small, target] if direction == "AtoB" else [target, small]
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for half, path in zip(halves, paths, strict=True):
        half.save(path)
    if layout == "side-by-side":
        both = Image.new("RGB", (64, 32))
        both.paste(halves[0], (0, 0))
        both.paste(halves[1], (32, 0))
        both.save(tmp_path / "a.png")
        del paths[1]
    small.save(tmp_path / "dropped.png")
    learned, given_target = pair_files.load_pair(paths, layout, direction, 32, "pad", **reading)
    request = {"image": str(tmp_path / "dropped.png"), "want": "square", "size": 32, "fit": "pad"}
    event, parts = decoder_child.decode(request, **reading)
    dropped = np.frombuffer(b"".join(parts), np.uint8).reshape(event["height"], event["width"], 3)
    assert np.array_equal(learned, dropped)
    assert np.array_equal(given_target, np.asarray(target))
    whole, _ = pair_files.load_whole_pair(paths, layout, direction, 32, **reading)
    assert np.array_equal(whole, dropped)
    rows = {"image": str(tmp_path / "dropped.png"), "want": "rows", "size": 32, "most": None}
    _, parts = decoder_child.decode({**rows, "alpha": False}, **reading)
    assert b"".join(parts) == dropped.tobytes()
    if "are_ids" in reading:
        assert len(np.unique(dropped.reshape(-1, 3), axis=0)) == 4
        assert dropped.max() == 255  # the colours of the palette
    elif layout == "folders":
        assert np.unique(dropped).tolist() == [0, 85, 170, 255]
