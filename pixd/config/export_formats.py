"""The forms in which a model can be taken along, and what each needs to be made and checked.

A light table: the command line offers the names, and the export child writes the files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

EXTRA: Final = "pixd[export]"
"""What brings every package that is named here."""
WEIGHTS: Final = ("float32", "float16", "int8")
"""Precisions in which weights are kept. Computing is in float32 with each of them."""
DEFAULT_FORMATS: Final = ("savedmodel",)


class Format(NamedTuple):
    """One form of a model.

    Attributes:
        what: for people.
        needs: packages, by import name, without which it cannot be made.
        weights: the precisions that it can have.
    """

    what: str
    needs: tuple[str, ...] = ()
    weights: tuple[str, ...] = ("float32",)


FORMATS: Final[Mapping[str, Format]] = {
    "savedmodel": Format("SavedModel and .keras, for TensorFlow and TensorFlow Serving"),
    "onnx": Format("ONNX, for ONNX Runtime and most others", weights=WEIGHTS),
    "litert": Format("LiteRT (.tflite), for phones", weights=("float32", "float16")),
    "openvino": Format("OpenVINO, for Intel processors", ("openvino",), WEIGHTS),
    "web": Format("a page that draws in any browser, from any static host", weights=WEIGHTS),
}


def missing(formats: Iterable[str]) -> list[str]:
    """Return the packages that are not installed and without which these cannot be made.

    Nothing is imported.
    """
    from importlib import util  # noqa: PLC0415 - every command reads this table

    needed = dict.fromkeys(package for name in formats for package in FORMATS[name].needs)
    return [package for package in needed if util.find_spec(package) is None]
