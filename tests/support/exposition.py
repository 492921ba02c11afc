"""A small strict reader of Prometheus' text format: whatever is not exactly right fails.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ "Text-based format".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"'
VALUE = r"[+-]?(?:[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?|Inf)|NaN"
LINE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? ({VALUE})")
Labels = tuple[tuple[str, str], ...]


@dataclass
class Family:
    """One metric: its type, its help, and its samples by name and labels."""

    kind: str
    help: str
    samples: dict[tuple[str, Labels], float] = field(default_factory=dict)

    def value(self, **labels: str) -> float:
        """Return the one sample whose labels are, or hold, these."""
        (found,) = [
            value for (_, has), value in self.samples.items() if labels.items() <= dict(has).items()
        ]
        return found


def parse(text: str) -> dict[str, Family]:
    """Read a whole file.

    Raises:
        AssertionError: it is not as the format wants it.
    """
    assert text.endswith("\n"), "the last line must end"
    families: dict[str, Family] = {}
    present = ""
    lines = text.removesuffix("\n").split("\n")
    for number, line in enumerate(lines):
        if line.startswith("# HELP "):
            present, _, help_ = line.removeprefix("# HELP ").partition(" ")
            assert re.fullmatch(NAME, present), line
            assert present not in families, f"{present} twice"
            assert help_, line
            kind = lines[number + 1].removeprefix(f"# TYPE {present} ")
            assert kind in {"counter", "gauge", "histogram"}, lines[number + 1]
            families[present] = Family(kind, help_)
        elif line.startswith("# TYPE "):
            assert lines[number - 1].startswith(f"# HELP {present} "), line
        else:
            _take(line, present, families[present])
    for name, family in families.items():
        assert family.samples, f"{name} has no samples"
        if family.kind == "histogram":
            _check_histogram(name, family)
    return families


def _take(line: str, present: str, family: Family) -> None:
    matched = LINE.fullmatch(line)
    assert matched, f"not a sample: {line!r}"
    name = matched[1]
    endings = ("_bucket", "_sum", "_count") if family.kind == "histogram" else ("",)
    assert name in {present + ending for ending in endings}, f"{name} under {present}"
    assert name.endswith("_total") == (family.kind == "counter"), name
    labels = tuple(
        (key, re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], raw))
        for key, raw in re.findall(LABEL, matched[2] or "")
    )
    assert len(dict(labels)) == len(labels), f"a label twice: {line}"
    key = (name, tuple(sorted(labels)))
    assert key not in family.samples, f"twice: {line}"
    family.samples[key] = float(matched[matched.lastindex or 0])


def _check_histogram(name: str, family: Family) -> None:
    series: dict[Labels, list[tuple[float, float]]] = {}
    for (sample, labels), value in family.samples.items():
        if sample == f"{name}_bucket":
            rest = tuple(pair for pair in labels if pair[0] != "le")
            series.setdefault(rest, []).append((float(dict(labels)["le"]), value))
    for labels, buckets in series.items():
        bounds, counts = zip(*buckets, strict=True)
        assert list(bounds) == sorted(bounds), name
        assert list(counts) == sorted(counts), name
        assert bounds[-1] == float("inf")
        assert family.samples[f"{name}_count", labels] == counts[-1]
        assert family.samples[f"{name}_sum", labels] >= 0
