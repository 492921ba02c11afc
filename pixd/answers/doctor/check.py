"""One check and its result."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found.

    Attributes:
        name: what was looked at.
        state: "ok"; "warn", where pixd works but the user should know something; "fail".
        told: what the check found.
        mend: the command that fixes it, or what else to do; "" if it is ok.
    """

    name: str
    state: str
    told: str
    mend: str = ""


def ok(name: str, told: str) -> Check:
    """Return a check that found everything as it should be."""
    return Check(name, OK, told)


def warn(name: str, told: str, mend: str) -> Check:
    """Return a check of something that the user should know, but that does not stop pixd."""
    return Check(name, WARN, told, mend)


def fail(name: str, told: str, mend: str) -> Check:
    """Return a check of something that prevents pixd from working."""
    return Check(name, FAIL, told, mend)
