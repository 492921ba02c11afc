"""How two versions of a folder differ, and two models. `pixd diff` and the page ask here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixd.answers import why
from pixd.store import manifests, recipes
from pixd.store.queries import history, lineage, runs
from pixd.system.digests import canonical_json
from pixd.system.errors import PixdError, UsageError
from pixd.training import snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixd.store.connection import Reader

SCORES = ("l1", "psnr", "ssim", "sharpness")


def of_commits(reader: Reader, store: Path, pipeline: str, a: str, b: str) -> dict[str, Any]:
    """Return what was added, changed, removed and renamed from one version to another.

    Args:
        reader: the store's database.
        store: the store's folder.
        pipeline: whose folder it is.
        a: such as ``training@1``.
        b: another of the same folder.

    Raises:
        PixdError: there is no such version, or its manifest cannot be read.
    """
    versions = []
    for name in (a, b):
        kind, _, which = name.partition("@")
        commit = history.commit(reader, pipeline, kind, which)
        if commit is None:
            raise UsageError(f"there is no {name}", advice=f"`pixd log {kind}` lists them")
        versions.append(commit["version"])
    try:
        changes = list(
            manifests.difference(lambda d: lineage.object_path(store, d), versions[0], versions[1])
        )
    except (OSError, ValueError) as error:
        raise PixdError(
            f"a manifest cannot be read: {error}", advice="run `pixd verify`"
        ) from error
    gone: dict[str, list[str]] = {}
    for name, old, new in changes:
        if new is None and old is not None:
            gone.setdefault(old, []).append(name)
    found: dict[str, Any] = {
        "a": a, "b": b, "added": {}, "changed": {}, "removed": {}, "renamed": {},
    }  # fmt: skip
    for name, old, new in changes:
        if old is None and new is not None and gone.get(new):
            found["renamed"][gone[new].pop(0)] = name  # a second name of the content is new
        elif old is None:
            found["added"][name] = new
        elif new is not None:
            found["changed"][name] = [old, new]
    found["removed"] = {
        name: old for name, old, new in changes if new is None and name not in found["renamed"]
    }
    return found


def of_models(
    reader: Reader, store: Path, old: Mapping[str, Any], new: Mapping[str, Any]
) -> dict[str, Any]:
    """Return how two models differ, as `pixd.store.queries.history.model` gives them."""
    before, after = (runs.recorded_run(reader, model["train_run"]) for model in (old, new))
    assert before is not None  # a model's row refers to its run
    assert after is not None
    return {
        "a": old["name"],
        "b": new["name"],
        "settings": recipes.recipe_difference(canonical_json(before.recipe), after.settings),
        "data": {
            "commits": [f"training@{old['commit_seq']}", f"training@{new['commit_seq']}"],
            "pairs": snapshot.pairs_difference(
                lineage.listing_of(reader, store, old["train_run"]),
                lineage.listing_of(reader, store, new["train_run"]),
            ),
        },
        "recorded": why.difference(reader, store, before, after)[1],
        "steps": [old["steps"], new["steps"]],
        "scores": {
            name: [old["metrics"].get(name), new["metrics"].get(name)]
            for name in SCORES
            if old["metrics"].get(name) is not None or new["metrics"].get(name) is not None
        },
        "verdict": new["verdict"],
    }
