"""The manual page: as complete as the parsers, and without a complaint of its formatters."""

from __future__ import annotations

import argparse
import shutil
import subprocess

import pytest

from pixd.cli import arguments, man_page
from pixd.system import errors


@pytest.fixture(scope="module")
def page() -> str:
    return man_page.page(arguments.parser())


def formatted(page: str) -> str:
    """Return the page as a terminal shows it, its lines joined."""
    command = ["groff", "-man", "-ww", "-Tutf8", "-P-cbou"]
    if not shutil.which(command[0]):
        pytest.skip("groff is not installed")
    done = subprocess.run(command, input=page, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return " ".join(done.stdout.split())


def test_man_shows_it_without_a_warning(page: str) -> None:
    if not shutil.which("man"):
        pytest.skip("man is not installed")
    command = ["man", "--warnings", "-E", "UTF-8", "-l", "-"]
    done = subprocess.run(command, input=page, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    if "minimized" in done.stdout:  # Debian's containers have a stand-in for man
        pytest.skip("man itself is not installed, but its stand-in")
    assert done.stdout.startswith("PIXD(1)")


def test_it_has_the_sections_that_a_reader_looks_for(page: str) -> None:
    sections = [line.removeprefix(".SH ") for line in page.splitlines() if line.startswith(".SH ")]
    assert sections == [
        "NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "FILES", "ENVIRONMENT",
        "EXIT STATUS", "SIGNALS", "SEE ALSO",
    ]  # fmt: skip


def test_every_command_option_example_and_exit_code_is_in_it(page: str) -> None:
    text = formatted(page)
    top = arguments.parser()
    commands = list(top.commands.values())
    below = [operation for command in commands for operation in command.commands.values()]
    assert below
    for command in (top, *commands, *below):
        said = [command.description] if command is not top else []
        for action in (*command.positionals, *command.options):
            if action.help == argparse.SUPPRESS or "--help" in action.option_strings:
                continue
            said += [*action.option_strings, action.help]
        said += command.examples
        for words in said:
            assert words
            # A sentence begins large in the page.
            assert " ".join(words.split())[1:] in text, (command.prog, words)
    status = text[text.index("EXIT STATUS") : text.index("SIGNALS")]
    for code, meaning in errors.EXIT_MEANINGS.items():
        assert f" {code} {meaning[0].upper()}{meaning[1:]}." in status


def test_text_that_roff_would_obey_is_shown_as_it_is() -> None:
    top = arguments.parser()
    top.commands["run"].description = ".br 'a' \\fB`x` ~ ^ -y"
    assert ".br 'a' \\fB`x` ~ ^ -y" in formatted(man_page.page(top))
