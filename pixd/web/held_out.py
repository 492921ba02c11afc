"""The held-out pairs of a model: real inputs and targets that it never learned from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixd.config.value_range import are_ids_in, bits_in
from pixd.store.queries import gallery, history, lineage
from pixd.web import replies
from pixd.web.replies import RefusalError

if TYPE_CHECKING:
    from pathlib import Path

    from pixd.config import PipelineSettings
    from pixd.store.connection import Reader
    from pixd.web.access import Secrets

ADVICE = "`pixd models` lists them"


def model_of(reader: Reader, pipeline: str, number: int | None) -> dict[str, Any]:
    """Return a model by its number, or the live one.

    Raises:
        RefusalError: there is none.
    """
    found = history.model(reader, pipeline, number)
    if found is None:
        raise no_model(pipeline, number)
    return found


def no_model(pipeline: str, number: int | None) -> RefusalError:
    """Return the refusal where there is no model of this number, or none is live."""
    which = "live model yet" if number is None else f"model@{number}"
    status = replies.CONFLICT if number is None else replies.NOT_FOUND
    return RefusalError(status, f"{pipeline} has no {which}", advice=ADVICE)


def pairs_of(reader: Reader, store: Path, model: dict[str, Any]) -> tuple[bool, list[Any]]:
    """Return whether pairs were held out, and these; else those that it was trained on.

    Raises:
        RefusalError: the list is not kept any more.
    """
    try:
        listed = lineage.dataset_of(reader, store, model["train_run"])
    except (OSError, ValueError) as error:
        raise RefusalError(
            replies.CONFLICT, f"the list of its pairs cannot be read: {error}", advice="pixd verify"
        ) from error
    held_out: list[Any] = listed["held_out"]
    return bool(held_out), held_out or list(listed["train"])


def page(
    reader: Reader,
    store: Path,
    secrets: Secrets,
    pipeline: PipelineSettings,
    number: int | None,
    start: int,
    count: int,
) -> dict[str, Any]:
    """Return some of the pairs, with the addresses of their pictures."""
    model = model_of(reader, pipeline.name, number)
    is_held_out, pairs = pairs_of(reader, store, model)
    part = pairs[start : start + count]
    wanted = {file["digest"] for pair in part for file in pair["files"]}
    allowed = gallery.may_be_shown(reader, wanted)
    rows = []
    for index, pair in enumerate(part, start):
        is_kept = all(file["digest"] in allowed for file in pair["files"])
        rows.append(
            {
                "index": index,
                "name": pair["name"],
                "input": _address(secrets, pipeline, model, index, "input") if is_kept else None,
                "target": _address(secrets, pipeline, model, index, "target") if is_kept else None,
                "trouble": "" if is_kept else "its pictures were removed or recalled",
            }
        )
    return {
        "model": model["number"],
        "image_size": int(model["training"]["recipe"].get("image_size", pipeline.image_size)),
        "held_out": is_held_out,
        "total": len(pairs),
        "from": start,
        "rows": rows,
    }


def _address(
    secrets: Secrets, pipeline: PipelineSettings, model: dict[str, Any], index: int, part: str
) -> str:
    of = pair_name(pipeline.name, int(model["number"]), index)
    return f"/picture/{of}/{part}?k={secrets.signature(of, part)}"


def pair_name(pipeline: str, number: int, index: int) -> str:
    """Return what the signature of a held-out pair's picture is of."""
    return f"pair/{pipeline}/{number}/{index}"


def pair_request(
    reader: Reader, store: Path, pipeline: PipelineSettings, number: int, index: int
) -> dict[str, Any]:
    """Return what the decoder is asked for to draw a pair as the model sees it.

    Raises:
        RefusalError: there is no such pair, or it may not be shown.
    """
    model = model_of(reader, pipeline.name, number)
    _, pairs = pairs_of(reader, store, model)
    if index >= len(pairs):
        raise RefusalError(
            replies.NOT_FOUND, "there is no such pair", advice="/api/PIPELINE/held-out lists them"
        )
    digests = [file["digest"] for file in pairs[index]["files"]]
    if gallery.may_be_shown(reader, digests) != set(digests):
        raise RefusalError(
            replies.GONE,
            "the pictures of this pair were removed or recalled",
            advice="take another; `pixd gc --undo` brings back what is in the trash",
        )
    recipe = model["training"]["recipe"]
    return {
        "images": [str(lineage.object_path(store, digest)) for digest in digests],
        "pairs": recipe.get("pairs", pipeline.pairs),
        "direction": recipe.get("direction", pipeline.direction),
        "size": int(recipe.get("image_size", pipeline.image_size)),
        "fit": recipe.get("fit", pipeline.fit),
        "bits": bits_in(recipe),
        "are_ids": are_ids_in(recipe),
        "etag": "-".join(digest[7:39] for digest in digests) + f"-{number}",
    }
