"""Which model is live, where a person says so: promote, rollback and unpin.

Each is one transaction on the open store; `pixd.service.operations` carries them out.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from pixd.store.models import ROLLED_BACK
from pixd.system import roles
from pixd.system.errors import PixdError, UsageError
from pixd.training import promotion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixd.config import PipelineSettings
    from pixd.store.models import Model
    from pixd.store.store import Store

_LARGEST_NUMBER = 1 << 32


def promote(
    store: Store, pipeline: PipelineSettings, arguments: Mapping[str, Any], who: str
) -> dict[str, Any]:
    """Make a model live as a person asks, and pin it."""
    model = numbered(store, pipeline.name, arguments.get("number"))
    return _make_live(store, model, who, f"promoted by {who}")


def rollback(
    store: Store, pipeline: PipelineSettings, arguments: Mapping[str, Any], who: str
) -> dict[str, Any]:
    """Make the model live that was so before, or an earlier one that is named, and pin it."""
    live = store.models.live(pipeline.name)
    if live is None:
        raise PixdError(f"{pipeline.name} has no live model", advice="`pixd models` lists them")
    if arguments.get("number") is not None:
        model = numbered(store, pipeline.name, arguments["number"])
    else:
        model = _before(store, live)
    return _make_live(store, model, who, f"{ROLLED_BACK}model@{live.number} by {who}")


def _before(store: Store, live: Model) -> Model:
    """Return the model that a rollback without a name goes to.

    Raises:
        PixdError: there is none, or only early ones of the live model's own training.
    """
    if model := store.models.before(live):
        return model
    if left := store.models.left(live.pipeline):
        raise PixdError(
            f"only early models of its own training were live before model@{live.number}, the last"
            f" of them model@{left[0].number}",
            advice=f"name it: pixd rollback {live.pipeline}/model@{left[0].number}; or `pixd unpin`:"
            " its training's next model may then take its place",
        )
    raise PixdError(
        f"no model was live before model@{live.number}",
        advice="`pixd models` lists them; name one: pixd rollback model@N",
    )


def _make_live(store: Store, model: Model, who: str, why: str) -> dict[str, Any]:
    name = model.pipeline
    if not store.runs.output_digest(model.export_run, roles.GENERATOR):
        raise PixdError(
            f"the bytes of model@{model.number} are not there any more",
            advice="`pixd gc --undo` brings them back from the trash",
        )
    recalled = promotion.excluded_in(store.db.conn, store.folder, model.pipeline, model.digest)
    if recalled:
        raise PixdError(
            f"model@{model.number} was trained on {recalled}, which was recalled",
            advice="`pixd recall --undo` lets the image in again",
        )
    old = store.models.live(name)
    change_id = secrets.token_hex(5)
    store.models.promote(model, who=who, why=why, change_id=change_id, pin=True)
    told = f"model@{model.number} is live and pinned: {why}"
    store.note(name, "info", "promote", told, change_id)
    return {
        "change": change_id,
        "model": f"model@{model.number}",
        "before": f"model@{old.number}" if old else None,
        "pinned": True,
    }


def unpin(
    store: Store, pipeline: PipelineSettings, _arguments: Mapping[str, Any], who: str
) -> dict[str, Any]:
    """Let newer models take the place of the live one again."""
    live = store.models.live(pipeline.name)
    if live is None or not store.models.is_pinned(pipeline.name):
        raise PixdError(f"no model of {pipeline.name} is pinned", advice="`pixd models` shows pins")
    change_id = secrets.token_hex(5)
    store.models.unpin(live, who=who, why=f"unpinned by {who}", change_id=change_id)
    told = f"model@{live.number} is no longer pinned: newer models may replace it"
    store.note(pipeline.name, "info", "promote", told, change_id)
    return {"change": change_id, "model": f"model@{live.number}", "pinned": False}


def numbered(store: Store, pipeline: str, number: object) -> Model:
    """Return the model of a number that came from outside.

    Raises:
        UsageError: there is none.
    """
    model = None
    # bool is an int to Python; more than SQLite's integers hold would be an error of another kind.
    if isinstance(number, int) and not isinstance(number, bool) and 0 < number < _LARGEST_NUMBER:
        model = store.models.numbered(pipeline, number)
    if model is None:
        raise UsageError(f"{pipeline} has no model@{number}", advice="`pixd models` lists them")
    return model
