"""The palette of `pixd prepare colour-labels`: read from a file, kept beside what it colours."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pixd.images import palette as palette_text
from pixd.system import durable
from pixd.system.errors import PixdError, UsageError

NAME: Final = "palette.json"
_LARGEST_BYTES: Final = 1 << 16


def read(file: str | None) -> str:
    """Return a palette as text: that of a file, or the usual one for None.

    Raises:
        UsageError: the file cannot be read, or is no palette.
    """
    if file is None:
        return palette_text.write_palette(palette_text.usual_palette())
    try:
        with Path(file).open("rb") as opened:
            text = opened.read(_LARGEST_BYTES).decode("utf-8-sig")
        return palette_text.write_palette(palette_text.read_palette(text))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(
            f"{file} is no palette: {why}", advice=f"take the {NAME} of an earlier colour-labels"
        ) from error


def write(out: Path, palette: str) -> None:
    """Keep the palette in the output folder, unless it is there.

    Raises:
        UsageError: another palette is there.
        PixdError: it cannot be written.
    """
    path = out / NAME
    try:
        if path.exists():
            if path.read_text(encoding="utf-8-sig") != palette:
                raise UsageError(
                    f"{path} has other colours",
                    advice=f"--palette {path}, or another output folder",
                )
            return
        durable.write_file(path, palette.encode())
    except OSError as error:
        raise PixdError(
            f"{path} cannot be written: {error.strerror}", advice="name another folder"
        ) from error
