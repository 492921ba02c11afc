"""Draw pairs of a facade's label map and the same facade as a painter would see it.

The label map has flat colours (see `COLOURS`). The picture has brick courses, glass that
mirrors the sky, shutters, shade under roof, sills and balconies, and light from the upper left.
A pixel's colour there depends on its place in its element and on what is above it. So neither a
copy of the input nor a colour matrix gives it. All that the picture shows can be inferred from
the label map, so that a network can learn it. The same seed gives the same pair.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

COLOURS = {
    "sky": (0, 0, 170),
    "wall": (0, 85, 255),
    "roof": (255, 85, 0),
    "window": (0, 170, 255),
    "door": (170, 255, 85),
    "balcony": (255, 255, 0),
    "sill": (85, 255, 170),
    "ground": (170, 0, 0),
}
"""The label map's colours, in the manner of the CMP facade labels."""

SUPERSAMPLING = 3  # pictures are drawn larger and reduced; label maps stay crisp


class Box(NamedTuple):
    """A rectangle in units of the picture's side: left, top, right, bottom."""

    left: float
    top: float
    right: float
    bottom: float


class Facade(NamedTuple):
    """Where everything is."""

    wall: Box
    roof: tuple[tuple[float, float], ...]
    windows: tuple[Box, ...]
    sills: tuple[Box, ...]
    balconies: tuple[Box, ...]
    door: Box
    ground: float


def facade_pair(seed: int, size: int = 128) -> tuple[Image.Image, Image.Image]:
    """Draw one pair.

    Args:
        seed: decides which facade it is.
        size: side of each picture, pixels.

    Returns:
        (label map, facade), both RGB, size x size.
    """
    facade = _plan(random.Random(seed))  # noqa: S311 - a picture, not a secret
    return _draw_labels(facade, size), _draw_facade(facade, size)


def write_demo_set(
    folder: Path,
    pairs: int,
    seed: int,
    *,
    size: int = 128,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write side-by-side pairs ``facade-0001.png`` and on: label map left, facade right.

    Args:
        folder: where; it must exist.
        pairs: how many.
        seed: of the first; the next ones follow.
        size: side of each half, pixels.
        progress: called with how many are done.
    """
    for number in range(pairs):
        label, photo = facade_pair(seed + number, size)
        both = Image.new("RGB", (2 * size, size))
        both.paste(label, (0, 0))
        both.paste(photo, (size, 0))
        both.save(folder / f"facade-{number + 1:04d}.png")
        if progress:
            progress(number + 1)


# -- the plan --------------------------------------------------------------------------------


def _plan(rng: random.Random) -> Facade:
    left = rng.uniform(0.04, 0.16)
    right = 1 - rng.uniform(0.04, 0.16)
    top = rng.uniform(0.2, 0.34)
    ground = rng.uniform(0.92, 0.95)
    wall = Box(left, top, right, ground)
    roof = _roof(rng, wall)
    floors = rng.randint(2, 4)
    columns = rng.randint(2, 5)
    floor_height = (ground - top) / floors
    column_width = (right - left) / columns
    width = column_width * rng.uniform(0.4, 0.6)
    height = floor_height * rng.uniform(0.48, 0.62)
    door_column = rng.randrange(columns)
    balcony_floors = {f for f in range(floors - 1) if rng.random() < 0.4}  # noqa: PLR2004
    windows, sills, balconies = [], [], []
    door = Box(0, 0, 0, 0)
    for floor in range(floors):
        for column in range(columns):
            middle = left + (column + 0.5) * column_width
            above = top + floor * floor_height + floor_height * 0.2
            if floor == floors - 1 and column == door_column:
                half = min(column_width * 0.32, 0.07)
                door = Box(middle - half, ground - floor_height * 0.82, middle + half, ground)
                continue
            window = Box(middle - width / 2, above, middle + width / 2, above + height)
            windows.append(window)
            if floor in balcony_floors:
                balconies.append(
                    Box(
                        window.left - width * 0.22,
                        window.bottom - height * 0.3,
                        window.right + width * 0.22,
                        window.bottom + height * 0.12,
                    )
                )
            else:
                sills.append(
                    Box(
                        window.left - width * 0.12,
                        window.bottom,
                        window.right + width * 0.12,
                        window.bottom + 0.018,
                    )
                )
    return Facade(wall, roof, tuple(windows), tuple(sills), tuple(balconies), door, ground)


def _roof(rng: random.Random, wall: Box) -> tuple[tuple[float, float], ...]:
    eaves = 0.025
    height = rng.uniform(0.1, wall.top - 0.05)
    left, right = wall.left - eaves, wall.right + eaves
    kind = rng.choice(("gable", "hip", "flat"))
    if kind == "gable":
        return ((left, wall.top), ((left + right) / 2, wall.top - height), (right, wall.top))
    if kind == "hip":
        inset = (right - left) * rng.uniform(0.15, 0.3)
        peak = wall.top - height
        return ((left, wall.top), (left + inset, peak), (right - inset, peak), (right, wall.top))
    peak = wall.top - 0.05
    return ((left, wall.top), (left, peak), (right, peak), (right, wall.top))


# -- the label map ---------------------------------------------------------------------------


def _draw_labels(facade: Facade, size: int) -> Image.Image:
    image = Image.new("RGB", (size, size), COLOURS["sky"])
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, round(facade.ground * size), size, size), COLOURS["ground"])
    draw.rectangle(_pixels(facade.wall, size), COLOURS["wall"])
    draw.polygon([(round(x * size), round(y * size)) for x, y in facade.roof], COLOURS["roof"])
    for name, boxes in (
        ("window", facade.windows),
        ("sill", facade.sills),
        ("balcony", facade.balconies),
        ("door", (facade.door,)),
    ):
        for box in boxes:
            draw.rectangle(_pixels(box, size), COLOURS[name])
    return image


def _pixels(box: Box, size: int) -> tuple[int, int, int, int]:
    left, top = round(box.left * size), round(box.top * size)
    right, bottom = round(box.right * size), round(box.bottom * size)
    return left, top, max(left, right - 1), max(top, bottom - 1)


# -- the picture -----------------------------------------------------------------------------


def _draw_facade(facade: Facade, size: int) -> Image.Image:
    side = size * SUPERSAMPLING
    y, x = np.mgrid[0:side, 0:side] / side
    canvas = _gradient(y, (120, 165, 225), (225, 235, 245))  # sky, lighter at the horizon
    ground = y >= facade.ground
    paving = 150 - 70 * (y - facade.ground) / (1 - facade.ground + 1e-9)
    canvas[ground] = np.stack([paving, paving * 0.97, paving * 0.92], -1)[ground]
    _paint_wall(canvas, x, y, facade.wall)
    _paint_roof(canvas, x, y, facade, side)
    for window in facade.windows:
        _paint_window(*_around(canvas, x, y, window), window)
    for sill in facade.sills:
        _paint_slab(*_around(canvas, x, y, sill), sill, (228, 222, 208))
    _paint_door(*_around(canvas, x, y, facade.door), facade.door)
    for balcony in facade.balconies:
        _paint_balcony(*_around(canvas, x, y, balcony), balcony)
    image = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))
    return image.resize((size, size), Image.Resampling.LANCZOS)


Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Mask = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def _gradient(t: Array, above: tuple[int, ...], below: tuple[int, ...]) -> Array:
    share = t[..., None]
    return np.asarray(above) * (1 - share) + np.asarray(below) * share


def _around(canvas: Array, x: Array, y: Array, box: Box) -> tuple[Array, Array, Array]:
    """Return views of the part that an element and its shadow can touch: ten times as fast."""
    side = canvas.shape[0]
    margin = 0.05
    rows = slice(max(0, int((box.top - margin) * side)), int((box.bottom + margin) * side) + 1)
    columns = slice(max(0, int((box.left - margin) * side)), int((box.right + margin) * side) + 1)
    return canvas[rows, columns], x[rows, columns], y[rows, columns]


def _inside(x: Array, y: Array, box: Box) -> Mask:
    return (x >= box.left) & (x < box.right) & (y >= box.top) & (y < box.bottom)


def _paint_wall(canvas: Array, x: Array, y: Array, wall: Box) -> None:
    inside = _inside(x, y, wall)
    course = 0.036  # height of a brick course; the grid starts at the wall's corner
    row = np.floor((y - wall.top) / course)
    along = (x - wall.left) / (course * 2.2) + 0.5 * (row % 2)
    joint = (((y - wall.top) / course) % 1 < 0.16) | (along % 1 < 0.08)  # noqa: PLR2004
    tone = 1 + 0.1 * np.sin(row * 2.1 + np.floor(along) * 3.7)
    light = 1.08 - 0.22 * (x - wall.left) / (wall.right - wall.left)  # from the left
    brick = np.stack([178 * tone, 92 * tone, 70 * tone], -1)
    brick[joint] = (205, 190, 170)
    shade = np.clip((y - wall.top) / 0.05, 0.45, 1.0)  # under the eaves
    canvas[inside] = (brick * (light * shade)[..., None])[inside]


def _paint_roof(canvas: Array, x: Array, y: Array, facade: Facade, side: int) -> None:
    stencil = Image.new("1", (side, side))
    ImageDraw.Draw(stencil).polygon([(px * side, py * side) for px, py in facade.roof], 1)
    inside: NDArray[np.bool_] = np.asarray(stencil, dtype=bool)
    top = min(py for _, py in facade.roof)
    course = ((y - facade.wall.top) / 0.022) % 1
    scallop = np.abs(np.sin((x + 0.011 * np.floor((y - facade.wall.top) / 0.022)) * 143))
    tone = 0.7 + 0.3 * course + 0.12 * scallop
    light = 0.8 + 0.3 * (y - top) / (facade.wall.top - top + 1e-9)
    tiles = np.stack([120 * tone, 72 * tone, 66 * tone], -1) * light[..., None]
    canvas[inside] = tiles[inside]


def _paint_window(canvas: Array, x: Array, y: Array, box: Box) -> None:
    inside = _inside(x, y, box)
    u = (x - box.left) / (box.right - box.left)
    v = (y - box.top) / (box.bottom - box.top)
    glass = _gradient(np.clip(v, 0, 1), (58, 78, 104), (150, 182, 205))
    glass[((u + v) % 1 > 0.42) & ((u + v) % 1 < 0.58)] += 38  # noqa: PLR2004 - a reflection
    glass *= np.clip(0.45 + v * 3, 0.45, 1.0)[..., None]  # shade of the lintel
    frame = (np.minimum(u, 1 - u) < 0.1) | (np.minimum(v, 1 - v) < 0.07)  # noqa: PLR2004
    bars = (np.abs(u - 0.5) < 0.045) | (np.abs(v - 0.4) < 0.03)  # noqa: PLR2004
    glass[frame | bars] = (236, 232, 222)
    canvas[inside] = glass[inside]


def _paint_slab(canvas: Array, x: Array, y: Array, box: Box, colour: tuple[int, ...]) -> None:
    inside = _inside(x, y, box)
    v = np.clip((y - box.top) / (box.bottom - box.top), 0, 1)
    canvas[inside] = (np.asarray(colour) * (1.05 - 0.25 * v)[..., None])[inside]
    shadow = _inside(x, y, Box(box.left + 0.01, box.bottom, box.right + 0.01, box.bottom + 0.03))
    fade = np.clip((y - box.bottom) / 0.03, 0, 1)
    canvas[shadow] *= (0.55 + 0.45 * fade)[shadow][:, None]


def _paint_door(canvas: Array, x: Array, y: Array, box: Box) -> None:
    inside = _inside(x, y, box)
    u = (x - box.left) / (box.right - box.left)
    v = (y - box.top) / (box.bottom - box.top)
    wood = _gradient(np.clip(v, 0, 1), (46, 84, 62), (72, 118, 88))
    panel = (np.abs(u % 0.5 - 0.25) < 0.15) & (np.abs(v % 0.34 - 0.17) < 0.11)  # noqa: PLR2004
    wood[panel] *= 0.72
    light = v < 0.16  # noqa: PLR2004 - the pane above the door
    wood[light] = (196, 206, 196)
    wood[(np.minimum(u, 1 - u) < 0.07) | (v < 0.04)] = (232, 228, 216)  # noqa: PLR2004
    knob = np.hypot((u - 0.8) * 0.5, v - 0.56) < 0.035  # noqa: PLR2004
    wood[knob] = (226, 190, 92)
    canvas[inside] = wood[inside]


def _paint_balcony(canvas: Array, x: Array, y: Array, box: Box) -> None:
    slab_top = box.bottom - (box.bottom - box.top) * 0.28
    rail = _inside(x, y, Box(box.left, box.top, box.right, slab_top))
    u = (x - box.left) / (box.right - box.left)
    v = (y - box.top) / (slab_top - box.top)
    bars = (u * 11) % 1 < 0.34  # noqa: PLR2004
    iron = rail & (bars | (v < 0.14) | (v > 0.9))  # noqa: PLR2004
    canvas[rail] *= 0.72
    canvas[iron] = (34, 36, 42)
    _paint_slab(canvas, x, y, Box(box.left, slab_top, box.right, box.bottom), (214, 206, 190))
