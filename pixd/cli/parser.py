"""An argparse parser that groups its commands, shows examples, and suggests what was meant.

The tree of these parsers is the one source of `--help`, of the man page (`pixd.cli.man_page`) and
of the completions (`pixd.cli.completion`), which read it through the properties here.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, NoReturn

from pixd.system.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_NAME_COLUMN = 16  # the longest command and two spaces


class CommandParser(argparse.ArgumentParser):
    """A command: what it takes, the module that runs it, and how people use it.

    Attributes:
        module: the module of `pixd.cli.commands` that runs it.
        group: the heading under which it is listed.
        examples: command lines, each with what it does after `  # `, or alone.
    """

    def __init__(
        self,
        *,
        module: str = "",
        group: str = "",
        examples: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        super().__init__(**settings, formatter_class=argparse.RawDescriptionHelpFormatter)
        self.module = module
        self.group = group
        self.examples = examples
        if examples:
            self.epilog = "\n".join(("examples:", *(f"  {line}" for line in examples)))

    # -- commands and options ---------------------------------------------------------------

    @property
    def options(self) -> list[argparse.Action]:
        """The options, with those that `--help` does not show."""
        return [action for action in self._actions if action.option_strings]

    @property
    def positionals(self) -> list[argparse.Action]:
        """The arguments that are known by their place, in order."""
        return [action for action in self._actions if not action.option_strings]

    @property
    def commands(self) -> Mapping[str, CommandParser]:
        """The commands below this one, by name; none for most."""
        return self._below.choices if self._below else {}

    @property
    def _below(self) -> argparse._SubParsersAction[CommandParser] | None:
        for action in self.positionals:
            if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - it has no other name
                return action
        return None

    def _asked_for(self, args: argparse.Namespace) -> CommandParser:
        """Return the command that a command line names; of nested ones, the innermost."""
        name = getattr(args, self._below.dest) if self._below else None
        return self.commands[name]._asked_for(args) if name else self  # noqa: SLF001 - its own kind

    def list_commands(self) -> str:
        """Return the commands below this one with their summaries, group by group."""
        lines: list[str] = []
        group = ""
        for name, command in self.commands.items():
            if command.group != group:
                group = command.group
                lines += ["", f"{group}:"]
            lines.append(f"  {name:<{_NAME_COLUMN}}{command.description}")
        return "\n".join(lines)

    # -- what was meant ---------------------------------------------------------------------

    def parse(self, arguments: Sequence[str] | None) -> argparse.Namespace:
        """Parse a command line.

        Raises:
            UsageError: something in it is unknown, missing or of the wrong kind. The advice is
                what was probably meant, where something is near.
        """
        args, unknown = self.parse_known_args(arguments)
        if not unknown:
            return args
        word = unknown[0]
        command = self._asked_for(args)
        if not word.startswith("-"):
            raise UsageError(
                f"{command.prog}: {word} is one argument too many", advice=f"{command.prog} --help"
            )
        raise UsageError(
            f"{command.prog} has no option {word}", advice=self._option_like(word, command)
        )

    def _option_like(self, word: str, command: CommandParser) -> str:
        """Return what to type in place of an option that `command` does not have."""
        every = {name for option in self.options for name in option.option_strings}
        if command is not self and word in every:
            return f"{self.prog} {word}"  # only `--version`: the others are known to each command
        known = [
            name
            for option in command.options
            for name in option.option_strings
            # `--config` is understood there too, though its help says so only once.
            if option.help is not argparse.SUPPRESS or name in every
        ]
        return _nearest(command.prog, word, known)

    def error(self, message: str) -> NoReturn:
        """Refuse a command line that argparse cannot make sense of.

        Raises:
            UsageError: always, so that errors of usage are reported as all others are.
        """
        example = f"{self.examples[0].partition('  #')[0]}; " if self.examples else ""
        raise UsageError(f"{self.prog}: {message}", advice=f"{example}{self.prog} --help")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse a value that is not a choice; argparse would list all, and suggest none."""
        if action.choices is None or value in action.choices:
            return
        choices = [str(choice) for choice in action.choices]
        if choices == list(self.commands):
            raise UsageError(
                f"there is no command {value}", advice=_nearest(self.prog, str(value), choices)
            )
        what = "/".join(action.option_strings) or action.dest
        raise UsageError(
            f"{self.prog}: {value} is no {what}", advice=f"one of: {', '.join(choices)}"
        )


def _nearest(program: str, word: str, known: Iterable[str]) -> str:
    import difflib  # noqa: PLC0415 - only for what was mistyped

    near = difflib.get_close_matches(word, known, n=1)
    return f"{program} {near[0]}" if near else f"{program} --help"
