"""The operations of `pixd prepare` on the command line; each is a command below it.

Leaves to others: what they do (`pixd.cli.commands.prepare`).
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixd.cli.parser import CommandParser

_SIZE = (256, 256)
_MOST_PIXELS = 64_000_000  # so that `pixd.images.decode` takes it again
_MOST_DIGITS = 5
_Source = tuple[str, str, str]  # destination, placeholder, help


def add_to(prepare: CommandParser) -> None:
    """Add the operations to the parser of `pixd prepare`."""
    # With prog, argparse need not format a usage line to find it out.
    operations = prepare.add_subparsers(
        metavar="OP", dest="op", prog=prepare.prog, required=True, help=argparse.SUPPRESS
    )

    def operation(name: str, summary: str, *sources: _Source, example: str) -> CommandParser:
        made: CommandParser = operations.add_parser(
            name, prog=f"{prepare.prog} {name}", description=summary, group="operations",
            examples=[f"pixd prepare {example}"],
        )  # fmt: skip
        for dest, metavar, help_ in sources:
            made.add_argument(dest, metavar=metavar, help=help_)
        made.add_argument("out", metavar="OUT", help="a folder for what is made; made if missing")
        made.add_argument("--json", action="store_true", help="print only JSON")
        return made

    source = ("source", "IN", "a folder of pictures, with its sub-folders")
    resize = operation(
        "resize", "bring pictures to a size", source, example="resize photos small --size 256"
    )
    combine = operation(
        "combine", "lay pictures of the same name side by side, as pairs",
        ("a", "FOLDER-A", "the left halves"), ("b", "FOLDER-B", "the right halves"),
        example="combine labels photos training",
    )  # fmt: skip
    edges = operation(
        "edges", "draw the outlines of pictures", source,
        example="edges photos training --combine --strength 0.3",
    )  # fmt: skip
    edges.add_argument(
        "--strength",
        type=_share,
        default=0.5,
        metavar="SHARE",
        help="how much is drawn, 0..1 (0.5)",
    )
    grayscale = operation(
        "grayscale", "make pictures grey", source, example="grayscale photos training --combine"
    )
    blank = operation(
        "blank", "put a white square into the middle of pictures", source,
        example="blank photos training --combine",
    )  # fmt: skip
    for made in (resize, combine, edges, grayscale, blank):
        what = "side of each half" if made is combine else "256, 512x384, or keep;"
        made.add_argument(
            "--size", type=_size, default=_SIZE, metavar="SIZE", help=f"{what} in pixels (256)"
        )
        made.add_argument(
            "--fit", choices=["pad", "crop", "stretch"], default="pad",
            help="how a picture of another shape meets the size (pad)",
        )  # fmt: skip
    for made in (edges, grayscale, blank):
        made.add_argument(
            "--combine", action="store_true", help="pairs: what is made left, the picture right"
        )
    colours = operation(
        "colour-labels", "give class ids (0, 1, 2, ..) colours that can be told apart",
        ("source", "IN", "a folder of grey or palette pictures whose values are class ids"),
        example="colour-labels labels training/a",
    )  # fmt: skip
    colours.add_argument(
        "--palette", metavar="FILE", help="colours by id, such as an earlier OUT/palette.json"
    )
    colours.add_argument(
        "--half", choices=["left", "right"], help="of side-by-side pairs; the other stays as it is"
    )
    split = operation(
        "split", "copy pictures into train, val and test, by their content", source,
        example="split pairs sets --train 0.8 --val 0.1 --test 0.1",
    )  # fmt: skip
    for name, share in (("train", 0.8), ("val", 0.1), ("test", 0.1)):
        split.add_argument(
            f"--{name}", type=_share, default=share, metavar="SHARE", help=f"0..1 ({share})"
        )
    prepare.usage = f"{prepare.prog} OP ..."
    prepare.epilog = f"{prepare.list_commands().lstrip()}\n\n{prepare.epilog}"


def _size(text: str) -> tuple[int, int] | None:
    """Read 256, 512x384 or keep."""
    if text == "keep":
        return None
    sides = text.split("x") if "x" in text else [text, text]
    if all(side.isdecimal() and len(side) <= _MOST_DIGITS for side in sides) and len(sides) == 2:  # noqa: PLR2004
        size = int(sides[0]), int(sides[1])
        if 0 < size[0] * size[1] <= _MOST_PIXELS:
            return size
    raise argparse.ArgumentTypeError(f"{text} is no size: 256, 512x384, or keep")


def _share(text: str) -> float:
    """Read a number from 0 to 1."""
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no number from 0 to 1")
    return share
