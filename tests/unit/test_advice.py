"""Every error that pixd raises on purpose tells the next step: read from the source itself."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

import pixd
from pixd.cli import arguments, main
from pixd.cli.parser import CommandParser
from pixd.system import errors

PACKAGE = Path(pixd.__file__).parent
# The message of these is kept as the reason of a file's or a run's state; nobody is told it as an
# error, and `pixd status` and `pixd why` have the advice that goes with the state.
REASONS = {
    "ImageRejectedError": "the reason why an image is rejected",
    "RefusedError": "the reason why a file is not taken",
    "NotRegularError": "the reason why a name is no file",
    "UnfinishedError": "the reason why a file waits; it is taken when its writer is done",
    "UnreadableError": "the reason why a file waits; it is tried again by itself",
    "ChildDiedError": "the picture is asked for again, and refused with the reason if that fails",
    "NoResultError": "the caller says what could not be made, and what to do",
    "OvertimeError": "as NoResultError",
    "LostError": "the work is asked of another machine, and a note says so",
    "SilentError": "as LostError",
    "FencedError": "as LostError: the host works for somebody else",
    "DamagedObjectError": "as LostError: it is asked again",
    "OutsideError": "as LostError: the host refuses, and the run fails with its own message",
    "DamagedExportError": "pixd.training.stage adds what happens next to the failed run",
}


@functools.cache
def trees() -> list[tuple[Path, ast.Module]]:
    paths = sorted(PACKAGE.rglob("*.py"))
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def error_classes() -> set[str]:
    """Return the names of PixdError and of all that derive from it, in any module."""
    bases = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found = {"PixdError"}
    while more := {name for name, its in bases.items() if its & found} - found:
        found |= more
    return found


def made() -> Iterator[tuple[str, str, ast.Call]]:
    """Yield (where, class, call) for every error that is made anywhere in pixd."""
    classes = error_classes()
    for path, tree in trees():
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in classes:
                    yield f"{path.relative_to(PACKAGE)}:{node.lineno}", name, node


def test_every_error_that_is_made_has_advice() -> None:
    without = [
        f"{where}: {ast.unparse(call)}"
        for where, name, call in made()
        if name not in REASONS
        and not any(
            keyword.arg == "advice" and ast.unparse(keyword.value) not in {"''", "None"}
            for keyword in call.keywords
        )
    ]
    assert without == []


def test_no_exception_to_the_rule_is_stale() -> None:
    seen = {name for _, name, _ in made()}
    assert seen >= REASONS.keys()
    assert {"UsageError", "ConfigError", "StoreError", "PixdError", "RootGoneError"} <= seen


# -- what was meant --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message", "advice"),
    [
        (["stats"], "there is no command stats", "pixd status"),
        (["xyzzy"], "there is no command xyzzy", "pixd --help"),
        (["status", "--jsn"], "pixd status has no option --jsn", "pixd status --json"),
        (["--confg", "status"], "pixd status has no option --confg", "pixd status --config"),
        (["wait", "--version"], "pixd wait has no option --version", "try: pixd --version"),
        (["man", "--json"], "pixd man has no option --json", "pixd man --help"),
        (
            ["export", "m", "o", "--verbose"],
            "pixd export has no option --verbose",
            "pixd export --help",
        ),
        (["web", "--besides"], "pixd web has no option --besides", "pixd web --help"),
        (["status", "x"], "pixd status: x is one argument too many", "pixd status --help"),
        (["promote"], "arguments are required: MODEL", "pixd promote model@3"),
        (["service", "instal"], "instal is no action", "install, uninstall, print"),
        (["run", "--log-format", "xml"], "xml is no --log-format", "text, json, journal"),
        (["wait", "--timeout", "soon"], "invalid float value: 'soon'", "pixd wait --help"),
    ],
)
def test_a_wrong_command_line_is_told_what_was_meant(
    words: list[str], message: str, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(words) == errors.EXIT_USAGE
    told = capsys.readouterr()
    assert told.out == ""
    first, second = told.err.splitlines()
    assert first.startswith("pixd: ")
    assert message in first
    assert second.startswith("  try: ")
    assert advice in second


def test_pixd_alone_says_where_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([]) == errors.EXIT_USAGE
    told = capsys.readouterr().err
    assert "pixd init" in told
    assert "pixd --help" in told
    assert len(told.splitlines()) < 15


def test_a_deleted_working_folder_is_named_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for command in ("status", "init", "check-config"):
        assert main.main([command]) == errors.EXIT_USAGE
        assert "the folder that you are in cannot be used" in capsys.readouterr().err


def test_every_command_has_a_group_and_an_example_that_parses() -> None:
    top = arguments.parser()
    lines = top.format_help().splitlines()
    for name, command in top.commands.items():
        assert command.group, name
        assert f"  {name:<16}{command.description}" in lines
        assert command.examples, name
        for example in command.examples:
            assert f"pixd {name}" in example
            _parse_example(top, example)
    assert max(map(len, lines)) <= 80


def _parse_example(top: CommandParser, example: str) -> None:
    line = example.partition("  #")[0]
    line = line[line.index("pixd ") + 5 :]
    for end in (" |", " &&", ")"):
        line = line.partition(end)[0]
    top.parse(line.split())
