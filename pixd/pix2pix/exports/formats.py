"""Writes a generator in each format. Converters are imported when they are asked for."""

from __future__ import annotations

import functools
import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import keras

from pixd.pix2pix.network import stored

if TYPE_CHECKING:
    from onnx import ModelProto

SAVED_MODEL: Final = "saved_model"
FILES: Final = {
    "savedmodel": SAVED_MODEL,
    "onnx": "model.onnx",
    "litert": "model.tflite",
    "openvino": "model.xml",
}
"""What a runtime is told to load, by format. OpenVINO's weights are beside it, in model.bin."""
_NAMED: Final = {"Parameter", "Result"}  # as people call the model


@dataclass
class Writer:
    """Writes one generator in several formats, which share what they are made from.

    Attributes:
        generator: of stock Keras layers.
        file: the model's own, which holds the same.
        target: the folder of the export.
        scratch: for what is only a step on the way.
        weights: "float32", "float16" or "int8".
    """

    generator: keras.Model
    file: Path
    target: Path
    scratch: Path
    weights: str

    @functools.cached_property
    def kept(self) -> stored.StoredGenerator:
        """The generator from its file, for the formats that are written from its weights."""
        return stored.read(self.file)

    def write(self, format_: str) -> Path:
        """Write a format into the target and return what its runtime loads."""
        made = self.target / FILES[format_]
        _WRITERS[format_](self, made)
        return made

    def savedmodel(self, path: Path) -> None:
        """Write a SavedModel."""
        self.generator.export(path, format="tf_saved_model", verbose=False)

    def onnx(self, path: Path) -> None:
        """Write ONNX."""
        path.write_bytes(self._graph(self.weights).SerializeToString(deterministic=True))

    def litert(self, path: Path) -> None:
        """Write LiteRT.

        It comes from a SavedModel: `from_concrete_functions` with a Keras 3 model gives 58 kB
        without weights, and raises nothing.
        """
        import tensorflow as tf

        saved = self.target / SAVED_MODEL
        if not saved.exists():
            saved = self.scratch / SAVED_MODEL
            self.savedmodel(saved)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(saved))
        if self.weights == "float16":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path.write_bytes(converter.convert())

    def openvino(self, path: Path) -> None:
        """Write OpenVINO's own form, from the ONNX: from a SavedModel it is half as fast."""
        from pixd.pix2pix.exports.openvino_runtime import openvino

        is_half = self.weights == "float16"
        graph = self._graph("float32" if is_half else self.weights)
        source = self.scratch / "for-openvino.onnx"
        source.write_bytes(graph.SerializeToString(deterministic=True))
        read = openvino.Core().read_model(str(source))
        # Else model.xml of two models would have the same bytes, and what copies only files that
        # differ would leave it: OpenVINO's cache then keeps the old weights, as it looks at nothing else
        # (findings/openvino-cache-keeps-old-weights.sh).
        read.set_rt_info(hashlib.sha256(source.read_bytes()).hexdigest(), ["pixd", "made_from"])
        # OpenVINO numbers what has no name through the whole life of a process.
        read.set_friendly_name("generator")
        for number, node in enumerate(read.get_ordered_ops()):
            if node.get_type_name() not in _NAMED:
                node.set_friendly_name(f"{node.get_type_name()}_{number}")
        openvino.save_model(read, str(path), compress_to_fp16=is_half)
        source.unlink()

    def _graph(self, weights: str) -> ModelProto:
        from pixd.pix2pix.network import onnx_graph

        return onnx_graph.build(self.kept, lambda _name: weights)


_WRITERS: Final[dict[str, Callable[[Writer, Path], Any]]] = {
    "savedmodel": Writer.savedmodel,
    "onnx": Writer.onnx,
    "litert": Writer.litert,
    "openvino": Writer.openvino,
}
