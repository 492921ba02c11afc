"""Write the figures of `make faults` as the table of docs/reliability.md.

Usage: python -m tests.faults.table FIGURES.json, from ``make faults ARGS="--figures FIGURES.json"``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def rows(figures: list[dict[str, Any]]) -> list[str]:
    """Return the lines of a Markdown table, one a figure."""
    lines = ["| # | fault | pixd | the 30-line script | bar | met |", "|---|---|---|---|---|---|"]
    for one in figures:
        cells = [
            f"{one['number']:g}",
            one["fault"],
            one["pixd"],
            one["naive"],
            one["bar"],
            "yes" if one["met"] else "**no**",
        ]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return lines


if __name__ == "__main__":
    print("\n".join(rows(json.loads(Path(sys.argv[1]).read_text()))))  # noqa: T201 - its work
