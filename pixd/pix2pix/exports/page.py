"""Writes a page that draws with the model in any browser, as a folder for any static host.

The page is put together from `site/` beside this module, from the drawing of `pixd web` (the same
files, copied when a model is exported), and from the browsers' runtime. Nothing is loaded from
elsewhere when it is used.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

import pixd
from pixd.config.pair_kinds import BLANK_SHARE, KINDS
from pixd.config.web_runtime import FILE as RUNTIME_FILE
from pixd.config.web_runtime import VERSION
from pixd.images import palette_of_set
from pixd.images.input_makers import input_for_translation
from pixd.pix2pix.exports.agreement import Run
from pixd.pix2pix.exports.runtimes import load_onnx
from pixd.pix2pix.exports.trial import Trial
from pixd.pix2pix.network import onnx_graph
from pixd.pix2pix.network.models import MAX_IMAGE_PX
from pixd.pix2pix.network.stored import StoredGenerator
from pixd.system.errors import PixdError

PART_BYTES: Final = 24 << 20  # several static hosts take no file over 25 MiB
EXAMPLES: Final = 8
ONE_LEVEL: Final = 1
_COARSE: Final = 16  # a side of the known picture's blocks, in blocks
_DRAWING: Final = ("dom.js", "icon.svg", "style.css", "draw")
_BUILDS: Final = {
    "wasm": ("ort.wasm.min.mjs", "ort-wasm-simd-threaded"),
    "jspi": ("ort.jspi.min.mjs", "ort-wasm-simd-threaded.jspi"),
    "asyncify": ("ort.webgpu.min.mjs", "ort-wasm-simd-threaded.asyncify"),
}
"""The runtime's builds: a module, and the stem of what that loads. The second and third have WebGPU:
one for browsers in which WebAssembly can wait for promises, a larger one for the others."""
_CHOSEN: Final = {"exact", "clustered"}  # kinds of palettes that somebody chose

ALL_FLOAT32: Final = (MAX_IMAGE_PX, "float32")
Tiers = tuple[tuple[int, str], ...]
"""Precisions by the side of a layer's image: up to so many pixels, this one; float16 above."""
LADDER: Final[tuple[Tiers, ...]] = (
    ((16, "int5"), (64, "int8")),
    ((16, "int6"), (64, "int8")),
    ((64, "int8"),),
    ((32, "int8"),),
    ((16, "int8"),),
    (),
    (ALL_FLOAT32,),
)
"""From the smallest on. Nine tenths of the weights belong to layers whose images are 16 pixels or less;
an error there moves a picture little, because all of it is averaged over. The few weights near the
picture's own size move every pixel by themselves."""


def write(
    generator: StoredGenerator,
    trial: Trial,
    target: Path,
    *,
    card: Mapping[str, Any],
    about: Mapping[str, Any],
    runtime: Path,
    weights: str,
    has_examples: bool = True,
) -> dict[str, Any]:
    """Write the page into a folder and return what the card says of it.

    Args:
        generator: from the model's file.
        trial: what the model has to draw.
        target: the folder of the export.
        card: of the model.
        about: what its card says of its name, data and licence.
        runtime: the browsers' runtime, as npm has it.
        weights: a precision for all weights, or "" for the smallest that agrees.
        has_examples: whether some of the pictures go along, with their names.

    Raises:
        PixdError: with no precision do the pictures agree.
    """
    others = {path for path in target.rglob("*") if path.is_file()}
    model, run, told = smallest_model(generator, trial, target, weights)
    _copy_site(target)
    parts = write_parts(target / "model", "model", model)
    known = _known(trial, run, card["pairs"], has_examples=has_examples)
    engine = _runtime(target, runtime)
    size = _size(target, parts)
    page = {
        "title": about.get("pipeline", "Draw"),
        "words": f"Made by pixd {pixd.__version__}: {about.get('model', 'a model')}, trained for"
        f" {card['steps']:,} steps. It is computed by this browser; no picture leaves it.",
        "licence": about.get("licence", "not set"),
        "side": card["image_size"],
        "pairs": card["pairs"],
        "blankShare": BLANK_SHARE,
        **_palette(card["pairs"], trial),
        "model": {
            "parts": parts,
            "bytes": size,
            "known": write_parts(target / "model", "known", known),
        },
        "runtime": engine,
        "examples": _examples(trial, target) if has_examples else [],
        "text": {
            "Software": f"pixd {pixd.__version__}",
            **({"pixd:model": about["digest"]} if "digest" in about else {}),
            **({"pixd:dataset": about["dataset"]["version"]} if "dataset" in about else {}),
        },
    }
    text = json.dumps(page, indent=1, sort_keys=True) + "\n"
    (target / "page.json").write_text(text, encoding="utf-8")
    return {
        "file": "index.html",
        "bytes": sum(
            path.stat().st_size
            for path in target.rglob("*")
            if path.is_file() and path not in others
        ),
        "download_bytes": size + engine["wasm"]["bytes"],
        "download_bytes_webgpu": size + engine["jspi"]["bytes"],
        "runtime": f"onnxruntime-web {VERSION}",
        **told,
    }


def words_of(tiers: Tiers) -> str:
    """Return a rung of the ladder for people."""
    if ALL_FLOAT32 in tiers:
        return "float32"
    steps = [f"{name} where images have {side} px at most" for side, name in tiers]
    return ", ".join([*steps, "float16 elsewhere"] if steps else ["float16"])


def smallest_model(
    generator: StoredGenerator, trial: Trial, target: Path, weights: str
) -> tuple[bytes, Run, dict[str, Any]]:
    """Return the smallest model within a level, if none is named: its bytes, itself, what is said of it."""
    sides = onnx_graph.sides_of(generator)
    trials = target.parent / "page-trial.onnx"
    rungs: list[Tiers] = [((max(sides.values()), weights),)] if weights else [*LADDER]
    for tiers in rungs:
        graph = onnx_graph.build(generator, functools.partial(_precision, sides, tiers))
        made: bytes = graph.SerializeToString(deterministic=True)
        trials.write_bytes(made)
        loaded = load_onnx(trials)
        told = weights or words_of(tiers)
        checked = {"weights": told, "checked": trial.told(loaded.runtime)}
        if weights:
            return made, loaded.run, {**checked, **trial.agreement("web", loaded.run, weights)}
        found = trial.measure(loaded.run)
        if found.largest <= ONE_LEVEL:
            return made, loaded.run, {**checked, "agreement": found.as_json()}
    raise PixdError(
        "the page's pictures differ from pixd's by more than a level, even with float32 weights",
        advice="`pixd verify` checks the model; export it as a SavedModel",
    )


def _precision(sides: Mapping[str, int], tiers: Tiers, layer: str) -> str:
    return next((name for most, name in tiers if sides[layer] <= most), "float16")


def _known(trial: Trial, run: Run, pairs: str, *, has_examples: bool) -> bytes:
    """Return an input and what the page's own model makes of it, RGB, for browsers with a GPU.

    It is what ONNX Runtime computes with the page's weights, and not pixd's picture: the question is
    whether a GPU computes this model rightly, and coarser weights may differ from pixd by more than a
    GPU may.
    """
    if has_examples and trial.names:
        pixels = trial.inputs[0]
    else:
        # A page without examples gives away no picture.
        side = trial.inputs[0].shape[0]
        small = np.random.default_rng(0).integers(0, 256, (_COARSE, _COARSE, 3), dtype=np.uint8)
        made = Image.fromarray(small).resize((side, side), Image.Resampling.NEAREST)
        pixels = input_for_translation(np.asarray(made), pairs)
    values = run(trial.codec.input_values(pixels[None]))
    (wanted,) = trial.codec.pixels_of(values, pixels[None])
    return bytes(pixels.tobytes() + wanted.tobytes())


def _copy_site(target: Path) -> None:
    here = Path(str(resources.files("pixd.pix2pix.exports"))) / "site"
    drawing = Path(str(resources.files("pixd"))) / "web" / "static"
    for source in (*sorted(here.iterdir()), *(drawing / name for name in _DRAWING)):
        if source.is_dir():
            shutil.copytree(source, target / source.name, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(source, target / source.name)


def write_parts(folder: Path, stem: str, content: bytes) -> list[str]:
    """Write a content gzipped, in parts whose names say what it is; return their paths."""
    folder.mkdir(exist_ok=True)
    digest = hashlib.sha256(content).hexdigest()[:12]
    packed = gzip.compress(content, 9, mtime=0)
    names = []
    for number, at in enumerate(range(0, len(packed), PART_BYTES)):
        # Not .gz: hosts would tell browsers to unpack it, which then see something else.
        path = folder / f"{stem}-{digest}-{number}.bin"
        path.write_bytes(packed[at : at + PART_BYTES])
        names.append(f"{folder.name}/{path.name}")
    return names


def _runtime(target: Path, archive: Path) -> dict[str, Any]:
    folder = target / "runtime" / VERSION
    folder.mkdir(parents=True)
    at = f"runtime/{VERSION}"
    builds: dict[str, Any] = {}
    with tarfile.open(archive) as packed:

        def content(name: str) -> bytes:
            member = packed.extractfile(f"package/{name}")
            if member is None:
                raise PixdError(f"{archive} has no {name}", advice=f"fetch {RUNTIME_FILE} again")
            return member.read()

        for build, (module, stem) in _BUILDS.items():
            for name in (module, f"{stem}.mjs"):
                (folder / name).write_bytes(content(f"dist/{name}"))
            written = write_parts(folder, build, content(f"dist/{stem}.wasm"))
            parts = [f"{at}/{Path(part).name}" for part in written]
            builds[build] = {
                "module": f"{at}/{module}",
                "parts": parts,
                "bytes": _size(target, parts),
            }
        (folder / "README.md").write_bytes(content("README.md"))  # says its licence, MIT
    return {"folder": f"{at}/", **builds}


def _size(target: Path, parts: Sequence[str]) -> int:
    return sum((target / part).stat().st_size for part in parts)


def _palette(pairs: str, trial: Trial) -> dict[str, Any]:
    """Return what a person draws with: the colours of the inputs, or black on white, or nothing."""
    if pairs == "edges":
        return {"mode": "edges", "palette": [], "isLocked": True}
    if KINDS[pairs].is_made:
        return {"mode": "picture", "palette": [], "isLocked": True}
    count = palette_of_set.Count()
    for pixels in trial.drawn:
        count.add(Image.fromarray(pixels))
    found = count.told()
    palette = [{"colour": one["rgb"], "share": one["share"]} for one in found["colours"]]
    return {"mode": "labels", "palette": palette, "isLocked": found["kind"] in _CHOSEN}


def _examples(trial: Trial, target: Path) -> list[dict[str, str]]:
    folder = target / "examples"
    if not trial.names:
        return []
    folder.mkdir()
    told = []
    pictures = zip(trial.names, trial.drawn, trial.targets, strict=True)
    for number, (name, input_image, wanted) in enumerate(pictures):
        if number == EXAMPLES:
            break
        # The page says of a target that it was held out.
        shown = ("input", "target") if trial.are_held_out else ("input",)
        paths = {part: f"examples/{number}-{part}.png" for part in shown}
        for path, pixels in zip(paths.values(), (input_image, wanted), strict=False):
            Image.fromarray(pixels).save(target / path, "PNG", optimize=True)
        told.append({"name": name, **paths})
    return told
