"""What the service would do now: the work that is due, with estimates from recorded runs.

It only reads. Files that the service has not read yet count as well (`pixd.answers.unread`), so
that what it says before a start is what the start does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixd.answers import unread
from pixd.config.patience import NEVER, patience_in
from pixd.store.queries import files, history, holds, lineage, sweeps, trainings
from pixd.store.queries.retraining import asked_of
from pixd.training import apart, due, retraining, snapshot, wanted
from pixd.training.recipe import steps_of, train_recipe
from pixd.translation.due import stale_under

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pixd.answers.unread import Unread
    from pixd.config import PipelineSettings, Settings
    from pixd.store.connection import Reader
    from pixd.store.queries.trainings import Live
    from pixd.training.past import Past
    from pixd.training.snapshot import Job


def of_pipeline(
    reader: Reader,
    settings: Settings,
    pipeline: PipelineSettings,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    *,
    as_if: Live | None = None,
) -> dict[str, Any]:
    """Return what is due in one pipeline.

    Args:
        reader: the store's database.
        settings: the configuration.
        pipeline: the pipeline.
        progress: is told how many files are read, of how many.
        as_if: what would be the live model; without it, what is. So a person is told what follows
            from making a model live, or from unpinning it, before they do it.

    Returns:
        changes: files that were added, changed or removed since they were recorded, by folder.
        train: what training is due ("run", "reuse" or "none"), why, steps, and estimates.
        keep: the live model and how its settings differ from config.yaml's, where it is pinned; or
            None.
        try: how many variants `pixd try` still has trained, with estimates; or None.
        translate: how many inputs are due now and why, how many of them were made before and are
            only published, how many are due after the training, estimates, and the live model.
    """
    found = {
        kind: unread.look(reader, settings.store, pipeline, kind, progress)
        for kind in ("training", "input")
    }
    recorded = unread.contents(reader, pipeline, found["training"], progress)
    live = as_if or trainings.live(reader, pipeline.name)
    train = _train(reader, settings, pipeline, recorded, live)
    if before := holds.named_before(reader, pipeline.name, pipeline.training):
        train["why"] += f"; {holds.say_renamed(pipeline.name, before)}"
    return {
        "changes": {kind: _counts(one) for kind, one in found.items()},
        "train": train,
        "keep": _keep(reader, settings, pipeline, live),
        "try": _try(reader, settings, pipeline),
        "translate": _translate(reader, settings, pipeline, train, found["input"], live),
    }


def _counts(found: Unread) -> dict[str, int]:
    names = {"added": found.added, "changed": found.changed, "removed": found.removed}
    return {what: len(of) for what, of in names.items()}


def _train(
    reader: Reader,
    settings: Settings,
    pipeline: PipelineSettings,
    recorded: Sequence[tuple[str, str]],
    live: Live | None,
) -> dict[str, Any]:
    job = wanted.job_of(reader, pipeline, settings.precision, recorded)
    past = wanted.past_of_job(reader, settings.store, pipeline.name, job, live) if job else None
    if asked := _asked(reader, settings, pipeline, job, past):
        job = asked
    elif job is None or past is None:
        return {"action": due.NO_PAIRS.action, "why": due.NO_PAIRS.why}
    else:
        found = due.decide(past, pipeline.train.promote, pipeline.train.on_upgrade)
        match found.action:
            case "none":
                return {"action": "none", "why": found.why}
            case "reuse":
                return {"action": "reuse", "model": f"model@{found.model}", "why": found.why}
        job = job._replace(because=found.why)
    begin = snapshot.begin_of(reader, settings.store, pipeline, job)
    steps = begin.steps_left(steps_of(job.recipe, len(job.split.train)))
    return {
        "action": "run",
        "pairs": len(job.split.used),
        **_estimate_training(reader, pipeline, job.recipe, steps),
        "why": snapshot.reason(reader, settings.store, pipeline.name, job, begin),
        # Of a model that is made anew beside the live one.
        **({"anew": f"model@{job.model}"} if job.model is not None else {}),
    }


def _keep(
    reader: Reader, settings: Settings, pipeline: PipelineSettings, live: Live | None
) -> dict[str, Any] | None:
    """Say what keeps a live model that config.yaml does not ask for; None where nothing does."""
    if live is None or not live.is_pinned:
        return None
    recipe = lineage.recipe_of(reader, live.train_run)
    found = apart.apart(recipe, train_recipe(pipeline, settings.precision))
    return (
        {"model": f"model@{live.number}", "apart": [one.told for one in found]} if found else None
    )


def _try(reader: Reader, settings: Settings, pipeline: PipelineSettings) -> dict[str, Any] | None:
    """Return what is left of the variants; None where nothing is."""
    sweep = sweeps.under_way(reader, pipeline.name)
    if sweep is None:
        return None
    if sweep.pairs:
        pairs = len(lineage.dataset_of_listing(settings.store, sweep.pairs)["train"])
    else:
        job = wanted.job_of(reader, pipeline, settings.precision)
        pairs = len(job.split.train) if job else 0
    each = [
        _estimate_training(reader, pipeline, one.recipe, steps_of(one.recipe, pairs))
        for one in sweep.left
    ]
    told: dict[str, Any] = {"left": len(sweep.left), "variants": len(sweep.variants)}
    for name in ("steps", "seconds", "bytes"):
        values = [one[name] for one in each]
        told[name] = None if None in values else round(sum(values), 1)
    return told


def _asked(
    reader: Reader,
    settings: Settings,
    pipeline: PipelineSettings,
    job: Job | None,
    past: Past | None,
) -> Job | None:
    """Return the training that `pixd retrain` asked for and that is not done yet."""
    asked = asked_of(reader, pipeline.name)
    if asked is None:
        return None
    found = retraining.job_of(reader, settings.store, pipeline.name, asked, job, past)
    return None if isinstance(found, str) else found


def _estimate_training(
    reader: Reader, pipeline: PipelineSettings, recipe: Mapping[str, Any], steps: int
) -> dict[str, Any]:
    """Estimate from the last training of a network of the same size, if there was one."""
    past = history.training_rates(reader, pipeline.name)
    told = {"steps": steps, "may_stop_before": patience_in(recipe) != NEVER}
    names = ("image_size", "ngf", "batch_size", "replicas")
    for rate in past:
        if all(rate.recipe.get(name) == recipe.get(name) for name in names):
            return {
                **told,
                "seconds": round(rate.seconds_per_step * steps, 1),
                "bytes": rate.bytes,
            }
    return {**told, "seconds": None, "bytes": None}


def _translate(
    reader: Reader,
    settings: Settings,
    pipeline: PipelineSettings,
    train: Mapping[str, Any],
    found: Unread,
    of_live: Live | None,
) -> dict[str, Any]:
    repo = files.repo_id(reader, pipeline.name, "input")
    live = history.model(reader, pipeline.name, of_live.number) if of_live else None
    total = files.translatable(reader, repo) if repo is not None else 0
    # A pin keeps the live model, and the outputs that it made.
    is_pinned = of_live is not None and of_live.is_pinned
    changes_model = train["action"] != "none" and "anew" not in train and not is_pinned
    if changes_model and train["action"] == "reuse":  # it goes live before anything is translated
        _, _, number = train["model"].partition("@")
        live, changes_model = history.model(reader, pipeline.name, int(number)), False
    stale, made = stale_under(reader, pipeline, settings.precision, live) if live else (0, 0)
    total += len(found.added) - len(found.removed)
    fresh = len(found.added) + len(found.changed)
    stale = min(total, stale + fresh) if live else 0
    after = total if changes_model else 0
    seconds, size = history.translation_rate(reader, pipeline.name)
    made = min(made, stale)
    work = (stale - made + after) * pipeline.samples
    return {
        "model": live["name"] if live else None,
        "inputs": total,
        "due": stale,
        "made_before": made,
        "early": bool(live and live["early_of"]),
        "due_after_training": after,
        "replaces": bool(live and after),
        "seconds": round(seconds * work, 1) if seconds is not None else None,
        "bytes": round(size * work) if size is not None else None,
    }
