#!/bin/sh
# Keras 3.15.1: RandomElasticTransform bends a picture and its segmentation mask by two different fields. Given
# {"images": x, "segmentation_masks": y}, the layer is to do to the mask what it does to the picture; it draws
# once whether to bend at all, and then a field for each of the two, as what it passes on is not a field but the
# generator of random numbers, which has moved on by then. So pairs fall out of step: with a picture that is its
# own mask, a quarter of the pixels of the two differ, as many as between two pictures that were bent apart. The
# loss still falls, shapes and classes are right, and nothing is said. The other layers that move pixels
# (RandomFlip, RandomRotation, RandomZoom and such) give 0.
#
# Three more layers damage a mask. MixUp takes single pixels of the batch where it should take whole masks (a
# `take` without its axis): a batch of 4 masks with 1 channel comes back with 4. RandomCrop and CenterCrop
# enlarge a mask that is too small bilinearly, although Resizing takes the nearest value: 4 classes become
# hundreds.
#
# Keras issue 20857 and pull request 22192 (2026) are about the interpolation of masks, in seven layers; the
# elastic one is among them, and its two fields went unseen, as its tests give it no mask.
#
# Mend: give the layer one tensor, picture and mask joined in the last axis, with interpolation "nearest" for
# both; or use another layer.
#
# It needs python3 (3.11 to 3.13) with venv, and a package index. It exits non-zero if the behaviour has
# changed.
set -eu
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    tensorflow-cpu==2.21.0 keras==3.15.1 numpy==2.4.6
cd "$at"
KERAS_HOME="$at" TF_CPP_MIN_LOG_LEVEL=3 "$at/venv/bin/python" - 2>errors <<'PYTHON' || { cat errors; exit 1; }
import sys

import keras
import numpy as np
import tensorflow as tf
from keras import layers

print(f"Keras {keras.__version__}, TensorFlow {tf.__version__}")
random = np.random.default_rng(0)
CLASSES = np.array([0, 50, 100, 200], np.float32)
masks = CLASSES[np.kron(random.integers(0, 4, (4, 8, 8)), np.ones((1, 8, 8), int))][..., None]
pictures = np.repeat(masks, 3, -1)  # a picture that is its own mask


def both(layer):
    made = layer({"images": pictures, "segmentation_masks": masks}, training=True)
    return np.asarray(made["images"]), np.asarray(made["segmentation_masks"])


def share(one, other):
    return float((one[..., :1] != other).mean())


nearest = {"interpolation": "nearest", "seed": 1}
moving = {
    "RandomFlip": layers.RandomFlip(seed=1),
    "RandomRotation": layers.RandomRotation(0.2, **nearest),
    "RandomZoom": layers.RandomZoom(0.3, **nearest),
    "RandomTranslation": layers.RandomTranslation(0.3, 0.3, **nearest),
    "RandomShear": layers.RandomShear(0.3, 0.3, **nearest),
    "RandomPerspective": layers.RandomPerspective(1.0, **nearest),
    "RandomElasticTransform": layers.RandomElasticTransform((1.0, 1.0), scale=(1.0, 1.0), **nearest),
}
found = {}
for name, layer in moving.items():
    picture, mask = both(layer)
    found[name] = share(picture, mask)
    print(f"{name:23}{found[name]:4.0%} of the pixels of picture and mask differ")
    if not np.isin(mask, CLASSES).all():
        sys.exit("changed")
elastic = moving["RandomElasticTransform"]
apart = share(np.asarray(elastic(pictures, training=True)), np.asarray(elastic(masks, training=True)))
print(f"{'bent apart':23}{apart:4.0%}")
joined = np.asarray(elastic(np.concatenate([pictures, masks], -1), training=True))
mended = share(joined[..., :3], joined[..., 3:])
print(f"{'joined in one tensor':23}{mended:4.0%}")
pipeline = tf.data.Dataset.from_tensors({"images": pictures, "segmentation_masks": masks}).map(elastic)
made = next(iter(pipeline.as_numpy_iterator()))
in_data = share(made["images"], made["segmentation_masks"])
print(f"{'in tf.data':23}{in_data:4.0%}")

mixed = both(layers.MixUp(seed=1))[1].shape
print(f"MixUp makes of masks {masks.shape} masks {mixed}")
values = {}
for name in ("RandomCrop", "CenterCrop", "Resizing"):
    values[name] = len(np.unique(both(getattr(layers, name)(96, 96))[1]))
    print(f"{name} to 96 px makes of 4 values {values[name]}")
others = [part for name, part in found.items() if name != "RandomElasticTransform"]
as_told = not any(others) and min(found["RandomElasticTransform"], in_data) > 0.1 and mended == 0
as_told &= mixed == (4, 64, 64, 4) and values["Resizing"] == 4
if not as_told or min(values["RandomCrop"], values["CenterCrop"]) < 100:
    sys.exit("changed")
print("as described: picture and mask are bent by two fields, and three more layers damage masks")
PYTHON
