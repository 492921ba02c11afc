"""What commands change: promote, rollback, unpin, recall, retrain, retry, pause, resume, gc.

Each operation is one transaction on the open store, and gives a plain mapping as its result. The
service carries them out between two steps, for commands that ask through `pixd.service.control`.
Where no service runs, the command takes the lock and carries them out itself. Nothing here waits
for the consequences: the next steps of the service make the outputs follow.
"""

from __future__ import annotations

import re
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any

from pixd.service import going_live, recall, retrain, retry, sweep
from pixd.store import gc, reserve, taught
from pixd.store.queries.holds import held_roots
from pixd.system.clock import utc_now
from pixd.system.errors import PixdError, UsageError
from pixd.system.wording import counted, size
from pixd.training import promotion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pixd.config import PipelineSettings, Settings
    from pixd.store.store import Store


def perform(
    store: Store, settings: Settings, op: str, arguments: Mapping[str, Any], who: str
) -> dict[str, Any]:
    """Carry out one operation.

    Args:
        store: the open store.
        settings: the configuration that it belongs to.
        op: a name in `OPERATIONS`.
        arguments: ``pipeline`` and what the operation needs; they come from outside.
        who: the user that asked, for the record.

    Raises:
        PixdError: it cannot be done; nothing was changed.
    """
    who = _who_asked(who, arguments)
    if op == "gc":  # of the whole store: pipelines share contents
        result = _gc(store, settings, arguments)
        reserve.take(store.folder)
        return result
    wanted = arguments.get("pipeline")
    operation = OPERATIONS.get(op)
    if op in OF_SETTINGS:
        operation = partial(OF_SETTINGS[op], settings)
    if operation is None:
        raise UsageError(f"there is no operation {op}", advice="restart the service: it is older")
    for pipeline in settings.pipelines:
        if pipeline.name == wanted:
            return operation(store, pipeline, arguments, who)
    raise UsageError(f"there is no pipeline {wanted}", advice="`pixd check-config` lists them")


def make_ready(folder: Path, op: str, arguments: Mapping[str, Any]) -> bool:
    """Give gc the room that it needs on a full disk; tell whether the store is to be written.

    Args:
        folder: the store's.
        op: as for `perform`.
        arguments: as for `perform`.
    """
    writes = op != "gc" or arguments.get("mode") != "plan"
    if op == "gc" and writes:
        reserve.give(folder)
    return writes


def _who_asked(user: str, arguments: Mapping[str, Any]) -> str:
    """Return who asked, for the record: the user, and by which way if the request says so.

    Args:
        user: whose process it was; the kernel says so.
        arguments: ``by`` names the way, such as the page.
    """
    match arguments.get("by"):
        case str(way) if re.fullmatch(r"[a-z][a-z -]{0,39}", way):
            return f"{user} ({way})"
    return user


def _retrain(
    settings: Settings,
    store: Store,
    pipeline: PipelineSettings,
    arguments: Mapping[str, Any],
    who: str,
) -> dict[str, Any]:
    """Have a model made anew, or the outputs alone."""
    if arguments.get("outputs"):
        return retrain.translate_again(store, settings, pipeline, who)
    if arguments.get("number") is not None:
        model = going_live.numbered(store, pipeline.name, arguments["number"])
    elif live := store.models.live(pipeline.name):
        model = live
    else:
        raise PixdError(f"{pipeline.name} has no live model", advice="`pixd models` lists them")
    force = bool(arguments.get("force"))
    return retrain.ask(store, settings, pipeline, model, who, force=force)


def _try(
    settings: Settings,
    store: Store,
    pipeline: PipelineSettings,
    arguments: Mapping[str, Any],
    who: str,
) -> dict[str, Any]:
    """Have variants of the settings trained, or no more of them."""
    if arguments.get("mode") == "stop":
        return sweep.stop(store, pipeline, who)
    match arguments.get("set"):
        case [*texts] if texts and all(isinstance(text, str) for text in texts):
            return sweep.ask(store, settings, pipeline, texts, who)
    raise UsageError(
        "the settings to try are no list of texts", advice='send set as ["train.ngf=32,64"]'
    )


def _retry(
    store: Store, pipeline: PipelineSettings, arguments: Mapping[str, Any], who: str
) -> dict[str, Any]:
    """Retry what failed, or the named files; see `pixd.service.retry`."""
    return retry.ask(store, pipeline, _files(arguments), who)


def _pause(
    store: Store, pipeline: PipelineSettings, _arguments: Mapping[str, Any], who: str
) -> dict[str, Any]:
    """Start no new training or translation; recording goes on, and what runs is finished."""
    is_new = store.holds.pause(pipeline.name, who)
    if is_new:
        store.note(pipeline.name, "info", "pause", f"paused by {who}: no new work is started")
    return {"pipeline": pipeline.name, "paused": True, "changed": is_new}


def _resume(
    store: Store, pipeline: PipelineSettings, _arguments: Mapping[str, Any], who: str
) -> dict[str, Any]:
    """Go on, and take folders that are on hold as they are."""
    name = pipeline.name
    folders = {"training": pipeline.training, "input": pipeline.input}
    held = held_roots(store.db.conn, name)
    missing = [kind for kind in held if not folders[kind].is_dir()]
    accepted = [kind for kind in held if kind not in missing]
    with store.transaction():
        was_paused = store.holds.resume(name)
        for kind in accepted:
            store.holds.accept(store.history.repo_id(name, kind))
            told = f"{kind} is taken as it is, said {who}: {held[kind]}"
            store.note(name, "info", "hold", told)
        if was_paused:
            store.note(name, "info", "pause", f"resumed by {who}")
    return {
        "pipeline": name,
        "paused": False,
        "changed": was_paused,
        "accepted": accepted,
        "missing": [str(folders[kind]) for kind in missing],
    }


def _expect(
    store: Store, pipeline: PipelineSettings, arguments: Mapping[str, Any], _who: str
) -> dict[str, Any]:
    """Take a folder as it is, because a command of pixd has just changed it."""
    kind = arguments.get("kind")
    if kind not in ("training", "input"):  # a list is in no set, and a client may send one
        raise UsageError(f"there is no folder {kind!r}", advice="training, or input")
    store.holds.accept(store.history.repo_id(pipeline.name, kind))
    return {"pipeline": pipeline.name, "kind": kind}


def _recall(
    store: Store, pipeline: PipelineSettings, arguments: Mapping[str, Any], who: str
) -> dict[str, Any]:
    digest = _text(arguments, "digest")
    match arguments.get("mode"):
        case "plan":
            return recall.plan(store, pipeline, digest).told()
        case "proof":
            return recall.proof(store, pipeline, digest)
        case "undo":
            return recall.undo(store, pipeline, digest, who)
        case "apply":
            return recall.apply(store, pipeline, digest, _text(arguments, "name"), who)
    raise UsageError(
        f"recall has no mode {arguments.get('mode')!r}", advice="plan, proof, undo or apply"
    )


def _teach(
    store: Store, pipeline: PipelineSettings, arguments: Mapping[str, Any], who: str
) -> dict[str, Any]:
    """Record what the files of a taught pair are made of, before they are written."""
    change_id = secrets.token_hex(5)
    files = arguments.get("files")
    if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
        raise UsageError("the files to teach are no list", advice="send name and digest of each")
    excluded = store.exclusions.of(pipeline.name)
    for what in ("input", "model"):
        digest = _text(arguments, f"{what}_digest")
        is_recalled = digest in excluded or (
            what == "model"
            and promotion.excluded_in(store.db.conn, store.folder, pipeline.name, digest)
        )
        if is_recalled:
            raise PixdError(
                f"the {what} of {_text(arguments, 'output_path')} was recalled, so nothing is"
                " taught from it",
                advice="`pixd recall --undo` lets it in again",
            )
    names = ("input_path", "input_digest", "output_path", "output_digest", "model_digest",
             "target_digest")  # fmt: skip
    facts = [_text(arguments, name) for name in names]
    with store.transaction():
        is_new = False
        for file in files:
            row = (pipeline.name, _text(file, "digest"), _text(file, "name"), *facts)
            made = taught.Taught._make((*row, who, change_id, utc_now()))
            is_new |= taught.add(store.db.conn, made)
        if is_new:
            told = f"{_text(arguments, 'output_path')} was retouched and is taught by {who}"
            store.note(pipeline.name, "info", "teach", told, change_id)
    return {"change": change_id}


def _gc(store: Store, settings: Settings, arguments: Mapping[str, Any]) -> dict[str, Any]:
    match arguments.get("mode"):
        case "undo":
            named = _text(arguments, "batch") if arguments.get("batch") is not None else None
            batch, count = gc.undo(store, named)
            told = f"{counted(count, 'object')} came back from the trash ({batch})"
            store.note("", "info", "gc", told)
            return {"batch": batch, "objects": count}
        case "empty":
            count, freed = gc.empty(store)
            told = f"the trash was emptied: {counted(count, 'object')}, {size(freed)}"
            store.note("", "info", "gc", told)
            return {"objects": count, "bytes": freed}
    garbage = gc.plan(store, {p.name: p.keep.models for p in settings.pipelines})
    result: dict[str, Any] = {"garbage": [one._asdict() for one in garbage]}
    if arguments.get("mode") == "apply" and garbage:
        result["batch"] = gc.apply(store, garbage)
        moved = size(sum(one.size_bytes for one in garbage))
        told = f"{counted(len(garbage), 'object')}, {moved}, went to the trash"
        store.note("", "info", "gc", told)
    return {**result, "trash": gc.in_trash(store)}


def _files(arguments: Mapping[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    match arguments.get("files"):
        case None:
            return found
        case list(places):
            for place in places:
                match place:
                    case [str(folder), str(name)]:
                        found.setdefault(folder, []).append(name)
                    case _:
                        raise UsageError(
                            f"{place!r} to retry is no file",
                            advice='name each as ["input", "a.png"]',
                        )
        case other:
            raise UsageError(
                f"the files to retry are no list, but {other!r}",
                advice='name each as ["input", "a.png"], or leave `files` out for all',
            )
    return found


def _text(arguments: Mapping[str, Any], name: str) -> str:
    match arguments.get(name):
        case str(text):
            return text
        case other:
            raise UsageError(f"{name} is no text, but {other!r}", advice=f"send {name} as a string")


OPERATIONS: dict[
    str, Callable[[Store, PipelineSettings, Mapping[str, Any], str], dict[str, Any]]
] = {
    "promote": going_live.promote,
    "rollback": going_live.rollback,
    "unpin": going_live.unpin,
    "retry": _retry,
    "pause": _pause,
    "resume": _resume,
    "expect": _expect,
    "recall": _recall,
    "teach": _teach,
}
OF_SETTINGS: dict[
    str,
    Callable[[Settings, Store, PipelineSettings, Mapping[str, Any], str], dict[str, Any]],
] = {"retrain": _retrain, "try": _try}
"""Those that need the settings of the whole configuration."""
OF_FOLDERS = frozenset({"resume", "retry", "recall"})
"""Those that look into the user's folders, which must answer."""
