#!/bin/sh
# OpenCV 5.0.0.93 draws white as nan: its `Tanh` for networks gives nan for every value above 44.2, where the
# result is 1 to the last bit of a float. A generator of pictures ends in tanh, and its clearest white may lie
# anywhere above 9: tanh does not hold it. Made to bytes, nan is 0, so whitest pixels become black. Nothing is
# said. It is not seen below 0, and not in a tensor of a few values: only the processor's vectors do it, and
# what is left over at the end of a part is right. So one value has two results, by the place where it stands.
# Both engines of OpenCV 5 do it, alone or after a convolution. 4.13 does not. `Softplus` has a like fault: inf
# above 88.7.
#
# The cause: (exp(2x) - 1) / (exp(2x) + 1), which is inf / inf from there on. The approximate GELU beside it in
# the source (activation_kernels.simd.hpp of OpenCV's dnn) bounds its values first, for this reason. Not known
# as an issue that we found.
#
# Mend: put Clip(-20, 20) before the Tanh of a model that OpenCV shall run; it changes no value.
#
# Seen on x86 processors. It needs python3 (3.11 to 3.13) with venv, and a package index. It exits non-zero if
# the behaviour has changed.
set -eu
export ORT_DISABLE_TELEMETRY=1
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    opencv-python-headless==5.0.0.93 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$at"
"$at/venv/bin/python" - <<'PYTHON'
import sys

import cv2
import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

ENGINES = {"classic": cv2.dnn.ENGINE_CLASSIC, "new": cv2.dnn.ENGINE_NEW}


def last_layers(gain: float, side: int, *, bounded: bool = False) -> bytes:
    """Return a model of a generator's end: an upsampling convolution, and tanh."""
    weights = np.full((1, 3, 2, 2), gain, np.float32)
    shapes = {"x": [1, 1, side, side], "y": [1, 3, 2 * side, 2 * side]}
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    nodes = [helper.make_node("ConvTranspose", ["x", "w"], ["a"], strides=[2, 2])]
    bounds = [numpy_helper.from_array(np.float32(value), name) for name, value in (("low", -20), ("high", 20))]
    if bounded:
        nodes.append(helper.make_node("Clip", ["a", "low", "high"], ["b"]))
    nodes.append(helper.make_node("Tanh", ["b" if bounded else "a"], ["y"]))
    kept = [numpy_helper.from_array(weights, "w"), *(bounds if bounded else [])]
    graph = helper.make_graph(nodes, "end", [x], [y], kept)
    opset = helper.make_opsetid("", 13)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


def by_opencv(model: bytes, image: np.ndarray, engine: int) -> np.ndarray:
    net = cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8), engine)
    net.setInput(image)
    return net.forward()


def by_onnxruntime(model: bytes, image: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(model).run(None, {"x": image})[0]


def as_bytes(values: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.rint((values + 1) * 127.5).astype(np.uint8)


print(f"OpenCV {cv2.__version__}, onnxruntime {onnxruntime.__version__}")
paper = np.ones((1, 1, 8, 8), np.float32)
seen = []
for gain in (44.0, 44.3, 100.0, -100.0):
    model = last_layers(gain, 8)
    counts = {name: int(np.isnan(by_opencv(model, paper, engine)).sum()) for name, engine in ENGINES.items()}
    right = by_onnxruntime(model, paper)
    seen.append(tuple(counts.values()))
    print(f"tanh of {gain:g}: {right.flat[0]:g} everywhere in ONNX Runtime; nan in OpenCV, of {right.size}: {counts}")

board = np.where(np.add.outer(np.arange(64), np.arange(64)) // 8 % 2, 1, -1).astype(np.float32)[None, None]
model = last_layers(50.0, 64)
right = as_bytes(by_onnxruntime(model, board))
drawn = as_bytes(by_opencv(model, board, cv2.dnn.ENGINE_NEW))
whites = int((right == 255).sum())
kept = int((drawn == 255).sum())
print(f"stripes of white and black as bytes: {whites} of {right.size} are 255 in ONNX Runtime, {kept} in OpenCV")
mended = as_bytes(by_opencv(last_layers(50.0, 64, bounded=True), board, cv2.dnn.ENGINE_NEW))
print(f"    with Clip before: {int((mended == 255).sum())}")

x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 35])
y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 35])
graph = helper.make_graph([helper.make_node("Tanh", ["x"], ["y"])], "tanh", [x], [y])
alone = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()
row = by_opencv(alone, np.full((1, 35), 50, np.float32), cv2.dnn.ENGINE_NEW)
nans = int(np.isnan(row).sum())
print(f"35 times the value 50 in a row: {nans} are nan, the last {35 - nans} are {row.flat[-1]:g}")

if seen != [(0, 0), (768, 768), (768, 768), (0, 0)] or not whites or kept or nans not in (32, 34):
    sys.exit("changed")
if not (mended == right).all():
    sys.exit("the mend has changed")
print("as described: white is nan")
PYTHON
