#!/bin/sh
# Hugging Face datasets 5.2.0: a function that only looks at a picture in `map` makes it worse. Whatever column
# the function touches is decoded, and is then written anew into the new set, in the format that it came in, with
# Pillow's usual settings. So `ds.map(lambda row: {"width": row["photo"].width})`, which should add a column, saves
# each JPEG again at quality 75: the photo here, of quality 95, keeps a fifth of its bytes, and a pixel moves by
# tens of levels. Each further map that looks does it again. A label map as lossless WebP becomes a lossy one: here
# 4 colours become some 30,000. A JPEG that says in EXIF how it is turned, as a phone's photo does, becomes a PNG,
# and the set grows. Nothing is said.
#
# A test sees nothing with what lies in a folder: there the path stays, and the file is as it was. It happens if
# the bytes are in the set, as in parquet, from the hub, or after push_to_hub. `filter` and a function that
# returns a column without looking at the picture keep the bytes; so does PNG, as to the pixels.
#
# The guide "Process image data" calls `map` the way to process a whole set, and the reference of `map` says
# that a column is overwritten if the function returns it. No issue is known to say otherwise.
#
# Mend: name the columns that a function needs (`input_columns="photo"`), which leaves the others and the looked-at
# one alone; or cast to Image(decode=False) first, and back to Image() after it.
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
import io
import sys

import datasets
import numpy as np
import PIL
from PIL import Image

print(f"datasets {datasets.__version__}, Pillow {PIL.__version__}")


def saved(pixels, kind, **how):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **how)
    return {"bytes": file.getvalue(), "path": None}


random = np.random.default_rng(0)
rows, columns = np.mgrid[:256, :256]
waves = np.stack([np.sin(columns / 7), np.cos(rows / 9), np.sin((rows + columns) / 5)], -1)
photo = np.clip(128 + 70 * waves + random.normal(0, 12, waves.shape), 0, 255).astype(np.uint8)
colours = np.array([(0, 0, 170), (0, 85, 255), (170, 255, 85), (255, 85, 0)], np.uint8)
labels = colours[np.kron(random.integers(0, 4, (52, 52)), np.ones((5, 5), int))]
exif = Image.Exif()
exif[0x0112] = 1  # upright
row = {
    "photo": saved(photo, "JPEG", quality=95, subsampling=0),
    "phone": saved(photo, "JPEG", quality=95, subsampling=0, exif=exif),
    "labels": saved(labels, "WEBP", lossless=True),
    "drawing": saved(labels, "PNG"),
}
kinds = datasets.Features({name: datasets.Image() for name in row})
datasets.Dataset.from_dict({name: [value] for name, value in row.items()}, features=kinds).to_parquet("set.parquet")
ds = datasets.load_dataset("parquet", data_files="set.parquet", split="train")


def bytes_of(some, name):
    return some.cast_column(name, datasets.Image(decode=False))[0][name]["bytes"]


def pixels_of(some, name):
    return np.asarray(some[0][name].convert("RGB")).astype(int)


def width_of(column):
    return lambda row: {f"{column} width": row[column].width}


same, told = {}, {}
looked = ds
for name in row:
    looked = looked.map(width_of(name))
    first = np.abs(pixels_of(looked, name) - pixels_of(ds, name))
    told[name] = (len(bytes_of(ds, name)), len(bytes_of(looked, name)), first.max(), len(np.unique(pixels_of(looked, name).reshape(-1, 3), axis=0)))
for name, (before, after, most, values) in told.items():
    print(f"{name:8}{before:6} bytes, {after:5} after `map` looked at its width; a pixel moves by up to {most} levels; {values} colours")
twice = looked.map(lambda row: {"height": row["photo"].height})
print("photo is yet another after the next map that looks:", bytes_of(twice, "photo") != bytes_of(looked, "photo"))
others = {
    "filter": ds.filter(lambda row: row["photo"].width > 9),
    "map that does not look": ds.map(lambda row: {"width": 9}),
    "map with input_columns": ds.map(lambda photo: {"width": photo.width}, input_columns="photo"),
}
for name, other in others.items():
    same[name] = bytes_of(other, "photo") == bytes_of(ds, "photo")
print("the bytes stay with", ", ".join(name for name, is_same in same.items() if is_same))
as_told = told["photo"][1] < told["photo"][0] / 2 and told["photo"][2] > 20
as_told &= told["labels"][3] > 100 and told["phone"][1] > 1.5 * told["phone"][0] and told["drawing"][2] == 0 and all(same.values())
if not as_told or bytes_of(twice, "photo") == bytes_of(looked, "photo"):
    sys.exit("changed")
print("as described: a column that was only looked at is saved again, with loss")
PYTHON
