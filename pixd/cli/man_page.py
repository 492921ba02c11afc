"""The manual page pixd(1), made from the parsers that also make `--help`.

It uses only the man macros, which every formatter knows.
Source: man(7), groff_man_style(7).
"""

from __future__ import annotations

import argparse
import re
import signal
from typing import TYPE_CHECKING

import pixd
from pixd.system.errors import EXIT_MEANINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pixd.cli.parser import CommandParser

_DESCRIPTION = """\
pixd watches folders. Image pairs that are put into a training folder train a pix2pix model;
images that are put into an input folder are translated by it into an output folder. Every file,
version, run, model and output is recorded, so that each result can be traced to what made it,
nothing is done twice, and everything can be undone.

Training and input folders are written only when a person asks: by restore, teach, prepare or an
upload on the page. Output files that pixd did not make, or that were edited, are never overwritten.
"""
_NAMES = """\
Versions of the folders are called training@12, input@HEAD, training@HEAD~1; models model@3, or
live; runs run@7; contents sha256: and 8 or more hex digits. With several pipelines a name says
which, facades/model@3, or -p NAME does.
"""
_FILES: dict[str, str] = {
    "./config.yaml": "the configuration, if neither --config nor $PIXD_CONFIG names another",
    "~/.config/pixd/config.yaml": "the next place to look; $XDG_CONFIG_HOME instead of ~/.config",
    "/etc/pixd/config.yaml": "the last place, and the one of the system's service",
    "STORE/lineage.db": "the lineage database; STORE is the folder that the configuration names",
    "STORE/objects": "the bytes of everything recorded, by content",
    "STORE/previews": "what a training draws, one picture for each that runs, while it lasts",
    "STORE/reports": "where pixd models --report writes, unless -o says where",
    "STORE/lock": "held while a service or a changing command runs; the kernel drops it",
    "STORE/control.sock": "where commands ask the running service",
}
_ENVIRONMENT: dict[str, str] = {
    "PIXD_CONFIG": "the configuration file, unless --config names one",
    "XDG_CONFIG_HOME": "where pixd/config.yaml is looked for (~/.config)",
    "NO_COLOR": "if set, nothing is coloured; nor is what goes into a pipe",
    "TERM": "if it is dumb, there is no colour and no progress line",
    "JOURNAL_STREAM": "set by systemd(1); the service then logs in the journal's form",
    "PIXD_DEBUG": "if set, an error comes with its traceback, for a bug report",
    "XDG_RUNTIME_DIR": "where the control socket goes if the store's disk holds no sockets",
    "NOTIFY_SOCKET, WATCHDOG_USEC": "set by systemd(1); see sd_notify(3)",
}
_INTERRUPTED = 128 + signal.SIGINT
SIGNALS: dict[str, str] = {
    "SIGTERM, SIGINT": (
        "end in order: a training stops at its next step and goes on at the next start, nothing"
        " is lost; a second one ends at once"
    ),
    "SIGHUP": "read the configuration again; one that has problems is refused as a whole",
    "SIGUSR1": "look at all folders now",
}
_SEE_ALSO = "systemctl(1), journalctl(1), inotify(7)"


def page(top: CommandParser) -> str:
    """Return the page as roff, for `man -l -`."""
    return "\n".join(_lines(top)) + "\n"


def _lines(top: CommandParser) -> Iterator[str]:
    yield ".nr HY 0"  # no word is cut in two: names must be found by searching
    yield f'.TH PIXD 1 "" "pixd {pixd.__version__}" "User Commands"'
    yield ".ad l"
    yield ".SH NAME"
    yield r"pixd \- turns folders into an image-translation service"
    yield ".SH SYNOPSIS"
    yield ".SY pixd"
    yield r".RB [ \-\-config"
    yield ".IR FILE ]"
    yield ".I COMMAND"
    yield r".RI [ ARGUMENT \~.\|.\|.]"
    yield ".YS"
    yield ".SH DESCRIPTION"
    yield from _paragraphs(_DESCRIPTION)
    yield ".SS Names of things"
    yield from _paragraphs(_NAMES)
    yield ".SH OPTIONS"
    yield from _options(top)
    yield ".SH COMMANDS"
    group = ""
    for name, command in top.commands.items():
        if command.group != group:
            group = command.group
            yield f".SS {_text(group[0].upper() + group[1:])}"
        yield from _command(name, command)
    yield from _section("FILES", _FILES)
    yield from _section("ENVIRONMENT", _ENVIRONMENT)
    codes = {str(code): meaning for code, meaning in EXIT_MEANINGS.items()}
    yield from _section("EXIT STATUS", codes | {str(_INTERRUPTED): "ended by Ctrl-C"})
    yield from _section(
        "SIGNALS", {f"{name} (the service)": what for name, what in SIGNALS.items()}
    )
    yield ".SH SEE ALSO"
    yield _text(_SEE_ALSO)


def _command(name: str, command: CommandParser) -> Iterator[str]:
    yield ".TP"
    arguments = " ".join(_placeholder(action) for action in command.positionals)
    yield rf"\fB{_text(name)}\fR {arguments}".rstrip()
    yield _text(_sentence(command.description or ""))
    yield ".RS"
    yield from _arguments(command.positionals)
    yield from _options(command)
    for below, operation in command.commands.items():
        yield from _command(f"{name} {below}", operation)
    if command.examples:
        yield from (".PP", "Examples:", ".PP", ".EX")
        yield from (_text(f"  {line}") for line in command.examples)
        yield ".EE"
    yield ".RE"


def _arguments(positionals: list[argparse.Action]) -> Iterator[str]:
    for action in positionals:
        if action.help and action.help != argparse.SUPPRESS:
            yield from (".TP", _placeholder(action, is_bare=True), _text(action.help))


def _options(command: CommandParser) -> Iterator[str]:
    for option in command.options:
        if option.help == argparse.SUPPRESS or "--help" in option.option_strings:
            continue
        names = ", ".join(rf"\fB{_text(name)}\fR" for name in option.option_strings)
        yield ".TP"
        yield names if option.nargs == 0 else f"{names} {_placeholder(option)}"
        yield _text(option.help or "")


def _placeholder(action: argparse.Action, *, is_bare: bool = False) -> str:
    """Write the placeholder of a value, with brackets and dots as in a synopsis."""
    if action.choices is not None and not isinstance(action.choices, dict):
        shown = "|".join(rf"\fB{_text(str(choice))}\fR" for choice in action.choices)
    else:
        shown = rf"\fI{_text(str(action.metavar or action.dest.upper()))}\fR"
    if is_bare:
        return shown
    dots = r"\~.\|.\|."
    return {"?": f"[{shown}]", "*": f"[{shown}{dots}]", "+": f"{shown}{dots}"}.get(
        str(action.nargs), shown
    )


def _section(title: str, entries: Mapping[str, str]) -> Iterator[str]:
    yield f".SH {title}"
    for name, meaning in entries.items():
        yield from (".TP", rf"\fB{_text(name)}\fR", _text(_sentence(meaning)))


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.rstrip().split("\n\n"):
        yield ".PP"
        yield from (_text(line) for line in paragraph.splitlines())


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


_SPECIAL = {"\\": r"\e", "-": r"\-", "~": r"\(ti", "^": r"\(ha", "'": r"\(aq", "`": r"\(ga"}


def _text(text: str) -> str:
    """Escape what roff would read as more than text."""
    escaped = re.sub(r"[\\~^'`-]", lambda found: _SPECIAL[found[0]], text)
    return rf"\&{escaped}" if escaped.startswith(".") else escaped
