"""One thing that was looked at, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found.

    Attributes:
        name: what was looked at.
        state: "ok"; "warn", where pixd works and something should be known; "fail".
        told: what was found.
        mend: the command that mends it, or what else to do; "" where it is ok.
    """

    name: str
    state: str
    told: str
    mend: str = ""


def ok(name: str, told: str) -> Check:
    """Say that something is as it should be."""
    return Check(name, OK, told)


def warn(name: str, told: str, mend: str) -> Check:
    """Say that something should be known, with which pixd works."""
    return Check(name, WARN, told, mend)


def fail(name: str, told: str, mend: str) -> Check:
    """Say that something keeps pixd from its work."""
    return Check(name, FAIL, told, mend)
