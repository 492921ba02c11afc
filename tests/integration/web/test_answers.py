"""What the API tells is what the commands tell, and has the shape that is written down."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import threading
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from pixd.config.load import load
from pixd.store.opening import open_store
from pixd.web import rows
from pixd.web.access import Access
from pixd.web.world import World
from tests.support.json_schema import Schema
from tests.support.paged import HOST, Contract, Paged, paged
from tests.support.tiny import Tiny

VOLATILE = {"uptime_seconds", "disk_free_bytes", "last_seen"}


@pytest.fixture(scope="module")
def contract() -> Contract:
    return Contract()


def steady(status: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in status.items() if key not in VOLATILE}


def test_the_status_is_that_of_the_command(page: Paged, shop: Tiny) -> None:
    told = page.told("/api/status")
    assert steady(told) == steady(shop.status())
    schema = json.loads((resources.files("pixd.answers") / "status.schema.json").read_text())
    assert Schema(schema).faults(told) == []


LOOKED_AT = {
    "/api/settings": "/api/settings",
    "/api/log": "/api/log?count=5",
    "/api/{pipeline}/outputs": "/api/tiny/outputs",
    "/api/{pipeline}/files/{kind}": "/api/tiny/files/input",
    "/api/{pipeline}/models": "/api/tiny/models",
    "/api/{pipeline}/models/{number}": "/api/tiny/models/1",
    "/api/{pipeline}/models/{number}/diff/{other}": "/api/tiny/models/1/diff/1",
    "/api/{pipeline}/held-out": "/api/tiny/held-out",
    "/api/{pipeline}/palette": "/api/tiny/palette",
    "/api/{pipeline}/plan": "/api/tiny/plan",
    "/api/{pipeline}/commits/{kind}": "/api/tiny/commits/training",
    "/api/{pipeline}/commits/{kind}/{a}/diff/{b}": "/api/tiny/commits/training/1/diff/1",
    "/api/{pipeline}/draft": "/api/tiny/draft",
    "/api/why": "/api/why?thing=in-000.png",
}


@pytest.mark.parametrize("path", LOOKED_AT)
def test_every_answer_has_the_shape_that_is_written_down(
    page: Paged, contract: Contract, path: str
) -> None:
    assert contract.faults(path, page.told(LOOKED_AT[path])) == []


def test_every_address_is_written_down_and_every_written_one_is_there(
    page: Paged, contract: Contract
) -> None:
    from starlette.routing import Route

    routes: set[tuple[str, str]] = set()
    application: Any = page.client.app
    for route in application.inside.routes:
        assert isinstance(route, Route)
        path = route.path.replace(":path}", "}").replace(":number}", "}")
        path = path.replace("/picture/{digest}/{kind}", "/picture/{digest}/thumb")
        routes |= {(path, method) for method in route.methods or () if method != "HEAD"}
    written = {
        (path, method.upper())
        for path, about in contract.document["paths"].items()
        for method in about
        if method in {"get", "put", "post"}
    }
    written -= {(f"/picture/{{digest}}/{kind}", "GET") for kind in ("view", "original")}
    assert routes == written


def test_the_counts_add_up_to_those_of_the_status(page: Paged) -> None:
    status = page.told("/api/status")["pipelines"]["tiny"]
    outputs = page.told("/api/tiny/outputs")
    assert outputs["total"] == status["output"]["current"] == len(outputs["rows"]) == 3
    for kind in ("training", "input"):
        files = page.told(f"/api/tiny/files/{kind}")
        assert files["total"] == sum(files["counts"].values()) == status[kind]["files"]


def test_outputs_come_in_parts_newest_first_and_are_filtered(page: Paged) -> None:
    whole = page.told("/api/tiny/outputs")
    ids = [row["id"] for row in whole["rows"]]
    assert ids == sorted(ids, reverse=True)
    second = page.told("/api/tiny/outputs?from=1&count=1")
    assert [row["id"] for row in second["rows"]] == ids[1:2]
    assert second["version"] == whole["version"]
    assert page.told("/api/tiny/outputs?name=in-001")["total"] == 1
    assert page.told("/api/tiny/outputs?name=%25")["total"] == 0  # no wildcard
    assert page.told("/api/tiny/outputs?model=1&count=0") == {**whole, "rows": []}
    assert page.told("/api/tiny/outputs?model=2")["total"] == 0
    assert page.told("/api/tiny/outputs?state=orphaned")["total"] == 0


def test_files_are_asked_for_by_their_exact_names(page: Paged) -> None:
    path = "/api/tiny/files/input"
    names = [row["name"] for row in page.told(path)["rows"]]
    some = page.told(f"{path}?exact={names[2]}&exact={names[0]}&exact=never.png&exact=in")
    assert [row["name"] for row in some["rows"]] == [names[0], names[2]]
    assert some["total"] == 2
    assert page.told(f"{path}?exact={names[0].upper()}")["total"] == 0
    assert page.told(f"{path}?exact={names[0]}&name=never")["total"] == 0
    assert page.told(f"{path}?exact=")["total"] == 0
    for wrong in ("%00", "&exact=".join("x" * 101)):
        assert page.get(f"{path}?exact={wrong}").status_code == 422


@pytest.mark.parametrize(
    "query",
    [
        "count=501",
        "count=-1",
        "from=x",
        "from=1e3",
        "state=nonsense",
        "model=0",
        "name=%00",
        "from=٣",
        "count=1&count=2",
    ],
)
def test_a_part_that_cannot_be_is_refused(page: Paged, query: str) -> None:
    found = page.get(f"/api/tiny/outputs?{query}")
    assert found.status_code == 422
    assert found.json()["error"]["message"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/other/outputs",
        "/api/tiny/files/output",
        "/api/tiny/models/99",
        "/api/tiny/held-out?model=99",
        "/api/tiny/nothing",
        "/api/why?thing=never.png",
        "/api/why?thing=run@999",
        "/api/why?thing=../../../etc/passwd",
        "/api/why?thing=/etc/passwd",
        f"/api/trace/{'0' * 64}",
        "/api/changes/zz",
        "/api/changes/abcdef",
        "/static/../app.py",
        "/static/..%2fapp.py",
    ],
)
def test_what_is_not_there_is_told_in_the_shape_of_the_control_socket(
    page: Paged, contract: Contract, path: str
) -> None:
    found = page.get(path)
    assert found.status_code == 404, found.text
    error = Schema({"$ref": "#/$defs/Error", "$defs": contract.defs})
    assert error.faults(found.json()) == []


def test_why_and_trace_say_what_the_commands_say(page: Paged, shop: Tiny) -> None:
    told = page.told("/api/why?thing=output/in-001.png")
    said = json.loads(shop.pixd("why", "output/in-001.png", "--json").stdout)
    assert {key: told[key] for key in said} == said
    digest = told["trace"]
    chain = page.told(f"/api/trace/{digest}")
    pictures = chain.pop("pictures")
    traced = json.loads(shop.pixd("trace", digest, "--json").stdout)
    assert chain == traced
    assert digest in pictures
    assert chain["outputs"][0]["input"]["digest"] in pictures
    assert all(digest.startswith("sha256:") for digest in pictures)


@pytest.mark.parametrize(
    ("thing", "kind"), [("run@1", "run"), ("model@1", "model"), ("in-000.png", "file")]
)
def test_one_box_takes_any_kind_of_thing(page: Paged, thing: str, kind: str) -> None:
    told = page.told(f"/api/why?thing={thing}")
    assert told["kind"] == kind
    assert told["why"]
    if told["trace"]:  # a training makes many things
        by_digest = page.told(f"/api/why?thing={told['trace'][:23]}")
        assert by_digest["trace"] == told["trace"]


def test_a_run_is_of_one_pipeline(shop: Tiny, tmp_path: Path) -> None:
    with shop.copied(tmp_path / "two") as two:
        path = two.folder / "config.yaml"
        tree = yaml.safe_load(path.read_text())
        tree["pipelines"]["other"] = tree["pipelines"]["tiny"] | {
            kind: f"./other-{kind}" for kind in ("training", "input", "output")
        }
        path.write_text(yaml.safe_dump(tree))
        with paged(two.folder) as page:
            assert page.told("/api/why?thing=run@1")["pipeline"] == "tiny"
            assert page.told("/api/why?thing=run@1&pipeline=tiny")["pipeline"] == "tiny"
            found = page.get("/api/why?thing=run@1&pipeline=other")
            assert found.status_code == 404
            assert found.json()["error"]["message"] == "run@1 is of tiny"
            del tree["pipelines"]["tiny"]
            path.write_text(yaml.safe_dump(tree))
            told = page.told("/api/why?thing=run@1&pipeline=other")
            assert told["pipeline"] == "tiny"  # nobody else can tell of it


def test_the_report_of_a_model_runs_nothing(page: Paged) -> None:
    found = page.get("/api/tiny/models/1/report")
    assert found.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert "model@1" in found.text


def test_settings_name_the_lines_that_set_them(page: Paged, shop: Tiny) -> None:
    told = page.told("/api/settings")
    lines = (shop.folder / "config.yaml").read_text().splitlines()
    assert lines[told["lines"]["pipelines.tiny.train.ngf"] - 1].strip() == "ngf: 4"
    assert "ngf: 4" in told["effective"]
    assert told["access"]["listens"] == [HOST]


def test_words_that_are_allowed_are_named(page: Paged) -> None:
    error = page.get("/api/log?level=loud").json()["error"]
    assert error["message"] == "level: expected error or warning, got 'loud'"


def test_errors_are_found_behind_any_number_of_warnings() -> None:
    db = sqlite3.connect(":memory:")
    columns = "id INTEGER, at TEXT, pipeline TEXT, level TEXT, message TEXT, kind TEXT"
    db.execute(f"CREATE TABLE event ({columns})")
    told = [(1, "t1", "tiny", "error", "old"), *((n, f"t{n}", "", "warning", "") for n in (2, 3))]
    db.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, 'train')", told)
    assert [row["message"] for row in rows._events(db, ["tiny"], "error", 2)] == ["old"]
    assert [row["at"] for row in rows._events(db, ["tiny"], "warning", 2)] == ["t3", "t2"]
    db.close()


@pytest.mark.parametrize("number", ["9" * 19, "9" * 20, "9" * 5000])
def test_a_number_that_no_store_can_hold_names_nothing(page: Paged, number: str) -> None:
    """Python refuses to read 5000 digits, and SQLite to hold 20."""
    for path in (
        f"/api/tiny/models/{number}",
        f"/api/tiny/models/1/diff/{number}",
        f"/api/tiny/commits/training/1/diff/{number}",
        f"/picture/pair/tiny/{number}/0/input",
    ):
        assert page.get(path).status_code == 404, path[:60]


def test_answers_from_the_store_do_not_wait_for_a_slow_service(
    page: Paged, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()

    def slow(*_: object) -> dict[str, Any]:
        assert goes_on.wait(60)
        return {}

    monkeypatch.setattr("pixd.system.control_socket.request", slow)
    world = World(page.world.settings, page.world.access, page.world.cache)

    async def ask() -> int:
        asked = [asyncio.create_task(world.ask("metrics", {})) for _ in range(10)]
        await asyncio.sleep(0.1)
        try:
            return await asyncio.wait_for(world.call(int, "7"), 20)
        finally:
            goes_on.set()
            await asyncio.gather(*asked)

    assert asyncio.run(ask()) == 7


def test_the_page_goes_by_the_store_of_the_running_service_until_it_has_another(
    tmp_path: Path,
) -> None:
    config = tmp_path / "config.yaml"
    text = "store: ./store\ntraining: ./t\ninput: ./i\noutput: ./o\n"
    config.write_text(text)
    present = load(config)
    world = World(present, Access(tmp_path / "page"), tmp_path / "cache")
    service = open_store(present.store)
    config.write_text(text.replace("./store", "./other"))
    os.utime(config, ns=(1, 1))
    assert world.settings == present
    service.close()
    assert world.settings.store == tmp_path / "other"


def test_metrics_without_a_service_say_that_it_is_down(page: Paged) -> None:
    found = page.get("/metrics")
    assert found.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "pixd_up 0" in found.text
