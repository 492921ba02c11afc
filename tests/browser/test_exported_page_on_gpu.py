"""An exported page on WebGPU: it draws the same, or goes on with the processor and says why.

WebGPU is had in software here. So this shows what is computed, and how the page falls back; it does
not show how fast a GPU is, or that each computes rightly.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support import chromium
from tests.support.exported_page import SIDE, pixels_of, served, wanted
from tests.support.kept import kept

ON_GPU = "Computed by WebGPU in software"
ON_PROCESSOR = "Computed by this browser's processor"


@pytest.fixture
def site(exported: Path) -> Iterator[tuple[str, Any]]:
    with served(exported) as both:
        yield both


@pytest.fixture(scope="module")
def gpu_browser(browser: Any) -> Iterator[Any]:
    """Return a Chromium with WebGPU: in software, as there need not be a GPU here."""
    started = browser.browser_type.launch(
        executable_path=chromium.chromium(),
        args=[*chromium.ARGUMENTS, "--enable-unsafe-webgpu"],
    )
    yield started
    started.close()


@pytest.fixture
def gpu_page(gpu_browser: Any, site: tuple[str, Any]) -> Iterator[Any]:
    context = gpu_browser.new_context()
    context.set_default_timeout(240_000)  # a software adapter compiles for long
    asked = context.new_page()
    asked.goto(f"{site[0]}page.json")  # of this origin: WebGPU is for secure ones
    has_webgpu = asked.evaluate("async () => Boolean(await navigator.gpu?.requestAdapter())")
    asked.close()  # a page that is no HTML asks for a favicon, and that may come late
    if not has_webgpu:
        pytest.skip("this Chromium has no WebGPU, not even in software")
    yield context.new_page()
    context.close()


@contextlib.contextmanager
def changed(exported: Path, folder: Path, change: Callable[[Path, Any], None]) -> Iterator[str]:
    """Serve a copy of the page in which something is otherwise; gives its address."""
    shutil.copytree(exported, folder)
    path = folder / "page.json"
    about = json.loads(path.read_text())
    change(folder, about)
    path.write_text(json.dumps(about))
    with served(folder) as (address, _):
        yield address


def otherwise(folder: Path, about: Any) -> None:
    """Say of the known picture that it comes out otherwise, by 9 levels."""
    (part,) = about["model"]["known"]
    known = np.frombuffer(gzip.decompress((folder / part).read_bytes()), np.uint8).reshape(2, -1)
    told = np.where(known[1] < 128, known[1] + 9, known[1] - 9).astype(np.uint8)
    (folder / part).write_bytes(gzip.compress(known[0].tobytes() + told.tobytes()))


def where(page: Any) -> str:
    """Return what computes, in the page's words, when the first picture is there."""
    page.wait_for_selector(".studio .output img:not([hidden])")
    return str(page.locator("[data-where]").inner_text())


def lose_gpu(page: Any, exported: Path, address: str) -> None:
    """Take the GPU from the page, as a driver's reset would."""
    module = json.loads((exported / "page.json").read_text())["runtime"]["jspi"]["module"]
    (worker,) = (one for one in page.workers if one.url.endswith("/worker.js"))
    worker.evaluate(
        "async module => (await import(module)).env.webgpu.device.destroy()", address + module
    )


@pytest.mark.slow
def test_on_webgpu_the_page_draws_what_pixd_draws_also_without_a_network(
    gpu_page: Any, exported: Path, site: tuple[str, Any]
) -> None:
    address, server = site
    console = chromium.Console(gpu_page)
    gpu_page.goto(f"{address}?on=webgpu")
    assert where(gpu_page).startswith(ON_GPU)
    assert gpu_page.evaluate("sessionStorage.getItem('pixd-gpu') === null")
    assert np.abs(pixels_of(gpu_page) - wanted(exported)[0]).max() <= 2
    assert console.errors == []
    others = [url for url in console.requests if not url.removeprefix("blob:").startswith(address)]
    assert others == []
    # No byte of the build that is not used.
    assert not [url for url in console.requests if "/wasm-" in url or "ort.wasm" in url]

    server.shutdown()
    server.server_close()
    gpu_page.reload()
    assert where(gpu_page).startswith(ON_GPU)
    assert np.abs(pixels_of(gpu_page) - wanted(exported)[0]).max() <= 2
    # The processor's build was never loaded, so now there is nothing to go on with.
    lose_gpu(gpu_page, exported, address)
    gpu_page.get_by_text("Stopped: ").wait_for()


@pytest.mark.slow
def test_browsers_in_which_webassembly_cannot_wait_have_a_build_too(
    gpu_page: Any, exported: Path, tmp_path: Path
) -> None:
    def swap(_: Path, about: Any) -> None:
        about["runtime"]["jspi"] = about["runtime"]["asyncify"]

    console = chromium.Console(gpu_page)
    with changed(exported, tmp_path / "page", swap) as address:
        gpu_page.goto(f"{address}?on=webgpu")
        assert where(gpu_page).startswith(ON_GPU)
        assert np.abs(pixels_of(gpu_page) - wanted(exported)[0]).max() <= 2
    assert [url for url in console.requests if "/asyncify-" in url]
    assert console.errors == []


@pytest.mark.slow
def test_a_gpu_that_draws_otherwise_is_not_used_and_the_page_says_why(
    gpu_page: Any, exported: Path, tmp_path: Path
) -> None:
    with changed(exported, tmp_path / "page", otherwise) as address:
        gpu_page.goto(f"{address}?on=webgpu")
        said = where(gpu_page)
        assert said.startswith(ON_PROCESSOR)
        assert re.search(r"it draws a known picture otherwise, by (9|10) levels of 255\.$", said)
        assert np.abs(pixels_of(gpu_page) - wanted(exported)[0]).max() <= 1


@pytest.mark.slow
def test_a_page_that_loses_its_gpu_goes_on_without_it(
    gpu_page: Any, exported: Path, site: tuple[str, Any]
) -> None:
    gpu_page.goto(f"{site[0]}?on=webgpu")
    assert where(gpu_page).startswith(ON_GPU)
    lose_gpu(gpu_page, exported, site[0])
    gpu_page.get_by_role("button", name="Example").click()
    gpu_page.get_by_text(ON_PROCESSOR).wait_for()
    assert "Not on the GPU: the browser lost it" in where(gpu_page)
    await_pixels(gpu_page, wanted(exported)[1])


def await_pixels(page: Any, expected: Any) -> None:
    awaited(page, lambda: np.abs(pixels_of(page) - expected).max() <= 1)


def await_trying(page: Any) -> None:
    awaited(page, lambda: page.evaluate("sessionStorage.getItem('pixd-gpu') !== null"))


def awaited(page: Any, is_so: Callable[[], bool]) -> None:
    """Ask until it is so: the page's policy forbids Playwright's own waiting for expressions."""
    for _ in range(400):
        if is_so():
            return
        page.wait_for_timeout(100)
    pytest.fail("it did not come")


@pytest.mark.slow
def test_a_tab_that_ended_while_it_tried_the_gpu_does_without_once(
    gpu_page: Any, site: tuple[str, Any]
) -> None:
    gpu_page.goto(f"{site[0]}?on=wasm")
    where(gpu_page)  # it has reloaded itself for the headers that threads need
    gpu_page.goto(f"{site[0]}?on=webgpu")
    await_trying(gpu_page)
    gpu_page.reload()
    said = where(gpu_page)
    assert said.startswith(ON_PROCESSOR)
    assert "Not on the GPU: this tab ended while it was tried" in said
    gpu_page.reload()
    await_trying(gpu_page)


@pytest.mark.slow
def test_a_software_adapter_is_taken_only_when_it_is_asked_for(
    gpu_page: Any, site: tuple[str, Any]
) -> None:
    console = chromium.Console(gpu_page)
    gpu_page.goto(site[0])
    assert where(gpu_page).startswith(ON_PROCESSOR)
    assert of_webgpu(console) == ["gpu.js"]  # which finds out


@pytest.mark.slow
@pytest.mark.parametrize("query", ["", "?on=webgpu"])
def test_a_browser_without_webgpu_loads_nothing_of_it(
    browser: Any, site: tuple[str, Any], query: str
) -> None:
    # Pages of insecure origins have none; every address but this machine's own is insecure.
    address = site[0].replace("127.0.0.1", "elsewhere.test")
    without = browser.browser_type.launch(
        executable_path=chromium.chromium(),
        args=[*chromium.ARGUMENTS, "--host-resolver-rules=MAP elsewhere.test 127.0.0.1"],
    )
    try:
        page = without.new_page()
        page.set_default_timeout(120_000)
        console = chromium.Console(page)
        page.goto(address + query)
        said = where(page)
        assert page.evaluate("navigator.gpu === undefined")
        assert said.startswith(ON_PROCESSOR)
        assert said.endswith("this browser offers none to pages.") == bool(query)
        assert of_webgpu(console) == []
    finally:
        without.close()


def of_webgpu(console: chromium.Console) -> list[str]:
    """Return the files that were asked for and that only WebGPU needs."""
    names = {url.split("?")[0].rsplit("/", 1)[-1] for url in console.requests}
    return sorted(
        name for name in names if re.search(r"gpu|jspi|asyncify|^known", name, re.IGNORECASE)
    )


@pytest.mark.slow
def test_the_check_tries_webgpu_and_says_what_came_of_it(
    gpu_page: Any, exported: Path, trial: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pixd.pix2pix.exports import browser_check

    del gpu_page  # it skips where there is no WebGPU
    monkeypatch.setattr(browser_check, "ON_A_GPU", browser_check.IN_SOFTWARE)
    program = str(chromium.chromium())
    (scratch := tmp_path / "scratch").mkdir()
    told = browser_check.run(program, exported, trial, scratch)
    assert told["where"].startswith(ON_PROCESSOR)
    assert told["webgpu"]["is_used"]
    assert told["webgpu"]["largest"] <= 2
    assert told["webgpu"]["where"].startswith("Computed ")

    with changed(exported, tmp_path / "page", otherwise):
        told = browser_check.run(program, tmp_path / "page", trial, scratch)
    assert told["largest"] <= 1
    assert not told["webgpu"]["is_used"]
    assert "it draws a known picture otherwise" in told["webgpu"]["why"]


@pytest.mark.slow
def test_without_examples_the_known_picture_is_none_of_the_training(
    exported: Path, runtime: Path, generator: Any, trial: Any, tmp_path: Path
) -> None:
    from pixd.pix2pix.exports import page

    target = tmp_path / "page"
    target.mkdir()
    page.write(
        kept(generator, tmp_path / "kept"),
        trial,
        target,
        card={"pairs": "side-by-side", "image_size": SIDE, "steps": 0},
        about={},
        runtime=runtime,
        weights="float32",
        has_examples=False,
    )

    def known(folder: Path) -> bytes:
        (part,) = json.loads((folder / "page.json").read_text())["model"]["known"]
        return gzip.decompress((folder / part).read_bytes())

    given = [one.tobytes() for one in trial.inputs]
    assert known(exported)[: len(given[0])] == given[0]
    assert known(target)[: len(given[0])] not in given
    assert not any(part in known(target) for part in given)
    assert all(path.stat().st_size < 25 << 20 for path in exported.rglob("*") if path.is_file())
