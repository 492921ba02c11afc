"""The variants of one `pixd try` as one HTML page: a table of scores, and the same pairs by each.

As `pixd.answers.report.page`, it needs nothing else, and every text is escaped where it enters.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple

import pixd
from pixd.answers.report.curves import figure
from pixd.answers.report.page import (
    SCORES,
    TINY_PX,
    count,
    data_uri,
    document,
    note,
    score_text,
    when,
)
from pixd.store import model_scores

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from pixd.answers.report.record import Picture
    from pixd.answers.sweep import Outcome, Tried

STYLE = """
.wall { display: grid; gap: 0.7rem; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); }
.wall div { font-size: 0.82rem; color: var(--soft); overflow-wrap: anywhere; }
.wall img { display: block; width: 100%; height: auto; margin-bottom: 0.25rem; border-radius: 4px;
  background: var(--rule); }
.wall img.tiny { image-rendering: pixelated; }
.wall b { color: var(--ink); font-weight: 600; }
"""


class Drawn(NamedTuple):
    """What a model makes of the pairs.

    Attributes:
        told: which variant it is, for people; or that it is the live model.
        pictures: of each pair one; none where they could not be drawn.
        trouble: why not, or "".
    """

    told: str
    pictures: Sequence[Picture]
    trouble: str = ""


def render(outcome: Outcome, drawn: Sequence[Drawn]) -> str:
    """Return the page.

    Args:
        outcome: the variants, best first.
        drawn: what each trained variant, and the live model, makes of the same pairs.
    """
    sweep = outcome.sweep
    trained = f"{outcome.made} of {len(outcome.tried)} trained"
    return document(
        f"{sweep.pipeline}: tried settings",
        (
            f'<p class="where">{escape(sweep.pipeline)}</p>',
            f'<h1>Tried settings<span class="badge soft">{trained}</span></h1>',
            f'<p class="verdict">{escape(_verdict(outcome))}</p>',
            *_scores(outcome),
            *_pictures(outcome, drawn),
            f"<footer><p>Asked for by {escape(sweep.who)} on {when(sweep.asked_at)}. Written by",
            f"pixd {pixd.__version__}; <code>pixd models --report MODEL</code> says more of one.",
            "</p></footer>",
        ),
        STYLE,
    )


def _verdict(outcome: Outcome) -> str:
    best, pairs = outcome.best, outcome.pairs
    sides = (
        f"{count(len(pairs['train']), 'pair')} to learn from, {len(pairs['held_out']):,} held out"
    )
    told = f"All are trained on the same pairs of training@{outcome.sweep.commit_seq}: {sides}. "
    if best is None or best.model is None:
        return told + "There are no scores yet."
    name = best.model["name"]
    if best.model["is_live"]:
        return f"{told}The best is the live model, {name}: {best.told}."
    if outcome.is_live_better:
        return f"{told}None has better scores than the live model. The best of them is {name}: {best.told}."
    return (
        f"{told}The best is {name}: {best.told}. It is not live; pixd promote {name} makes it so."
    )


def _scores(outcome: Outcome) -> Iterator[str]:
    yield "<h2>Scores</h2>"
    yield '<p class="soft">Best first, by L1 and structure (SSIM) together.</p>'
    heads = "".join(
        f'<th class="number">{name}<br><span class="unit">{unit}</span></th>'
        for _, name, unit in SCORES
    )
    yield f'<div class="box"><table><tr><th>settings</th><th>model</th>{heads}<th></th></tr>'
    for one in outcome.tried:
        mine = ' class="mine"' if one is outcome.best else ""
        name = one.model["name"] if one.model else "-"
        yield f"<tr{mine}><td>{escape(one.told)}</td><td><code>{escape(name)}</code></td>"
        yield f"{_cells(one.metrics)}<td>{escape(_state(one))}</td></tr>"
    if outcome.live:
        told, scores = outcome.live
        yield f"<tr><td>{escape(told)}</td><td></td>{_cells(scores)}<td></td></tr>"
    yield "</table></div>"


def _cells(metrics: Mapping[str, Any]) -> str:
    return "".join(
        f'<td class="number">{score_text(metrics.get(key))}</td>' for key, _, _ in SCORES
    )


def _state(one: Tried) -> str:
    if one.model is None:
        return one.trouble or "not trained yet"
    words = ["live"] if one.model["is_live"] else []
    if doubts := model_scores.doubts(one.metrics):
        words.append(f"doubtful: {doubts}")
    return "; ".join(words)


def _pictures(outcome: Outcome, drawn: Sequence[Drawn]) -> Iterator[str]:
    yield "<h2>The same pairs by each</h2>"
    for one in drawn:
        if one.trouble:
            yield note(f"No pictures by {one.told}: {one.trouble}.")
    shown = [one for one in drawn if one.pictures]
    if not shown:
        yield note("There are no pictures.")
        return
    which = "that none of them was trained on" if outcome.pairs["held_out"] else "of the training"
    yield f'<p class="soft">The first pairs by name {which}, as the models see them.</p>'
    size = int(outcome.sweep.variants[0].recipe.get("image_size", 0))
    yield '<div class="pairs">'
    for number, first in enumerate(shown[0].pictures):
        yield f'<figure class="pair"><figcaption><span class="name">{escape(first.name)}</span>'
        yield "</figcaption>"
        if first.trouble:
            yield note(f"Not shown: {first.trouble}.")
        else:
            yield f'<div class="wall">{"".join(_cells_of_pair(shown, number, size))}</div>'
        yield "</figure>"
    yield "</div>"


def _cells_of_pair(shown: Sequence[Drawn], number: int, size: int) -> Iterator[str]:
    first = shown[0].pictures[number]
    yield _cell("input", first.parts[0], None, first.name, size)
    yield _cell("target", first.parts[2], None, first.name, size)
    for one in shown:
        picture = one.pictures[number]
        if not picture.trouble:
            yield _cell(one.told, picture.parts[1], picture.l1, first.name, size)


def _cell(told: str, png: bytes, l1: float | None, name: str, size: int) -> str:
    look = ' class="tiny"' if size < TINY_PX else ""
    score = f"<br>L1 {figure(l1)}" if l1 is not None else ""
    alt = escape(f"{told} of {name}")
    return (
        f'<div><img src="{data_uri(png)}" alt="{alt}" width="{size}" height="{size}"{look}>'
        f"<b>{escape(told)}</b>{score}</div>"
    )
