"""What an export says of itself: the card's part on it, and the README."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pixd
from pixd.pix2pix.network.model_folder import GENERATOR_FILE
from pixd.store import model_scores
from pixd.system.wording import counted

SIGNATURE: Final = "serving_default"
_SAYS: Final = {
    "savedmodel": f"for TensorFlow Serving; signature `{SIGNATURE}`",
    "onnx": "ONNX, for ONNX Runtime and others; input `input_image`, any batch",
    "litert": f"LiteRT, for phones; signature `{SIGNATURE}`",
    "openvino": "OpenVINO; its weights are in `model.bin`",
    "web": "a page that draws: put this folder on any static host",
}
_CALLS: Final = {
    "onnx": [
        "import os",
        "os.environ['ORT_DISABLE_TELEMETRY'] = '1'  # else ONNX Runtime tells its maker of its use",
        "import numpy as np, onnxruntime",
        "session = onnxruntime.InferenceSession('model.onnx')",
        "(y,) = session.run(None, {'input_image': x})",
    ],
    "litert": [
        "from ai_edge_litert.interpreter import Interpreter",
        "runner = Interpreter('model.tflite').get_signature_runner()",
        "(y,) = runner(**{next(iter(runner.get_input_details())): x}).values()",
    ],
    "openvino": [
        "import openvino",
        "model = openvino.Core().compile_model('model.xml', 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})",
        "y = model(x)[0]",
    ],
}


def about(given: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, Any]:
    """Return what an export's card says of the model and its origin.

    Args:
        given: by who asked for the export.
        files: digest of each file of the model, by name.
    """
    return {
        "pixd": pixd.__version__,
        **({"weights_sha256": files[GENERATOR_FILE]} if GENERATOR_FILE in files else {}),
        **given,
    }


def readme(card: Mapping[str, Any]) -> str:
    """Return the README of an export, in Markdown.

    Args:
        card: as it is written beside it.
    """
    export = card["export"]
    formats: Mapping[str, Any] = export["formats"]
    size = card["image_size"]
    parts = [
        "# An image translator",
        _paragraph(
            f"Translates {size}x{size} images: {card['input']}. Values go in and come out as float32 in",
            "[-1, 1], NHWC.",
        ),
        _table(
            ("", "channels", "values"),
            ("in", card["input_channels"], card["input_values"]),
            ("out", card["output_channels"], card["output_values"]),
        ),
        f"Colour: {card['colour']}.",
        _paragraph(
            f"Trained for {card['steps']} steps{_origin(card)};",
            "`model.json` holds the settings, the scores and the data.",
        ),
        *_scores(card["metrics"]),
        _table(("", ""), *_files(formats)),
        *_code(card, formats),
        _paragraph(
            "An image that is not square must be fitted first: this model was trained with",
            f"`fit: {card['fit']}`.",
        ),
        *_agreement(formats),
        *([f"Licence: {export['licence']}."] if "licence" in export else []),
    ]
    return "\n\n".join(parts) + "\n"


def _origin(card: Mapping[str, Any]) -> str:
    """Say that the steps are not all that the weights have learned by."""
    return ", going on from the weights of an earlier model" if card.get("begun_from") else ""


def _files(formats: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "savedmodel" in formats:
        yield f"`{GENERATOR_FILE}`", "stock Keras layers; loads without pixd"
    for name, told in formats.items():
        yield f"`{told['file']}`", _SAYS[name]
    yield "`model.json`", "the model card"


def _paragraph(*lines: str) -> str:
    return "\n".join(lines)


def _table(head: tuple[Any, ...], *rows: tuple[Any, ...]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "|" + "|".join("---" if cell == "---" else f" {cell} " for cell in line) + "|"
        for line in lines
    )


def _code(card: Mapping[str, Any], formats: Mapping[str, Any]) -> Iterator[str]:
    if "savedmodel" in formats:
        yield _block(card["usage"])
    others = [name for name in formats if name in _CALLS]
    if others:
        yield (
            f"`x` is (batch, {card['image_size']}, {card['image_size']}, {card['input_channels']})"
            " float32, and so is `y`, with the channels of the output:"
        )
    for name in others:
        yield _block(_CALLS[name])


def _block(lines: Any) -> str:
    return "```python\n" + "\n".join(lines) + "\n```"


def _agreement(formats: Mapping[str, Any]) -> Iterator[str]:
    """Say how closely each format agrees with pixd."""
    lines = []
    for name, told in formats.items():
        found = told.get("agreement")
        if found is None:
            lines.append(f"- {name}: not checked, {told['checked'].removeprefix('no: ')}")
            continue
        lines.append(
            f"- {name}, {told['weights']} weights: {found['share']:.2%} of the pixels differ, by"
            f" {found['largest']} of 255 at most ({told['checked']})"
        )
        lines += _in_browser(name, told["browser"]) if "browser" in told else []
    if lines:
        yield "How closely it agrees with pixd:\n\n" + "\n".join(lines)


def _in_browser(name: str, told: Mapping[str, Any]) -> Iterator[str]:
    """Say how closely a page agreed in the browser that it was tried in, and whether with WebGPU."""
    tries = {told["browser"]: told, "WebGPU": told["webgpu"]}
    for on, found in tries.items():
        if found.get("is_used", True):
            yield (
                f"- {name}, {on}: {found['share']:.2%} of the pixels differ, by {found['largest']} of"
                f" 255 at most ({found['where']})"
            )
        else:
            yield f"- {name}, {on}: not used, {found['why']}"


def _scores(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Say what the held-out scores are, if something was held out."""
    l1 = metrics.get("l1")
    if l1 is None or not metrics.get("held_out"):
        return
    told = f"Held-out L1 {l1:.1f} of 255 on {counted(metrics['held_out'], 'pair')} (less is better)"
    if beside := model_scores.beside(metrics):
        told += f"; {beside}"
    if doubts := model_scores.doubts(metrics):
        told += f". **Doubtful:** {doubts}"
    yield f"{told}."
