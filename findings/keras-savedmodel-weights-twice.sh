#!/bin/sh
# Keras 3.15.1 writes every weight twice into a SavedModel: `model.export(path)` leaves a checkpoint
# that has each of them under "variables" and again under "_all_variables". A model of 218 MB so
# becomes a folder of 436 MB. The .keras file of the same model has each weight once.
#
# It needs python3 (3.11 to 3.13) with venv, and a package index. It exits non-zero if the behaviour
# has changed.
set -eu
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    tensorflow==2.21.0 keras==3.15.1
cd "$at"
TF_CPP_MIN_LOG_LEVEL=3 "$at/venv/bin/python" - <<'PYTHON'
import math
import os
import sys

import keras
import tensorflow as tf

model = keras.Sequential([keras.Input((512,)), keras.layers.Dense(512)])
model.export("saved_model", format="tf_saved_model", verbose=False)
model.save("model.keras")
checkpoint = "saved_model/variables/variables"
kept = {name: math.prod(shape) for name, shape in tf.train.list_variables(checkpoint) if shape}
on_disk = os.path.getsize(f"{checkpoint}.data-00000-of-00001")
weights = model.count_params()
print(f"Keras {keras.__version__}, TensorFlow {tf.__version__}")
print(f"the model has {weights:,} weights, {4 * weights:,} bytes in float32")
print(f"model.keras: {os.path.getsize('model.keras'):,} bytes")
print(f"SavedModel: {sum(kept.values()):,} weights in its checkpoint of {on_disk:,} bytes")
print("under", ", ".join(sorted({name.split("/")[0] for name in kept})))
if sum(kept.values()) != 2 * weights:
    sys.exit("changed")
print("as described: each weight is there twice")
PYTHON
