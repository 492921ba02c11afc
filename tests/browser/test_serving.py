"""The page and the store behind it: drafts, long lists, and pages that mean harm."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import chromium
from tests.support.page import Page
from tests.support.tiny import Tiny, small_png

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANY = 10_000
MOST_ELEMENTS = 500
BEGIN_S = 60


@pytest.mark.slow
def test_a_draft_has_the_bytes_of_the_later_output(
    page: Any, translated: Path, tmp_path: Path
) -> None:
    with Tiny.at(translated).copied(tmp_path / "tiny") as tiny:
        site = Page(tiny.folder)
        page.set_default_timeout(180_000)
        page.goto(site.link)
        page.wait_for_selector("article.pipeline")
        page.evaluate("location.hash = '#/draw/tiny'")
        page.wait_for_selector(".panel.output img:not([hidden])")
        at = page.locator("canvas").bounding_box()
        page.mouse.move(at["x"] + 30, at["y"] + 30)
        page.mouse.down()
        page.mouse.move(at["x"] + 200, at["y"] + 160, steps=4)
        page.mouse.up()
        page.wait_for_timeout(2000)  # the newest drawing is the last that is sent
        downloads: list[Any] = []
        page.on("download", lambda one: downloads.append(one))  # noqa: PLW0108 - no built-in is taken
        page.get_by_role("button", name="Download").click()
        while len(downloads) < 2:
            page.wait_for_timeout(100)
        files = {one.suggested_filename.partition("-")[0]: one.path() for one in downloads}
        with page.expect_response("**/input/drawing-*") as put:
            page.get_by_role("button", name="Save as input").click()
        name = put.value.url.rpartition("/")[2]
        site.close()
        assert put.value.status == 201
        assert (tiny.folder / "input" / name).read_bytes() == files["drawing"].read_bytes()
        tiny.once()
        assert tiny.outputs()[name] == files["translation"].read_bytes()


def test_a_file_goes_up_once_and_another_under_its_name_is_refused(
    page: Any, translated: Path, tmp_path: Path
) -> None:
    with Tiny.at(translated).copied(tmp_path / "tiny") as tiny:
        site = Page(tiny.folder)
        page.goto(site.link)
        page.wait_for_selector("article.pipeline")
        page.evaluate("location.hash = '#/upload/tiny'")
        chooser = page.locator("input[type=file]").first
        chooser.wait_for(state="attached")

        def send(name: str, data: bytes) -> str:
            chooser.set_input_files({"name": name, "mimeType": "image/png", "buffer": data})
            row = page.locator(".files li").first
            row.get_by_text(name).wait_for()
            page.wait_for_function(
                "() => !/^(waiting|sending)$/.test(document.querySelector('.files .badge').innerText)"
            )
            return str(row.inner_text())

        name = "<b>ünï</b> #1?.png".replace("/", "_")
        send(name, small_png(1))
        assert (tiny.folder / "input" / name).read_bytes() == small_png(1)
        assert "there already" in send(name, small_png(1))
        assert "refused" in send(name, small_png(2))
        assert (tiny.folder / "input" / name).read_bytes() == small_png(1)
        assert not list((tiny.folder / "input").glob("*.part"))
        site.close()


@pytest.mark.slow
def test_a_dropped_folder_goes_up_whole(page: Any, translated: Path, tmp_path: Path) -> None:
    dropped = tmp_path / "dropped"
    (dropped / "below").mkdir(parents=True)
    for number in range(130):  # a browser lists a hundred of them at a time
        (dropped / f"{number:03d}.png").write_bytes(small_png(number))
    (dropped / "below" / "deep.png").write_bytes(small_png(999))
    with Tiny.at(translated).copied(tmp_path / "tiny") as tiny:
        site = Page(tiny.folder)
        page.goto(site.link)
        page.wait_for_selector("article.pipeline")
        page.evaluate("location.hash = '#/upload/tiny'")
        at = page.locator(".dropzone").bounding_box()
        cdp = page.context.new_cdp_session(page)
        for kind in ("dragEnter", "dragOver", "drop"):
            data = {"items": [], "files": [str(dropped)], "dragOperationsMask": 1}
            place = {"x": at["x"] + 50, "y": at["y"] + 50}
            cdp.send("Input.dispatchDragEvent", {"type": kind, "data": data, **place})
        page.get_by_text("131 files: 131 sent").wait_for()
        found = tiny.folder / "input" / "dropped"
        assert (found / "below" / "deep.png").read_bytes() == small_png(999)
        assert len(list(found.glob("*.png"))) == 130
        site.close()


def test_ten_thousand_outputs_are_a_few_hundred_elements(
    page: Any, translated: Path, tmp_path: Path
) -> None:
    with Tiny.at(translated).copied(tmp_path / "tiny") as tiny:
        add_outputs(tiny.folder, MANY)
        site = Page(tiny.folder)
        page.goto(site.link)
        page.wait_for_selector("article.pipeline")
        page.evaluate("location.hash = '#/gallery/tiny'")
        page.wait_for_selector("button.tile img")
        assert page.get_by_text("10,003 outputs").is_visible()
        most = 0
        for share in (0.1, 0.5, 0.9, 1):
            page.evaluate("share => scrollTo(0, share * document.body.scrollHeight)", share)
            page.wait_for_timeout(
                400
            )  # rows are drawn at the next frame, and filled when they come
            most = max(most, page.evaluate("document.querySelectorAll('*').length"))
        assert most <= MOST_ELEMENTS
        page.wait_for_selector(f'.tile[data-index="{MANY + 2}"]')
        page.get_by_label("Part of a name").fill("many-00042")
        page.get_by_text("1 output", exact=True).wait_for()
        assert page.locator("button.tile .name").inner_text() == "many-00042.png"
        site.close()


def add_outputs(folder: Path, count: int) -> None:
    """Write rows for outputs that are the first one's bytes under other names."""
    db = sqlite3.connect(folder / "store" / "lineage.db")
    with db:
        db.execute(
            """
            INSERT INTO output (pipeline, path, input_path, input_digest, model_digest, recipe,
                                run_id, digest, state, change_id, published_at)
            WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)
            SELECT pipeline, printf('many-%05d.png', i), input_path, input_digest, model_digest,
                   recipe, run_id, digest, state, change_id, published_at
            FROM n, (SELECT * FROM output LIMIT 1)
            """,
            (count,),
        )
    db.close()


# -- pages that mean harm ----------------------------------------------------------------------

HOSTILE = """<!doctype html><title>hostile</title><script>
const [site, token] = JSON.parse(decodeURIComponent(location.hash.slice(1)));
const tried = {};
const auth = { Authorization: `Bearer ${token}` };
async function tryIt(name, work) {
  try { tried[name] = await work(); } catch (error) { tried[name] = `stopped: ${error.name}`; }
}
function load(tag, src) {
  return new Promise((resolve) => {
    const one = document.createElement(tag);
    one.onload = () => resolve("loaded"); one.onerror = () => resolve("stopped");
    one.src = src; document.body.append(one);
  });
}
globalThis.attack = async () => {
  await tryIt("read", async () => (await fetch(`${site}/api/status`)).text());
  await tryIt("read with the token", async () =>
    (await fetch(`${site}/api/status`, { headers: auth })).text());
  await tryIt("put", async () =>
    (await fetch(`${site}/api/tiny/input/evil.png`, { method: "PUT", body: "x", headers: auth })).status);
  await tryIt("simple post", async () =>
    (await fetch(`${site}/api/operations/pause`, { method: "POST", mode: "no-cors",
      body: '{"pipeline":"tiny"}' })).type);
  await tryIt("script", () => load("script", `${site}/static/api.js`));
  await tryIt("picture", () => load("img", `${site}/static/icon.svg`));
  await tryIt("window", async () => {
    const other = open(`${site}/#/status`);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    return other === null || other.closed ? "cut" : String(other.document?.title);
  });
  return tried;
};
globalThis.nothing = async () => {
  const frame = document.createElement("iframe");
  frame.sandbox = "allow-scripts";
  frame.srcdoc = `<script>fetch("${site}/api/status", { headers: { Authorization: "Bearer ${token}" } })
    .then((r) => r.text(), (e) => "stopped").then((t) => parent.postMessage(t, "*"))<\\/script>`;
  const told = new Promise((resolve) => addEventListener("message", (e) => resolve(e.data)));
  document.body.append(frame);
  return told;
};
globalThis.framed = async () => {
  const frame = document.createElement("iframe");
  frame.src = site;
  document.body.append(frame);
  await new Promise((resolve) => { frame.onload = resolve; });
  try { return String(frame.contentWindow.document.body.innerText); } catch { return "stopped"; }
};
globalThis.submit = () => {
  const form = Object.assign(document.createElement("form"),
    { method: "POST", action: `${site}/api/operations/pause`, enctype: "text/plain" });
  form.append(Object.assign(document.createElement("input"),
    { name: '{"pipeline":"tiny","x":"', value: '"}' }));
  document.body.append(form);
  form.submit();
};
</script><body></body>"""


class _Hostile(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = HOSTILE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def own_chromium(folder: Path) -> Iterator[str]:
    """Start Chromium as a person would: Playwright's own start switches some guards off."""
    path = chromium.chromium()
    assert path
    process = subprocess.Popen(
        [
            path, "--headless=new", *chromium.ARGUMENTS, "--remote-debugging-port=0",
            f"--user-data-dir={folder}", "--no-first-run", "--disable-popup-blocking",
            "--host-resolver-rules=MAP evil.test 127.0.0.1", "about:blank",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        told = folder / "DevToolsActivePort"
        ends_at = time.monotonic() + BEGIN_S
        while not told.exists() or "\n" not in told.read_text():
            assert process.poll() is None
            assert time.monotonic() < ends_at
            time.sleep(0.05)
        port = told.read_text().splitlines()[0]
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
def test_hostile_pages_get_nothing_and_change_nothing(
    browser: Any, translated: Path, tmp_path: Path
) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hostile)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with Tiny.at(translated).copied(tmp_path / "tiny") as tiny:
        site = Page(tiny.folder)
        with own_chromium(tmp_path / "profile") as endpoint:
            attacked = browser.browser_type.connect_over_cdp(endpoint)
            page = attacked.contexts[0].new_page()
            given = json.dumps([site.address, site.secrets.full])
            evil = f"http://127.0.0.1:{server.server_port}/#{given}"
            page.goto(evil)
            tried = page.evaluate("attack()")
            assert tried.pop("simple post") in {"opaque", "stopped: TypeError"}
            assert tried.pop("window") in {"cut", "stopped: SecurityError"}
            assert set(tried.values()) <= {"stopped", "stopped: TypeError"}, tried
            assert page.evaluate("nothing()") == "stopped"
            assert page.evaluate("framed()") in {"stopped", ""}
            with page.expect_navigation():
                page.evaluate("submit()")
            assert "another page may not ask here" in page.content()
            port = site.address.rpartition(":")[2]
            answer = page.goto(f"http://evil.test:{port}/")
            assert answer.status == 403
            assert "not known under the name" in answer.text()
            attacked.close()
        _, told = site.ask("/api/status")
        assert told["pipelines"]["tiny"]["paused"] is None
        assert not (tiny.folder / "input" / "evil.png").exists()
        site.close()
    server.shutdown()
    server.server_close()
    thread.join()
