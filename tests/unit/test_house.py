"""The tree of `pixd/` and the page that leads through it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "pixd"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 400  # lines; a module that is longer asks for a noun of its own
FOLDERS = 13
GIVES_NAMES = {
    PACKAGE / "__init__.py",  # the version
    PACKAGE / "config" / "__init__.py",  # the settings, which nearly every module reads
    PACKAGE / "store" / "schema" / "__init__.py",  # the migrations, in their order
}


def way(title: str) -> list[Path]:
    """Return the files that a section of ARCHITECTURE.md lists."""
    page = (ROOT / "ARCHITECTURE.md").read_text()
    section = page.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    return [PACKAGE / name for name in re.findall(r"`([\w/]+\.py)`", section)]


@pytest.mark.parametrize("title", ["One image's way", "One pair's way"])
def test_a_way_through_the_code_names_each_file_once(title: str) -> None:
    files = way(title)
    assert len(files) > 20
    assert [str(path) for path in files if not path.exists()] == []
    assert sorted(set(files)) == sorted(files)


def test_the_top_has_folders_and_nothing_else() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir()} - {"__pycache__"}
    assert len(folders) <= FOLDERS
    files = {path.name for path in PACKAGE.iterdir() if path.is_file()}
    assert files == {"__init__.py", "__main__.py", "py.typed"}


def test_no_module_is_too_long() -> None:
    scripts = [*PACKAGE.rglob("*.js"), *PACKAGE.rglob("*.css")]
    long = {str(path): len(path.read_text().splitlines()) for path in (*MODULES, *scripts)}
    assert {name: lines for name, lines in long.items() if lines > LONGEST} == {}


def test_importing_a_folder_costs_nothing() -> None:
    packages = {path for path in MODULES if path.name == "__init__.py"} - GIVES_NAMES
    for path in packages:
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), path
        assert len(tree.body) == 1, path
