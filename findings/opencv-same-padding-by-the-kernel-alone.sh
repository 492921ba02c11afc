#!/bin/sh
# OpenCV 5.0.0.93 reads other pixels than the model says where a convolution or a pooling of stride 2 has
# `auto_pad` SAME_UPPER: for a kernel of 3 and an even size, each is one pixel up and to the left. It adds half of
# the kernel on both sides, whatever the stride and the size are; the standard (ONNX Conv, auto_pad) adds only what
# is missing, and TensorFlow's "same" is that. From layer to layer the shift doubles. The picture has the right size,
# and nothing is said. SAME_LOWER with a kernel of 4 is wrong in the same way. `ConvTranspose` with SAME makes 2n - 1
# pixels of n and not 2n. OpenCV 4.13 has the convolutions with SAME_UPPER right.
#
# Who writes such models: `model.export(format="onnx")` of Keras 3.15.1, and tf2onnx 1.17, where a net takes images of
# any size (`Input((None, None, 3))`); with a fixed size they write numbers, and OpenCV is right. Such a net of Keras
# with two convolutions down and two up, kernel 3, differed by up to 0.27 of 2 in OpenCV, and by 1e-7 in ONNX Runtime.
# Kernels of 4 at even sizes, as pix2pix has them, are right.
#
# The cause is getPadding in conv2_common.cpp of OpenCV's dnn, which knows neither stride nor size. Not known as an
# issue that we found.
#
# Mend: write `pads` instead of `auto_pad` (fix the size when you export).
#
# It needs python3 (3.11 to 3.13) with venv, and a package index. It exits non-zero if the behaviour has changed.
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
from onnx.reference import ReferenceEvaluator

HOW = {"strides": [2, 2], "auto_pad": "SAME_UPPER"}


def model_of(nodes: list, weights: np.ndarray):
    ends = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, None, None, None]) for name in "xy")
    x, y = ends
    graph = helper.make_graph(nodes, "same", [x], [y], [numpy_helper.from_array(weights, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def results(model, image: np.ndarray) -> dict[str, np.ndarray]:
    coded = model.SerializeToString()
    net = cv2.dnn.readNetFromONNX(np.frombuffer(coded, np.uint8))
    net.setInput(image)
    return {
        "onnx's reference": ReferenceEvaluator(model).run(None, {"x": image})[0],
        "ONNX Runtime": onnxruntime.InferenceSession(coded).run(None, {"x": image})[0],
        "OpenCV": net.forward(),
    }


print(f"OpenCV {cv2.__version__}, onnxruntime {onnxruntime.__version__}")
picture = np.add.outer(np.arange(8) * 10, np.arange(8)).astype(np.float32)[None, None]
first_tap = np.zeros((1, 1, 3, 3), np.float32)
first_tap[0, 0, 0, 0] = 1
print("which pixel of 8 is under the kernel's first tap (rows in tens, columns in ones; 0 outside), third row:")
rows = {}
for name, made in results(model_of([helper.make_node("Conv", ["x", "w"], ["y"], **HOW)], first_tap), picture).items():
    rows[name] = made[0, 0, 2].astype(int).tolist()
    print(f"    {name}: {rows[name]}")

noise = np.random.default_rng(1)
weights = noise.normal(size=(3, 3, 3, 3)).astype(np.float32) / 5
chain = [helper.make_node("Conv", ["x" if i == 0 else f"a{i}", "w"], [f"a{i + 1}"], **HOW) for i in range(3)]
chain.append(helper.make_node("Tanh", ["a3"], ["y"]))
waves = np.sin(np.add.outer(np.arange(64) / 5, np.arange(64) / 7)).astype(np.float32)
image = np.stack([waves, waves.T, -waves])[None]
made = results(model_of(chain, weights), image)
far = float(np.abs(made["OpenCV"] - made["ONNX Runtime"]).max())
near = float(np.abs(made["onnx's reference"] - made["ONNX Runtime"]).max())
print(f"three such layers and tanh, of 64 px: OpenCV differs by up to {far:.2f} of 2, the reference by {near:.0e}")

pool = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], **HOW)
pooled = results(model_of([pool], weights), picture)
print("MaxPool, last row:", {name: value[0, 0, -1].astype(int).tolist() for name, value in pooled.items()})

even = np.ones((3, 3, 4, 4), np.float32)
four = results(model_of([helper.make_node("Conv", ["x", "w"], ["y"], **HOW)], even), image)
agrees = float(np.abs(four["OpenCV"] - four["ONNX Runtime"]).max()) < 1e-3
print(f"a kernel of 4 at 64 px agrees: {agrees}")
up = results(model_of([helper.make_node("ConvTranspose", ["x", "w"], ["y"], **HOW)], even), image)
sizes = {name: list(value.shape[2:]) for name, value in up.items() if name != "onnx's reference"}
print("ConvTranspose of 64 px:", sizes)

if rows["ONNX Runtime"] != rows["onnx's reference"] or rows["ONNX Runtime"] != [40, 42, 44, 46]:
    sys.exit("changed in what is right")
if rows["OpenCV"] != [0, 31, 33, 35] or far < 0.1 or near > 1e-5 or not agrees:
    sys.exit("changed")
if sizes != {"ONNX Runtime": [128, 128], "OpenCV": [127, 127]}:
    sys.exit("changed: ConvTranspose")
print("as described: OpenCV reads other pixels")
PYTHON
