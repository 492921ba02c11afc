"""YAML nodes in, typed values out, and every problem with its line.

YAML only makes nodes of the file, not values. A node knows its line and the text as
written. So this module decides about YAML 1.1's surprises (`1e-4` is text, `010` is eight,
`1:30` is ninety, a second key silently replaces the first), each on purpose.

Reading never stops at a problem. It notes the problem, returns the default and goes on, so
that one run of `pixd check-config` shows all of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import yaml

from pixd.config import yaml_trouble
from pixd.system.errors import ConfigError

_TAG = "tag:yaml.org,2002:"
_TRUE = frozenset({"true", "yes", "on"})
_INTEGER = re.compile(r"[-+]?(0|[1-9](_?[0-9]){0,17})")  # int() refuses thousands of digits
_NUMBER = re.compile(r"[-+]?([0-9]+(_[0-9]+)*\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_SHOWN = 60  # characters of a value that are repeated in a message

# Use libyaml's loader where PyYAML was built with it: about ten times faster, same nodes.
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Problem(NamedTuple):
    """One thing that is wrong: where it is and what was expected."""

    line: int
    key: str
    text: str


class Entry(NamedTuple):
    """One key of a mapping with the line it is on."""

    line: int
    value: yaml.Node


class Section:
    """One mapping of the file, read key by key.

    Each reader method names a key, its default and what is allowed. A key that no method
    asked for is unknown, and `finish` reports it.
    """

    def __init__(
        self, where: str, line: int, node: yaml.Node | None, problems: list[Problem]
    ) -> None:
        """Take in the keys of a mapping.

        Args:
            where: the dotted key of this mapping; empty for the whole file.
            line: the line of the mapping's own key, for problems about what is missing.
            node: the mapping; None or an empty value counts as no keys.
            problems: the list that every problem is added to.
        """
        self.where = where
        self.line = line
        self._problems = problems
        self._asked: list[str] = []
        self._entries: dict[str, Entry] = {}
        self.is_mapping = node is None or _is_null(node) or isinstance(node, yaml.MappingNode)
        if isinstance(node, yaml.MappingNode):
            self._take(node, own=True, seen=set())
        elif node is not None and not self.is_mapping:
            self._problems.append(
                Problem(line, where, f"expected a mapping of keys, got {_given(node)}")
            )

    def __contains__(self, name: str) -> bool:
        """Tell whether the file sets `name` here."""
        return name in self._entries

    def names(self) -> tuple[str, ...]:
        """Return the keys set here, as written and in the file's order."""
        return tuple(self._entries)

    def entry(self, name: str) -> Entry:
        """Return a key that is set here."""
        return self._entries[name]

    def line_of(self, name: str) -> int:
        """Return the line of a key, or that of this mapping where the key is not set."""
        return self._entries[name].line if name in self._entries else self.line

    def dotted(self, name: str) -> str:
        """Return the full name of a key, such as ``pipelines.facades.train.epochs``."""
        return f"{self.where}.{name}" if self.where else name

    def note(self, name: str, text: str) -> None:
        """Add a problem about the key `name` of this mapping."""
        self._problems.append(Problem(self.line_of(name), self.dotted(name), text))

    def section(self, name: str) -> Section:
        """Return the mapping under `name`; empty where the file has none."""
        entry = self._ask(name)
        node = entry.value if entry else None
        return Section(self.dotted(name), self.line_of(name), node, self._problems)

    def choice(self, name: str, default: str, allowed: Sequence[str]) -> str:
        """Read one of the words in `allowed`."""
        entry = self._ask(name)
        if entry is None:
            return default
        if isinstance(entry.value, yaml.ScalarNode):
            word = str(entry.value.value)
            if word in allowed:
                return word
        self._expected(name, _one_of(allowed), entry.value)
        return default

    def boolean(self, name: str, default: bool) -> bool:  # noqa: FBT001
        """Read true or false (YAML 1.1's yes, no, on and off count)."""
        entry = self._ask(name)
        if entry is None:
            return default
        if not _has_tag(entry.value, "bool"):
            self._expected(name, "true or false", entry.value)
            return default
        return str(entry.value.value).lower() in _TRUE

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """Read a whole number from `low` to `high`, in decimal digits."""
        entry = self._ask(name)
        if entry is None:
            return default
        text = _plain_text(entry.value)
        if text is not None and _INTEGER.fullmatch(text) and low <= int(text) <= high:
            return int(text)
        self._expected(name, f"a whole number from {low} to {high}", entry.value)
        return default

    def word_or_integer(
        self, name: str, default: str | int, allowed: Sequence[str], low: int, high: int
    ) -> str | int:
        """Read one of the words in `allowed`, or a whole number from `low` to `high`."""
        entry = self._ask(name)
        if entry is None:
            return default
        text = _plain_text(entry.value)
        if text is not None and text in allowed:
            return text
        if text is not None and _INTEGER.fullmatch(text) and low <= int(text) <= high:
            return int(text)
        expected = f"{_one_of(allowed)}, or a whole number from {low} to {high}"
        self._expected(name, expected, entry.value)
        return default

    def number(
        self,
        name: str,
        default: float,
        low: float,
        high: float,
        *,
        above_low: bool = False,
        below_high: bool = False,
    ) -> float:
        """Read a number from `low` to `high`; `above_low` and `below_high` leave the end out."""
        entry = self._ask(name)
        if entry is None:
            return default
        text = _plain_text(entry.value)
        value = float(text) if text is not None and _NUMBER.fullmatch(text) else math.nan
        # NaN fails both comparisons, so it is refused too.
        if (low < value if above_low else low <= value) and (
            value < high if below_high else value <= high
        ):
            return value
        start = f"a number above {low:g}" if above_low else f"a number from {low:g}"
        end = f"below {high:g}" if below_high else f"up to {high:g}"
        self._expected(name, f"{start} {'and ' if below_high else ''}{end}", entry.value)
        return default

    def path_text(
        self, name: str, default: str | None, *, expected: str = "the path of a folder"
    ) -> str | None:
        """Read the text of a path; None, with the problem noted, where there is none.

        A plain `no` or `1` is not a path, because YAML has another meaning for it.
        """
        entry = self._ask(name)
        if entry is None:
            if default is None:
                self.note(name, f"missing; expected {expected}")
            return default
        text = str(entry.value.value)
        if _has_tag(entry.value, "str") and text and not _CONTROL.search(text):
            return text
        if isinstance(entry.value, yaml.ScalarNode) and not _is_null(entry.value):
            expected += " (in quotes if it looks like something else)"
        self._expected(name, expected, entry.value)
        return default

    def texts(self, name: str) -> list[str]:
        """Read a list of texts, or one text; nothing where the file has none."""
        entry = self._ask(name)
        if entry is None:
            return []
        nodes = entry.value.value if isinstance(entry.value, yaml.SequenceNode) else [entry.value]
        if all(_has_tag(node, "str") and node.value for node in nodes):
            return [str(node.value) for node in nodes]
        self._expected(name, "a list of texts", entry.value)
        return []

    def finish(self, elsewhere: Sequence[str] = ()) -> None:
        """Report every key that no method asked for: where it belongs, or what is near.

        Args:
            elsewhere: dotted names of the keys of other mappings; one whose last part is
                exactly the unknown key is what the writer meant.
        """
        for name in self._entries:
            if name in self._asked:
                continue
            parts = [dotted.rpartition(".") for dotted in elsewhere]
            places = [parent for parent, _, last in parts if last == name]
            if places:
                place = f"under {places[0]}" if places[0] else "at the top of the file"
                self.note(name, f"unknown key here; it belongs {place}")
            else:
                self.note(
                    name,
                    f"unknown key; expected one of {', '.join(self._asked)}; "
                    f"the nearest known key is {_nearest(name, self._asked)}",
                )

    def _ask(self, name: str) -> Entry | None:
        if name not in self._asked:
            self._asked.append(name)
        return self._entries.get(name)

    def _expected(self, name: str, expected: str, node: yaml.Node) -> None:
        self.note(name, f"expected {expected}, got {_given(node)}")

    def _take(self, node: yaml.MappingNode, *, own: bool, seen: set[int]) -> None:
        """Add a mapping's keys; its own keys win over those that it merges with ``<<``."""
        if id(node) in seen:  # an anchor that merges itself, or one merged twice
            return
        seen.add(id(node))
        merged: list[yaml.Node] = []
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if _has_tag(key, "merge"):
                merged.append(value)
                continue
            if not isinstance(key, yaml.ScalarNode):
                self._problems.append(
                    Problem(line, self.where, f"expected a key, got {_given(key)}")
                )
                continue
            if key.value in lines and own:
                self._problems.append(
                    Problem(
                        line,
                        self.dotted(key.value),
                        f"duplicate key; it is already set on line {lines[key.value]}",
                    )
                )
                continue
            lines[key.value] = line
            self._entries.setdefault(key.value, Entry(line, value))
        for source in merged:
            for mapping in _mappings_of(source):
                if isinstance(mapping, yaml.MappingNode):
                    self._take(mapping, own=False, seen=seen)
                else:
                    self._problems.append(
                        Problem(
                            source.start_mark.line + 1,
                            self.dotted("<<"),
                            f"expected a mapping to merge, got {_given(mapping)}",
                        )
                    )


def compose(text: str, shown: str) -> yaml.Node | None:
    """Parse YAML into nodes.

    Args:
        text: the whole file.
        shown: the file's name for messages.

    Returns:
        The root node, or None for a file without content.

    Raises:
        ConfigError: the text is not one YAML document.
    """
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        trouble = yaml_trouble.of_error(text, error)
        message = f"{shown}:{trouble.line}: not valid YAML: {trouble.reason}"
        raise ConfigError(message, advice=ADVICE) from error
    except yaml.YAMLError as error:  # a character that YAML forbids; no mark
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        reason = str(getattr(error, "reason", error))
        raise ConfigError(f"{shown}:{line}: not valid YAML: {reason}", advice=ADVICE) from error
    except RecursionError as error:
        message = f"{shown}: not a configuration: nested too deeply"
        raise ConfigError(message, advice=ADVICE) from error
    finally:
        loader.dispose()


ADVICE = "correct the file, then run: pixd check-config"


def report(problems: Sequence[Problem], shown: str) -> ConfigError:
    """Make one error of all problems, in the order of their lines."""
    lines = [
        f"{shown}:{problem.line}: {problem.key + ': ' if problem.key else ''}{problem.text}"
        for problem in sorted(problems, key=lambda problem: problem.line)
    ]
    return ConfigError("\n".join(lines), advice=ADVICE)


def _nearest(name: str, here: Sequence[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - slow to import, needed only here

    near = get_close_matches(name, here, n=1, cutoff=0.0)
    return f'"{near[0]}"' if near else "none"


def _mappings_of(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    else:
        yield node


def _has_tag(node: yaml.Node, tag: str) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == _TAG + tag


def _is_null(node: yaml.Node) -> bool:
    return _has_tag(node, "null")


def _plain_text(node: yaml.Node) -> str | None:
    """Return a scalar's text if it is written without quotes, else None: "30" is text."""
    return node.value if isinstance(node, yaml.ScalarNode) and not node.style else None


def _one_of(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _given(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if _is_null(node) or not isinstance(node, yaml.ScalarNode):
        return "nothing"
    text = str(node.value)
    shown = text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."
    shown = shown if shown.isprintable() else ascii(shown)[1:-1]
    return f'the text "{shown}"' if node.style else shown
