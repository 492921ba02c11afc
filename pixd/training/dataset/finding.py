"""What a finding about a training set is, and the settings that findings depend on. Pure.

*Wrong* is what harms a training or cannot be used. *Look* is what may be intended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pixd.config.value_range import AUTO

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixd.config import PipelineSettings

WRONG: Final = "wrong"
LOOK: Final = "look"


class Setting(NamedTuple):
    """The settings that findings depend on."""

    pairs: str
    direction: str
    image_size: int
    validation: float
    fit: str = "pad"
    value_range: str = AUTO
    labels: str = "colours"

    @classmethod
    def of(cls, pipeline: PipelineSettings) -> Setting:
        """Take them from a pipeline's settings."""
        one, share = pipeline, pipeline.train.validation
        return cls(
            one.pairs, one.direction, one.image_size, share, one.fit, one.value_range, one.labels
        )


class Refused(NamedTuple):
    """A file that is in no pair.

    Attributes:
        reason: why.
        kind: "unusable", "aspect", "outside", "unpaired", "copy", "special" (a link, a pipe) or
            "companion" (a README or a table beside the pictures).
    """

    reason: str
    kind: str


class Finding(NamedTuple):
    """One thing to know about the set.

    Attributes:
        kind: one word, for programs.
        level: WRONG or LOOK.
        message: what was found, in a line.
        advice: what to do.
        groups: the files that it is about; those of one group belong together. After a name may
            follow ": " and a remark.
    """

    kind: str
    level: str
    message: str
    advice: str
    groups: tuple[tuple[str, ...], ...] = ()

    def told(self) -> dict[str, Any]:
        """Return what ``pixd check-training --json`` prints for it."""
        return {**self._asdict(), "groups": [list(group) for group in self.groups]}


class Judgement(NamedTuple):
    """Everything about a set: the findings, wrong ones first, and notes that need no action.

    `inputs` says which values its inputs use (`pixd.training.dataset.value_findings.learned`).
    """

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    inputs: dict[str, Any] | None = None

    def count(self, level: str) -> int:
        """Return how many findings are of a level."""
        return sum(finding.level == level for finding in self.findings)

    @property
    def worst(self) -> str:
        """The first finding as one line, with a file that it is about; "" if there is none."""
        if not self.findings:
            return ""
        first = self.findings[0]
        return f"{first.message}, such as {first.groups[0][0]}" if first.groups else first.message


def one_each(names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Return the groups of a finding about files that do not belong together."""
    return tuple((name,) for name in names)
