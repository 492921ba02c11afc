"""What is wrong with a text that is not YAML, in the words of who wrote it.

A parser says where it could not go on, in its own terms. That is often a line after the mistake,
because a line without a colon is joined with the next one. What is not known here keeps the
parser's words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import yaml


class Trouble(NamedTuple):
    """Where it is, counted from 1, and what."""

    line: int
    reason: str


def of_error(text: str, error: yaml.MarkedYAMLError) -> Trouble:
    """Say what a parser stumbled over.

    Args:
        text: the whole text.
        error: what the parser raised, PyYAML's own or libyaml's.
    """
    mark = error.problem_mark or error.context_mark
    at = mark.line if mark else 0
    lines = [*text.split("\n"), ""]  # the end of the text has a line of its own
    here = lines[min(at, len(lines) - 1)]
    problem = error.problem or ""
    if told := _of_character(here[mark.column : mark.column + 1] if mark else "", problem):
        return Trouble(at + 1, told)
    if "expected ':'" in problem and error.context_mark:
        start = error.context_mark
        return Trouble(start.line + 1, _without_colon(lines[start.line]))
    if "mapping values are not allowed" in problem and mark:
        return _unexpected_colon(lines, at, mark.column)
    if "<document start>" in problem or error.context == "while parsing a block mapping":
        before = _before(lines, at)
        if before is not None and _lacks_colon(lines[before]):
            return Trouble(before + 1, _without_colon(lines[before]))
        if here[:1] == " ":
            return Trouble(at + 1, "it is indented unlike the lines beside it")
    reason = " ".join(part for part in (error.context, problem) if part)
    return Trouble(at + 1, reason)


def _of_character(char: str, problem: str) -> str:
    """Say what is wrong with the character at which it ended; "" where it is not that."""
    if char == "\t" or "tab character" in problem:
        return "here is a tab; YAML wants spaces"
    if "cannot start any token" in problem:
        return f"a value cannot begin with {char}; put it in quotes"
    if "unknown escape" in problem:
        return "a backslash in double quotes is special; use single quotes"
    return ""


def _unexpected_colon(lines: list[str], at: int, column: int) -> Trouble:
    if ": " in lines[at][:column]:
        return Trouble(at + 1, "a colon and a space stand in the value; put it in quotes")
    before = _before(lines, at)
    if before is not None and _lacks_colon(lines[before]):
        return Trouble(before + 1, _without_colon(lines[before]))
    return Trouble(at + 1, "it is indented further than the line above, which has a value")


def _before(lines: list[str], at: int) -> int | None:
    """Return the last line before `at` that holds more than a comment."""
    return next((n for n in range(at - 1, -1, -1) if _bare(lines[n])), None)


def _lacks_colon(line: str) -> bool:
    bare = _bare(line)
    return ": " not in f"{bare} " and not bare.startswith(("- ", "{", "["))


def _without_colon(line: str) -> str:
    bare = _bare(line)
    what = "the space after the colon" if ":" in bare else "a colon"
    return f'{what} is missing in "{bare}"'


def _bare(line: str) -> str:
    """Return a line without its comment and the space around it."""
    return f" {line}".split(" #", 1)[0].strip()
