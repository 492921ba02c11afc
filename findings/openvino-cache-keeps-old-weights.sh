#!/bin/sh
# OpenVINO 2026.4.1 with CACHE_DIR goes on with the old weights after a model was trained anew.
# `compile_model(path)` takes a cached model for the file's own if path, size and whole second of its
# change are the same. It looks at no content, and never at the weights beside it: model.bin of an IR,
# or the external data of an ONNX file. Two models of one architecture have the same model.xml to the
# byte. So whatever brings only files that differ (git, dvc, rsync --checksum) replaces model.bin alone,
# and every start, on and on, draws with weights that are not on the disk any more. The same happens to
# a single .onnx whose time is fixed (SOURCE_DATE_EPOCH, tar --mtime), or that is written twice in one
# second. LOADED_FROM_CACHE is true; nothing else tells.
#
# Mend: `compile_model(core.read_model(path), ...)`, which puts the weights into the cache's key; or a
# new cache, or a new path, for each model.
#
# It needs python3 (3.11 to 3.13) with venv, and a package index. It exits non-zero if the behaviour
# has changed.
set -eu
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    openvino==2026.4.1 onnx==1.23.2 numpy==2.4.6
cd "$at"
"$at/venv/bin/python" - <<'PYTHON'
import os
import sys
from pathlib import Path

sys.modules["openvino_telemetry"] = None  # else the import tells its maker

import numpy as np
import onnx
import openvino
from onnx import TensorProto, helper, numpy_helper

image = np.ones((1, 3, 8, 8), np.float32)


def write_onnx(path: str, seed: int, **how: object) -> None:
    weights = np.random.default_rng(seed).normal(size=(4, 3, 3, 3)).astype(np.float32)
    shapes = {"x": [1, 3, 8, 8], "y": [1, 4, 6, 6]}
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="conv")
    graph = helper.make_graph([node], "one-layer", [x], [y], [numpy_helper.from_array(weights, "w")])
    opset = helper.make_opsetid("", 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=10), path, **how)


def write_ir(path: str, seed: int) -> None:
    write_onnx("step.onnx", seed)
    openvino.save_model(openvino.Core().read_model("step.onnx"), path, compress_to_fp16=False)


def drawn(path: str, *, cached: bool, by_content: bool = False) -> tuple[float, bool]:
    core = openvino.Core()
    model = core.read_model(path) if by_content else path
    folder = f"cache-{by_content}"
    compiled = core.compile_model(model, "CPU", {"CACHE_DIR": folder} if cached else {})
    return round(float(compiled(image)[0].sum()), 2), compiled.get_property("LOADED_FROM_CACHE")


def compare(what: str, path: str) -> bool:
    """Say what is drawn with and without the cache, and return if they differ."""
    with_cache, is_from_cache = drawn(path, cached=True)
    without, _ = drawn(path, cached=False)
    print(f"{what}: {with_cache} (LOADED_FROM_CACHE {is_from_cache}), without a cache {without}")
    return with_cache != without


print(f"OpenVINO {openvino.__version__}")
write_ir("model.xml", 1)
first = compare("an IR, first", "model.xml")
drawn("model.xml", cached=True, by_content=True)
write_ir("other.xml", 2)
same = Path("model.xml").read_bytes() == Path("other.xml").read_bytes()
print(f"model.xml of two models has the same bytes: {same}")
os.replace("other.bin", "model.bin")
stale = [compare("its model.bin replaced", "model.xml")]
by_content, _ = drawn("model.xml", cached=True, by_content=True)
print(f"    with read_model, and a cache of its own: {by_content}")

os.mkdir("external"), os.chdir("external")
external = {"save_as_external_data": True, "location": "weights", "size_threshold": 0}
write_onnx("model.onnx", 1, **external)
compare("an ONNX file with external data, first", "model.onnx")
os.remove("weights")
written = os.stat("model.onnx")
write_onnx("other.onnx", 2, **external)  # writes "weights" beside it, and model.onnx stays
assert os.stat("model.onnx").st_mtime_ns == written.st_mtime_ns
stale.append(compare("its external data replaced", "model.onnx"))

a_time = 1_700_000_000
write_onnx("single.onnx", 1)
os.utime("single.onnx", (a_time, a_time))
compare("a single ONNX file, first", "single.onnx")
write_onnx("single.onnx", 2)
os.utime("single.onnx", (a_time, a_time))
stale.append(compare("the file replaced, with the same time", "single.onnx"))
os.chdir("..")
if first or not same or stale != [True] * 3 or by_content != drawn("model.xml", cached=False)[0]:
    sys.exit("changed")
print("as described: the cache has the old weights")
PYTHON
