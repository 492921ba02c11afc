"""Names that pixd does not look at, because no person put them there as pictures. Pure.

They are unfinished downloads, backups and sidecars of image programs, and what systems, disks and
network storage keep for themselves. A name is enough: `x.png.bak` is ignored even though its
bytes are an image. Letter case does not count.

Leaves to others: files that people do put beside pictures, such as a README, which are told by
their content too (`pixd.folders.companions`).
"""

from __future__ import annotations

import re
from typing import Final

NAMES = frozenset(
    {
        # Windows, and what it keeps on every disk.
        *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "picasa.ini"),
        *("$recycle.bin", "recycler", "recycled", "system volume information", "config.msi"),
        *("autorun.inf", "indexervolumeguid", "pagefile.sys", "hiberfil.sys", "swapfile.sys"),
        # macOS: resource forks of zips, and the folders of AFP. All others begin with a dot.
        *("__macosx", "icon\r", "network trash folder", "temporary items", "desktop db"),
        *("desktop df", "thevolumesettingsfolder", "thefindbycontentfolder", "backups.backupdb"),
        # ext2/3/4, their quotas, and Android.
        *("lost+found", "aquota.user", "aquota.group", "quota.user", "quota.group", "lost.dir"),
        # Synology, QNAP, NetApp.
        *("@eadir", "#recycle", "#snapshot", "@tmp", "@sharebin", "@recycle"),
        *("@recently-snapshot", "~snapshot"),
        # `pixd prepare colour-labels` leaves it beside what it colours.
        "palette.json",
        # GoodSync; Capture One, Nikon NX Studio; thumbnail stores of old image browsers.
        *("_gsdata_", "captureone", "nksc_param", "pspbrwse.jbf", "zbthumbnail.info"),
    }
)
SIDECARS: Final = (".aria2", ".st", ".lftp-pget-status", ".part", ".partial", ".filepart")
"""What downloaders append for the file that says how far they are: aria2, axel, lftp; browsers and
WinSCP keep the real bytes there, and an empty file under the final name."""
ENDINGS = (
    # Unfinished: editors, browsers, download programs.
    *SIDECARS,
    *("~", ".crdownload", ".download", ".tmp", ".opdownload", ".aria2__temp", ".dtapart", ".gstmp"),
    *(
        ".fdmdownload",
        ".part.minio",
        ".!ut",
        ".!qb",
        ".bc!",
        ".!sync",
        ".xltd",
        ".ytdl",
        ".incomplete",
    ),
    # Swap and lock files, backups: vim, optipng, patch, mercurial, nano.
    *(".swp", ".swo", ".swn", ".lock", ".bak", ".orig", ".rej", ".old", ".backup", ".save"),
    # Sidecars: Adobe and darktable, RawTherapee, ART, DxO, ON1, Capture One, Nikon, Canon, Apple,
    # exiv2 and exiftool, POV-Ray.
    *(".xmp", ".pp3", ".arp", ".dop", ".on1", ".onphoto", ".cos", ".cot", ".cop", ".comask"),
    *(".nksc", ".vrd", ".dr4", ".aae", ".exv", ".mie", ".pov-state"),
    # Beside maps and satellite pictures: GDAL's, QGIS' and ArcGIS' smaller copies, masks (below),
    # statistics and styles; world files. Copies and masks are TIFFs by their content.
    *(".ovr", ".rrd", ".aux", ".vat.dbf", ".vat.cpg", ".prj", ".qml", ".qmd", ".wld"),
    *(".tfw", ".tifw", ".tfwx", ".tiffw", ".jgw", ".jpgw", ".jgwx", ".pgw", ".pngw", ".pgwx"),
    *(".bpw", ".bmpw", ".gfw", ".gifw", ".j2w"),
)
"""No ending is that of an image format: names of these are let through without a look here."""
_PATTERNS = re.compile(
    r".*\.[a-z0-9]{2,5}_original"  # exiftool: x.jpg_original; not a folder that is called so
    r"|.*\.[a-z0-9]{2,5}\.msk"  # GDAL: the mask of a picture
    r"|~\$.*"  # Microsoft Office's lock of an open file
    r"|\#.*\#"  # Emacs' unsaved changes
    r"|.*\.sb-[0-9a-f]{8}-[a-z0-9]{6}"  # macOS saves under this name first
    r"|found\.[0-9]{3}"  # chkdsk's folder of what it recovered
    r"|.*@syno(?:eastream|resource)",  # what Synology keeps of a file
    re.DOTALL,
)


def is_ignored(name_part: str) -> bool:
    """Tell whether one component of a path is among the names that pixd does not look at.

    A dot in front is enough: so do `.Trash-1000`, `.syncthing.*`, `.~lock.*#`, `._*`, `.nfs*`,
    `.Spotlight-V100`, `.fseventsd` and the temporary files of rsync, Unison and GLib begin.
    """
    if name_part.startswith("."):
        return True
    lower = name_part.lower()
    return lower.endswith(ENDINGS) or lower in NAMES or _PATTERNS.fullmatch(lower) is not None
