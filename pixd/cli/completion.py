"""What can be typed where the cursor is on a command line; a shell asks when Tab is pressed.

The scripts in `pixd/shell_scripts` know nothing of pixd's commands. Each passes on the line up to
the cursor and shows the answer, as those of gh and kubectl do (cobra's design). So this one module
serves three shells, and a script that was installed once fits every version.

Pure: the names of pipelines, models and commits come from `names`.
"""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pixd.cli.parser import CommandParser

VALUES: dict[str, tuple[str, ...]] = {
    "FILE": ("files",),
    "OUTPUT": ("files",),
    "FILE.png": ("files",),
    "WHERE": ("files",),
    "DIR": ("folders",),
    "STORE": ("folders",),
    "IN": ("folders",),
    "FOLDER-A": ("folders",),
    "FOLDER-B": ("folders",),
    "OUT": ("folders",),
    "NAME": ("pipelines",),
    "MODEL": ("live", "models"),
    "MODEL@N": ("models",),
    "COMMIT": ("commits",),
    "A": ("commits", "models"),
    "B": ("commits", "models"),
    "CHANGE": ("changes",),
    "REPO": ("repos", "changes"),
    "THING": ("live", "commits", "models", "runs", "changes", "files"),
    "FILE|DIGEST": ("files",),
    "FILE|RUN": ("runs", "files"),
    "BATCH": ("batches",),
    "KEY=V1,V2": ("settings",),
    "F[,F..]": (),
    "TEXT": (),
    "N": (),
    "S": (),
    "SHARE": (),
    "SIZE": (),
}
"""What each placeholder of `--help` means: kinds of names that `names` is asked for."""


class Word(NamedTuple):
    """One candidate, and what a shell may show next to it."""

    text: str
    about: str = ""


class Asked(NamedTuple):
    """What `names` is asked for: names of a kind that begin with `typed`, under these options."""

    kind: str
    typed: str
    given: Mapping[str, str]


class Answer(NamedTuple):
    """The candidates, and whether the shell is to add the names of files or folders."""

    words: list[Word]
    paths: str = ""  # "", "files" or "folders"

    def lines(self) -> Iterator[str]:
        """Yield lines for the scripts: ``WORD<tab>ABOUT`` each; then ``:files`` or ``:folders``."""
        for word in self.words:
            yield "\t".join(" ".join(part.split()) for part in word if part)
        if self.paths:
            yield f":{self.paths}"


def split(line: str) -> list[str]:
    """Split a line as shells do; the last word is the one at the cursor, and may be empty.

    Quotes that are still open are closed.
    """
    for missing in ("", '"', "'", "\\"):
        lexer = shlex.shlex(line + missing, posix=True, punctuation_chars=False)
        lexer.whitespace_split = True
        lexer.commenters = ""
        try:
            words = list(lexer)
        except ValueError:
            continue
        is_between = not missing and line[-1:].isspace() and not line[:-1].endswith("\\")
        return [*words, ""] if is_between or not words else words
    return [""]


def complete(top: CommandParser, line: str, names: Callable[[Asked], Iterable[Word]]) -> Answer:
    """Return what can be typed at the end of `line`, which begins with the program's own name."""
    *before, typed = split(line)
    cursor = _Cursor(top)
    for word in before[1:]:
        if not cursor.pass_by(word):
            return Answer([])
    words: list[Word] = []
    paths = ""
    prefix = ""
    if cursor.waiting is None and not cursor.is_past_options and typed.startswith("-"):
        name, equals, value = typed.partition("=")
        option = cursor.option(name) if equals else None
        if option is None:
            return Answer(_beginning(typed, cursor.unused_options()))
        action, typed, prefix = option, value, name + equals
    elif cursor.waiting is not None:
        action = cursor.waiting
    elif cursor.places:
        action = cursor.places[0]
    else:
        return Answer(_beginning(typed, cursor.unused_options()))
    for found in _values(cursor, action, typed, names):
        if isinstance(found, str):
            paths = found
        else:
            words.append(Word(prefix + found.text, found.about))
    return Answer(words, paths)


def _beginning(typed: str, words: Iterable[Word]) -> list[Word]:
    return [word for word in words if word.text.startswith(typed)]


def _values(
    cursor: _Cursor,
    action: argparse.Action,
    typed: str,
    names: Callable[[Asked], Iterable[Word]],
) -> Iterator[Word | str]:
    """Yield what an option or argument can be; "files" or "folders" where it can be a path."""
    if isinstance(action.choices, dict):  # the commands
        words = [Word(name, command.description) for name, command in action.choices.items()]
        yield from _beginning(typed, words)
        return
    if action.choices is not None:
        yield from _beginning(typed, [Word(str(choice)) for choice in action.choices])
        return
    for kind in VALUES[str(action.metavar)]:
        if kind in {"files", "folders"}:
            yield kind
        else:
            asked = Asked(kind, typed, cursor.given)
            yield from _beginning(typed, names(asked))


class _Cursor:
    """The state of a command line after the words that were read."""

    def __init__(self, top: CommandParser) -> None:
        self.parser = top
        self.places = list(top.positionals)  # arguments that are still expected
        self.given: dict[str, str] = {}  # values, by the names of the program's own variables
        self.used: set[argparse.Action] = set()
        self.waiting: argparse.Action | None = None  # the option whose value comes next
        self.is_past_options = False  # after --

    def pass_by(self, word: str) -> bool:
        """Take a word that is complete; False where the line makes no sense any more."""
        if self.waiting is not None:
            self.given[self.waiting.dest] = word
            self.waiting = None
        elif word == "--" and not self.is_past_options:
            self.is_past_options = True
        elif word.startswith("-") and word != "-" and not self.is_past_options:
            self._take_option(word)
        elif not self.places:
            return False
        else:
            return self._take_place(word)
        return True

    def option(self, name: str) -> argparse.Action | None:
        for option in self.parser.options:
            if name in option.option_strings:
                return option
        return None

    def unused_options(self) -> Iterator[Word]:
        for option in self.parser.options:
            if option in self.used or option.help == argparse.SUPPRESS or self.is_past_options:
                continue
            yield from (Word(name, option.help or "") for name in option.option_strings)

    def _take_option(self, word: str) -> None:
        name, equals, value = word.partition("=")
        option = self.option(name)
        if option is None and (option := self.option(word[:2])):  # -pNAME
            equals, value = "=", word[2:]
        if option is None:
            return
        if not isinstance(option, argparse._AppendAction):  # noqa: SLF001 - it has no other name
            self.used.add(option)
        if equals:
            self.given[option.dest] = value
        elif option.nargs != 0:
            self.waiting = option

    def _take_place(self, word: str) -> bool:
        place = self.places[0]
        if isinstance(place.choices, dict):
            if word not in place.choices:
                return False
            self.parser = place.choices[word]
            self.places = list(self.parser.positionals)
            return True
        self.given[place.dest] = word
        if place.nargs not in {"*", "+"}:
            self.places.pop(0)
        return True
