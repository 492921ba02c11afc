#!/bin/sh
# ONNX Runtime 1.32.0 on a processor makes nan of an even picture. Its `GroupNormalization` (opset 21) with one
# channel a group, which is how a net normalizes each image by itself, gives nan for a third of the greys of a
# blank sheet of 256 px in [0, 1], and for more the larger the sheet; at 64 px there are none, so a test sees
# nothing. What is nearly even fares no better: of 512 px, a sky with a little grain is nan, and paper with one
# pencil line has no nan but is off by a quarter. Nothing is said. Its own `InstanceNormalization`, which is the
# same sum, makes no nan, nor do OpenVINO 2026.4.1 and onnx's reference.
#
# The cause: ONNX Runtime has no kernel of its own for it on a processor, and computes what the standard gives as
# the operator's function: the mean of the squares less the square of the mean, in single precision. Both are
# nearly equal here. Where the difference is below -epsilon, its root is nan. Issue 22697 of onnxruntime asked for a
# kernel; issue 21935 (closed as stale) has the like for LayerNormalization. Neither is about this.
#
# Mend: InstanceNormalization, if there is one channel a group; else Reshape, InstanceNormalization, Reshape, Mul
# and Add, as exporters for older opsets write it.
#
# Seen on x86 processors. It needs python3 (3.11 to 3.13) with venv, and a package index. It exits non-zero if the
# behaviour has changed.
set -eu
export ORT_DISABLE_TELEMETRY=1
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cd "$at"
"$at/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

EPSILON = 1e-5


def model_of(operator: str, **how: int) -> onnx.ModelProto:
    ends = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, "H", "W"]) for name in "xy")
    x, y = ends
    kept = [numpy_helper.from_array(np.full(3, value, np.float32), name) for name, value in (("s", 1), ("b", 0))]
    node = helper.make_node(operator, ["x", "s", "b"], ["y"], epsilon=EPSILON, **how)
    graph = helper.make_graph([node], "normalize", [x], [y], kept)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def runner(model: onnx.ModelProto):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return lambda image: session.run(None, {"x": image})[0]


def exact(image: np.ndarray) -> np.ndarray:
    x = image.astype(np.float64)
    return (x - x.mean((2, 3), keepdims=True)) / np.sqrt(x.var((2, 3), keepdims=True) + EPSILON)


print(f"onnxruntime {onnxruntime.__version__}")
grouped = model_of("GroupNormalization", num_groups=3)
ways = {"GroupNormalization": runner(grouped), "InstanceNormalization": runner(model_of("InstanceNormalization"))}
blank = {}
for side in (64, 256, 512):
    sheets = [np.full((1, 3, side, side), grey / 255, np.float32) for grey in range(256)]
    for name, run in ways.items():
        blank[name, side] = sum(bool(np.isnan(run(sheet)).any()) for sheet in sheets)
    counts = {name: blank[name, side] for name in ways}
    print(f"blank sheets of {side} px, of 256 greys this many are nan: {counts}")
sheets = {grey: np.full((1, 3, 256, 256), grey / 255, np.float32) for grey in range(256)}
bad = next(grey for grey, sheet in sheets.items() if np.isnan(ways["GroupNormalization"](sheet)).any())
reference = ReferenceEvaluator(grouped).run(None, {"x": sheets[bad]})[0]
print(f"the first such grey, {bad}: onnx's reference gives {np.abs(reference).max():g}")

paper = np.full((1, 3, 512, 512), 240 / 255, np.float32)
paper[:, :, 256, 100:300] = 200 / 255
grain = (np.random.default_rng(0).integers(200, 203, size=(1, 3, 512, 512)) / 255).astype(np.float32)
off = {}
for what, image in (("paper with a line", paper), ("a sky with grain", grain)):
    right = exact(image)
    off[what] = [float(np.abs(run(image) - right).max() / np.abs(right).max()) for run in ways.values()]
    print(f"{what}, largest error, of the largest value: {dict(zip(ways, (f'{value:.2g}' for value in off[what])))}")

if blank["GroupNormalization", 64] or not blank["GroupNormalization", 256] or np.isnan(reference).any():
    sys.exit("changed")
if any(blank["InstanceNormalization", side] for side in (64, 256, 512)):
    sys.exit("changed: InstanceNormalization")
print("as described: blank sheets are nan")
PYTHON
