#!/bin/sh
# pyvips with the wheel pyvips-binary 8.18.7 reads a TIFF that is compressed with Zstandard, LERC or LZMA as a
# black picture of the right size. GDAL writes such files for maps and satellite pictures (COMPRESS=ZSTD, and
# COMPRESS=LERC). Nothing is raised, in `numpy()`, in `thumbnail`, and in `write_to_file`, which so makes a black
# JPEG of each. The libtiff in the wheel has none of the three; a libvips from Debian has, so the same program is
# right on one machine and black on the other. To write such a file, the same wheel refuses.
#
# The cause is the default fail_on="none", which takes what could not be decoded for a damaged part, and goes on.
# Its reference says that it is for files with errors; these have none. That it is black is known from a viewer
# (libvips/vipsdisp issue 48, 2025), and not for the wheel.
#
# Mend: fail_on="error" wherever a file is opened.
#
# It needs python3 (3.11 to 3.13) with venv, and a package index. It exits non-zero if the behaviour has
# changed.
set -eu
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    pyvips==3.2.0 pyvips-binary==8.18.7 rasterio==1.4.4 numpy==2.4.6
cd "$at"
"$at/venv/bin/python" -W ignore - 2>errors <<'PYTHON' || { cat errors; exit 1; }
import sys

import numpy as np
import pyvips
import rasterio

print("libvips", ".".join(str(pyvips.version(place)) for place in range(3)), "GDAL", rasterio.__gdal_version__)
picture = np.random.default_rng(0).integers(100, 200, (3, 64, 64)).astype(np.uint8)
is_black = {}
for how in ("NONE", "LZW", "DEFLATE", "ZSTD", "LERC", "LZMA"):
    name = f"{how}.tif"
    with rasterio.open(
        name, "w", driver="GTiff", width=64, height=64, count=3, dtype="uint8", photometric="RGB",
        interleave="pixel", compress=how,
    ) as file:  # fmt: skip
        file.write(picture)
    with rasterio.open(name) as file:
        assert (file.read() == picture).all()
    found = pyvips.Image.new_from_file(name).numpy()
    pyvips.Image.new_from_file(name).write_to_file(f"{how}.png")
    copy = pyvips.Image.new_from_file(f"{how}.png").numpy()
    small = pyvips.Image.thumbnail(name, 16).numpy()
    is_black[how] = not (found.any() or copy.any() or small.any())
    if not is_black[how] and not (found == picture.transpose(1, 2, 0)).all():
        sys.exit("changed")
    try:
        pyvips.Image.new_from_file(name, fail_on="error").numpy()
        told = "nothing"
    except pyvips.Error as error:
        told = str(error).strip().splitlines()[1].strip()
    print(f"{how:8} {'black' if is_black[how] else 'as written'}, values up to {found.max()}; fail_on=\"error\" says {told}")
try:
    pyvips.Image.black(8, 8).tiffsave("new.tif", compression="zstd")
    refused = False
except pyvips.Error as error:
    refused = True
    print("writing with Zstandard:", str(error).strip().splitlines()[-1].strip())
if [how for how, black in is_black.items() if black] != ["ZSTD", "LERC", "LZMA"] or not refused:
    sys.exit("changed")
print("as described: what cannot be decoded is black, and nothing is raised")
PYTHON
