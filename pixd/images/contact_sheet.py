"""One picture of several rows, each with an image and its results next to it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from pixd.images import decode
from pixd.system import durable
from pixd.system.errors import ImageRejectedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

GAP_PX = 8
HEADER_PX = 30
CAPTION_PX = 20
FONT_PX = 15
PAPER = (250, 250, 248)
INK = (40, 40, 44)
PER_LINE = 2  # two rows side by side, so that the sheet is not a strip


def contact_sheet(
    rows: Sequence[tuple[str, Sequence[Image.Image | None]]],
    headers: Sequence[str],
    tile_px: int,
    *,
    per_line: int = PER_LINE,
) -> Image.Image:
    """Draw a sheet. Each row has a caption and one tile for each column.

    Args:
        rows: (caption, pictures); None leaves a tile empty.
        headers: one word for each column.
        tile_px: side of a tile; pictures are fitted into it.
        per_line: how many rows are side by side.
    """
    columns = len(headers)
    block = columns * (tile_px + GAP_PX) + GAP_PX
    across = min(per_line, max(1, len(rows)))
    lines = -(-len(rows) // across)
    line_height = tile_px + CAPTION_PX + GAP_PX
    sheet = Image.new("RGB", (block * across, HEADER_PX + lines * line_height + GAP_PX), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(FONT_PX)
    for number in range(across):
        for column, header in enumerate(headers):
            left = number * block + GAP_PX + column * (tile_px + GAP_PX)
            draw.text((left, 8), header, INK, font=font)
    for index, (caption, pictures) in enumerate(rows):
        left = index % across * block + GAP_PX
        top = HEADER_PX + index // across * line_height
        draw.text((left, top + tile_px + 2), caption, INK, font=font)
        for column, picture in enumerate(pictures):
            if picture is None:
                continue
            tile = picture.convert("RGB")
            tile.thumbnail((tile_px, tile_px)) if max(tile.size) > tile_px else None
            scale = tile_px / max(tile.size)
            if scale > 1:
                shown = (round(tile.width * scale), round(tile.height * scale))
                tile = tile.resize(shown, Image.Resampling.BICUBIC)
            sheet.paste(tile, (left + column * (tile_px + GAP_PX), top))
    return sheet


def write_contact_sheet(
    path: Path,
    rows: Sequence[tuple[str, Sequence[Path | None]]],
    headers: Sequence[str],
    tile_px: int,
) -> None:
    """Draw a sheet of image files and save it as PNG.

    Args:
        path: where to write it, whole or not at all.
        rows: (caption, files). A file that is None, missing or not an image leaves a gap.
        headers: one word for each column.
        tile_px: side of a tile.

    Raises:
        OSError: it cannot be written.
    """
    loaded = [(caption, [_load(place) for place in places]) for caption, places in rows]
    buffer = io.BytesIO()
    contact_sheet(loaded, headers, tile_px).save(buffer, "PNG")
    durable.write_file(path, buffer.getvalue())


def _load(place: Path | None) -> Image.Image | None:
    if place is None:
        return None
    try:
        return decode.decode(place.read_bytes())
    except (OSError, ImageRejectedError):
        return None
