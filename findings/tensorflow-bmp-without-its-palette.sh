#!/bin/sh
# TensorFlow 2.21.0 reads a BMP of 256 colours without its palette. tf.io.decode_image, tf.io.decode_bmp, and so
# keras.utils.image_dataset_from_directory (which takes .bmp), give the numbers of the palette's places as grey, in
# three equal channels if three are asked for. A label map in four colours, as Paint or an annotation tool saves it,
# comes back as 0, 1, 2 and 3 of 255: black. The shape and the type are right, and nothing is said. The same picture
# as PNG or GIF has its colours, from the same function; so a folder with both holds two kinds of label maps.
# keras.utils.load_img, which reads with Pillow, has the colours too: what a person looks at is not what is trained.
#
# The reference of decode_bmp says only that the pixels are decoded. Issues 60603 and 63008 are about BMPs that are
# refused; none is known to say this.
#
# Mend: save such pictures as PNG (Pillow: Image.open(path).convert("RGB").save(...)).
#
# Source: BITMAPINFOHEADER (Microsoft, wingdi.h), biBitCount 8: "each byte represents a single pixel" of a color
# table. It needs python3 (3.11 to 3.13) with venv, and a package index. It exits non-zero if the behaviour has
# changed.
set -eu
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    tensorflow-cpu==2.21.0 keras==3.15.1 pillow==13.0.0 numpy==2.4.6
cd "$at"
KERAS_HOME="$at" TF_CPP_MIN_LOG_LEVEL=3 "$at/venv/bin/python" - 2>errors <<'PYTHON' || { cat errors; exit 1; }
import sys
from pathlib import Path

import keras
import numpy as np
import PIL
import tensorflow as tf
from PIL import Image

print(f"TensorFlow {tf.__version__}, Keras {keras.__version__}, Pillow {PIL.__version__}")
COLOURS = [(0, 0, 170), (0, 85, 255), (170, 255, 85), (255, 85, 0)]
places = np.kron(np.random.default_rng(0).integers(0, 4, (8, 8)), np.ones((8, 8), int)).astype(np.uint8)
label_map = Image.fromarray(places, "P")
label_map.putpalette([value for colour in COLOURS for value in colour])


def colours_of(pixels):
    return sorted({tuple(int(value) for value in pixel) for pixel in np.asarray(pixels).reshape(-1, 3)})


found = {}
for kind in ("bmp", "png", "gif"):
    Path(kind).mkdir()
    path = Path(kind, f"labels.{kind}")
    label_map.save(path)
    found[f"{kind}, decode_image"] = tf.io.decode_image(path.read_bytes(), channels=3, expand_animations=False)
    ds = keras.utils.image_dataset_from_directory(
        kind, labels=None, image_size=(64, 64), interpolation="nearest", verbose=False
    )
    found[f"{kind}, image_dataset_from_directory"] = next(iter(ds))
    found[f"{kind}, load_img"] = keras.utils.load_img(path)
found["bmp, decode_bmp"] = tf.io.decode_bmp(Path("bmp/labels.bmp").read_bytes(), channels=3)
is_right = {}
for name, pixels in found.items():
    is_right[name] = colours_of(pixels) == COLOURS
    print(f"{name:34} {colours_of(pixels)}")
without = {name for name, right in is_right.items() if not right}
greys = [(value, value, value) for value in range(4)]
if without != {f"bmp, {how}" for how in ("decode_image", "decode_bmp", "image_dataset_from_directory")}:
    sys.exit("changed")
if any(colours_of(found[name]) != greys for name in without):
    sys.exit("changed")
print("as described: of a BMP with a palette, TensorFlow returns the places in it")
PYTHON
