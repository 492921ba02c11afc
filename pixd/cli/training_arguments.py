"""The commands that ask for trainings: `pixd try` and `pixd retrain`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.cli.common_options import pipeline_and_json, report_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixd.cli.parser import CommandParser


def add_to(add: Callable[..., CommandParser]) -> None:
    """Add them to the command line."""
    try_ = add(
        "try", "try_settings", "train other settings, and show them side by side",
        examples=[
            "pixd try --set train.l1_weight=50,100,200 --set train.ngf=32,64  # six variants",
            "pixd try  # wait for the last ones again, and show them",
        ],
    )  # fmt: skip
    try_.add_argument(
        "--set",
        action="append",
        metavar="KEY=V1,V2",
        help="values of a setting of `train`; again for another: every choice is a variant",
    )
    try_.add_argument(
        "--stop", action="store_true", help="train no more of them; keep what is done"
    )
    try_.add_argument(
        "--no-wait", action="store_true", help="only ask, or only show what is done so far"
    )
    report_options(try_, pairs=6)
    pipeline_and_json(try_)

    retrain = add(
        "retrain", "retrain", "make a model anew, after an upgrade that makes it otherwise",
        examples=["pixd retrain", "pixd retrain model@4", "pixd retrain --outputs"],
    )  # fmt: skip
    retrain.add_argument("model", nargs="?", metavar="MODEL@N", help="if another than the live one")
    retrain.add_argument(
        "--force", action="store_true", help="also where this pixd makes the same model"
    )
    retrain.add_argument(
        "--outputs", action="store_true", help="keep the model, make its older outputs anew"
    )
    pipeline_and_json(retrain)
