"""The report as one HTML page that needs nothing else: no script, no font, no file beside it.

Pure: a record in, text out. Names come from files, which anybody may have named. So every text is
escaped where it enters the page, and the page also forbids itself to load or run anything.
"""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

import pixd
from pixd.answers.report.curves import Reference, Series, chart, figure
from pixd.answers.report.style import STYLE
from pixd.store import model_scores

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from pixd.answers.report.record import Picture, Record, Setting

MOST_NAMES = 2000  # of one side, in the list that unfolds
TINY_PX = 64  # a smaller model's pictures are enlarged without blurring them
PARTS = ("input", "output", "target")
SCORES = (("l1", "L1", "of 255, less is better"), ("psnr", "PSNR", "dB, more is better"),
          ("ssim", "SSIM", "of 1, more is better"), ("sharpness", "Sharpness", "1 is the target's"))  # fmt: skip
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def render(record: Record) -> str:
    """Return the page of a record."""
    model = record.model
    return document(
        f"{model['pipeline']}: {model['name']}",
        (
            *_head(record),
            *_pictures(record),
            *_sheet(record),
            *_curves(record),
            *_scores(model["metrics"]),
            *_data(record),
            *_settings(record),
            *_foot(record),
        ),
    )


def document(title: str, parts: Iterable[str], style: str = "") -> str:
    """Return a whole page of its parts, which are HTML; `style` is added to the usual one."""
    return "\n".join(
        (
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}{style}</style></head><body><main>",
            *parts,
            "</main></body></html>\n",
        )
    )


# -- what became of it -----------------------------------------------------------------------


def _head(record: Record) -> Iterator[str]:
    model, verdict = record.model, record.model["verdict"]
    word, tone = _standing(model)
    yield f'<p class="where">{escape(model["pipeline"])}</p>'
    yield f'<h1>{escape(model["name"])}<span class="badge {tone}">{word}</span></h1>'
    said = "It was promoted" if verdict["promote"] else "It was not promoted"
    yield f'<p class="verdict">{said}: {escape(str(verdict["why"]))}.</p>'
    if doubts := model_scores.doubts(model["metrics"]):
        look = "Look at the pairs below: does each target belong to its input?"
        yield note(f"This model is doubtful: {doubts}. {look}")
    yield '<div class="tiles">'
    yield from (
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(about)}</span></div>'
        for value, about in _numbers(record)
    )
    yield "</div>"


def _standing(model: Mapping[str, Any]) -> tuple[str, str]:
    if model["is_live"]:
        return ("live, pinned" if model["is_pinned"] else "live"), "good"
    return ("not live", "soft") if model["verdict"]["promote"] else ("not promoted", "bad")


def _numbers(record: Record) -> Iterator[tuple[str, str]]:
    metrics = record.model["metrics"]
    held_out = metrics.get("held_out") or 0
    if held_out and metrics.get("l1") is not None:
        yield figure(metrics["l1"]), f"L1 of 255 on {count(held_out, 'held-out pair')}"
    mean = model_scores.baseline_l1(metrics, "mean_target")
    if held_out and mean is not None:
        yield figure(mean), "L1 of the mean of all targets, which learned nothing"
    live = metrics.get("live") or {}
    if held_out and live.get("l1") is not None:
        yield figure(live["l1"]), "L1 of the model that was live then"
    steps, total = int(record.model["steps"]), _last_step_of(record)
    of = f" of {total:,}, the best of them" if total > steps else ""
    yield f"{steps:,}", f"steps{of}"
    if stopped := (record.model["training"]["progress"] or {}).get("stopped"):
        yield f"{total:,}", str(stopped)
    sides = [len(record.pairs.get(side, ())) for side in ("train", "held_out")]
    if any(sides):
        yield f"{sides[0]:,}", f"pairs to learn from, {sides[1]:,} held out"


def _last_step_of(record: Record) -> int:
    """Return how many steps were trained; at least 1."""
    progress = record.model["training"]["progress"] or {}
    ended = "step" if progress.get("stopped") else "steps"
    return max(1, int(progress.get(ended) or record.model["steps"]))


# -- pictures --------------------------------------------------------------------------------


def _pictures(record: Record) -> Iterator[str]:
    if record.shows_held_out:
        yield "<h2>Pairs it never saw</h2>"
        total, what = len(record.pairs["held_out"]), "held-out pairs"
    else:
        yield "<h2>Pairs it was trained on</h2>"
        total, what = len(record.pairs["train"]), "pairs"
    told = f"The first {len(record.shown)} of {total} {what} by name, as the model sees them."
    if not record.shows_held_out:
        told += " None was held out, so they say little of what it makes of new ones."
    yield f'<p class="soft">{told}</p>'
    if record.pictures_trouble:
        yield note(f"There are no pictures: {record.pictures_trouble}.")
        return
    size = int(record.model["training"]["recipe"].get("image_size", 0))
    yield '<div class="pairs">'
    for picture in record.pictures:
        yield from _pair(picture, size)
    yield "</div>"


def _pair(picture: Picture, size: int) -> Iterator[str]:
    score = f'<span class="score">L1 {figure(picture.l1)}</span>' if picture.l1 is not None else ""
    name = f'<span class="name">{escape(picture.name)}</span>'
    yield f'<figure class="pair"><figcaption>{name}{score}</figcaption>'
    if picture.trouble:
        yield note(f"Not shown: {picture.trouble}.")
    else:
        look = ' class="tiny"' if size < TINY_PX else f' style="max-width:{max(size, 352)}px"'
        yield '<div class="three">'
        for part, data in zip(PARTS, picture.parts, strict=True):
            alt = escape(f"{part} of {picture.name}")
            yield (
                f'<div class="{part}"><img src="{data_uri(data)}" alt="{alt}" width="{size}"'
                f' height="{size}"{look}>{part}</div>'
            )
        yield "</div>"
    yield "</figure>"


def _sheet(record: Record) -> Iterator[str]:
    yield "<h2>How it learned</h2>"
    if record.sheet is None:
        yield note(f"There is no sheet: {record.sheet_trouble}.")
        return
    yield '<p class="soft">The same pairs from step to step, between the input and the target.</p>'
    alt = "a row for each pair: input, output after some steps, target"
    yield f'<div class="box sheet"><img src="{data_uri(record.sheet)}" alt="{alt}"></div>'


def data_uri(png: bytes) -> str:
    """Return a PNG as the address of a picture that lies in the page itself."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


# -- curves and scores -----------------------------------------------------------------------


def _curves(record: Record) -> Iterator[str]:
    yield "<h2>Curves</h2>"
    curves, exported = record.curves, int(record.model["steps"])
    if not curves:
        yield note("There are no curves: none were kept of this training.")
        return
    yield '<p class="soft">Against steps; the dotted line is where the exported weights are from.</p>'
    baselines = record.model["metrics"].get("baselines") or {}
    live = record.model["metrics"].get("live") or {}
    known = (("mean target", baselines.get("mean_target")), ("live model", live))
    l1 = [Reference(n, s["l1"]) for n, s in known if s and s.get("l1") is not None]
    panels: tuple[tuple[str, str, list[Series], list[Reference]], ...] = (
        ("L1", "of 255: how far colours are off; less is better",
         [Series("training", curves.get("gen_l1_loss", ()), is_noisy=True),
          Series("held out", curves.get("validation_l1", ()))], l1),
        ("Adversarial losses", "neither should win: 0.69 is guessing",
         [Series("generator", curves.get("gen_gan_loss", ()), is_noisy=True),
          Series("discriminator", curves.get("disc_loss", ()), is_noisy=True)], []),
        ("Sharpness", "held out; 1 is as sharp as the targets",
         [Series("held out", curves.get("validation_sharpness", ()))], []),
        ("SSIM", "held out, of 1: are structures in place",
         [Series("held out", curves.get("validation_ssim", ()))], []),
        ("PSNR", "held out, dB",
         [Series("held out", curves.get("validation_psnr", ()))], []),
    )  # fmt: skip
    yield '<div class="charts">'
    for title, about, series, references in panels:
        if not any(one.points for one in series):
            continue
        yield f'<figure class="chart"><figcaption>{title}<small>{about}</small>'
        yield f"<small>{''.join(_legend(series))}</small></figcaption>"
        # The number of a series is its colour, so that none is left out before they are drawn.
        yield chart(title, series, references, exported, _last_step_of(record))
        yield "</figure>"
    yield "</div>"


def _legend(series: Sequence[Series]) -> Iterator[str]:
    for number, one in enumerate(series, 1):
        if one.points:
            yield f'<span class="key s{number}"></span>{escape(one.label)} &nbsp; '


def _scores(metrics: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>Scores</h2>"
    held_out = metrics.get("held_out") or 0
    if not held_out:
        yield note("There are no scores: no pair was held out. Ten pairs are enough to hold some.")
        return
    live = "the model that was live then and " if metrics.get("live") else ""
    beside = f"beside {live}two answers that learned nothing"
    yield f'<p class="soft">On {count(held_out, "held-out pair")}, {beside}.</p>'
    baselines = metrics.get("baselines") or {}
    rows = [
        ("this model", metrics),
        ("the live model then", metrics.get("live")),
        ("the mean of all targets", baselines.get("mean_target")),
        ("the input as it is", baselines.get("identity")),
        ("this model, beside the targets of other pairs", _others(metrics)),
    ]
    heads = "".join(
        f'<th class="number">{name}<br><span class="unit">{unit}</span></th>'
        for _, name, unit in SCORES
    )
    yield f'<div class="box"><table><tr><th></th>{heads}</tr>'
    for label, scores in rows:
        if scores:
            cells = "".join(
                f'<td class="number">{score_text(scores.get(key))}</td>' for key, _, _ in SCORES
            )
            mine = ' class="mine"' if label == rows[0][0] else ""
            yield f"<tr{mine}><td>{label}</td>{cells}</tr>"
    yield "</table></div>"
    common = metrics.get("common") or {}
    if common.get("n") and common.get("l1") is not None:
        yield (
            f"<p>On the {common['n']} of them that the live model held out too, which it is judged"
            f" by: L1 {figure(common['l1'])} against {score_text((common.get('live') or {}).get('l1'))}"
            " of the live model.</p>"
        )


def _others(metrics: Mapping[str, Any]) -> dict[str, float] | None:
    l1 = model_scores.others_l1(metrics)
    return None if l1 is None else {"l1": l1}


def score_text(value: float | None) -> str:
    """Return a score for a cell of a table."""
    return figure(value) if isinstance(value, int | float) else "-"


# -- what it came from -----------------------------------------------------------------------


def _data(record: Record) -> Iterator[str]:
    model, commit = record.model, record.commit
    yield "<h2>What it was trained on</h2>"
    name = f"training@{model['commit_seq']}"
    since = f" of {when(commit['committed_at'])}" if commit else ""
    sides = {side: len(record.pairs.get(side, ())) for side in ("train", "held_out")}
    told = f"<code>{name}</code>{since}: {count(sides['train'], 'pair')} to learn from, "
    told += f"{sides['held_out']:,} held out."
    if record.changes:
        told += f" Against {escape(record.before)}: {escape(', '.join(record.changes))}."
    elif record.before:
        told += f" The same pairs as {escape(record.before)}."
    if record.begun_from:
        told += f" It began from the weights of {escape(record.begun_from)}."
    yield f"<p>{told}</p>"
    reason = str(model["training"]["reason"])
    if reason:
        yield f'<p class="soft">Why it ran: {escape(reason)}.</p>'
    for side, words in (("held_out", "held out"), ("train", "trained on")):
        names = record.pairs.get(side, ())
        if names:
            yield f"<details><summary>{count(len(names), 'pair')} {words}</summary>"
            yield f'<ul class="names">{"".join(_items(names))}</ul></details>'


def _items(names: Sequence[str]) -> Iterator[str]:
    yield from (f"<li>{escape(name)}</li>" for name in names[:MOST_NAMES])
    if len(names) > MOST_NAMES:
        yield f"<li>and {len(names) - MOST_NAMES:,} more, in <code>pixd trace</code></li>"


def _settings(record: Record) -> Iterator[str]:
    yield "<h2>Settings</h2>"
    first = [setting for setting in record.settings if setting.is_told_first]
    rest = [setting for setting in record.settings if not setting.is_told_first]
    if first:
        beside = f" or from {escape(record.before)}" if record.before else ""
        yield f'<p class="soft">What differs from the defaults{beside}.</p>'
        yield from _setting_table(first, record.before)
    else:
        yield '<p class="soft">All as pixd has them by default.</p>'
    if rest:
        yield f"<details><summary>{count(len(rest), 'setting')} as by default</summary>"
        yield from _setting_table(rest, "")
        yield "</details>"


def _setting_table(settings: Iterable[Setting], before: str) -> Iterator[str]:
    differs = [setting.is_told_first for setting in settings]
    heads = ["setting", "value"] + (["default"] if any(differs) else [])
    heads += [before] if before else []
    yield f'<div class="box"><table><tr>{"".join(f"<th>{escape(h)}</th>" for h in heads)}</tr>'
    for setting in settings:
        cells = [setting.value or "unset"]
        if any(differs):
            cells.append("the same" if setting.default is None else setting.default or "unset")
        if before:
            cells.append("the same" if setting.before is None else setting.before or "unset")
        row = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        yield f"<tr><td><code>{escape(setting.name)}</code></td>{row}</tr>"
    yield "</table></div>"


def _foot(record: Record) -> Iterator[str]:
    model, run = record.model, record.model["training"]
    environment = run["environment"] or {}
    made = " ".join(str(environment[k]) for k in ("device_name", "precision") if environment.get(k))
    versions = ", ".join(
        f"{name} {environment[name]}"
        for name in ("tensorflow", "keras", "python")
        if environment.get(name)
    )
    yield "<footer>"
    yield f"<p>Trained by run@{run['id']}, finished {when(run['finished_at'] or '')}"
    yield f"{escape(f' on {made}') if made else ''}{escape(f' ({versions})') if versions else ''}.</p>"
    yield f"<p><code>{escape(model['digest'])}</code></p>"
    yield f"<p>Written by pixd {pixd.__version__}; <code>pixd trace</code> and"
    yield f" <code>pixd show {escape(model['name'])}</code> say more.</p></footer>"


def note(text: str) -> str:
    """Return a paragraph that says what is wrong or missing."""
    return f'<p class="note-box">{escape(text)}</p>'


def count(number: int, what: str) -> str:
    """Return "1 pair" or "2,000 pairs"."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def when(at: str) -> str:
    """Return an instant of the store, RFC 3339, as people read it."""
    return escape(f"{at[:10]} {at[11:16]} UTC" if at else "at an unknown time")
