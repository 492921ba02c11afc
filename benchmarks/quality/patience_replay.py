"""Says where `patience: auto` would have stopped the trainings that `learning_history.py` recorded.

Usage: python benchmarks/quality/patience_replay.py HISTORY.jsonl [..]

For each history: what each look of `pixd.pix2pix.learning.patience` would have seen of the better
weights, where it stops, the weights that it exports, and those that the whole history would have
exported. Then how often the averaged weights were the better ones at all recorded steps. A look is
answered by the recorded step that is nearest.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from pixd.pix2pix.learning.best import Best
from pixd.pix2pix.learning.patience import Patience

PAPER_EPOCHS = 200
AVERAGED = "0.998"  # the decay of one step that pixd's average has


def main() -> None:
    """Read the histories and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("histories", type=Path, nargs="+")
    for path in parser.parse_args().histories:
        head, *rows = (json.loads(line) for line in path.read_text().splitlines())
        print(f"\n{path.stem}: {head['pairs']} pairs, {head['held_out']} held out")
        replay(rows, head["pairs"])


def replay(rows: list[dict[str, Any]], pairs: int) -> None:
    """Print one history."""
    patience = Patience("auto", PAPER_EPOCHS * pairs, pairs)
    seen: list[Best] = []
    for step in patience.due:
        row = min(rows, key=lambda one: abs(one["step"] - step))
        if step > rows[-1]["step"]:
            break
        seen.append(better(row, step))
        standing = patience.standing(seen)
        print(f"{told(seen[-1])}  best since {standing.since}, stops at {standing.stops_at}")
        if standing.stops:
            print(f"stopped: {told(best_of_later_half(seen))} is exported")
            break
    whole = best_of_later_half([better(row, row["step"]) for row in rows])
    print(f"all of it: {told(whole)} would be exported")
    won = sum(better(row, row["step"]).is_averaged for row in rows)
    nearer = sum(
        Best.of(0, row[AVERAGED]).distance < Best.of(0, row["raw"]).distance for row in rows
    )
    print(f"averaged weights: better at {won} of {len(rows)} looks, nearer at {nearer}")


def better(row: dict[str, Any], step: int) -> Best:
    """Return the scores of the better weights, as a training decides it."""
    raw, averaged = Best.of(step, row["raw"]), Best.of(step, row[AVERAGED], is_averaged=True)
    return averaged if averaged.beats(raw) else raw


def best_of_later_half(seen: list[Best]) -> Best:
    """Return what would be exported at the end of these looks."""
    best = seen[0]
    for one in seen[1:]:
        if best.step < one.step // 2 or one.beats(best):
            best = one
    return best


def told(one: Best) -> str:
    """Return a line for people."""
    kind = "averaged" if one.is_averaged else "raw"
    return (
        f"step {one.step:>6} {kind:<8} L1 {one.l1:.1f} SSIM {one.ssim:.3f}"
        f" sharpness {one.sharpness:.2f} distance {one.distance:.1f}"
    )


if __name__ == "__main__":
    main()
