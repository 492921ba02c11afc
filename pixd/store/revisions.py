"""What a stage's revisions mean: other results, or the same by other arithmetic. Pure.

A revision is a part of the key of every run, so that its record says by which code it was made. It
does not say that the work must be done again. After a revision of *arithmetic* nothing is due: the
results differ by rounding, or the bytes differ and the pixels do not. After a revision of *results*
this pixd would make something else from the same; that is offered, and done when a person asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RESULTS: Final = "results"
ARITHMETIC: Final = "arithmetic"


class Revision(NamedTuple):
    """One revision of a stage's code.

    Attributes:
        number: as it is in the keys of runs.
        kind: whether it makes other results, or the same by other arithmetic.
        version: the pixd in which it came, "0.1".
        what: what that pixd does, as the rest of a sentence: "resizes pairs otherwise".
    """

    number: int
    kind: Literal["results", "arithmetic"]
    version: str
    what: str

    @property
    def told(self) -> str:
        """The sentence for people."""
        return f"pixd {self.version} {self.what}"


class Key(NamedTuple):
    """The key that the same work has, or had in an earlier revision.

    Attributes:
        key: as `pixd.store.runs.run_key` returns it.
        revision: the number in it.
        otherwise: why this pixd makes something else from the same; "" if it makes the same.
    """

    key: str
    revision: int
    otherwise: str


def newest(revisions: Sequence[Revision]) -> int:
    """Return the number of the revision in force."""
    return revisions[-1].number


def otherwise(revisions: Sequence[Revision], since: int) -> str:
    """Say how results became other ones after revision `since`; "" where they did not, or for 0.

    0 stands for a run whose revision is not known: nothing can be said of it.
    """
    later = [r for r in revisions if r.number > since > 0 and r.kind == RESULTS]
    return ", and ".join(r.told for r in later)


def keys(
    stage: str, revisions: Sequence[Revision], recipe: str, inputs: Sequence[str]
) -> Iterator[Key]:
    """Yield the keys of one piece of work under every revision, newest first.

    Args:
        stage: the kind of run.
        revisions: of the stage, oldest first.
        recipe: digest of the effective settings.
        inputs: digests of what goes in.
    """
    from pixd.store.runs import run_key  # noqa: PLC0415 - `status` reads the tables and hashes nothing

    for revision in reversed(revisions):
        key = run_key(stage, revision.number, recipe, inputs)
        yield Key(key, revision.number, otherwise(revisions, revision.number))
