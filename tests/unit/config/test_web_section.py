"""The `web` key: a word or a section, and what may be in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixd.config import WebSettings
from pixd.config.effective import effective_yaml
from pixd.config.web_section import is_loopback, split_address
from tests.support.config_files import FOLDERS, ONE_PIPELINE, read, refusal


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", WebSettings()),
        ("web: false\n", WebSettings()),
        ("web: true\n", WebSettings(start=True)),
        ("web: {}\n", WebSettings(start=True)),
        ("web: {start: false}\n", WebSettings()),
        ("web: {listen: '[::1]:80'}\n", WebSettings(start=True, listen="[::1]:80")),
        ("web: {listen: /run/p.sock}\n", WebSettings(start=True, listen="/run/p.sock")),
        ("web: {hosts: Pixd.lan:8460}\n", WebSettings(start=True, hosts=("pixd.lan:8460",))),
        (
            "web: {hosts: ['https://p.example.org', 'a:1']}\n",
            WebSettings(start=True, hosts=("https://p.example.org", "a:1")),
        ),
        ("web: {uploads: no}\n", WebSettings(start=True, uploads=False)),
    ],
)
def test_what_is_written_is_read_and_comes_back(
    tmp_path: Path, text: str, expected: WebSettings
) -> None:
    settings = read(tmp_path, text + ONE_PIPELINE)
    assert settings.web == expected
    assert read(tmp_path, effective_yaml(settings)).web == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("web: maybe", "expected true or false"),
        ("web: [1]", "expected true or false"),
        ("web: {listen: 8460}", "expected 127.0.0.1:8460"),
        ("web: {listen: 'localhost:8460'}", "expected 127.0.0.1:8460"),
        ("web: {listen: '127.0.0.1'}", "expected 127.0.0.1:8460"),
        ("web: {listen: '127.0.0.1:70000'}", "expected 127.0.0.1:8460"),
        ("web: {listen: '::1:8460'}", "expected 127.0.0.1:8460"),
        (f"web: {{listen: /{'x' * 107}}}", "expected a path of at most 107 bytes"),
        ("web: {hosts: ['a b']}", "expected names such as"),
        ("web: {hosts: ['http://a/b']}", "expected names such as"),
        ("web: {hosts: [1]}", "expected a list of texts"),
        ("web: {port: 1}", "unknown key"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(tmp_path: Path, text: str, problem: str) -> None:
    (line,) = refusal(tmp_path, f"{text}\n{ONE_PIPELINE}")
    assert line.startswith("config.yaml:1: web")
    assert problem in line


def test_a_pipeline_may_still_be_called_web(tmp_path: Path) -> None:
    settings = read(tmp_path, "web:\n" + FOLDERS)
    assert [one.name for one in settings.pipelines] == ["web"]
    assert settings.web == WebSettings()


def test_addresses_that_others_reach_are_told_apart() -> None:
    assert split_address("[::1]:8460") == ("::1", 8460)
    assert [one for one in ("127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "/run/p") if is_loopback(one)]
    assert not any(map(is_loopback, ("0.0.0.0:1", "[::]:1", "192.0.2.1:80")))
