"""Whether this pixd makes models or outputs otherwise than the one that made those that are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.answers import offers
from pixd.answers.doctor.check import Check, ok, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixd.answers.doctor.store import Examined
    from pixd.answers.offers import Offer
    from pixd.config import Settings

KINDS = ("upgrade", "outputs")


def checks(settings: Settings, examined: Examined) -> Iterator[Check]:
    """Say before a start what it would do otherwise, and what it does not do by itself."""
    is_one = len(settings.pipelines) == 1
    found = False
    for pipeline in settings.pipelines:
        which = "" if is_one else f" -p {pipeline.name}"
        nothing: list[Offer] = []
        offered = examined.ask(
            lambda reader, p=pipeline, w=which: offers.of_pipeline(  # type: ignore[misc]  # mypy cannot infer a lambda with a default
                reader, settings.store, settings.precision, p, which=w
            ),
            nothing,
        )
        for offer in offered:
            if offer.kind in KINDS:
                found = True
                mend = offer.command or "train.on_upgrade: keep in config.yaml leaves it as it is"
                yield warn(f"{pipeline.name} upgrade", offer.sentence, mend)
    if not found:
        yield ok("upgrade", "this pixd makes models and outputs as they were made")
