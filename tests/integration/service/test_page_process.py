"""The page beside the service: it never holds the service up, and its end is told truly."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pixd.config import Settings, WebSettings
from pixd.service.page_process import PageProcess
from tests.support.config_files import ONE_PIPELINE, read

SLOW = "trap '' TERM; touch up; while :; do sleep 0.05; done"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("PIXD_PAGE", raising=False)
    monkeypatch.chdir(tmp_path)
    found = replace(read(tmp_path, ONE_PIPELINE), web=WebSettings(start=True))
    (found.store / "logs").mkdir(parents=True)
    return found


@pytest.fixture
def page_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let a shell script be started instead of the page."""

    def made(script: str) -> None:
        path = tmp_path / "page"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))

    return made


def process_of(page: PageProcess) -> Any:
    return page._process


def test_a_page_that_does_not_end_holds_nobody_up(
    settings: Settings,
    page_is: Callable[[str], None],
    wait_until: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that writes to a dead disk does not even end when it is killed."""
    page_is(SLOW)
    page = PageProcess(is_asked=False)
    page.step(settings, 0.0)
    process = process_of(page)
    wait_until(lambda: Path("up").exists(), 20)

    def waits(*_: object) -> None:
        pytest.fail("the service waits for the page")

    monkeypatch.setattr(process, "wait", waits)
    other = replace(settings, web=WebSettings(start=True, uploads=False))
    page.step(other, 1.0)  # the configuration changed
    page.step(other, 2.0)
    assert process.poll() is None
    assert process_of(page) is None  # the next one needs its address
    page.step(other, 10.0)
    wait_until(lambda: process.poll() is not None, 20)
    page.step(other, 11.0)
    assert process.returncode == -signal.SIGKILL
    assert process_of(page) is not None
    page.stop()


def test_the_end_of_a_page_is_not_told_in_the_words_of_one_before(
    settings: Settings, page_is: Callable[[str], None], wait_until: Callable[..., None]
) -> None:
    (settings.store / "logs" / "web.log").write_text("pixd: the page cannot listen there\n")
    page_is("kill -9 $$")
    page = PageProcess(is_asked=False)
    page.step(settings, 0.0)
    process = process_of(page)
    wait_until(lambda: process.poll() is not None, 20)
    assert page.step(settings, 0.5) == "the page is down: signal 9 ended it"
    page_is("echo 'pixd: port taken' >&2; exit 1")
    page.step(settings, 500.0)
    process = process_of(page)
    wait_until(lambda: process.poll() is not None, 20)
    assert page.step(settings, 501.0) == "the page is down: port taken"


def test_a_page_that_cannot_be_started_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nothing/here")
    page = PageProcess(is_asked=False)
    said = page.step(settings, time.monotonic())
    assert said == page.trouble == "the page cannot be started: No such file or directory"
