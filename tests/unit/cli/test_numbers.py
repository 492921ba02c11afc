"""Numbers and their nouns agree in what commands print."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixd.cli.commands import recall, trace, verify
from pixd.cli.commands import restore as restore_command
from pixd.folders.restore import Plan
from pixd.store.verify import Verification


def plan(same: int, missing: int) -> Plan:
    return Plan({}, {}, (), (), same, tuple(f"{n}.png" for n in range(missing)))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (
            1,
            """\
1 object (1 B), 1 commit and 1 output: nothing wrong
training@3 into t: 1 file is the same
  the bytes of 1 file were removed: 0.png
  try: pixd gc --undo
1 output exists; none of them descends from x.png
  1 output was made from it
""",
        ),
        (
            2,
            """\
2 objects (2 B), 2 commits and 2 outputs: nothing wrong
training@3 into t: 2 files are the same
  the bytes of 2 files were removed: 0.png, 1.png
  try: pixd gc --undo
2 outputs exist; none of them descends from x.png
  2 outputs were made from it
""",
        ),
    ],
)
def test_one_is_told_as_one(number: int, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    verify._print(Verification(number, number, number, number, ()))
    restore_command._print_plan(plan(number, number), "training@3", Path("t"))
    proof = {
        "is_recalled": True,
        "outputs": [],
        "checked": number,
        "live": None,
        "edited": [],
        "to_remove": {},
    }
    made = {"path": "a.png", "state": "current", "model": "model@1"}
    lines = [
        *recall._proof(proof, "x.png"),
        *trace._input({"files": [], "outputs": [made] * number}, 0),
    ]
    printed = capsys.readouterr()
    shown = [line for line in lines if "more" not in line and "true" not in line]
    assert printed.out + printed.err + "\n".join(shown) + "\n" == expected
