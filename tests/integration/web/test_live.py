"""The page beside a running service: the whole way of a picture, and what becomes of each."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from pixd.config.load import load
from pixd.system.digests import digest_of
from pixd.web.drafter import Drafter
from tests.support import exposition
from tests.support.paged import Paged, paged, served
from tests.support.tiny import PATIENCE_S, Tiny, picture, small_png

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(scope="module")
def running(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    """A service that runs, with a live model."""
    with Tiny.at(template).copied(tmp_path_factory.mktemp("live") / "tiny") as tiny:
        tiny.start()
        yield tiny


@pytest.fixture(scope="module")
def page(running: Tiny) -> Iterator[Paged]:
    with paged(running.folder) as found:
        yield found


def through(page: Paged, change: str) -> dict[str, Any]:
    ends_at = time.monotonic() + PATIENCE_S
    while True:
        told = page.told(f"/api/changes/{change}")
        if told["through"]:
            return dict(told)
        assert time.monotonic() < ends_at, told
        time.sleep(0.1)


def png_of(number: int, folder: Path) -> bytes:
    path = folder / f"drawn-{number}.png"
    picture(number).save(path)
    return path.read_bytes()


def test_a_drawing_saved_as_an_input_comes_out_with_the_bytes_of_its_draft(
    page: Paged, running: Tiny, tmp_path: Path
) -> None:
    data = png_of(40, tmp_path)
    draft = page.draw("/api/tiny/draft", data)
    assert draft.status_code == 200, draft.text
    assert draft.headers["pixd-model"] == "model@1"
    assert draft.headers["pixd-digest"] == digest_of(draft.content)
    timing = dict(re.findall(r"(\w+);dur=([\d.]+)", draft.headers["server-timing"]))
    assert {"decode", "infer", "encode", "total"} <= set(timing)
    assert page.draw("/api/tiny/draft", data).content == draft.content
    put = page.put("/api/tiny/input/drawn.png", data, prefer="wait=60").json()
    told = through(page, put["change"])
    assert [row["name"] for row in told["outputs"]] == ["drawn.png"]
    assert (running.folder / "output" / "drawn.png").read_bytes() == draft.content
    run = running.shown(f"run@{told['outputs'][0]['run']}")
    assert run["key"] == draft.headers["pixd-run"]


def test_drawings_are_translated_on_when_the_cache_was_cleared(page: Paged, tmp_path: Path) -> None:
    data = png_of(41, tmp_path)
    draft = page.draw("/api/tiny/draft", data)
    assert draft.status_code == 200, draft.text
    shutil.rmtree(page.world.cache)
    again = page.draw("/api/tiny/draft", data)
    assert again.status_code == 200, again.text
    assert again.content == draft.content
    shutil.rmtree(page.world.cache)
    page.world.cache.mkdir(mode=0o700)
    assert page.draw("/api/tiny/draft", data).content == draft.content


def test_who_draws_with_two_models_at_once_gets_both(running: Tiny, tmp_path: Path) -> None:
    settings = [load(running.folder / "config.yaml")]
    other = running.folder / "other.yaml"
    text = (running.folder / "config.yaml").read_text()
    other.write_text(text.replace("steps: 4", "steps: 5"))
    settings.append(load(other))  # as another model, other settings need another child
    drafter = Drafter(tmp_path / "drafts")
    try:
        data = png_of(42, tmp_path)
        asked = [drafter.ask(one, one.pipelines[0], None, data) for one in (*settings, settings[0])]
        made = [one.result(PATIENCE_S) for one in asked]
        assert len({one.digest for one in made if one}) == 1
        assert all(made)
    finally:
        drafter.close()
        other.unlink()


def test_a_draft_that_is_no_drawing_is_refused(page: Paged) -> None:
    path = "/api/tiny/draft"
    assert page.draw(path, b"\x89PNG\r\n\x1a\n nothing").status_code == 422
    assert page.draw(path, small_png(1)[:60]).status_code == 422
    huge = small_png(1)[:16] + (5000).to_bytes(4, "big") * 2 + small_png(1)[24:]
    assert page.draw(path, huge).status_code == 422
    assert page.draw(path, small_png(1) + b"\0" * (1 << 20)).status_code == 413
    jpeg = page.client.post(
        path, content=small_png(1), headers={**page.bearer, "content-type": "image/jpeg"}
    )
    assert jpeg.status_code == 415
    assert page.draw(f"{path}?model=99", small_png(1)).status_code == 404


def test_what_becomes_of_a_file_that_is_no_picture_is_told(page: Paged) -> None:
    put = page.put("/api/tiny/input/text.png", b"this is no picture", prefer="wait=60").json()
    told = through(page, put["change"])
    assert told["outputs"] == []
    (row,) = page.told("/api/tiny/files/input?name=text.png")["rows"]
    assert row["state"] == "rejected"
    assert row["reason"]
    assert row["name"] in page.told("/api/why?thing=text.png")["file"]


def test_the_service_is_asked_and_says_who_asked(page: Paged, running: Tiny) -> None:
    done = page.post("/api/operations/pause", {"pipeline": "tiny"})
    assert done.json() == {"pipeline": "tiny", "paused": True, "changed": True}
    paused = page.told("/api/status")["pipelines"]["tiny"]["paused"]
    assert paused["who"].endswith(" (the page)")
    assert page.post("/api/operations/resume", {"pipeline": "tiny"}).status_code == 200
    for said, status in (
        ({"pipeline": "other"}, 404),
        ({"pipeline": "tiny", "number": "1"}, 422),
        ({"pipeline": "tiny"}, 422),
        ({"pipeline": "tiny", "number": 99}, 404),
    ):
        assert page.post("/api/operations/promote", said).status_code == status, said
    assert page.post("/api/operations/expect", {"pipeline": "tiny"}).status_code == 404
    assert page.post("/api/operations/recall", {"pipeline": "tiny"}).status_code == 422
    (row,) = page.told("/api/tiny/files/training?count=1")["rows"]
    said = {"pipeline": "tiny", "digest": row["digest"], "mode": "apply"}
    assert page.post("/api/operations/recall", said).status_code == 200
    assert page.told("/api/tiny/files/training?count=1")["rows"] == [row]  # it was only planned
    assert "garbage" in page.post("/api/operations/gc", {"pipeline": "tiny"}).json()
    assert page.post("/api/operations/rollback", {"pipeline": "tiny"}).status_code == 409
    text = page.client.post("/api/operations/pause", content=b"{}", headers=page.bearer)
    assert text.status_code == 415  # a form could send it


def test_a_guest_has_the_service_scan_nothing(page: Paged, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr("pixd.answers.through.ask_for_a_scan", asked.append)
    monkeypatch.setattr("pixd.answers.through.is_through", lambda *_: False)
    row = page.told("/api/tiny/files/training")["rows"][0]
    path = f"/api/changes/{row['change']}"
    assert page.client.get(path, headers=page.reader).status_code == 200
    assert asked == []
    page.told(path)
    assert asked == [page.world.settings.store]


def test_metrics_are_those_of_the_service(page: Paged) -> None:
    found = exposition.parse(page.get("/metrics").text)
    assert found["pixd_up"].value() == 1
    status = page.told("/api/status")["pipelines"]["tiny"]
    translated = found["pixd_files"].value(folder="input", state="translated")
    assert translated == status["input"]["translated"]


def test_the_stream_tells_what_changed(running: Tiny) -> None:
    with served(running.folder) as page:
        heard: list[tuple[str, Any]] = []
        ready = threading.Event()

        def listen() -> None:
            with httpx.stream(
                "GET", f"{page.url}/api/events", headers=page.bearer, timeout=60
            ) as answer:
                assert answer.headers["content-type"].startswith("text/event-stream")
                event = ""
                for line in answer.iter_lines():
                    if line.startswith("event: "):
                        event = line.removeprefix("event: ")
                    elif line.startswith("data: "):
                        heard.append((event, json.loads(line.removeprefix("data: "))))
                        ready.set()
                    changed = [told["what"] for event, told in heard if event == "changed"]
                    if {"files", "outputs"} <= {*changed}:
                        return

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        assert ready.wait(60)
        assert heard[0][0] == "status"
        assert set(heard[0][1]["pipelines"]) == {"tiny"}
        time.sleep(1.5)  # so that the watcher knows what was before
        url = f"{page.url}/api/tiny/input/heard.png"
        assert httpx.put(url, content=small_png(77), headers=page.bearer).status_code == 201
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
        assert any(event == "status" for event, _ in heard[1:])
        changed = {told["what"] for event, told in heard if event == "changed"}
        assert not changed & {"training", "models"}


def test_the_lines_of_the_docs_work(running: Tiny, tmp_path: Path) -> None:
    if not shutil.which("curl"):
        pytest.skip("no curl here")
    page = (DOCS / "web.md").read_text()
    section = page.split("## From a script")[1]
    script, draw = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)[:2]
    picture(90).save(tmp_path / "x.png")
    (tmp_path / "config.yaml").symlink_to(running.folder / "config.yaml")
    with served(running.folder) as served_page:
        pixd = f'{sys.executable} -m pixd --config {running.folder / "config.yaml"} "$@"'
        functions = f"set -eu\npixd() {{ {pixd}; }}\n"
        text = (functions + script + draw).replace("PIPELINE=facades", "PIPELINE=tiny")
        done = subprocess.run(
            ["bash", "-c", text],
            cwd=tmp_path,
            env={**os.environ, "XDG_STATE_HOME": str(served_page.state)},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    made = (tmp_path / "translated.png").read_bytes()
    assert made == (running.folder / "output" / "x.png").read_bytes()
    assert (tmp_path / "draft.png").read_bytes() == made


# -- the process -----------------------------------------------------------------------------


def test_hostile_bytes_end_in_no_traceback(running: Tiny) -> None:
    with served(running.folder) as page:
        head = f"GET /api/status HTTP/1.1\r\nAuthorization: Bearer {page.secrets.full}\r\n"
        close = "Connection: close\r\n\r\n"
        two = f"{head}Host: {page.host}\r\nHost: {page.host}\r\n{close}"
        assert page.raw(two.encode()).startswith(b"HTTP/1.1 400")
        assert page.raw(f"{head}{close}".encode()).startswith(b"HTTP/1.1 400")
        old = f"GET / HTTP/1.0\r\n{close}"
        assert page.raw(old.encode()).split(b" ")[1] == b"400"
        good = f"{head}Host: {page.host}\r\n{close}"
        assert page.raw(good.encode()).startswith(b"HTTP/1.1 200")
        absolute = good.replace("GET /api", "GET http://evil.example/api")
        assert not page.raw(absolute.encode()).startswith(b"HTTP/1.1 200")
        upgrade = good.replace("Connection: close", "Connection: Upgrade\r\nUpgrade: websocket")
        kept_open = page.raw(upgrade.encode(), within_s=2)
        assert kept_open.startswith(b"HTTP/1.1 ")
        assert b" 101 " not in kept_open
        for path in ("tiny/draft", "operations/pause", "tiny/pairs"):
            kind = "image/png" if path.endswith("draft") else "application/json"
            cut = good.replace("GET /api/status", f"POST /api/{path}")
            cut = cut.replace(close, f"Content-Type: {kind}\r\nContent-Length: 100\r\n\r\nshort")
            page.raw(cut.encode(), ends=True)
        for bad in (b"", b"\0" * 100, b"GET\r\n\r\n", b"A" * 100_000, b"\x16\x03\x01" * 50):
            page.raw(bad, ends=True)
        assert httpx.get(f"{page.url}/healthz").status_code == 204
        assert "Traceback" not in page.log.read_text()


def test_the_page_is_light(running: Tiny) -> None:
    """It imports nothing that the service's readers do not."""
    with served(running.folder) as page:
        httpx.get(f"{page.url}/api/status", headers=page.bearer)
        httpx.get(f"{page.url}/api/tiny/outputs", headers=page.bearer)
        maps = Path(f"/proc/{page.process.pid}/maps").read_text()
    for library in ("numpy", "PIL", "tensorflow", "cv2"):
        assert f"/{library}/" not in maps, library
    code = (
        "import sys, pixd.web.app, pixd.web.listening;"
        "print(sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for library in ("numpy", "PIL", "tensorflow", "keras", "sqlite_utils", "rich"):
        assert f"'{library}'" not in done.stdout


def test_a_socket_is_for_its_group_alone(running: Tiny, tmp_path: Path) -> None:
    path = tmp_path / "page.sock"
    config = running.folder / "config.yaml"
    before = config.read_text()
    config.write_text(f"web: {{start: false, listen: {path}}}\n{before}")
    try:
        with served(running.folder, "--read-only") as page:
            assert path.stat().st_mode & 0o777 == 0o660
            transport = httpx.HTTPTransport(uds=str(path))
            with httpx.Client(transport=transport) as client:
                assert client.get("http://localhost/healthz").status_code == 204
                assert client.get("http://evil.example/healthz").status_code == 403
            page.stop()
            assert not path.exists()
    finally:
        config.write_text(before)


def test_a_page_that_is_killed_leaves_no_half_file_and_the_service_as_it_was(
    running: Tiny, wait_until: Callable[..., None]
) -> None:
    folder = running.folder / "input"
    with served(running.folder) as page:
        data = os.urandom(1 << 20)

        def send(number: int) -> None:
            try:
                httpx.put(
                    f"{page.url}/api/tiny/input/killed/{number}.png",
                    content=data + str(number).encode(),
                    headers={**page.bearer, "prefer": "wait=0"},
                    timeout=30,
                )
            except httpx.HTTPError:
                return

        threads = [threading.Thread(target=send, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        wait_until(lambda: list(folder.glob("killed/*.png")), 60)
        page.process.send_signal(signal.SIGKILL)
        for thread in threads:
            thread.join()
    for path in folder.rglob("killed/*"):
        assert path.read_bytes() == data + path.stem.encode(), path
    assert running.service is not None
    assert running.service.poll() is None
    shutil.rmtree(folder / "killed")


def test_the_service_keeps_the_page_running(
    ready: Tiny, wait_until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = ready.folder / "page-state"
    config = ready.folder / "config.yaml"
    config.write_text("web: {listen: '127.0.0.1:0'}\n" + config.read_text())
    ready.start(XDG_STATE_HOME=str(state), XDG_CACHE_HOME=str(ready.folder / "page-cache"))

    def told() -> dict[str, Any]:
        found = list(state.rglob("address.json"))
        return dict(json.loads(found[0].read_text())) if found else {"pid": 0, "url": ""}

    wait_until(lambda: told()["pid"], 60)
    first = told()
    assert httpx.get(first["url"] + "healthz").status_code == 204
    os.kill(first["pid"], signal.SIGKILL)
    wait_until(lambda: told()["pid"] not in {0, first["pid"]}, 60)
    assert httpx.get(told()["url"] + "healthz").status_code == 204
    assert "page" in (ready.folder / "service.log").read_text()
    last = told()["pid"]
    assert ready.stop() == 0
    wait_until(lambda: not Path(f"/proc/{last}").exists(), 20)
