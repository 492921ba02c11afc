"""A pipeline that gets another name begins anew, and pixd says so and what keeps its history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pixd.answers import plan
from pixd.service.loop import Service
from pixd.store.events import Event
from pixd.store.opening import open_store
from pixd.system.stamps import RootIdentity
from tests.support.commits import record
from tests.support.status_states import CONFIG, World, filled_world

SAID = "it has the folders of facades, whose history and models have that name, and begins anew"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Give a world whose service has seen its folders."""
    with filled_world(tmp_path / "facades", monkeypatch) as world:
        store = open_store(world.settings.store)
        for kind in ("training", "input"):
            folder = world.folder / kind
            folder.mkdir()
            repo = store.history.repo_id("facades", kind)
            store.holds.remember(repo, folder, RootIdentity(1, 2, 3, is_link=False))
        store.close()
        yield world


def renamed(world: World) -> None:
    world.config.write_text(CONFIG.replace("facades:", "pics:"))


def served(world: World) -> tuple[Service, list[Event]]:
    said: list[Event] = []
    return Service(World(world.folder, world.clock).settings, said.append), said


def end(service: Service) -> None:
    service.control.stop()
    service.store.close()
    service.signals.close()


def told(said: list[Event]) -> list[str]:
    return [f"{event.pipeline}: {event.message}" for event in said if SAID in event.message]


def test_the_log_says_so_at_a_start_and_at_a_reload(world: World) -> None:
    service, said = served(world)
    assert told(said) == []
    renamed(world)
    service.pipelines.take(World(world.folder, world.clock).settings, 0.0)
    end(service)
    service, said_at_start = served(world)
    end(service)
    for events in (said, said_at_start):
        (text,) = told(events)
        assert text.startswith("pics: ")
        assert "name it facades again in config.yaml instead of pics" in text


def test_the_plan_says_so_before_the_start(world: World) -> None:
    renamed(world)
    settings = World(world.folder, world.clock).settings
    store = open_store(settings.store)
    (pipeline,) = settings.pipelines
    found = plan.of_pipeline(store.db.conn, settings, pipeline)
    assert SAID in found["train"]["why"]
    store.close()


def test_once_it_has_a_history_of_its_own_nothing_is_said(world: World) -> None:
    renamed(world)
    store = open_store(world.settings.store)
    record(store, store.history.repo_id("pics", "training"), {"a.png": b"a"}, [])
    store.close()
    service, said = served(world)
    end(service)
    assert told(said) == []


def test_another_folder_is_no_renaming(world: World) -> None:
    store = open_store(world.settings.store)
    (pipeline,) = world.settings.pipelines
    other = replace(pipeline, name="pics", training=world.folder / "others")
    found = plan.of_pipeline(store.db.conn, world.settings, other)
    assert SAID not in found["train"]["why"]
    store.close()
