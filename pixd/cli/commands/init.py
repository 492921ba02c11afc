"""`pixd init`: write a first config.yaml and the folders that it names.

Where there is a config.yaml, it makes the folders that are missing. The service never does: a folder
that is missing may be on a disk that is away.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from pixd.config.load import LONGEST_NAME, load
from pixd.config.pair_kinds import KINDS
from pixd.system import durable
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    import argparse

TEMPLATE = """\
# pixd: drop pairs into training/, images into input/, take translations from output/.
# Every key, with its default and meaning: docs/config.md, or `pixd check-config`.
store: ./store            # lineage database, snapshots, models; on a local disk
device: auto              # auto | gpu | cpu

pipelines:
  {name}:
    training: ./training
    input: ./input
    output: ./output
    pairs: side-by-side   # one image twice as wide as high: A left, B right. Or: folders (a/ and b/);
                          # {made}: single pictures (docs/images.md)
    direction: AtoB       # which half is the input: AtoB translates left to right
    image_size: 256       # power of two, 32..1024
    # sample: true        # dropout on when translating; with samples: 3, x.1.png to x.3.png
    train:
      epochs: 200         # or steps: N
      ngf: 64             # width of the networks; 32 is four times as fast on a CPU
"""


def run(args: argparse.Namespace) -> int:
    """Make the folder DIR ready for `pixd run`; nothing that is there is overwritten."""
    folder = Path(args.dir).absolute()
    config = folder / "config.yaml"
    if config.exists():
        return _make_missing(config)
    name = _pipeline_name(folder.name)
    made = ", ".join(kind.name for kind in KINDS.values() if kind.is_made)
    folder.mkdir(parents=True, exist_ok=True)
    for below in ("training", "input", "output"):
        (folder / below).mkdir(exist_ok=True)
    durable.write_file(config, TEMPLATE.format(name=name, made=made).encode())
    print(f"made {config} with training/, input/ and output/")
    print("next:")
    print(f"  put pairs into {folder / 'training'} (one image each: A left, B right)")
    print(f"  pixd --config {config} run")
    print(f"  drop images into {folder / 'input'}; translations appear in {folder / 'output'}")
    return 0


def _pipeline_name(folder: str) -> str:
    """Return a name for a pipeline like that of its folder, of what config.yaml allows in names."""
    plain = unicodedata.normalize("NFKD", folder).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_]+", "-", plain).lstrip("-_")[:LONGEST_NAME] or "images"


def _make_missing(config: Path) -> int:
    """Make the folders that a configuration names and that are missing.

    Raises:
        ConfigError: the configuration has problems.
        PixdError: none is missing, or one cannot be made.
    """
    pipelines = load(config).pipelines
    named = [folder for one in pipelines for folder in (one.training, one.input, one.output)]
    missing = [folder for folder in named if not folder.exists()]
    if not missing:
        raise PixdError(
            f"{config} is there already; nothing was changed",
            advice="edit it, or name another folder: pixd init DIR",
        )
    for folder in missing:
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise PixdError(
                f"the folder {folder} cannot be made: {error.strerror}",
                advice="make it by hand, or name another in config.yaml",
            ) from error
        print(f"made {folder}")
    return 0
