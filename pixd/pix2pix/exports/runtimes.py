"""Exported models, each loaded as somebody without pixd would load it.

Each function takes what `pixd.pix2pix.exports.formats` has written and returns the model as a
function of values, (batch, size, size, channels) float32 in [-1, 1], or None if its runtime is not
installed. Runtimes are imported when they are asked for: each is large.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf

from pixd.pix2pix.exports.agreement import Run, Values
from pixd.system import machine

SIGNATURE: Final = "serving_default"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in its own runtime.

    Attributes:
        runtime: its name and version.
        run: the model as a function of a batch of values.
    """

    runtime: str
    run: Run


def load_savedmodel(folder: Path) -> Loaded:
    """Load a SavedModel as a server does."""
    served = tf.saved_model.load(str(folder))
    signature = served.signatures[SIGNATURE]
    (name,) = signature.structured_input_signature[1]

    def run(values: Values) -> Values:
        (output,) = signature(**{name: tf.constant(values)}).values()
        return np.asarray(output)

    run.model = served  # type: ignore[attr-defined] # a signature does not keep its model alive
    return Loaded(f"TensorFlow {tf.__version__}", run)


def load_onnx(path: Path) -> Loaded:
    """Load a model in ONNX Runtime."""
    from pixd.pix2pix.network.onnx_runtime import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = machine.available()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(values: Values) -> Values:
        (output,) = session.run(None, {session.get_inputs()[0].name: values})
        return np.asarray(output)

    return Loaded(f"ONNX Runtime {onnxruntime.__version__}", run)


def load_litert(path: Path) -> Loaded:
    """Load a model in LiteRT: its own package if it is installed, else the one within TensorFlow."""
    if util.find_spec("ai_edge_litert") is not None:
        from ai_edge_litert import interpreter as litert

        runtime = f"LiteRT {metadata.version('ai-edge-litert')}"
    else:
        litert, runtime = tf.lite, f"LiteRT of TensorFlow {tf.__version__}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that TensorFlow's will be removed one day
        interpreter = litert.Interpreter(str(path), num_threads=machine.available())
    runner = interpreter.get_signature_runner(SIGNATURE)
    (name,) = runner.get_input_details()

    def run(values: Values) -> Values:
        (output,) = runner(**{name: values}).values()
        return np.asarray(output)

    return Loaded(runtime, run)


def load_openvino(path: Path) -> Loaded | None:
    """Load a model in OpenVINO, in float32: on some processors it would take bfloat16 by itself."""
    if util.find_spec("openvino") is None:
        return None
    from pixd.pix2pix.exports.openvino_runtime import openvino

    compiled = openvino.Core().compile_model(
        str(path),
        "CPU",
        {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": machine.available()},
    )

    def run(values: Values) -> Values:
        return np.array(compiled(values)[0])

    return Loaded(f"OpenVINO {metadata.version('openvino')}", run)


LOADERS: Final[dict[str, Callable[[Any], Loaded | None]]] = {
    "savedmodel": load_savedmodel,
    "onnx": load_onnx,
    "litert": load_litert,
    "openvino": load_openvino,
}
