#!/bin/sh
# With ONNX Runtime 1.32.0 on a processor, one convolution of one image has other values with 3, 5, 6
# or 7 threads than with 1; with 2, 4 and 8 threads it has the same. The product behind it is divided
# among the threads by rows. Where a part's rows are no multiple of what the kernel takes at once, the
# last ones are added in another order. Nothing random is in it: the same number of threads gives the
# same values every time. As the number of threads is the number of cores if nobody says otherwise, the
# same model draws other bytes on another machine, or after a container's limit was changed.
#
# Mend: set intra_op_num_threads to a power of two, if the same bytes matter.
#
# Seen on x86 processors with AVX2. It needs python3 (3.11 to 3.13) with venv, and a package index. It
# exits non-zero if the behaviour has changed.
set -eu
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.0
cd "$at"
"$at/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

CHANNELS, IMAGES = 512, 64
random = np.random.default_rng(0)
shape = (CHANNELS, CHANNELS, 4, 4)
kernel = numpy_helper.from_array(random.normal(0, 0.02, shape).astype(np.float32), "kernel")
node = helper.make_node(
    "ConvTranspose", ["x", "kernel"], ["y"], kernel_shape=[4, 4], strides=[2, 2], pads=[1] * 4
)
graph = helper.make_graph(
    [node],
    "doubles-one-pixel",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", CHANNELS, 1, 1])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", CHANNELS, 2, 2])],
    [kernel],
)
opset = helper.make_opsetid("", 18)
model = helper.make_model(graph, opset_imports=[opset], ir_version=10).SerializeToString()
images = random.normal(size=(IMAGES, 1, CHANNELS, 1, 1)).astype(np.float32)


def values(threads: int) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"x": image})[0] for image in images])


print(f"ONNX Runtime {onnxruntime.__version__}")
one = values(1)
others = set()
for threads in range(1, 9):
    found = values(threads)
    if not np.array_equal(found, values(threads)):
        sys.exit(f"changed: {threads} threads give other values the second time")
    count = int((found != one).any(axis=(1, 2, 3)).sum())
    print(f"{threads} threads: {count} of {IMAGES} images have other values than with one")
    if count:
        others.add(threads)
if not others or others & {2, 4, 8}:
    sys.exit("changed")
print("as described: the number of threads changes values, unless it is a power of two")
PYTHON
