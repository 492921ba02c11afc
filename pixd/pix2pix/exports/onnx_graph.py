"""A generator as ONNX, written operator by operator.

A converter would go by way of TensorFlow's graph and keep what that had to add. The graph written
here has one operator a layer, so that runtimes recognise what they are fast at. It is NCHW inside,
as these runtimes compute, and NHWC outside, as the SavedModel's signature is. The batch may have
any size. The same weights give the same bytes.

Source: https://onnx.ai/onnx/operators for the operators, opset 18 (and 13 for DequantizeLinear).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import keras
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from pixd.pix2pix.network.models import KERNEL_PX
from pixd.system.errors import PixdError

OPSET: Final = 18
IR_VERSION: Final = 10  # of May 2024: runtimes refuse a newer one than they know
INPUT: Final = "input_image"
OUTPUT: Final = "gen_output"
BATCH: Final = "batch"
LARGEST_STEP: Final = {"int8": 127, "int6": 31, "int5": 15}
"""Of quantized weights. All are kept as int8, and -128 is not used, so that 0 is 0. Fewer steps save
nothing by themselves, but what is then compressed."""

PrecisionOf = Callable[[str], str]
"""From a layer's name to the precision in which its kernel is kept."""
Floats = NDArray[np.float32]

# Kernels of Keras are (height, width, in, out), transposed ones (height, width, out, in). Those of
# ONNX are (out, in, height, width) and (in, out, height, width).
_TO_ONNX: Final = (3, 2, 0, 1)


def build(generator: keras.Model, precision_of: PrecisionOf) -> onnx.ModelProto:
    """Return a generator as an ONNX model.

    Args:
        generator: of stock Keras layers, as `pixd.pix2pix.network.models.for_saving` gives it.
        precision_of: "float32", "float16" or a key of `LARGEST_STEP` for each layer with a kernel.
            Whole numbers have a scale for each output channel. Biases and norms stay float32: they
            are small.

    Raises:
        PixdError: a layer is of a kind that no generator of pixd has.
    """
    _, height, width, channels = generator.input_shape
    graph = _Graph(precision_of)
    graph.add("Transpose", [INPUT], "nchw", perm=[0, 3, 1, 2])
    names: dict[str, str] = {}
    for layer in generator.layers:
        if isinstance(layer, keras.layers.InputLayer):
            names[layer.output.name] = "nchw"
            continue
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        made = f"{layer.name}.nchw"
        graph.add_layer(layer, [names[one.name] for one in inputs], made)
        names[layer.output.name] = made
    last = names[generator.output.name]
    graph.add("Transpose", [last], OUTPUT, name="nhwc", perm=[0, 2, 3, 1])
    out = [BATCH, *generator.output_shape[1:]]
    whole = helper.make_graph(
        graph.nodes,
        "generator",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [BATCH, height, width, channels])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, out)],
        graph.constants,
    )
    model = helper.make_model(
        whole,
        producer_name="pixd",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model)
    return model


def sides_of(generator: keras.Model) -> dict[str, int]:
    """Return the layers with kernels: the side of the larger image before and after each, in pixels."""
    return {
        layer.name: int(max(layer.input.shape[1], layer.output.shape[1]))
        for layer in generator.layers
        if hasattr(layer, "kernel")
    }


@dataclass(slots=True)
class _Graph:
    """Nodes and constants as they are added."""

    precision_of: PrecisionOf
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def add(
        self, operator: str, inputs: list[str], output: str, *, name: str = "", **attributes: Any
    ) -> None:
        """Add a node with one output, which has the node's name unless another is given."""
        self.nodes.append(
            helper.make_node(operator, inputs, [output], name=name or output, **attributes)
        )

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Add a constant and return its name."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add_layer(self, layer: keras.Layer, inputs: list[str], output: str) -> None:
        """Add what a layer computes."""
        write = _WRITERS.get(type(layer))
        if write is None:
            raise PixdError(
                f"the layer {layer.name} ({type(layer).__name__}) cannot be written as ONNX",
                advice="use --format savedmodel",
            )
        write(self, layer, inputs, output)

    def kernel(self, layer: keras.Layer, out_axis: int) -> str:
        """Add a layer's kernel in its precision; return the name of its float32 values."""
        name = f"{layer.name}.kernel"
        values: Floats = np.asarray(layer.kernel, np.float32).transpose(_TO_ONNX)
        precision = self.precision_of(layer.name)
        if precision == "float16":
            kept = self.constant(f"{name}.float16", values.astype(np.float16))
            self.add("Cast", [kept], name, to=TensorProto.FLOAT)
        elif precision in LARGEST_STEP:
            quantized, scale = quantize(values, out_axis, LARGEST_STEP[precision])
            kept = self.constant(f"{name}.int8", quantized)
            zero = self.constant(f"{name}.zero", np.zeros_like(scale, np.int8))
            scales = self.constant(f"{name}.scale", scale)
            self.add("DequantizeLinear", [kept, scales, zero], name, axis=out_axis)
        else:
            self.constant(name, values)
        return name


def quantize(values: Floats, axis: int, largest_step: int) -> tuple[NDArray[np.int8], Floats]:
    """Return values as int8, and the scale of each slice along an axis.

    Args:
        values: any shape.
        axis: the scales' axis.
        largest_step: what the largest value of a slice becomes, at most 127.

    Returns:
        int8 of the same shape, and float32 (length of the axis): what one step is worth. A slice
        of zeros has the scale 1.
    """
    others = tuple(one for one in range(values.ndim) if one != axis)
    largest = np.abs(values).max(axis=others)
    scale = np.where(largest > 0, largest / largest_step, 1).astype(np.float32)
    shape = [-1 if one == axis else 1 for one in range(values.ndim)]
    steps = np.rint(values / scale.reshape(shape))
    return np.clip(steps, -largest_step, largest_step).astype(np.int8), scale


# -- layers ----------------------------------------------------------------------------------

Write = Callable[[_Graph, keras.Layer, list[str], str], None]
"""Adds the nodes of a layer: to what, which, the names of its inputs and of its output."""


def _operator(operator: str, **attributes: Any) -> Write:
    """Return what writes one operator, whatever the layer's own settings are."""

    def write(graph: _Graph, layer: keras.Layer, inputs: list[str], output: str) -> None:
        del layer
        graph.add(operator, inputs, output, **attributes)

    return write


def _convolution(graph: _Graph, layer: keras.Layer, inputs: list[str], output: str) -> None:
    is_transposed = isinstance(layer, keras.layers.Conv2DTranspose)
    kernel = graph.kernel(layer, out_axis=1 if is_transposed else 0)
    weights = [kernel]
    if layer.use_bias:
        weights.append(graph.constant(f"{layer.name}.bias", np.asarray(layer.bias, np.float32)))
    graph.add(
        "ConvTranspose" if is_transposed else "Conv",
        [*inputs, *weights],
        output,
        kernel_shape=list(layer.kernel_size),
        strides=list(layer.strides),
        pads=_pads(layer),
    )


def _pads(layer: keras.Layer) -> list[int]:
    """Return the padding at each side: 1, as every convolution of a generator halves or doubles."""
    if layer.padding != "same" or {*layer.kernel_size} != {KERNEL_PX} or {*layer.strides} != {2}:
        raise PixdError(
            f"the layer {layer.name} is a convolution that no generator of pixd has",
            advice="use --format savedmodel",
        )
    return [1] * 4


def _norm(graph: _Graph, layer: keras.Layer, inputs: list[str], output: str) -> None:
    channels = layer.input.shape[-1]
    if layer.groups not in (-1, channels):
        raise PixdError(
            f"the layer {layer.name} normalises groups of channels",
            advice="use --format savedmodel",
        )
    scale = graph.constant(f"{layer.name}.scale", np.asarray(layer.gamma, np.float32))
    offset = graph.constant(f"{layer.name}.offset", np.asarray(layer.beta, np.float32))
    graph.add("InstanceNormalization", [*inputs, scale, offset], output, epsilon=layer.epsilon)


def _leaky_relu(graph: _Graph, layer: keras.Layer, inputs: list[str], output: str) -> None:
    graph.add("LeakyRelu", inputs, output, alpha=float(layer.negative_slope))


def _activation(graph: _Graph, layer: keras.Layer, inputs: list[str], output: str) -> None:
    operator = {"tanh": "Tanh", "linear": "Identity"}[layer.activation.__name__]
    graph.add(operator, inputs, output)


_WRITERS: Final[Mapping[type[keras.Layer], Write]] = {
    keras.layers.Conv2D: _convolution,
    keras.layers.Conv2DTranspose: _convolution,
    keras.layers.GroupNormalization: _norm,
    keras.layers.LeakyReLU: _leaky_relu,
    keras.layers.ReLU: _operator("Relu"),
    keras.layers.Concatenate: _operator("Concat", axis=1),
    keras.layers.Dropout: _operator("Identity"),
    keras.layers.Activation: _activation,
}
