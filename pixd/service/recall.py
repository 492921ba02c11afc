"""Take one image out of everything that it went into.

A recall excludes a content from a pipeline for good. The user's folder is not written: the file
stays where it is, and is rejected with the reason. One change id covers the commit without the
image, the model that is live from then on, and the outputs that are replaced or withdrawn. The
live model is then the newest accepted one that does not descend from the image. If there is none,
no model is live until the next training. Models and commits with the image remain as history. The
models are never live again, unless the recall is undone.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store.commits import Change
from pixd.store.exclusions import EXCLUDED
from pixd.store.models import RECALLED
from pixd.store.output_names import output_names
from pixd.store.queries import history, lineage
from pixd.store.states import FileState, OutputState
from pixd.system import roles
from pixd.system.errors import PixdError
from pixd.training.promotion import excluded_in
from pixd.translation import removing
from pixd.translation.withdrawing import withdraw

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixd.config import PipelineSettings
    from pixd.store.models import Model
    from pixd.store.outputs import Output
    from pixd.store.store import Store

KINDS = ("training", "input")


class Plan(NamedTuple):
    """What a recall would do.

    Attributes:
        digest: of the content.
        files: names by folder that hold it now.
        taught: names of the training files that were taught from what it went into.
        models: those that descend from it.
        live: the model that is live now.
        live_after: the one that would be live then.
        replaced: outputs that get another translation.
        withdrawn: outputs that are taken away.
        edited: outputs changed by hand, which are left.
        estimate: of the work that follows, in seconds.
    """

    digest: str
    files: dict[str, list[str]]
    taught: list[str]
    models: list[lineage.Descendant]
    live: Model | None
    live_after: Model | None
    replaced: list[str]
    withdrawn: list[str]
    edited: list[str]
    estimate: dict[str, float]

    def told(self) -> dict[str, Any]:
        """Return it as commands and the control socket show it: models by their names."""
        live, after = self.live, self.live_after
        return {
            **self._asdict(),
            "models": [{"name": f"model@{m.number}", "how": m.how} for m in self.models],
            "live": f"model@{live.number}" if live else None,
            "live_after": f"model@{after.number}" if after else None,
            "retrain": bool(self.files["training"] or self.taught),
        }


def plan(store: Store, pipeline: PipelineSettings, digest: str) -> Plan:
    """Find what a recall would do, without doing it."""
    reached = lineage.reach(store.db.conn, store.folder, pipeline.name, digest)
    return _plan(store, pipeline, digest, reached)


def _plan(store: Store, pipeline: PipelineSettings, digest: str, reached: lineage.Reach) -> Plan:
    name = pipeline.name
    touched = {m.number: m for m in reached.models}
    live = store.models.live(name)
    after = _live_after(store, live, set(touched))
    from_models, from_input = _outputs(store, name, digest, [m.digest for m in touched.values()])
    files = {
        kind: store.working.with_digest(store.history.repo_id(name, kind), digest) for kind in KINDS
    }
    training = store.history.repo_id(name, "training")
    taught = [n for d in reached.taught for n in store.working.with_digest(training, d)]
    repo = store.history.repo_id(name, "input")
    replaced = dict.fromkeys(
        o for o in from_models if after and _gets_another(store, pipeline, repo, o, digest)
    )
    gone = [o for o in (*from_input, *from_models) if o not in replaced]
    return Plan(
        digest=digest,
        files=files,
        taught=sorted(taught),
        models=list(touched.values()),
        live=live,
        live_after=after,
        replaced=[o.path for o in replaced if o.state is not OutputState.EDITED],
        withdrawn=[o.path for o in gone if o.state is not OutputState.EDITED],
        edited=[o.path for o in (*from_input, *from_models) if o.state is OutputState.EDITED],
        estimate={
            "train_s": (
                store.runs.mean_seconds(name, "train") if files["training"] or taught else 0.0
            ),
            "translate_s": (history.translation_rate(store.db.conn, name)[0] or 0.0)
            * len(from_models),
        },
    )


def apply(
    store: Store, pipeline: PipelineSettings, digest: str, name: str, who: str
) -> dict[str, Any]:
    """Recall a content. One transaction; the outputs follow with the service's next steps.

    Raises:
        PixdError: it is recalled already, or nothing of the pipeline knows it.
    """
    if store.exclusions.is_recalled(pipeline.name, digest):
        raise PixdError(f"{name} is recalled already", advice="see it: pixd recall FILE --proof")
    reached = lineage.reach(store.db.conn, store.folder, pipeline.name, digest)
    planned = _plan(store, pipeline, digest, reached)
    known = lineage.appearances(store.db.conn, digest)
    if not any(a.pipeline == pipeline.name for a in known):
        raise PixdError(
            f"{pipeline.name} never had {name}",
            advice="name a training or input image, or its digest",
        )
    change_id = secrets.token_hex(5)
    why = f"recalled by {who}"
    commits = []
    with store.transaction():
        store.exclusions.add(pipeline.name, digest, name, why, change_id)
        store.care.forget(digest)
        for kind, paths in planned.files.items():
            if paths:
                commits.append(
                    _commit_without(store, pipeline.name, kind, paths, digest, change_id)
                )
        with_it = f"{why}, with {name}, which it was taught from"
        commits += _exclude_taught(store, pipeline.name, reached.taught, with_it, digest, change_id)
        _change_live(store, planned, name, who, change_id)
        _withdraw(store, pipeline, planned.withdrawn)
        told = f"{name} was recalled: {_summary(planned)}"
        store.note(pipeline.name, "info", "recall", told, change_id)
    # Files are removed after the rows are written. What a crash or the folder keeps from that, the
    # service removes later.
    left = removing.remove(store, pipeline.name, pipeline.output)
    to_remove = {path: left[path] for path in planned.withdrawn if path in left}
    return {"change": change_id, "commits": commits, **planned.told(), "to_remove": to_remove}


def undo(store: Store, pipeline: PipelineSettings, digest: str, who: str) -> dict[str, Any]:
    """Let a recalled content in again; the files that hold it are read again.

    It stays out while something that it was taught from is recalled; `kept_by` names that.

    Raises:
        PixdError: it is not recalled itself.
    """
    change_id = secrets.token_hex(5)
    kept_by = store.exclusions.recalled_with(pipeline.name, digest)
    with store.transaction():
        if not store.exclusions.lift(pipeline.name, digest):
            if kept_by:
                raise PixdError(
                    f"it was recalled with {', '.join(kept_by)}, which it was taught from",
                    advice="undo that recall, then both are let in again",
                )
            raise PixdError("it is not recalled", advice="`pixd show` says what a file is")
        for kind in KINDS:
            repo = store.history.repo_id(pipeline.name, kind)
            store.working.reread_excluded(repo)
        told = f"the recall of {digest[:19]} was undone by {who}"
        store.note(pipeline.name, "info", "recall", told, change_id)
    return {"change": change_id, "digest": digest, "kept_by": kept_by}


def withdraw_leftovers(store: Store, pipeline: PipelineSettings) -> None:
    """Withdraw the outputs of recalled models that were to be replaced, but will not be.

    That happens when an input is removed or refused between the recall and its new translation,
    or when another recall takes away the model that was to make it.
    """
    excluded = store.exclusions.of(pipeline.name)
    if not excluded:
        return
    repo = store.history.repo_id(pipeline.name, "input")
    has_live = store.models.live(pipeline.name) is not None
    # A recalled input has only edited outputs left. If the input is gone, they are orphaned.
    left = [o for digest in excluded for o in store.outputs.made_from(pipeline.name, digest)]
    left += [
        output
        for model in store.models.with_outputs(pipeline.name)
        if excluded_in(store.db.conn, store.folder, pipeline.name, model.digest)
        for output in store.outputs.made_by(pipeline.name, model.digest)
        if not (has_live and _gets_another(store, pipeline, repo, output))
    ]
    left = [output for output in dict.fromkeys(left) if output.state is not OutputState.EDITED]
    if not left:
        return
    change_id = secrets.token_hex(5)
    with store.transaction():
        gone = _withdraw(store, pipeline, [output.path for output in left])
        if gone:  # the others are edited
            told = f"{gone} outputs of a recalled image, not to be replaced, are withdrawn"
            store.note(pipeline.name, "info", "recall", told, change_id)
    removing.remove(store, pipeline.name, pipeline.output)


def proof(store: Store, pipeline: PipelineSettings, digest: str) -> dict[str, Any]:
    """Return what still descends from a content: every present output, and the live model.

    Nothing may, once a recall is complete. Outputs edited by hand are named separately. A withdrawn
    output counts until its file is removed.
    """
    name = pipeline.name
    models = lineage.reach(store.db.conn, store.folder, name, digest).models
    from_models, from_input = _outputs(store, name, digest, [m.digest for m in models])
    standing = {o.path: o.state for o in (*from_models, *from_input)}
    live = store.models.live(name)
    made_by = {m.digest for m in models}
    to_remove = {
        one.path: one.why
        for one in store.removals.of(name)
        if one.input_digest == digest or one.model_digest in made_by
    }
    return {
        "digest": digest,
        "is_recalled": digest in store.exclusions.of(name),
        "outputs": sorted(
            {path for path, state in standing.items() if state is not OutputState.EDITED}
            | to_remove.keys()
        ),
        "to_remove": to_remove,
        "edited": sorted(path for path, state in standing.items() if state is OutputState.EDITED),
        "live": f"model@{live.number}" if live and live.id in {m.id for m in models} else None,
        "checked": store.outputs.count_standing(name) + len(to_remove),
    }


def _live_after(store: Store, live: Model | None, touched: set[int]) -> Model | None:
    if live is None or live.number not in touched:
        return live
    for model in store.models.accepted(live.pipeline):
        if (
            model.number not in touched
            and store.runs.output_digest(model.export_run, roles.GENERATOR)
            and not excluded_in(store.db.conn, store.folder, live.pipeline, model.digest)
        ):
            return model
    return None


def _gets_another(
    store: Store, pipeline: PipelineSettings, repo: int, standing: Output, recalled: str = ""
) -> bool:
    """Tell whether the input of an output is there, so that another output takes its name."""
    found = store.working.find(repo, standing.input_path)
    return (
        found is not None
        and standing.path in output_names(standing.input_path, pipeline.samples)
        and found.state is not FileState.REJECTED
        and found.digest not in {None, recalled}
    )


def _outputs(
    store: Store, pipeline: str, digest: str, models: list[str]
) -> tuple[list[Output], list[Output]]:
    """Return the present outputs of the models, and those of the content itself as input."""
    from_input = store.outputs.made_from(pipeline, digest)
    seen = {output.id for output in from_input}
    from_models = [
        output
        for model in dict.fromkeys(models)
        for output in store.outputs.made_by(pipeline, model)
        if output.id not in seen
    ]
    return from_models, from_input


def _commit_without(
    store: Store, pipeline: str, kind: str, paths: list[str], digest: str, change_id: str
) -> str:
    repo = store.history.repo_id(pipeline, kind)
    store.working.exclude(repo, paths, EXCLUDED)
    changes = [Change(path, digest, None) for path in paths]
    reason = f"recalled {paths[0]}" + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")
    commit = store.write_commit(pipeline, kind, changes, change_id=change_id, reason=reason)
    return f"{kind}@{commit.seq}"


def _exclude_taught(
    store: Store,
    pipeline: str,
    taught_files: Mapping[str, str],
    why: str,
    recalled: str,
    change_id: str,
) -> list[str]:
    """Recall the pairs that were taught from what the content went into; return the commits.

    Args:
        store: the open store.
        pipeline: whose pairs.
        taught_files: digest and name of each, as `lineage.reach` returns them.
        why: the reason for their rows.
        recalled: digest of the content.
        change_id: of the recall.
    """
    commits = []
    repo = store.history.repo_id(pipeline, "training")
    for taught, written_as in taught_files.items():
        store.exclusions.add(pipeline, taught, written_as, why, change_id, recalled=recalled)
        store.care.forget(taught)
        paths = store.working.with_digest(repo, taught)
        if paths:
            commits.append(_commit_without(store, pipeline, "training", paths, taught, change_id))
    return commits


def _change_live(store: Store, planned: Plan, name: str, who: str, change_id: str) -> None:
    live, after = planned.live, planned.live_after
    if live is None or live == after:
        return
    why = f"model@{live.number} was trained on {name}{RECALLED}"
    if after is None:
        store.models.withdraw(live, who=who, why=why, change_id=change_id)
    else:
        store.models.promote(after, who=who, why=why, change_id=change_id)


def _withdraw(store: Store, pipeline: PipelineSettings, paths: list[str]) -> int:
    repo = store.history.repo_id(pipeline.name, "input")
    return sum(withdraw(store, pipeline, repo, path) for path in paths)


def _summary(planned: Plan) -> str:
    after = planned.live_after
    live = f"model@{after.number}" if after else "no model"
    parts = [f"{len(planned.models)} models descend from it", f"{live} is live now"]
    parts += [
        f"{len(paths)} outputs are {what}"
        for what, paths in (("replaced", planned.replaced), ("withdrawn", planned.withdrawn))
        if paths
    ]
    return ", ".join(parts)
