"""`pixd diff` of two versions: every file that came or went is in it once."""

from __future__ import annotations

import contextlib
from pathlib import Path

from pixd.answers import diff
from pixd.store import connection
from pixd.store.opening import open_store
from tests.support.commits import record


def test_a_content_under_several_new_names_was_renamed_once_and_added_otherwise(
    tmp_path: Path,
) -> None:
    store = open_store(tmp_path)
    repo = store.history.repo_id("p", "input")
    record(store, repo, {"a": b"1", "b": b"2", "c": b"2"}, [])
    record(store, repo, {"house": b"1", "house-2": b"1", "d": b"2", "e": b"3"}, ["a", "b", "c"])
    store.close()
    with contextlib.closing(connection.open_reader(tmp_path)) as reader:
        found = diff.of_commits(reader, tmp_path, "p", "input@1", "input@2")
    assert found["renamed"] == {"a": "house", "b": "d"}
    assert list(found["added"]) == ["e", "house-2"]
    assert list(found["removed"]) == ["c"]
