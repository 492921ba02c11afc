"""A mistake in the writing of config.yaml is told where it was made, in plain words."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pixd.config import document, load
from pixd.system.errors import ConfigError

TAB = "here is a tab; YAML wants spaces"
TOP = "pipelines:\n  facades:\n"
CASES = [
    ("pipelines:\n\tfacades:\n", 2, TAB),
    (TOP + "    training: t\n\tinput: i\n", 4, TAB),
    (TOP + "  \ttraining: t\n", 3, TAB),
    ("pipelines:\n  facades\n    training: t\n", 2, 'a colon is missing in "facades"'),
    ("pipelines\n\n  # which\n  a:\n", 1, 'a colon is missing in "pipelines"'),
    (TOP + "    training t  # here\n    input: i\n", 3, 'a colon is missing in "training t"'),
    (TOP + "    training: t\n    input i\n", 4, 'a colon is missing in "input i"'),
    (TOP + "    training: t\n    input i\ndevice: cpu\n", 4, 'a colon is missing in "input i"'),
    (TOP + "    training:t\n    input: i\n", 3,
     'the space after the colon is missing in "training:t"'),
    (TOP + "    training: a: b\n", 3, "a colon and a space stand in the value; put it in quotes"),
    (TOP + "    training: t\n      input: i\n", 4,
     "it is indented further than the line above, which has a value"),
    (TOP + "    training: t\n   input: i\n", 4, "it is indented unlike the lines beside it"),
    (TOP + "    training: @t\n", 3, "a value cannot begin with @; put it in quotes"),
    (TOP + '    training: "C:\\pics"\n', 3,
     "a backslash in double quotes is special; use single quotes"),
]  # fmt: skip


@pytest.mark.parametrize("loader", [document._Loader, yaml.SafeLoader])
@pytest.mark.parametrize(("text", "line", "told"), CASES)
def test_what_was_written_wrong_is_told_with_its_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    loader: type[yaml.SafeLoader],
    text: str,
    line: int,
    told: str,
) -> None:
    monkeypatch.setattr(document, "_Loader", loader)
    config = tmp_path / "config.yaml"
    config.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load.load(config)
    assert refused.value.message == f"{config}:{line}: not valid YAML: {told}"


def test_what_is_not_known_keeps_the_words_of_the_parser(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text('device: "cpu\n')
    with pytest.raises(ConfigError, match="found unexpected end of stream"):
        load.load(config)
