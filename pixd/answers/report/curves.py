"""Curves as inline SVG: numbers in, markup out, in the colours that the page's style gives.

Pure. Every text is escaped. Every number is printed with few digits, so that a page stays small.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH, HEIGHT = 420, 240
LEFT, RIGHT, TOP, BOTTOM = 46, 20, 14, 30
LABEL_GAP = 13  # least distance of two labels, in units of the drawing
TICKS = 4
SMOOTHED_OVER = 10  # a mean over one part of so many of the points
ALIKE = 1e-12  # values that differ by a smaller share are drawn as one
LEAST = 1e-15  # a smaller difference or value is drawn as 0
REACH = 1.0  # a reference further away than this many heights of the curve would flatten it
_HUNDRED, _TEN_THOUSAND = 100, 10_000

Point = tuple[float, float]


class Series(NamedTuple):
    """One curve.

    Attributes:
        label: what it is, for the legend and for people who cannot see it.
        points: (step, value) in the order of steps.
        is_noisy: whether to draw it faintly, under its running mean.
    """

    label: str
    points: Sequence[tuple[int, float]]
    is_noisy: bool = False


class Reference(NamedTuple):
    """A value that is drawn beside the curves, as a level line."""

    label: str
    value: float


class _Frame(NamedTuple):
    """The ranges of both axes, and where a point lies in the drawing."""

    last: float
    low: float
    high: float

    def x(self, step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * step / self.last

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def chart(
    title: str,
    series: Sequence[Series],
    references: Sequence[Reference] = (),
    marked: int = 0,
    last: int = 1,
) -> str:
    """Draw one chart.

    Args:
        title: for people who cannot see it.
        series: at least one point in all.
        references: those that are near enough to the curves are drawn.
        marked: the step whose weights were exported; 0 for none.
        last: where the axis of steps ends, unless a point lies beyond it.
    """
    smooth = [s._replace(points=running_mean(s.points)) if s.is_noisy else s for s in series]
    values = [value for s in smooth for _, value in s.points]
    low, high = min(values), max(values)
    span = (high - low) or abs(high) or 1.0
    near = [r for r in references if low - REACH * span <= r.value <= high + REACH * span]
    levels = [*values, *(reference.value for reference in near)]
    ticks = nice_ticks(min(levels), max(levels))
    last = max(last, marked, *(step for s in series for step, _ in s.points))
    frame = _Frame(last, ticks[0], ticks[-1])
    return "".join(
        (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
            *_grid(frame, ticks),
            *(_faint(frame, s, n) for n, s in enumerate(series, 1) if s.is_noisy and s.points),
            *(_line(frame, s, n) for n, s in enumerate(smooth, 1) if s.points),
            *(d for n, s in enumerate(series, 1) if not s.is_noisy for d in _dots(frame, s, n)),
            *_marked(frame, marked),
            *_references(frame, near),
            "</svg>",
        )
    )


def running_mean(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Return the points with the mean of their neighbours to both sides as value.

    The outermost are left out, because with few neighbours they would be as noisy as the values.
    """
    reach = len(points) // SMOOTHED_OVER // 2 + 1
    found = []
    for at, (step, _) in enumerate(points):
        # Equally far to both sides, so that the mean does not lag at the ends.
        near = min(reach, at, len(points) - 1 - at)
        if near < reach // 2:
            continue
        window = points[at - near : at + near + 1]
        found.append((step, math.fsum(value for _, value in window) / len(window)))
    return found


def nice_ticks(low: float, high: float) -> list[float]:
    """Return evenly spaced round values, the first at or below `low`, the last at or above `high`.

    Source: Paul Heckbert, "Nice numbers for graph labels", Graphics Gems, 1990.
    """
    rough = _span(low, high) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * power >= rough * (1 - 1e-9)) * power
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def _span(low: float, high: float) -> float:
    """Return the range that an axis shows. If values hardly differ, it is their size, or 1.

    Smaller steps would be the same float, and for steps near the smallest float there is no power
    of ten.
    """
    size = max(abs(low), abs(high))
    if high - low > max(ALIKE * size, LEAST):
        return high - low
    return size if size > LEAST else 1.0


def figure(value: float) -> str:
    """Return a number with as many digits as matter."""
    if value == 0:
        return "0"
    size = abs(value)
    digits = 0 if size >= _HUNDRED else 1 if size >= 10 else 2 if size >= 1 else 3  # noqa: PLR2004 - powers of ten
    return f"{value:.{digits}f}"


def steps(value: float) -> str:
    """Return a number of steps for an axis: 12k rather than 12000."""
    if value >= _TEN_THOUSAND:
        return f"{value / 1000:g}k"
    return f"{value:g}"


def _grid(frame: _Frame, ticks: Sequence[float]) -> Iterator[str]:
    digits = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))
    scaled = (ticks[1] - ticks[0]) * 10**digits
    digits += abs(scaled - round(scaled)) > 1e-6  # noqa: PLR2004 - steps of 2.5
    for tick in ticks:
        y = frame.y(tick)
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        yield f'<text class="axis end" x="{LEFT - 6}" y="{y + 4:.1f}">{tick:.{digits}f}</text>'
    bottom = HEIGHT - 10
    for tick in nice_ticks(0, frame.last):
        if tick <= frame.last:
            yield f'<text class="axis mid" x="{frame.x(tick):.1f}" y="{bottom}">{steps(tick)}</text>'


def _marked(frame: _Frame, marked: int) -> Iterator[str]:
    if not marked:
        return
    x = frame.x(marked)
    is_right = x > WIDTH / 2
    anchor, at = ("end", x - 5) if is_right else ("start", x + 5)
    yield f'<path class="marked" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
    yield f'<text class="note {anchor}" x="{at:.1f}" y="{TOP + 9}">exported</text>'


def _references(frame: _Frame, references: Sequence[Reference]) -> Iterator[str]:
    before = -math.inf
    for reference in sorted(references, key=lambda r: -r.value):  # from the top
        y = frame.y(reference.value)
        label = max(y - 4, before + LABEL_GAP)
        before = label
        yield f'<path class="reference" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        text = f"{reference.label} {figure(reference.value)}"
        yield f'<text class="note start" x="{LEFT + 4}" y="{label:.1f}">{escape(text)}</text>'


def _line(frame: _Frame, series: Series, number: int) -> str:
    return f'<path class="line s{number}" d="{_path(frame, series.points)}"/>'


def _faint(frame: _Frame, series: Series, number: int) -> str:
    # Outliers of single steps may lie outside the frame. They are cut off at its edge.
    inside = [(s, min(max(v, frame.low), frame.high)) for s, v in series.points]
    return f'<path class="line faint s{number}" d="{_path(frame, inside)}"/>'


def _dots(frame: _Frame, series: Series, number: int) -> Iterator[str]:
    for step, value in series.points:
        title = escape(f"{series.label} {figure(value)} at step {step}")
        yield (
            f'<circle class="dot s{number}" r="3.2" cx="{frame.x(step):.1f}"'
            f' cy="{frame.y(value):.1f}"><title>{title}</title></circle>'
        )


def _path(frame: _Frame, points: Sequence[tuple[int, float]]) -> str:
    return "M" + "L".join(f"{frame.x(step):.1f} {frame.y(value):.1f}" for step, value in points)
