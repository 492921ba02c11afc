"""The ignore rules, and what a scan result knows."""

from __future__ import annotations

import pytest

from pixd.folders.ignored import is_ignored
from pixd.folders.scan import ScanResult


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
        *("Thumbs.db", "desktop.ini", "@eaDir", "__MACOSX", "THUMBS.DB", "Desktop.ini"),
        "palette.json",
        *("lost+found", "$RECYCLE.BIN", "System Volume Information", ".Trash-1000", "#recycle"),
        *("@Recycle", ".Spotlight-V100", ".fseventsd", "found.000", "Network Trash Folder"),
        *("autorun.inf", "quota.user", "pagefile.sys", "Backups.backupdb", "x.png@SynoEAStream"),
        *("x.jpg_original", "x.png.bak", "x.PNG.BAK", "x.png.orig", "x.png.aria2", "x.aria2__temp"),
        *("x.png.st", "in.png.lftp-pget-status", "x.jpg.pp3", "x.xmp", "x.jpg.dop", "x.on1"),
        *("x.png_.gstmp", "x.png.part.minio"),
        *("x.tif.ovr", "x.tif.msk", "x.tif.msk.ovr", "x.tfw", "X.TFW", "x.jgw", "x.tif.vat.dbf"),
        *("x.cos", ".~lock.x.odt#", "lu12345.tmp", ".goutputstream-ABC123", ".syncthing.x.png.tmp"),
        *(
            ".unison.x.png.0123.unison.tmp",
            "~$pictures.docx",
            "#x.png#",
            "x.png.sb-1234abcd-AbCdEf",
        ),
    ],
)
def test_names_that_are_not_looked_at(name: str) -> None:
    assert is_ignored(name)


@pytest.mark.parametrize(
    "name",
    [
        "a.png",
        "tmp",
        "part",
        "a.tmp.png",
        "~a.png",
        "-rf",
        "_a",
        "Thumbs.png",
        "the_original",
        "train.st.png",
        *("x.msk", "ovr", "x.ovr.tif"),
        "bak",
    ],
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
