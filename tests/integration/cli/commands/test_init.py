"""`pixd init` writes a configuration that pixd takes, whatever the folder is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixd.cli import main
from pixd.config.load import load


@pytest.mark.parametrize(
    ("folder", "pipeline"),
    [
        ("Häuser am See", "Hauser-am-See"),
        ("写真", "images"),
        ("_test", "test"),
        (".hidden", "hidden"),
        ("2024", "2024"),
        ("null", "null"),
        ("x" * 70, "x" * 64),
    ],
)
def test_a_pipeline_is_called_like_its_folder_as_far_as_names_go(
    tmp_path: Path, folder: str, pipeline: str
) -> None:
    assert main.main(["init", str(tmp_path / folder)]) == 0
    (made,) = load(tmp_path / folder / "config.yaml").pipelines
    assert made.name == pipeline
