#!/bin/sh
# Pillow 13.0.0 reads a grey TIFF in which 0 is white (PhotometricInterpretation 0) right at 8 bits a
# sample, where it inverts the values, and as a negative at 16 bits, where it returns them as they are
# and says nothing. tifffile writes the same picture in both depths, and libvips reads both alike.
# Source of the meaning of the tag: TIFF 6.0 (1992), section 8, PhotometricInterpretation.
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
print(f"Pillow {PIL.__version__}, tifffile {tifffile.__version__}, libvips {version}")
nearly_white = 10  # of 255, where 0 is white
seen = {}
for bits, dtype, scale in ((8, np.uint8, 1), (16, np.uint16, 257)):
    values = np.full((16, 16), nearly_white * scale, dtype)
    name = f"{bits}.tif"
    tifffile.imwrite(name, values, photometric="miniswhite")
    with Image.open(name) as image:
        mode, read = image.mode, image.getpixel((0, 0)) / scale
    vips = pyvips.Image.new_from_file(name)
    by_vips = vips(0, 0)[0] / scale
    seen[bits] = round(read), round(by_vips)
    print(f"{bits:2} bits: white is {255 - nearly_white}; Pillow (mode {mode}) {read:.0f}, libvips {by_vips:.0f}")
expected = {8: (245, 245), 16: (10, 245)}
if seen != expected:
    sys.exit(f"changed: {seen}, was {expected}")
print("as described: at 16 bits Pillow gives a negative")
PYTHON
