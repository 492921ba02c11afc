"""The engine that runs a model on a processor with ONNX Runtime, in float32.

Nothing of TensorFlow is imported: the model's file is read without it, and is ready in a quarter of
the time. An image takes 0.6 to 0.8 of TensorFlow's time and half of its memory (docs/performance.md).

**The same bytes.** With ONNX Runtime 1.32 an image has the same values alone and in a batch. With
1, 2, 4, 8 and more threads, each twice the one before, they are the same too. With other numbers a
product is divided at places where its last columns are added in another order, which changes some
images. So the threads are a power of two (`findings/onnxruntime-threads-change-values.sh`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pixd.pix2pix.inference.engine import ModelSpec
from pixd.pix2pix.network import hardware, onnx_graph, stored
from pixd.pix2pix.network.codec import codec_with
from pixd.pix2pix.network.model_folder import GENERATOR_FILE, check_files, read_card
from pixd.pix2pix.network.onnx_runtime import onnxruntime
from pixd.system import machine

Pixels = NDArray[np.uint8]

PROVIDER: Final = "CPUExecutionProvider"
_NO_MEMORY: Final = ("Failed to allocate memory", "bad_alloc")
_ERRORS_ONLY: Final = 3  # of onnxruntime's levels of logging


class OnnxEngine:
    """A generator as the `Engine` of a translator."""

    def __init__(self, spec: ModelSpec, device: hardware.Device) -> None:
        """Load the model of a spec.

        Args:
            spec: without dropout, which drops values at random.
            device: the processor, for the record.

        Raises:
            PixdError: the model is damaged or cannot be read.
        """
        folder = Path(spec.model)
        check_files(folder, spec.files)
        generator = stored.read(folder / GENERATOR_FILE)
        self.card: Mapping[str, Any] = read_card(folder)
        self.size = generator.input_shape[0]
        self.largest: int | None = None
        threads = threads_for(machine.available())
        libraries = {"onnxruntime": onnxruntime.__version__}
        self.environment: Mapping[str, Any] = hardware.environment_of(
            libraries, device, "float32", threads
        )
        self._codec = codec_with(generator.output_channels)
        # The session computes with these very arrays, and does not keep them.
        self._weights: dict[str, NDArray[np.float32]] = {}
        self._session = _session(generator, threads, self._weights)

    def __call__(self, images: Sequence[Any]) -> list[Pixels]:
        """Translate images; see `Engine`."""
        return self.pixels(self.values(images), images)

    def values(self, images: Sequence[Any], *, apart: bool = False) -> Any:
        """Return what the network computes; see `Engine`. It is the same apart or not."""
        del apart
        values = self._codec.input_values(np.stack(images))
        try:
            (found,) = self._session.run([onnx_graph.OUTPUT], {onnx_graph.INPUT: values})
        except Exception as error:
            if any(said in str(error) for said in _NO_MEMORY):
                raise MemoryError from error
            raise
        return found

    def pixels(self, values: Any, images: Sequence[Any]) -> list[Pixels]:
        """Return the images of such values; see `Engine`."""
        return list(self._codec.pixels_of(values, np.stack(images)))


def threads_for(cores: int) -> int:
    """Return how many threads to compute with: the largest power of two that has a core for each."""
    return 1 << (cores.bit_length() - 1)


def _session(
    generator: stored.StoredGenerator, threads: int, weights: dict[str, NDArray[np.float32]]
) -> onnxruntime.InferenceSession:
    """Return the network, ready to run. It needs what it puts into `weights` as long as it lives."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # Threads that spin while they wait take time from a training beside them: an image took 1.3 times
    # as much of the processor, and was no sooner done.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    graph = onnx_graph.build(generator, lambda _name: "float32", apart=weights).SerializeToString()
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(one) for one in weights.values()]
    options.add_external_initializers([*weights], values)
    return onnxruntime.InferenceSession(graph, options, providers=[PROVIDER])
