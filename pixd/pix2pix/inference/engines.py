"""Chooses the engine that a translator runs its model with.

On a processor in float32 it is ONNX Runtime. Everything else is Keras': a GPU, bfloat16 (which
TensorFlow computes faster where the processor has it), and dropout that is on.
"""

from __future__ import annotations

from collections.abc import Callable

from pixd.pix2pix.importing import importing_tensorflow
from pixd.pix2pix.inference.engine import Engine, ModelSpec
from pixd.pix2pix.network import hardware


def load(spec: ModelSpec, phase: Callable[[str], object]) -> Engine:
    """Load the model of a spec into the engine that suits it.

    Args:
        spec: of the translator.
        phase: is told what is done.

    Raises:
        PixdError: there is no such device or precision, or the model cannot be loaded.
    """
    device = _processor_for(spec)
    if device is not None:
        phase("loading the model")
        from pixd.pix2pix.inference.onnx_engine import OnnxEngine
        from pixd.pix2pix.network.stored import UnreadableModelError

        try:
            return OnnxEngine(spec, device)
        except UnreadableModelError:
            pass  # Keras knows more forms of its file, and says what is wrong if it is none of them
    with importing_tensorflow(phase):
        from pixd.pix2pix.inference.keras_engine import KerasEngine

    phase("building the model")
    return KerasEngine(spec)


def _processor_for(spec: ModelSpec) -> hardware.Device | None:
    """Return the processor that ONNX Runtime is to compute on; None if it is not to."""
    if spec.drops_out or spec.device == "gpu":
        return None
    device = hardware.this_processor()
    precision = device.fastest if spec.precision == "auto" else spec.precision
    if precision != "float32":
        return None
    if spec.device == "auto" and hardware.may_have_gpu():
        device = hardware.choose_device("auto")
    return device if device.kind == "cpu" else None
