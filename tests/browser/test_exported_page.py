"""An exported page in a real browser: it draws what pixd draws, alone and without a network."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import struct
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support import chromium
from tests.support.exported_page import SIDE, pixels_of, serve, served

DOCS = Path(__file__).parents[2] / "docs" / "export.md"


@pytest.fixture
def site(exported: Path) -> Iterator[tuple[str, Any]]:
    with served(exported) as both:
        yield both


@pytest.mark.slow
def test_the_page_draws_what_pixd_draws_and_asks_nobody_else(
    page: Any, exported: Path, site: tuple[str, Any], tmp_path: Path
) -> None:
    page.set_default_timeout(120_000)
    address, server = site
    console = chromium.Console(page)
    page.goto(address)
    page.wait_for_selector(".studio .output img:not([hidden])")
    assert page.title() == "dots"
    wanted = np.array(json.loads((exported / "wanted.json").read_text()), np.uint8)
    assert np.abs(pixels_of(page).astype(int) - wanted[0]).max() <= 1
    assert console.errors == []
    assert [
        url for url in console.requests if not url.removeprefix("blob:").startswith(address)
    ] == []
    # The service worker adds the headers that threads need, on a server that sends none.
    assert page.evaluate("crossOriginIsolated")

    saved: list[Any] = []
    page.on("download", lambda one: saved.append(one))  # noqa: PLW0108 - it marks what it is given
    page.get_by_role("button", name="Download").click()
    page.wait_for_timeout(1000)
    (translation,) = (one for one in saved if one.suggested_filename.startswith("translation"))
    path = tmp_path / "translation.png"
    translation.save_as(path)
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image.convert("RGB")), pixels_of(page))
        text = image.info
    assert text["pixd:model"] == "sha256:ab"
    assert text["pixd:dataset"] == "sha256:cd"
    assert text["Software"].startswith("pixd ")
    assert len(text["pixd:input-sha256"]) == 64
    assert _keywords(path) == sorted(_keywords(path))

    server.shutdown()  # nobody answers any more
    server.server_close()
    page.reload()
    page.wait_for_selector(".studio .output img:not([hidden])")
    assert np.abs(pixels_of(page).astype(int) - wanted[0]).max() <= 1


def _keywords(path: Path) -> list[str]:
    data, at, found = path.read_bytes(), 8, []
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if data[at + 4 : at + 8] == b"tEXt":
            found.append(data[at + 8 :].split(b"\0", 1)[0].decode())
        at += 12 + length
    return found


@pytest.mark.slow
def test_a_page_without_its_model_says_so(page: Any, exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "page")
    shutil.rmtree(tmp_path / "page" / "model")
    address, server = serve(tmp_path / "page")
    try:
        page.goto(address)
        page.get_by_role("heading", name="The model could not be opened").wait_for()
        assert "404" in page.locator(".trouble").inner_text()
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.slow
def test_a_page_draws_where_service_workers_are_blocked(
    browser: Any, site: tuple[str, Any]
) -> None:
    context = browser.new_context(service_workers="block")
    context.set_default_timeout(120_000)
    page = context.new_page()
    page.goto(site[0])
    page.wait_for_selector(".studio .output img:not([hidden])")
    assert page.locator("[data-where]").inner_text().endswith("one thread")
    context.close()


@pytest.mark.slow
def test_a_page_that_was_exported_anew_is_the_new_one_wherever_it_lies(
    page: Any, exported: Path, tmp_path: Path
) -> None:
    page.set_default_timeout(120_000)
    shutil.copytree(exported, tmp_path / "model")
    address, server = serve(tmp_path)
    try:
        page.goto(f"{address}model/")
        page.wait_for_selector(".studio .output img:not([hidden])")
        assert page.evaluate("navigator.serviceWorker.controller !== null")
        page.evaluate(
            """async () => {
              const kept = await caches.open("pixd");
              await kept.put("model/model-0123456789ab-0.bin", new Response("of the model before"));
            }"""
        )
        about = json.loads((tmp_path / "model" / "page.json").read_text())
        (tmp_path / "model" / "page.json").write_text(json.dumps({**about, "title": "anew"}))
        page.reload()
        page.wait_for_selector(".studio .output img:not([hidden])")
        assert page.title() == "anew"
        kept = page.evaluate(
            "async () => (await (await caches.open('pixd')).keys()).map((one) => one.url)"
        )
        assert not [url for url in kept if "0123456789ab" in url]
        assert [url for url in kept if url.endswith(about["model"]["parts"][0])]
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.slow
def test_the_page_of_the_docs_draws_too(
    page: Any, exported: Path, runtime: Path, tmp_path: Path
) -> None:
    page.set_default_timeout(120_000)
    (text,) = re.findall(r"```html\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert len(text.splitlines()) <= 20
    (tmp_path / "ort").mkdir()
    (tmp_path / "index.html").write_text(text.replace("256", str(SIDE)))
    with tarfile.open(runtime) as packed:
        for name in (
            "ort.wasm.min.mjs",
            "ort-wasm-simd-threaded.mjs",
            "ort-wasm-simd-threaded.wasm",
        ):
            file = packed.extractfile(f"package/dist/{name}")
            assert file is not None
            (tmp_path / "ort" / name).write_bytes(file.read())
    parts = sorted((exported / "model").glob("model-*"))
    model = gzip.decompress(b"".join(part.read_bytes() for part in parts))
    (tmp_path / "model.onnx").write_bytes(model)
    address, server = serve(tmp_path)
    try:
        page.goto(address)
        page.wait_for_function("document.querySelector('input').onchange !== null")
        page.set_input_files("input", exported / "examples" / "0-input.png")
        wanted = np.array(json.loads((exported / "wanted.json").read_text())[0], np.uint8)
        page.wait_for_function(
            """wanted => {
              const canvas = document.querySelector("canvas");
              const made = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
              return wanted.every((value, at) => Math.abs(value - made[at + Math.floor(at / 3)]) <= 1);
            }""",
            arg=wanted.flatten().tolist(),
        )
    finally:
        server.shutdown()
        server.server_close()
