"""`pixd status` for people: one verdict, then a few lines for each pipeline."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from pixd.answers import engine
from pixd.store import model_scores
from pixd.system.wording import counted, duration, size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


LOSSES = (("gen_l1_loss", "L1", 1), ("gen_gan_loss", "GAN", 2), ("disc_loss", "D", 2))
"""How scores are shown: the name, the word, and the decimals that matter."""
TRYING = "trying "
"""How the reason of a training begins that is of a variant."""
SAME_PAIRS = "the live model is of these pairs"
"""How the reason begins for which `pixd.training.due` trains nothing."""


def render(status: Mapping[str, Any]) -> str:
    """Return the text of a snapshot that `pixd.answers.status.snapshot` made."""
    return "\n".join(_lines(status)) + "\n"


def _lines(status: Mapping[str, Any]) -> Iterator[str]:
    yield from verdict(status)
    if status["store_gone"]:  # nothing of the pipelines is known
        if status["pid"]:
            yield ""
            yield f"pid {status['pid']}, waits for the store, pixd {status['version']}"
        return
    for name, pipeline in status["pipelines"].items():
        yield ""
        yield name
        yield from _of_training(pipeline)
        yield from _of_inputs(pipeline)
    if status["engine"]:
        yield ""
        yield f"engine      {engine.text(status['engine'])}"
        for line in engine.lines(status["engine"]):
            yield f"  {line}"
    if status["page_unit"]:
        yield ""
        yield f"page        {page_text(status['page_unit'])}"
    if status["failures"]:
        yield ""
        yield "last warnings (UTC)"
        yield from _failures(status["failures"])
    yield ""
    up = f"pid {status['pid']}, up {duration(status['uptime_seconds'])}, " if status["pid"] else ""
    yield (
        f"{up}store {size(status['store_bytes'])}, disk {size(status['disk_free_bytes'])} free,"
        f" device {status['device']}, pixd {status['version']}"
    )


_OF_PAGE = {
    "running": "{name} runs; its link: pixd web --link",
    "down": "{name} is enabled and does not run",
    "on-demand": "pixd-web.socket starts it at the first visit",
    "disabled": "{name} is installed, and nothing starts it",
}


def page_text(unit: Mapping[str, Any]) -> str:
    """Say whether the page's unit runs."""
    whose = ", in your own systemd" if unit["manager"] == "user" else ""
    return _OF_PAGE[unit["state"]].format(name=unit["name"]) + whose


def _of_training(pipeline: Mapping[str, Any]) -> Iterator[str]:
    yield f"  training  {_training(pipeline['training'])}"
    if told := _findings(pipeline["training"]["findings"]):
        yield f"  check     {told}"
    yield f"  model     {_model(pipeline['model'], pipeline['train']['reason'])}"
    if told := _beside(pipeline["model"]):
        yield f"  beside    {told}"
    train = _train(pipeline["train"])
    yield f"  train     {train}"
    for offer in pipeline["offers"]:
        if offer["told"] not in train:  # an idle service says it as its reason
            yield f"  offer     {offer['told']}"
    if learned := _learned(pipeline["train"]):
        yield f"  learned   {learned}"


def _of_inputs(pipeline: Mapping[str, Any]) -> Iterator[str]:
    yield f"  input     {_input(pipeline)}"
    if (odd := pipeline["input"]["findings"]) and odd["worst"]:
        yield f"  check     {odd['worst']}"
    yield f"  output    {_output(pipeline)}"
    phase = pipeline["translate"]["phase"]
    if phase:
        yield f"  waiting   the translator is {phase}"
    if tiles := pipeline["translate"]["tiles"]:
        yield f"  tiles     {tiles_text(tiles)}"


def verdict(status: Mapping[str, Any]) -> Iterator[str]:
    """Say first how the service is, then for each problem what to do next."""
    state, problems = status["state"], list(status["problems"])
    if state == "not-running":
        yield f"NOT RUNNING, {_last_seen(status)}"
        if not status["store_gone"]:
            yield "  try: `pixd run`, or `systemctl start pixd` where it is installed as a service"
    elif problems:
        first = problems.pop(0)
        more = f"; and {len(problems)} more, below" if problems else ""
        yield f"{state.upper()}: {first['reason']}{more}"
        yield f"  try: {first['advice']}"
    else:
        yield f"OK, {_activity(status)}"
        if any(p["paused"] for p in status["pipelines"].values()):
            yield "  try: `pixd resume` lets new work start again"
    for problem in problems:
        yield f"  also {problem['reason']}"
        yield f"  try: {problem['advice']}"


def _last_seen(status: Mapping[str, Any]) -> str:
    seen = status["last_seen"]
    if not seen:
        return "the store is gone" if status["store_gone"] else "never started here"
    if status["store_gone"]:
        return f"last seen {_when(seen)}, and the store is gone"
    how = "it was stopped" if status["was_stopped"] else "it was killed, or the machine went down"
    return f"last seen {_when(seen)}: {how}"


def _failures(events: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Write the last warnings, newest first; repeated ones once."""
    for (pipeline, message), same in groupby(events, lambda e: (e["pipeline"], e["message"])):
        times = [event["at"] for event in same]
        where = f"{pipeline}: " if pipeline else ""
        again = f" ({len(times)} times)" if len(times) > 1 else ""
        yield f"  {times[0][5:16].replace('T', ' ')}  {where}{message}{again}"


def _activity(status: Mapping[str, Any]) -> str:
    if status["starting"]:
        return "starting"
    paused = [n for n, p in status["pipelines"].items() if p["paused"]]
    if paused:
        return f"paused ({', '.join(paused)}): no new work starts"
    if status["idle"]:
        return "idle"
    training = [n for n, p in status["pipelines"].items() if p["train"]["state"] == "running"]
    return f"training {', '.join(training)}" if training else "working"


def _training(part: Mapping[str, Any]) -> str:
    text = "nothing yet"
    if part["commit"]:
        text = f"training@{part['commit']}, {counted(part['pairs'], 'pair')}"
    extras = [
        f"{part[k]} {k}" for k in ("settling", "unreadable", "rejected", "ignored") if part[k]
    ]
    if extras:
        text += f" ({', '.join(extras)})"
    if part["not_answering"]:
        return f"{text}, NOT ANSWERING: {part['not_answering']}"
    if part["held"]:
        return f"{text}, ON HOLD: {part['held']}"
    if part["last_scan_age_seconds"] is not None:
        text += (
            f", watched by {part['watch']}, scanned {duration(part['last_scan_age_seconds'])} ago"
        )
    return text + _polling(part)


def _findings(found: Mapping[str, Any] | None) -> str:
    """Say how much is wrong with the set, and what is worst; "" where nothing is wrong."""
    if found is None:
        return ""
    counts = [
        f"{found[level]} {word}"
        for level, word in (("wrong", "wrong"), ("look", "worth a look"))
        if found[level]
    ]
    if not counts:
        return ""
    return f"{', '.join(counts)}: {found['worst']}; `pixd check-training` tells more"


def _polling(part: Mapping[str, Any]) -> str:
    """Say why a folder is not watched by the kernel's events."""
    if part["watch"] != "poll" or not part["watch_why"]:
        return ""
    return f"; polled, because {part['watch_why']}"


def _model(part: Mapping[str, Any] | None, of_training: str) -> str:
    if part is None:
        return "none yet: it comes from pairs in the training folder"
    text = f"model@{part['number']} of training@{part['dataset_commit']}"
    if early := part["early"]:
        text += f", early: step {early['step']:,} of {early['steps']:,}"
    l1 = part["metrics"].get("l1")
    if l1 is not None and part["metrics"].get("held_out"):
        text += f", held-out L1 {l1:.1f} of 255"
    text += f", live since {_when(part['live_since'])}"
    if part["pinned"]:
        text += ", pinned"
    if part["stale"]:  # what came or went may be no pair
        has_same = of_training.startswith(SAME_PAIRS)
        text += f", the folder has changed since{', the pairs have not' if has_same else ''}"
    return text


def _beside(part: Mapping[str, Any] | None) -> str:
    """Say what the model's L1 is to be compared with; "" where that is not known."""
    if part is None or not part["metrics"].get("held_out"):
        return ""
    return model_scores.beside(part["metrics"])


def _train(part: Mapping[str, Any]) -> str:
    if part["looking"] and part["state"] == "idle":
        return str(part["reason"])
    if part["state"] != "running":
        return f"{part['state']}: {part['reason']}" if part["reason"] else str(part["state"])
    if not part["steps"]:
        return f"running: {part['reason']}"
    tried = f"{part['reason']}; " if part["reason"].startswith(TRYING) else ""
    text = f"{tried}step {part['step']} of {part['steps']} ({100 * part['step'] / part['steps']:.0f} %)"
    if part["images_per_second"]:
        text += f", {part['images_per_second']:.1f} images/s"
    if part["eta_seconds"] is not None:
        most = "at most " if part["stops_at"] else ""
        text += f", {most}{duration(part['eta_seconds'])} left"
    losses = part.get("losses") or {}
    told = [f"{word} {losses[name]:.{d}f}" for name, word, d in LOSSES if name in losses]
    if told:
        text += f", losses: {', '.join(told)}"
    is_told = tried or part["reason"] in {"", "training"}
    return text if is_told else f"{text}, {part['reason']}"


def _learned(part: Mapping[str, Any]) -> str:
    """Say how good the model was when it was last scored, and where to see for oneself."""
    if part["state"] != "running":
        return ""
    scores, told = part.get("validation"), []
    if scores and scores["l1"] is not None:
        told.append(f"held-out L1 {scores['l1']:.1f} of 255 at step {scores['step']}")
    if part["stops_at"] and part["best_step"]:
        told.append(
            f"best at step {part['best_step']}, stops at step {part['stops_at']} if it gets no better"
        )
    if part.get("preview"):
        told.append(f"see {part['preview']}")
    return "; ".join(told)


def _input(pipeline: Mapping[str, Any]) -> str:
    part = pipeline["input"]
    states = [
        f"{part[k]} {k}"
        for k in ("translated", "queued", "settling", "rejected", "failed")
        if part[k]
    ]
    if part["unreadable"]:
        states.append(f"{part['unreadable']} of them unreadable")
    text = counted(part["files"], "file") + (f": {', '.join(states)}" if states else "")
    if part["ignored"]:
        text += f" ({part['ignored']} ignored)"
    if part["queued"] and pipeline["model"] is None:
        text += ", waiting for the first model"
    if part["not_answering"]:
        return f"{text}, NOT ANSWERING: {part['not_answering']}"
    return text + (f", ON HOLD: {part['held']}" if part["held"] else _polling(part))


def _output(pipeline: Mapping[str, Any]) -> str:
    part, silent = pipeline["output"], pipeline["translate"]["not_answering"]
    extras = [f"{part[k]} {k}" for k in ("superseded", "orphaned", "edited") if part[k]]
    text = f"{part['current']} current" + "".join(f", {extra}" for extra in extras)
    early = pipeline["model"] and pipeline["model"]["early"]
    if early and early["outputs_behind"]:
        text += f"; {early['outputs_behind']} of them by a model before, newest inputs follow first"
    return text + (f", NOT ANSWERING: {silent}" if silent else "")


def tiles_text(part: Mapping[str, Any]) -> str:
    """Say how far the translation of an image in tiles is."""
    share = 100 * part["done"] // part["all"]
    return f"{part['done']} of {part['all']} ({share} %) of {part['name']}"


def _when(at: str) -> str:
    return at[:16].replace("T", " ") + " UTC"
