"""What all faults share: a stub pipeline, the sizes, and the table that `make faults` prints.

A fault has a file of its own. Without ``--full-size`` it runs small, as part of `make test`;
with it, at the size that docs/reliability.md reports. Either way it must meet its bar, and it
puts its figures into the table by the fixture `figure`.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from tests.support.tiny import Tiny

Figure = Callable[..., None]


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    number: float
    fault: str
    pixd: str
    bar: str
    met: bool
    naive: str = ""


_rows = pytest.StashKey[list[Row]]()


@pytest.fixture(scope="session")
def is_full_size(request: pytest.FixtureRequest) -> bool:
    """Tell whether the faults run at the size that is published."""
    return bool(request.config.getoption("--full-size"))


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """Return `figure(number, fault, pixd=..., bar=..., met=..., naive="")`.

    `number` is the fault's number in docs/reliability.md (5.1 for a second line of fault 5),
    `pixd` and `naive` what was seen, `bar` what is asked for. It adds the line and then fails
    the test where the bar is not met, so that the table shows by how much.
    """

    def add(
        number: float, fault: str, *, pixd: str, bar: str, met: bool = True, naive: str = ""
    ) -> None:
        rows = request.config.stash.setdefault(_rows, [])
        rows.append(Row(number, fault, pixd, bar, met, naive))
        assert met, f"{fault}: {pixd}; the bar is: {bar}"

    return add


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table, and write it where ``--figures`` says."""
    found: list[Row] = config.stash.get(_rows, [])
    rows = sorted(found, key=lambda row: row.number)
    if not rows or not config.getoption("--full-size"):
        return
    terminalreporter.section("faults")
    for row in rows:
        mark = "met" if row.met else "NOT MET"
        beside = f"; naive script: {row.naive}" if row.naive else ""
        line = f"{row.number:g}  {row.fault}: {row.pixd}{beside}  [{row.bar}: {mark}]"
        terminalreporter.write_line(line)
    target = config.getoption("--figures")
    if target:
        Path(target).write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


@pytest.fixture
def stub(ready: Tiny) -> Tiny:
    """Return a pipeline with a stub-sized live model, not started, nothing translated yet."""
    return ready


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Tiny]:
    """Return a pipeline without a model: inputs are recorded and wait, which takes no TensorFlow."""
    tiny = Tiny(tmp_path / "bare")
    yield tiny
    if tiny.service:
        tiny.stop(signal.SIGKILL)
