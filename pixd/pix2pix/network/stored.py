"""A generator as its `.keras` file holds it: layers and weights, read without Keras or TensorFlow.

Importing TensorFlow takes seconds and half a gigabyte, and who only multiplies these weights needs
neither. The file is an archive: `config.json` names the layers and what leads to what, and
`model.weights.h5` has their variables. There a layer is known by its kind and by how many of that
kind came before it, not by its name.

Source: keras/src/saving/saving_lib.py of Keras 3.15 (`_save_container_state`).
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from pixd.system.errors import PixdError

CONFIG: Final = "config.json"
WEIGHTS: Final = "model.weights.h5"
INPUT: Final = "InputLayer"
_GROUPS: Final = {
    "Conv2D": "conv2d",
    "Conv2DTranspose": "conv2d_transpose",
    "GroupNormalization": "group_normalization",
}
"""The kinds of layers that have weights, and what their groups are called."""

Weights = list[NDArray[np.float32]]


class UnreadableModelError(PixdError):
    """The file is not what a generator of pixd is kept in."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer.

    Attributes:
        name: as the network calls it.
        kind: Keras' class.
        config: its settings, as Keras writes them.
        inputs: the names of the layers whose outputs it takes.
        shapes: of these outputs, without the batch.
        weights: its variables, in Keras' order: kernel and bias, or scale and offset.
    """

    name: str
    kind: str
    config: Mapping[str, Any]
    inputs: Sequence[str]
    shapes: Sequence[tuple[int, ...]]
    weights: Weights = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StoredGenerator:
    """A generator.

    Attributes:
        layers: each after those that it takes from; the first is the input.
        output: the name of the last.
        output_channels: of what it gives.
    """

    layers: Sequence[Layer]
    output: str
    output_channels: int

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of its input; height and width of its output are the same."""
        _, height, width, channels = self.layers[0].config["batch_shape"]
        return height, width, channels


def read(path: Path) -> StoredGenerator:
    """Read a generator.

    Raises:
        UnreadableModelError: it is no such file, or another Keras wrote it in another way.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read(CONFIG))["config"]
            with h5py.File(io.BytesIO(archive.read(WEIGHTS))) as file:
                return _generator(config, file)
    except (OSError, ValueError, KeyError, TypeError, IndexError, zipfile.BadZipFile) as error:
        raise UnreadableModelError(
            f"the model at {path} cannot be read: {type(error).__name__}: {error}",
            advice="`pixd verify` names all that is damaged",
        ) from error


def _generator(config: Mapping[str, Any], file: Any) -> StoredGenerator:
    counted: Counter[str] = Counter()
    layers = []
    for told in config["layers"]:
        kind = told["class_name"]
        tensors = [] if kind == INPUT else _tensors(told["inbound_nodes"])
        weights: Weights = []
        if group := _GROUPS.get(kind):
            number = counted[kind]
            counted[kind] += 1
            weights = _weights(file["layers"][f"{group}_{number}" if number else group])
        layers.append(
            Layer(
                name=told["name"],
                kind=kind,
                config=told["config"],
                inputs=[tensor["keras_history"][0] for tensor in tensors],
                shapes=[tuple(tensor["shape"][1:]) for tensor in tensors],
                weights=weights,
            )
        )
    output, *_ = _flat(config["output_layers"])
    return StoredGenerator(layers, output, _output_channels(layers))


def _tensors(nodes: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return what a layer that is used once takes."""
    (node,) = nodes
    (taken,) = node["args"]
    return [tensor["config"] for tensor in (taken if isinstance(taken, list) else [taken])]


def _weights(group: Any) -> Weights:
    held = group["vars"]
    return [np.asarray(held[str(number)], np.float32) for number in range(len(held))]


def _flat(layers: Any) -> Any:
    """Return name, node and tensor of a model's one output, which Keras wraps in a list or not."""
    return layers[0] if isinstance(layers[0], list) else layers


def _output_channels(layers: Sequence[Layer]) -> int:
    return int([layer for layer in layers if layer.kind == "Conv2DTranspose"][-1].config["filters"])
