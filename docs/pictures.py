"""Draw the pictures of the docs: the demo's facades through `pixd prepare` itself.

Usage: python docs/pictures.py [--demo DEMO-OUT] [FOLDER]   (docs/pictures; `make pictures`)

With `--demo`, also the strip at the top of README.md, from a folder that `pixd demo` finished.
Without it the strip stays as it is, because a training takes minutes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from pixd.images.contact_sheet import contact_sheet
from pixd.images.demo_set import facade_pair

SEEDS = (3, 12)
SIDE = 256
TILE = 160  # as shown, of each half
GAP = 8
PAPER = (255, 255, 255)
COLOURS = 96  # a palette: a third of the size, and nobody sees it at this size

PAIRS: dict[str, tuple[str, ...]] = {
    "edges": ("edges", "photos", "{out}", "--combine"),
    "grayscale": ("grayscale", "photos", "{out}", "--combine"),
    "blank": ("blank", "photos", "{out}", "--combine"),
    "combine": ("combine", "labels", "photos", "{out}"),
}
STRENGTHS = ("0", "0.5", "1")
FITS = ("pad", "crop", "stretch")

DEMO_COLUMNS = {"input": "input", "output": "output", "target": "targets"}  # header: folder
DEMO_SHOWN = 4  # the first by name, none chosen
DEMO_TILE = 128  # the demo's own size, so that nothing is resized
DEMO_COLOURS = 256


def main() -> int:
    parser = argparse.ArgumentParser(description="Draw the pictures of the docs.")
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(__file__).with_name("pictures")
    )
    parser.add_argument("--demo", type=Path, help="what `pixd demo` made; draws demo.png from it")
    asked = parser.parse_args()
    out: Path = asked.folder
    out.mkdir(parents=True, exist_ok=True)
    if asked.demo:
        draw_demo(asked.demo, out / "demo.png")
    with tempfile.TemporaryDirectory(prefix="pixd-pictures-") as temporary:
        folder = Path(temporary)
        draw_sources(folder)
        for name, words in PAIRS.items():
            rows = prepare(folder, name, *words)
            save(out / f"{name}.png", [reduced(row, 2 * TILE) for row in rows])
        photos = [reduced(opened(folder / "photos" / "0.png"), TILE)]
        drawn = [
            reduced(prepare(folder, f"s{s}", "edges", "photos", "{out}", "--strength", s)[0], TILE)
            for s in STRENGTHS
        ]
        save(out / "strength.png", photos + drawn)
        wide = [reduced(opened(folder / "wide" / "0.png"), round(TILE * 1.6))]
        fitted = [
            reduced(prepare(folder, fit, "resize", "wide", "{out}", "--fit", fit)[0], TILE)
            for fit in FITS
        ]
        save(out / "fit.png", wide + fitted)
    return 0


def draw_demo(demo: Path, path: Path) -> None:
    """Draw the strip of README.md: label maps, what the demo's model made of them, the targets."""
    rows = []
    for file in sorted((demo / "targets").iterdir())[:DEMO_SHOWN]:
        places = [demo / folder / file.name for folder in DEMO_COLUMNS.values()]
        rows.append((file.stem, [opened(place) for place in places]))
    sheet = contact_sheet(rows, list(DEMO_COLUMNS), DEMO_TILE)
    few = sheet.quantize(DEMO_COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def draw_sources(folder: Path) -> None:
    """Draw photos/, labels/ of the same names, and wide/ with a picture of another shape."""
    for name in ("photos", "labels", "wide"):
        (folder / name).mkdir()
    for number, seed in enumerate(SEEDS):
        label, photo = facade_pair(seed, SIDE)
        label.save(folder / "labels" / f"{number}.png")
        photo.save(folder / "photos" / f"{number}.png")
    wide = facade_pair(SEEDS[0], 2 * SIDE)[1]
    wide.crop((0, round(0.375 * 2 * SIDE), 2 * SIDE, 2 * SIDE)).save(folder / "wide" / "0.png")


def prepare(folder: Path, name: str, *words: str) -> list[Image.Image]:
    """Run `pixd prepare` and return what it made, in the order of names."""
    command = [sys.executable, "-m", "pixd", "prepare"]
    filled = [word.format(out=f"made-{name}") for word in words]
    subprocess.run([*command, *filled], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return [opened(path) for path in sorted((folder / f"made-{name}").iterdir())]


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def reduced(image: Image.Image, width: int) -> Image.Image:
    size = (width, round(image.height * width / image.width))
    return image.resize(size, Image.Resampling.LANCZOS)


def save(path: Path, pictures: list[Image.Image]) -> None:
    """Lay pictures side by side on paper."""
    width = sum(picture.width + GAP for picture in pictures) + GAP
    sheet = Image.new("RGB", (width, max(p.height for p in pictures) + 2 * GAP), PAPER)
    left = GAP
    for picture in pictures:
        sheet.paste(picture, (left, GAP))
        left += picture.width + GAP
    few = sheet.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
