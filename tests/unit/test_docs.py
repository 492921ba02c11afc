"""The pages can be found and read: contents lists, links, the index, the strip of README.md."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from pixd.cli import arguments, man_page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
LINKED = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
LONGEST_WITHOUT_CONTENTS = 150  # lines
LARGEST_STRIP_BYTES = 300_000

LINK = re.compile(r"\]\(([^)\s]+)\)")
CONTENTS_LINE = re.compile(r"- \[([^\]]*)\]\(#([^)]*)\)")


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def headings(text: str, level: str = "#+") -> list[str]:
    return re.findall(rf"^{level} (.+)$", without_code(text), re.MULTILINE)


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives to a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")


def anchors(text: str) -> set[str]:
    named = re.findall(r'<a id="([^"]+)">', text)
    return {anchor(heading) for heading in headings(text)} | set(named)


def contents(text: str) -> list[tuple[str, str]]:
    """Return (words, anchor) of each line of the list between the title and the first section."""
    before, _, _ = without_code(text).partition("\n## ")
    return CONTENTS_LINE.findall(before)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_long_page_begins_with_a_list_of_its_sections(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    listed = contents(text)
    if len(text.splitlines()) > LONGEST_WITHOUT_CONTENTS or listed:
        assert [words for words, _ in listed] == headings(text, "##")
        assert [to for _, to in listed] == [anchor(words) for words, _ in listed]


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in LINK.findall(without_code(text)):
        to = urlsplit(link)
        if to.scheme:
            continue
        target = (page.parent / to.path).resolve() if to.path else page
        assert target.exists(), link
        if to.fragment:
            assert to.fragment in anchors(target.read_text(encoding="utf-8")), link


def test_the_index_lists_every_page_once() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    listed = [link for link in LINK.findall(index) if link.endswith(".md") and "/" not in link]
    assert sorted(listed) == sorted(page.name for page in PAGES if page.name != "README.md")


@pytest.mark.parametrize(
    ("page", "begins"),
    [
        ("README.md", "- **Your folders are yours.**"),
        ("CONTRIBUTING.md", "- pixd writes into the user's training"),
        ("ARCHITECTURE.md", "7. Training and input folders"),
        ("docs/config.md", "| `training` | path"),
        ("the manual page", "Training and input folders"),
    ],
)
def test_every_promise_about_the_folders_names_all_that_writes_into_them(
    page: str, begins: str
) -> None:
    is_manual = page == "the manual page"
    text = man_page.page(arguments.parser()) if is_manual else (ROOT / page).read_text()
    promise = text[text.index(begins) :][:250]
    for writer in ("restore", "teach", "prepare", "upload"):
        assert writer in promise


def test_readme_names_only_commands_that_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    typed = re.findall(r"(?:^|[;&] ?)pixd ([a-z-]+)", blocks, re.MULTILINE)
    typed += re.findall(r"`pixd ([a-z-]+)", text)
    assert "init" in typed
    assert "status" in typed
    assert set(typed) <= set(arguments.parser().commands)
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"\bmake ([a-z-]+)", text)) <= set(targets)


def test_readme_begins_with_a_picture_that_is_small() -> None:
    title, picture = (ROOT / "README.md").read_text(encoding="utf-8").split("\n\n")[:2]
    assert title.startswith("# ")
    shown = re.fullmatch(r"!\[.+\]\((docs/pictures/[\w.-]+)\)", picture)
    assert shown
    path = ROOT / shown[1]
    assert path.stat().st_size < LARGEST_STRIP_BYTES
    with Image.open(path) as image:
        assert image.width > 2 * image.height
