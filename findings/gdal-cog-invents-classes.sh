#!/bin/sh
# A map of classes loses them as a cloud optimised GeoTIFF. GDAL 3.10's COG driver makes smaller copies of a
# picture (overviews) with cubic interpolation if it has no colour table. rasterio 1.4.4, asked for a smaller picture
# by the nearest pixel, which is its default too, takes the nearest pixel of such a copy. So a land use map with the
# classes 0, 4, 8 and 12, read at a sixth of its size, has twelve classes, and more than half of its pixels are of
# one that the map does not have: between water and forest lies a rim of whatever has the number between. It
# is `read(1, out_shape=...)`, the usual way to a training picture of 256 px. `read(1)` is right, and nothing is said.
#
# The same file as a plain GeoTIFF is right at every size, as it has no copies; so is a COG of up to 512 px, as in a
# test; and at a size that no copy is used for. That the driver takes CUBIC is documented (option RESAMPLING); what
# rasterio's reference says of `resampling`, that it decides how a smaller picture is made, is not so then.
#
# Mend: write with overview_resampling="NEAREST" (or "MODE"); of a file that is there already, read the whole and
# shrink it yourself, or open it with OVERVIEW_LEVEL="NONE".
#
# It needs python3 (3.11 to 3.13) with venv, and a package index. It exits non-zero if the behaviour has
# changed.
set -eu
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check rasterio==1.4.4 numpy==2.4.6
cd "$at"
"$at/venv/bin/python" -W ignore - <<'PYTHON'
import sys

import numpy as np
import rasterio
from rasterio.enums import Resampling

print(f"rasterio {rasterio.__version__}, GDAL {rasterio.__gdal_version__}")
SIDE, CLASSES = 1536, [0, 4, 8, 12]
blocks = np.random.default_rng(0).choice(np.array(CLASSES, np.uint8), (128, 128))
classes = np.kron(blocks, np.ones((12, 12), np.uint8))


def write(name, part=classes, **how):
    with rasterio.open(name, "w", width=part.shape[1], height=part.shape[0], count=1, dtype="uint8", **how) as file:
        file.write(part, 1)


def read(name, side, **how):
    with rasterio.open(name, **how) as file:
        return file.read(1, out_shape=(side, side), resampling=Resampling.nearest)


write("plain.tif", driver="GTiff", tiled=True)
write("cog.tif", driver="COG")
write("small.tif", classes[:512, :512], driver="COG")
write("mended.tif", driver="COG", overview_resampling="NEAREST")
pictures = {
    "plain, 256 px": read("plain.tif", 256),
    "COG, whole": read("cog.tif", SIDE),
    "COG, 768 px": read("cog.tif", 768),
    "COG, 512 px": read("cog.tif", 512),
    "COG, 256 px": read("cog.tif", 256),
    "COG of 512, 256 px": read("small.tif", 256),
    "COG, nearest, 256 px": read("mended.tif", 256),
    "COG, without overviews": read("cog.tif", 256, OVERVIEW_LEVEL="NONE"),
}
wrong = {}
for name, picture in pictures.items():
    wrong[name] = float((~np.isin(picture, CLASSES)).mean())
    found = np.unique(picture).tolist()
    print(f"{name:23}{wrong[name]:4.0%} of the pixels have a class that is not in the map; {len(found)} classes: {found}")
if {name for name, share in wrong.items() if share} != {f"COG, {side} px" for side in (768, 512, 256)}:
    sys.exit("changed")
if wrong["COG, 256 px"] < 0.5:
    sys.exit("changed")
print("as described: the nearest pixel of a smaller copy is a mixture of classes")
PYTHON
