"""The Upload page in a real browser: what becomes of the files that a person chose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixd.store.opening import open_store
from tests.support.commits import record
from tests.support.tiny import small_png

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.page import Page


def open_upload(page: Any, site: Page) -> None:
    page.goto(site.link)
    page.wait_for_selector("article.pipeline")
    page.evaluate("location.hash = '#/upload/tiny'")
    page.wait_for_selector(".dropzone")


def choose(page: Any, files: list[Path]) -> None:
    page.locator("input[type=file]").first.set_input_files([str(one) for one in files])


def row(page: Any, name: str) -> Any:
    return page.locator("ul.files li", has=page.get_by_text(name))


def test_files_that_are_gone_when_their_turn_comes_do_not_hold_up_the_others(
    page: Any, site: Page, tmp_path: Path
) -> None:
    names = [f"photo-{n}.png" for n in range(6)]
    for n, name in enumerate(names):
        (tmp_path / name).write_bytes(small_png(5000 + n))
    (tmp_path / "none.png").write_bytes(b"")
    open_upload(page, site)
    page.context.set_offline(True)
    choose(page, [tmp_path / name for name in [*names[:5], "none.png", names[5]]])
    page.get_by_text("Not connected; it goes on by itself").wait_for()
    for name in [*names[:5], "none.png"]:
        (tmp_path / name).rename(tmp_path / f"renamed-{name}")
    page.context.set_offline(False)
    row(page, names[5]).get_by_text("sent", exact=True).wait_for()
    for name in [*names[:5], "none.png"]:
        row(page, name).get_by_text("cannot be read any more: choose it again").wait_for()
    assert "Not connected" not in page.locator("section.card p.number").inner_text()
    assert (site.folder / "input" / names[5]).is_file()
    assert not (site.folder / "input" / names[0]).exists()


def test_a_file_of_a_large_folder_is_followed_though_others_hold_its_name(
    page: Any, site: Page, tmp_path: Path
) -> None:
    open_upload(page, site)
    chosen = [tmp_path / "9.png", *(tmp_path / f"never-{n}.png" for n in range(150))]
    for n, one in enumerate(chosen):
        one.write_bytes(small_png(6000 + n))
    choose(page, chosen[1:])
    page.get_by_text("150 files: 150 sent").wait_for()
    choose(page, chosen[:1])
    page.get_by_text("151 files: 151 sent").wait_for()
    for one in chosen[1:]:
        (site.folder / "input" / one.name).unlink()
    store = open_store(site.folder / "store")
    inputs = store.history.repo_id("tiny", "input")
    record(store, inputs, {f"{n}.png": small_png(n) for n in range(600)}, [])
    store.close()
    row(page, "9.png").get_by_text("recorded", exact=True).wait_for()


DROPPED = """async (broken) => {
    const { filesIn } = await import("/dropped.js");
    const fails = (_, rejected) => rejected(new DOMException("gone", "NotFoundError"));
    const file = (name) => ({ name, isFile: true,
        file: broken.includes(name) ? fails : (taken) => taken(new File(["x"], name)) });
    const folder = (name, ...inside) => ({ name, isFile: false, createReader: () => {
        let given = false;
        return { readEntries: (taken, rejected) => {
            if (broken.includes(name)) fails(taken, rejected);
            else taken(given ? [] : inside);
            given = true;
        } };
    } });
    const all = folder("all", file("a.png"), file("b.png"), folder("sub", file("c.png")), file("d.png"));
    const items = [{ webkitGetAsEntry: () => all }, { webkitGetAsEntry: () => file("e.png") }];
    return (await filesIn({ items, files: [] })).map(({ file, name }) => [name, Boolean(file)]);
}"""


def test_what_cannot_be_read_of_a_dropped_folder_is_named_and_the_rest_is_taken(
    page: Any, static_site: str
) -> None:
    page.goto(f"{static_site}/blank")
    files = ["all/a.png", "all/b.png", "all/sub/c.png", "all/d.png", "e.png"]
    assert page.evaluate(DROPPED, []) == [[name, True] for name in files]
    assert page.evaluate(DROPPED, ["b.png", "sub"]) == [
        ["all/a.png", True], ["all/b.png", False], ["all/sub", False], ["all/d.png", True],
        ["e.png", True],
    ]  # fmt: skip


def test_a_dropped_file_that_cannot_be_read_is_told_on_the_page(page: Any, site: Page) -> None:
    open_upload(page, site)
    page.evaluate("""() => {
        const fails = (_, rejected) => rejected(new DOMException("no right", "NotReadableError"));
        const event = new Event("drop", { bubbles: true, cancelable: true });
        const entry = { name: "secret.png", isFile: true, file: fails };
        event.dataTransfer = { items: [{ webkitGetAsEntry: () => entry }], files: [], types: [] };
        document.querySelector(".dropzone").dispatchEvent(event);
    }""")
    row(page, "secret.png").get_by_text("It cannot be read").wait_for()
