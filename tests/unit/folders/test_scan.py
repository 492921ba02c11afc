"""The ignore rules, and what a scan result knows."""

from __future__ import annotations

import pytest

from pixd.folders.scan import ScanResult, is_ignored


@pytest.mark.parametrize(
    "name",
    [
        *(
            ".hidden",
            ".DS_Store",
            "._photo.png",
            ".stfolder",
            ".nfs000001",
            ".pixd-0123456789ab.tmp",
        ),
        *("a.png~", "a.part", "a.png.partial", "a.crdownload", "a.download", "a.tmp", "a.swp"),
        *("Thumbs.db", "desktop.ini", "@eaDir", "__MACOSX", "palette.json"),
    ],
)
def test_names_that_are_not_looked_at(name: str) -> None:
    assert is_ignored(name)


@pytest.mark.parametrize(
    "name", ["a.png", "tmp", "part", "a.tmp.png", "~a.png", "-rf", "_a", "Thumbs.png"]
)
def test_names_that_are_looked_at(name: str) -> None:
    assert not is_ignored(name)


def test_a_folder_that_cannot_be_read_hides_what_is_below_it() -> None:
    found = ScanResult(unreadable={"a/b": "cannot be read: Permission denied"})
    assert found.hides("a/b/c.png")
    assert found.hides("a/b/c/d.png")
    assert not found.hides("a/b")
    assert not found.hides("a/bc.png")
    assert not ScanResult().hides("a/b")
