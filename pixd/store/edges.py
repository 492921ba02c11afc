"""What went into a run and what came out of it."""

from __future__ import annotations

from typing import NamedTuple


class Edge(NamedTuple):
    """One input or output of a run: what it is to the run, its name, its content."""

    role: str
    path: str
    digest: str
