"""A store that an older version made opens under this one, which does and says nothing anew."""

from __future__ import annotations

import json
import re
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.support import old_store
from tests.support.old_store import Code, lasting

# What the older code said in other words; the facts are the same.
REWORDED = {
    "mend it, or after a mistake": "fix it, or after a mistake",
    "anew because: ": "again because: ",
    "the kernel tells of changes": "the kernel reports changes",
    # The plan says it in the words of the service.
    "the live model@1 is of these pairs": "the live model is of these pairs",
}
OFFER = re.compile(r"; pixd 0\.1 [^;]*; `pixd retrain` makes model@\d+ anew")
"""What this pixd would make otherwise is offered, and done when a person asks."""


def in_present_words(told: dict[str, Any]) -> dict[str, Any]:
    text = OFFER.sub("", json.dumps(told))
    for old, present in REWORDED.items():
        text = text.replace(old, present)
    worded: dict[str, Any] = json.loads(text)
    for pipeline in worded["status"]["said"]["pipelines"].values():
        pipeline["input"].setdefault("findings", None)  # a key that the older status lacks
    return worded


def nothing_is_touched(folder: Path, told: dict[str, Any]) -> None:
    """Let the present code look, work until nothing is due, and look again.

    Args:
        folder: a copy of what the older code made.
        told: that code's answers.
    """
    told = in_present_words(told)
    present = Code(old_store.ROOT)
    recorded, written = old_store.records(folder), old_store.outputs(folder)
    # What the older service wrote before it ended is read as it is.
    answers = without_new_fields(in_present_words(lasting(present.answers(folder))), told)
    # A copied file has an inode of its own, so that the first plan expects it to be changed.
    assert without_plans(answers) == without_plans(lasting(told))
    done = present.python(folder, "-c", old_store.RUNNING)
    assert done.returncode == 0, done.stderr
    started = folder / "started"
    assert not started.exists(), started.read_text()
    assert old_store.records(folder) == recorded
    assert old_store.outputs(folder) == written
    after = in_present_words(lasting(present.answers(folder)))
    assert without_new_fields(after, told) == lasting(told)


def without_new_fields(answer: Any, told: Any) -> Any:
    """Return an answer without the fields that the older code did not know."""
    if isinstance(answer, dict) and isinstance(told, dict):
        return {k: without_new_fields(v, told[k]) for k, v in answer.items() if k in told}
    if isinstance(answer, list) and isinstance(told, list) and len(answer) == len(told):
        return [without_new_fields(*each) for each in zip(answer, told, strict=True)]
    return answer


def without_plans(answers: dict[str, Any]) -> dict[str, Any]:
    return {words: answer for words, answer in answers.items() if words.split()[0] != "plan"}


def restored(at: Path) -> tuple[Path, dict[str, Any]]:
    """Unpack the fixture; return its folder and what the older code said of it."""
    with tarfile.open(old_store.FIXTURE) as tar:
        tar.extractall(at, filter="data")
    return at / old_store.FOLDER, json.loads((at / old_store.RECORDED).read_text())


def holds_what_it_is_for(folder: Path, told: dict[str, Any]) -> None:
    pipelines = told["status"]["said"]["pipelines"]
    live = {name: (p["model"]["number"], p["model"]["pinned"]) for name, p in pipelines.items()}
    assert live == {"one": (1, True), "two": (1, False)}
    assert [m["number"] for m in told["log model -p one -n 100"]["said"]] == [3, 2, 1]
    assert pipelines["one"]["input"]["rejected"] == 2  # one is no picture, one is recalled
    assert pipelines["two"]["training"]["rejected"] == 1
    assert "recalled" in str(told["why one/training/012.png"])
    assert len(old_store.outputs(folder)) == 4
    assert {answer["code"] for words, answer in told.items() if words != "status"} == {0}


def test_an_old_store_is_not_touched(tmp_path: Path) -> None:
    folder, told = restored(tmp_path)
    holds_what_it_is_for(folder, told)
    nothing_is_touched(folder, told)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not old_store.has_commit(), reason="the sources come without their history")
def test_a_store_made_by_the_old_code_is_not_touched(tmp_path: Path) -> None:
    code = old_store.old_code(tmp_path / "source")
    folder = tmp_path / "made"
    folder.mkdir()
    old_store.make(folder, code)
    told = code.answers(folder)
    holds_what_it_is_for(folder, told)
    shutil.copytree(folder, tmp_path / "copy", symlinks=True)  # keeps the times
    nothing_is_touched(tmp_path / "copy", told)
    nothing_is_touched(folder, told)  # where no file has another inode
