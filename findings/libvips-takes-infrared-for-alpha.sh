#!/bin/sh
# A TIFF with red, green, blue and near infrared says of its fourth band that it is "unspecified data"
# (ExtraSamples 0, TIFF 6.0, section 18). libvips 8.18.0 says all the same that the file has alpha. So
# whatever flattens it, as for a thumbnail or a JPEG, makes each pixel darker by its infrared. Pillow
# 13.0.0 opens the same file as RGB with its colours.
#
# It needs python3 with venv, and a package index. It exits non-zero if the behaviour has changed.
set -eu
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    pillow==13.0.0 tifffile==2026.3.3 pyvips-binary==8.18.0 pyvips==3.1.1
cd "$at"
"$at/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import PIL
import pyvips
import tifffile
from PIL import Image

version = ".".join(str(pyvips.version(part)) for part in range(3))
print(f"libvips {version}, Pillow {PIL.__version__}, tifffile {tifffile.__version__}")
bands = np.zeros((16, 16, 4), np.uint8)
bands[:] = (200, 150, 100, 64)  # red, green, blue, near infrared
tifffile.imwrite("bands.tif", bands, photometric="rgb", extrasamples=["unspecified"])
with Image.open("bands.tif") as image:
    by_pillow = image.mode, image.getpixel((0, 0))
vips = pyvips.Image.new_from_file("bands.tif")
by_vips = bool(vips.hasalpha()), [round(value) for value in vips.flatten()(0, 0)]
print(f"Pillow: mode {by_pillow[0]}, {by_pillow[1]}; libvips: alpha {by_vips[0]}, flattened {by_vips[1]}")
if (by_pillow, by_vips) != (("RGB", (200, 150, 100)), (True, [50, 37, 25])):
    sys.exit("changed")
print("as described: to libvips the infrared is alpha")
PYTHON
