#!/bin/sh
# GDAL 3.10 (here in rasterio 1.4.4) shows a picture that is not there any more. If a file has its overviews beside
# it (x.tif.ovr, x.png.ovr, as QGIS calls "external pyramids"), a read at a smaller size is taken from them. GDAL
# compares neither time nor content, only the name. So after x.tif was replaced, by anything that is not GDAL (git,
# rsync, cp, Pillow, tifffile), whole reads give the new picture, and smaller ones the old one, on and on: the
# thumbnails, QGIS at a small scale, and a training picture by `read(out_shape=(3, 256, 256))`. If it is
# the one half of a pair, the halves do not show the same place any more, in the training alone. Nothing is said.
#
# It holds for PNG and JPEG too. A new picture of another size is no different: the old one is stretched to it. What
# GDAL itself writes over the file is right, as it removes what lies beside it.
#
# The reference of overviews tells how they are made, and not that they must be removed. No issue is known to say it.
#
# Mend: remove *.ovr with the picture, or open with OVERVIEW_LEVEL="NONE", and shrink by yourself.
#
# It needs python3 (3.11 to 3.13) with venv, and a package index. It exits non-zero if the behaviour has
# changed.
set -eu
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    rasterio==1.4.4 pillow==13.0.0 numpy==2.4.6
cd "$at"
"$at/venv/bin/python" -W ignore - <<'PYTHON'
import os
import shutil
import sys
import time

import numpy as np
import PIL
import rasterio
from PIL import Image
from rasterio.enums import Resampling

print(f"rasterio {rasterio.__version__}, GDAL {rasterio.__gdal_version__}, Pillow {PIL.__version__}")
OLD, NEW = 50, 200


def replace(name, side):
    Image.fromarray(np.full((side, side, 3), NEW, np.uint8)).save(f"new.{name}")
    os.replace(f"new.{name}", name)
    later = time.time() + 3600  # the overviews are plainly older
    os.utime(name, (later, later))


def read(name, side, **how):
    with rasterio.open(name, **how) as file:
        return sorted({int(value) for value in file.read(1, out_shape=(side, side)).ravel()})


found = {}
for name, side in (("map.tif", 1024), ("map.png", 1024), ("map.jpg", 1024), ("larger.tif", 1600)):
    Image.fromarray(np.full((1024, 1024, 3), OLD, np.uint8)).save(name)
    with rasterio.Env(TIFF_USE_OVR=True):
        if name.endswith("tif"):
            with rasterio.open(name, "r+") as file:
                file.build_overviews([2, 4, 8], Resampling.average)
        else:  # rasterio opens these only to read; gdaladdo writes the same beside them
            shutil.copy("map.tif.ovr", f"{name}.ovr")
    replace(name, side)
    found[name] = read(name, side), read(name, 256), read(name, 256, OVERVIEW_LEVEL="NONE")
    whole, small, without = found[name]
    print(f"{name:11} now {NEW}, before {OLD}: whole {whole}, at 256 px {small}, there without overviews {without}")
with rasterio.open("map.tif", "w", driver="GTiff", width=1024, height=1024, count=3, dtype="uint8") as file:
    file.write(np.full((3, 1024, 1024), NEW, np.uint8))
by_gdal = read("map.tif", 256)
print(f"map.tif     written by GDAL: at 256 px {by_gdal}")
if any(three != ([NEW], [OLD], [NEW]) for three in found.values()) or by_gdal != [NEW]:
    sys.exit("changed")
print("as described: a smaller read shows the picture before")
PYTHON
