#!/bin/sh
# OpenCV 5.0.0.93 darkens a TIFF with transparency as it reads it: each colour comes back multiplied by its
# alpha, with IMREAD_COLOR, where no alpha comes with it, and at 8 bits a sample with IMREAD_UNCHANGED too, which
# promises the image "as is". It happens if the file says that its alpha is not premultiplied (ExtraSamples 2,
# TIFF 6.0, section 18), as Pillow and tifffile write it. The same picture as PNG keeps its colours. So does a
# TIFF that OpenCV wrote, as it does not say what its fourth channel is: a test that reads its own files sees
# nothing. Nothing is said. OpenCV 4.14 does the same. The cause is libtiff's TIFFReadRGBA family, which OpenCV
# calls for 8 bits, and which multiplies.
#
# Mend: read such files with Pillow or tifffile.
#
# It needs python3 (3.11 to 3.13) with venv, and a package index. It exits non-zero if the behaviour has
# changed.
set -eu
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    opencv-python-headless==5.0.0.93 pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6
cd "$at"
"$at/venv/bin/python" - 2>/dev/null <<'PYTHON'
import sys

import cv2
import numpy as np
import PIL
import tifffile
from PIL import Image

print(f"OpenCV {cv2.__version__}, Pillow {PIL.__version__}, tifffile {tifffile.__version__}")
COLOURS, ALPHA = (200, 150, 100), 64
picture = np.full((16, 16, 4), (*COLOURS, ALPHA), np.uint8)
says = {"photometric": "rgb", "extrasamples": ["unassalpha"]}
Image.fromarray(picture).save("pillow.png")
Image.fromarray(picture).save("pillow.tif")
tifffile.imwrite("tifffile.tif", picture, **says)
tifffile.imwrite("16-bits.tif", picture.astype(np.uint16) * 257, **says)
cv2.imwrite("opencv.tif", cv2.cvtColor(picture, cv2.COLOR_RGBA2BGRA))

darker = tuple(round(colour * ALPHA / 255) for colour in COLOURS)
found = {}
for name in ("pillow.png", "pillow.tif", "tifffile.tif", "16-bits.tif", "opencv.tif"):
    pixels = {}
    for flag in ("UNCHANGED", "COLOR"):
        pixel = cv2.imread(name, getattr(cv2, f"IMREAD_{flag}"))[0, 0]
        pixels[flag] = tuple(int(value) // (257 if pixel.dtype == np.uint16 else 1) for value in pixel[[2, 1, 0]])
    print(f"{name:12}  UNCHANGED {pixels['UNCHANGED']}, COLOR {pixels['COLOR']}")
    found[name] = pixels
print(f"red, green and blue are {COLOURS}, and {darker} if they are multiplied by their alpha")


def is_near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(abs(a - b) <= 1 for a, b in zip(one, other))


as_told = all(is_near(pixel, darker) for name in ("pillow.tif", "tifffile.tif") for pixel in found[name].values())
as_told &= is_near(found["16-bits.tif"]["COLOR"], darker)
others = ("pillow.png", "16-bits.tif", "opencv.tif")
if not as_told or not all(is_near(found[name]["UNCHANGED"], COLOURS) for name in others):
    sys.exit("changed")
print("as described: colours of a TIFF come back multiplied by their alpha")
PYTHON
