#!/bin/sh
# `tf.cast(x, tf.uint8)` of TensorFlow 2.21.0 on a processor gives one value two results, by the place
# where it stands. Above 255 most pixels stay white (255), but a few wrap: 256.5 becomes 0. The vectors
# saturate and what is left over at the end of a thread's part does not. So a bicubic picture, which
# overshoots at every sharp edge, gets a few black pixels in white lines, in the middle of it. Where, and
# whether at all, depends on the picture's size and on the number of threads: at 256 px there are none,
# so a test sees nothing, and the same picture is whole on one core and has specks on two. Below 0 the
# same makes white pixels in black. Nothing is said. `tf.cast` documents only nan and inf as undefined.
# XLA saturates everywhere. tf.image.convert_image_dtype without `saturate` does it too.
#
# That some casts saturate is tensorflow issue 79689 (closed); it does not say that it depends on the place.
#
# Mend: tf.saturate_cast(x, tf.uint8), or clip before the cast.
#
# Seen on x86 processors. It needs python3 (3.11 to 3.13) with venv, and a package index. It exits non-zero
# if the behaviour has changed.
set -eu
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    tensorflow-cpu==2.21.0 keras==3.15.1 numpy==2.4.6
cd "$at"
cat >cast.py <<'PYTHON'
import json
import sys

import numpy as np
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[1]))
drawing = np.zeros((96, 96, 3), np.float32)  # white lines on black
drawing[::8] = drawing[:, ::8] = 255
same = tf.cast(tf.fill([37], 256.5), tf.uint8).numpy()  # 37 times one value
wrong, sample = {}, ""
for side in (250, 256, 333, 1001):
    large = tf.image.resize(drawing, (side, side), method="bicubic")
    made = tf.cast(large, tf.uint8).numpy().astype(int)
    right = tf.saturate_cast(large, tf.uint8).numpy().astype(int)
    assert (right == np.clip(large.numpy(), 0, 255).astype(int)).all()
    places = np.argwhere(made != right)
    wrong[side] = len(places)
    if len(places) and not sample:
        row, column, band = places[0].tolist()
        value = float(large[row, column, band])
        sample = f"at {side} px row {row}: {value:.1f} became {made[row, column, band]}"
print(json.dumps([tf.__version__, same.tolist(), wrong, sample]))
PYTHON
for threads in 1 2 4; do TF_CPP_MIN_LOG_LEVEL=3 "$at/venv/bin/python" cast.py $threads 2>/dev/null >>found; done
"$at/venv/bin/python" - <<'PYTHON'
import json
import sys

found = dict(zip((1, 2, 4), (json.loads(line) for line in open("found"))))
version, same, _, _ = found[1]
print(f"TensorFlow {version}")
print(f"256.5, 37 times, as uint8: {same}")
for threads, (_, _, wrong, sample) in found.items():
    told = ", ".join(f"{side} px: {count}" for side, count in wrong.items())
    print(f"wrong values in a bicubic drawing, {threads} threads: {told}{'; ' if sample else ''}{sample}")
by_place = set(same) == {0, 255}
by_threads = len({json.dumps(row[2]) for row in found.values()}) > 1
if not (by_place and by_threads) or any(row[2]["256"] for row in found.values()):
    sys.exit("changed")
print("as described: one value has two results, and which depends on size and threads")
PYTHON
