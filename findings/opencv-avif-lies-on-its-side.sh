#!/bin/sh
# OpenCV 5.0.0.93 leaves an AVIF lying on its side. A phone's photo, converted from JPEG to AVIF by Pillow or
# avifenc, keeps its pixels as the sensor gave them, and says by irot and imir how to turn and mirror them. OpenCV
# reads neither, with its default flag, which turns the JPEG that the AVIF was made of. Browsers, libvips and Pillow
# (exif_transpose) show both alike. So half of a pair, or a set of both formats, is turned and the rest is not, and
# pictures that are square have the right shape even so. Nothing is said. imagecodecs 2026.3.6 turns neither.
#
# HEIF makes these two properties part of the picture: "transformative", to be applied before it is shown (ISO/IEC
# 23008-12, 6.5.10 irot and 6.5.12 imir); MIAF (ISO/IEC 23000-22, 7.3.10.1) has none in EXIF, which is why avifenc
# and Pillow leave none there. The reference of imread speaks of EXIF only. No issue is known to say it.
#
# Mend: read AVIF with Pillow, and ImageOps.exif_transpose.
#
# It needs python3 (3.11 to 3.13) with venv, and a package index. It exits non-zero if the behaviour has
# changed.
set -eu
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    opencv-python-headless==5.0.0.93 pillow==13.0.0 pyvips==3.2.0 pyvips-binary==8.18.7 numpy==2.4.6
cd "$at"
"$at/venv/bin/python" - <<'PYTHON'
import sys

import cv2
import numpy as np
import PIL
import pyvips
from PIL import Image, ImageOps

print(f"OpenCV {cv2.__version__}, Pillow {PIL.__version__}, pyvips {pyvips.__version__}")
WIDTH, HEIGHT, ORIENTATION = 64, 40, 0x0112
sensor = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
sensor[: HEIGHT // 4, : WIDTH // 4] = 255  # one corner is white


def seen(pixels):
    """Return the size of a picture, and in which corner it is white."""
    pixels = np.asarray(pixels)
    rows, columns = {"top": 3, "bottom": -4}, {"left": 3, "right": -4}
    corner = [f"{r} {c}" for r in rows for c in columns if pixels[rows[r], columns[c], :3].min() > 200]
    return f"{pixels.shape[1]} x {pixels.shape[0]}, {corner[0]}"


def upright(name):
    with Image.open(name) as picture:
        return ImageOps.exif_transpose(picture).convert("RGB")


as_told = True
for turned, number in (("not", 1), ("mirrored", 2), ("by half", 3), ("a quarter right", 6), ("a quarter left", 8)):
    exif = Image.Exif()
    exif[ORIENTATION] = number
    names = [f"photo{number}.{kind}" for kind in ("jpg", "avif")]
    for name in names:
        Image.fromarray(sensor).save(name, quality=95, exif=exif.tobytes())
    by_opencv = [seen(cv2.imread(name)) for name in names]
    others = {seen(upright(name)) for name in names}
    others |= {seen(pyvips.Image.new_from_file(name).autorot().numpy()) for name in names}
    print(f"turned {turned:16} OpenCV, JPEG: {by_opencv[0]:22} AVIF: {by_opencv[1]:22} others: {' or '.join(others)}")
    as_told &= others == {by_opencv[0]} and by_opencv[1] == f"{WIDTH} x {HEIGHT}, top left"
if not as_told:
    sys.exit("changed")
print("as described: OpenCV turns the JPEG and not the AVIF")
PYTHON
