#!/bin/sh
# Hugging Face datasets 5.2.0 takes a Pillow picture that was opened from a file for that file: it stores the path,
# and never looks at the pixels. So whatever was done to the picture in place is gone: `thumbnail`, `paste`,
# ImageDraw, `putpixel`. It holds for `map` over a folder of pictures, where the function even returns the picture,
# for from_dict and from_generator. A set that was to have pictures of 64 px has them of 512 px; a face or a
# number plate that was painted over is there again, and goes out with push_to_hub, which reads the file. Nothing
# is said. `resize` and `crop`, which give a new picture, are stored.
#
# A test with pictures that were made or decoded from bytes sees nothing: these have no file, and are stored as
# they are. So the same function works on a set in parquet, and does nothing to the same set in a folder. Within
# one folder it works on a phone's photos, which say in EXIF how they are turned, as turning gives a new picture.
#
# The reference says of PIL.Image.Image only that it is taken; a comment in the source says "convert the PIL image
# to bytes". No issue is known to say it.
#
# Mend: give back `picture.copy()` after work in place, or set `picture.filename = ""`.
#
# It needs python3 (3.11 to 3.13) with venv, and a package index. It exits non-zero if the behaviour has
# changed.
set -eu
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    datasets==5.2.0 pillow==13.0.0 numpy==2.4.6 pyarrow==26.0.1 pandas==3.1.1
cd "$at"
HF_HUB_OFFLINE=1 HF_HOME="$at/home" HF_DATASETS_DISABLE_PROGRESS_BARS=1 "$at/venv/bin/python" - 2>errors <<'PYTHON' || { cat errors; exit 1; }
import sys
from pathlib import Path

import datasets
import PIL
from PIL import Image, ImageDraw

print(f"datasets {datasets.__version__}, Pillow {PIL.__version__}")
FACE, PAINT = (200, 150, 100), (0, 0, 0)
Path("photos").mkdir()
Image.new("RGB", (512, 512), FACE).save("photos/one.png")


def painted(picture):
    picture.thumbnail((64, 64))
    ImageDraw.Draw(picture).rectangle((0, 0, 63, 63), PAINT)
    return picture


def opened():
    return Image.open("photos/one.png")


def generated():
    yield {"image": painted(opened())}


folder = datasets.load_dataset("imagefolder", data_dir="photos", split="train")
in_bytes = [{"bytes": Path("photos/one.png").read_bytes(), "path": None}]
kinds = datasets.Features({"image": datasets.Image()})
of_bytes = datasets.Dataset.from_dict({"image": in_bytes}, features=kinds)


def in_place(row):
    return {"image": painted(row["image"])}


exif = Image.Exif()
exif[0x0112] = 1  # upright
Path("phone").mkdir()
Image.new("RGB", (512, 512), FACE).save("phone/one.png", exif=exif)
phone = datasets.load_dataset("imagefolder", data_dir="phone", split="train")

found = {
    "map over a folder": folder.map(in_place),
    "from_dict": datasets.Dataset.from_dict({"image": [painted(opened())]}),
    "from_generator": datasets.Dataset.from_generator(generated),
    "map over bytes": of_bytes.map(in_place),
    "map, photo with EXIF": phone.map(in_place),
    "from_dict, a copy": datasets.Dataset.from_dict({"image": [painted(opened()).copy()]}),
}
given = painted(opened())
print(f"{'given':20} {given.size[0]:3} px, {given.getpixel((0, 0))}")
is_lost = {}
for name, ds in found.items():
    picture = ds[0]["image"]
    is_lost[name] = picture.size == (512, 512) and picture.getpixel((0, 0)) == FACE
    print(f"{name:20} {picture.size[0]:3} px, {picture.getpixel((0, 0))}{' as in the file' if is_lost[name] else ''}")
if list(is_lost.values()) != [True, True, True, False, False, False]:
    sys.exit("changed")
print("as described: the file is stored, and what was done to the picture is lost")
PYTHON
