#!/bin/sh
# Keras 3.15.1 writes the time into a .keras file, in two places: `date_saved` in metadata.json, and
# the date of model.weights.h5 in the archive. So `model.save(path)`, called twice on one model, gives
# two files with other bytes and other digests. The weights and the config inside are the same, and
# the other two members have the fixed date of 1980. Nothing that loads the file reads either time.
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
import hashlib
import sys
import time
import zipfile

import keras
import tensorflow as tf

model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
model.save("one.keras")
time.sleep(3)  # a date in an archive has steps of 2 seconds
model.save("other.keras")
print(f"Keras {keras.__version__}, TensorFlow {tf.__version__}")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


differ = []
one, other = zipfile.ZipFile("one.keras"), zipfile.ZipFile("other.keras")
for first, second in zip(one.infolist(), other.infolist()):
    contents = digest(one.read(first)), digest(other.read(second))
    print(first.filename, first.date_time, second.date_time, *contents)
    if contents[0] != contents[1]:
        differ.append(f"{first.filename}: content")
    if first.date_time != second.date_time:
        differ.append(f"{first.filename}: date")
print(*(digest(open(name, "rb").read()) for name in ("one.keras", "other.keras")))
if differ != ["metadata.json: content", "model.weights.h5: date"]:
    sys.exit(f"changed: {differ}")
print("as described: the same model saved twice has other bytes, by the clock alone")
PYTHON
