"""What is read as two pictures side by side, and what is refused because it may be something else."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pixd.images import side_by_side
from pixd.images.demo_set import facade_pair
from pixd.system.errors import ImageRejectedError


def facade(number: int, size: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    label, photo = facade_pair(number, 128)
    return label.convert("RGB").resize(size), photo.convert("RGB").resize(size)


def beside(*pictures: Image.Image, gap: int = 0) -> Image.Image:
    width = sum(picture.width for picture in pictures) + gap * (len(pictures) - 1)
    whole = Image.new("RGB", (width, pictures[0].height), "white")
    at = 0
    for picture in pictures:
        whole.paste(picture, (at, 0))
        at += picture.width + gap
    return whole


@pytest.mark.parametrize("size", [(64, 32), (65, 32), (512, 256), (640, 310)])
def test_two_squares_are_a_pair_whatever_they_show(size: tuple[int, int]) -> None:
    plain = Image.new("RGB", size)
    side_by_side.check(plain)
    left, right = side_by_side.split(plain)
    assert left.size == right.size == (size[0] // 2, size[1])


@pytest.mark.parametrize("half", [(160, 96), (96, 64), (128, 72), (60, 96), (72, 96), (82, 96)])
@pytest.mark.parametrize("number", [1, 5, 9])
def test_halves_of_any_shape_are_a_pair(half: tuple[int, int], number: int) -> None:
    both = beside(*facade(number, half))
    side_by_side.check(both)
    assert [part.size for part in side_by_side.split(both)] == [half, half]


@pytest.mark.parametrize("size", [(128, 96), (144, 96), (170, 96), (130, 120)])
@pytest.mark.parametrize("number", [1, 5, 9])
def test_one_picture_is_not_cut_in_half(size: tuple[int, int], number: int) -> None:
    for single in facade(number, size):
        with pytest.raises(ImageRejectedError, match="twice as wide as high, or show the border"):
            side_by_side.check(single)


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (beside(*facade(3, (96, 96)), facade(4, (96, 96))[1]), "three pictures side by side"),
        (beside(*facade(3, (96, 96)), gap=10), "a strip of 10 px between"),
        (facade(3, (96, 192))[0], "one above the other"),
        (facade(3, (96, 96))[0], "wider than high; this one is 96 x 96"),
        (Image.new("RGB", (1, 1)), "wider than high"),
    ],
)
def test_what_may_be_something_else_is_named(picture: Image.Image, says: str) -> None:
    with pytest.raises(ImageRejectedError, match=says):
        side_by_side.check(picture)


def busy(number: int, size: tuple[int, int]) -> Image.Image:
    """A label map with so many upright edges that a border is hardly more than the usual step."""
    areas = np.random.default_rng(number).integers(60, 160, (4, size[0] // 3, 3)).astype(np.uint8)
    return Image.fromarray(areas).resize(size, Image.Resampling.NEAREST)


def grainy(number: int, size: tuple[int, int]) -> Image.Image:
    grain = np.random.default_rng(number).integers(-14, 15, (size[1], size[0], 3))
    return Image.fromarray((140 + grain).astype(np.uint8))


@pytest.mark.parametrize("number", range(6))
def test_many_edges_hide_neither_three_pictures_nor_a_pair(number: int) -> None:
    square, photo = (96, 96), (144, 96)
    with pytest.raises(ImageRejectedError, match="three pictures side by side"):
        side_by_side.check(beside(busy(number, square), *[grainy(number, square)] * 2))
    side_by_side.check(beside(busy(number, photo), grainy(number, photo)))


def test_wide_halves_on_white_need_no_border() -> None:
    white = np.full((60, 200, 3), 255, np.uint8)
    white[20:40, 30:70] = white[20:40, 130:170] = 40
    side_by_side.check(Image.fromarray(white))
