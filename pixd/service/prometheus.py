"""The service's state and counts as Prometheus' text format. Pure; the names are a contract.

Names follow Prometheus' rules: base units, ``_total`` for what only counts up, ``_info`` for text.
No label is a path or a reason, since their number has no bound. Counters count since the service
started, unless their help says otherwise: Prometheus' ``rate`` handles resets.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ "Text-based format",
    https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store.engine_beat import LOST_REASONS, NODE_STATES
from pixd.store.states import FileState
from pixd.translation.tally import RESULTS, Histogram, Tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

STATES = ("ok", "degraded", "blocked")
TRAINING_STATES = ("idle", "waiting", "running", "failed", "paused")
FILE_STATES = {
    "training": (FileState.SETTLING, FileState.RECORDED, FileState.REJECTED),
    "input": (
        FileState.SETTLING,
        FileState.QUEUED,
        FileState.TRANSLATED,
        FileState.REJECTED,
        FileState.FAILED,
    ),
}

METRICS = {
    "pixd_build_info": ("gauge", "1; the version is a label."),
    "pixd_up": ("gauge", "1 while the service runs, 0 after it was stopped in order."),
    "pixd_start_time_seconds": ("gauge", "When the service started, since the epoch."),
    "pixd_heartbeat_timestamp_seconds": (
        "gauge",
        "When the loop last stirred, since the epoch; a killed service leaves it behind.",
    ),
    "pixd_state": ("gauge", "1 for the state that `pixd status` gives, 0 for the others."),
    "pixd_store_bytes": ("gauge", "Size of objects, database and checkpoints."),
    "pixd_store_disk_free_bytes": ("gauge", "Free on the disk of the store."),
    "pixd_output_disk_free_bytes": ("gauge", "Free on the disk of the output folder."),
    "pixd_pipeline_blocked": ("gauge", "1 where nothing comes out until a disk has room."),
    "pixd_pipeline_degraded": ("gauge", "1 where a part failed and the rest goes on."),
    "pixd_pipeline_paused": ("gauge", "1 after `pixd pause`."),
    "pixd_folder_held": ("gauge", "1 where a watched folder is on hold."),
    "pixd_folder_polled": ("gauge", "1 where no events report changes."),
    "pixd_unreadable_files": ("gauge", "Files and folders that cannot be read now."),
    "pixd_files": ("gauge", "Files of a watched folder, by the one state that each is in."),
    "pixd_files_recorded_total": ("counter", "Contents recorded: new files and changed ones."),
    "pixd_missed_events_total": ("counter", "Files that a scan found and no event had named."),
    "pixd_watch_overflows_total": ("counter", "Times that the kernel's event queue overflowed."),
    "pixd_scan_timestamp_seconds": ("gauge", "When the folder was last scanned, since the epoch."),
    "pixd_queue_length": ("gauge", "Inputs that wait for their output, or for a first model."),
    "pixd_outputs": ("gauge", "Outputs by state; of all services on this store."),
    "pixd_outputs_to_remove": ("gauge", "Withdrawn outputs whose files cannot be removed yet."),
    "pixd_translations_total": ("counter", "What became of inputs."),
    "pixd_drop_to_output_seconds": (
        "histogram",
        "From when a file was written or renamed into place until its first output exists.",
    ),
    "pixd_last_translation_timestamp_seconds": (
        "gauge",
        "When the newest output was published, since the epoch; absent before the first.",
    ),
    "pixd_training_state": ("gauge", "1 for the state of the training, 0 for the others."),
    "pixd_training_step": ("gauge", "Steps done of the present training; 0 without one."),
    "pixd_training_steps": ("gauge", "Steps that the present training has; 0 without one."),
    "pixd_training_images_per_second": ("gauge", "Rate of the present training; 0 without one."),
    "pixd_models_total": ("counter", "Models made; of all services on this store."),
    "pixd_live_model_number": ("gauge", "N of the live model@N; 0 without one."),
    "pixd_live_model_info": ("gauge", "1; the live model's name and data set are labels."),
    "pixd_live_model_timestamp_seconds": ("gauge", "When it became live, since the epoch."),
    "pixd_engine_up": ("gauge", "1 while the cluster can be used; absent with `engine: local`."),
    "pixd_engine_nodes": ("gauge", "Machines of the cluster, by state, when work last ran there."),
    "pixd_hosts": ("gauge", "Trainers and translators that work on the cluster."),
    "pixd_engine_wait_seconds": ("gauge", "For how long work has waited for room; 0 for none."),
    "pixd_lost_total": ("counter", "Machines lost while they worked, by the stage and the reason."),
    "pixd_asked_again_total": ("counter", "Images asked for again: a machine was lost, or slow."),
    "pixd_steps_again_total": ("counter", "Training steps done again: a machine was lost."),
    "pixd_engine_bytes_total": ("counter", "Bytes sent to machines and received from them."),
}
"""Type and help of every metric, in the order of the file; docs/metrics.md has them all."""


class Sample(NamedTuple):
    """One line of the file: a metric of `METRICS`, its labels and value."""

    family: str
    labels: Mapping[str, str]
    value: float
    suffix: str = ""


class PipelineFacts(NamedTuple):
    """What is known of a pipeline in addition to its part of the status.

    Attributes:
        tally: what it has done.
        recorded: contents recorded since the start, by folder.
        scanned_at: when each folder was last scanned, seconds since the epoch.
        missed_events: files that only a scan found, by folder.
        overflows: how often the kernel's queue overflowed, by folder.
        models: how many models were made.
        live_since: when the live model became so, seconds since the epoch.
        last_translation_at: when the newest output was published, seconds since the epoch.
        output_free_bytes: free on the disk of the output folder; None where nobody can tell.
    """

    tally: Tally
    recorded: Mapping[str, int]
    scanned_at: Mapping[str, float | None]
    missed_events: Mapping[str, int]
    overflows: Mapping[str, int]
    models: int
    live_since: float | None
    last_translation_at: float | None
    output_free_bytes: int | None


def samples(
    status: Mapping[str, Any],
    facts: Mapping[str, PipelineFacts],
    *,
    started_at: float,
    beat_at: float,
    is_up: bool,
) -> Iterator[Sample]:
    """Yield every sample.

    Args:
        status: as `pixd.answers.status.snapshot` has it.
        facts: of each of its pipelines.
        started_at: of the service, seconds since the epoch.
        beat_at: when its loop last stirred, seconds since the epoch.
        is_up: whether it goes on running.
    """
    yield Sample("pixd_build_info", {"version": status["version"]}, 1)
    yield Sample("pixd_up", {}, is_up)
    yield Sample("pixd_start_time_seconds", {}, started_at)
    yield Sample("pixd_heartbeat_timestamp_seconds", {}, beat_at)
    yield from _one_of("pixd_state", STATES, status["state"])
    yield Sample("pixd_store_bytes", {}, status["store_bytes"])
    yield Sample("pixd_store_disk_free_bytes", {}, status["disk_free_bytes"])
    if status["engine"]:
        yield from _of_engine(status["engine"])
    for name, part in status["pipelines"].items():
        troubles = {p["state"] for p in status["problems"] if p["pipeline"] in {name, ""}}
        yield Sample("pixd_pipeline_blocked", {"pipeline": name}, "blocked" in troubles)
        yield Sample("pixd_pipeline_degraded", {"pipeline": name}, "degraded" in troubles)
        yield Sample("pixd_pipeline_paused", {"pipeline": name}, part["paused"] is not None)
        yield from _of_folders(name, part, facts[name])
        yield from _of_translation(name, part, facts[name])
        yield from _of_training(name, part, facts[name])


def _of_folders(name: str, part: Mapping[str, Any], facts: PipelineFacts) -> Iterator[Sample]:
    for folder, states in FILE_STATES.items():
        seen = part[folder]
        labels = {"pipeline": name, "folder": folder}
        yield Sample("pixd_folder_held", labels, bool(seen["held"]))
        yield Sample("pixd_folder_polled", labels, seen["watch"] == "poll")
        yield Sample("pixd_unreadable_files", labels, seen["unreadable"])
        counts = dict(seen)
        counts["recorded"] = seen["files"] - seen["settling"] - seen["rejected"]  # of training
        for state in states:
            yield Sample("pixd_files", {**labels, "state": state}, counts[state])
        yield Sample("pixd_files_recorded_total", labels, facts.recorded[folder])
        yield Sample("pixd_missed_events_total", labels, facts.missed_events[folder])
        yield Sample("pixd_watch_overflows_total", labels, facts.overflows[folder])
        scanned_at = facts.scanned_at[folder]
        if scanned_at is not None:
            yield Sample("pixd_scan_timestamp_seconds", labels, scanned_at)


def _of_translation(name: str, part: Mapping[str, Any], facts: PipelineFacts) -> Iterator[Sample]:
    labels = {"pipeline": name}
    yield Sample("pixd_queue_length", labels, part["input"]["queued"])
    outputs = dict(part["output"])
    left = outputs.pop("to_remove")
    for state, count in outputs.items():
        yield Sample("pixd_outputs", {**labels, "state": state}, count)
    yield Sample("pixd_outputs_to_remove", labels, left["files"] if left else 0)
    if facts.output_free_bytes is not None:
        yield Sample("pixd_output_disk_free_bytes", labels, facts.output_free_bytes)
    tally = facts.tally
    for result in RESULTS:
        yield Sample("pixd_translations_total", {**labels, "result": result}, tally.results[result])
    yield from _of_histogram("pixd_drop_to_output_seconds", tally.waits, **labels)
    if facts.last_translation_at is not None:
        at = facts.last_translation_at
        yield Sample("pixd_last_translation_timestamp_seconds", labels, at)


def _of_histogram(family: str, histogram: Histogram, **labels: str) -> Iterator[Sample]:
    """Yield the cumulated buckets, the sum and the count."""
    total = 0
    for bound, total in histogram.cumulated():
        yield Sample(family, {**labels, "le": _number(bound)}, total, "_bucket")
    yield Sample(family, labels, histogram.sum_s, "_sum")
    yield Sample(family, labels, total, "_count")


def _of_training(name: str, part: Mapping[str, Any], facts: PipelineFacts) -> Iterator[Sample]:
    labels = {"pipeline": name}
    train, model = part["train"], part["model"]
    is_running = train["state"] == "running"
    yield from _one_of("pixd_training_state", TRAINING_STATES, train["state"], **labels)
    yield Sample("pixd_training_step", labels, train["step"] if is_running else 0)
    yield Sample("pixd_training_steps", labels, train["steps"] if is_running else 0)
    rate = train["images_per_second"] if is_running else 0
    yield Sample("pixd_training_images_per_second", labels, rate or 0)
    yield Sample("pixd_models_total", labels, facts.models)
    yield Sample("pixd_live_model_number", labels, model["number"] if model else 0)
    if model:
        of = {"model": f"model@{model['number']}", "dataset": f"training@{model['dataset_commit']}"}
        yield Sample("pixd_live_model_info", {**labels, **of}, 1)
    if facts.live_since is not None:
        yield Sample("pixd_live_model_timestamp_seconds", labels, facts.live_since)


def _of_engine(part: Mapping[str, Any]) -> Iterator[Sample]:
    yield Sample("pixd_engine_up", {}, not part["why"])
    for state in NODE_STATES:
        count = sum(node["state"] == state for node in part["nodes"])
        yield Sample("pixd_engine_nodes", {"state": state}, count)
    for stage, doing in (("train", "training"), ("translate", "translating")):
        yield Sample("pixd_hosts", {"stage": stage}, len(part[doing].split()))
        for why in LOST_REASONS:
            lost = part["lost_by"].get(stage, {}).get(why, 0)
            yield Sample("pixd_lost_total", {"stage": stage, "why": why}, lost)
    yield Sample("pixd_engine_wait_seconds", {}, part["wait_seconds"])
    yield Sample("pixd_asked_again_total", {}, part["asked_again"])
    yield Sample("pixd_steps_again_total", {}, part["steps_again"])
    for direction in ("sent", "received"):
        labels = {"direction": direction}
        yield Sample("pixd_engine_bytes_total", labels, part[f"{direction}_bytes"])


def _one_of(family: str, states: Iterable[str], present: str, **labels: str) -> Iterator[Sample]:
    for state in states:
        yield Sample(family, {**labels, "state": state}, state == present)


# -- the text --------------------------------------------------------------------------------


def render(found: Iterable[Sample]) -> str:
    """Write samples as the text format wants them: those of a metric together, below its type.

    Raises:
        KeyError: a sample is of no metric in `METRICS`.
    """
    by_family: dict[str, list[Sample]] = {name: [] for name in METRICS}
    for sample in found:
        by_family[sample.family].append(sample)
    lines = []
    for name, (kind, help_) in METRICS.items():
        if by_family[name]:
            lines += [f"# HELP {name} {_escaped(help_)}", f"# TYPE {name} {kind}"]
            lines += map(_line, by_family[name])
    return "".join(f"{line}\n" for line in lines)


def _line(sample: Sample) -> str:
    labels = ",".join(f'{name}="{_quotable(text)}"' for name, text in sample.labels.items())
    name = sample.family + sample.suffix
    return (
        f"{name}{{{labels}}} {_number(sample.value)}"
        if labels
        else f"{name} {_number(sample.value)}"
    )


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quotable(text: str) -> str:
    return _escaped(text).replace('"', '\\"')
