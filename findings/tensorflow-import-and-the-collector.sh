#!/bin/sh
# A fifth of the time of `import tensorflow` is Python's own garbage collector. TensorFlow 2.21 and
# Keras 3.15 make some 300,000 objects that stay, so that the collector starts again and again, a few
# times over all of them. What it does find, some 150,000 objects in cycles, is not worth the time in a
# program that runs on: they are garbage of the import itself, and it makes no more of it.
#
# Mend: `gc.disable()` before the import; `gc.freeze()` and `gc.enable()` after it. What is frozen is
# not looked at by later collections either.
#
# It needs python3 (3.11 to 3.13) with venv, and a package index. It exits non-zero if the behaviour
# has changed.
set -eu
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    tensorflow-cpu==2.21.0 keras==3.15.1
cd "$at"
cat >measure.py <<'PYTHON'
import gc
import json
import sys
import time

spent, looks, began = 0.0, [0, 0, 0], 0.0


def note(phase: str, info: dict[str, int]) -> None:
    global spent, began
    if phase == "start":
        began = time.process_time()
    else:
        spent += time.process_time() - began
        looks[info["generation"]] += 1


gc.callbacks.append(note)
if "off" in sys.argv:
    gc.disable()
start = time.process_time()
import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

keras.layers.Layer, tf.keras  # noqa: B018 - both load the rest of themselves late
whole = time.process_time() - start
versions = f"TensorFlow {tf.__version__}, Keras {keras.__version__}"
print(json.dumps([whole, spent, looks, len(gc.get_objects()), versions]))
PYTHON
measure() { TF_CPP_MIN_LOG_LEVEL=3 "$at/venv/bin/python" measure.py "$1" 2>/dev/null; }
measure on >/dev/null # compiles the modules
for _ in 1 2 3 4 5; do measure on >>on; measure off >>off; done
"$at/venv/bin/python" - <<'PYTHON'
import json
import statistics
import sys

on, off = ([json.loads(line) for line in open(name)] for name in ("on", "off"))
whole, without = (statistics.median(row[0] for row in rows) for rows in (on, off))
share = statistics.median(row[1] / row[0] for row in on)
print(f"Python {sys.version.split()[0]}, {on[0][4]}")
print(f"with the collector:    {whole:.2f} s of the processor, {share:.0%} of it in the collector")
print(f"its looks at young, middle-aged and all objects: {on[0][2]}; objects at the end: {on[0][3]:,}")
print(f"without the collector: {without:.2f} s; objects at the end: {off[0][3]:,}")
if share < 0.1 or without > 0.92 * whole:
    sys.exit("changed")
print("as described: the collector takes a good part of the import")
PYTHON
