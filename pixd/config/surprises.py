"""What a sound configuration does that its owner may not expect, for `pixd check-config`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.system.children import confinement

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pixd.config.settings import PipelineSettings, Settings

DECODERS = 2
"""As in `pixd.pix2pix.translator`, which must not be imported here; tiles need one more."""
GB = 1e9


def surprises(settings: Settings) -> Iterator[str]:
    """Yield a line for each; none is an error."""
    base = settings.path.parent
    if told := _of_folder(settings.store, base):
        yield f"store: {told}"
    for pipeline in settings.pipelines:
        for kind in ("training", "input", "output"):
            if told := _of_folder(getattr(pipeline, kind), base):
                yield f"{pipeline.name}: {kind}: {told}"
        for told in _of(pipeline):
            yield f"{pipeline.name}: {told}"


def _of_folder(path: Path, base: Path) -> str:
    """Return what a shell, or another system, would have made of the name of a folder."""
    written = str(path.relative_to(base) if path.is_relative_to(base) else path)
    if "$" in written:
        why = "variables are not filled in; write ~/ for your home, or the whole path"
    elif written.startswith("~"):
        why = "only ~/ means a home; write the whole path"
    elif "\\" in written:
        why = "a backslash is a letter of the name here; folders are parted by /"
    else:
        return ""
    return f"this is the folder {path}, with that very name: {why}"


def _of(pipeline: PipelineSettings) -> Iterator[str]:
    if pipeline.fit == "crop" and pipeline.output_size == "source":
        yield (
            "output_size: source with fit: crop gives the middle square of the source at its own"
            " scale; what was cut away is not invented"
        )
    if pipeline.fit == "tile" and not pipeline.train.jitter:
        yield (
            "train.jitter: false has no effect with fit: tile, which trains on squares cut out at"
            " random in any case"
        )
    share = confinement.share_of(pipeline.max_megapixels)
    if share > 1:
        decoders = DECODERS + (pipeline.fit == "tile")
        yield (
            f"max_megapixels: {pipeline.max_megapixels} lets each of {decoders} decoders take up to"
            f" {share * confinement.MEMORY_BYTES / GB:.1f} GB of memory and"
            f" {share * confinement.SECONDS_AN_IMAGE:.0f} s of processor time for an image"
        )
