"""Takes up again what was refused or failed, or what a person names.

An output that is named is made again where its file is gone. Where a person edited it, the live
model's translation is put beside it.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from pixd.images import formats
from pixd.system.wording import counted, is_or_are
from pixd.translation import withdrawing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pixd.config import PipelineSettings
    from pixd.store.store import Store


def ask(
    store: Store, pipeline: PipelineSettings, wanted: Mapping[str, Sequence[str]], who: str
) -> dict[str, Any]:
    """Retry the wanted files, by the kind of their folder; all that is unfinished if none is wanted.

    Returns:
        What was done, as `pixd retry --json` prints it.

    Raises:
        PixdError: a named output is there as pixd made it, or cannot be made now.
    """
    name = pipeline.name
    change_id = secrets.token_hex(5)
    beside: list[str] = []
    retried: list[str] = []
    for path in wanted.get("output", ()):
        if lost := withdrawing.requeue_if_gone(store, pipeline, path):
            retried.append(f"input/{lost}")
        else:
            beside.append(withdrawing.publish_beside(store, pipeline, path))
    with store.transaction():
        for kind in ("training", "input"):
            repo = store.history.repo_id(name, kind)
            names = wanted.get(kind, []) if wanted else _unfinished(store, repo)
            retried += [f"{kind}/{n}" for n in store.working.retry(repo, names, change_id)]
        trainings = 0 if wanted else store.runs.forgive(name)
    known = {f"{kind}/{n}" for kind, names in wanted.items() for n in names if kind != "output"}
    told = ", ".join(_told(len(retried), trainings, beside))
    if told:
        store.note(name, "info", "retry", f"{told}, asked by {who}", change_id)
    return {
        "change": change_id,
        "retried": retried,
        "trainings": trainings,
        "beside": beside,
        "left": sorted(known - set(retried)),
    }


def _told(files: int, trainings: int, beside: Sequence[str]) -> Iterator[str]:
    for count, noun in ((files, "file"), (trainings, "training")):
        if count:
            yield f"{counted(count, noun)} {is_or_are(count)} tried again"
    if beside:
        yield f"{' '.join(beside)} put beside what was edited by hand"


def _unfinished(store: Store, repo: int) -> list[str]:
    """Return the files to retry where none is named: failed ones, and those an extra now opens."""
    names = store.working.unfinished(repo)
    for kind in formats.FORMATS:
        if kind.extra and formats.is_available(kind):
            names += store.working.rejected_for(repo, kind.missing)
    return names
