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

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from pixd.pix2pix.network import stored
from pixd.pix2pix.network.stored import Layer, StoredGenerator, UnreadableModelError

OPSET: Final = 18
IR_VERSION: Final = 10  # of May 2024: runtimes refuse a newer one than they know
INPUT: Final = "input_image"
OUTPUT: Final = "gen_output"
BATCH: Final = "batch"
LARGEST_STEP: Final = {"int8": 127, "int6": 31, "int5": 15}
"""Of quantized weights. All are kept as int8, and -128 is not used, so that 0 is 0. Fewer steps save
nothing by themselves, but what is then compressed."""

ELSEWHERE: Final = "in-memory"
"""The place of weights that are handed over beside the model; no file has this name."""

PrecisionOf = Callable[[str], str]
"""From a layer's name to the precision in which its kernel is kept."""
Floats = NDArray[np.float32]

# Kernels of Keras are (height, width, in, out), transposed ones (height, width, out, in). Those of
# ONNX are (out, in, height, width) and (in, out, height, width).
_TO_ONNX: Final = (3, 2, 0, 1)


def build(
    generator: StoredGenerator,
    precision_of: PrecisionOf,
    *,
    apart: dict[str, Floats] | None = None,
) -> onnx.ModelProto:
    """Return a generator as an ONNX model.

    Args:
        generator: from its file.
        precision_of: "float32", "float16" or a key of `LARGEST_STEP` for each layer with a kernel.
            Whole numbers have a scale for each output channel. Biases and norms stay float32: they
            are small.
        apart: takes the float32 weights by name, and the model only says that they are elsewhere:
            for who hands both to a runtime, which then need not read them out of the model.

    Raises:
        UnreadableModelError: a layer is of a kind that no generator of pixd has.
    """
    height, width, channels = generator.input_shape
    graph = _Graph(precision_of, apart)
    graph.add("Transpose", [INPUT], "nchw", perm=[0, 3, 1, 2])
    names: dict[str, str] = {}
    for layer in generator.layers:
        if layer.kind == stored.INPUT:
            names[layer.name] = "nchw"
            continue
        made = f"{layer.name}.nchw"
        graph.add_layer(layer, [names[name] for name in layer.inputs], made)
        names[layer.name] = made
    graph.add("Transpose", [names[generator.output]], OUTPUT, name="nhwc", perm=[0, 2, 3, 1])
    out: list[str | int | None] = [BATCH, height, width, generator.output_channels]
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
    if apart is None:  # else it would look for a file with the weights
        onnx.checker.check_model(model)
    return model


def sides_of(generator: StoredGenerator) -> dict[str, int]:
    """Return the layers with kernels: the side of the larger image before and after each, in pixels."""
    found = {}
    for layer in generator.layers:
        if layer.kind in {"Conv2D", "Conv2DTranspose"}:
            ((before, *_),) = layer.shapes
            found[layer.name] = 2 * before if layer.kind == "Conv2DTranspose" else before
    return found


@dataclass(slots=True)
class _Graph:
    """Nodes and constants as they are added."""

    precision_of: PrecisionOf
    apart: dict[str, Floats] | None = None
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
        values = np.ascontiguousarray(values)
        if self.apart is None or values.dtype != np.float32:
            self.constants.append(numpy_helper.from_array(values, name))
            return name
        self.apart[name] = values
        told = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=values.shape)
        told.data_location = TensorProto.EXTERNAL
        told.external_data.add(key="location", value=ELSEWHERE)
        self.constants.append(told)
        return name

    def add_layer(self, layer: Layer, inputs: list[str], output: str) -> None:
        """Add what a layer computes."""
        write = _WRITERS.get(layer.kind)
        if write is None:
            raise UnreadableModelError(
                f"the layer {layer.name} ({layer.kind}) cannot be written as ONNX",
                advice="use --format savedmodel",
            )
        write(self, layer, inputs, output)

    def kernel(self, layer: Layer, out_axis: int) -> str:
        """Add a layer's kernel in its precision; return the name of its float32 values."""
        name = f"{layer.name}.kernel"
        values: Floats = layer.weights[0].transpose(_TO_ONNX)
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

Write = Callable[[_Graph, Layer, list[str], str], None]
"""Adds the nodes of a layer: to what, which, the names of its inputs and of its output."""


def _operator(operator: str, **attributes: Any) -> Write:
    """Return what writes one operator, whatever the layer's own settings are."""

    def write(graph: _Graph, layer: Layer, inputs: list[str], output: str) -> None:
        del layer
        graph.add(operator, inputs, output, **attributes)

    return write


def _convolution(graph: _Graph, layer: Layer, inputs: list[str], output: str) -> None:
    is_transposed = layer.kind == "Conv2DTranspose"
    kernel = graph.kernel(layer, out_axis=1 if is_transposed else 0)
    weights = [kernel]
    if layer.config["use_bias"]:
        weights.append(graph.constant(f"{layer.name}.bias", layer.weights[1]))
    graph.add(
        "ConvTranspose" if is_transposed else "Conv",
        [*inputs, *weights],
        output,
        kernel_shape=list(layer.config["kernel_size"]),
        strides=list(layer.config["strides"]),
        pads=_pads(layer),
    )


def _pads(layer: Layer) -> list[int]:
    """Return the padding at each side, of a convolution that halves or doubles."""
    config = layer.config
    (side, *others) = config["kernel_size"]
    is_known = others == [side] and side % 2 == 0 and {*config["strides"]} == {2}
    if config["padding"] != "same" or not is_known:
        raise UnreadableModelError(
            f"the layer {layer.name} is a convolution that no generator of pixd has",
            advice="use --format savedmodel",
        )
    return [side // 2 - 1] * 4


def _norm(graph: _Graph, layer: Layer, inputs: list[str], output: str) -> None:
    ((*_, channels),) = layer.shapes
    if layer.config["groups"] not in (-1, channels):
        raise UnreadableModelError(
            f"the layer {layer.name} normalises groups of channels",
            advice="use --format savedmodel",
        )
    gamma, beta = layer.weights
    scale = graph.constant(f"{layer.name}.scale", gamma)
    offset = graph.constant(f"{layer.name}.offset", beta)
    epsilon = float(layer.config["epsilon"])
    graph.add("InstanceNormalization", [*inputs, scale, offset], output, epsilon=epsilon)


def _leaky_relu(graph: _Graph, layer: Layer, inputs: list[str], output: str) -> None:
    graph.add("LeakyRelu", inputs, output, alpha=float(layer.config["negative_slope"]))


def _activation(graph: _Graph, layer: Layer, inputs: list[str], output: str) -> None:
    operator = {"tanh": "Tanh", "linear": "Identity"}[layer.config["activation"]]
    graph.add(operator, inputs, output)


_WRITERS: Final[Mapping[str, Write]] = {
    "Conv2D": _convolution,
    "Conv2DTranspose": _convolution,
    "GroupNormalization": _norm,
    "LeakyReLU": _leaky_relu,
    "ReLU": _operator("Relu"),
    "Concatenate": _operator("Concat", axis=1),
    "Dropout": _operator("Identity"),
    "Activation": _activation,
}
