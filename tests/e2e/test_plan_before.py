"""What the page says before a person makes a model live is what `pixd plan` says afterwards."""

from __future__ import annotations

import json
from typing import Any

from tests.support.paged import paged
from tests.support.tiny import Tiny


def plan(tiny: Tiny) -> Any:
    done = tiny.pixd("plan", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["tiny"]


def before(tiny: Tiny, query: str) -> tuple[Any, list[str]]:
    """Return what the page says would follow, and its words."""
    with paged(tiny.folder) as page:
        found = page.told(f"/api/tiny/plan{query}")
    return found, [f"{line['word']:<9} {line['told']}".strip() for line in found.pop("told")]


def spoken(tiny: Tiny) -> list[str]:
    """Return the words of `pixd plan`, without the line that names the pipeline."""
    return [line.strip() for line in tiny.pixd("plan").stdout.splitlines()[1:]]


def test_promoting_and_unpinning_do_what_was_said_before(two: Tiny) -> None:
    two.once()  # a copied folder has other inodes: let it be read once
    translated = two.runs("translate")
    now, words = before(two, "")
    assert (now, words) == (plan(two), spoken(two))
    told, words = before(two, "?promote=1")
    assert (
        words[0]
        == "model@1 becomes live and is pinned: newer ones take its place after `pixd unpin`"
    )
    assert "translate 3 of 3 inputs by model@1" in words
    assert "3 of them were made before, and are only published again" in words
    assert two.pixd("promote", "model@1").returncode == 0
    assert plan(two) == told
    assert spoken(two) == [line.replace("by model@1", "by the live model") for line in words[1:]]

    two.once()
    assert two.runs("translate") == translated  # they were made before, as it said
    told, words = before(two, "?unpin=1")
    assert words[0] == "model@1 is no longer pinned: newer ones may take its place"
    assert "promote   model@2: these pairs and settings made model@2 before" in words
    assert "translate 3 of 3 inputs by model@2" in words
    assert "3 of them were made before, and are only published again" in words
    assert two.pixd("unpin").returncode == 0
    assert plan(two) == told
    two.once()
    assert two.part()["model"]["number"] == 2
    assert two.runs("translate") == translated  # so were these


def test_a_model_that_is_not_there_is_no_plan(two: Tiny) -> None:
    with paged(two.folder) as page:
        assert page.get("/api/tiny/plan?promote=9").status_code == 404
        assert page.get("/api/tiny/plan?promote=x").status_code == 422
        assert page.get("/api/tiny/plan?unpin=2").status_code == 422
